//! Looking an order up by the id that we gave it: the only way out of UNKNOWN.

use super::bulk;
use super::ending::fail;
use super::reports::apply_report;
use super::resting;
use super::send::send_again;
use crate::engine::Request;
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::turn::Turn;
use crate::model::{CallClass, CallError, Event, Order, OrderNo, OrderReport, OrderState, Refusal, SessionTime};

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
    let Some(order) = turn.order(no).filter(|order| order.is_working() && order.venue_end.is_none()) else { return };
    if turn.state().upkeep.lookups.contains_key(&no) {
        return;
    }
    if order.state == OrderState::Unknown && bulk::is_at_work(turn) {
        return;
    }
    if matches!(circuit_breaker::admit_read(turn, order.reduces()), Admission::HeldBack { .. }) {
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
            if let Some(order) = turn.order(no).filter(|order| order.is_working() && order.venue_end.is_none()) {
                not_there(turn, &order, asked_at);
            }
        }
        // The next poll asks again.
        Err(_) => {}
    }
}

/// When an empty answer proves absence: a request that was still on its way would be refused by then,
/// because its time stamp is too old; and another answer, older than lists may lag, was empty too.
pub(super) fn proof_at(turn: &Turn, order: &Order) -> SessionTime {
    let state = turn.state();
    let since = match order.venue_id {
        // What waited for a slot of the adapter left later than it was sent here.
        None => state.upkeep.left.get(&order.no).copied().max(order.sent_at),
        Some(_) => order.unknown_since,
    };
    // What an earlier start sent may have left at its very end.
    let window = since.max(state.last_start).map(|since| since.plus(turn.settings.orders.lookup_proof_after));
    let second = state.upkeep.missed.get(&order.no).map(|first| first.plus(turn.capabilities.list_lag_max));
    window.max(second).unwrap_or_default()
}

/// The exchange answered and knows no such order. One empty answer is no proof.
pub(super) fn not_there(turn: &mut Turn, order: &Order, asked_at: SessionTime) {
    if order.venue_id.is_none() && order.state != OrderState::Unknown {
        return;
    }
    let is_first = !turn.state().upkeep.missed.contains_key(&order.no);
    if is_first {
        turn.emit(Event::OrderMissed { no: order.no, asked_at });
    }
    let proven = !is_first && proof_at(turn, order) <= asked_at;
    match (&order.venue_id, order.state) {
        (None, OrderState::Unknown) if proven => send_again(turn, order),
        (Some(_), OrderState::Unknown) if proven => {
            let why = "the exchange accepted it and knows it no longer";
            if resting::stands(turn, order) && order.cancel.is_none() {
                resting::refused(turn, order, Refusal::Unspecified, why, true);
            } else {
                fail(turn, order, why);
            }
        }
        (None, _) | (Some(_), OrderState::Unknown) => {}
        (Some(_), _) => {
            turn.emit(Event::OrderLost { no: order.no, error: "the exchange does not list it any more".to_owned() });
        }
    }
}
