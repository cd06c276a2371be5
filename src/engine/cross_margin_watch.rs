//! In cross margin the account is liquidated, not one position: its ratio is watched by the same
//! thresholds (engine.md 6.1).

use super::alerting::{NewAlert, clear, raise};
use super::liquidation_watch::level;
use super::turn::Turn;
use crate::model::{AlertKey, AlertKind, Event, MarginMode, PositionKey, Severity, Side, Symbol};

/// New prices of a symbol.
pub(super) fn on_quote(turn: &mut Turn, symbol: &Symbol) {
    let concerned = [Side::Long, Side::Short].into_iter().any(|side| {
        let key = PositionKey { symbol: symbol.clone(), side };
        turn.state().positions.get(&key).is_some_and(|position| position.margin_mode == MarginMode::Cross)
    });
    if concerned {
        check(turn);
    }
}

/// Looks at the account's ratio; while it is unknown, what stands stays.
pub(super) fn check(turn: &mut Turn) {
    if !turn.state().has_cross_position() {
        return clear(turn, AlertKind::MarginRatioLow, AlertKey::ACCOUNT);
    }
    let Some(ratio) = turn.state().cross_margin_ratio_pct() else { return };
    let key = AlertKey { kind: AlertKind::MarginRatioLow, subject: AlertKey::ACCOUNT.to_owned() };
    let standing = turn.state().alerts.active(&key).cloned();
    let was = match standing.as_ref().map(|alert| alert.severity) {
        None => 0,
        Some(Severity::Info | Severity::Warning) => 1,
        Some(Severity::Critical) => 2,
    };
    let settings = &turn.settings.liquidation;
    let thresholds = [settings.ratio_warning_pct, settings.ratio_critical_pct];
    let severity = match level(ratio, &thresholds, settings.ratio_hysteresis_pct, was) {
        0 => return clear(turn, AlertKind::MarginRatioLow, AlertKey::ACCOUNT),
        1 => Severity::Warning,
        _ => Severity::Critical,
    };
    let message =
        format!("margin ratio of the account (all cross positions) is {} %, liquidation at 100 %", ratio.round_dp(1));
    match standing {
        Some(alert) if severity == alert.severity => {}
        // Better, but not well: it keeps its worst until it was seen.
        Some(alert) if severity < alert.severity => {
            if !alert.is_unacknowledged() {
                turn.emit(Event::AlertChanged { id: alert.id, key, severity, message, details: alert.details });
            }
        }
        _ => raise(turn, NewAlert::holds(AlertKind::MarginRatioLow, AlertKey::ACCOUNT, severity, message)),
    }
}
