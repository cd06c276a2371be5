//! The session as it is: the fold of its events. [`SessionState::apply`] is the only place where it
//! changes; the engine, the dashboard, a replay and recovery all feed it the same events.

mod alerts;
mod apply;
mod cross_margin;
mod equity;
mod orders;
mod positions;
mod set_back;
mod upkeep;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use alerts::{Alerts, KEPT_ALERTS};
pub use equity::Equity;
pub use orders::Orders;
pub use positions::{KEPT_CLOSED, Positions};
pub use upkeep::{Link, Upkeep};

use super::{
    Breaker, CallClass, CommandId, CommandRecord, ContractSpec, Control, Flatten, Phase, PositionId, PositionKey,
    PositionMode, Quote, RiskLimit, SessionInfo, SessionTime, SignalId, SignalRecord, Symbol, Target, TrippedLimit,
    VenueView,
};

/// Finished commands that are kept for the audit pane.
pub const KEPT_COMMANDS: usize = 200;

/// Everything that is known of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// Number of the last fact.
    pub seq: u64,
    /// Time of the last event.
    pub now: SessionTime,
    /// Who the session is; `None` before its first event.
    pub info: Option<SessionInfo>,
    /// How far it is in its life.
    pub phase: Phase,
    /// Whether new exposure is allowed.
    pub control: Control,
    /// Who last changed that, and why.
    pub control_note: Option<String>,
    /// Since when it is so.
    pub control_since: Option<SessionTime>,
    /// A flatten under way.
    pub flatten: Option<Flatten>,
    /// Where positions are to be brought, by opening.
    #[serde(default)]
    pub targets: BTreeMap<PositionId, Target>,
    /// The account's position mode.
    pub position_mode: Option<PositionMode>,
    /// The contracts that the exchange lists.
    pub contracts: BTreeMap<Symbol, ContractSpec>,
    /// Orders: working ones, and ended ones of the last hour.
    pub orders: Orders,
    /// Positions: open ones, and the last closed ones.
    pub positions: Positions,
    /// Signals that a second delivery could still repeat, oldest first: an index map keeps the
    /// order in which they came, whatever its hashes are.
    #[serde(with = "signal_map")]
    pub signals: IndexMap<SignalId, SignalRecord>,
    /// Alerts.
    pub alerts: Alerts,
    /// Circuit breakers.
    pub breakers: BTreeMap<CallClass, Breaker>,
    /// Limits that have tripped.
    pub limits: BTreeMap<RiskLimit, TrippedLimit>,
    /// Money.
    pub equity: Equity,
    /// Commands of operators, oldest first.
    pub commands: VecDeque<CommandRecord>,
    /// Counters of the session, for the metrics and the screen.
    pub counters: Counters,
    /// Latest prices; not facts.
    pub quotes: BTreeMap<Symbol, Quote>,
    /// The exchange's view of each position, as last told; not facts.
    #[serde(with = "key_map")]
    pub venue_positions: BTreeMap<PositionKey, VenueView>,
    /// Chores, look-ups and the link; not facts.
    pub upkeep: Upkeep,
}

/// Counts since the first start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Signals that were decided.
    pub signals: u64,
    /// Signals that were refused before or by the gate.
    pub signals_refused: u64,
    /// Orders decided.
    pub orders: u64,
    /// Orders filled completely.
    pub filled: u64,
    /// Orders cancelled.
    pub cancelled: u64,
    /// Orders failed.
    pub failed: u64,
    /// Fills applied.
    pub fills: u64,
    /// Liquidations with evidence.
    pub liquidations: u64,
    /// Events that observers lost; not a fact.
    pub dropped: u64,
}

impl SessionState {
    /// A breaker; one that never moved is closed.
    pub fn breaker(&self, class: CallClass) -> Breaker {
        self.breakers.get(&class).cloned().unwrap_or_default()
    }

    /// The latest quote of a symbol.
    pub fn quote(&self, symbol: &Symbol) -> Option<&Quote> {
        self.quotes.get(symbol)
    }

    /// How old the price of a symbol is; `None` when there is none.
    pub fn quote_age(&self, symbol: &Symbol, now: SessionTime) -> Option<Duration> {
        self.upkeep.quoted_at.get(symbol).map(|as_of| now.since(*as_of))
    }

    /// The exit target of a symbol and side.
    pub fn target(&self, key: &PositionKey) -> Option<&Target> {
        self.targets.values().find(|target| target.key == *key)
    }

    /// A command that is known.
    pub fn command(&self, id: &CommandId) -> Option<&CommandRecord> {
        self.commands.iter().rev().find(|record| record.command.id == *id)
    }

    /// The facts alone: a copy without quotes. Replaying the journal gives exactly this.
    #[must_use]
    pub fn facts(&self) -> Self {
        let mut facts = self.clone();
        facts.now = SessionTime::ZERO;
        facts.quotes.clear();
        facts.venue_positions.clear();
        facts.upkeep = Upkeep::default();
        facts.counters.dropped = 0;
        for breaker in facts.breakers.values_mut() {
            *breaker =
                Breaker { state: breaker.state, since: breaker.since, opened: breaker.opened, ..Breaker::default() };
        }
        facts.breakers.retain(|_, breaker| *breaker != Breaker::default());
        facts
    }
}

/// JSON objects need text keys; position keys travel as a list.
mod key_map {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::{PositionKey, VenueView};

    pub fn serialize<S: Serializer>(map: &BTreeMap<PositionKey, VenueView>, out: S) -> Result<S::Ok, S::Error> {
        map.values().collect::<Vec<_>>().serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<PositionKey, VenueView>, D::Error> {
        let views = Vec::<VenueView>::deserialize(from)?;
        Ok(views.into_iter().map(|view| (view.report.key.clone(), view)).collect())
    }
}

/// Signals travel as a list of pairs, in order of id.
mod signal_map {
    use indexmap::IndexMap;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::{SignalId, SignalRecord};

    pub fn serialize<S: Serializer>(map: &IndexMap<SignalId, SignalRecord>, out: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<IndexMap<SignalId, SignalRecord>, D::Error> {
        Ok(Vec::<(SignalId, SignalRecord)>::deserialize(from)?.into_iter().collect())
    }
}
