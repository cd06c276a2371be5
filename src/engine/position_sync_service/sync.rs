//! The sync: every 10 s, positions and account, and the fills that could explain a difference.

use std::time::Duration;

use super::reconcile::{self, Fills, differs, reconcile};
use super::{doubt, evidence, rows, view};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::live_order_manager as orders;
use crate::engine::turn::Turn;
use crate::engine::{Request, chores, equity_watch, exits, session_control};
use crate::model::{
    AccountReport, AlertKind, CallClass, CallError, Chore, FillReport, Listing, PositionKey, PositionReport,
    SessionTime, Severity, Symbol,
};

/// How far before the newest known fill the question for fills reaches, so that one that was
/// reordered is not missed; repeated ones are known by their id.
const FILLS_OVERLAP: Duration = Duration::from_mins(10);

/// Asks for positions and account.
pub(in crate::engine) fn sync(turn: &mut Turn) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        doubt::not_read(turn, Chore::SyncPositions, "the circuit breaker of reads is open");
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
    doubt::read(turn, Chore::SyncPositions, result);
    let (list, account) = match result {
        Ok(answer) => answer,
        Err(error) => {
            evidence::not_answered(turn);
            if error.class == crate::model::ErrorClass::AccessRefused {
                session_control::access_refused(turn, error);
            }
            return chores::failed(turn, Chore::SyncPositions, error);
        }
    };
    rows::told(turn, "positions", list, Severity::Critical);
    let again = view::on_list(turn, list, account, asked_at);
    equity_watch::on_account(turn, account);
    let keys = all_keys(turn);
    if again.is_some() || keys.iter().any(|key| differs(turn, key)) {
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
    if let Some(wait) = again {
        // The second list that a proof needs, as soon as it can count.
        view::ask_in(turn, wait);
    }
    exits::on_positions_told(turn);
    too_many(turn);
    session_control::on_synced(turn);
}

/// Asks for the fills since the newest known.
pub(in crate::engine) fn fetch_fills(turn: &mut Turn) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        doubt::not_read(turn, Chore::FetchFills, "the circuit breaker of reads is open");
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
    doubt::read(turn, Chore::FetchFills, result);
    let asked_at = turn.state().upkeep.chore(Chore::FetchFills).asked_at;
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), asked_at);
    match result {
        Ok(fills) => {
            rows::told(turn, "fills", fills, Severity::Warning);
            let mut fills: Vec<&FillReport> = fills.rows.iter().collect();
            fills.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
            for fill in fills {
                orders::apply_fill(turn, fill);
            }
            chores::done(turn, Chore::FetchFills);
        }
        Err(error) => chores::failed(turn, Chore::FetchFills, error),
    }
    let fills = match (result, asked_at) {
        (Err(_), _) => Fills::Failed,
        (Ok(_), Some(asked_at)) => Fills::KnownAt(asked_at),
        (Ok(_), None) => Fills::NotAsked,
    };
    for key in all_keys(turn) {
        reconcile(turn, &key, fills);
    }
    for key in all_keys(turn) {
        ask_when_listed(turn, &key);
    }
    session_control::on_synced(turn);
}

/// What still differs may have fills that the list did not hold yet: asked for again when it must.
fn ask_when_listed(turn: &mut Turn, key: &PositionKey) {
    if !differs(turn, key) {
        return;
    }
    if let Some(at) = reconcile::listed_by(turn, key).filter(|at| *at > turn.now) {
        chores::due_in(turn, Chore::FetchFills, at.since(turn.now));
    }
}

/// Every symbol and leg that is held here or was told of.
pub(super) fn all_keys(turn: &Turn) -> Vec<PositionKey> {
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
