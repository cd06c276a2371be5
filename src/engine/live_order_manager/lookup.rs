//! Looking an order up by the id that we gave it: the only way out of UNKNOWN.

use std::time::Duration;

use super::bulk;
use super::ending::fail;
use super::reports::apply_report;
use super::send::send_again;
use crate::engine::Request;
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::turn::Turn;
use crate::model::{CallClass, CallError, Event, Order, OrderNo, OrderReport, OrderState, SessionTime};

/// Wants to know what became of an order; the question leaves at the end of the step.
pub(in crate::engine) fn look_up(turn: &mut Turn, no: OrderNo) {
    turn.look_up(no);
}

/// Asks what became of the orders that this step wants to know of.
pub(in crate::engine) fn leave_look_ups(turn: &mut Turn) {
    for no in std::mem::take(&mut turn.look_ups) {
        ask(turn, no);
    }
}

/// Asks, unless the question is out already.
fn ask(turn: &mut Turn, no: OrderNo) {
    let Some(order) = turn.order(no).filter(|order| order.is_working()) else { return };
    if turn.state().upkeep.lookups.contains_key(&no) {
        return;
    }
    if order.state == OrderState::Unknown && bulk::is_at_work(turn) {
        return;
    }
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        return;
    }
    turn.emit(Event::LookupMoved { no, asked_at: Some(turn.now) });
    turn.request(Request::Lookup { no, symbol: order.symbol.clone(), client_id: order.client_id.clone() });
}

/// The answer to a look-up.
pub(in crate::engine) fn on_looked_up(
    turn: &mut Turn,
    no: OrderNo,
    asked_at: SessionTime,
    result: &Result<Option<OrderReport>, CallError>,
) {
    turn.emit(Event::LookupMoved { no, asked_at: None });
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), Some(asked_at));
    match result {
        Ok(Some(report)) => apply_report(turn, report, asked_at),
        Ok(None) => {
            if let Some(order) = turn.order(no).filter(|order| order.is_working()) {
                not_there(turn, &order, asked_at);
            }
        }
        // The next poll asks again.
        Err(_) => {}
    }
}

/// The exchange answered and knows no such order. That proves absence only when a request that was
/// still on its way would be refused by now: it carries a time stamp that is too old.
pub(super) fn not_there(turn: &mut Turn, order: &Order, asked_at: SessionTime) {
    let window: Duration = turn.settings.orders.lookup_proof_after;
    // What waited for a slot of the adapter left later than it was sent here.
    let left = turn.state().upkeep.left.get(&order.no).copied().max(order.sent_at);
    match (&order.venue_id, order.state) {
        (None, OrderState::Unknown) => {
            if left.is_none_or(|left| left.plus(window) <= asked_at) {
                send_again(turn, order);
            }
        }
        // It was there. One empty answer is not enough to say that it is not.
        (Some(_), OrderState::Unknown) => {
            if order.unknown_since.is_some_and(|since| since.plus(window) <= asked_at) {
                fail(turn, order, "the exchange accepted it and knows it no longer");
            }
        }
        (Some(_), _) => {
            turn.emit(Event::OrderLost { no: order.no, error: "the exchange does not list it any more".to_owned() });
        }
        (None, _) => {}
    }
}
