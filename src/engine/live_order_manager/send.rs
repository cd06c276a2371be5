//! Sending an order, and what its answer means. One layer owns retry: this one.

use std::time::Duration;

use super::ending::{cancel_here, fail, fail_exit, refused_exit, serves_a_target};
use super::entry::still_passes;
use super::resting;
use crate::engine::Request;
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::turn::Turn;
use crate::engine::{chores, pace, session_control};
use crate::model::{
    AlertKind, CallClass, CallError, Chore, ErrorClass, Event, MarginMode, Order, OrderNo, OrderState, PlaceOrder,
    Refusal, Severity, VenueOrderId,
};

/// The class of call that placing this order is.
fn class_of(order: &Order) -> CallClass {
    if order.reduces() { CallClass::Exits } else { CallClass::Entries }
}

/// Sends an order for the first time or again, with the same id, as soon as the exchange's pace allows;
/// until then it stays pending, where it can be taken back.
pub(in crate::engine) fn attempt(turn: &mut Turn, no: OrderNo) {
    let Some(order) = turn.order(no) else { return };
    if !order.state.may_become(OrderState::Submitting) {
        return;
    }
    if order.cancel.is_some() {
        return cancel_here(turn, &order);
    }
    if !pace::has_slot(turn, order.reduces()) {
        return;
    }
    if let Admission::HeldBack { why } = circuit_breaker::admit(turn, class_of(&order)) {
        if resting::stands(turn, &order) {
            return resting::later(turn, &order, &why);
        }
        return fail(turn, &order, &why);
    }
    let attempt = order.attempts.saturating_add(1);
    let place = Box::new(placement(&order));
    // Let go of before it changes, so that the change copies nothing.
    drop(order);
    turn.emit(Event::OrderSent { no, attempt });
    turn.request(Request::Place { no, attempt, order: place });
}

/// All of it is fixed when the order is made: one id never goes out with two payloads.
fn placement(order: &Order) -> PlaceOrder {
    PlaceOrder {
        client_id: order.client_id.clone(),
        symbol: order.symbol.clone(),
        intent: order.intent,
        order_type: order.order_type,
        contracts: order.contracts,
        leverage: order.leverage,
        margin_mode: order.margin_mode,
        position_mode: order.position_mode,
        position_id: order.position_id.clone(),
        stop_loss: order.stop_loss,
        take_profit: order.take_profit,
    }
}

/// The first byte of a placement is about to leave: it is on its way from here on.
pub(in crate::engine) fn on_left(turn: &mut Turn, no: OrderNo, attempt: u32) {
    let known = turn.order(no).is_some_and(|order| order.state == OrderState::Submitting && order.attempts == attempt);
    if known {
        turn.emit(Event::OrderLeft { no, attempt });
    }
}

/// The exchange answered a placement, or did not.
pub(in crate::engine) fn on_placed(
    turn: &mut Turn,
    no: OrderNo,
    attempt: u32,
    result: &Result<VenueOrderId, CallError>,
) {
    let Some(order) = turn.order(no) else { return };
    circuit_breaker::count_since(turn, class_of(&order), result.as_ref().err(), order.sent_at);
    match result {
        Ok(venue_id) => accepted(turn, &order, venue_id),
        // A push or a look-up was faster than the answer: it knows better.
        Err(_) if order.state != OrderState::Submitting || order.attempts != attempt => {}
        Err(error) => refused(turn, &order, error),
    }
}

/// Sends again what proof says never arrived, if it may still be sent.
pub(super) fn send_again(turn: &mut Turn, order: &Order) {
    if order.cancel.is_some() {
        return cancel_here(turn, order);
    }
    if serves_a_target(turn, order) {
        // The target derives what is to be sent now; that may be less, or nothing.
        return fail(turn, order, "the exchange never had it");
    }
    if order.reduces() {
        return match resting::waits(turn, order).filter(|_| order.renews.is_some()) {
            Some(why) => resting::later(turn, order, &why),
            None => attempt(turn, order.no),
        };
    }
    let age = turn.now.since(order.created_at);
    let verdict = if age > turn.settings.orders.signal_max_age {
        Err(format!(
            "its signal is {} s old, at most {} s",
            age.as_secs(),
            turn.settings.orders.signal_max_age.as_secs()
        ))
    } else if order.attempts >= turn.settings.orders.attempts {
        Err(format!("after {} attempts", order.attempts))
    } else {
        still_passes(turn, order)
    };
    match verdict {
        Ok(()) => attempt(turn, order.no),
        Err(why) if order.attempts == 0 => fail(turn, order, &format!("not sent when its turn came: {why}")),
        Err(why) => fail(turn, order, &format!("the exchange never had it, and it is not sent again: {why}")),
    }
}

fn accepted(turn: &mut Turn, order: &Order, venue_id: &VenueOrderId) {
    let known = order.venue_id.is_some();
    if known && !matches!(order.state, OrderState::Submitting | OrderState::Unknown) {
        return;
    }
    if !order.is_working() {
        return;
    }
    turn.emit(Event::OrderAccepted { no: order.no, venue_id: venue_id.clone() });
    resting::rests(turn, order);
    if order.cancel.is_some() {
        turn.cancels.insert(order.no);
    }
}

fn refused(turn: &mut Turn, order: &Order, error: &CallError) {
    mode_contradicted(turn, error.refusal);
    if serves_a_target(turn, order) {
        return exit_refused(turn, order, error);
    }
    if resting::stands(turn, order) && order.cancel.is_none() && error.refusal != Refusal::Revoked {
        return resting_refused(turn, order, error);
    }
    match error.class {
        ErrorClass::Retryable | ErrorClass::NeverLeft if order.cancel.is_some() => cancel_here(turn, order),
        // Our own doing, before the first byte: nothing was risked, and nothing is retried.
        ErrorClass::NeverLeft if error.refusal == Refusal::Revoked => cancel_here(turn, order),
        // No room in our own limit: it was no attempt, and it is judged anew when its turn comes.
        ErrorClass::NeverLeft if error.refusal == Refusal::NoSlot => {
            let next_attempt_at = pace::again_at(turn, order.reduces());
            let latest = order.created_at.plus(turn.settings.orders.signal_max_age);
            if !order.reduces() && next_attempt_at > latest {
                let why = format!("no new entry until {next_attempt_at}, later than signal_max_age allows");
                return fail(turn, order, &format!("not sent: {why}"));
            }
            turn.emit(Event::OrderReturned { no: order.no, next_attempt_at, error: error.message.clone() });
        }
        ErrorClass::NeverLeft => fail(turn, order, &error.message),
        ErrorClass::Retryable if order.attempts < turn.settings.orders.attempts => {
            let wait = wait_before(turn, order);
            let next_attempt_at = turn.now.plus(wait);
            turn.emit(Event::OrderRetrying { no: order.no, next_attempt_at, error: error.message.clone() });
        }
        ErrorClass::Retryable => {
            fail(turn, order, &format!("failed after {} attempts: {}", order.attempts, error.message));
        }
        ErrorClass::Ambiguous => {
            turn.emit(Event::OrderLost { no: order.no, error: error.message.clone() });
            turn.look_up(order.no);
        }
        ErrorClass::Fatal => {
            fail(turn, order, &error.message);
            if order.reduces() {
                // "Position does not exist", "closable quantity insufficient": ours is not its truth.
                session_control::resync_soon(turn);
            }
        }
        ErrorClass::AccessRefused => {
            fail(turn, order, &error.message);
            access_refused(turn, error);
        }
    }
}

/// A refusal that says that the account is in another position mode: it is asked for, whatever was refused.
pub(super) fn mode_contradicted(turn: &mut Turn, refusal: Refusal) {
    if matches!(refusal, Refusal::PositionMode | Refusal::PositionMismatch) {
        chores::soon(turn, Chore::PositionMode);
    }
}

/// An exit with a price did not get through: it is tried on.
fn resting_refused(turn: &mut Turn, order: &Order, error: &CallError) {
    match error.class {
        ErrorClass::Ambiguous => {
            turn.emit(Event::OrderLost { no: order.no, error: error.message.clone() });
            turn.look_up(order.no);
        }
        ErrorClass::Retryable | ErrorClass::NeverLeft => {
            resting::refused(turn, order, error.refusal, &error.message, false);
        }
        ErrorClass::Fatal => resting::refused(turn, order, error.refusal, &error.message, true),
        ErrorClass::AccessRefused => {
            resting::refused(turn, order, Refusal::Access, &error.message, true);
            access_refused(turn, error);
        }
    }
}

/// The order of an exit target did not get through: it ends here, unless it may have arrived, and the
/// target goes on.
fn exit_refused(turn: &mut Turn, order: &Order, error: &CallError) {
    match error.class {
        ErrorClass::NeverLeft if error.refusal == Refusal::Revoked => cancel_here(turn, order),
        ErrorClass::Ambiguous => {
            turn.emit(Event::OrderLost { no: order.no, error: error.message.clone() });
            turn.look_up(order.no);
            refused_exit(turn, order, error.refusal, &error.message);
        }
        ErrorClass::AccessRefused => {
            fail_exit(turn, order, Refusal::Access, &error.message);
            access_refused(turn, error);
        }
        ErrorClass::Retryable | ErrorClass::Fatal | ErrorClass::NeverLeft => {
            fail_exit(turn, order, error.refusal, &error.message);
        }
    }
}

/// The exchange refuses our key: nothing that opens exposure makes sense until a person acts.
pub(in crate::engine) fn access_refused(turn: &mut Turn, error: &CallError) {
    let message =
        format!("the exchange refuses access: {}; check the key, its permissions and its IP list", error.message);
    raise(turn, NewAlert::happened(AlertKind::AccessRefused, "session", Severity::Critical, message));
    session_control::halt_by_engine(turn, "the exchange refuses access");
}

/// 1 s, 2 s, 4 s and so on, at most `retry_max`, plus up to a tenth that depends on the order and
/// the attempt alone.
fn wait_before(turn: &Turn, order: &Order) -> Duration {
    let settings = &turn.settings.orders;
    let doublings = order.attempts.saturating_sub(1).min(16);
    let base = settings.retry_first.saturating_mul(1 << doublings).min(settings.retry_max);
    let tenth = base.checked_div(10).unwrap_or_default();
    base.saturating_add(tenth.mul_f64(f64::from(jitter(order)) / 65_536.0))
}

/// FNV-1a over id and attempt: the same everywhere, different for each.
fn jitter(order: &Order) -> u16 {
    let bytes = order.client_id.as_str().bytes().chain(order.attempts.to_le_bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u16::try_from(hash >> 16).unwrap_or_default()
}

impl crate::config::Settings {
    /// The margin mode of new positions, in the model's word.
    pub(in crate::engine) fn margin_mode(&self) -> MarginMode {
        match self.exchange.margin_mode {
            crate::config::MarginMode::Isolated => MarginMode::Isolated,
            crate::config::MarginMode::Cross => MarginMode::Cross,
        }
    }
}
