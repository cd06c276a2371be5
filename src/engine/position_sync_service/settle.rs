//! What follows from a fill for its position: opened, changed, closed, and by whom.

use std::time::Duration;

use super::reconcile::{Fills, differs, reconcile, told_margin_mode};
use super::{evidence, view};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::turn::Turn;
use crate::model::{
    AlertKind, Category, CloseCause, Contracts, Effect, Event, FillReport, LiquidationWatch, Order, OrderNo, Origin,
    Position, PositionId, PositionKey, Price, Qty, Severity, Side, Usdt, VenueFigures, VenueTime,
};

/// How soon the exchange's word on a position is asked for, of which the fills left nothing.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

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
        if ends_with(turn, &position, report) {
            conclude(turn, &position);
        } else {
            view::ask_in(turn, SETTLED_WITHIN);
        }
    } else if !differs(turn, key) {
        // The exchange may have told its figures for this size before the fill itself.
        reconcile(turn, key, Fills::NotAsked);
    }
}

/// Whether a position has ended with a fill that left nothing of it. Not while the exchange's own word
/// on its end is on its way, or says that more is held; nor while fills closed more than fills opened,
/// because then one is missing.
fn ends_with(turn: &Turn, position: &Position, report: &FillReport) -> bool {
    let told = turn.state().venue_positions.get(&position.key);
    let told_over = told.is_some_and(|view| view.report.contracts.is_zero() && view.report.updated_at >= report.at);
    if told_over {
        return true;
    }
    let later = told.is_some_and(|view| view.report.contracts.is_positive() && view.report.updated_at > report.at);
    let missing = turn.state().positions.left_by_fills(position.id);
    missing.is_zero() && !later && !view::end_is_awaited(turn, &position.key)
}

/// Ends a position of which the fills left nothing: by whom, the last fill says.
pub(in crate::engine) fn conclude(turn: &mut Turn, position: &Position) {
    let last = turn.state().positions.last_close(position.id);
    let cause = match last {
        Some(last) => match (last.own, last.category) {
            (_, Category::Liquidation | Category::CustodyClose) => CloseCause::Liquidated,
            (_, Category::Adl) => CloseCause::Adl,
            (true, _) => CloseCause::OwnExit,
            (false, _) if closed_by_own_stop(position, last.price) => CloseCause::OwnExit,
            (false, _) => CloseCause::Outside,
        },
        None => CloseCause::Outside,
    };
    position_closed(turn, position, cause, last.map(|last| last.price), 0);
}

/// Whether a fill that opens begins another position than this one, of which nothing is left: it
/// happened after the last that closed, and nobody says that more was held.
pub(in crate::engine) fn begins_anew(turn: &Turn, position: &Position, report: &FillReport) -> bool {
    let state = turn.state();
    let held_more = state.venue_positions.get(&position.key).is_some_and(|view| {
        let last = state.positions.last_fill_at(position.id);
        view.report.contracts.is_positive() && last.is_some_and(|last| view.report.updated_at >= last)
    });
    position.contracts.is_zero()
        && state.positions.left_by_fills(position.id).is_zero()
        && state.positions.last_close(position.id).is_some_and(|last| last.at < report.at)
        && !held_more
}

/// The ended position that a fill belongs to: it happened before the exchange's word on that end, or it
/// is one that was missing there.
pub(in crate::engine) fn ended_epoch_of(
    turn: &Turn,
    key: &PositionKey,
    own: bool,
    report: &FillReport,
) -> Option<PositionId> {
    let state = turn.state();
    let closed = state.positions.last_closed(key)?;
    let left = state.positions.left_by_fills(closed.id);
    let told = state.venue_positions.get(key).filter(|view| view.report.contracts.is_zero() && !view.listed);
    let belongs = match report.intent.effect {
        Effect::Open => {
            let missing = left < Contracts::ZERO && closed.last_fill_at.is_some_and(|last| report.at <= last);
            missing || told.is_some_and(|view| view.report.updated_at > report.at)
        }
        Effect::Close => {
            let before = own && told.is_some_and(|view| view.report.updated_at >= report.at);
            closed.is_unseen() || left.is_positive() || before
        }
    };
    belongs.then_some(closed.id)
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
        // Its end has its name already. A take-over before a reduction by auto-deleveraging has none.
        Some(closed) if closed.cause == CloseCause::Liquidated => {}
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
    let own = turn.state().positions.taken_over(position.id);
    let lost = own.as_ref().and_then(|own| own.realised);
    let shown_lost = lost.map_or_else(|| "?".to_owned(), |lost| lost.0.round_dp(2).to_string());
    let message = if position.contracts.is_positive() {
        format!("{} {taken} taken over @ {}, result of it {shown_lost} USDT, {left} left", position.key, report.price)
    } else {
        let all = own.as_ref().map_or_else(|| taken.clone(), |own| own.quantity.to_string());
        let price = own.as_ref().and_then(|own| own.price).unwrap_or(report.price);
        format!(
            "{} {all} taken over @ {price}, result of it {shown_lost} USDT, of the whole position {} USDT",
            position.key,
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
        .maybe("realised", lost)
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
