//! The exchange itself: markets, books and accounts as one pure state machine.
//!
//! [`Venue::advance`] moves time, [`Venue::apply`] carries out one command; both are total and draw
//! from the seed only, so the same commands at the same times give the same books.

mod account;
mod cancel;
mod checks;
mod command;
mod ledger;
mod liquidation;
mod order;
mod outside;
mod past;
mod place;
mod position;
mod push;
mod settings;
mod settle;
mod stops;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use account::{Account, FundingNote};
pub use command::{Answer, Beginning, CandleMark, Command, DuplicateMode, ItemResult};
pub use ledger::RequestNote;
pub use liquidation::LiquidationNote;
#[cfg(test)]
use order::State;
pub use order::{Fill, Kind, Order, Request, Side};
pub use position::Position;
pub use push::Push;
pub use stops::Stop;

use super::candles::Candles;
use super::clock::{ClockError, shown};
use super::faults::Fault;
use super::instrument::{Instrument, catalogue};
use super::market::Market;
use super::refusal::Refusal;
use crate::model::{Decimal, Price, SessionTime, Symbol, Usdt, VenueTime};

/// First ids: above 2^53 for orders, as MEXC's are.
const FIRST_ORDER: u64 = 814_218_083_416_790_528;
const FIRST_POSITION: u64 = 1_109_973_831;
const FIRST_FILL: u64 = 13_914_408_525;

/// The rules of the present version. 1: steps of 250 ms, books drawn anew with each, list fees, and
/// fewer refusals, as in version 0.1.0. 2: as [`Instrument`], [`Market`] and `checks` say, but that a close
/// may name any margin mode. 3: it may not.
pub const RULES: u32 = 3;

/// A leg: contract, and whether it is the long one.
pub type Leg = (Symbol, bool);

/// The whole exchange.
#[derive(Clone, Debug)]
pub struct Venue {
    pub seed: u64,
    /// The present time of the pace; it never runs backwards. What is told is stamped by [`Venue::stamp`].
    pub now: SessionTime,
    /// How wrong the exchange's own clock is, and since when it drifts.
    clock: ClockError,
    clock_since: SessionTime,
    /// How long the markets have run, pauses not counted.
    pub ran: Duration,
    step: Duration,
    next_step: SessionTime,
    /// The funding period (8 hours) that was settled last.
    funded: i64,
    pub markets: BTreeMap<Symbol, Market>,
    pub beginning: Beginning,
    /// Whose rules hold: see [`RULES`].
    pub rules: u32,
    /// When, in market time, the present scenario began, and how far its schedule has come.
    scenario_since: Duration,
    scheduled: BTreeSet<(u64, bool, usize)>,
    pub account: Account,
    pub positions: BTreeMap<Leg, Position>,
    pub closed: Vec<Position>,
    pub orders: BTreeMap<u64, Order>,
    pub open: BTreeMap<Symbol, BTreeSet<u64>>,
    pub by_external: BTreeMap<(Symbol, String), Vec<u64>>,
    pub fills: Vec<Fill>,
    pub fills_of: BTreeMap<u64, Vec<usize>>,
    pub stops: BTreeMap<u64, Stop>,
    pub liquidations: Vec<LiquidationNote>,
    pub requests: Vec<RequestNote>,
    pub faults: BTreeMap<u64, Fault>,
    pub duplicates: DuplicateMode,
    next_order: u64,
    next_position: u64,
    next_fault: u64,
    pushes: Vec<Push>,
    past: past::Past,
    /// Positions that a fill has changed, and before which message they are told.
    deferred: Option<Vec<(usize, Position)>>,
    /// Whether the books have changed since they were last asked.
    changed: bool,
    asset_changed: bool,
}

impl Venue {
    /// A new exchange.
    pub fn new(beginning: Beginning, candles: Option<&Arc<Candles>>, at: SessionTime) -> Self {
        let rules = beginning.rules;
        let step = Market::step_length(candles, rules);
        let stamp = shown(at, beginning.clock.micros_after(Duration::ZERO));
        let markets = markets(&beginning, candles, (at, stamp));
        let mut venue = Self {
            seed: beginning.seed,
            now: at,
            clock: beginning.clock,
            clock_since: at,
            rules,
            ran: Duration::ZERO,
            step,
            next_step: at.plus(step),
            funded: period(stamp),
            markets,
            scenario_since: Duration::ZERO,
            scheduled: BTreeSet::new(),
            account: Account::new(Usdt(beginning.balance), beginning.mode),
            positions: BTreeMap::new(),
            closed: Vec::new(),
            orders: BTreeMap::new(),
            open: BTreeMap::new(),
            by_external: BTreeMap::new(),
            fills: Vec::new(),
            fills_of: BTreeMap::new(),
            stops: BTreeMap::new(),
            liquidations: Vec::new(),
            requests: Vec::new(),
            faults: BTreeMap::new(),
            duplicates: beginning.duplicates,
            next_order: FIRST_ORDER,
            next_position: FIRST_POSITION,
            next_fault: 1,
            pushes: Vec::new(),
            past: past::Past::default(),
            deferred: None,
            changed: false,
            asset_changed: false,
            beginning,
        };
        venue.schedule();
        venue
    }

    /// Brings time to `to`, step by step. Earlier times change nothing.
    pub fn advance(&mut self, to: SessionTime) {
        while self.next_step <= to && !self.ended() {
            self.now = self.next_step;
            self.ran = self.ran.saturating_add(self.step);
            self.next_step = self.next_step.plus(self.step);
            self.one_step();
        }
        self.now = self.now.max(to);
        self.tell_assets();
    }

    /// Carries out a command at the present time.
    pub fn apply(&mut self, command: &Command) -> Answer {
        let answer = self.carry_out(command).unwrap_or_else(Answer::Refused);
        self.tell_assets();
        answer
    }

    fn carry_out(&mut self, command: &Command) -> Result<Answer, Refusal> {
        match command {
            Command::Begin(_) | Command::Advance => {}
            Command::Resume => self.resume(),
            Command::Rules { rules } => self.change_rules(*rules),
            Command::Clock { clock } => {
                self.clock = *clock;
                self.clock_since = self.now;
            }
            Command::Rescenario { scenario } => {
                self.beginning.scenario = (**scenario).clone();
                for (symbol, market) in &mut self.markets {
                    market.retune(&self.beginning.scenario.params(symbol), self.rules);
                }
                self.faults.clear();
                self.remember();
                self.scenario_since = self.ran;
                self.schedule();
            }
            Command::Place { path, request, fail } => return self.place(path, request, *fail),
            Command::Turned { path, symbol, id, why } => self.note(path, symbol.clone(), id, None, why),
            Command::Cancel { path, ids } => return Ok(self.cancel_ids(path, ids)),
            Command::CancelExternal { path, orders } => return Ok(self.cancel_external(path, orders)),
            Command::CancelAll { path, symbol } => self.cancel_all(path, symbol.as_ref()),
            Command::Amend { path, id, price, vol } => return self.amend(path, *id, Price(*price), *vol),
            Command::CloseAll { path } => self.close_all(path),
            Command::Leverage { position, symbol, cross, long, leverage } => {
                self.change_leverage(*position, symbol.as_ref(), *cross, *long, *leverage)?;
            }
            Command::Mode { mode } => self.change_mode(*mode)?,
            Command::Margin { position, amount } => self.change_margin(*position, Usdt(*amount))?,
            Command::AutoMargin { position, on } => self.change_auto_margin(*position, *on)?,
            Command::StopPlace { position, vol, stop_loss, take_profit, trend } => {
                let prices = (stop_loss.map(Price), take_profit.map(Price));
                return self.place_stop(*position, *vol, prices, *trend).map(Answer::Id);
            }
            Command::StopChange { id, stop_loss, take_profit } => {
                self.change_stop(*id, stop_loss.map(Price), take_profit.map(Price))?;
            }
            Command::StopCancel { ids } => self.cancel_stops(ids)?,
            Command::StopCancelAll { symbol } => self.cancel_all_stops(symbol.as_ref()),
            Command::FaultOn { spec } => return Ok(Answer::Id(self.switch_on(spec))),
            Command::FaultOff { id } => {
                match id {
                    Some(id) => drop(self.faults.remove(id)),
                    None => self.faults.clear(),
                }
                self.remember();
            }
            Command::FaultAsked { id, fired } => {
                if let Some(fault) = self.faults.get_mut(id) {
                    fault.asked = fault.asked.saturating_add(1);
                    fault.fired = fault.fired.saturating_add(u32::from(*fired));
                }
            }
            Command::Duplicates { mode } => self.duplicates = *mode,
        }
        Ok(Answer::Done)
    }

    /// Whether a recorded market has come to its end.
    pub fn ended(&self) -> bool {
        self.markets.values().any(|market| market.ended)
    }

    /// The length of one step.
    pub fn step(&self) -> Duration {
        self.step
    }

    /// The private messages since the last time they were taken.
    pub fn take_pushes(&mut self) -> Vec<Push> {
        std::mem::take(&mut self.pushes)
    }

    /// Whether orders, positions or money have changed since the last time this was asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The specification of a contract that is traded here.
    pub fn instrument(&self, symbol: &Symbol) -> Option<&Instrument> {
        self.markets.get(symbol).map(|market| &market.instrument)
    }

    /// What the exchange's own clock shows at a time of the pace: it may be off, drift, and be set
    /// back by a fault that ends.
    pub fn stamp_at(&self, now: SessionTime) -> VenueTime {
        let on = self.faults.values().filter(|fault| fault.is_on(now));
        let faults =
            on.fold(0_i64, |sum, fault| sum.saturating_add(fault.clock_error().micros_after(now.since(fault.since))));
        shown(now, self.clock.micros_after(now.since(self.clock_since)).saturating_add(faults))
    }

    /// What the exchange's own clock shows now: the stamp on all that it says.
    pub fn stamp(&self) -> VenueTime {
        self.stamp_at(self.now)
    }

    /// How wrong its clock was made at the start.
    pub fn clock(&self) -> ClockError {
        self.clock
    }

    /// Other rules from here on: a record of an older version is folded by the rules that it was
    /// written under.
    fn change_rules(&mut self, rules: u32) {
        self.rules = rules;
        self.step = Market::step_length(self.markets.values().find_map(Market::candles), rules);
        self.next_step = self.now.plus(self.step);
        for (symbol, market) in &mut self.markets {
            market.change_rules(&self.beginning.scenario.params(symbol), rules);
        }
    }

    fn one_step(&mut self) {
        self.run_schedule();
        let (now, stamp, step) = (self.now, self.stamp(), self.step);
        for market in self.markets.values_mut() {
            market.step((now, stamp), step);
        }
        if self.positions.is_empty() && self.open.is_empty() {
            self.funded = period(stamp);
            return;
        }
        self.settle_funding();
        self.watch_margins();
        self.match_resting();
        self.trigger_stops();
    }

    fn resume(&mut self) {
        self.next_step = self.now.plus(self.step);
        self.clock_since = self.now;
        self.funded = period(self.stamp());
    }

    fn schedule(&mut self) {
        let scenario = &self.beginning.scenario;
        let jumps = scenario.jumps.iter().enumerate().map(|(at, jump)| (jump.at_seconds, false, at));
        let faults = scenario.faults.iter().enumerate().map(|(at, fault)| (fault.at_seconds, true, at));
        self.scheduled = jumps.chain(faults).collect();
    }

    fn run_schedule(&mut self) {
        let elapsed = self.ran.saturating_sub(self.scenario_since).as_secs();
        while let Some(entry) = self.scheduled.first().copied().filter(|(at, _, _)| *at <= elapsed) {
            self.scheduled.remove(&entry);
            let (_, is_fault, index) = entry;
            if is_fault {
                if let Some(due) = self.beginning.scenario.faults.get(index).cloned() {
                    self.switch_on(&due.fault);
                }
            } else if let Some(jump) = self.beginning.scenario.jumps.get(index).cloned() {
                self.jump(&jump.symbols, jump.percent);
            }
        }
    }

    fn jump(&mut self, symbols: &[Symbol], percent: Decimal) {
        let share = super::market::percent(percent);
        for (symbol, market) in &mut self.markets {
            if symbols.is_empty() || symbols.contains(symbol) {
                market.jump(share);
            }
        }
    }

    fn push(&mut self, channel: &'static str, filter: &'static str, symbol: Option<&Symbol>, data: String) {
        self.changed = true;
        self.pushes.push(Push { channel, filter, symbol: symbol.cloned(), data, at: self.stamp().millis() });
    }
}

/// The eight-hour period that a time lies in: funding is settled at 00, 08 and 16 UTC.
fn period(at: VenueTime) -> i64 {
    at.secs().div_euclid(FUNDING_SECONDS)
}

/// Seconds between two fundings.
pub const FUNDING_SECONDS: i64 = 8 * 3_600;

type Moment = (SessionTime, VenueTime);

fn markets(beginning: &Beginning, candles: Option<&Arc<Candles>>, at: Moment) -> BTreeMap<Symbol, Market> {
    let seed = beginning.seed;
    let all = catalogue().into_iter().zip(1_u64..);
    if let (Some(candles), Some(mark)) = (candles, &beginning.candles) {
        return all
            .filter(|((symbol, _), _)| *symbol == mark.symbol)
            .map(|((symbol, instrument), _)| {
                let params = beginning.scenario.params(&symbol);
                (symbol, Market::replayed(instrument, &params, candles, (seed, beginning.rules), beginning.clock))
            })
            .collect();
    }
    all.map(|((symbol, instrument), number)| {
        let params = beginning.scenario.params(&symbol);
        (symbol, Market::synthetic(instrument, &params, (seed, number, beginning.rules), at))
    })
    .collect()
}
