//! The stage itself.

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::about::told;
use super::{Fact, Feed};
use crate::model::{Command, Decimal, Event, PastReader, Record, SessionTime};
use crate::runtime::Durable;
use crate::tui::keymap::{Keymap, Press};
use crate::tui::model::{Limits, Model, Now, Setup};
use crate::tui::theme::{ASCII, Depth, Theme, UNICODE};
use crate::tui::update::{Effect, Msg, update};
use crate::tui::view;

/// The time at which scenes begin: 2026-11-23 14:22:07 UTC.
pub const START: SessionTime = SessionTime::from_secs(1_795_443_727);

/// How often time passes on it, as in a terminal.
const TICK: Duration = Duration::from_millis(500);

/// A dashboard on a stage.
pub struct Stage {
    /// Its model.
    pub model: Model,
    /// Its theme.
    pub theme: Theme,
    /// Everything it wanted done outside.
    pub effects: Vec<Effect>,
    /// Commands that it sent.
    pub sent: Vec<Command>,
    /// Time between two keys.
    pub key_gap: Duration,
    /// Who answers questions about the past; without it they stay open.
    pub past: Option<Box<dyn PastReader>>,
    /// Whether the exchange tells of the positions.
    synced: bool,
    /// Whether it says nothing at all.
    silent: bool,
    real: Duration,
    origin: SessionTime,
    feed: Feed,
}

impl Stage {
    /// A stage of a size, with a built-in theme at a depth.
    ///
    /// # Errors
    /// When there is no such theme, in words.
    pub fn new(size: (u16, u16), theme: &str, depth: Depth, ascii: bool) -> Result<Self, String> {
        let glyphs = if ascii { ASCII } else { UNICODE };
        let theme = Theme::load(theme, None, depth, glyphs).map_err(|error| error.to_string())?;
        let keymap = Arc::new(Keymap::load(None).map_err(|error| error.to_string())?);
        let now = Now { real: Duration::from_secs(1), session: START };
        let limits = Limits { daily_loss_pct: Decimal::from(5), drawdown_pct: Decimal::from(15), max_positions: 3 };
        let setup = Setup { limits: Some(limits), ..Setup::default() };
        let mut model = Model::new(Box::default(), setup, keymap, size, now);
        // The disk keeps up until it is said otherwise.
        model.disk.told(Durable { safe: u64::MAX, trouble: None });
        Ok(Self {
            model,
            theme,
            effects: Vec::new(),
            sent: Vec::new(),
            key_gap: Duration::from_millis(400),
            past: None,
            synced: true,
            silent: false,
            real: now.real,
            origin: START,
            feed: Feed::default(),
        })
    }

    /// The times now.
    pub fn now(&self) -> Now {
        Now { real: self.real, session: self.origin.plus(self.real.saturating_sub(Duration::from_secs(1))) }
    }

    /// A message.
    pub fn tell(&mut self, msg: Msg) {
        let now = self.now();
        let effects = update(&mut self.model, msg, now);
        for effect in &effects {
            if let Effect::Send(armed) = effect {
                self.sent.push(armed.get().clone());
            }
        }
        let asked: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Look { ticket, query, .. } => Some((*ticket, query.clone())),
                _ => None,
            })
            .collect();
        self.effects.extend(effects);
        for (ticket, query) in asked {
            if let Some(reader) = &mut self.past {
                let page = reader.page(&query).map_err(|error| error.to_string());
                self.tell(Msg::Past(ticket, page));
            }
        }
    }

    /// Gives it a past, kept in places of these names.
    pub fn keep_past(&mut self, reader: Box<dyn PastReader>, names: &[&str]) {
        self.model.past.sources = names.iter().map(|name| (*name).to_owned()).collect();
        self.past = Some(reader);
    }

    /// Something happens in the session.
    pub fn happen(&mut self, fact: &Fact) {
        if let Fact::Command { sent, .. } = fact
            && let Some(command) = self.sent.get(*sent)
            && self.model.state.command(&command.id).is_none()
        {
            let event = Event::CommandReceived { command: Box::new(command.clone()) };
            self.records(vec![Record { seq: 0, at: self.now().session, event }]);
        }
        self.synced &= !matches!(fact, Fact::Unread { .. });
        self.silent |= matches!(fact, Fact::Silent);
        let ids: Vec<_> = self.sent.iter().map(|command| command.id.clone()).collect();
        let at = self.now().session;
        let records = self.feed.records(&self.model.state, at, fact, &ids);
        self.records(records);
    }

    /// Events of the session.
    pub fn records(&mut self, records: Vec<Record>) {
        self.tell(Msg::Events(records.into()));
    }

    /// Its clock shows this time from now on: before it follows a session that really ran.
    pub fn begin_at(&mut self, at: SessionTime) {
        self.origin = at.minus(self.real.saturating_sub(Duration::from_secs(1)));
    }

    /// Events of a session that really ran, each at its own time; between them the screen goes on.
    pub fn follow(&mut self, records: Vec<Record>) {
        for record in records {
            while self.now().session.plus(TICK) <= record.at {
                self.real = self.real.saturating_add(TICK);
                self.tell(Msg::Tick);
            }
            self.real = self.real.saturating_add(record.at.since(self.now().session));
            self.records(vec![record]);
        }
        self.draw();
    }

    /// Time passes; the session goes on talking and the screen is drawn.
    pub fn wait(&mut self, span: Duration) {
        let until = self.real.saturating_add(span);
        while self.real < until {
            self.real = self.real.saturating_add(TICK).min(until);
            // Folded without an update: the session is silent all the same.
            if self.model.state.info.is_some() {
                for record in self.told() {
                    self.model.state.apply(&record);
                }
            }
            self.tell(Msg::Tick);
        }
        self.draw();
    }

    /// The session says that it is there.
    pub fn heartbeat(&mut self) {
        self.records(self.told());
    }

    /// What the exchange tells just now.
    fn told(&self) -> Vec<Record> {
        if self.silent {
            return Vec::new();
        }
        let at = self.now().session;
        told(&self.model.state, at, self.synced).into_iter().map(|event| Record { seq: 0, at, event }).collect()
    }

    /// A key, a little after the one before, on a drawn screen.
    pub fn press(&mut self, press: Press) {
        self.draw();
        self.real = self.real.saturating_add(self.key_gap);
        self.heartbeat();
        self.tell(Msg::Key(press, self.real));
        self.draw();
    }

    /// Keys by name, with blanks between them; `'text'` types a text.
    pub fn keys(&mut self, keys: &str) {
        let mut quoted = false;
        for part in keys.split('\'') {
            if quoted {
                for c in part.chars() {
                    self.press(Press::char(c));
                }
            } else {
                for press in part.split_whitespace().filter_map(Press::parse) {
                    self.press(press);
                }
            }
            quoted = !quoted;
        }
    }

    /// Draws a frame.
    pub fn draw(&mut self) -> Buffer {
        let buffer = render_scene(&mut self.model, &self.theme);
        self.tell(Msg::Drawn);
        buffer
    }

    /// The screen as lines of text.
    pub fn screen(&mut self) -> Vec<String> {
        lines(&self.draw())
    }
}

/// Draws one frame of a model into a buffer of its size.
pub fn render_scene(model: &mut Model, theme: &Theme) -> Buffer {
    let (width, height) = model.size;
    let mut buffer = Buffer::empty(Rect { x: 0, y: 0, width, height });
    model.refresh();
    view::draw(model, theme, &mut buffer);
    buffer
}

/// A buffer as lines of text.
pub fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width.max(1));
    buffer.content.chunks(width).map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
}
