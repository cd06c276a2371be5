//! Conditions under which no command leaves, checked when a prompt opens and again when it fires.
//! (The engine checks what it can see a third time.)

use std::fmt;
use std::time::Duration;

use super::Subject;
use crate::tui::format;

/// Data older than this is no ground for a decision.
const TOO_OLD: Duration = Duration::from_secs(2);

/// What the gates are checked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each gate is a condition of its own")]
pub struct Gates {
    /// The session has ended or does not answer.
    pub ended: bool,
    /// The exchange's pushes arrive.
    pub link_up: bool,
    /// Time since the session last said anything.
    pub data_age: Duration,
    /// The display stands still.
    pub frozen: bool,
    /// Rows can be seen.
    pub rows_visible: bool,
    /// Commands are refused.
    pub read_only: bool,
    /// Keys come faster than fingers can.
    pub burst: bool,
    /// Time since the keyboard came to this window, or the window changed.
    pub settled: Duration,
}

/// Why a command does not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The session has ended.
    Ended,
    /// The exchange's pushes do not arrive.
    LinkDown,
    /// The data is too old.
    Stale(Duration),
    /// The display stands still.
    Frozen,
    /// The target cannot be seen.
    NotVisible,
    /// Commands are refused here.
    ReadOnly,
    /// Keys came too fast.
    Burst,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the session has ended"),
            Self::LinkDown => f.write_str("the link to the exchange is down"),
            Self::Stale(age) => write!(f, "the data is {} old", format::span(*age)),
            Self::Frozen => f.write_str("the display is frozen; unfreeze it first"),
            Self::NotVisible => f.write_str("target not visible: the window is too small"),
            Self::ReadOnly => f.write_str("this dashboard is read-only"),
            Self::Burst => f.write_str("keys came too fast and were dropped"),
        }
    }
}

impl Gates {
    /// Whether a command about this subject may be asked for, or sent, now.
    ///
    /// Halt passes all gates but the burst. What reduces risk passes while the exchange's link is
    /// known to be down: that is when it is needed most, and the session itself tells of it. What
    /// increases risk needs the link and fresh data.
    ///
    /// # Errors
    /// The first gate that is closed.
    pub fn check(&self, subject: &Subject) -> Result<(), Gate> {
        if self.burst {
            return Err(Gate::Burst);
        }
        if self.read_only {
            return Err(Gate::ReadOnly);
        }
        if matches!(subject, Subject::Halt { .. }) {
            return Ok(());
        }
        if self.ended {
            return Err(Gate::Ended);
        }
        if self.frozen {
            return Err(Gate::Frozen);
        }
        if !self.rows_visible && !matches!(subject, Subject::Pause { .. }) {
            return Err(Gate::NotVisible);
        }
        if matches!(subject, Subject::AcknowledgeAll { .. }) {
            return Ok(());
        }
        if !self.link_up {
            return if subject.reduces_risk() { Ok(()) } else { Err(Gate::LinkDown) };
        }
        if self.data_age >= TOO_OLD {
            return Err(Gate::Stale(self.data_age));
        }
        Ok(())
    }
}
