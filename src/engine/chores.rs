//! Recurring work: what is due, what is out, and backing off while the exchange does not answer.
//! A chore always has its next time, whatever happens, so nothing spins and nothing stops.

use std::time::Duration;

use super::turn::Turn;
use super::{
    circuit_breaker, live_order_manager as orders, position_sync_service as positions, session_control, unanswered,
};
use crate::model::{CallClass, CallError, Chore, ChoreState, ErrorClass, Event, Phase, SessionTime};

/// Longest wait of a chore that keeps failing.
const LONGEST: Duration = Duration::from_secs(60);
/// The first wait of a chore that fails while the session starts.
const FIRST_AT_START: Duration = Duration::from_millis(250);
/// While the session starts, a question is asked again after this time, answered or not: exits wait for
/// what it asks.
const LONGEST_AT_START: Duration = Duration::from_secs(2);
/// While the session starts, any answer says that the exchange is back: what has waited so long already is
/// asked again at once.
const UNANSWERED: Duration = Duration::from_millis(250);
/// What the exchange may change without a word is asked again this often: contract details, the position mode.
const LEARNT_EVERY: Duration = Duration::from_secs(3600);
/// The exchange's clock is asked again this often.
const CLOCK_EVERY: Duration = Duration::from_secs(60);
/// How often working orders are looked over while any works.
pub(super) const LOOK_OVER: Duration = Duration::from_millis(100);

/// What a start depends on, in the order in which it is asked: a question of these without an answer is put once
/// more.
const ASKED_AT_START: [Chore; 6] =
    [Chore::Clock, Chore::Contracts, Chore::PositionMode, Chore::PollOrders, Chore::FetchFills, Chore::SyncPositions];

/// Does everything that is due.
pub(super) fn run(turn: &mut Turn) {
    circuit_breaker::on_tick(turn);
    session_control::on_tick(turn);
    orders::due_work(turn);
    positions::watch(turn);
    unanswered::watch(turn);
    for chore in ASKED_AT_START.into_iter().chain([Chore::Cleanup, Chore::RecoverOrders]) {
        if is_due(turn, chore) {
            start(turn, chore);
        }
    }
}

/// When the next chore is due.
pub(super) fn next_due(turn_state: &crate::model::SessionState) -> Option<SessionTime> {
    let starting = turn_state.phase == Phase::Starting;
    let due = |(chore, state): (&Chore, &ChoreState)| match state.asked_at {
        None => state.due,
        Some(asked_at) => (starting && ASKED_AT_START.contains(chore)).then(|| asked_at.plus(LONGEST_AT_START)),
    };
    turn_state.upkeep.chores.iter().filter_map(due).min()
}

/// Makes a chore due now.
pub(super) fn soon(turn: &mut Turn, chore: Chore) {
    due_in(turn, chore, Duration::ZERO);
}

/// Makes a chore due after a while, unless it is due before.
pub(super) fn due_in(turn: &mut Turn, chore: Chore, wait: Duration) {
    let state = turn.state().upkeep.chore(chore);
    let due = turn.now.plus(wait);
    if state.due.is_none_or(|known| due < known) {
        turn.emit(Event::ChoreMoved { chore, state: ChoreState { due: Some(due), ..state } });
    }
}

/// Makes a chore due after a while, whenever it was due before.
pub(super) fn later(turn: &mut Turn, chore: Chore, wait: Duration) {
    let state = turn.state().upkeep.chore(chore);
    let due = Some(turn.now.plus(wait));
    turn.emit(Event::ChoreMoved { chore, state: ChoreState { due, asked_at: None, ..state } });
}

/// Its question left.
pub(super) fn asked(turn: &mut Turn, chore: Chore) {
    let state = turn.state().upkeep.chore(chore);
    turn.emit(Event::ChoreMoved { chore, state: ChoreState { asked_at: Some(turn.now), due: None, ..state } });
}

/// It succeeded: due again after its interval.
pub(super) fn done(turn: &mut Turn, chore: Chore) {
    let known = turn.state().upkeep.chore(chore);
    // A time that was set while the question was out still stands; the one that led here is over.
    let asked_again = known.asked_at.and(known.due);
    let due = interval(turn, chore).map(|every| turn.now.plus(every)).into_iter().chain(asked_again).min();
    let told_of = known.asked_at.or(Some(turn.now));
    let state = ChoreState { due, asked_at: None, done_at: Some(turn.now), told_of, failures: 0, error: None };
    turn.emit(Event::ChoreMoved { chore, state });
    if turn.state().phase == Phase::Starting {
        ask_the_others(turn);
    }
}

/// The exchange answers again: nothing waits for its back-off, nor for an answer that is not coming.
fn ask_the_others(turn: &mut Turn) {
    for chore in ASKED_AT_START {
        let state = turn.state().upkeep.chore(chore);
        let waits = match state.asked_at {
            None => state.failures > 0,
            Some(asked_at) => asked_at.plus(UNANSWERED) <= turn.now,
        };
        if state.done_at.is_none() && waits {
            turn.emit(Event::ChoreMoved { chore, state: ChoreState { due: Some(turn.now), asked_at: None, ..state } });
        }
    }
}

/// A breaker held its question back: due again when the breaker lets one through.
pub(super) fn held_back(turn: &mut Turn, chore: Chore) {
    let known = turn.state().upkeep.chore(chore);
    let soon = turn.now.plus(Duration::from_secs(1));
    let due = circuit_breaker::reopens_at(turn, CallClass::Reads).map_or(soon, |at| at.max(soon));
    turn.emit(Event::ChoreMoved { chore, state: ChoreState { due: Some(due), asked_at: None, ..known } });
}

/// It failed: due again after its interval, doubled with each failure in a row. Why stays in the state,
/// so that whoever waits for it can be told.
pub(super) fn failed(turn: &mut Turn, chore: Chore, error: &CallError) {
    let known = turn.state().upkeep.chore(chore);
    let failures = known.failures.saturating_add(1);
    let every = interval(turn, chore).unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(2));
    let (first, longest) = match turn.state().phase {
        Phase::Starting => (FIRST_AT_START, LONGEST_AT_START),
        _ => (every, LONGEST),
    };
    let wait = first.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(longest);
    // A refused key is tried rarely, also while the session starts.
    let wait = if error.class == ErrorClass::AccessRefused { LONGEST } else { wait };
    let error = Some(error.message.clone());
    let state = ChoreState { due: Some(turn.now.plus(wait)), asked_at: None, failures, error, ..known };
    turn.emit(Event::ChoreMoved { chore, state });
}

fn is_due(turn: &Turn, chore: Chore) -> bool {
    let state = turn.state().upkeep.chore(chore);
    match state.asked_at {
        None => state.due.is_some_and(|due| due <= turn.now),
        Some(asked_at) => {
            turn.state().phase == Phase::Starting
                && ASKED_AT_START.contains(&chore)
                && asked_at.plus(LONGEST_AT_START) <= turn.now
        }
    }
}

/// How often it is done; `None` when only something that calls for it makes it due.
pub(super) fn interval(turn: &Turn, chore: Chore) -> Option<Duration> {
    let settings = turn.settings;
    match chore {
        Chore::PollOrders => Some(settings.orders.poll_interval),
        Chore::SyncPositions | Chore::ReadAccount => Some(settings.positions.sync_interval),
        Chore::Cleanup => Some(settings.orders.cleanup_interval),
        Chore::Contracts | Chore::PositionMode => Some(LEARNT_EVERY),
        Chore::Clock => Some(CLOCK_EVERY),
        // Asked when something calls for it.
        Chore::FetchFills | Chore::RecoverOrders => None,
    }
}

fn start(turn: &mut Turn, chore: Chore) {
    match chore {
        Chore::PollOrders if turn.state().orders.working_count() == 0 && turn.state().phase != Phase::Starting => {
            done(turn, chore);
        }
        Chore::PollOrders => orders::poll(turn),
        Chore::SyncPositions | Chore::ReadAccount => positions::sync(turn),
        Chore::FetchFills => positions::fetch_fills(turn),
        Chore::Cleanup => orders::cleanup(turn),
        Chore::Clock => session_control::measure(turn),
        Chore::RecoverOrders => orders::recover(turn),
        Chore::Contracts | Chore::PositionMode => session_control::ask(turn, chore),
    }
}
