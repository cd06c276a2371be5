//! What is due for orders as time passes: attempts, time-outs, cancels, questions, forgetting.

use std::time::Duration;

use super::bulk;
use super::cancel::{tell, wish_cancel};
use super::ending::TIME_OUT;
use super::lookup::{look_up, proof_at};
use super::reports::apply_report;
use super::resting;
use super::send::send_again;
use super::settled::{end_by_count, is_over_due};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::position_sync_service as positions;
use crate::engine::turn::Turn;
use crate::engine::{Request, chores, signal_intake, unanswered};
use crate::model::{
    AlertKind, CallClass, CallError, Chore, Event, Listing, Order, OrderNo, OrderReport, OrderState, Phase,
    SessionTime, Severity,
};

/// How long an order may be UNKNOWN before an operator is told (dashboard.md section 4).
const UNKNOWN_TOLD_AFTER: Duration = Duration::from_secs(5);
/// How long fills may trail the report that speaks of them before they are fetched.
const FILLS_AWAITED: Duration = Duration::from_secs(1);
/// Longest wait between two sendings of one cancel.
const CANCEL_RETRY_MAX: Duration = Duration::from_secs(10);

/// Does what is due for each working order.
pub(in crate::engine) fn due_work(turn: &mut Turn) {
    let working: Vec<OrderNo> = turn.state().orders.working().map(|order| order.no).collect();
    for no in working {
        let Some(order) = turn.order(no).filter(|order| order.is_working()) else { continue };
        if order.venue_end.is_some() {
            ended_there(turn, &order);
            continue;
        }
        if timed_out(turn, &order) {
            wish_cancel(turn, no, TIME_OUT);
            continue;
        }
        match order.state {
            OrderState::Pending => pending(turn, &order),
            OrderState::PendingCancel => repeat_cancel(turn, &order),
            OrderState::Unknown => unknown(turn, &order),
            _ => {}
        }
        if is_over_due(turn, &order) {
            end_by_count(turn, &order);
            continue;
        }
        let asked = turn.state().upkeep.looked_up.get(&no).copied().unwrap_or_default();
        if order.has_unsettled_fills() && order.updated_at.max(asked).plus(FILLS_AWAITED) <= turn.now {
            fetch_fills(turn, &order);
        }
    }
    clear_unknown(turn);
    resting::fit(turn);
    resting::clear_told(turn);
}

/// The exchange has ended it and counts fills that are not told: they are fetched, and at the deadline
/// its count stands for them.
fn ended_there(turn: &mut Turn, order: &Order) {
    if is_over_due(turn, order) {
        return end_by_count(turn, order);
    }
    let asked = turn.state().upkeep.looked_up.get(&order.no).copied().unwrap_or_default();
    if order.has_unsettled_fills() && order.updated_at.max(asked).plus(FILLS_AWAITED) <= turn.now {
        fetch_fills(turn, order);
    }
}

/// Asks for all open orders at once, when any order of ours works.
pub(in crate::engine) fn poll(turn: &mut Turn) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        return chores::held_back(turn, Chore::PollOrders);
    }
    chores::asked(turn, Chore::PollOrders);
    turn.request(Request::OpenOrders);
}

/// The open orders of the account. What works here and is not among them is looked up, one by one,
/// so many a cycle.
pub(in crate::engine) fn on_open_orders(
    turn: &mut Turn,
    asked_at: SessionTime,
    result: &Result<Listing<OrderReport>, CallError>,
) {
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), Some(asked_at));
    unanswered::read(turn, Chore::PollOrders, result);
    let list = match result {
        Ok(list) => list,
        Err(error) => return chores::failed(turn, Chore::PollOrders, error),
    };
    positions::rows_told(turn, "open orders", list, Severity::Warning);
    let reports = &list.rows;
    for report in reports {
        apply_report(turn, report, asked_at);
    }
    let listed: std::collections::BTreeSet<_> = reports.iter().map(|report| &report.venue_id).collect();
    let missing: Vec<OrderNo> = turn
        .state()
        .orders
        .working()
        .filter(|order| order.updated_at < asked_at && !turn.state().upkeep.lookups.contains_key(&order.no))
        .filter(|order| match &order.venue_id {
            Some(id) => !listed.contains(id) || order.state == OrderState::Unknown,
            None => !matches!(order.state, OrderState::Pending | OrderState::Submitting),
        })
        .map(|order| order.no)
        .take(turn.settings.orders.lookup_max_per_poll)
        .collect();
    for no in missing {
        look_up(turn, no);
    }
    chores::answered(turn, Chore::PollOrders, asked_at);
    bulk::after_open_orders(turn, asked_at, list.unreadable.is_empty());
}

/// Forgets orders that ended long ago, and signals that cannot come again.
pub(in crate::engine) fn cleanup(turn: &mut Turn) {
    let keep = turn.settings.orders.keep_terminal;
    let orders = turn.state().orders.ended_before(turn.now.minus(keep));
    let fills_told = turn.state().upkeep.chore(Chore::FetchFills).told_of;
    // Not before the exchange's clock is measured and the fills of the time while it was off are in.
    if !orders.is_empty()
        && turn.state().upkeep.link.clock.is_some()
        && let Some(told_of) = fills_told
    {
        let fills_before = turn.clock().surely_before(told_of).minus(keep.saturating_mul(2));
        turn.emit(Event::OrdersForgotten { orders, fills_before });
    }
    signal_intake::cleanup(turn);
    chores::done(turn, Chore::Cleanup);
}

/// A resting exit is protection and stays, and an exit that is not yet at the exchange is sent until
/// it is: giving it up would leave the position open. Everything else ends after the time-out.
fn timed_out(turn: &Turn, order: &Order) -> bool {
    let at_exchange = matches!(order.state, OrderState::Submitted | OrderState::PartiallyFilled);
    let stays = order.reduces() && (order.order_type.rests() || !at_exchange);
    !stays && order.cancel.is_none() && order.created_at.plus(turn.settings.orders.time_out) <= turn.now
}

fn pending(turn: &mut Turn, order: &Order) {
    // After a restart nothing is sent before the exchange has told what is open; exits need less.
    let state = turn.state();
    let is_known = if order.reduces() {
        state.phase != Phase::Starting || state.position_mode.is_some()
    } else {
        state.phase != Phase::Starting && state.entries_wait_for(turn.now).is_none()
    };
    if !is_known {
        return;
    }
    if order.next_attempt_at.unwrap_or(order.created_at) <= turn.now {
        send_again(turn, order);
    }
}

fn repeat_cancel(turn: &mut Turn, order: &Order) {
    let Some(cancel) = &order.cancel else { return };
    let doublings = cancel.attempts.saturating_sub(1).min(8);
    let wait = turn.settings.orders.cancel_retry.saturating_mul(1 << doublings).min(CANCEL_RETRY_MAX);
    if cancel.sent_at.is_none_or(|sent| sent.plus(wait) <= turn.now) {
        if cancel.last_error.is_none() {
            tell(turn, order, "the exchange says that it was cancelled, and the order has not ended");
        }
        turn.cancels.insert(order.no);
    }
}

fn unknown(turn: &mut Turn, order: &Order) {
    let Some(since) = order.unknown_since else { return };
    // Asked at once when it got lost, then at every poll, and as soon as an empty answer is a proof.
    let asked = turn.state().upkeep.looked_up.get(&order.no).copied().unwrap_or(since);
    let proof_at = proof_at(turn, order);
    let due = asked.plus(turn.settings.orders.poll_interval) <= turn.now;
    if due || (asked < proof_at && proof_at <= turn.now) {
        look_up(turn, order.no);
    }
    if proof_at <= turn.now {
        bulk::ask_for_proof(turn, proof_at);
    }
    let key = crate::model::AlertKey { kind: AlertKind::OrderUnknown, subject: order.no.to_string() };
    if since.plus(UNKNOWN_TOLD_AFTER) <= turn.now && turn.state().alerts.active(&key).is_none() {
        let severity = if order.reduces() { Severity::Critical } else { Severity::Warning };
        let message = format!(
            "order {} {} {} is UNKNOWN: it may be at the exchange; it is looked up by {}",
            order.no, order.intent, order.symbol, order.client_id
        );
        let alert = NewAlert::holds(AlertKind::OrderUnknown, order.no, severity, message)
            .symbol(&order.symbol)
            .detail("order_id", &order.client_id);
        raise(turn, alert);
    }
}

/// UNKNOWN alerts end when the order's fate is known.
fn clear_unknown(turn: &mut Turn) {
    let settled: Vec<String> = turn
        .state()
        .alerts
        .all()
        .filter(|alert| alert.key.kind == AlertKind::OrderUnknown && alert.is_active())
        .map(|alert| alert.key.subject.clone())
        .filter(|subject| {
            let no = subject.trim_start_matches('#').parse().ok().map(OrderNo);
            no.and_then(|no| turn.state().orders.get(no)).is_none_or(|order| order.state != OrderState::Unknown)
        })
        .collect();
    for subject in settled {
        clear(turn, AlertKind::OrderUnknown, subject);
    }
}

fn fetch_fills(turn: &mut Turn, order: &Order) {
    let Some(venue_id) = order.venue_id.clone() else { return };
    if turn.state().upkeep.lookups.contains_key(&order.no) {
        return;
    }
    if matches!(circuit_breaker::admit_read(turn, order.reduces()), Admission::HeldBack { .. }) {
        return;
    }
    turn.emit(Event::LookupMoved { no: order.no, asked_at: Some(turn.now) });
    turn.request(Request::OrderFills { no: order.no, symbol: order.symbol.clone(), venue_id });
}
