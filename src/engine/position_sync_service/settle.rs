//! What follows from a fill for its position: opened, changed, closed, and by whom.

use super::evidence;
use super::reconcile::{Fills, differs, reconcile, told_margin_mode};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::turn::Turn;
use crate::model::{
    AlertKind, Category, CloseCause, Contracts, Effect, Event, FillReport, LiquidationWatch, Order, OrderNo, Origin,
    Position, PositionId, PositionKey, Price, Qty, Severity, Side, Usdt, VenueFigures, VenueTime,
};

/// Begins a position, empty, for the fill that opens it.
pub(in crate::engine) fn open_empty(turn: &mut Turn, key: &PositionKey, order: Option<&Order>) -> PositionId {
    let id = turn.state().positions.next_id();
    let position = Position {
        id,
        key: key.clone(),
        venue_id: None,
        origin: if order.is_some() { Origin::Own } else { Origin::Outside },
        margin_mode: told_margin_mode(turn, key).unwrap_or_else(|| turn.settings.margin_mode()),
        contracts: Contracts::ZERO,
        quantity: Qty::ZERO,
        entry_price: None,
        venue: VenueFigures::default(),
        realised: Usdt::ZERO,
        fees: Usdt::ZERO,
        stop_loss: order.and_then(|order| order.stop_loss),
        take_profit: order.and_then(|order| order.take_profit),
        settled_to: VenueTime::ZERO,
        venue_version: 0,
        opened_at: turn.now,
        touched_at: turn.now,
        synced_at: None,
        watch: LiquidationWatch::default(),
    };
    turn.emit(Event::PositionOpened { position: Box::new(position) });
    id
}

/// A fill was applied to a position: names who did it when it was not us, and closes what is empty.
pub(in crate::engine) fn after_fill(
    turn: &mut Turn,
    key: &PositionKey,
    order: Option<&Order>,
    report: &FillReport,
    contracts: Contracts,
) {
    let Some(position) = turn.state().positions.get(key).cloned() else { return };
    match (order, report.category, report.intent.effect) {
        (_, Category::Liquidation | Category::CustodyClose, _) => liquidated(turn, &position, report, contracts),
        (_, Category::Adl, _) => deleveraged(turn, &position, report),
        (None, _, Effect::Close) if closed_by_own_stop(&position, report.price) => {}
        (None, _, Effect::Close) => {
            let message =
                format!("{key}: {} was closed outside this session at {}", shown(turn, key, contracts), report.price);
            let alert = NewAlert::happened(AlertKind::PositionClosedOutside, position.id, Severity::Warning, message);
            raise(turn, alert.position(&position).detail("fill_id", &report.id));
        }
        (None, _, Effect::Open) => {
            let message =
                format!("{key}: {} was opened outside this session at {}", shown(turn, key, contracts), report.price);
            let alert = NewAlert::happened(AlertKind::PositionOpenedOutside, position.id, Severity::Warning, message);
            raise(turn, alert.position(&position).detail("fill_id", &report.id));
        }
        (Some(_), ..) => {}
    }
    if !position.contracts.is_positive() {
        let cause = match (order, report.category) {
            (_, Category::Liquidation | Category::CustodyClose) => CloseCause::Liquidated,
            (_, Category::Adl) => CloseCause::Adl,
            (Some(_), _) => CloseCause::OwnExit,
            (None, _) if closed_by_own_stop(&position, report.price) => CloseCause::OwnExit,
            (None, _) => CloseCause::Outside,
        };
        position_closed(turn, &position, cause, Some(report.price), 0);
    } else if !differs(turn, key) {
        // The exchange may have told its figures for this size before the fill itself.
        reconcile(turn, key, Fills::NotAsked);
    }
}

/// A fill of an order of ours was applied: an exit that was sized for more than is left has nothing
/// to close any more; the exchange ends it. Nothing to do but let commands move on.
pub(in crate::engine) fn after_own_fill(turn: &mut Turn, no: OrderNo) {
    if turn.state().orders.get(no).is_some_and(|order| !order.is_working()) {
        turn.order_ended = true;
    }
}

/// A fill was told after its position had gone, or of one that was never known.
pub(in crate::engine) fn after_late_fill(
    turn: &mut Turn,
    key: &PositionKey,
    report: &FillReport,
    contracts: Contracts,
) {
    if !matches!(report.category, Category::Liquidation | Category::CustodyClose | Category::Adl) {
        return;
    }
    match turn.state().positions.last_closed(key).cloned() {
        Some(closed) if matches!(closed.cause, CloseCause::Outside | CloseCause::Unexplained) => {
            evidence::explain_by_fill(turn, &closed, report);
        }
        // Its end has its name already.
        Some(closed) if matches!(closed.cause, CloseCause::Liquidated | CloseCause::Adl) => {}
        _ if report.category == Category::Adl => {}
        _ => {
            let taken = shown(turn, key, contracts);
            let message = format!("{key} {taken} taken over @ {}, not known here before", report.price);
            let alert = NewAlert::happened(AlertKind::LiquidationDetected, key, Severity::Critical, message);
            raise(turn, alert.symbol(&key.symbol).detail("side", key.side).detail("fill_id", &report.id));
        }
    }
}

/// Whether a close that carries no id of ours is the stop-loss or take-profit that went with our
/// entry: the exchange makes that order itself. Beyond such a price nothing else closes first.
fn closed_by_own_stop(position: &Position, price: Price) -> bool {
    let (stopped, taken) = match position.key.side {
        Side::Long => (position.stop_loss.map(|stop| price <= stop), position.take_profit.map(|take| price >= take)),
        Side::Short => (position.stop_loss.map(|stop| price >= stop), position.take_profit.map(|take| price <= take)),
    };
    stopped.unwrap_or(false) || taken.unwrap_or(false)
}

/// Ends a position here.
pub(super) fn position_closed(
    turn: &mut Turn,
    position: &Position,
    cause: CloseCause,
    exit_price: Option<Price>,
    evidence_syncs: u32,
) {
    turn.emit(Event::PositionClosed { id: position.id, cause, exit_price, evidence_syncs });
    clear(turn, AlertKind::MarginRatioLow, position.id);
    clear(turn, AlertKind::LiquidationNear, position.id);
    turn.order_ended = true;
}

/// The one CRITICAL of a liquidation: however many fills it has, and however often it is told.
fn liquidated(turn: &mut Turn, position: &Position, report: &FillReport, contracts: Contracts) {
    let taken = shown(turn, &position.key, contracts);
    let left = position.quantity;
    let message = if position.contracts.is_positive() {
        format!("{} {taken} taken over @ {}, {left} left", position.key, report.price)
    } else {
        format!(
            "{} {taken} taken over @ {}, result {} USDT",
            position.key,
            report.price,
            position.realised.0.round_dp(2)
        )
    };
    let alert = NewAlert::happened(AlertKind::LiquidationDetected, position.id, Severity::Critical, message)
        .position(position)
        // What was taken; the position itself is smaller by it, or gone.
        .detail("quantity", &taken)
        .detail("evidence", "deal of category 2 (system take-over)")
        .detail("fill_id", &report.id)
        .maybe("venue_order_id", report.venue_order.as_ref())
        .detail("price", report.price)
        .maybe("last_price", turn.mark(&position.key.symbol));
    raise(turn, alert);
}

fn deleveraged(turn: &mut Turn, position: &Position, report: &FillReport) {
    let message =
        format!("{} was reduced by auto-deleveraging @ {}, {} left", position.key, report.price, position.quantity);
    let alert = NewAlert::happened(AlertKind::AdlReduced, position.id, Severity::Warning, message)
        .position(position)
        .detail("evidence", "deal of category 4 (ADL)")
        .detail("fill_id", &report.id);
    raise(turn, alert);
}

fn shown(turn: &Turn, key: &PositionKey, contracts: Contracts) -> String {
    match turn.state().contracts.get(&key.symbol) {
        Some(spec) => spec.quantity(contracts).to_string(),
        None => format!("{contracts} contracts"),
    }
}
