//! Cancels: wanted, sent, and repeated until the order's end is proven.

use super::ending::{FULL_EXIT, cancel_here};
use crate::engine::Request;
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::circuit_breaker;
use crate::engine::turn::Turn;
use crate::model::{
    AlertKind, CallClass, CallError, CancelOrder, CancelOutcome, ErrorClass, Event, Order, OrderNo, OrderState,
    PositionKey, Severity,
};

/// After so many unconfirmed cancels an operator is told.
const TELL_AFTER: u32 = 3;

/// Wants an order cancelled, in any working state.
pub(in crate::engine) fn wish_cancel(turn: &mut Turn, no: OrderNo, by: &str) {
    let Some(order) = turn.order(no).filter(|order| order.is_working()) else { return };
    let known = order.cancel.as_ref().map(|cancel| cancel.by.as_str());
    // A full exit that follows another's cancel still has to close what that gives back.
    if known.is_none() || (by == FULL_EXIT && known != Some(FULL_EXIT)) {
        turn.emit(Event::OrderCancelWanted { no, by: by.to_owned() });
    }
    match order.state {
        // Nothing has been sent, or it surely failed: it ends here.
        OrderState::Pending => {
            if let Some(order) = turn.order(no) {
                cancel_here(turn, &order);
            }
        }
        // Taken back if it has not left; else its answer comes first, then the cancel goes out.
        OrderState::Submitting => turn.revoke(no),
        OrderState::Unknown => turn.look_up(no),
        _ => {
            if order.cancel.is_none() {
                turn.cancels.insert(no);
            }
        }
    }
}

/// Wants all working entries cancelled; returns which.
pub(in crate::engine) fn wish_cancel_entries(turn: &mut Turn, by: &str) -> Vec<OrderNo> {
    let entries: Vec<OrderNo> =
        turn.state().orders.working().filter(|order| !order.reduces()).map(|order| order.no).collect();
    for no in &entries {
        wish_cancel(turn, *no, by);
    }
    entries
}

/// Working entries of a position.
pub(in crate::engine) fn entries_of(turn: &Turn, key: &PositionKey) -> Vec<OrderNo> {
    turn.state().orders.entries_of(key).map(|order| order.no).collect()
}

/// Takes back those of these orders that have not left this machine. What has left is not touched.
pub(in crate::engine) fn take_back(turn: &mut Turn, orders: &[OrderNo], by: &str) {
    for no in orders {
        let Some(order) = turn.order(*no) else { continue };
        match order.state {
            OrderState::Pending => {
                turn.emit(Event::OrderCancelWanted { no: *no, by: by.to_owned() });
                if let Some(order) = turn.order(*no) {
                    cancel_here(turn, &order);
                }
            }
            OrderState::Submitting => turn.revoke(*no),
            _ => {}
        }
    }
}

/// The same for every entry.
pub(in crate::engine) fn take_back_entries(turn: &mut Turn, by: &str) {
    let entries: Vec<OrderNo> =
        turn.state().orders.working().filter(|order| !order.reduces()).map(|order| order.no).collect();
    take_back(turn, &entries, by);
}

/// Sends the revocations that this step decided, for placements whose first byte has not left.
pub(in crate::engine) fn leave_revocations(turn: &mut Turn) {
    let due = std::mem::take(&mut turn.revocations);
    let state = turn.state();
    let orders: Vec<OrderNo> = due
        .into_iter()
        .filter(|no| !state.upkeep.left.contains_key(no))
        .filter(|no| state.orders.get(*no).is_some_and(|order| order.state == OrderState::Submitting))
        .collect();
    if !orders.is_empty() {
        turn.request(Request::Revoke { orders });
    }
}

/// Sends the cancels that this turn decided, in one request.
pub(in crate::engine) fn leave_cancels(turn: &mut Turn) {
    let due = std::mem::take(&mut turn.cancels);
    let mut orders = Vec::new();
    for no in due {
        let Some(order) = turn.order(no).filter(|order| order.is_working() && order.venue_end.is_none()) else {
            continue;
        };
        let attempt = order.cancel.as_ref().map_or(1, |cancel| cancel.attempts.saturating_add(1));
        let (symbol, client_id) = (order.symbol.clone(), order.client_id.clone());
        orders.push(CancelOrder { no, symbol, venue_id: order.venue_id.clone(), client_id });
        drop(order);
        turn.emit(Event::OrderCancelSent { no, attempt });
    }
    if !orders.is_empty() {
        turn.request(Request::Cancel { orders });
    }
}

/// The exchange answered a cancel, or did not. A success is not the proof: the order's end is.
pub(in crate::engine) fn on_cancelled(
    turn: &mut Turn,
    asked: &[OrderNo],
    result: &Result<Vec<(OrderNo, CancelOutcome)>, CallError>,
) {
    let left_at = asked.iter().filter_map(|no| turn.order(*no)?.cancel.as_ref()?.sent_at).max();
    circuit_breaker::count_since(turn, CallClass::Exits, result.as_ref().err(), left_at);
    match result {
        Ok(outcomes) => {
            for (no, outcome) in outcomes {
                answered(turn, *no, outcome);
            }
        }
        Err(error) => {
            for no in asked {
                not_through(turn, *no, &error.message);
            }
            if error.class == ErrorClass::AccessRefused {
                super::send::access_refused(turn, error);
            }
        }
    }
}

fn answered(turn: &mut Turn, no: OrderNo, outcome: &CancelOutcome) {
    if !turn.order(no).is_some_and(|order| order.is_working()) {
        return;
    }
    match outcome {
        // The push of its end usually follows at once; if it is lost, the look-up finds it.
        CancelOutcome::Accepted | CancelOutcome::NotCancellable | CancelOutcome::NotFound => turn.look_up(no),
        CancelOutcome::Refused { code, message } => not_through(turn, no, &format!("code {code}: {message}")),
    }
}

fn not_through(turn: &mut Turn, no: OrderNo, error: &str) {
    let Some(order) = turn.order(no).filter(|order| order.is_working()) else { return };
    turn.emit(Event::OrderCancelFailed { no, error: error.to_owned() });
    tell(turn, &order, error);
}

/// A cancel is repeated until the order's end is known; after a few tries it is told.
pub(super) fn tell(turn: &mut Turn, order: &Order, error: &str) {
    let (no, attempts) = (order.no, order.cancel.as_ref().map_or(0, |cancel| cancel.attempts));
    if attempts >= TELL_AFTER {
        let message = format!("cancel of order {no} {} is not confirmed after {attempts} tries: {error}", order.symbol);
        let alert = NewAlert::happened(AlertKind::CancelUnconfirmed, no, Severity::Critical, message)
            .symbol(&order.symbol)
            .detail("order_id", &order.client_id);
        raise(turn, alert);
    }
}
