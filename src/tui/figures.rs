//! Numbers that the screen derives from the session's state: never stored, never guessed.

use crate::model::{AlertKey, AlertKind, Decimal, Position, Price, SessionState, Severity, Usdt, div, mul, sub};

/// How near a position is to liquidation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Danger {
    /// Mark price that it is reckoned on.
    pub mark: Option<Price>,
    /// Margin ratio in percent, liquidation at 100; `None` in cross margin and while unknown.
    pub ratio_pct: Option<Decimal>,
    /// Way of the mark price to the liquidation price, in percent.
    pub distance_pct: Option<Decimal>,
    /// What the engine's watch says of it.
    pub severity: Option<Severity>,
}

/// How near a position is to liquidation.
pub fn danger(state: &SessionState, position: &Position) -> Danger {
    let mark = mark(state, position);
    let spec = state.contracts.get(&position.key.symbol);
    let ratio_pct = mark.and_then(|mark| spec.and_then(|spec| position.margin_ratio_pct(spec, mark)));
    let distance_pct = mark.and_then(|mark| position.distance_pct(mark));
    let watch = &position.watch;
    let beyond = ratio_pct.is_some_and(|ratio| ratio <= Decimal::ONE_HUNDRED)
        || distance_pct.is_some_and(|distance| distance <= Decimal::ZERO);
    let severity = if beyond || watch.ratio_level >= 2 || watch.share_level >= 2 {
        Some(Severity::Critical)
    } else if watch.ratio_level > 0 || watch.share_level > 0 || watch.tier_level > 0 {
        Some(Severity::Warning)
    } else {
        None
    };
    Danger { mark, ratio_pct, distance_pct, severity }
}

/// The price that a position's risk is measured at.
pub fn mark(state: &SessionState, position: &Position) -> Option<Price> {
    state.quote(&position.key.symbol).and_then(crate::model::Quote::risk_price)
}

/// How much of the way to liquidation is gone, from 0 to 1: the inverse of the margin ratio, the
/// number that the exchange shows. 1 is liquidation.
pub fn consumed(ratio_pct: Decimal) -> Decimal {
    if ratio_pct <= Decimal::ZERO {
        return Decimal::ONE;
    }
    div(Decimal::ONE_HUNDRED, ratio_pct).unwrap_or(Decimal::ONE).min(Decimal::ONE)
}

/// Unrealised profit of all positions at the mark prices; `None` while one is unknown.
pub fn unrealised(state: &SessionState) -> Option<Usdt> {
    state
        .positions
        .open()
        .map(|position| mark(state, position).and_then(|mark| position.unrealised(mark)))
        .sum::<Option<Usdt>>()
}

/// Equity at the mark prices; as last told while one of them is unknown.
pub fn equity(state: &SessionState) -> Option<Usdt> {
    let now = state.equity.account.as_ref().and_then(|account| Some(account.wallet + unrealised(state)?));
    now.or(state.equity.last)
}

/// Gain or loss since the day's start.
pub fn day(state: &SessionState) -> Option<Usdt> {
    Some(equity(state)? - state.equity.day_start?)
}

/// Loss of the day in percent of the equity at its start; zero when there is a gain.
pub fn day_loss_pct(state: &SessionState) -> Option<Decimal> {
    share(-day(state)?, state.equity.day_start?)
}

/// Fall from the peak in percent of the peak; zero at a new peak.
pub fn drawdown_pct(state: &SessionState) -> Option<Decimal> {
    let peak = state.equity.peak?;
    share(peak - equity(state)?, peak)
}

fn share(part: Usdt, whole: Usdt) -> Option<Decimal> {
    Some(mul(part.ratio_to(whole)?, Decimal::ONE_HUNDRED).max(Decimal::ZERO))
}

/// Notional of all positions at the mark prices; `None` while one is unknown.
pub fn exposure(state: &SessionState) -> Option<Usdt> {
    state
        .positions
        .open()
        .map(|position| mark(state, position).map(|mark| mark.notional(position.quantity)))
        .sum::<Option<Usdt>>()
}

/// The open position that is nearest to liquidation, by distance; unknown distances do not count.
pub fn nearest(state: &SessionState) -> Option<(&Position, Danger)> {
    state
        .positions
        .open()
        .map(|position| (position, danger(state, position)))
        .filter(|(_, danger)| danger.distance_pct.is_some())
        .min_by_key(|(_, danger)| danger.distance_pct)
}

/// The margin bucket in most danger: its ratio, whether it is the account's (cross), and severity.
pub fn worst_ratio(state: &SessionState) -> Option<(Decimal, bool, Option<Severity>)> {
    let isolated = state
        .positions
        .open()
        .filter_map(|position| {
            let danger = danger(state, position);
            danger.ratio_pct.map(|ratio| (ratio, false, danger.severity))
        })
        .min_by_key(|(ratio, _, _)| *ratio);
    let cross = state.cross_margin_ratio_pct().map(|ratio| {
        let key = AlertKey { kind: AlertKind::MarginRatioLow, subject: AlertKey::ACCOUNT.to_owned() };
        let severity = state.alerts.active(&key).map(|alert| alert.severity);
        (ratio, true, severity)
    });
    isolated.into_iter().chain(cross).min_by_key(|(ratio, _, _)| *ratio)
}

/// Where the liquidation price lies from the mark, in percent of the mark: negative below it.
pub fn liquidation_offset_pct(position: &Position, mark: Price) -> Option<Decimal> {
    let liquidation = position.venue.liquidation_price?;
    Some(mul(div(sub(liquidation.0, mark.0), mark.0)?, Decimal::ONE_HUNDRED))
}
