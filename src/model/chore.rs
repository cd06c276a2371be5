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
    /// The same of the first time that it was told so: repeating a word makes it no newer.
    #[serde(default)]
    pub word_at: SessionTime,
    /// Whether it is from a list, which may lag behind; a push does not.
    #[serde(default)]
    pub listed: bool,
    /// Whether pushes have told of this opening, so that its end will be pushed too.
    #[serde(default)]
    pub pushed: bool,
}

impl VenueView {
    /// Whether this is a later word than a report, by the exchange's own count.
    pub fn is_newer_than(&self, report: &PositionReport) -> bool {
        let known = &self.report;
        if known.venue_id == report.venue_id && known.version > 0 && report.version > 0 {
            return known.version > report.version;
        }
        known.updated_at > report.updated_at
    }
}

/// What is not certain about a position: the exchange's word and ours differ, or a list lacks it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Since when the exchange's size or entry differs from ours.
    pub differs_since: Option<SessionTime>,
    /// The first of the lists that lack it and count as proof.
    pub missing: Option<Missing>,
}

/// Lists that lack a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// When the question of the first left.
    pub asked_at: SessionTime,
    /// When its answer came: the next question must be newer to count.
    pub told_at: SessionTime,
}

/// Recurring work of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chore {
    /// Bulk query of open orders.
    PollOrders,
    /// Positions, and the account beside them.
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
    /// The list of orders that ended lately.
    RecoverOrders,
    /// The account: asked for with the positions, and failing on its own.
    ReadAccount,
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
