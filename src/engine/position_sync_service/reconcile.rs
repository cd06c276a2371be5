//! Comparing a position with the exchange's view of it.

use super::evidence::search;
use super::settle::position_closed;
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::turn::Turn;
use crate::engine::{chores, liquidation_watch};
use crate::model::{
    AlertKind, Chore, CloseCause, Contracts, Event, LiquidationWatch, MarginMode, OrderState, Origin, Position,
    PositionKey, PositionReport, Qty, Severity, Timestamp, Usdt, VenueFigures, VenueView,
};

/// A push about a position: kept, and compared at once. A difference is left to the fills that come
/// with it; if they do not come, they are fetched.
pub(in crate::engine) fn on_position_report(turn: &mut Turn, report: &PositionReport) {
    let newer = |view: &VenueView| view.report.venue_id == report.venue_id && view.report.version > report.version;
    if report.version > 0 && turn.state().venue_positions.get(&report.key).is_some_and(newer) {
        return;
    }
    turn.emit(Event::VenuePositionSeen { view: Box::new(VenueView { report: report.clone(), as_of: turn.now }) });
    if differs(turn, &report.key) {
        chores::due_in(turn, Chore::FetchFills, turn.settings.positions.stable_window);
    } else {
        reconcile(turn, &report.key, false);
    }
}

/// Whether the exchange's view and ours are of different size.
pub(super) fn differs(turn: &Turn, key: &PositionKey) -> bool {
    let held = turn.state().positions.get(key).map_or(Contracts::ZERO, |position| position.contracts);
    turn.state().venue_positions.get(key).is_some_and(|view| view.report.contracts != held)
}

/// Takes the exchange's figures where sizes agree; where they differ and fills were asked for in
/// vain (`fills_known`), takes its size too.
pub(super) fn reconcile(turn: &mut Turn, key: &PositionKey, fills_known: bool) {
    let Some(view) = turn.state().venue_positions.get(key).cloned() else { return };
    let position = turn.state().positions.get(key).cloned();
    match position {
        // A change of ours after the question left is not in the answer.
        Some(position) if position.touched_at >= view.as_of && differs(turn, key) => {}
        Some(position) if position.contracts == view.report.contracts => take_figures(turn, &position, &view.report),
        Some(_) if on_its_way(turn, key) => {}
        Some(position) if view.report.contracts.is_zero() => {
            if is_stable(turn, &position, view.as_of) {
                vanished(turn, &position);
            }
        }
        Some(position) => {
            if fills_known && is_stable(turn, &position, view.as_of) {
                adjust(turn, &position, &view.report);
            }
        }
        None if view.report.contracts.is_zero() || !fills_known || on_its_way(turn, key) => {}
        None => adopt(turn, &view.report),
    }
}

/// Whether an own order or its fills, still on their way, can explain a difference.
fn on_its_way(turn: &Turn, key: &PositionKey) -> bool {
    turn.state().orders.working().any(|order| {
        order.position_key() == *key
            && (matches!(order.state, OrderState::Submitting | OrderState::Unknown) || order.has_unsettled_fills())
    })
}

fn is_stable(turn: &Turn, position: &Position, as_of: Timestamp) -> bool {
    position.touched_at.plus(turn.settings.positions.stable_window) <= as_of.max(turn.now)
}

/// Sizes agree: margin, liquidation price and the rest are of this size.
pub(super) fn take_figures(turn: &mut Turn, position: &Position, report: &PositionReport) {
    if report.version > 0
        && report.version < position.venue_version
        && position.venue_id.as_ref() == Some(&report.venue_id)
    {
        return;
    }
    let figures = figures(report);
    let mark = turn.mark(&position.key.symbol);
    let mut known = position.clone();
    known.venue = figures.clone();
    let spec = turn.state().contracts.get(&position.key.symbol);
    let margin_ratio_pct = mark.zip(spec).and_then(|(mark, spec)| known.margin_ratio_pct(spec, mark));
    turn.emit(Event::PositionSnapshot {
        id: position.id,
        venue_id: report.venue_id.clone(),
        figures,
        version: report.version,
        mark,
        unrealised: mark.and_then(|mark| known.unrealised(mark)),
        margin_ratio_pct,
    });
    liquidation_watch::on_figures(turn, position.id);
}

fn figures(report: &PositionReport) -> VenueFigures {
    VenueFigures {
        margin: report.margin,
        liquidation_price: report.liquidation_price.filter(|price| price.is_positive()),
        leverage: report.leverage,
        funding: report.funding,
    }
}

/// Another size at the exchange, and no fill says why.
fn adjust(turn: &mut Turn, position: &Position, report: &PositionReport) {
    let Some(quantity) = quantity(turn, report) else { return };
    let reason = format!("the exchange holds {quantity}, here were {}, and no fill explains it", position.quantity);
    let message = format!("{}: {reason}", position.key);
    let grown = report.contracts > position.contracts;
    turn.emit(Event::PositionAdjusted {
        id: position.id,
        contracts: report.contracts,
        quantity,
        entry_price: report.entry_price.or(position.entry_price),
        settled_to: report.updated_at,
        reason,
    });
    let kind = if grown { AlertKind::PositionOpenedOutside } else { AlertKind::PositionClosedOutside };
    raise(turn, NewAlert::happened(kind, position.id, Severity::Warning, message).position(position));
    if let Some(position) = turn.state().positions.get(&position.key).cloned() {
        take_figures(turn, &position, report);
    }
}

/// A position at the exchange that nothing here explains: it is followed from now on.
fn adopt(turn: &mut Turn, report: &PositionReport) {
    let Some(quantity) = quantity(turn, report) else { return };
    let position = Position {
        id: turn.state().positions.next_id(),
        key: report.key.clone(),
        venue_id: Some(report.venue_id.clone()),
        origin: Origin::Outside,
        margin_mode: report.margin_mode,
        contracts: report.contracts,
        quantity,
        entry_price: report.entry_price,
        venue: VenueFigures::default(),
        realised: Usdt::ZERO,
        fees: Usdt::ZERO,
        stop_loss: None,
        take_profit: None,
        settled_to: report.updated_at,
        venue_version: 0,
        opened_at: turn.now,
        touched_at: turn.now,
        synced_at: None,
        watch: LiquidationWatch::default(),
    };
    let message = format!("{} {quantity} was opened outside this session and is followed now", report.key);
    let alert = NewAlert::happened(AlertKind::PositionOpenedOutside, position.id, Severity::Warning, message)
        .position(&position);
    turn.emit(Event::PositionOpened { position: Box::new(position.clone()) });
    raise(turn, alert);
    take_figures(turn, &position, report);
}

/// Gone at the exchange, and no fill of ours explains it: closed outside until evidence says more.
fn vanished(turn: &mut Turn, position: &Position) {
    position_closed(turn, position, CloseCause::Outside, None, turn.settings.positions.evidence_syncs);
    let message = format!(
        "{} {} is gone at the exchange and was not closed here; looking for evidence of a liquidation",
        position.key, position.quantity
    );
    let alert = NewAlert::happened(AlertKind::PositionClosedOutside, position.id, Severity::Warning, message)
        .position(position);
    raise(turn, alert);
    search(turn, position.id);
}

fn quantity(turn: &Turn, report: &PositionReport) -> Option<Qty> {
    turn.state().contracts.get(&report.key.symbol).map(|spec| spec.quantity(report.contracts))
}

/// The margin mode that a position of this key has at the exchange.
pub(super) fn told_margin_mode(turn: &Turn, key: &PositionKey) -> Option<MarginMode> {
    turn.state()
        .venue_positions
        .get(key)
        .filter(|view| view.report.contracts.is_positive())
        .map(|view| view.report.margin_mode)
}
