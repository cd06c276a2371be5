//! The session itself: who it is, whether it may trade, how it starts and ends.

use serde::{Deserialize, Serialize};

use super::{CommandId, Identity, Incarnation, OrderNo, PositionKey, SessionId, SessionTime};

/// Whether new exposure is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Signals trade.
    #[default]
    Running,
    /// No new exposure; exits, cancels, reconciliation and alerts go on.
    Paused,
    /// Paused, and entries were cancelled.
    Halted,
}

impl Control {
    /// Its word on screens and in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Halted => "halted",
        }
    }
}

/// How far the session is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Asks the exchange what is true; no entries yet.
    #[default]
    Starting,
    /// Reconciled with the exchange.
    Ready,
    /// Ending in order.
    Stopping,
    /// Ended.
    Stopped,
}

/// Where it trades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// The simulator: play money.
    #[default]
    Paper,
    /// The exchange: real money.
    Live,
    /// A past session, shown again.
    Replay,
}

impl Environment {
    /// `PAPER`, `LIVE`, `REPLAY`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Paper => "PAPER",
            Self::Live => "LIVE",
            Self::Replay => "REPLAY",
        }
    }
}

/// Who the session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// Paper, live or replay.
    pub environment: Environment,
    /// The exchange's address, without secrets.
    pub exchange: String,
    /// What it runs, for the session bar: scenario or candle file, or the account.
    pub label: String,
    /// When it was first started.
    pub started_at: SessionTime,
    /// How often it was started, the first time included.
    pub starts: u32,
    /// Which start this is, in the client ids of its orders; `None` before version 0.2.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
    /// What its data belongs to; `None` in facts of before it was kept.
    #[serde(default)]
    pub identity: Option<Identity>,
}

/// That facts are missing in the journal, and where it was said: whether the session was halted in them is
/// not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The fact that says so; what is lost lies before it.
    pub told_at: u64,
    /// The start that found it.
    pub start: u32,
}

/// What a stop does with working orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopPolicy {
    /// Cancels working entries, keeps protective orders.
    CancelEntries,
    /// Leaves everything at the exchange and lists it.
    #[default]
    Leave,
}

/// The steps of a flatten, in their order (engine.md 6.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlattenStep {
    /// No new exposure.
    Pause,
    /// Cancels of working entries are sent.
    CancelEntries,
    /// Reduce-only market orders, at once; the position nearest to liquidation first.
    ClosePositions,
    /// Waits until the end of every entry is proven.
    AwaitCancels,
    /// The exchange confirms zero.
    VerifyZero,
    /// Cancels of leftover protective orders.
    CancelProtective,
    /// Nothing is left.
    Done,
}

impl FlattenStep {
    /// All steps in order, without the end.
    pub const PLAN: [Self; 6] = [
        Self::Pause,
        Self::CancelEntries,
        Self::ClosePositions,
        Self::AwaitCancels,
        Self::VerifyZero,
        Self::CancelProtective,
    ];

    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause new exposure",
            Self::CancelEntries => "cancel entry orders",
            Self::AwaitCancels => "wait for the cancels",
            Self::ClosePositions => "close each position, reduce-only",
            Self::VerifyZero => "verify zero at the exchange",
            Self::CancelProtective => "cancel leftover protective orders",
            Self::Done => "done",
        }
    }
}

/// A flatten that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flatten {
    /// The command that wants it.
    pub command: CommandId,
    /// The step it is at.
    pub step: FlattenStep,
    /// When that step began.
    pub step_since: SessionTime,
    /// The closing orders it made.
    pub closes: Vec<(PositionKey, OrderNo)>,
    /// How often it had to send closes again.
    pub rounds: u32,
}
