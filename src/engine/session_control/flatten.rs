//! Flatten: pause, cancel entries and close positions at once, then prove zero (engine.md 6.14, 8.2).

use std::time::Duration;

use super::commands::{done, rejected, working};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::live_order_manager::{wish_cancel, wish_cancel_entries};
use crate::engine::position_sync_service as positions;
use crate::engine::turn::Turn;
use crate::engine::{chores, exits};
use crate::model::{
    AlertKey, AlertKind, Chore, CommandId, Control, Event, Flatten, FlattenStep, Order, OrderNo, Position, PositionKey,
    Purpose, Severity,
};

/// Rounds of closing after which an operator is told that it does not get to zero.
const TOLD_AFTER_ROUNDS: u32 = 3;
/// How often it looks again at what is left.
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
        let Some(next) = next_step(turn, &flatten) else { return tell_unverified(turn, &flatten) };
        enter(turn, &flatten, next);
    }
}

/// The step that may be entered now, if any.
fn next_step(turn: &Turn, flatten: &Flatten) -> Option<FlattenStep> {
    let state = turn.state();
    let open = state.positions.open_count() + unclaimed(turn).len();
    match flatten.step {
        FlattenStep::Pause => Some(FlattenStep::CancelEntries),
        // Closing reduces risk: it does not wait for the cancels of entries.
        FlattenStep::CancelEntries => Some(FlattenStep::ClosePositions),
        FlattenStep::ClosePositions if open == 0 => Some(FlattenStep::AwaitCancels),
        FlattenStep::ClosePositions => {
            let is_new = |position: &Position| !state.targets.contains_key(&position.id);
            let waited = flatten.step_since.plus(ROUND_EVERY) <= turn.now;
            let is_more = state.positions.open().any(is_new) || !unclaimed(turn).is_empty();
            (waited || is_more).then_some(FlattenStep::ClosePositions)
        }
        // What an entry filled meanwhile is closed too.
        FlattenStep::AwaitCancels | FlattenStep::CancelProtective if open > 0 => Some(FlattenStep::ClosePositions),
        FlattenStep::AwaitCancels if state.orders.working_entries() == 0 => Some(FlattenStep::VerifyZero),
        FlattenStep::AwaitCancels => {
            (flatten.step_since.plus(ROUND_EVERY) <= turn.now).then_some(FlattenStep::AwaitCancels)
        }
        FlattenStep::VerifyZero => {
            // Only an answer to a question that was asked after the closes can prove it.
            let told = state.upkeep.chore(Chore::SyncPositions).told_of.is_some_and(|at| at >= flatten.step_since);
            let zero = state.venue_positions.values().all(|view| view.report.contracts.is_zero());
            // What the exchange holds and we do not is followed first, then closed.
            match open {
                0 => (told && zero).then_some(FlattenStep::CancelProtective),
                _ => Some(FlattenStep::ClosePositions),
            }
        }
        FlattenStep::CancelProtective if state.orders.working_count() == 0 => Some(FlattenStep::Done),
        FlattenStep::CancelProtective => {
            (flatten.step_since.plus(ROUND_EVERY) <= turn.now).then_some(FlattenStep::CancelProtective)
        }
        FlattenStep::Done => None,
    }
}

fn enter(turn: &mut Turn, flatten: &Flatten, step: FlattenStep) {
    let waits = matches!(step, FlattenStep::ClosePositions | FlattenStep::AwaitCancels | FlattenStep::CancelProtective);
    let again = flatten.step == step && waits && flatten.step_since.plus(ROUND_EVERY) <= turn.now;
    let mut flatten = Flatten {
        step,
        step_since: turn.now,
        rounds: if again { flatten.rounds.saturating_add(1) } else { flatten.rounds },
        ..flatten.clone()
    };
    let id = flatten.command.clone();
    match step {
        FlattenStep::Pause => {}
        FlattenStep::AwaitCancels => tell_when_stuck(turn, &flatten),
        FlattenStep::CancelEntries => {
            wish_cancel_entries(turn, "flatten");
        }
        FlattenStep::ClosePositions => {
            // What an entry filled meanwhile is closed as well.
            wish_cancel_entries(turn, "flatten");
            close_each(turn, &flatten);
            flatten.closes = closes(turn);
            tell_when_stuck(turn, &flatten);
        }
        FlattenStep::VerifyZero => chores::soon(turn, Chore::SyncPositions),
        FlattenStep::CancelProtective => {
            let left: Vec<OrderNo> = turn.state().orders.working().map(|order| order.no).collect();
            for no in left {
                wish_cancel(turn, no, "flatten");
            }
            tell_when_stuck(turn, &flatten);
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

/// What the exchange shows and is not followed here yet.
fn unclaimed(turn: &Turn) -> Vec<PositionKey> {
    let shown = turn.state().venue_positions.keys();
    shown.filter(|key| positions::is_unclaimed(turn, key)).cloned().collect()
}

/// Wants every position flat.
fn close_each(turn: &mut Turn, flatten: &Flatten) {
    for key in unclaimed(turn) {
        positions::claim(turn, &key);
    }
    let keys: Vec<PositionKey> = turn.state().positions.open().map(|position| position.key.clone()).collect();
    for key in keys {
        exits::set_flat(turn, &key, Purpose::Flatten, &format!("flatten {}", flatten.command));
    }
    // Those nearest to liquidation first.
    exits::advance(turn);
}

/// The closing orders that work.
fn closes(turn: &Turn) -> Vec<(PositionKey, OrderNo)> {
    let working = turn.state().orders.working();
    working.filter(|order| order.purpose == Purpose::Flatten).map(|order| (order.position_key(), order.no)).collect()
}

/// Since when the exchange has not told of positions, when it is asked in vain.
fn not_heard(turn: &Turn) -> Option<String> {
    let state = turn.state();
    let known = state.positions_known(turn.now, positions::patience(turn));
    let asked = state.upkeep.chore(Chore::SyncPositions).asked_at;
    let in_vain = state.upkeep.unanswered.contains_key(&Chore::SyncPositions)
        || asked.is_some_and(|asked| asked.plus(ROUND_EVERY) <= turn.now);
    (in_vain || !known).then(|| match state.positions_as_of() {
        Some(at) => format!("what the exchange holds is not known: it has not answered since {at}"),
        None => "what the exchange holds is not known: it has not answered since the start".to_owned(),
    })
}

/// The exchange does not say that nothing is held: a person is told.
fn tell_unverified(turn: &mut Turn, flatten: &Flatten) {
    let patience = ROUND_EVERY.saturating_mul(TOLD_AFTER_ROUNDS);
    let key = AlertKey { kind: AlertKind::FlattenIncomplete, subject: "session".to_owned() };
    let waits = flatten.step == FlattenStep::VerifyZero && flatten.step_since.plus(patience) <= turn.now;
    if waits && turn.state().alerts.active(&key).is_none() {
        let since = not_heard(turn).map_or_else(String::new, |words| format!(": {words}"));
        let message =
            format!("flatten: nothing is held here, and the exchange has not said so yet{since}; it is asked on");
        raise(turn, NewAlert::holds(AlertKind::FlattenIncomplete, "session", Severity::Critical, message));
    }
}

fn tell_when_stuck(turn: &mut Turn, flatten: &Flatten) {
    if flatten.rounds < TOLD_AFTER_ROUNDS {
        return;
    }
    let open = turn.state().positions.open().map(|position| {
        let waits = turn.state().targets.get(&position.id).and_then(|target| target.waits_for.as_deref());
        waits.map_or_else(|| position.key.to_string(), |waits| format!("{} (waits for {waits})", position.key))
    });
    let closed = turn.state().positions.open_count() == 0;
    let orders = turn.state().orders.working().filter(|order| closed || !order.reduces());
    let word = |order: &Order| if order.reduces() { "order" } else { "entry" };
    let orders = orders.map(|order| format!("{} {} ({})", word(order), order.no, order.state));
    // The exchange holds it, and what it is is not settled here.
    let shown = unclaimed(turn).into_iter().map(|key| format!("{key} (at the exchange, not followed here yet)"));
    let mut left: Vec<String> = open.chain(shown).chain(orders).collect();
    left.extend(not_heard(turn));
    if left.is_empty() {
        left.push("the proof of zero by the exchange".to_owned());
    }
    let message =
        format!("flatten is not at zero after {} rounds: {} left; it goes on trying", flatten.rounds, left.join(", "));
    raise(turn, NewAlert::holds(AlertKind::FlattenIncomplete, "session", Severity::Critical, message));
}
