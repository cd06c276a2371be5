//! Circuit breakers, one for each class of call: entries, cancels and exits, reads.
//!
//! Five failing rounds in a row open a breaker; after 60 s one call at a time is let through, and three
//! successes close it. A call that was under way when a failure was counted belongs to the same round:
//! five parallel calls that one bad second takes are one failure. Only transport errors, 5xx and
//! time-outs count; what never left this machine says nothing about the exchange. Cancels and exits are
//! never held back: each one probes. Nor are the reads of a start, and those right after a stream has
//! logged in: what an exit needs must be known.

use std::time::Duration;

use super::alerting::{NewAlert, clear, raise};
use super::chores;
use super::turn::Turn;
use crate::model::{
    AlertKind, BreakerState, CallClass, CallError, Chore, ErrorClass, Event, LinkState, Phase, Refusal, SessionTime,
    Severity,
};

/// Calls without a time of their own that fail so soon after a counted failure belong to its round.
const ONE_ROUND: Duration = Duration::from_secs(1);
/// The reads that follow a login leave within this time.
const ROUND_OF_LOGIN: Duration = Duration::from_secs(1);

/// Whether a call may leave.
pub(super) enum Admission {
    Go,
    HeldBack { why: String },
}

/// Asks the breaker of a class for a call, and takes the one probe of a half-open breaker.
pub(super) fn admit(turn: &mut Turn, class: CallClass) -> Admission {
    half_open_when_due(turn, class);
    let starts = turn.state().phase == Phase::Starting || !chores::is_told(turn.state(), Chore::PollOrders);
    if class == CallClass::Reads && (starts || has_just_logged_in(turn)) {
        return admit_urgent(turn, class);
    }
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

/// Asks for a read that is about an exit, which passes an open breaker, or about anything else.
pub(super) fn admit_read(turn: &mut Turn, for_an_exit: bool) -> Admission {
    if for_an_exit { admit_urgent(turn, CallClass::Reads) } else { admit(turn, CallClass::Reads) }
}

/// Lets a call through whatever the breaker says: a read that an exit needs. Its outcome counts as any
/// other, and it is the probe of a half-open breaker.
fn admit_urgent(turn: &mut Turn, class: CallClass) -> Admission {
    let breaker = turn.state().breaker(class);
    if breaker.state == BreakerState::HalfOpen && !breaker.probing {
        turn.emit(Event::ProbeSent { class });
    }
    Admission::Go
}

/// Counts how a call ended of which it is not known when it left.
pub(super) fn count(turn: &mut Turn, class: CallClass, error: Option<&CallError>) {
    let failed_at = turn.state().breaker(class).failed_at;
    let same_round = failed_at.is_some_and(|at| turn.now.since(at) < ONE_ROUND);
    count_in_round(turn, class, error, same_round);
}

/// Counts how a call ended that left at a known time.
pub(super) fn count_since(turn: &mut Turn, class: CallClass, error: Option<&CallError>, left_at: Option<SessionTime>) {
    let Some(left_at) = left_at else { return count(turn, class, error) };
    let failed_at = turn.state().breaker(class).failed_at;
    count_in_round(turn, class, error, failed_at.is_some_and(|at| left_at <= at));
}

/// An answer that refuses is an answer: the exchange is there.
fn count_in_round(turn: &mut Turn, class: CallClass, error: Option<&CallError>, same_round: bool) {
    if error.is_some_and(never_left) {
        if turn.state().breaker(class).probing {
            turn.emit(Event::CallNeverLeft { class });
        }
        return;
    }
    let failure = error.filter(|error| error.counts).map(|error| error.message.clone());
    let failed = failure.is_some();
    let same_round = failed && same_round;
    turn.emit(Event::CallCounted { class, failure, same_round });
    let breaker = turn.state().breaker(class);
    let settings = &turn.settings.breaker;
    match breaker.state {
        BreakerState::Closed if failed && breaker.failures >= settings.failures => {
            let reason = format!("{} failures in a row", breaker.failures);
            open(turn, class, reason);
        }
        BreakerState::HalfOpen if failed && !same_round => open(turn, class, "the probe failed".to_owned()),
        BreakerState::HalfOpen if breaker.successes >= settings.successes => {
            let reason = format!("{} successes in a row", breaker.successes);
            close(turn, class, reason);
        }
        // What passes an open breaker probes it: its success is the sign of recovery that others wait for.
        BreakerState::Open if !failed && class != CallClass::Entries => {
            let what = if class == CallClass::Exits { "a cancel or exit" } else { "a question" };
            let reason = format!("{what} got through");
            turn.emit(Event::BreakerMoved { class, state: BreakerState::HalfOpen, reason });
        }
        _ => {}
    }
}

/// Our own limit, a revocation, the journal, or a defect of ours: the exchange had no part in it.
fn never_left(error: &CallError) -> bool {
    error.class == ErrorClass::NeverLeft || error.refusal == Refusal::Defect
}

/// A new start asks anew: what the last one could not read says nothing about now.
pub(super) fn forget_reads(turn: &mut Turn) {
    if turn.state().breaker(CallClass::Reads).state != BreakerState::Closed {
        close(turn, CallClass::Reads, "a new start".to_owned());
    }
}

/// A stream has logged in: the exchange is there, and one round of questions may say the same.
pub(super) fn on_login(turn: &mut Turn) {
    let class = CallClass::Reads;
    if turn.state().breaker(class).state == BreakerState::Open {
        let reason = "a stream has logged in".to_owned();
        turn.emit(Event::BreakerMoved { class, state: BreakerState::HalfOpen, reason });
    }
}

fn has_just_logged_in(turn: &Turn) -> bool {
    let link = &turn.state().upkeep.link;
    link.state == LinkState::Up && link.since.is_some_and(|since| turn.now.since(since) < ROUND_OF_LOGIN)
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
