//! Decisions. The engine takes everything that can happen, with its time, and answers with events
//! (already applied to the session state) and requests for the outside. Pure: no clock, no I/O.

mod io;

pub use io::{Input, Out, Reply, Request};

use crate::config::Settings;
use crate::model::{SessionState, Timestamp};

/// The engine: settings and the session as it is. One task owns it.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    state: SessionState,
}

impl Engine {
    /// An engine on a session: a fresh one, or one that was recovered from the journal.
    pub fn new(settings: Settings, state: SessionState) -> Self {
        Self { settings, state }
    }

    /// The session as it is.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// The settings it decides by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes one input and appends what follows from it to `out`. Total: it returns, whatever
    /// comes in; bad input becomes an event.
    pub fn step(&mut self, now: Timestamp, input: Input, out: &mut Out) {
        let _ = (now, input, out);
    }

    /// When the engine next wants an [`Input::Tick`], if nothing else comes in before.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        None
    }
}
