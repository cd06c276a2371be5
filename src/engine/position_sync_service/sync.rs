//! The sync: every 10 s, positions and account, and the fills that could explain a difference.

use std::time::Duration;

use super::evidence;
use super::reconcile::{Fills, differs, reconcile};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::live_order_manager as orders;
use crate::engine::turn::Turn;
use crate::engine::{Request, chores, equity_watch, session_control};
use crate::model::{
    AccountReport, AlertKind, CallClass, CallError, Chore, Contracts, Event, FillReport, Listing, MarginMode,
    PositionKey, PositionReport, SessionTime, Severity, Symbol, VenueView,
};

/// How far before the newest known fill the question for fills reaches, so that one that was
/// reordered is not missed; repeated ones are known by their id.
const FILLS_OVERLAP: Duration = Duration::from_mins(10);

/// Asks for positions and account.
pub(in crate::engine) fn sync(turn: &mut Turn) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        return chores::held_back(turn, Chore::SyncPositions);
    }
    chores::asked(turn, Chore::SyncPositions);
    turn.request(Request::Positions);
}

/// The answer. A failed one changes nothing.
pub(in crate::engine) fn on_positions(
    turn: &mut Turn,
    asked_at: SessionTime,
    result: &Result<(Listing<PositionReport>, AccountReport), CallError>,
) {
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), Some(asked_at));
    let (list, account) = match result {
        Ok(answer) => answer,
        Err(error) => {
            evidence::not_answered(turn);
            if error.class == crate::model::ErrorClass::AccessRefused {
                session_control::access_refused(turn, error);
            }
            return chores::failed_by(turn, Chore::SyncPositions, error);
        }
    };
    remember(turn, &list.rows, asked_at);
    equity_watch::on_account(turn, account);
    let keys = all_keys(turn);
    if keys.iter().any(|key| differs(turn, key)) {
        // Fills that were missed may explain it: asked for first, compared again then.
        chores::soon(turn, Chore::FetchFills);
    }
    for key in &keys {
        if !differs(turn, key) {
            reconcile(turn, key, Fills::NotAsked);
        }
    }
    evidence::ask_again(turn);
    chores::done(turn, Chore::SyncPositions);
    too_many(turn);
    session_control::on_synced(turn);
}

/// Asks for the fills since the newest known.
pub(in crate::engine) fn fetch_fills(turn: &mut Turn) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        return chores::held_back(turn, Chore::FetchFills);
    }
    let symbols = symbols_in_use(turn);
    if symbols.is_empty() {
        return chores::done(turn, Chore::FetchFills);
    }
    let state = turn.state();
    let started = || turn.clock().surely_before(state.info.as_ref().map_or(turn.now, |info| info.started_at));
    let since = state.orders.last_fill_at().map_or_else(started, |last| last.minus(FILLS_OVERLAP));
    let since = since.max(state.orders.fills_from());
    chores::asked(turn, Chore::FetchFills);
    turn.request(Request::FillsSince { symbols, since });
}

/// The fills came: applied, and what still differs is now the exchange's truth.
pub(in crate::engine) fn on_fills(turn: &mut Turn, result: &Result<Listing<FillReport>, CallError>) {
    let asked_at = turn.state().upkeep.chore(Chore::FetchFills).asked_at;
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), asked_at);
    match result {
        Ok(fills) => {
            let mut fills: Vec<&FillReport> = fills.rows.iter().collect();
            fills.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
            for fill in fills {
                orders::apply_fill(turn, fill);
            }
            chores::done(turn, Chore::FetchFills);
        }
        Err(error) => chores::failed_by(turn, Chore::FetchFills, error),
    }
    let fills = match (result, asked_at) {
        (Err(_), _) => Fills::Failed,
        (Ok(_), Some(asked_at)) => Fills::KnownAt(asked_at),
        (Ok(_), None) => Fills::NotAsked,
    };
    for key in all_keys(turn) {
        reconcile(turn, &key, fills);
    }
    session_control::on_synced(turn);
}

/// Keeps the exchange's view: of each position told, and "none" of each that a good snapshot does
/// not list.
fn remember(turn: &mut Turn, reports: &[PositionReport], asked_at: SessionTime) {
    for report in reports {
        turn.emit(Event::VenuePositionSeen { view: Box::new(VenueView { report: report.clone(), as_of: asked_at }) });
    }
    let listed = |key: &PositionKey| reports.iter().any(|report| report.key == *key && report.contracts.is_positive());
    for key in all_keys(turn) {
        if listed(&key) {
            continue;
        }
        let known = turn.state().venue_positions.get(&key).map(|view| view.report.clone());
        let report = known.map(ended).or_else(|| absent(turn, &key));
        if let Some(report) = report {
            turn.emit(Event::VenuePositionSeen { view: Box::new(VenueView { report, as_of: asked_at }) });
        }
    }
}

/// A position that a good snapshot does not list any more: what was pushed of it before is over.
fn ended(known: PositionReport) -> PositionReport {
    let over = known.contracts.is_positive() && known.version > 0;
    PositionReport { contracts: Contracts::ZERO, version: known.version.saturating_add(u64::from(over)), ..known }
}

/// A report of nothing, for a position that the exchange has never told of.
fn absent(turn: &Turn, key: &PositionKey) -> Option<PositionReport> {
    let position = turn.state().positions.get(key)?;
    let venue_id = match &position.venue_id {
        Some(id) => id.clone(),
        None => crate::model::VenuePositionId::new("none").ok()?,
    };
    Some(PositionReport {
        venue_id,
        key: key.clone(),
        margin_mode: MarginMode::Isolated,
        contracts: Contracts::ZERO,
        frozen: None,
        taken_over: false,
        entry_price: None,
        margin: None,
        liquidation_price: None,
        leverage: None,
        funding: None,
        realised: None,
        version: 0,
        updated_at: turn.venue_now(),
    })
}

/// Every symbol and leg that is held here or was told of.
fn all_keys(turn: &Turn) -> Vec<PositionKey> {
    let held = turn.state().positions.open().map(|position| position.key.clone());
    let told = turn.state().venue_positions.keys().cloned();
    held.chain(told).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn symbols_in_use(turn: &Turn) -> Vec<Symbol> {
    let positions = turn.state().positions.open().map(|position| position.key.symbol.clone());
    let told = turn.state().venue_positions.values().filter(|view| view.report.contracts.is_positive());
    let told = told.map(|view| view.report.key.symbol.clone());
    let working = turn.state().orders.working().map(|order| order.symbol.clone());
    positions.chain(told).chain(working).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// More positions than are meant to be followed are followed all the same: exposure is never
/// dropped. It is said, and entries stop at the limit.
fn too_many(turn: &mut Turn) {
    let (open, limit) = (turn.state().positions.open_count(), turn.settings.positions.max_positions);
    if open > limit {
        let message = format!("{open} positions are open, more than the {limit} that positions.max_positions allows");
        raise(turn, NewAlert::holds(AlertKind::TooManyPositions, "session", Severity::Critical, message));
    } else {
        clear(turn, AlertKind::TooManyPositions, "session");
    }
}
