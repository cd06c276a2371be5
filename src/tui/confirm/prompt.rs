//! The prompt: its phrase is fixed at its opening, it is armed again when what it puts at risk has changed, and it
//! is gone after ten seconds without a key.

use std::time::Duration;

use crossterm::event::KeyCode;
use tui_input::{Input, InputRequest};

use super::{Armed, Gates, Sender, Subject, Tier, armed};
use crate::model::{Command, SessionState};
use crate::tui::keymap::{Act, Press};

/// A prompt that nobody answers goes after this time.
pub const EXPIRES: Duration = Duration::from_secs(10);
/// A prompt must have been on the screen for so long before it can be answered with a key.
pub const QUIET_AFTER_DRAW: Duration = Duration::from_millis(150);
/// The window must have had the keyboard, and its size, for so long.
pub const QUIET_AFTER_SETTLING: Duration = Duration::from_millis(300);

/// A command that waits for its confirmation.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What it is about, as the operator saw it.
    pub subject: Subject,
    /// What it asks for.
    pub tier: Tier,
    /// The command that it becomes.
    pub sender: Sender,
    /// What has been typed.
    pub input: Input,
    /// When it was opened, or armed again.
    pub armed_at: Duration,
    /// When it was first drawn since then.
    pub drawn: Option<Duration>,
    /// When it goes.
    pub deadline: Duration,
    /// Whether it was armed again because its target changed.
    pub rearmed: bool,
    /// Why the last key did nothing.
    pub note: Option<String>,
}

/// What a key did to a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It stays.
    Stay,
    /// It goes, and nothing is sent.
    Close,
    /// It goes, and this is sent.
    Fire(Armed<Command>),
}

impl Prompt {
    /// A prompt about a subject.
    pub fn open(subject: Subject, sender: Sender, now: Duration) -> Self {
        Self {
            tier: subject.tier(),
            subject,
            sender,
            input: Input::default(),
            armed_at: now,
            drawn: None,
            deadline: now.saturating_add(EXPIRES),
            rearmed: false,
            note: None,
        }
    }

    /// Takes note of having been drawn.
    pub fn drawn(&mut self, now: Duration) {
        self.drawn.get_or_insert(now);
    }

    /// What was on the screen is not certain: it counts as drawn from the next frame on.
    pub fn unseen(&mut self) {
        self.drawn = None;
    }

    /// Follows the session: what is shown is what is so now, and what was typed stays. Only where what would be put
    /// at risk is not any more what the operator saw, it is armed again and what was typed is gone. `known`: the
    /// positions are. `false`: nothing of it is left.
    pub fn observe(&mut self, state: &SessionState, known: bool, now: Duration) -> bool {
        if !self.subject.has_changed(state) {
            let Some(subject) = self.subject.clone().followed(state, known) else { return false };
            self.tier = self.tier.followed_by(subject.tier());
            self.subject = subject;
            return true;
        }
        let Some(subject) = self.subject.renewed(state, known) else { return false };
        self.tier = subject.tier();
        self.subject = subject;
        self.input.reset();
        self.armed_at = now;
        self.drawn = None;
        self.deadline = now.saturating_add(EXPIRES);
        self.rearmed = true;
        self.note = Some("changed: look again".to_owned());
        true
    }

    /// Drops what was typed, for keys that no finger pressed.
    pub fn disarm(&mut self, why: &str) {
        self.input.reset();
        self.note = Some(why.to_owned());
    }

    /// A key.
    pub fn press(&mut self, key: Press, meaning: Option<Act>, gates: &Gates, now: Duration) -> Answer {
        if key.code == KeyCode::Esc {
            return Answer::Close;
        }
        match self.tier.clone() {
            Tier::Key => match meaning {
                Some(Act::Yes) => self.fire(false, gates, now),
                _ => Self::other_key(key),
            },
            Tier::KeyOrEntries(_) => match meaning {
                Some(Act::Yes) => self.fire(false, gates, now),
                Some(Act::YesAndCancel) => self.fire(true, gates, now),
                _ => Self::other_key(key),
            },
            Tier::Word(word) => self.typed(key, &word, gates, now),
        }
    }

    /// Enter does nothing; any other key closes without being passed on.
    fn other_key(key: Press) -> Answer {
        if key.code == KeyCode::Enter { Answer::Stay } else { Answer::Close }
    }

    fn typed(&mut self, key: Press, word: &str, gates: &Gates, now: Duration) -> Answer {
        let request = match key {
            Press { code: KeyCode::Enter, ctrl: false, alt: false } => {
                if self.input.value() == word {
                    return self.fire(false, gates, now);
                }
                let typed = crate::model::escape_controls(self.input.value()).into_owned();
                self.input.reset();
                self.note = Some(if typed.is_empty() {
                    format!("type {word}, then Enter")
                } else {
                    format!("\"{typed}\" is not \"{word}\"")
                });
                return Answer::Stay;
            }
            Press { code: KeyCode::Backspace, .. } => InputRequest::DeletePrevChar,
            Press { code: KeyCode::Left, .. } => InputRequest::GoToPrevChar,
            Press { code: KeyCode::Right, .. } => InputRequest::GoToNextChar,
            Press { code: KeyCode::Char('u'), ctrl: true, .. } => InputRequest::DeleteLine,
            Press { code: KeyCode::Char(c), ctrl: false, alt: false } if self.input.value().len() < 64 => {
                InputRequest::InsertChar(c)
            }
            _ => return Answer::Stay,
        };
        self.input.handle(request);
        self.note = None;
        self.deadline = now.saturating_add(EXPIRES);
        Answer::Stay
    }

    fn fire(&mut self, with_entries: bool, gates: &Gates, now: Duration) -> Answer {
        if let Err(gate) = gates.check(&self.subject) {
            self.input.reset();
            self.note = Some(gate.to_string());
            return Answer::Stay;
        }
        let seen_for = self.drawn.map(|drawn| now.saturating_sub(drawn));
        let too_early = seen_for.is_none_or(|seen| seen < QUIET_AFTER_DRAW) || gates.settled < QUIET_AFTER_SETTLING;
        if too_early && !matches!(self.subject, Subject::Halt { .. }) {
            self.note = Some(match &self.tier {
                Tier::Word(_) => "too early: press Enter again".to_owned(),
                Tier::Key | Tier::KeyOrEntries(_) => "too early: press the key again".to_owned(),
            });
            return Answer::Stay;
        }
        Answer::Fire(armed::arm(Command {
            id: self.sender.id.clone(),
            by: self.sender.by.clone(),
            action: self.subject.action(with_entries),
        }))
    }
}
