//! The end of a session: in order, with what stays at the exchange known.

use super::commands::{cancel_for_stop, done, rejected, working};
use crate::engine::live_order_manager::take_back_entries;
use crate::engine::turn::Turn;
use crate::model::{Action, CommandId, CommandRecord, Event, Order, OrderState, Phase, StopPolicy, count};

/// A stop was asked for.
pub(super) fn begin(turn: &mut Turn, id: &CommandId, by: &str, policy: StopPolicy) {
    if matches!(turn.state().phase, Phase::Stopping | Phase::Stopped) {
        return rejected(turn, id, "the session is stopping already");
    }
    turn.emit(Event::PhaseChanged { phase: Phase::Stopping, reason: format!("stop by {by}") });
    // It ends with the session, not with the orders: so it waits for none by name.
    take_back_entries(turn, "stop");
    cancel_for_stop(turn, policy);
    working(turn, id, "stopping", Vec::new());
    advance(turn);
}

/// Ends when no answer is outstanding that says whether an order is at the exchange, and every
/// cancel of the stop is proven.
pub(super) fn advance(turn: &mut Turn) {
    if turn.state().phase != Phase::Stopping {
        return;
    }
    let Some((id, policy)) = asked(turn) else { return };
    let pending = |order: &Order| {
        matches!(order.state, OrderState::Pending | OrderState::Submitting)
            || (policy == StopPolicy::CancelEntries && !order.reduces())
    };
    if turn.state().orders.working().any(pending) {
        return;
    }
    let left = turn.state().orders.working_count();
    let unknown = turn.state().orders.working().filter(|order| order.state == OrderState::Unknown).count();
    let note = match (left, unknown) {
        (0, _) => "no order works".to_owned(),
        (_, 0) => format!("{} at the exchange", stay(left)),
        _ => format!("{} at the exchange, {unknown} of them UNKNOWN: {}", stay(left), open_fates(turn)),
    };
    turn.emit(Event::PhaseChanged { phase: Phase::Stopped, reason: note.clone() });
    done(turn, &id, note);
}

fn stay(left: usize) -> String {
    format!("{} {}", count(left, "working order"), if left == 1 { "stays" } else { "stay" })
}

/// Each order whose end is not known, so that a person can look.
fn open_fates(turn: &Turn) -> String {
    turn.state().open_fates().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn asked(turn: &Turn) -> Option<(CommandId, StopPolicy)> {
    turn.state().commands.iter().rev().filter(|record| !record.status.is_final()).find_map(|record: &CommandRecord| {
        match record.command.action {
            Action::Stop { policy } => Some((record.command.id.clone(), policy)),
            _ => None,
        }
    })
}
