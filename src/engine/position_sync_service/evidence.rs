//! Why a position is gone: a liquidation is called one only with evidence (engine.md 6.2).

use std::time::Duration;

use crate::engine::Request;
use crate::engine::alerting::{NewAlert, upgrade};
use crate::engine::circuit_breaker;
use crate::engine::live_order_manager as orders;
use crate::engine::turn::Turn;
use crate::model::{
    AlertKind, CallClass, CallError, Category, CloseCause, ClosedPosition, Event, Evidence, FillReport, Intent,
    OrderReport, PositionId, PositionKey, Price, Severity,
};

/// How long before the end was noticed its evidence may lie.
const LOOK_BACK: Duration = Duration::from_mins(15);

/// How far the exchange may stamp what ended a position before what we heard of its opening.
const STAMPS_BACK: Duration = Duration::from_secs(5);

/// Asks the exchange for evidence about a closed position.
pub(super) fn search(turn: &mut Turn, id: PositionId) {
    let Some(closed) = turn.state().positions.closed_by_id(id) else { return };
    let clock = turn.clock();
    let since = clock.surely_before(closed.closed_at.minus(LOOK_BACK).max(closed.opened_at)).minus(STAMPS_BACK);
    let key = closed.key.clone();
    turn.request(Request::Evidence { id, key, since });
}

/// At each sync: asks again for those that are not yet explained.
pub(super) fn ask_again(turn: &mut Turn) {
    for id in unexplained(turn) {
        search(turn, id);
    }
}

/// The sync itself was not answered: one chance less.
pub(super) fn not_answered(turn: &mut Turn) {
    for id in unexplained(turn) {
        one_less(turn, id, false);
    }
}

/// What the exchange found.
pub(in crate::engine) fn on_evidence(turn: &mut Turn, id: PositionId, result: &Result<Evidence, CallError>) {
    circuit_breaker::count(turn, CallClass::Reads, result.as_ref().err());
    let Some(closed) = turn.state().positions.closed_by_id(id).filter(|closed| closed.evidence_syncs_left > 0).cloned()
    else {
        return;
    };
    match result.as_ref().map(|evidence| cause_in(turn, evidence, &closed)) {
        Ok(Some(found)) => {
            explain(turn, &closed, &found);
            // What it cost counts for the day, even if its deals were never pushed.
            for fill in result.iter().flat_map(|evidence| &evidence.fills) {
                if speaks_of(turn, fill, &closed) {
                    orders::apply_fill(turn, fill);
                }
            }
        }
        Ok(None) => one_less(turn, id, true),
        Err(_) => one_less(turn, id, false),
    }
}

/// A push about an order that nobody placed. Its fills say the rest; a position that was found
/// gone before is explained by it at once.
pub(in crate::engine) fn on_system_order(turn: &mut Turn, report: &OrderReport) {
    let key = PositionKey { symbol: report.symbol.clone(), side: report.intent.side };
    let closed = turn
        .state()
        .positions
        .closed()
        .rev()
        .find(|closed| closed.key == key && closed.evidence_syncs_left > 0)
        .cloned();
    if let Some(closed) = closed
        && let Some(found) = found(report)
    {
        explain(turn, &closed, &found);
    }
}

struct Found {
    cause: CloseCause,
    price: Option<Price>,
    what: String,
}

fn found(order: &OrderReport) -> Option<Found> {
    let (cause, name) = match order.category {
        Category::Liquidation | Category::CustodyClose => (CloseCause::Liquidated, "category 2 (system take-over)"),
        Category::Adl => (CloseCause::Adl, "category 4 (ADL)"),
        Category::Normal | Category::Other(_) => return None,
    };
    Some(Found { cause, price: order.average_price, what: format!("order {} of {name}", order.venue_id) })
}

fn cause_in(turn: &Turn, evidence: &Evidence, closed: &ClosedPosition) -> Option<Found> {
    let about =
        |order: &&OrderReport| order.symbol == closed.key.symbol && order.intent == Intent::close(closed.key.side);
    let order = evidence.system_orders.iter().filter(about).find_map(found);
    order.or_else(|| evidence.fills.iter().filter(|fill| speaks_of(turn, fill, closed)).find_map(found_in_fill))
}

/// Whether a deal is of the system's making and closes this leg, in its lifetime. One that was
/// applied before did its part then; it does not explain what went missing later.
fn speaks_of(turn: &Turn, fill: &FillReport, closed: &ClosedPosition) -> bool {
    !turn.state().orders.has_seen_fill(&fill.id, fill.at, None)
        && fill.symbol == closed.key.symbol
        && fill.intent == Intent::close(closed.key.side)
        && fill.at.plus(STAMPS_BACK) >= turn.clock().surely_before(closed.opened_at)
        && found_in_fill(fill).is_some()
}

fn found_in_fill(fill: &FillReport) -> Option<Found> {
    let (cause, name) = match fill.category {
        Category::Liquidation | Category::CustodyClose => (CloseCause::Liquidated, "category 2 (system take-over)"),
        Category::Adl => (CloseCause::Adl, "category 4 (ADL)"),
        Category::Normal | Category::Other(_) => return None,
    };
    Some(Found { cause, price: Some(fill.price), what: format!("deal {} of {name}", fill.id) })
}

/// A deal that says why a position is gone was pushed, or fetched, after all.
pub(super) fn explain_by_fill(turn: &mut Turn, closed: &ClosedPosition, fill: &FillReport) {
    if let Some(found) = found_in_fill(fill) {
        explain(turn, closed, &found);
    }
}

fn explain(turn: &mut Turn, closed: &ClosedPosition, found: &Found) {
    turn.emit(Event::PositionExplained {
        id: closed.id,
        cause: found.cause,
        exit_price: found.price,
        evidence_syncs: 0,
    });
    let at = found.price.map_or_else(|| "?".to_owned(), |price| price.to_string());
    let (kind, severity, message) = match found.cause {
        CloseCause::Liquidated => (
            AlertKind::LiquidationDetected,
            Severity::Critical,
            format!("{} {} taken over @ {at}", closed.key, closed.quantity),
        ),
        _ => (
            AlertKind::AdlReduced,
            Severity::Warning,
            format!("{} {} was closed by auto-deleveraging @ {at}", closed.key, closed.quantity),
        ),
    };
    let alert = NewAlert::happened(kind, closed.id, severity, message)
        .symbol(&closed.key.symbol)
        .position_id(closed.id)
        .detail("side", closed.key.side)
        .detail("quantity", closed.quantity)
        .detail("evidence", &found.what)
        .maybe("entry_price", closed.entry_price)
        .maybe("liquidation_price", closed.liquidation_price);
    upgrade(turn, &[AlertKind::PositionClosedOutside, AlertKind::PositionVanished], alert);
}

/// One search less is left; after the last the cause stays what is known: closed outside when the
/// exchange answered and had no evidence. When it did not answer, the end is unexplained and said
/// to be, and the searches begin anew: they count again once it answers.
fn one_less(turn: &mut Turn, id: PositionId, answered: bool) {
    let Some(closed) = turn.state().positions.closed_by_id(id).cloned() else { return };
    if closed.cause == CloseCause::Unexplained && !answered {
        return;
    }
    let left = closed.evidence_syncs_left.saturating_sub(1);
    if left > 0 || answered {
        let cause = if left == 0 { CloseCause::Outside } else { closed.cause };
        return turn.emit(Event::PositionExplained { id, cause, exit_price: None, evidence_syncs: left });
    }
    let searches = turn.settings.positions.evidence_syncs;
    let cause = CloseCause::Unexplained;
    turn.emit(Event::PositionExplained { id, cause, exit_price: None, evidence_syncs: searches });
    let message = format!("{} {} vanished, cause unknown: the exchange does not answer", closed.key, closed.quantity);
    let alert = NewAlert::happened(AlertKind::PositionVanished, id, Severity::Critical, message)
        .symbol(&closed.key.symbol)
        .position_id(id)
        .detail("side", closed.key.side)
        .detail("quantity", closed.quantity);
    upgrade(turn, &[AlertKind::PositionClosedOutside], alert);
}

fn unexplained(turn: &Turn) -> Vec<PositionId> {
    turn.state().positions.closed().filter(|closed| closed.evidence_syncs_left > 0).map(|closed| closed.id).collect()
}
