//! Recovery by lists: the working orders first, then those that ended lately. Two lists tell of hundreds
//! of orders what single look-ups would take minutes to ask.

use super::lookup::{look_up, not_there};
use super::reports::apply_report;
use super::send::access_refused;
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::turn::Turn;
use crate::engine::{Request, chores, session_control};
use crate::model::{
    BulkRecovery, CallClass, CallError, Chore, ErrorClass, Event, Listing, OrderNo, OrderReport, OrderState,
    SessionTime, VenueTime,
};

/// From so many UNKNOWN orders on the lists are asked instead of each order.
const MANY: usize = 5;
/// A list of ended orders that failed so often is not waited for: the orders are looked up one by one.
const FAILURES: u32 = 3;
/// How long before the last known fact the list of ended orders begins: what was on its way then.
const OVERLAP: std::time::Duration = std::time::Duration::from_secs(60);
/// How long the list of ended orders waits for that of working ones: asked for before it, it proves nothing.
const WAITS_FOR_OPEN: std::time::Duration = std::time::Duration::from_secs(5);
/// Looked again so soon whether the list may be asked for.
const SOON: std::time::Duration = std::time::Duration::from_millis(50);

/// After a restart: what was on its way may have arrived, and what happened after `last_fact` may be
/// unknown here.
pub(in crate::engine) fn restart(turn: &mut Turn, last_fact: SessionTime) {
    let sending: Vec<OrderNo> = turn
        .state()
        .orders
        .working()
        .filter(|order| order.state == OrderState::Submitting)
        .map(|order| order.no)
        .collect();
    for no in &sending {
        turn.emit(Event::OrderLost { no: *no, error: "the program ended while the order was on its way".to_owned() });
    }
    let bulk = BulkRecovery { since: Some(last_fact.minus(OVERLAP)), ..BulkRecovery::default() };
    turn.emit(Event::BulkMoved { bulk: Box::new(bulk) });
    chores::soon(turn, Chore::RecoverOrders);
    for no in sending {
        look_up(turn, no);
    }
}

/// Whether the lists are asked what became of UNKNOWN orders, instead of one order after the other.
pub(super) fn is_at_work(turn: &Turn) -> bool {
    // Without the exchange's time the list of ended orders proves no absence: each is looked up then.
    let can_prove = turn.state().upkeep.link.clock.is_some() || session_control::clock_is_awaited(turn);
    can_prove
        && turn.state().orders.unknown().nth(MANY - 1).is_some()
        && turn.state().upkeep.chore(Chore::RecoverOrders).failures < FAILURES
}

/// From this time on empty lists are a proof: the list of working orders is not waited for until its next turn.
pub(super) fn ask_for_proof(turn: &mut Turn, proof_at: SessionTime) {
    let out = turn.state().upkeep.chore(Chore::PollOrders).asked_at;
    let asked = turn.state().upkeep.bulk.open_asked_at.max(out);
    if is_at_work(turn) && asked.is_none_or(|asked| asked < proof_at) {
        chores::soon(turn, Chore::PollOrders);
    }
}

/// Asks for the orders that ended since the oldest one in question was made.
pub(in crate::engine) fn recover(turn: &mut Turn) {
    let started = turn.state().last_start.unwrap_or_default();
    let is_early = !chores::is_told(turn.state(), Chore::PollOrders) && turn.now.since(started) < WAITS_FOR_OPEN;
    if is_early || session_control::clock_is_awaited(turn) {
        return chores::later(turn, Chore::RecoverOrders, SOON);
    }
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        return chores::held_back(turn, Chore::RecoverOrders);
    }
    let oldest = turn.state().orders.unknown().map(|order| order.created_at).min();
    let bulk = &turn.state().upkeep.bulk;
    let Some(since) = oldest.map(|oldest| oldest.minus(OVERLAP)).into_iter().chain(bulk.since).min() else {
        return chores::done(turn, Chore::RecoverOrders);
    };
    chores::asked(turn, Chore::RecoverOrders);
    turn.request(Request::OrderHistory { since: turn.clock().surely_before(since) });
}

/// A list of working orders came. When many orders are UNKNOWN, those that ended are asked for now: in
/// this order no order can slip from one list to the other unseen.
pub(super) fn after_open_orders(turn: &mut Turn, asked_at: SessionTime, is_whole: bool) {
    let known = &turn.state().upkeep.bulk;
    if known.open_asked_at.is_some_and(|known| known > asked_at) {
        return;
    }
    let bulk = BulkRecovery { open_asked_at: Some(asked_at), open_is_whole: is_whole, ..known.clone() };
    turn.emit(Event::BulkMoved { bulk: Box::new(bulk) });
    if is_at_work(turn) {
        chores::soon(turn, Chore::RecoverOrders);
    }
}

/// The orders that ended lately. An UNKNOWN order that neither list knows, both asked for after its proof
/// was due, is not there.
pub(in crate::engine) fn on_order_history(
    turn: &mut Turn,
    asked_at: SessionTime,
    since: VenueTime,
    result: &Result<Listing<OrderReport>, CallError>,
) {
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), Some(asked_at));
    let list = match result {
        Ok(list) => list,
        Err(error) => {
            chores::failed(turn, Chore::RecoverOrders, error);
            if error.class == ErrorClass::AccessRefused {
                access_refused(turn, error);
            }
            return;
        }
    };
    for report in &list.rows {
        apply_report(turn, report, asked_at);
    }
    let bulk = turn.state().upkeep.bulk.clone();
    let is_measured = turn.state().upkeep.link.clock.is_some();
    let can_prove = bulk.open_is_whole && is_measured;
    let open_asked_at = bulk.open_asked_at.filter(|open| can_prove && *open <= asked_at);
    if let Some(open_asked_at) = open_asked_at {
        let clock = turn.clock();
        let absent: Vec<OrderNo> = turn
            .state()
            .orders
            .unknown()
            .filter(|order| clock.surely_before(order.created_at) >= since && list.is_whole_for(&order.symbol))
            .map(|order| order.no)
            .collect();
        for no in absent {
            if let Some(order) = turn.order(no).filter(|order| order.state == OrderState::Unknown) {
                not_there(turn, &order, open_asked_at);
            }
        }
    }
    // Asked for by a guess of the time there, it is asked for again when the clock is measured.
    let since = bulk.since.filter(|_| !is_measured);
    turn.emit(Event::BulkMoved { bulk: Box::new(BulkRecovery { since, ..bulk }) });
    chores::answered(turn, Chore::RecoverOrders, asked_at);
}
