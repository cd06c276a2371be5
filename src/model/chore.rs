//! What goes on between steps: recurring work, the link, the exchange's view of positions. None of it is
//! journaled.

use serde::{Deserialize, Serialize};

use super::{PositionReport, SessionTime};

/// The exchange's view of a position, and how fresh it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueView {
    /// As told; size zero when a good snapshot did not list it.
    pub report: PositionReport,
    /// When the question left, or the push arrived: changes of ours after it are not in it.
    pub as_of: SessionTime,
}

/// Recurring work of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chore {
    /// Bulk query of open orders.
    PollOrders,
    /// Positions and account.
    SyncPositions,
    /// Fills since the last seen.
    FetchFills,
    /// Forgetting what is old.
    Cleanup,
    /// Contract details.
    Contracts,
    /// Position mode of the account.
    PositionMode,
    /// The exchange's clock.
    Clock,
}

/// A chore's place in its cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoreState {
    /// When it is due next.
    pub due: Option<SessionTime>,
    /// Since when its question is out.
    pub asked_at: Option<SessionTime>,
    /// When it last succeeded.
    pub done_at: Option<SessionTime>,
    /// When the question of that success left: what happened later is not in its answer.
    pub told_of: Option<SessionTime>,
    /// Failures in a row.
    pub failures: u32,
    /// Why it last failed, for people; `None` once it succeeded.
    #[serde(default)]
    pub error: Option<String>,
}

/// The link to the exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "link")]
pub enum LinkState {
    /// Not yet connected.
    #[default]
    Connecting,
    /// Pushes arrive.
    Up,
    /// Pushes do not arrive.
    Down {
        /// For people.
        reason: String,
        /// Which try comes next.
        attempt: u32,
    },
}
