//! The exchange's clock: measured at the start, every minute, when the exchange says that ours is wrong,
//! and after the machine slept. The two clocks meet nowhere else.

use std::time::Duration;

use super::link::resync_soon;
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::turn::Turn;
use crate::engine::{Request, chores};
use crate::model::{AlertKind, CallClass, CallError, Chore, ClockOffset, Event, Severity};

/// A clock that is off by more than this is told.
const TOLD_ABOVE: Duration = Duration::from_secs(1);
/// A clock that is off by more than this is CRITICAL: the exchange refuses what is stamped by it, and
/// people read wrong times.
const CRITICAL_ABOVE: Duration = Duration::from_secs(10);

/// Asks the exchange's time.
pub(in crate::engine) fn measure(turn: &mut Turn) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        return chores::held_back(turn, Chore::Clock);
    }
    chores::asked(turn, Chore::Clock);
    turn.request(Request::ServerTime);
}

/// The exchange told its time, or the adapter measured it of its own accord.
pub(in crate::engine) fn on_clock(turn: &mut Turn, result: &Result<ClockOffset, CallError>) {
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
        // Fills that could not be placed in time are asked for now.
        chores::soon(turn, Chore::FetchFills);
    }
    judge(turn, *offset);
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
    let standing = turn
        .state()
        .alerts
        .active(&crate::model::AlertKey { kind: AlertKind::ClockOff, subject: "exchange".to_owned() });
    if standing.is_none_or(|standing| standing.severity < severity) {
        raise(turn, NewAlert::holds(AlertKind::ClockOff, "exchange", severity, message));
    }
}
