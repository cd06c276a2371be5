//! What the exchange says of an order, by push, poll or look-up: one function for all three, so
//! that they cannot disagree.

use std::sync::Arc;

use super::ending::{ended_by_cancel, fail, fail_exit, serves_a_target};
use super::lookup::look_up;
use super::resting;
use crate::engine::Request;
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::position_sync_service as positions;
use crate::engine::turn::Turn;
use crate::model::{
    AlertKind, CancelOrder, Category, Event, Order, OrderNo, OrderReport, OrderState, Refusal, SessionTime, Severity,
    VenueEnd, VenueOrderState,
};

/// Applies a report; `as_of` is when its question left, or when the push arrived.
pub(in crate::engine) fn apply_report(turn: &mut Turn, report: &OrderReport, as_of: SessionTime) {
    if let Some(order) = find(turn, report) {
        return apply_to(turn, &order, report, as_of);
    }
    let Some(order) = super::lost::take_back(turn, report) else {
        if matches!(report.category, Category::Liquidation | Category::CustodyClose | Category::Adl) {
            positions::on_system_order(turn, report);
        }
        return;
    };
    apply_to(turn, &order, report, as_of);
    super::lost::after_taking_back(turn, order.no);
}

fn apply_to(turn: &mut Turn, order: &Order, report: &OrderReport, as_of: SessionTime) {
    if order.venue_id.as_ref().is_some_and(|known| *known != report.venue_id) {
        return twin(turn, order, report);
    }
    if !order.is_working() {
        return after_the_end(turn, order, report, as_of);
    }
    // Reordered pushes: an older version knows less.
    if report.version > 0 && report.version < order.venue_version {
        return;
    }
    let duplicate_id = report.state == VenueOrderState::Invalid && report.refusal == Refusal::DuplicateId;
    let unproven = matches!(order.state, OrderState::Pending | OrderState::Submitting | OrderState::Unknown);
    if !duplicate_id && (unproven || order.venue_id.is_none()) {
        turn.emit(Event::OrderAccepted { no: order.no, venue_id: report.venue_id.clone() });
        if order.cancel.is_some() && !is_final(report.state) {
            turn.cancels.insert(order.no);
        }
    }
    let ends = is_final(report.state) && order.venue_end.is_none();
    if !duplicate_id && (report.filled > order.venue_filled || report.version > order.venue_version || ends) {
        let end = ends.then(|| {
            let reason = reason_of(order, report);
            Box::new(VenueEnd { state: report.state, refusal: report.refusal, reason, since: turn.now })
        });
        turn.emit(Event::OrderReported { no: order.no, version: report.version, venue_filled: report.filled, end });
    }
    match turn.order(order.no) {
        Some(order) if duplicate_id => duplicated(turn, &order),
        Some(order) => conclude(turn, &order, report.state),
        None => {}
    }
}

/// Draws the conclusion of an end that the exchange told before the last of its fills.
pub(super) fn conclude_told(turn: &mut Turn, no: OrderNo) {
    let Some(order) = turn.order(no).filter(|order| order.is_working()) else { return };
    if let Some(state) = order.venue_end.as_ref().map(|end| end.state) {
        conclude(turn, &order, state);
    }
}

/// Our order that a report speaks of: by our id, else by the exchange's.
fn find(turn: &Turn, report: &OrderReport) -> Option<Arc<Order>> {
    let (orders, session) = (&turn.state().orders, &turn.state().info.as_ref()?.id);
    let by_client_id = report.client_id.as_ref().and_then(|id| orders.by_client_id(session, id));
    by_client_id
        .and_then(|no| turn.order(no))
        .or_else(|| turn.order(turn.state().orders.by_venue_id(&report.venue_id)?))
}

/// Draws the conclusion of a state, once every fill that it speaks of has arrived.
fn conclude(turn: &mut Turn, order: &Order, state: VenueOrderState) {
    if order.has_unsettled_fills() {
        // The fills follow by push, or are fetched; a verdict before them would lose them. At the deadline
        // the exchange's count stands for them.
        return;
    }
    if let Some(end) = &order.venue_end {
        super::send::mode_contradicted(turn, end.refusal);
    }
    match (state, &order.venue_end) {
        (VenueOrderState::Cancelled, Some(end)) => ended_by_cancel(turn, order, &end.reason, end.refusal),
        (VenueOrderState::Invalid, Some(end)) => {
            let reason = format!("refused by the exchange: {}", end.reason);
            if serves_a_target(turn, order) {
                fail_exit(turn, order, end.refusal, &reason);
            } else if resting::stands(turn, order) && order.cancel.is_none() {
                resting::refused(turn, order, end.refusal, &reason, true);
            } else {
                fail(turn, order, &reason);
            }
        }
        (VenueOrderState::Unrecognised(number), _) => {
            let message =
                format!("order {} has state {number}, which the protocol does not define; it is polled on", order.no);
            raise(
                turn,
                NewAlert::happened(AlertKind::VenueAnswerUnknown, order.no, Severity::Warning, message)
                    .symbol(&order.symbol),
            );
        }
        _ => {}
    }
}

/// The exchange says that our id was used before: then the first one is the order.
fn duplicated(turn: &mut Turn, order: &Order) {
    // When it is UNKNOWN already, the next question is due in its time.
    if order.venue_id.is_none() && order.state != OrderState::Unknown {
        turn.emit(Event::OrderLost { no: order.no, error: "the exchange has this id already".to_owned() });
        look_up(turn, order.no);
    }
}

/// A second order at the exchange with our id. Refused ones are harmless; a working one is not.
fn twin(turn: &mut Turn, order: &Order, report: &OrderReport) {
    if is_final(report.state) && !report.filled.is_positive() {
        return;
    }
    let message = format!("order {} stands twice at the exchange: {} and {}", order.no, shown(order), report.venue_id);
    raise(
        turn,
        NewAlert::happened(AlertKind::VenueAnswerUnknown, order.no, Severity::Critical, message).symbol(&order.symbol),
    );
    if !is_final(report.state) {
        cancel_there(turn, order, report);
    }
}

/// A report about an order that has ended here: it may hold fills that we miss, or show that it
/// works after all.
fn after_the_end(turn: &mut Turn, order: &Order, report: &OrderReport, as_of: SessionTime) {
    if report.filled > order.venue_filled {
        let (version, venue_filled) = (report.version, report.filled);
        turn.emit(Event::OrderReported { no: order.no, version, venue_filled, end: None });
        turn.request(Request::OrderFills {
            no: order.no,
            symbol: order.symbol.clone(),
            venue_id: report.venue_id.clone(),
        });
    }
    let newer = order.ended_at.is_some_and(|ended| ended < as_of) && report.version >= order.venue_version;
    if newer
        && matches!(report.state, VenueOrderState::Resting | VenueOrderState::Pending)
        && order.state != OrderState::Filled
    {
        let message =
            format!("order {} ended here as {} but works at the exchange: it is cancelled", order.no, order.state);
        raise(
            turn,
            NewAlert::happened(AlertKind::OrderUnknown, order.no, Severity::Critical, message).symbol(&order.symbol),
        );
        cancel_there(turn, order, report);
    }
}

/// Cancels at the exchange what must not work there, by the exchange's own id.
fn cancel_there(turn: &mut Turn, order: &Order, report: &OrderReport) {
    turn.request(Request::Cancel {
        orders: vec![CancelOrder {
            no: order.no,
            symbol: order.symbol.clone(),
            venue_id: Some(report.venue_id.clone()),
            client_id: order.client_id.clone(),
        }],
    });
}

const fn is_final(state: VenueOrderState) -> bool {
    matches!(state, VenueOrderState::Filled | VenueOrderState::Cancelled | VenueOrderState::Invalid)
}

fn shown(order: &Order) -> String {
    order.venue_id.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string)
}

fn reason_of(order: &Order, report: &OrderReport) -> String {
    match (&order.cancel, report.error_code) {
        _ if report.state == VenueOrderState::Invalid => words(report),
        _ if report.state == VenueOrderState::Filled => "filled".to_owned(),
        (Some(cancel), 0) => cancel.by.clone(),
        (None, 0) => "cancelled at the exchange".to_owned(),
        _ => words(report),
    }
}

/// Why the exchange refused or ended an order, with its own number for whoever looks it up.
fn words(report: &OrderReport) -> String {
    match report.error_code {
        0 => "without a reason".to_owned(),
        code => format!("{} (code {code})", report.refusal.words()),
    }
}
