//! Circuit breakers, one for each class of call: entries, cancels and exits, reads.
//!
//! Five failures in a row open a breaker; after 60 s one call at a time is let through, and three
//! successes close it. Only transport errors, 5xx and time-outs count. Cancels and exits are never
//! held back: each one probes.

use super::alerting::{NewAlert, clear, raise};
use super::turn::Turn;
use crate::model::{AlertKind, BreakerState, CallClass, CallError, Event, SessionTime, Severity};

/// Whether a call may leave.
pub(super) enum Admission {
    Go,
    HeldBack { why: String },
}

/// Asks the breaker of a class for a call, and takes the one probe of a half-open breaker.
pub(super) fn admit(turn: &mut Turn, class: CallClass) -> Admission {
    half_open_when_due(turn, class);
    let breaker = turn.state().breaker(class);
    match breaker.state {
        BreakerState::Closed => Admission::Go,
        _ if class == CallClass::Exits => Admission::Go,
        BreakerState::HalfOpen if !breaker.probing => {
            turn.emit(Event::ProbeSent { class });
            Admission::Go
        }
        BreakerState::HalfOpen => {
            turn.emit(Event::CallHeldBack { class });
            Admission::HeldBack { why: format!("circuit breaker of {class} is half-open and its one probe is out") }
        }
        BreakerState::Open => {
            turn.emit(Event::CallHeldBack { class });
            let last = breaker.last_failure.unwrap_or_default();
            let left = reopens_at(turn, class).map_or(0, |at| at.since(turn.now).as_secs());
            Admission::HeldBack { why: format!("circuit breaker of {class} is open for {left} s more: {last}") }
        }
    }
}

/// Counts how a call ended. An answer that refuses is an answer: the exchange is there.
pub(super) fn count(turn: &mut Turn, class: CallClass, error: Option<&CallError>) {
    let failure = error.filter(|error| error.counts).map(|error| error.message.clone());
    let failed = failure.is_some();
    turn.emit(Event::CallCounted { class, failure });
    let breaker = turn.state().breaker(class);
    let settings = &turn.settings.breaker;
    match breaker.state {
        BreakerState::Closed if failed && breaker.failures >= settings.failures => {
            let reason = format!("{} failures in a row", breaker.failures);
            open(turn, class, reason);
        }
        BreakerState::HalfOpen if failed => open(turn, class, "the probe failed".to_owned()),
        BreakerState::HalfOpen if breaker.successes >= settings.successes => {
            let reason = format!("{} successes in a row", breaker.successes);
            close(turn, class, reason);
        }
        // Exits probe while open: their success is the sign of recovery that others wait for.
        BreakerState::Open if !failed && class == CallClass::Exits => {
            let reason = "a cancel or exit got through".to_owned();
            turn.emit(Event::BreakerMoved { class, state: BreakerState::HalfOpen, reason });
        }
        _ => {}
    }
}

/// Opens half-open those breakers whose recovery time is over.
pub(super) fn on_tick(turn: &mut Turn) {
    for class in CallClass::ALL {
        half_open_when_due(turn, class);
    }
}

/// Closes a breaker by hand.
pub(super) fn reset(turn: &mut Turn, class: CallClass, by: &str) {
    close(turn, class, format!("reset by {by}"));
}

/// When an open breaker lets a probe through.
pub(super) fn reopens_at(turn: &Turn, class: CallClass) -> Option<SessionTime> {
    let breaker = turn.state().breaker(class);
    (breaker.state == BreakerState::Open).then_some(breaker.since?.plus(turn.settings.breaker.recovery))
}

fn half_open_when_due(turn: &mut Turn, class: CallClass) {
    if reopens_at(turn, class).is_some_and(|at| at <= turn.now) {
        let reason = format!("{} s are over", turn.settings.breaker.recovery.as_secs());
        turn.emit(Event::BreakerMoved { class, state: BreakerState::HalfOpen, reason });
    }
}

fn open(turn: &mut Turn, class: CallClass, reason: String) {
    let last = turn.state().breaker(class).last_failure.unwrap_or_default();
    let message = format!("circuit breaker of {class} is OPEN: {reason}: {last}");
    turn.emit(Event::BreakerMoved { class, state: BreakerState::Open, reason });
    raise(turn, NewAlert::holds(AlertKind::BreakerOpen, class, Severity::Critical, message));
}

fn close(turn: &mut Turn, class: CallClass, reason: String) {
    turn.emit(Event::BreakerMoved { class, state: BreakerState::Closed, reason });
    clear(turn, AlertKind::BreakerOpen, class);
}
