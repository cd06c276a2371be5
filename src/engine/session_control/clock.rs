//! The exchange's clock: measured at the start, every minute, when the exchange says that ours is wrong,
//! and after the machine slept. The two clocks meet nowhere else.

use std::time::Duration;

use super::link::resync_soon;
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::turn::Turn;
use crate::engine::{Request, chores, unanswered};
use crate::model::{
    Alert, AlertKey, AlertKind, CallClass, CallError, Chore, ClockOffset, Event, Quote, SessionTime, Severity,
    VenueTime,
};

/// A clock that is off by more than this is told.
const TOLD_ABOVE: Duration = Duration::from_secs(1);
/// A clock that is off by more than this is CRITICAL: the exchange refuses what is stamped by it, and
/// people read wrong times.
const CRITICAL_ABOVE: Duration = Duration::from_secs(10);

/// Asks the exchange's time.
pub(in crate::engine) fn measure(turn: &mut Turn) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        unanswered::not_read(turn, Chore::Clock, unanswered::HELD_BACK);
        return chores::held_back(turn, Chore::Clock);
    }
    chores::asked(turn, Chore::Clock);
    turn.request(Request::ServerTime);
}

/// The exchange told its time, or the adapter measured it of its own accord.
pub(in crate::engine) fn on_clock(turn: &mut Turn, result: &Result<ClockOffset, CallError>) {
    unanswered::read(turn, Chore::Clock, result);
    let offset = match result {
        Ok(offset) => offset,
        Err(error) => return chores::failed(turn, Chore::Clock, error),
    };
    let is_first = turn.state().upkeep.link.clock.is_none();
    turn.emit(Event::ClockMeasured { offset: *offset });
    chores::done(turn, Chore::Clock);
    if turn.state().orders.session_from().is_none()
        && let Some(started) = turn.state().info.as_ref().map(|info| info.started_at)
    {
        turn.emit(Event::FillsBegin { from: offset.surely_before(started) });
    }
    if is_first {
        // Fills that could not be placed in time, and the list of ended orders, are asked for by it now.
        chores::soon(turn, Chore::FetchFills);
        if turn.state().upkeep.bulk.since.is_some() {
            chores::soon(turn, Chore::RecoverOrders);
        }
    }
    judge(turn, *offset);
}

/// Whether the first measurement since the start is still waited for.
pub(in crate::engine) fn is_awaited(turn: &Turn) -> bool {
    turn.state().clock_is_awaited(turn.now)
}

/// Since when, by the exchange's clock, fills of others are of this session; `None` while that clock is
/// waited for. Without it: what cannot be told to be of before the session is of it.
pub(in crate::engine) fn session_from(turn: &Turn) -> Option<VenueTime> {
    let state = turn.state();
    if let Some(from) = state.orders.session_from() {
        return Some(from);
    }
    let started = state.info.as_ref()?.started_at;
    (!is_awaited(turn)).then(|| turn.clock().surely_before(started).max(heard(turn, started)))
}

/// The same by the stamps of prices: when one arrived, the exchange's clock showed its stamp or later. The
/// least of them, so that no single odd stamp decides.
fn heard(turn: &Turn, at: SessionTime) -> VenueTime {
    let state = turn.state();
    let offset_us = |quote: &Quote| {
        let arrived = state.upkeep.quoted_at.get(&quote.symbol)?;
        Some(quote.at.micros().saturating_sub(arrived.micros()))
    };
    let least = state.quotes.values().filter_map(offset_us).min();
    least.map_or(VenueTime::ZERO, |offset_us| ClockOffset { offset_us, round_trip_us: 0 }.surely_before(at))
}

/// The machine slept, or the program was stopped: everything that is known is as old as that.
pub(in crate::engine) fn on_suspended(turn: &mut Turn, slept: Duration) {
    chores::soon(turn, Chore::Clock);
    resync_soon(turn);
    let message = format!(
        "this machine slept for {} s: prices, orders and positions of before are old and are asked for anew",
        slept.as_secs()
    );
    raise(turn, NewAlert::happened(AlertKind::ClockOff, "suspend", Severity::Warning, message));
}

fn judge(turn: &mut Turn, offset: ClockOffset) {
    let surely_apart = offset.apart().saturating_sub(offset.uncertainty());
    if surely_apart <= TOLD_ABOVE {
        return clear(turn, AlertKind::ClockOff, "exchange");
    }
    let severity = if surely_apart > CRITICAL_ABOVE { Severity::Critical } else { Severity::Warning };
    let (direction, seconds) = (if offset.offset_us < 0 { "ahead of" } else { "behind" }, offset.apart().as_secs_f64());
    let message = format!(
        "this machine's clock is {seconds:.1} s {direction} the exchange's: times are corrected here, but set it \
         (timedatectl set-ntp true, or chronyc makestep)"
    );
    let offset_ms = offset.offset_us / 1_000;
    let alert = NewAlert::holds(AlertKind::ClockOff, "exchange", severity, &message)
        .detail("offset_ms", offset_ms)
        .detail("uncertainty_ms", offset.uncertainty().as_millis());
    let key = AlertKey { kind: AlertKind::ClockOff, subject: "exchange".to_owned() };
    let told = |standing: &Alert| standing.details.get("offset_ms").and_then(|told| told.parse::<i64>().ok());
    let is_told = turn.state().alerts.active(&key).is_some_and(|standing| {
        let same = told(standing).is_some_and(|told| Duration::from_millis(told.abs_diff(offset_ms)) <= TOLD_ABOVE);
        same && severity <= standing.severity
    });
    if is_told {
        return;
    }
    let details = alert.details();
    raise(turn, alert);
    // Of another size than before, or the other way round; it keeps its worst until it was seen.
    if let Some(standing) = turn.state().alerts.active(&key).filter(|standing| standing.details != details) {
        let severity = if standing.is_unacknowledged() { severity.max(standing.severity) } else { severity };
        turn.emit(Event::AlertChanged { id: standing.id, key, severity, message, details });
    }
}
