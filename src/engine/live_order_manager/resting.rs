//! Exits with a price: each stands until it rests at the exchange, and rests until it is filled, withdrawn
//! by its cancel, or its position is gone. The order is the standing wish: one that the exchange did not
//! take waits for its next try; one that it ended is made anew, under a new id, with what is left of it.

use std::time::Duration;

use super::cancel::wish_cancel;
use super::entry::{Draft, create};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::exits;
use crate::engine::position_sync_service as positions;
use crate::engine::session_control;
use crate::engine::turn::Turn;
use crate::model::{
    AlertKind, Contracts, Decimal, Event, Order, OrderNo, OrderState, PositionKey, Qty, Refusal, Severity, Target, div,
    round_down,
};

/// First wait after a refusal; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait: nothing is in danger while it does not rest.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Wait when only a person can help.
const PERSONS_WAIT: Duration = Duration::from_secs(60);
/// Refusals in a row after which it is told.
const TOLD_AFTER: u32 = 3;

/// Into so many orders at most an exit is split that is too large for one.
const PARTS: usize = 8;

/// Who wants a resting exit cancelled because less is held than it would close.
pub(super) const SHRUNK: &str = "its position shrank";
/// Who wants it cancelled because nothing is held.
pub(super) const GONE: &str = "its position is gone";

/// Whether an order is an exit with a price whose position stands.
pub(super) fn stands(turn: &Turn, order: &Order) -> bool {
    order.reduces() && order.order_type.rests() && turn.state().positions.get(&order.position_key()).is_some()
}

/// It surely did not get through: it waits for its next try, the same when it may be the same, else anew.
pub(super) fn refused(turn: &mut Turn, order: &Order, refusal: Refusal, message: &str, anew: bool) {
    if anew {
        turn.emit(Event::OrderFailed { no: order.no, reason: message.to_owned() });
        session_control::resync_soon(turn);
        return renew(turn, order, refusal, message);
    }
    let refusals = refusals(turn, order);
    let next_attempt_at = turn.now.plus(wait(refusal, refusals));
    turn.emit(Event::OrderRetrying { no: order.no, next_attempt_at, error: message.to_owned() });
    tell(turn, order, refusal, refusals, message);
}

/// The exchange has ended it, or it has to be another size: what is left of it is made anew.
pub(super) fn renew(turn: &mut Turn, order: &Order, refusal: Refusal, message: &str) {
    let key = order.position_key();
    let left = order.remaining_contracts().min(not_covered(turn, &key));
    if turn.state().target(&key).is_some_and(Target::is_flat) || !left.is_positive() {
        return;
    }
    let Some(spec) = turn.state().contracts.get(&key.symbol) else { return };
    // More than one order may hold goes out as two.
    let half = div(left.0, Decimal::TWO).and_then(|half| round_down(half, spec.lot)).map(Contracts);
    let many = turn
        .state()
        .orders
        .resting_exits_of(&key)
        .filter(|other| first_of(other) == first_of(order))
        .nth(PARTS - 2)
        .is_some();
    let half = half.filter(|half| refusal == Refusal::TooLarge && half.is_positive() && !many);
    let parts: Vec<Contracts> = half.map_or_else(|| vec![left], |half| vec![left - half, half]);
    let refusals = refusals(turn, order);
    let parts: Vec<(Contracts, Qty)> =
        parts.into_iter().map(|contracts| (contracts, spec.quantity(contracts))).collect();
    for (contracts, quantity) in parts {
        let draft = Draft {
            signal_id: order.signal_id.clone(),
            strategy: order.strategy.clone(),
            symbol: order.symbol.clone(),
            intent: order.intent,
            purpose: order.purpose,
            order_type: order.order_type,
            contracts,
            quantity,
            decision_price: order.decision_price,
            stop_loss: None,
            take_profit: None,
            renews: Some(first_of(order)),
        };
        let no = create(turn, draft);
        let next_attempt_at = turn.now.plus(wait(refusal, refusals));
        turn.emit(Event::OrderRetrying { no, next_attempt_at, error: message.to_owned() });
    }
    tell(turn, order, refusal, refusals, message);
}

/// It is at the exchange: what was said of its refusals is over.
pub(super) fn rests(turn: &mut Turn, order: &Order) {
    if order.reduces() && order.order_type.rests() {
        clear(turn, AlertKind::ExitRefused, first_of(order));
    }
}

/// Why it cannot go out now: what the exchange lets us close does not hold it.
pub(super) fn waits(turn: &Turn, order: &Order) -> Option<String> {
    let closable = exits::closable(turn, &order.position_key()) + order.open_contracts();
    (closable < order.contracts).then(|| {
        format!("{closable} contracts of {} can be closed now, it holds {}", order.position_key(), order.contracts)
    })
}

/// Its time came and it cannot go out: looked at again later.
pub(super) fn later(turn: &mut Turn, order: &Order, why: &str) {
    let next_attempt_at = turn.now.plus(LONGEST_WAIT);
    turn.emit(Event::OrderRetrying { no: order.no, next_attempt_at, error: why.to_owned() });
    session_control::resync_soon(turn);
}

/// Resting exits never close more than is held: the last ones give way. Only where the exchange says the
/// same, so that no order of messages takes protection away.
pub(in crate::engine) fn fit(turn: &mut Turn) {
    let resting = turn.state().orders.working().filter(|order| order.reduces() && order.order_type.rests());
    let keys: std::collections::BTreeSet<PositionKey> = resting.map(Order::position_key).collect();
    for key in keys {
        if positions::differs(turn, &key) || turn.state().target(&key).is_some() {
            continue;
        }
        fit_one(turn, &key);
    }
}

fn fit_one(turn: &mut Turn, key: &PositionKey) {
    let held = turn.state().positions.get(key).map_or(Contracts::ZERO, |position| position.contracts);
    let told = turn.state().venue_positions.contains_key(key);
    let mut left = held;
    let mut over: Vec<OrderNo> = Vec::new();
    for order in turn.state().orders.resting_exits_of(key) {
        let open = order.open_contracts();
        if open > left && told && order.cancel.is_none() && order.venue_end.is_none() {
            over.push(order.no);
        }
        left = (left - open).max(Contracts::ZERO);
    }
    let by = if held.is_positive() { SHRUNK } else { GONE };
    for no in over {
        let Some(order) = turn.order(no) else { continue };
        let waits = order.state == OrderState::Pending;
        wish_cancel(turn, no, by);
        if waits && by == SHRUNK {
            renew(turn, &order, Refusal::ClosableTooSmall, by);
        }
    }
}

/// Contracts of a position that no resting exit covers.
fn not_covered(turn: &Turn, key: &PositionKey) -> Contracts {
    let held = turn.state().positions.get(key).map_or(Contracts::ZERO, |position| position.contracts);
    held - turn.state().orders.resting_exits_of(key).map(Order::open_contracts).sum()
}

fn first_of(order: &Order) -> OrderNo {
    order.renews.unwrap_or(order.no)
}

/// How often in a row it was refused: by this order, and by those before it that never rested.
fn refusals(turn: &Turn, order: &Order) -> u32 {
    let first = first_of(order);
    let before = turn.state().orders.all(Some(&order.symbol)).rev();
    let failed = before
        .filter(|other| first_of(other) == first && other.no <= order.no)
        .take_while(|other| other.accepted_at.is_none())
        .map(|other| other.attempts);
    failed.sum::<u32>().max(1)
}

fn wait(refusal: Refusal, refusals: u32) -> Duration {
    if matches!(refusal, Refusal::Access | Refusal::Malformed | Refusal::ContractUnknown) {
        return PERSONS_WAIT;
    }
    FIRST_WAIT.saturating_mul(1 << refusals.saturating_sub(1).min(8)).min(LONGEST_WAIT)
}

fn tell(turn: &mut Turn, order: &Order, refusal: Refusal, refusals: u32, message: &str) {
    if refusals != TOLD_AFTER && !(refusals == 1 && wait(refusal, refusals) == PERSONS_WAIT) {
        return;
    }
    let first = first_of(order);
    let price = order.order_type.limit().map_or_else(|| "?".to_owned(), |price| price.to_string());
    let what = format!(
        "the exit of {} at {price} does not rest at the exchange, it was refused {refusals} times; it is tried on: {message}",
        order.position_key()
    );
    let alert = NewAlert::holds(AlertKind::ExitRefused, first, Severity::Critical, what);
    raise(turn, alert.symbol(&order.symbol).detail("order_id", &order.client_id).detail("reason", message));
}

/// An alert of an exit that is no more, or rests again, is over.
pub(super) fn clear_told(turn: &mut Turn) {
    let over: Vec<String> = turn
        .state()
        .alerts
        .all()
        .filter(|alert| alert.key.kind == AlertKind::ExitRefused && alert.is_active())
        .map(|alert| alert.key.subject.clone())
        .filter(|subject| {
            let first = subject.strip_prefix('#').and_then(|no| no.parse().ok()).map(OrderNo);
            first.is_some_and(|first| {
                let mut working = turn.state().orders.working();
                !working.any(|order| first_of(order) == first && order.venue_id.is_none())
            })
        })
        .collect();
    for subject in over {
        clear(turn, AlertKind::ExitRefused, subject);
    }
}
