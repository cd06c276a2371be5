//! The risk gate: six checks that every entry passes, market orders included. Exits and cancels
//! never come here.
//!
//! Sizes are notional at the mark price; open positions, working entries and this order count
//! together, so what is approved is reserved until it fills or ends.

use rust_decimal::prelude::ToPrimitive;

use super::turn::Turn;
use crate::model::{
    CheckResult, Decimal, MarginMode, PositionKey, Price, Qty, RiskCheck, RiskLimit, RiskVerdict, SessionState, Usdt,
    div, in_bounds, mul,
};

/// A division by a hundred that is a shift of the point.
const ONE_PERCENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// An entry as the gate sees it.
pub(super) struct Entry<'a> {
    pub key: &'a PositionKey,
    pub quantity: Qty,
    pub price: Price,
    pub leverage: u32,
    /// Of this order, what is reserved already: not to be counted twice when it is checked again.
    pub reserved: Qty,
}

/// Judges an entry.
pub(super) fn judge(turn: &Turn, entry: &Entry) -> RiskVerdict {
    let mut verdict = RiskVerdict::default();
    let positive = |value: Decimal| value > Decimal::ZERO && in_bounds(value);
    if !positive(entry.quantity.0) || !positive(entry.price.0) {
        let explanation =
            format!("quantity {} and price {} must be above 0 and at most 1e15", entry.quantity, entry.price);
        fail(&mut verdict, RiskCheck::InputValidation, None, explanation);
        return verdict;
    }
    let Some(equity) = equity_now(turn.state()) else {
        let explanation = "equity is not known: the exchange has not told the balances".to_owned();
        fail(&mut verdict, RiskCheck::InsufficientCapital, None, explanation);
        return verdict;
    };
    if !equity.is_positive() {
        fail(
            &mut verdict,
            RiskCheck::InsufficientCapital,
            None,
            format!("equity is {equity} USDT: nothing to trade with"),
        );
        return verdict;
    }
    for check in RiskCheck::LIMITS {
        let usage = usage(turn, entry, equity, check);
        let (within, tripped) = match check {
            // A loss at its limit is too much; a size at its limit is allowed.
            RiskCheck::DailyLossLimit => {
                (usage.is_some_and(Usage::is_below), turn.state().limits.contains_key(&RiskLimit::DailyLoss))
            }
            RiskCheck::MaxDrawdown => {
                (usage.is_some_and(Usage::is_below), turn.state().limits.contains_key(&RiskLimit::Drawdown))
            }
            _ => (usage.is_some_and(Usage::is_within), false),
        };
        match usage {
            Some(usage) if within && !tripped => verdict.score = verdict.score.saturating_add(usage.tenths()),
            _ => {
                let explanation = in_words(turn, entry, equity, check);
                fail(&mut verdict, check, usage.and_then(Usage::percent), explanation);
            }
        }
    }
    verdict
}

/// What an entry would make of a number, and the number's limit.
#[derive(Clone, Copy)]
struct Usage {
    value: Decimal,
    limit: Decimal,
}

impl Usage {
    fn is_within(self) -> bool {
        self.limit > Decimal::ZERO && self.value <= self.limit
    }

    fn is_below(self) -> bool {
        self.limit > Decimal::ZERO && self.value < self.limit
    }

    fn percent(self) -> Option<Decimal> {
        percent(self.value, self.limit)
    }

    /// How full the limit is, from 0 to 10: what a passed check adds to the score.
    fn tenths(self) -> u32 {
        let tenfold = mul(self.value, Decimal::TEN);
        // Most entries are small, and a division costs more than the rest of a check.
        if tenfold < self.limit {
            return 0;
        }
        div(tenfold, self.limit).and_then(|tenths| tenths.to_u32()).map_or(10, |tenths| tenths.min(10))
    }
}

/// How much of a limit an entry would use; `None` while a number for it is not known.
fn usage(turn: &Turn, entry: &Entry, equity: Usdt, check: RiskCheck) -> Option<Usage> {
    let (state, risk) = (turn.state(), &turn.settings.risk);
    let (value, limit) = match check {
        RiskCheck::MaxPositionSize => (position_size(state, entry).0, share(equity, risk.max_position_pct).0),
        RiskCheck::MaxConcurrentPositions => {
            (Decimal::from(keys_in_use(state, entry.key)), Decimal::from(positions_limit(turn)))
        }
        RiskCheck::SymbolConcentration => {
            (symbol_exposure(state, entry).0, share(equity, risk.symbol_concentration_pct).0)
        }
        RiskCheck::DailyLossLimit => (daily_loss(state).0, daily_loss_limit(state, risk.daily_loss_pct)?.0),
        RiskCheck::MaxDrawdown => {
            let peak = state.equity.peak?;
            (below(peak, equity).0, share(peak, risk.max_drawdown_pct).0)
        }
        RiskCheck::MarginUtilization => {
            (margin_in_use(turn, Some(entry))?.0, share(equity, risk.margin_utilisation_pct).0)
        }
        // Not limits: decided before.
        RiskCheck::InputValidation | RiskCheck::InsufficientCapital => (Decimal::ZERO, Decimal::ONE),
    };
    Some(Usage { value, limit })
}

/// The value and the limit of a check, for people.
fn in_words(turn: &Turn, entry: &Entry, equity: Usdt, check: RiskCheck) -> String {
    let (state, risk) = (turn.state(), &turn.settings.risk);
    match check {
        RiskCheck::MaxPositionSize => {
            let (size, pct) = (position_size(state, entry), risk.max_position_pct);
            let limit = round(share(equity, pct));
            format!("size {} USDT with what works, at most {limit} USDT ({pct} % of equity)", round(size))
        }
        RiskCheck::MaxConcurrentPositions => {
            format!("{} positions with this one, at most {}", keys_in_use(state, entry.key), positions_limit(turn))
        }
        RiskCheck::SymbolConcentration => {
            let (size, pct) = (symbol_exposure(state, entry), risk.symbol_concentration_pct);
            let limit = round(share(equity, pct));
            format!("{} USDT in {}, at most {limit} USDT ({pct} % of equity)", round(size), entry.key.symbol)
        }
        RiskCheck::DailyLossLimit => {
            let limit = daily_loss_limit(state, risk.daily_loss_pct).map(round);
            format!("lost {} USDT today, limit {} USDT", round(daily_loss(state)), shown(limit))
        }
        RiskCheck::MaxDrawdown => {
            let now = drawdown_pct(state, equity).map(|pct| pct.round_dp(2));
            format!("{} % below the peak, limit {} %", shown(now), risk.max_drawdown_pct)
        }
        RiskCheck::MarginUtilization => {
            let after = margin_in_use(turn, Some(entry)).and_then(|margin| percent(margin.0, equity.0));
            let after = after.map(|pct| pct.round_dp(1));
            format!("{} % of equity would be margin, at most {} %", shown(after), risk.margin_utilisation_pct)
        }
        RiskCheck::InputValidation | RiskCheck::InsufficientCapital => String::new(),
    }
}

/// Equity at the latest mark prices, or as last told while one of them is missing; `None` while
/// the balances are unknown.
pub(super) fn equity_now(state: &SessionState) -> Option<Usdt> {
    let wallet = state.equity.account.as_ref()?.wallet;
    unrealised_now(state).map(|unrealised| wallet + unrealised).or(state.equity.last)
}

/// Unrealised profit of all positions; `None` when one of them cannot be priced. While a price has jumped
/// and is not confirmed, the worse of the two prices counts: no tick raises a limit alone.
pub(super) fn unrealised_now(state: &SessionState) -> Option<Usdt> {
    state.positions.open().try_fold(Usdt::ZERO, |sum, position| {
        let latest = position.unrealised(state.quote(&position.key.symbol)?.risk_price()?)?;
        let doubt = state.upkeep.doubts.get(&position.key.symbol);
        let believed = doubt.and_then(|doubt| position.unrealised(doubt.believed.risk_price()?));
        Some(sum + believed.map_or(latest, |believed| believed.min(latest)))
    })
}

/// What was lost today: realised profit, fees and funding, when that is below zero.
pub(super) fn daily_loss(state: &SessionState) -> Usdt {
    (-state.equity.day_realised).max(Usdt::ZERO)
}

/// The day's limit: a share of the equity at its start.
pub(super) fn daily_loss_limit(state: &SessionState, pct: Decimal) -> Option<Usdt> {
    state.equity.day_start.map(|start| share(start, pct))
}

/// How far equity is below its peak, in percent of the peak.
pub(super) fn drawdown_pct(state: &SessionState, equity: Usdt) -> Option<Decimal> {
    let peak = state.equity.peak?;
    percent(below(peak, equity).0, peak.0)
}

fn below(peak: Usdt, equity: Usdt) -> Usdt {
    (peak - equity).max(Usdt::ZERO)
}

/// Margin of positions and reservations, with an entry added when given; `None` when a price for
/// it is missing.
pub(super) fn margin_in_use(turn: &Turn, entry: Option<&Entry>) -> Option<Usdt> {
    let state = turn.state();
    let leverage = Decimal::from(turn.settings.exchange.leverage.max(1));
    let per_leverage = |notional: Usdt, by: Decimal| Usdt(div(notional.0, by).unwrap_or(notional.0));
    let mut sum = Usdt::ZERO;
    for position in state.positions.open() {
        sum += if let (MarginMode::Isolated, Some(margin)) = (position.margin_mode, position.venue.margin) {
            margin
        } else {
            let by = Decimal::from(position.venue.leverage.unwrap_or(turn.settings.exchange.leverage).max(1));
            let price = state.exposure_price(&position.key.symbol).or(position.entry_price)?;
            per_leverage(price.notional(position.quantity), by)
        };
    }
    let mut reserved = Usdt::ZERO;
    for (key, quantity) in state.orders.reservations() {
        let own = entry.filter(|entry| *entry.key == key).map_or(Qty::ZERO, |entry| entry.reserved);
        let notional = state.exposure_price(&key.symbol)?.notional(quantity - own);
        // What works may have been sent before the leg's leverage changed: the lower one is the safe guess.
        let of_leg = leg_leverage(turn, &key);
        if of_leg < turn.settings.exchange.leverage {
            sum += per_leverage(notional, Decimal::from(of_leg.max(1)));
        } else {
            reserved += notional;
        }
    }
    sum += per_leverage(reserved, leverage);
    let added = entry.map_or(Usdt::ZERO, |entry| {
        per_leverage(entry.price.notional(entry.quantity), Decimal::from(entry.leverage.max(1)))
    });
    Some(sum + added)
}

/// The leverage of an entry: that of the position it adds to, because the exchange refuses any
/// other, and the configured one for a new position.
pub(super) fn leg_leverage(turn: &Turn, key: &PositionKey) -> u32 {
    let told = turn.state().positions.get(key).and_then(|position| position.venue.leverage);
    let seen = || {
        let view = turn.state().venue_positions.get(key)?;
        view.report.leverage.filter(|_| view.report.contracts.is_positive())
    };
    told.or_else(seen).unwrap_or(turn.settings.exchange.leverage)
}

fn symbol_exposure(state: &SessionState, entry: &Entry) -> Usdt {
    let mut quantity = entry.quantity;
    for side in [crate::model::Side::Long, crate::model::Side::Short] {
        quantity += leg_quantity(state, &PositionKey { symbol: entry.key.symbol.clone(), side });
    }
    entry.price.notional(quantity - entry.reserved)
}

/// The position that this entry would make, working entries of its leg counted.
fn position_size(state: &SessionState, entry: &Entry) -> Usdt {
    entry.price.notional(leg_quantity(state, entry.key) + entry.quantity - entry.reserved)
}

/// As many positions as are meant to be held, and never more than are meant to be followed.
fn positions_limit(turn: &Turn) -> usize {
    turn.settings.risk.max_positions.min(turn.settings.positions.max_positions)
}

/// What is open and what is reserved of one leg.
fn leg_quantity(state: &SessionState, key: &PositionKey) -> Qty {
    state.positions.get(key).map_or(Qty::ZERO, |position| position.quantity) + state.orders.reserved(key)
}

fn keys_in_use(state: &SessionState, key: &PositionKey) -> usize {
    let reserved_only = state
        .orders
        .reservations()
        .filter(|(reserved, _)| reserved != key && state.positions.get(reserved).is_none())
        .count();
    let open = state.positions.open_count();
    let new = usize::from(state.positions.get(key).is_none());
    open.saturating_add(reserved_only).saturating_add(new)
}

fn fail(verdict: &mut RiskVerdict, check: RiskCheck, used_pct: Option<Decimal>, explanation: String) {
    verdict.score = verdict.score.saturating_add(check.weight());
    verdict.failed.push(CheckResult { check, used_pct, passed: false, explanation });
}

fn percent(value: Decimal, of: Decimal) -> Option<Decimal> {
    div(value, of).map(|part| mul(part, Decimal::ONE_HUNDRED))
}

fn share(of: Usdt, pct: Decimal) -> Usdt {
    Usdt(mul(of.0, mul(pct, ONE_PERCENT)))
}

fn round(amount: Usdt) -> Decimal {
    amount.0.round_dp(2)
}

fn shown(value: Option<Decimal>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}
