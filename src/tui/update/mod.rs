//! What a message does to the model, and what has to be done outside. Pure: the times come with the
//! message.

mod commands;
pub mod facts;
mod fingers;
mod keys;
mod outward;
mod past;
mod typing;

use std::sync::Arc;
use std::time::Duration;

pub use commands::Undelivered;
pub use fingers::{BURST_KEYS, BURST_SPAN, Fingers};
pub use outward::{Notification, Outward};

use super::confirm::Armed;
use super::keymap::Press;
use super::model::{LOST, Mode, Model, Notice, Now};
use super::view;
use crate::model::{Command, PastPage, PastQuery, Record, SessionState, Severity, SinkStatus, StopPolicy, count};
use crate::runtime::Durable;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key, and when it came: real time since the dashboard began.
    Key(Press, Duration),
    /// Text was pasted; it is dropped.
    Paste,
    /// The keyboard came to this window.
    FocusGained,
    /// It left.
    FocusLost,
    /// The window has another size.
    Resize(u16, u16),
    /// Time passed.
    Tick,
    /// Events of the session.
    Events(Arc<[Record]>),
    /// The whole state, in place of events that were lost.
    Snapshot(Arc<SessionState>),
    /// A page of the past, with the number of its question.
    Past(u64, Result<PastPage, String>),
    /// How far the copy in QuestDB is.
    Sink(Box<SinkStatus>),
    /// How far the facts are on disk.
    Durable(Durable),
    /// A frame was drawn.
    Drawn,
    /// The session has ended.
    Ended,
    /// A command could not be delivered.
    NotDelivered(Armed<Command>),
    /// The dashboard did nothing for so long that what was on the screen is not certain.
    StoodStill,
    /// The dashboard was suspended and is back.
    Resumed,
    /// A part of the program ended unexpectedly.
    Panicked(String),
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a command: only one that was confirmed can be here.
    Send(Armed<Command>),
    /// Give the window a title.
    Title(String),
    /// Ring, and tell the terminal's notifications.
    Ring(Notification),
    /// Run the operator's own notification command.
    Notify(Notification),
    /// Put a text on the clipboard.
    Copy(String),
    /// Suspend to the shell.
    Suspend,
    /// Ask a place for a page of the past; the answer bears this number.
    Look {
        /// Which place.
        source: usize,
        /// The number of the question.
        ticket: u64,
        /// The question.
        query: PastQuery,
    },
    /// Leave the dashboard.
    Leave(Exit),
}

/// Why the dashboard ended, and what becomes of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The operator ends the session.
    Stop(StopPolicy),
    /// The operator leaves; the session goes on.
    Detached,
    /// The session has ended by itself.
    SessionEnded,
    /// The process was told to end (SIGTERM, SIGINT, SIGHUP).
    Terminated,
    /// The terminal is gone.
    TerminalLost,
}

/// Applies a message.
pub fn update(model: &mut Model, msg: Msg, now: Now) -> Vec<Effect> {
    let second = model.now.session.secs();
    model.now = now;
    let mut effects = Vec::new();
    match msg {
        Msg::Key(press, at) => {
            // The time of the finger, not that of a loop that had other things to do.
            model.key_at = at.min(now.real);
            model.dirty = true;
            model.refresh();
            keys::press(model, press, &mut effects);
        }
        Msg::Paste => {
            model.dirty = true;
            fingers::pasted(model);
        }
        Msg::FocusGained => {
            model.settled = now.real;
            model.dirty = true;
        }
        Msg::StoodStill | Msg::Resumed => unseen(model),
        Msg::FocusLost => {}
        Msg::Resize(columns, rows) => {
            model.size = (columns, rows);
            unseen(model);
        }
        Msg::Tick => tick(model, second, &mut effects),
        Msg::Events(records) => model.fold(&records),
        Msg::Snapshot(state) => model.adopt(Box::new(Arc::unwrap_or_clone(state))),
        Msg::Past(ticket, page) => past::answered(model, ticket, page),
        Msg::Sink(sink) => {
            model.sink = Some(*sink);
            model.dirty = true;
        }
        Msg::Durable(durable) => {
            model.dirty |= model.disk.is_behind();
            model.disk.told(durable);
        }
        Msg::Drawn => {
            if let Mode::Prompt(prompt) = &mut model.mode {
                prompt.drawn(now.real);
            }
        }
        Msg::Ended => {
            model.ended = true;
            model.dirty = true;
            if model.state.positions.open_count() > 0 {
                let text = format!("session ended with {} open", count(model.state.positions.open_count(), "position"));
                model.banner.raise("ended", Severity::Critical, text, now);
            }
        }
        Msg::NotDelivered(armed) => commands::not_delivered(model, armed),
        Msg::Panicked(what) => {
            let text = format!("a part of the program ended unexpectedly: {what}");
            model.banner.raise("panic", Severity::Critical, text, now);
        }
    }
    past::ask(model, &mut effects);
    watch_prompt(model);
    model.banner.settle(&model.state, now.real);
    outward::speak(model, &mut effects);
    effects
}

/// Nobody can say what was on the screen up to now: quiet time begins anew with the next frame.
fn unseen(model: &mut Model) {
    model.settled = model.now.real;
    model.dirty = true;
    if let Mode::Prompt(prompt) = &mut model.mode {
        prompt.unseen();
    }
}

/// Holds an open prompt against the session as it is now.
fn watch_prompt(model: &mut Model) {
    let known = model.positions_known().is_known();
    let Mode::Prompt(prompt) = &mut model.mode else { return };
    let now = model.now.real;
    if !prompt.observe(&model.state, known, now) {
        model.mode = Mode::Normal;
        model.reorder();
        model.notice = Some(Notice::new("gone before it was confirmed: nothing was sent", Severity::Warning, now));
    } else if now >= prompt.deadline {
        model.mode = Mode::Normal;
        model.reorder();
        model.notice = Some(Notice::new("the prompt expired: nothing was sent", Severity::Info, now));
    }
}

fn tick(model: &mut Model, second: i64, effects: &mut Vec<Effect>) {
    let now = model.now.real;
    if model.notice.as_ref().is_some_and(|notice| now >= notice.until) {
        model.notice = None;
        model.dirty = true;
    }
    if second != model.now.session.secs() || is_moving(model) {
        model.dirty = true;
    }
    let mut lost: Vec<(u64, String)> = Vec::new();
    for (_, flight) in model.flights.all_mut() {
        if flight.protective && !flight.mourned && now.saturating_sub(flight.sent) >= LOST {
            flight.mourned = true;
            lost.push((flight.number, flight.action.summary()));
        }
    }
    for (number, what) in lost {
        let text = format!("c{number} {what}: no end after 5 s, and it takes protection away");
        model.banner.raise(&format!("lost c{number}"), Severity::Critical, text, model.now);
    }
    commands::retry(model, effects);
}

/// Whether something on the screen moves by itself.
fn is_moving(model: &Model) -> bool {
    !model.flights.is_empty()
        || model.disk.is_behind()
        || matches!(model.mode, Mode::Prompt(_))
        || model.frozen.is_some()
        || model.state.flatten.is_some()
        || view::blinks(model)
        || model.past.is_waiting()
}

/// How long until the next tick is wanted.
pub fn next_tick(model: &Model) -> Duration {
    if is_moving(model) || model.notice.is_some() {
        return Duration::from_millis(100);
    }
    let into = u64::try_from(model.now.session.micros().rem_euclid(1_000_000)).unwrap_or_default();
    Duration::from_micros(1_000_000_u64.saturating_sub(into).max(20_000))
}
