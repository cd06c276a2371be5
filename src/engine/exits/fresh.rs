//! An exit is not answered from a state that is known to be old: the exchange is asked first, for a
//! second at most.

use std::time::Duration;

use crate::engine::turn::Turn;
use crate::engine::{Request, chores};
use crate::model::{Chore, Event, LinkState, Phase};

/// The longest that an exit waits for the answer.
pub(super) const ASKED_FOR_AT_MOST: Duration = Duration::from_secs(1);

/// Whether what is known of positions is known to be old: not told since the start, not since the link
/// came back, or not for two intervals.
pub(super) fn is_old(turn: &Turn) -> bool {
    let state = turn.state();
    let sync = state.upkeep.chore(Chore::SyncPositions);
    let Some(told_of) = sync.told_of else { return state.phase == Phase::Starting };
    let link = &state.upkeep.link;
    let since_the_link = match link.state {
        LinkState::Up => link.since.is_some_and(|since| told_of < since && sync.done_at.is_some_and(|at| at < since)),
        LinkState::Down { .. } => link.since.is_some_and(|since| told_of < since),
        LinkState::Connecting => false,
    };
    let limit = turn.settings.positions.sync_interval.saturating_mul(2);
    since_the_link || (sync.failures > 0 && sync.done_at.is_none_or(|at| turn.now.since(at) > limit))
}

/// Whether an exit may go on: the state is not old, or the exchange was asked and did not answer within
/// a second. Asks when that has not happened yet.
pub(super) fn may_go_on(turn: &mut Turn) -> bool {
    !is_old(turn) || was_asked_in_vain(turn)
}

/// Whether "nothing is held" can be said: the exchange told what is held no longer than a second ago, or
/// was asked and did not answer. Asks when that has not happened yet.
pub(super) fn may_say_none(turn: &mut Turn) -> bool {
    let told_of = turn.state().upkeep.chore(Chore::SyncPositions).told_of;
    let is_fresh = !is_old(turn) && told_of.is_some_and(|told_of| told_of.plus(ASKED_FOR_AT_MOST) >= turn.now);
    is_fresh || was_asked_in_vain(turn)
}

/// Whether the exchange was asked and did not answer within a second. Asks when that has not happened yet.
fn was_asked_in_vain(turn: &mut Turn) -> bool {
    match turn.state().upkeep.exit_read {
        Some(asked) => asked.plus(ASKED_FOR_AT_MOST) <= turn.now,
        None => {
            read_positions(turn);
            false
        }
    }
}

/// Asks what is held, now, past an open breaker.
pub(super) fn read_positions(turn: &mut Turn) {
    if turn.state().upkeep.exit_read.is_none() {
        turn.emit(Event::ExitReadMoved { asked: Some(turn.now) });
    }
    chores::asked(turn, Chore::SyncPositions);
    turn.request(Request::Positions);
}

/// Positions were told: the next exit that meets an old state asks again.
pub(in crate::engine) fn on_positions_told(turn: &mut Turn) {
    if turn.state().upkeep.exit_read.is_some() && !is_old(turn) {
        turn.emit(Event::ExitReadMoved { asked: None });
    }
}
