//! The account's money over time: the day, the peak, and the limits that trip on them.

use super::alerting::{NewAlert, clear, raise};
use super::risk_manager::{daily_loss, daily_loss_limit, drawdown_pct, equity_now, margin_in_use};
use super::turn::Turn;
use crate::model::{Account, AccountReport, AlertKind, Decimal, Event, RiskLimit, Severity, div, mul};

/// The exchange told the balances, at a sync (with equity) or by a push (without).
pub(super) fn on_account(turn: &mut Turn, report: &AccountReport) {
    let wallet = match (report.equity, report.unrealised) {
        (Some(equity), Some(unrealised)) => equity - unrealised,
        _ => report.available + report.position_margin + report.order_margin,
    };
    let account = Account {
        wallet,
        available: report.available,
        position_margin: report.position_margin,
        order_margin: report.order_margin,
    };
    let known = turn.state().equity.account.as_ref() == Some(&account);
    if !known || report.equity.is_some() {
        let unrealised = equity_now(turn.state()).zip(turn.state().equity.account.as_ref().map(|old| old.wallet));
        let equity = unrealised.map_or(wallet, |(equity, old_wallet)| wallet + (equity - old_wallet));
        turn.emit(Event::AccountSnapshot { account, equity });
    }
    check(turn);
}

/// Rolls the day, raises the peak and trips limits, from what is known now.
pub(super) fn check(turn: &mut Turn) {
    let Some(equity) = equity_now(turn.state()) else { return };
    roll_day(turn);
    if turn.state().equity.peak.is_none_or(|peak| equity > peak) {
        turn.emit(Event::PeakRaised { equity });
    }
    check_daily_loss(turn);
    check_drawdown(turn);
    check_utilisation(turn);
}

/// Begins a new trading day when its time has come; once for each day.
pub(super) fn roll_day(turn: &mut Turn) {
    let today = turn.now.day();
    if turn.state().equity.day.is_some_and(|day| day >= today) {
        return;
    }
    let Some(equity) = equity_now(turn.state()) else { return };
    turn.emit(Event::DayRolled { day: today, equity });
    if turn.state().limits.contains_key(&RiskLimit::DailyLoss) {
        turn.emit(Event::LimitReset { limit: RiskLimit::DailyLoss, by: "a new day".to_owned() });
        clear(turn, AlertKind::DailyLossLimit, "session");
    }
}

/// Takes a tripped limit back: what was lost so far is the new starting point.
pub(super) fn reset(turn: &mut Turn, limit: RiskLimit, by: &str) {
    turn.emit(Event::LimitReset { limit, by: by.to_owned() });
    let Some(equity) = equity_now(turn.state()) else { return };
    match limit {
        RiskLimit::DailyLoss => {
            turn.emit(Event::DayRolled { day: turn.now.day(), equity });
            clear(turn, AlertKind::DailyLossLimit, "session");
        }
        RiskLimit::Drawdown => {
            turn.emit(Event::PeakRaised { equity });
            clear(turn, AlertKind::MaxDrawdown, "session");
        }
    }
}

fn check_daily_loss(turn: &mut Turn) {
    let lost = daily_loss(turn.state());
    let Some(limit) = daily_loss_limit(turn.state(), turn.settings.risk.daily_loss_pct) else { return };
    if lost < limit || turn.state().limits.contains_key(&RiskLimit::DailyLoss) {
        return;
    }
    let reason = format!("lost {} USDT today, limit {} USDT", lost.0.round_dp(2), limit.0.round_dp(2));
    trip(turn, RiskLimit::DailyLoss, AlertKind::DailyLossLimit, reason);
}

fn check_drawdown(turn: &mut Turn) {
    let Some(drawdown) = drawdown_pct(turn.state()) else { return };
    let risk = &turn.settings.risk;
    let (limit, warn_at) = (
        risk.max_drawdown_pct,
        div(mul(risk.max_drawdown_pct, risk.drawdown_alert_share_pct), Decimal::ONE_HUNDRED)
            .unwrap_or(risk.max_drawdown_pct),
    );
    let shown = drawdown.round_dp(2);
    if turn.state().limits.contains_key(&RiskLimit::Drawdown) {
        return;
    }
    if drawdown >= limit {
        trip(
            turn,
            RiskLimit::Drawdown,
            AlertKind::MaxDrawdown,
            format!("equity is {shown} % below its peak, limit {limit} %"),
        );
    } else if drawdown >= warn_at {
        if !is_active(turn, AlertKind::MaxDrawdown) {
            let message = format!("equity is {shown} % below its peak, entries stop at {limit} %");
            raise(turn, NewAlert::holds(AlertKind::MaxDrawdown, "session", Severity::Warning, message));
        }
    } else if mul(drawdown, Decimal::TEN) < mul(warn_at, Decimal::from(9)) {
        clear(turn, AlertKind::MaxDrawdown, "session");
    }
}

fn check_utilisation(turn: &mut Turn) {
    let Some(equity) = equity_now(turn.state()).filter(|equity| equity.is_positive()) else { return };
    let limit = turn.settings.risk.margin_utilisation_pct;
    let Some(now) = div(margin_in_use(turn, None).0, equity.0).map(|part| mul(part, Decimal::ONE_HUNDRED)) else {
        return;
    };
    if now > limit {
        if !is_active(turn, AlertKind::MarginUtilizationHigh) {
            let message = format!("{} % of equity is margin, limit {limit} %", now.round_dp(1));
            raise(turn, NewAlert::holds(AlertKind::MarginUtilizationHigh, "session", Severity::Warning, message));
        }
    } else if mul(now, Decimal::TEN) < mul(limit, Decimal::from(9)) {
        clear(turn, AlertKind::MarginUtilizationHigh, "session");
    }
}

fn trip(turn: &mut Turn, limit: RiskLimit, kind: AlertKind, reason: String) {
    let message = format!("{} limit reached, no new entries: {reason}", limit.word());
    turn.emit(Event::LimitTripped { limit, reason });
    raise(turn, NewAlert::holds(kind, "session", Severity::Critical, message));
}

fn is_active(turn: &Turn, kind: AlertKind) -> bool {
    let key = crate::model::AlertKey { kind, subject: "session".to_owned() };
    turn.state().alerts.active(&key).is_some()
}
