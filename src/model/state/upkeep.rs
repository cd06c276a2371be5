//! Chores, look-ups and the link: what the engine keeps in mind between steps. None of it is a
//! fact; after a restart it starts afresh.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::model::{
    Chore, ChoreState, ClientOrderId, ClockOffset, Doubt, Identity, Incarnation, LinkState, OrderNo, PositionKey,
    Quote, SessionTime, Signal, Symbol,
};

/// Placements that are remembered: more than any exchange lets through in a window.
const KEPT_PLACEMENTS: usize = 256;

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
    /// The last silence that the exchange asked for.
    #[serde(default)]
    pub silence: Option<Silence>,
    /// Until when it asked for silence of placements: entries wait here so long.
    #[serde(default)]
    pub no_entry_until: Option<SessionTime>,
}

/// Silence that the exchange asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Until when reads and entries wait.
    pub until: SessionTime,
    /// Which call was told so.
    pub asked_by: String,
}

/// An exit that waits for the exchange to say what is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldExit {
    /// The signal.
    pub signal: Signal,
    /// Until when it waits at most.
    pub until: SessionTime,
}

/// A question that is not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// Since when.
    pub since: SessionTime,
    /// Why, as last told.
    pub error: String,
}

/// A price that jumped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceDoubt {
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
    /// When the last placements left the engine, oldest first: their pace is the exchange's limit.
    pub placements: VecDeque<SessionTime>,
    /// Placements under way whose first byte has left, and when.
    pub left: BTreeMap<OrderNo, SessionTime>,
    /// When it was first asked for orders that the exchange did not know then.
    #[serde(default)]
    pub missed: BTreeMap<OrderNo, SessionTime>,
    /// Exits that wait for the exchange to say what is held.
    pub held_exits: Vec<HeldExit>,
    /// When positions were asked for because an exit met a state known to be old.
    pub exit_read: Option<SessionTime>,
    /// As of when, by our clock, the price of each contract is: when it arrived, or earlier when its
    /// stamp was old already.
    pub quoted_at: BTreeMap<Symbol, SessionTime>,
    /// Positions about which something is not certain, and what.
    #[serde(default, with = "doubt_list")]
    pub unconfirmed: BTreeMap<PositionKey, Doubt>,
    /// Questions about orders, fills and positions that are not answered.
    #[serde(default)]
    pub unanswered: BTreeMap<Chore, Unanswered>,
    /// Prices that jumped and wait for a second tick.
    #[serde(default)]
    pub doubts: BTreeMap<Symbol, PriceDoubt>,
    /// Recovery by lists.
    #[serde(default)]
    pub bulk: BulkRecovery,
    /// Orders of ours that our journal does not know, asked for by their id: since when, and how often.
    #[serde(default)]
    pub lost_asked: BTreeMap<ClientOrderId, (SessionTime, u32)>,
    /// What this start belongs to, until the exchange has accepted its key.
    #[serde(default)]
    pub identity_offered: Option<Identity>,
    /// Starts that are not ours and trade with our session's name.
    #[serde(default)]
    pub copies: BTreeSet<Incarnation>,
    /// The link.
    pub link: Link,
    /// What is wrong with the journal.
    pub journal_error: Option<String>,
}

/// JSON objects need text keys; doubts travel as a list.
mod doubt_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::{Doubt, PositionKey};

    pub fn serialize<S: Serializer>(map: &BTreeMap<PositionKey, Doubt>, out: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<PositionKey, Doubt>, D::Error> {
        Ok(Vec::<(PositionKey, Doubt)>::deserialize(from)?.into_iter().collect())
    }
}

impl Upkeep {
    pub(super) fn placed_at(&mut self, at: SessionTime) {
        self.placements.push_back(at);
        while self.placements.len() > KEPT_PLACEMENTS {
            self.placements.pop_front();
        }
    }

    /// Whether nothing is uncertain about a position.
    pub fn is_confirmed(&self, key: &PositionKey) -> bool {
        !self.unconfirmed.contains_key(key)
    }

    /// A chore's place in its cycle.
    pub fn chore(&self, chore: Chore) -> ChoreState {
        self.chores.get(&chore).cloned().unwrap_or_default()
    }
}
