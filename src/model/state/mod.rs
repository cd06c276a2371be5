//! The session as it is: the fold of its events. [`SessionState::apply`] is the only place where it
//! changes; the engine, the dashboard, a replay and recovery all feed it the same events.

mod alerts;
mod apply;
mod cross_margin;
mod equity;
mod fates;
mod fold;
mod known;
mod orders;
mod positions;
mod set_back;
mod upkeep;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use alerts::{Alerts, KEPT_ALERTS};
pub use equity::Equity;
pub use fates::{OpenFate, WHERE_TO_LOOK};
pub use fold::LastClose;
pub use known::KnownIds;
pub use orders::{OrderOrigin, Orders};
pub use positions::{KEPT_CLOSED, Positions};
pub use upkeep::{BulkRecovery, HeldExit, Link, PriceDoubt, Unanswered, Upkeep};
pub use waiting::{EXITS_NEED, StartWait};

use super::{
    Action, Breaker, CallClass, Chore, ClientOrderId, CommandId, CommandRecord, CommandStatus, ContractSpec, Control,
    Flatten, Loss, OrderNo, Phase, PositionId, PositionKey, PositionMode, Price, Quote, RiskLimit, SessionInfo,
    SessionTime, SignalId, SignalOutcome, SignalRecord, Symbol, Target, TrippedLimit, VenueOrderId, VenueView,
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
    /// The last time that facts were found missing.
    #[serde(default)]
    pub loss: Option<Loss>,
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
    /// Every signal id that was ever decided, with its content and outcome.
    #[serde(default)]
    pub known_signals: KnownIds,
    /// Every command id that was ever taken, with its content and outcome.
    #[serde(default)]
    pub known_commands: KnownIds,
    /// When the program last started on this session.
    #[serde(default)]
    pub last_start: Option<SessionTime>,
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

    /// As of when the positions are known: when the question of the last list left that was answered;
    /// `None` before the first of this start.
    pub fn positions_as_of(&self) -> Option<SessionTime> {
        self.upkeep.chore(Chore::SyncPositions).told_of
    }

    /// Whether the positions are known and not older than a limit. When they are not, "none" is "?".
    pub fn positions_known(&self, now: SessionTime, limit: Duration) -> bool {
        self.positions_as_of().is_some_and(|as_of| now.since(as_of) <= limit)
    }

    /// What became of a signal when it came first, however long ago; `None` when its id is new.
    pub fn signal_outcome(&self, id: &SignalId) -> Option<SignalOutcome> {
        let kept = self.signals.get(id).map(|record| record.outcome.clone());
        kept.or_else(|| self.known_signals.signal_outcome(id.as_str()))
    }

    /// What to answer to a command whose id was used before: how the first one ended or that it is open,
    /// or a refusal when the first one asked for something else. `None` when the id is new.
    pub fn command_answer(&self, id: &CommandId, action: &Action) -> Option<CommandStatus> {
        let kept = self.command(id);
        if kept.is_none() {
            self.known_commands.content(id.as_str())?;
        }
        if self.is_command_id_taken(id, action) {
            let what = kept.map_or_else(|| "another command".to_owned(), |record| record.command.action.summary());
            let why = format!("id used for something else: {id} was {what}; give each command an id of its own");
            return Some(CommandStatus::Rejected { why });
        }
        kept.map(|record| record.status.clone()).or_else(|| self.known_commands.command_status(id.as_str()))
    }

    /// Whether a command id was used before, for something else.
    pub fn is_command_id_taken(&self, id: &CommandId, action: &Action) -> bool {
        let kept = self.command(id).map(|record| record.command.action.content());
        kept.or_else(|| self.known_commands.content(id.as_str())).is_some_and(|first| first != action.content())
    }

    /// The order that a person or a program names: by its client id, by the exchange's id, as `#12` or as
    /// `12`.
    pub fn order_named(&self, name: &str) -> Option<OrderNo> {
        let session = self.info.as_ref().map(|info| &info.id);
        let by_client_id = || self.orders.by_client_id(session?, &ClientOrderId::new(name).ok()?);
        let by_venue_id = || self.orders.by_venue_id(&VenueOrderId::new(name).ok()?);
        let by_number = || name.strip_prefix('#').unwrap_or(name).parse().ok().map(OrderNo);
        let by_number = || by_number().filter(|no| self.orders.get(*no).is_some());
        by_client_id().or_else(by_venue_id).or_else(by_number)
    }

    /// The client id of an order, kept, forgotten or about to be made; `None` before the session began.
    pub fn client_id_of(&self, no: OrderNo) -> Option<ClientOrderId> {
        self.info.as_ref().map(|info| self.orders.client_id_of(&info.id, no))
    }

    /// The higher of the latest price of a symbol and the one that was believed before it jumped: what
    /// exposure is measured at; `None` while none was believed.
    pub fn exposure_price(&self, symbol: &Symbol) -> Option<Price> {
        let latest = self.quote(symbol).and_then(Quote::risk_price)?;
        match self.upkeep.doubts.get(symbol) {
            None => Some(latest),
            Some(doubt) => doubt.believed.risk_price().map(|believed| believed.max(latest)),
        }
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
