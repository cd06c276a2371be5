//! The sync: every 10 s, positions and account, and the fills that could explain a difference.

use std::time::Duration;

use super::reconcile::{self, Fills, differs, reconcile};
use super::{evidence, rows, view};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::live_order_manager as orders;
use crate::engine::turn::Turn;
use crate::engine::{Request, chores, equity_watch, exits, session_control, unanswered};
use crate::model::{
    AccountReport, AlertKind, CallClass, CallError, Chore, ErrorClass, FillReport, Listing, PositionKey,
    PositionReport, SessionTime, Severity, Symbol,
};

/// How far before the newest known fill the question for fills reaches, so that one that was
/// reordered is not missed; repeated ones are known by their id.
const FILLS_OVERLAP: Duration = Duration::from_mins(10);

/// Asks for positions and account.
pub(in crate::engine) fn sync(turn: &mut Turn) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        unanswered::not_read(turn, Chore::SyncPositions, unanswered::HELD_BACK);
        return chores::held_back(turn, Chore::SyncPositions);
    }
    chores::asked(turn, Chore::SyncPositions);
    turn.request(Request::Positions);
}

/// The answer. A failed one changes nothing, and the account's failure is no failure of the positions.
pub(in crate::engine) fn on_positions(
    turn: &mut Turn,
    asked_at: SessionTime,
    result: &Result<Listing<PositionReport>, CallError>,
    account: &Result<Listing<AccountReport>, CallError>,
) {
    // Of the positions alone: an account that fails for ever must not keep them from being asked for.
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), Some(asked_at));
    let refused = |error: &&CallError| error.class == ErrorClass::AccessRefused;
    if let Some(error) = result.as_ref().err().or(account.as_ref().err()).filter(refused) {
        session_control::access_refused(turn, error);
    }
    unanswered::read(turn, Chore::SyncPositions, result);
    let balances = balances(turn, account);
    let list = match result {
        Ok(list) => list,
        Err(error) => {
            if let Some(account) = balances {
                equity_watch::on_account(turn, account);
            }
            evidence::not_answered(turn);
            return chores::failed(turn, Chore::SyncPositions, error);
        }
    };
    rows::told(turn, "positions", list, Severity::Critical);
    let again = view::on_list(turn, list, balances, asked_at);
    if let Some(account) = balances {
        equity_watch::on_account(turn, account);
    }
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
    chores::answered(turn, Chore::SyncPositions, asked_at);
    if let Some(wait) = again {
        // The second list that a proof needs, as soon as it can count.
        view::ask_in(turn, wait);
    }
    exits::on_positions_told(turn);
    too_many(turn);
    session_control::on_synced(turn);
}

/// The account beside the positions: its one row, when it was answered and can be read. That it was not is
/// told like a list that fails, and in the end nothing is known of it.
fn balances<'a>(turn: &mut Turn, account: &'a Result<Listing<AccountReport>, CallError>) -> Option<&'a AccountReport> {
    let list = match account {
        Ok(list) => list,
        Err(error) => {
            unanswered::not_read(turn, Chore::ReadAccount, &error.message);
            equity_watch::not_told(turn, &error.message);
            return None;
        }
    };
    rows::told(turn, "balances", list, Severity::Critical);
    let told = list.rows.first();
    if told.is_some() {
        unanswered::read(turn, Chore::ReadAccount, account);
    } else {
        let why = list.unreadable.first().map_or("the answer holds no balances", |row| &row.why);
        unanswered::not_read(turn, Chore::ReadAccount, why);
        equity_watch::not_told(turn, why);
    }
    told
}

/// Asks for the fills since the newest known.
pub(in crate::engine) fn fetch_fills(turn: &mut Turn) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        unanswered::not_read(turn, Chore::FetchFills, unanswered::HELD_BACK);
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
pub(in crate::engine) fn on_fills(
    turn: &mut Turn,
    asked_at: SessionTime,
    result: &Result<Listing<FillReport>, CallError>,
) {
    unanswered::read(turn, Chore::FetchFills, result);
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), Some(asked_at));
    match result {
        Ok(fills) => {
            rows::told(turn, "fills", fills, Severity::Warning);
            let mut fills: Vec<&FillReport> = fills.rows.iter().collect();
            fills.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
            for fill in fills {
                orders::apply_fill(turn, fill);
            }
            chores::answered(turn, Chore::FetchFills, asked_at);
        }
        Err(error) => chores::failed(turn, Chore::FetchFills, error),
    }
    let fills = if result.is_ok() { Fills::KnownAt(asked_at) } else { Fills::Failed };
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
