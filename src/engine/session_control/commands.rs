//! Operators' commands: taken once each, and done only when known to be.

use super::flatten;
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::circuit_breaker;
use crate::engine::live_order_manager::{wish_cancel, wish_cancel_entries};
use crate::engine::turn::Turn;
use crate::engine::{chores, equity_watch, exits};
use crate::model::{
    Action, AlertId, AlertKind, BreakerState, CallClass, Chore, Command, CommandId, CommandStatus, Control, Event,
    LinkState, Order, OrderNo, OrderState, Phase, PositionKey, Severity, StopPolicy,
};

/// A command came in. The same id again changes nothing: its record stands, and a sender that the record
/// is too old for is told how it ended. The same id for something else is refused.
pub(in crate::engine) fn on_command(turn: &mut Turn, command: &Command) {
    if let Some(first) = turn.state().command_answer(&command.id, &command.action) {
        return come_again(turn, command, first);
    }
    turn.emit(Event::CommandReceived { command: Box::new(command.clone()) });
    let (id, by) = (&command.id, command.by.as_str());
    match &command.action {
        Action::Cancel { orders } => cancel(turn, id, by, orders),
        Action::CancelAll { symbol } => {
            let orders: Vec<OrderNo> = turn
                .state()
                .orders
                .working()
                .filter(|order| symbol.as_ref().is_none_or(|symbol| order.symbol == *symbol))
                .map(|order| order.no)
                .collect();
            if orders.is_empty() {
                return done(turn, id, "no order works");
            }
            cancel(turn, id, by, &orders);
        }
        Action::Pause { cancel_entries } => pause(turn, id, by, *cancel_entries),
        Action::Resume => resume(turn, id, by),
        Action::Halt => halt(turn, id, by),
        Action::Flatten => flatten::begin(turn, id, by),
        Action::WithdrawExit { symbol, side } => {
            let key = PositionKey { symbol: symbol.clone(), side: *side };
            if turn.state().flatten.is_some() {
                return rejected(turn, id, "a flatten is under way");
            }
            if exits::withdraw(turn, &key, by) {
                done(turn, id, format!("{key} is not closed further; what has left fills"));
            } else {
                rejected(turn, id, format!("no exit of {key} is under way"));
            }
        }
        Action::ResetBreaker { class } => reset_breaker(turn, id, by, *class),
        Action::ResetLimit { limit } => {
            if !turn.state().limits.contains_key(limit) {
                return rejected(turn, id, format!("the {} limit has not tripped", limit.word()));
            }
            equity_watch::reset(turn, *limit, by);
            done(turn, id, "the limit counts from now");
        }
        Action::Acknowledge { alerts } => acknowledge(turn, id, by, alerts),
        Action::Stop { policy } => super::stop::begin(turn, id, by, *policy),
    }
}

/// The id is known.
fn come_again(turn: &mut Turn, command: &Command, first: CommandStatus) {
    if !turn.state().is_command_id_taken(&command.id, &command.action) {
        if turn.state().command(&command.id).is_none() {
            // Its record is gone: whoever asks hears it from here.
            turn.emit(Event::CommandMoved { id: command.id.clone(), status: first, waiting_for: Vec::new() });
        }
        return;
    }
    let CommandStatus::Rejected { why } = first else { return };
    turn.emit(Event::CommandRefused { command: Box::new(command.clone()), why: why.clone() });
    let message = format!("command {} of {} refused: {why}", command.action.summary(), command.by);
    let alert = NewAlert::happened(AlertKind::SignalRefused, "command id used again", Severity::Warning, message);
    raise(turn, alert.detail("command_id", &command.id));
}

/// Moves on commands that wait for orders to end.
pub(in crate::engine) fn progress(turn: &mut Turn) {
    let waiting: Vec<(CommandId, Vec<OrderNo>)> = turn
        .state()
        .commands
        .iter()
        .filter(|record| !record.status.is_final() && !record.waiting_for.is_empty())
        .map(|record| (record.command.id.clone(), record.waiting_for.clone()))
        .collect();
    for (id, orders) in waiting {
        let left: Vec<OrderNo> =
            orders.iter().copied().filter(|no| turn.state().orders.get(*no).is_some_and(Order::is_working)).collect();
        if left.len() == orders.len() {
            continue;
        }
        if left.is_empty() {
            let note = result_of(turn, &id, &orders);
            done(turn, &id, note);
        } else {
            working(turn, &id, format!("{} at the exchange", left.len()), left);
        }
    }
}

/// After a restart: what waits for orders, and a flatten, goes on. Of anything else it cannot be told
/// how far it came.
pub(in crate::engine) fn restart(turn: &mut Turn) {
    let flatten = turn.state().flatten.as_ref().map(|flatten| flatten.command.clone());
    let open = turn.state().commands.iter().filter(|record| !record.status.is_final());
    let lost: Vec<CommandId> = open
        .filter(|record| record.waiting_for.is_empty() && Some(&record.command.id) != flatten.as_ref())
        .map(|record| record.command.id.clone())
        .collect();
    for id in lost {
        let status = CommandStatus::Unknown { why: "the program ended before it was done".to_owned() };
        turn.emit(Event::CommandMoved { id, status, waiting_for: Vec::new() });
    }
}

/// No new exposure, because the engine itself found a reason. What works stays.
pub(in crate::engine) fn pause_by_engine(turn: &mut Turn, reason: &str) {
    if turn.state().control == Control::Running {
        let event =
            Event::ControlChanged { control: Control::Paused, by: "engine".to_owned(), reason: reason.to_owned() };
        turn.emit(event);
    }
}

/// Halts because the engine itself found a reason.
pub(in crate::engine) fn halt_by_engine(turn: &mut Turn, reason: &str) {
    if turn.state().control != Control::Halted {
        let event =
            Event::ControlChanged { control: Control::Halted, by: "engine".to_owned(), reason: reason.to_owned() };
        turn.emit(event);
        wish_cancel_entries(turn, "halt");
    }
}

pub(super) fn done(turn: &mut Turn, id: &CommandId, note: impl Into<String>) {
    let status = CommandStatus::Done { note: note.into() };
    turn.emit(Event::CommandMoved { id: id.clone(), status, waiting_for: Vec::new() });
}

pub(super) fn rejected(turn: &mut Turn, id: &CommandId, why: impl Into<String>) {
    let status = CommandStatus::Rejected { why: why.into() };
    turn.emit(Event::CommandMoved { id: id.clone(), status, waiting_for: Vec::new() });
}

pub(super) fn working(turn: &mut Turn, id: &CommandId, step: impl Into<String>, waiting_for: Vec<OrderNo>) {
    let status = CommandStatus::Working { step: step.into() };
    turn.emit(Event::CommandMoved { id: id.clone(), status, waiting_for });
}

fn cancel(turn: &mut Turn, id: &CommandId, by: &str, orders: &[OrderNo]) {
    let working_ones: Vec<OrderNo> =
        orders.iter().copied().filter(|no| turn.state().orders.get(*no).is_some_and(Order::is_working)).collect();
    if working_ones.is_empty() {
        let why = match orders {
            [] => "no order was named".to_owned(),
            [one] => match turn.state().orders.get(*one) {
                Some(order) => format!("order {one} is {} already", order.state),
                None => format!("there is no order {one}"),
            },
            many => format!("none of the {} orders works any more", many.len()),
        };
        return rejected(turn, id, why);
    }
    concerns(turn, id, orders);
    for no in &working_ones {
        wish_cancel(turn, *no, by);
    }
    wait_for(turn, id, &working_ones);
}

/// Keeps which orders a command is about: its answer counts all of them, whenever each one ends.
fn concerns(turn: &mut Turn, id: &CommandId, orders: &[OrderNo]) {
    turn.emit(Event::CommandConcerns { id: id.clone(), orders: orders.to_vec() });
}

/// Waits until these orders have ended; those that ended at once count already.
fn wait_for(turn: &mut Turn, id: &CommandId, orders: &[OrderNo]) {
    let open: Vec<OrderNo> =
        orders.iter().copied().filter(|no| turn.state().orders.get(*no).is_some_and(Order::is_working)).collect();
    if open.is_empty() {
        let note = result_of(turn, id, orders);
        return done(turn, id, note);
    }
    working(turn, id, format!("{} at the exchange", open.len()), open);
}

/// What became of all orders of a command, in words: "5 of 7 cancelled, 2 filled first".
fn result_of(turn: &Turn, id: &CommandId, last: &[OrderNo]) -> String {
    let kept = turn.state().command(id).map(|record| record.orders.as_slice()).unwrap_or_default();
    // Records of version 0.1.0 know only what they wait for.
    let orders = if kept.is_empty() { last } else { kept };
    let count = |wanted: OrderState| {
        orders.iter().filter(|no| turn.state().orders.get(**no).is_some_and(|order| order.state == wanted)).count()
    };
    let mut note = format!("{} of {} cancelled", count(OrderState::Cancelled), orders.len());
    let forgotten = orders.iter().filter(|no| turn.state().orders.get(**no).is_none()).count();
    let others = [
        (count(OrderState::Filled), "filled first"),
        (count(OrderState::Failed), "failed"),
        (forgotten, "ended long ago"),
    ];
    for (number, what) in others {
        if number > 0 {
            note.push_str(&format!(", {number} {what}"));
        }
    }
    note
}

fn pause(turn: &mut Turn, id: &CommandId, by: &str, cancel_entries: bool) {
    match turn.state().control {
        Control::Running => {
            turn.emit(Event::ControlChanged { control: Control::Paused, by: by.to_owned(), reason: String::new() });
        }
        Control::Paused | Control::Halted if cancel_entries => {}
        other => return done(turn, id, format!("the session is {} already", other.word())),
    }
    if cancel_entries {
        let entries = wish_cancel_entries(turn, "pause");
        return wait_for_entries(turn, id, &entries);
    }
    let left = turn.state().orders.working_entries();
    done(turn, id, if left == 0 { "paused".to_owned() } else { format!("paused, {left} working entries stay") });
}

fn wait_for_entries(turn: &mut Turn, id: &CommandId, entries: &[OrderNo]) {
    if entries.is_empty() {
        return done(turn, id, "no entry worked");
    }
    concerns(turn, id, entries);
    wait_for(turn, id, entries);
}

fn halt(turn: &mut Turn, id: &CommandId, by: &str) {
    if turn.state().control != Control::Halted {
        turn.emit(Event::ControlChanged { control: Control::Halted, by: by.to_owned(), reason: String::new() });
    }
    let entries = wish_cancel_entries(turn, "halt");
    wait_for_entries(turn, id, &entries);
}

/// Resuming opens the way for new exposure: only when nothing speaks against it.
fn resume(turn: &mut Turn, id: &CommandId, by: &str) {
    let state = turn.state();
    let why = if state.control == Control::Running {
        Some("the session is running".to_owned())
    } else if state.phase != Phase::Ready {
        Some("the exchange has not yet confirmed what is open".to_owned())
    } else if state.flatten.is_some() {
        Some("a flatten is under way".to_owned())
    } else if let Some((limit, tripped)) = state.limits.first_key_value() {
        Some(format!("the {} limit has tripped: {}; reset it first", limit.word(), tripped.reason))
    } else if let Some(error) = &state.upkeep.journal_error {
        Some(format!("the journal cannot be written: {error}"))
    } else if !matches!(state.upkeep.link.state, LinkState::Up) {
        Some("the link to the exchange is down".to_owned())
    } else {
        None
    };
    match why {
        Some(why) => rejected(turn, id, why),
        None => {
            turn.emit(Event::ControlChanged { control: Control::Running, by: by.to_owned(), reason: String::new() });
            done(turn, id, "running");
        }
    }
}

fn reset_breaker(turn: &mut Turn, id: &CommandId, by: &str, class: CallClass) {
    if turn.state().breaker(class).state == BreakerState::Closed {
        return rejected(turn, id, format!("the breaker of {class} is closed"));
    }
    circuit_breaker::reset(turn, class, by);
    chores::soon(turn, Chore::PollOrders);
    done(turn, id, "closed");
}

fn acknowledge(turn: &mut Turn, id: &CommandId, by: &str, alerts: &[AlertId]) {
    let unseen: Vec<AlertId> = alerts
        .iter()
        .copied()
        .filter(|alert| turn.state().alerts.get(*alert).is_some_and(crate::model::Alert::is_unacknowledged))
        .collect();
    if unseen.is_empty() {
        let known = alerts.iter().any(|alert| turn.state().alerts.get(*alert).is_some());
        let why = if known { "acknowledged already" } else { "no such alert" };
        return rejected(turn, id, why);
    }
    let count = unseen.len();
    turn.emit(Event::AlertsAcknowledged { ids: unseen, by: by.to_owned() });
    done(turn, id, format!("{count} acknowledged"));
}

/// What a stop does with entries, as a wish of that command.
pub(super) fn cancel_for_stop(turn: &mut Turn, policy: StopPolicy) {
    if policy == StopPolicy::CancelEntries {
        wish_cancel_entries(turn, "stop");
    }
}
