//! Chores, look-ups and the link: what the engine keeps in mind between steps. None of it is a
//! fact; after a restart it starts afresh.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    Chore, ChoreState, ClientOrderId, ClockOffset, Incarnation, LinkState, OrderNo, Quote, SessionTime, Symbol,
};

/// The link to the exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Whether pushes arrive.
    pub state: LinkState,
    /// Since when.
    pub since: Option<SessionTime>,
    /// When the last quote arrived.
    pub last_quote_at: Option<SessionTime>,
    /// The exchange's clock against ours.
    pub clock: Option<ClockOffset>,
}

/// A price that jumped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// The last prices that were believed.
    pub believed: Quote,
    /// The prices that are not believed yet.
    pub doubted: Quote,
    /// What is odd about them, for people.
    pub why: String,
}

/// How far the recovery by lists of orders is: working ones first, then ended ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRecovery {
    /// From when on the list of ended orders is asked for after a start.
    pub since: Option<SessionTime>,
    /// When the last list of working orders was asked for.
    pub open_asked_at: Option<SessionTime>,
    /// Whether every row of that list was understood.
    pub open_is_whole: bool,
}

/// What goes on between steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    /// Recurring work.
    pub chores: BTreeMap<Chore, ChoreState>,
    /// Orders that are being looked up, and since when.
    pub lookups: BTreeMap<OrderNo, SessionTime>,
    /// When each order was last looked up.
    pub looked_up: BTreeMap<OrderNo, SessionTime>,
    /// As of when, by our clock, the price of each contract is: when it arrived, or earlier when its
    /// stamp was old already.
    pub quoted_at: BTreeMap<Symbol, SessionTime>,
    /// Prices that jumped and wait for a second tick.
    #[serde(default)]
    pub doubts: BTreeMap<Symbol, Doubt>,
    /// Recovery by lists.
    #[serde(default)]
    pub bulk: BulkRecovery,
    /// Orders of ours that our journal does not know, asked for by their id: since when, and how often.
    #[serde(default)]
    pub lost_asked: BTreeMap<ClientOrderId, (SessionTime, u32)>,
    /// Starts that are not ours and trade with our session's name.
    #[serde(default)]
    pub copies: BTreeSet<Incarnation>,
    /// The link.
    pub link: Link,
    /// What is wrong with the journal.
    pub journal_error: Option<String>,
}

impl Upkeep {
    /// A chore's place in its cycle.
    pub fn chore(&self, chore: Chore) -> ChoreState {
        self.chores.get(&chore).copied().unwrap_or_default()
    }
}
