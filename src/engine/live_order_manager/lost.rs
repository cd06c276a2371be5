//! Orders at the exchange that carry our session's name and that our journal does not know: it lost its
//! end, it is a restored copy, or an exit left while the disk was full. They are ours and are taken back.
//! Those of a start that began after ours are not: a second copy trades, and nothing opens any more.

use std::sync::Arc;
use std::time::Duration;

use super::cancel::wish_cancel;
use super::entry::{Draft, on_record};
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::turn::Turn;
use crate::engine::{Request, chores, session_control};
use crate::model::{
    AlertKind, CallClass, Chore, ClientIdParts, ClientOrderId, Control, Event, FillReport, Incarnation, Order, OrderNo,
    OrderOrigin, OrderReport, OrderState, OrderType, Purpose, Severity, StrategyId, VenueOrderState, VenueTime,
};

/// A question for an order that only its fill told of is repeated after this time.
const ASKED_AGAIN: Duration = Duration::from_secs(2);
/// After so many questions without an answer the fill counts as one of somebody else.
const ASKED_AT_MOST: u32 = 8;

/// Takes back the order of a report that no order here fits, when it is ours. `None`: it is not, or it
/// cannot be told yet.
pub(super) fn take_back(turn: &mut Turn, report: &OrderReport) -> Option<Arc<Order>> {
    let client_id = report.client_id.as_ref()?;
    let parts = lost_parts(turn, client_id)?;
    if turn.state().upkeep.lost_asked.contains_key(client_id) {
        turn.emit(Event::LostOrderAsked { client_id: client_id.clone(), asked_at: None });
    }
    match maker(turn, &parts, report.created_at) {
        Maker::Us => {}
        Maker::SecondCopy(incarnation) => {
            second_copy(turn, &incarnation, report);
            return None;
        }
        Maker::NotYetKnown => {
            chores::due_in(turn, Chore::PollOrders, ASKED_AGAIN);
            return None;
        }
    }
    let Some(order) = as_order(turn, report, client_id, &parts) else {
        // Without the contract's size it means nothing yet.
        chores::soon(turn, Chore::Contracts);
        chores::due_in(turn, Chore::PollOrders, ASKED_AGAIN);
        return None;
    };
    let no = order.no;
    let found = format!("order {client_id} of this session is at the exchange ({})", report.symbol);
    session_control::found_at_exchange(turn, &found);
    turn.emit(Event::OrderRecovered { order: Box::new(order) });
    let order = turn.order(no)?;
    tell(turn, &order, report);
    Some(order)
}

/// An order was taken back and its report applied: a halt cancels entries, those that it did not know too.
pub(super) fn after_taking_back(turn: &mut Turn, no: OrderNo) {
    let halted = turn.state().control == Control::Halted;
    if halted && turn.order(no).is_some_and(|order| !order.reduces()) {
        wish_cancel(turn, no, "halt");
    }
}

/// A fill whose client id is ours and whose order is not known here: the order is asked for first, and
/// the fill again when it is back.
pub(super) fn is_asked_for(turn: &mut Turn, fill: &FillReport) -> bool {
    let Some(client_id) = &fill.client_id else { return false };
    let Some(parts) = lost_parts(turn, client_id) else { return false };
    if parts.incarnation.as_ref().is_some_and(|incarnation| turn.state().upkeep.copies.contains(incarnation)) {
        return false;
    }
    let (asked_at, tries) = turn.state().upkeep.lost_asked.get(client_id).copied().unwrap_or_default();
    if tries >= ASKED_AT_MOST {
        return false;
    }
    if matches!(maker(turn, &parts, Some(fill.at)), Maker::Us) {
        // Before its order is known: nothing may open meanwhile.
        let found = format!("a fill of order {client_id} of this session is at the exchange ({})", fill.symbol);
        session_control::found_at_exchange(turn, &found);
    }
    if asked_at.plus(ASKED_AGAIN) > turn.now {
        return true;
    }
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        return true;
    }
    turn.emit(Event::LostOrderAsked { client_id: client_id.clone(), asked_at: Some(turn.now) });
    // No order has this number: what counts is the report that the answer holds.
    let no = OrderNo::default();
    turn.request(Request::Lookup { no, symbol: fill.symbol.clone(), client_id: client_id.clone() });
    true
}

fn lost_parts(turn: &Turn, client_id: &ClientOrderId) -> Option<ClientIdParts> {
    let session = &turn.state().info.as_ref()?.id;
    match turn.state().orders.origin(session, client_id) {
        OrderOrigin::Lost(parts) => Some(parts),
        _ => None,
    }
}

enum Maker {
    Us,
    SecondCopy(Incarnation),
    NotYetKnown,
}

/// Who made an order with our session's name. A start that our journal knows is ours, and so is one that
/// made an order before we started; after it, another engine runs.
fn maker(turn: &Turn, parts: &ClientIdParts, created_at: Option<VenueTime>) -> Maker {
    let Some(incarnation) = parts.incarnation.clone() else { return Maker::Us };
    if turn.state().orders.knows_incarnation(&incarnation) {
        return Maker::Us;
    }
    if turn.state().upkeep.copies.contains(&incarnation) {
        return Maker::SecondCopy(incarnation);
    }
    let started = turn.state().last_start.unwrap_or(turn.now);
    match (created_at, turn.state().upkeep.link.clock) {
        (Some(created_at), Some(clock)) if created_at > clock.to_venue(started).plus(clock.uncertainty()) => {
            Maker::SecondCopy(incarnation)
        }
        (Some(_), Some(_)) => Maker::Us,
        (Some(_), None) => Maker::NotYetKnown,
        // The exchange does not say when: what the first list of a start tells was there before it.
        (None, _) if !chores::is_told(turn.state(), Chore::PollOrders) => Maker::Us,
        (None, _) => Maker::SecondCopy(incarnation),
    }
}

fn second_copy(turn: &mut Turn, incarnation: &Incarnation, report: &OrderReport) {
    if !turn.state().upkeep.copies.contains(incarnation) {
        turn.emit(Event::CopySeen { incarnation: incarnation.clone() });
    }
    let message = format!(
        "a second copy of this session trades on this account: {} {} {} was placed by start {incarnation}, which is not \
         ours; entries stop here. Stop one of the two, and give each engine a data directory of its own",
        report.intent, report.contracts, report.symbol
    );
    let alert = NewAlert::happened(AlertKind::SecondCopy, incarnation, Severity::Critical, message)
        .symbol(&report.symbol)
        .detail("exchange_order_id", &report.venue_id);
    raise(turn, alert);
    session_control::pause_by_engine(turn, "a second copy of this session trades");
}

/// The order as far as the exchange tells; UNKNOWN until its report is applied.
fn as_order(turn: &Turn, report: &OrderReport, client_id: &ClientOrderId, parts: &ClientIdParts) -> Option<Order> {
    let spec = turn.state().contracts.get(&report.symbol)?;
    let draft = Draft {
        signal_id: None,
        strategy: StrategyId::new("recovered").ok()?,
        symbol: report.symbol.clone(),
        intent: report.intent,
        purpose: if report.intent.reduces() { Purpose::FullExit } else { Purpose::Entry },
        order_type: report.limit.map_or(OrderType::Market, OrderType::Limit),
        contracts: report.contracts,
        quantity: spec.quantity(report.contracts),
        decision_price: None,
        stop_loss: None,
        take_profit: None,
        renews: None,
    };
    Some(Order {
        venue_id: Some(report.venue_id.clone()),
        // Of which opening it is, the exchange does not say.
        position_id: None,
        state: OrderState::Unknown,
        unknown_since: Some(turn.now),
        note: Some("taken back from the exchange".to_owned()),
        ..on_record(turn, turn.state().orders.no_for_lost(parts), client_id.clone(), draft)
    })
}

fn tell(turn: &mut Turn, order: &Order, report: &OrderReport) {
    let had_effect =
        report.filled.is_positive() || !matches!(report.state, VenueOrderState::Cancelled | VenueOrderState::Invalid);
    let severity = match (had_effect, order.reduces()) {
        (true, false) => Severity::Critical,
        (true, true) => Severity::Warning,
        (false, _) => Severity::Info,
    };
    let message = format!(
        "order {} of this session was at the exchange and not in the journal: {} {} {}, {} filled; it is taken back and \
         counts as ours",
        order.no, order.intent, order.quantity, order.symbol, report.filled
    );
    let alert = NewAlert::happened(AlertKind::Recovered, order.no, severity, message)
        .symbol(&order.symbol)
        .detail("order_id", &order.client_id)
        .detail("exchange_order_id", &report.venue_id);
    raise(turn, alert);
}
