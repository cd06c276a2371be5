//! How near liquidation is: margin ratio, distance in tiers, share left of the opening distance.
//! Each warns once when its threshold is crossed, and is armed again by hysteresis (engine.md 6.1).

use super::alerting::{NewAlert, clear, raise};
use super::turn::Turn;
use crate::model::{
    AlertKey, AlertKind, Decimal, Event, LiquidationWatch, MarginMode, Position, PositionId, Price, Severity, Symbol,
    add, div, mul,
};

/// New prices of a symbol.
pub(super) fn on_quote(turn: &mut Turn, symbol: &Symbol) {
    for side in [crate::model::Side::Long, crate::model::Side::Short] {
        let key = crate::model::PositionKey { symbol: symbol.clone(), side };
        if let Some(position) = turn.state().positions.get(&key).cloned() {
            watch(turn, &position);
        }
    }
}

/// The exchange told new figures of a position: the liquidation price may have been set anew.
pub(super) fn on_figures(turn: &mut Turn, id: PositionId) {
    let Some(position) = turn.state().positions.by_id(id).cloned() else { return };
    let liquidation = position.venue.liquidation_price;
    let distance = turn.mark(&position.key.symbol).and_then(|mark| position.distance_pct(mark));
    // An own fill disarms it; what the exchange or somebody else moves leaves it as it is.
    if position.watch.armed_at.is_none() && distance.is_some() {
        let armed_at = Some(turn.now);
        let watch = if liquidation == position.watch.armed_for {
            LiquidationWatch { armed_at, ..position.watch.clone() }
        } else {
            LiquidationWatch {
                opening_distance_pct: distance,
                armed_for: liquidation,
                armed_at,
                ..position.watch.clone()
            }
        };
        turn.emit(Event::WatchMoved { id, watch });
    }
    if let Some(position) = turn.state().positions.by_id(id).cloned() {
        watch(turn, &position);
    }
}

/// Its margin mode was another than was taken for it: in cross margin the ratio is the account's, and what
/// was said of its own ends.
pub(super) fn on_margin_mode(turn: &mut Turn, id: PositionId) {
    let Some(position) = turn.state().positions.by_id(id).cloned() else { return };
    if position.margin_mode == MarginMode::Cross && position.watch.ratio_level > 0 {
        turn.emit(Event::WatchMoved { id, watch: LiquidationWatch { ratio_level: 0, ..position.watch } });
        clear(turn, AlertKind::MarginRatioLow, id);
    } else {
        watch(turn, &position);
    }
}

/// Says a standing CRITICAL that nobody has acknowledged again, at its interval.
pub(super) fn remind(turn: &mut Turn) {
    let every = turn.settings.liquidation.reminder;
    let due: Vec<_> = turn
        .state()
        .alerts
        .unacknowledged()
        .filter(|alert| matches!(alert.key.kind, AlertKind::MarginRatioLow | AlertKind::LiquidationNear))
        .filter(|alert| {
            alert.is_active() && alert.severity == Severity::Critical && alert.updated_at.plus(every) <= turn.now
        })
        .map(|alert| (alert.id, alert.message.clone()))
        .collect();
    for (id, message) in due {
        turn.emit(Event::AlertRepeated { id, message, holds: true, details: std::collections::BTreeMap::new() });
    }
}

fn watch(turn: &mut Turn, position: &Position) {
    let Some(mark) = turn.mark(&position.key.symbol) else { return };
    let ratio = turn.state().contracts.get(&position.key.symbol).and_then(|spec| position.margin_ratio_pct(spec, mark));
    let distance = position.distance_pct(mark);
    let settings = &turn.settings.liquidation;
    let old = &position.watch;
    let mut new = old.clone();
    if let Some(ratio) = ratio {
        let thresholds = [settings.ratio_warning_pct, settings.ratio_critical_pct];
        new.ratio_level = level(ratio, &thresholds, settings.ratio_hysteresis_pct, old.ratio_level);
    }
    if let (Some(distance), Some(opening)) = (distance, old.opening_distance_pct) {
        // A tier warns only if the position was outside it when it was opened.
        let armed: Vec<Decimal> = settings.distance_tiers_pct.iter().copied().filter(|tier| opening > *tier).collect();
        let skipped = u8::try_from(settings.distance_tiers_pct.len().saturating_sub(armed.len())).unwrap_or_default();
        let crossed = level(distance, &armed, settings.distance_hysteresis_pct, old.tier_level.saturating_sub(skipped));
        new.tier_level = if crossed == 0 { 0 } else { crossed.saturating_add(skipped) };
        if let Some(share) = div(distance, opening).filter(|_| opening > Decimal::ZERO) {
            let thresholds = [settings.share_warning_pct, settings.share_critical_pct];
            let left = mul(share, Decimal::ONE_HUNDRED);
            new.share_level = level(left, &thresholds, settings.share_hysteresis_pct, old.share_level);
        }
    }
    if new == *old {
        return;
    }
    let moved = (new.ratio_level != old.ratio_level, near_level(&new) != near_level(old));
    let (ratio_level, near) = (new.ratio_level, near_level(&new));
    let rises = (ratio_level > old.ratio_level, near > near_level(old));
    turn.emit(Event::WatchMoved { id: position.id, watch: new });
    if moved.0 {
        let shown = ratio.map_or_else(|| "?".to_owned(), |ratio| ratio.round_dp(1).to_string());
        let message = format!("margin ratio of {} is {shown} %, liquidation at 100 %", position.key);
        say(
            turn,
            position,
            AlertKind::MarginRatioLow,
            ratio_level.saturating_add(u8::from(ratio_level > 0)),
            rises.0,
            message,
            mark,
        );
    }
    if moved.1 {
        let shown = distance.map_or_else(|| "?".to_owned(), |distance| distance.round_dp(1).to_string());
        let message = format!("{} is {shown} % from its liquidation price", position.key);
        say(turn, position, AlertKind::LiquidationNear, near, rises.1, message, mark);
    }
}

/// 0 none, 1 info, 2 warning, 3 critical: the worse of tiers (30, 20, 10 %) and share (50, 25 %).
fn near_level(watch: &LiquidationWatch) -> u8 {
    watch.tier_level.max(if watch.share_level > 0 { watch.share_level.saturating_add(1) } else { 0 })
}

/// How many thresholds (falling) a value is at or below; a crossed one is left only beyond its
/// hysteresis.
pub(super) fn level(value: Decimal, thresholds: &[Decimal], hysteresis: Decimal, was: u8) -> u8 {
    let mut level = 0_u8;
    for (index, threshold) in thresholds.iter().enumerate() {
        let already_on = usize::from(was) > index;
        let edge = if already_on { add(*threshold, hysteresis) } else { *threshold };
        if value <= edge {
            level = u8::try_from(index.saturating_add(1)).unwrap_or(u8::MAX);
        }
    }
    level
}

fn say(turn: &mut Turn, position: &Position, kind: AlertKind, level: u8, rises: bool, message: String, mark: Price) {
    let severity = match level {
        0 => return clear(turn, kind, position.id),
        1 => Severity::Info,
        2 => Severity::Warning,
        _ => Severity::Critical,
    };
    let key = AlertKey { kind, subject: position.id.to_string() };
    if rises || turn.state().alerts.active(&key).is_none() {
        let alert = NewAlert::holds(kind, position.id, severity, message).position(position).detail("mark_price", mark);
        return raise(turn, alert);
    }
    // Better, but not well: the standing alert says so, and keeps its worst until it was seen.
    if let Some(alert) = turn.state().alerts.active(&key).cloned() {
        let severity = if alert.is_unacknowledged() { severity.max(alert.severity) } else { severity };
        turn.emit(Event::AlertChanged { id: alert.id, key, severity, message, details: alert.details });
    }
}
