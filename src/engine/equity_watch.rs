//! The account's money over time: the day, the peak, and the limits that trip on them.

use std::time::Duration;

use super::alerting::{NewAlert, clear, raise};
use super::cross_margin_watch;
use super::live_order_manager::take_back_entries;
use super::risk_manager::{daily_loss, daily_loss_limit, drawdown_pct, equity_now, margin_in_use, unrealised_now};
use super::turn::Turn;
use crate::model::{
    Account, AccountReport, AlertKind, Decimal, Event, Phase, RiskLimit, Severity, Usdt, VenueTime, div, mul,
};

/// A fill may be stamped so far ahead of the measured clock of the exchange and still begin its day.
const STAMPS_AHEAD: Duration = Duration::from_mins(1);

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
        let old = &turn.state().equity;
        let equity = unrealised_now(turn.state()).map(|unrealised| wallet + unrealised).or(report.equity).unwrap_or(
            // Prices are missing, and a push does not say: the last equity moves with the wallet.
            match (old.last, &old.account) {
                (Some(last), Some(account)) => last + (wallet - account.wallet),
                _ => wallet,
            },
        );
        turn.emit(Event::AccountSnapshot { account, equity });
    }
    check(turn);
    if let Some(equity) = report.equity {
        peak_and_drawdown(turn, equity);
    }
}

/// The exchange was asked for the balances and did not tell them. Once nothing was told for two syncs,
/// or not since the start, equity is unknown: no old figure passes for a fresh one, and entries stop.
pub(super) fn not_told(turn: &mut Turn, why: &str) {
    let state = turn.state();
    if state.equity.account.is_none() {
        return;
    }
    let patience = turn.settings.positions.sync_interval.saturating_mul(2);
    let old = state.equity.told_at.is_none_or(|at| at.plus(patience) <= turn.now);
    if old || state.phase == Phase::Starting {
        turn.emit(Event::AccountUnknown { why: why.to_owned() });
    }
}

/// Rolls the day and trips what needs no consistent view of the account.
pub(super) fn check(turn: &mut Turn) {
    roll_day(turn, turn.venue_now());
    check_daily_loss(turn);
    check_utilisation(turn);
    cross_margin_watch::check(turn);
}

/// The peak and the fall from it go by the exchange's own sum. Ours is off for moments between a
/// fill and the balance that belongs to it, and a peak that never was would stay.
fn peak_and_drawdown(turn: &mut Turn, equity: Usdt) {
    if turn.state().equity.peak.is_none_or(|peak| equity > peak) {
        turn.emit(Event::PeakRaised { equity });
    }
    check_drawdown(turn, equity);
}

/// Begins a new trading day when its time has come by the exchange's clock, as measured or as a fill
/// shows it; once for each day.
pub(super) fn roll_day(turn: &mut Turn, at: VenueTime) {
    let now = turn.venue_now();
    let today = at.clamp(now, now.plus(STAMPS_AHEAD)).day();
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
            let day = turn.venue_now().day();
            turn.emit(Event::DayRolled { day, equity });
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
    if !lost.is_positive() || lost < limit || turn.state().limits.contains_key(&RiskLimit::DailyLoss) {
        return;
    }
    let reason = format!("lost {} USDT today, limit {} USDT", lost.0.round_dp(2), limit.0.round_dp(2));
    trip(turn, RiskLimit::DailyLoss, AlertKind::DailyLossLimit, reason);
}

fn check_drawdown(turn: &mut Turn, equity: Usdt) {
    let Some(drawdown) = drawdown_pct(turn.state(), equity) else { return };
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
    let margin = margin_in_use(turn, None);
    let Some(now) = margin.and_then(|margin| div(margin.0, equity.0)).map(|part| mul(part, Decimal::ONE_HUNDRED))
    else {
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
    // What has not left has no business to leave any more.
    take_back_entries(turn, &format!("the {} limit", limit.word()));
    raise(turn, NewAlert::holds(kind, "session", Severity::Critical, message));
}

fn is_active(turn: &Turn, kind: AlertKind) -> bool {
    let key = crate::model::AlertKey { kind, subject: "session".to_owned() };
    turn.state().alerts.active(&key).is_some()
}
