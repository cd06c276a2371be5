//! How an order ends here: failed, cancelled, taken back; and what is said of it.

use super::resting;
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::turn::{RefusedExit, Turn};
use crate::model::{AlertKind, Event, Order, Refusal, Severity};

/// Who wants a resting exit cancelled so that a full exit can have its quantity.
pub(in crate::engine) const FULL_EXIT: &str = "full exit";

/// Who wants an order cancelled that did not fill in time.
pub(super) const TIME_OUT: &str = "time-out";

/// It surely is not at the exchange, and will not be.
pub(super) fn fail(turn: &mut Turn, order: &Order, reason: &str) {
    turn.emit(Event::OrderFailed { no: order.no, reason: reason.to_owned() });
    if !serves_a_target(turn, order) {
        alert_failed(turn, order, reason);
    }
}

/// The same for an order of an exit target: the target says what follows.
pub(super) fn fail_exit(turn: &mut Turn, order: &Order, refusal: Refusal, reason: &str) {
    fail(turn, order, reason);
    refused_exit(turn, order, refusal, reason);
}

/// An order that surely is not at the exchange ends here.
pub(super) fn cancel_here(turn: &mut Turn, order: &Order) {
    let by = order.cancel.as_ref().map_or("taken back", |cancel| cancel.by.as_str());
    ended_by_cancel(turn, order, &format!("{by}, before it reached the exchange"), Refusal::Revoked);
}

/// An order's end by cancel is proven: what it held is free now.
pub(super) fn ended_by_cancel(turn: &mut Turn, order: &Order, reason: &str, refusal: Refusal) {
    turn.emit(Event::OrderCancelled { no: order.no, reason: reason.to_owned() });
    if !order.reduces() || !order.remaining().is_positive() {
        return;
    }
    if serves_a_target(turn, order) {
        // What filled a part goes on at once; what found nobody waits.
        if order.filled.is_zero() {
            refused_exit(turn, order, refusal, reason);
        }
        return;
    }
    match order.cancel.as_ref().map(|cancel| cancel.by.as_str()) {
        // It stands: only who cancels it by hand, there or here, withdraws it.
        None if refusal != Refusal::Unspecified && resting::stands(turn, order) => {
            resting::renew(turn, order, refusal, reason);
        }
        Some(resting::SHRUNK) => resting::renew(turn, order, Refusal::ClosableTooSmall, reason),
        None => alert_failed(turn, order, "the exchange cancelled it"),
        Some(TIME_OUT) => alert_failed(turn, order, "it did not fill in time"),
        _ => {}
    }
}

/// Whether an order was sent by an exit target that still stands.
pub(super) fn serves_a_target(turn: &Turn, order: &Order) -> bool {
    order.reduces() && !order.order_type.rests() && turn.state().target(&order.position_key()).is_some()
}

/// Tells the target what became of its order.
pub(super) fn refused_exit(turn: &mut Turn, order: &Order, refusal: Refusal, message: &str) {
    let (key, contracts) = (order.position_key(), order.contracts);
    turn.refused_exits.push(RefusedExit { key, contracts, refusal, message: message.to_owned() });
}

/// Says that an order failed: louder when a position stays unprotected or open for it.
fn alert_failed(turn: &mut Turn, order: &Order, reason: &str) {
    let severity = if order.reduces() { Severity::Critical } else { Severity::Warning };
    let message = format!("order {} {} {} {} failed: {reason}", order.no, order.intent, order.quantity, order.symbol);
    let alert = NewAlert::happened(AlertKind::OrderRejected, order.symbol.clone(), severity, message)
        .symbol(&order.symbol)
        .detail("order_id", &order.client_id)
        .detail("reason", reason);
    raise(turn, alert);
}
