//! The built-in strategy: momentum, small and honest, so that a demo lives. It sees what any
//! observer sees and hands its signals to the same intake as everybody else.
//!
//! It buys when the price leaves the range of the last while upwards, sells short when it leaves it
//! downwards, takes half off at a first target, and closes at the stop or after a while. It is
//! deterministic: no randomness, no clock of its own.

mod book;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use book::{Book, Breakout};
use futures_util::FutureExt as _;

use super::bus::Subscription;
use super::handle::Update;
use super::intake::Intake;
use super::watched::Alarm;
use crate::config::{RiskSettings, StrategySettings};
use crate::model::{
    Control, Decimal, Event, Phase, Position, PositionId, PositionKey, Price, Qty, RawSignal, Record, SessionState,
    SessionTime, Side, Symbol, Usdt, div, mul,
};

/// Its name in signals and orders.
pub const NAME: &str = "momentum";
/// Every second entry carries a stop at the exchange, so many times its own stop away: it is for
/// the case that this program is gone, and leaves the strategy's own stop to act first.
const DISASTER_STOP: i64 = 5;
/// How long an exit may take before it is signalled again.
const EXIT_PATIENCE: Duration = Duration::from_secs(5);
/// After a defect it rests so long, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest rest.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The strategy: settings, its view of the session, and its windows.
#[derive(Debug)]
pub struct Momentum {
    settings: StrategySettings,
    risk: RiskSettings,
    state: SessionState,
    books: BTreeMap<Symbol, Book>,
    signals: u64,
    entries: u64,
    /// Entries that were signalled and not yet decided.
    undecided: BTreeSet<String>,
}

/// What makes signals of what happens.
pub trait Strategy: Send {
    /// Takes what happened and says which signals follow.
    fn take(&mut self, update: &Update) -> Vec<RawSignal>;

    /// One that has seen nothing yet; its signals are numbered on, for no id is used twice.
    #[must_use]
    fn anew(&self) -> Self;
}

impl Strategy for Momentum {
    fn take(&mut self, update: &Update) -> Vec<RawSignal> {
        match update {
            Update::Snapshot(state) => {
                self.state = (**state).clone();
                // What was decided meanwhile was not told.
                self.undecided.clear();
                Vec::new()
            }
            Update::Events(records) => records.iter().filter_map(|record| self.see(record)).collect(),
        }
    }

    fn anew(&self) -> Self {
        let fresh = Self::new(self.settings.clone(), self.risk.clone());
        Self { signals: self.signals, entries: self.entries, ..fresh }
    }
}

impl Momentum {
    /// A strategy that has seen nothing yet.
    pub fn new(settings: StrategySettings, risk: RiskSettings) -> Self {
        Self {
            settings,
            risk,
            state: SessionState::default(),
            books: BTreeMap::new(),
            signals: 0,
            entries: 0,
            undecided: BTreeSet::new(),
        }
    }

    fn see(&mut self, record: &Record) -> Option<RawSignal> {
        self.state.apply(record);
        match &record.event {
            Event::SignalDecided { signal, .. } => {
                self.undecided.remove(signal.id.as_str());
            }
            Event::SignalRefused { raw, .. } => {
                self.undecided.remove(&raw.signal_id);
            }
            _ => {}
        }
        let Event::Quoted { quote } = &record.event else { return None };
        let price = quote.risk_price()?;
        let (now, symbol) = (record.at, &quote.symbol);
        let lookback = self.settings.lookback;
        let book = self.books.entry(symbol.clone()).or_default();
        let breakout = book.see(now, price, lookback, self.settings.breakout_pct);
        if self.state.phase != Phase::Ready {
            return None;
        }
        let held = [Side::Long, Side::Short]
            .into_iter()
            .find_map(|side| self.state.positions.get(&PositionKey { symbol: symbol.clone(), side }));
        if let Some(position) = held.cloned() {
            return self.exit(now, price, &position);
        }
        if self.state.entries_wait_for(now).is_some() {
            return None;
        }
        self.enter(now, price, symbol, breakout?)
    }

    /// ZE1 at the target, E1 at the stop or when it was held long enough.
    fn exit(&mut self, now: SessionTime, price: Price, position: &Position) -> Option<RawSignal> {
        let entry = position.entry_price?;
        let gain = mul(mul(div((price - entry).0, entry.0)?, Decimal::ONE_HUNDRED), position.direction());
        let book = self.books.entry(position.key.symbol.clone()).or_default();
        if book.waits_for_exit(position.id, now, EXIT_PATIENCE) {
            return None;
        }
        let too_old = now.since(position.opened_at) >= self.settings.max_hold;
        let (kind, quantity) = if gain <= -self.settings.stop_pct || too_old {
            ("E1", None)
        } else if gain >= self.settings.target_pct && !book.took_part_of(position.id) {
            book.note_part(position.id);
            ("ZE1", Some("50%".to_owned()))
        } else {
            return None;
        };
        book.note_exit(position.id, now);
        let seen =
            [("entry", entry.to_string()), ("price", price.to_string()), ("gain_pct", gain.round_dp(4).to_string())];
        Some(self.signal(kind, &position.key.symbol, position.key.side, now, quantity, &seen))
    }

    /// S1 on a breakout, Z1 on one that is not wide enough.
    fn enter(&mut self, now: SessionTime, price: Price, symbol: &Symbol, breakout: Breakout) -> Option<RawSignal> {
        let busy = self.state.orders.working().any(|order| order.symbol == *symbol);
        if self.state.control != Control::Running || busy {
            return None;
        }
        let side = if breakout.up { Side::Long } else { Side::Short };
        let seen = [("window_edge", breakout.edge.to_string()), ("price", price.to_string())];
        let book = self.books.entry(symbol.clone()).or_default();
        if !breakout.wide {
            return book
                .may_note(now, self.settings.lookback)
                .then(|| self.signal("Z1", symbol, side, now, None, &seen));
        }
        if !book.may_enter(now, self.settings.lookback) || self.slots() == 0 {
            return None;
        }
        let quantity = self.size(symbol, price)?;
        let book = self.books.entry(symbol.clone()).or_default();
        book.note_entry(now);
        self.entries = self.entries.saturating_add(1);
        let mut signal = self.signal("S1", symbol, side, now, Some(quantity.to_string()), &seen);
        self.undecided.insert(signal.signal_id.clone());
        if self.risk.require_stop || self.entries.is_multiple_of(2) {
            let stop = self.stop(price, side, symbol);
            signal.stop_loss = stop.map(|stop| stop.0.normalize().to_string());
        }
        Some(signal)
    }

    /// Positions that the risk limits leave room for, working and undecided entries counted.
    fn slots(&self) -> usize {
        let used = self.state.positions.open_count() + self.state.orders.working_entries() + self.undecided.len();
        self.risk.max_positions.saturating_sub(used)
    }

    /// The size of an entry: a share of the equity, on the contract's step.
    fn size(&self, symbol: &Symbol, price: Price) -> Option<Qty> {
        let spec = self.state.contracts.get(symbol)?;
        let capital: Usdt = self.state.equity.last?;
        let share = self.settings.order_notional_pct.min(self.risk.max_position_pct);
        let notional = div(mul(capital.0, share), Decimal::ONE_HUNDRED)?;
        let contracts = spec.entry_contracts(Qty(div(notional, price.0)?)).ok()?;
        Some(Qty(spec.quantity(contracts).0.normalize()))
    }

    fn stop(&self, price: Price, side: Side, symbol: &Symbol) -> Option<Price> {
        let spec = self.state.contracts.get(symbol)?;
        let share = div(mul(self.settings.stop_pct, Decimal::from(DISASTER_STOP)), Decimal::ONE_HUNDRED)?;
        let factor = if side == Side::Long { Decimal::ONE - share } else { Decimal::ONE + share };
        spec.limit_price(price.times(factor), side == Side::Long).filter(|stop| stop.is_positive())
    }

    fn signal(
        &mut self,
        kind: &str,
        symbol: &Symbol,
        side: Side,
        now: SessionTime,
        quantity: Option<String>,
        seen: &[(&str, String)],
    ) -> RawSignal {
        self.signals = self.signals.saturating_add(1);
        // The count of starts makes ids of a later start differ from those of this one.
        let (session, starts) = self.state.info.as_ref().map_or(("none", 0), |info| (info.id.as_str(), info.starts));
        RawSignal {
            signal_id: format!("{NAME}-{session}-{starts}-{}", self.signals),
            signal_type: kind.to_owned(),
            symbol: symbol.to_string(),
            side: if side == Side::Long { "long" } else { "short" }.to_owned(),
            quantity,
            strategy: Some(NAME.to_owned()),
            timestamp: Some(now.millis()),
            indicator_values: seen.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            ..RawSignal::default()
        }
    }
}

/// Runs the strategy until the session ends. A defect in it is told, and it is started again with nothing
/// but what it is told anew.
pub async fn keep_up(mut strategy: impl Strategy, subscribe: impl Fn() -> Subscription, intake: Intake, alarm: Alarm) {
    let mut wait = FIRST_PAUSE;
    loop {
        let end = AssertUnwindSafe(run(&mut strategy, subscribe(), &intake)).catch_unwind().await;
        let Err(panic) = end else { return };
        alarm.ended("the built-in strategy", panic.as_ref(), " and is started again");
        strategy = strategy.anew();
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

async fn run(strategy: &mut impl Strategy, mut updates: Subscription, intake: &Intake) {
    while let Some(update) = updates.next().await {
        for signal in strategy.take(&update) {
            // A signal that does not fit in is one that comes too late anyway: the intake is only
            // full when the engine has ten thousand before it.
            drop(intake.submit(signal));
        }
    }
}

/// Which opening of a position something was done for.
type Opening = Option<PositionId>;

#[cfg(test)]
mod tests;
