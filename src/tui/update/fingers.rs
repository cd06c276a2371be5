//! Telling fingers from machines: a burst of keys or a paste is no operator.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Severity;
use crate::tui::keymap::Press;
use crate::tui::model::{Mode, Model, Notice};

/// More keys than this ...
pub const BURST_KEYS: usize = 8;
/// ... within this time are no fingers.
pub const BURST_SPAN: Duration = Duration::from_millis(30);
/// How long keys are dropped after a burst.
const DEAF: Duration = Duration::from_millis(300);

/// The keys of the last moment.
#[derive(Clone, Debug, Default)]
pub struct Fingers {
    recent: VecDeque<Duration>,
    deaf_until: Option<Duration>,
    /// The first of two keys.
    pub chord: Vec<Press>,
    /// When Ctrl-C was last pressed.
    pub interrupted: Option<Duration>,
    /// When Ctrl-Z was last pressed.
    pub suspended: Option<Duration>,
}

impl Fingers {
    /// Counts a key in; whether it belongs to a burst.
    pub fn count(&mut self, now: Duration) -> bool {
        self.recent.push_back(now);
        while self.recent.len() > BURST_KEYS.saturating_add(1) {
            self.recent.pop_front();
        }
        let crowded = self.recent.len() > BURST_KEYS
            && self.recent.front().is_some_and(|first| now.saturating_sub(*first) < BURST_SPAN);
        if crowded || self.in_burst(now) && self.is_quick(now) {
            self.deaf_until = Some(now.saturating_add(DEAF));
        }
        self.in_burst(now)
    }

    /// Whether keys are dropped now.
    pub fn in_burst(&self, now: Duration) -> bool {
        self.deaf_until.is_some_and(|until| now < until)
    }

    fn is_quick(&self, now: Duration) -> bool {
        self.recent.iter().rev().nth(1).is_some_and(|before| now.saturating_sub(*before) < BURST_SPAN)
    }
}

/// A paste: dropped, and said so.
pub fn pasted(model: &mut Model) {
    let now = model.now.real;
    if let Mode::Prompt(prompt) = &mut model.mode {
        prompt.disarm("pasted text was dropped");
    }
    model.fingers.chord.clear();
    model.notice = Some(Notice::new("pasted text was dropped: type it", Severity::Warning, now));
}

/// A burst: what was typed into a prompt is gone.
pub fn burst(model: &mut Model) {
    let now = model.now.real;
    if let Mode::Prompt(prompt) = &mut model.mode {
        prompt.disarm("keys came too fast and were dropped");
    }
    model.fingers.chord.clear();
    model.notice = Some(Notice::new("keys came too fast and were dropped", Severity::Warning, now));
}
