//! Flatten: an ordered protocol, each step known before the next (engine.md 6.14).

use std::time::Duration;

use super::commands::{done, rejected, working};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::chores;
use crate::engine::live_order_manager::{close_all, wish_cancel, wish_cancel_entries};
use crate::engine::turn::Turn;
use crate::model::{
    AlertKind, Chore, CommandId, Control, Decimal, Event, Flatten, FlattenStep, Order, OrderNo, PositionKey, Purpose,
    Severity,
};

/// Closing does not wait longer than this for the cancels of entries: it reduces risk.
const CANCELS_AWAITED: Duration = Duration::from_secs(3);
/// Rounds of closing after which an operator is told that it does not get to zero.
const TOLD_AFTER_ROUNDS: u32 = 3;
/// Wait between two rounds of closing.
const ROUND_EVERY: Duration = Duration::from_secs(2);

/// A flatten was asked for.
pub(super) fn begin(turn: &mut Turn, id: &CommandId, by: &str) {
    if turn.state().flatten.is_some() {
        return rejected(turn, id, "a flatten is under way already");
    }
    let flatten =
        Flatten { command: id.clone(), step: FlattenStep::Pause, step_since: turn.now, closes: Vec::new(), rounds: 0 };
    turn.emit(Event::FlattenMoved { flatten: Some(Box::new(flatten)) });
    if turn.state().control == Control::Running {
        turn.emit(Event::ControlChanged { control: Control::Paused, by: by.to_owned(), reason: "flatten".to_owned() });
    }
    advance(turn);
}

/// Takes the steps whose condition holds.
pub(super) fn advance(turn: &mut Turn) {
    // Each pass takes one step; the plan is short, and a pass without a step ends it.
    for _ in 0..=FlattenStep::PLAN.len() {
        let Some(flatten) = turn.state().flatten.clone() else { return };
        let Some(next) = next_step(turn, &flatten) else { return };
        enter(turn, &flatten, next);
    }
}

/// The step that may be entered now, if any.
fn next_step(turn: &Turn, flatten: &Flatten) -> Option<FlattenStep> {
    let state = turn.state();
    match flatten.step {
        FlattenStep::Pause => Some(FlattenStep::CancelEntries),
        FlattenStep::CancelEntries => Some(FlattenStep::AwaitCancels),
        FlattenStep::AwaitCancels => {
            let waited = flatten.step_since.plus(CANCELS_AWAITED) <= turn.now;
            (state.orders.working_entries() == 0 || waited).then_some(FlattenStep::ClosePositions)
        }
        FlattenStep::ClosePositions => {
            let all_answered =
                flatten.closes.iter().all(|(_, no)| !state.orders.get(*no).is_some_and(Order::is_working));
            if !all_answered {
                return None;
            }
            if state.positions.open_count() == 0 && state.orders.working_entries() == 0 {
                return Some(FlattenStep::VerifyZero);
            }
            (flatten.step_since.plus(ROUND_EVERY) <= turn.now).then_some(FlattenStep::ClosePositions)
        }
        FlattenStep::VerifyZero => {
            // Only an answer to a question that was asked after the closes can prove it.
            let told = state.upkeep.chore(Chore::SyncPositions).told_of.is_some_and(|at| at >= flatten.step_since);
            let zero = state.venue_positions.values().all(|view| view.report.contracts.is_zero());
            // What the exchange holds and we do not is followed first, then closed.
            match state.positions.open_count() {
                0 => (told && zero).then_some(FlattenStep::CancelProtective),
                _ => Some(FlattenStep::ClosePositions),
            }
        }
        FlattenStep::CancelProtective => (state.orders.working_count() == 0).then_some(FlattenStep::Done),
        FlattenStep::Done => None,
    }
}

fn enter(turn: &mut Turn, flatten: &Flatten, step: FlattenStep) {
    let again = flatten.step == FlattenStep::ClosePositions && step == FlattenStep::ClosePositions;
    let mut flatten = Flatten {
        step,
        step_since: turn.now,
        rounds: if again { flatten.rounds.saturating_add(1) } else { flatten.rounds },
        ..flatten.clone()
    };
    let id = flatten.command.clone();
    match step {
        FlattenStep::Pause | FlattenStep::AwaitCancels => {}
        FlattenStep::CancelEntries => {
            wish_cancel_entries(turn, "flatten");
        }
        FlattenStep::ClosePositions => {
            // What an entry filled meanwhile is closed as well.
            wish_cancel_entries(turn, "flatten");
            flatten.closes = close_each(turn);
            tell_when_stuck(turn, &flatten);
        }
        FlattenStep::VerifyZero => chores::soon(turn, Chore::SyncPositions),
        FlattenStep::CancelProtective => {
            let left: Vec<OrderNo> = turn.state().orders.working().map(|order| order.no).collect();
            for no in left {
                wish_cancel(turn, no, "flatten");
            }
        }
        FlattenStep::Done => {
            clear(turn, AlertKind::FlattenIncomplete, "session");
            turn.emit(Event::FlattenMoved { flatten: None });
            return done(turn, &id, "zero at the exchange, no order works");
        }
    }
    turn.emit(Event::FlattenMoved { flatten: Some(Box::new(flatten)) });
    working(turn, &id, step.word(), Vec::new());
}

/// One reduce-only market order a position, the one nearest to liquidation first.
fn close_each(turn: &mut Turn) -> Vec<(PositionKey, OrderNo)> {
    let mut keys: Vec<(Option<Decimal>, PositionKey)> = turn
        .state()
        .positions
        .open()
        .map(|position| {
            let distance = turn.mark(&position.key.symbol).and_then(|mark| position.distance_pct(mark));
            (distance, position.key.clone())
        })
        .collect();
    keys.sort_by(|(a, left), (b, right)| (a.is_none(), a, left).cmp(&(b.is_none(), b, right)));
    keys.into_iter().filter_map(|(_, key)| close_all(turn, &key, Purpose::Flatten).map(|no| (key, no))).collect()
}

fn tell_when_stuck(turn: &mut Turn, flatten: &Flatten) {
    if flatten.rounds < TOLD_AFTER_ROUNDS {
        return;
    }
    let open = turn.state().positions.open().map(|position| position.key.to_string());
    let entries = turn.state().orders.working().filter(|order| !order.reduces());
    let left: Vec<String> = open.chain(entries.map(|order| format!("entry {} ({})", order.no, order.state))).collect();
    let message =
        format!("flatten is not at zero after {} rounds: {} left; it goes on trying", flatten.rounds, left.join(", "));
    raise(turn, NewAlert::holds(AlertKind::FlattenIncomplete, "session", Severity::Critical, message));
}
