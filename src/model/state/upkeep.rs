//! Chores, look-ups and the link: what the engine keeps in mind between steps. None of it is a
//! fact; after a restart it starts afresh.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Chore, ChoreState, ClockOffset, LinkState, OrderNo, SessionTime, Symbol};

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
