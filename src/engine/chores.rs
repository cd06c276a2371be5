//! Recurring work: what is due, what is out, and backing off while the exchange does not answer.
//! A chore always has its next time, whatever happens, so nothing spins and nothing stops.

use std::time::Duration;

use super::turn::Turn;
use super::{
    circuit_breaker, live_order_manager as orders, position_sync_service as positions, session_control, unanswered,
};
use crate::model::{
    CallClass, CallError, Chore, ChoreState, EXITS_NEED, ErrorClass, Event, Phase, SessionState, SessionTime,
};

/// Longest wait of a chore that keeps failing.
const LONGEST: Duration = Duration::from_secs(60);
/// The first wait of a chore that fails while the session starts.
const FIRST_AT_START: Duration = Duration::from_millis(250);
/// While the session starts, the first question without an answer is asked again after this time: the rest
/// follows at once when it is answered. At any time, a question that is wanted anew while it is out.
const PROBED_EVERY: Duration = Duration::from_millis(750);
/// While the session starts, the other questions are asked again after this time, answered or not.
const LONGEST_AT_START: Duration = Duration::from_secs(4);
/// So long a list of orders may take before one that is wanted anew is asked for beside it.
const LIST_AWAITED: Duration = Duration::from_secs(5);
/// An answer after so long a silence says that the exchange is back.
const SILENCE: Duration = Duration::from_millis(500);
/// How long a start waits for the rest when what exits need is known. A list of many orders takes longer: entries
/// wait for it, exits need none of it.
const REST_AWAITED: Duration = Duration::from_millis(200);
/// What the exchange may change without a word is asked again this often: contract details, the position mode.
const LEARNT_EVERY: Duration = Duration::from_secs(3600);
/// The exchange's clock is asked again this often.
const CLOCK_EVERY: Duration = Duration::from_secs(60);
/// How often working orders are looked over while any works.
pub(super) const LOOK_OVER: Duration = Duration::from_millis(100);

/// What a start asks, in this order.
pub(super) const ASKED_AT_START: [Chore; 6] =
    [Chore::Clock, Chore::Contracts, Chore::PositionMode, Chore::FetchFills, Chore::SyncPositions, Chore::PollOrders];

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
pub(super) fn next_due(state: &SessionState) -> Option<SessionTime> {
    let chores = state.upkeep.chores.iter();
    chores.filter_map(|(chore, known)| due_at(state, *chore, known)).chain(start_is_over_at(state)).min()
}

/// Whether the exchange answered this question since the start.
pub(super) fn is_told(state: &SessionState, chore: Chore) -> bool {
    state.upkeep.chore(chore).done_at.is_some()
}

/// When a session that starts is ready: what exits need is known, and the rest was awaited for a moment.
/// `None` while it is not known, and when the session is not starting.
pub(super) fn start_is_over_at(state: &SessionState) -> Option<SessionTime> {
    if state.phase != Phase::Starting || state.info.is_none() || state.contracts.is_empty() {
        return None;
    }
    let told: Option<Vec<SessionTime>> =
        EXITS_NEED.iter().map(|(chore, _)| state.upkeep.chore(*chore).done_at).collect();
    let known_at = told?.into_iter().max()?;
    let all = ASKED_AT_START.iter().all(|chore| is_told(state, *chore));
    Some(if all { known_at } else { known_at.plus(REST_AWAITED) })
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

/// It succeeded without a question, or with the one that is out: due again after its interval.
pub(super) fn done(turn: &mut Turn, chore: Chore) {
    let asked_at = turn.state().upkeep.chore(chore).asked_at.unwrap_or(turn.now);
    answered(turn, chore, asked_at);
}

/// A question that left at `asked_at` was answered: due again after its interval. Of two that are out the newer may
/// be answered later, or first: what is known is of the newest that was answered.
pub(super) fn answered(turn: &mut Turn, chore: Chore, asked_at: SessionTime) {
    let known = turn.state().upkeep.chore(chore);
    let newer_is_out = known.asked_at.filter(|newest| *newest > asked_at);
    // A time that was set while the question was out still stands; the one that led here is over.
    let asked_again = known.asked_at.and(known.due);
    let due = interval(turn, chore).map(|every| turn.now.plus(every)).into_iter().chain(asked_again).min();
    let told_of = known.told_of.filter(|_| known.done_at.is_some()).max(Some(asked_at));
    let was_silent = was_silent(turn);
    let state = ChoreState { due, asked_at: newer_is_out, done_at: Some(turn.now), told_of, failures: 0, error: None };
    turn.emit(Event::ChoreMoved { chore, state });
    if was_silent {
        ask_the_others(turn, told_of);
    }
}

/// Whether the exchange has not answered for a while any of what a start asks.
fn was_silent(turn: &Turn) -> bool {
    let state = turn.state();
    let answered = ASKED_AT_START.iter().filter_map(|chore| state.upkeep.chore(*chore).done_at).max();
    let since = answered.max(state.last_start).unwrap_or_default();
    since.plus(SILENCE) <= turn.now
}

/// The exchange answers again: nothing that a start needs waits for its back-off, nor for an answer to what was
/// asked before this question.
fn ask_the_others(turn: &mut Turn, told_of: Option<SessionTime>) {
    for chore in ASKED_AT_START {
        let state = turn.state().upkeep.chore(chore);
        let waits = match state.asked_at {
            None => state.failures > 0,
            Some(asked_at) => Some(asked_at) < told_of,
        };
        if waits && asked_again_after(turn.state(), chore).is_some() {
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
    let (first, longest) = match asked_again_after(turn.state(), chore) {
        Some(longest) => (FIRST_AT_START, longest),
        None => (every, LONGEST),
    };
    let wait = first.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(longest);
    // A refused key is tried rarely, also while the session starts.
    let wait = if error.class == ErrorClass::AccessRefused { LONGEST } else { wait };
    // Wanted again while it was out, it does not wait for its back-off, unless the key is refused.
    let wanted = known.asked_at.and(known.due).filter(|_| error.class != ErrorClass::AccessRefused);
    let error = Some(error.message.clone());
    let due = wanted.into_iter().chain(Some(turn.now.plus(wait))).min();
    let state = ChoreState { due, asked_at: None, failures, error, ..known };
    turn.emit(Event::ChoreMoved { chore, state });
}

fn is_due(turn: &Turn, chore: Chore) -> bool {
    let known = turn.state().upkeep.chore(chore);
    due_at(turn.state(), chore, &known).is_some_and(|due| due <= turn.now)
}

/// When a chore is due: what is asked for already, only where a start does not wait for the answer.
fn due_at(state: &SessionState, chore: Chore, known: &ChoreState) -> Option<SessionTime> {
    match known.asked_at {
        None => known.due,
        Some(asked_at) => {
            // A list of many orders takes its time: asked again it would begin anew.
            let is_long = chore == Chore::PollOrders;
            let starts = asked_again_after(state, chore).filter(|_| !is_long).map(|after| asked_at.plus(after));
            // Wanted again since it was asked, it does not wait for an answer that may never come.
            let patience = if is_long { LIST_AWAITED } else { PROBED_EVERY };
            starts.into_iter().chain(known.due.map(|due| due.max(asked_at.plus(patience)))).min()
        }
    }
}

/// After what time a question of a start that is not over for it is asked again, answered or not.
fn asked_again_after(state: &SessionState, chore: Chore) -> Option<Duration> {
    let starts = state.phase == Phase::Starting || chore == Chore::PollOrders;
    if !starts || is_told(state, chore) || !ASKED_AT_START.contains(&chore) {
        return None;
    }
    let first = ASKED_AT_START.into_iter().find(|chore| !is_told(state, *chore));
    Some(if first == Some(chore) { PROBED_EVERY } else { LONGEST_AT_START })
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
        Chore::PollOrders if turn.state().orders.working_count() == 0 && is_told(turn.state(), chore) => {
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
