//! Orders whose fills never come: at the deadline the exchange's count stands for them (engine.md 8.19).

use crate::engine::alerting::{NewAlert, raise};
use crate::engine::position_sync_service as positions;
use crate::engine::turn::Turn;
use crate::model::{AlertKind, Chore, Event, Order, OrderState, PositionKey, SessionTime, Severity, VenueOrderState};

/// Whether the exchange counted or ended an order long ago, and what it holds by a later word agrees with
/// us: then nothing more is to be waited for.
pub(super) fn is_over_due(turn: &Turn, order: &Order) -> bool {
    let Some(told) = order.told_at().filter(|_| order.venue_end.is_some() || order.has_unsettled_fills()) else {
        return false;
    };
    let told_of = turn.state().upkeep.chore(Chore::SyncPositions).told_of;
    told.plus(positions::patience(turn)) <= turn.now
        && told_of.is_some_and(|at| at >= counted_from(turn, told))
        && !positions::differs(turn, &order.position_key())
}

/// The size of a position was taken at the exchange's word, of this time: it holds what the exchange counts
/// of our orders, so that their fills move it no more when they come late. The alert of the deadline says it.
pub(in crate::engine) fn on_size_taken(turn: &mut Turn, key: &PositionKey, as_of: SessionTime) {
    let due: Vec<Order> = turn
        .state()
        .orders
        .working()
        .filter(|order| order.position_key() == *key && order.has_unsettled_fills())
        .filter(|order| order.told_at().is_none_or(|told| counted_from(turn, told) <= as_of))
        .cloned()
        .collect();
    for order in due {
        settle(turn, &order);
    }
}

/// From when on a list of positions surely holds what was known of an order then.
fn counted_from(turn: &Turn, since: SessionTime) -> SessionTime {
    since.plus(turn.capabilities.list_lag_max)
}

/// The exchange has ended it, long ago, and what is held agrees without its fills: a person is told.
pub(super) fn end_by_count(turn: &mut Turn, order: &Order) {
    let note = settle(turn, order);
    let message = format!("order {} {} {}: {note}", order.no, order.intent, order.symbol);
    let alert = NewAlert::happened(AlertKind::ReconciliationStuck, order.no, Severity::Critical, message)
        .symbol(&order.symbol)
        .detail("order_id", &order.client_id);
    raise(turn, alert);
}

/// Takes the exchange's count of an order; one that it has ended ends here too.
fn settle(turn: &mut Turn, order: &Order) -> String {
    let missing = order.untold_contracts();
    let end = order.venue_end.as_ref().map(|end| match end.state {
        VenueOrderState::Filled => OrderState::Filled,
        VenueOrderState::Invalid if order.venue_filled.is_zero() => OrderState::Failed,
        _ => OrderState::Cancelled,
    });
    let note = format!(
        "{} of {} contracts are filled by the exchange's count; {missing} of them were not told one by one: their price, \
         fee and result are not known",
        order.venue_filled, order.contracts
    );
    turn.emit(Event::OrderSettled { no: order.no, contracts: order.venue_filled, end, note: note.clone() });
    note
}
