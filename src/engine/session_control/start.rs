//! The start: asks the exchange what is true before anything that opens exposure may leave.

use std::time::Duration;

use crate::engine::alerting::{NewAlert, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::turn::Turn;
use crate::engine::{Request, chores, live_order_manager as orders, position_sync_service as positions, unanswered};
use crate::model::{
    AlertKind, CallClass, CallError, Chore, ContractSpec, ErrorClass, Event, Identity, Order, Phase, PositionMode,
    SessionInfo, SessionTime, Severity,
};

/// Facts may lie so far ahead of the present clock before the state is brought back.
const CLOCK_AHEAD: Duration = Duration::from_secs(1);

/// The program started, on a new session or a recovered one.
pub(in crate::engine) fn on_start(turn: &mut Turn, info: &SessionInfo, note: Option<&str>) {
    let recovered = turn.state().info.as_ref().map(|known| known.starts);
    let last_fact = last_fact(turn);
    match recovered {
        None => {
            // Whose key it is, only the exchange can say.
            let mut info = info.clone();
            info.identity = info.identity.map(|identity| Identity { account: None, ..identity });
            turn.emit(Event::SessionStarted { info: Box::new(info) });
        }
        Some(starts) => {
            turn.emit(Event::SessionResumed {
                starts: starts.saturating_add(1),
                exchange: info.exchange.clone(),
                incarnation: info.incarnation.clone(),
            });
        }
    }
    if let Some(identity) = &info.identity {
        turn.emit(Event::IdentityOffered { identity: Box::new(identity.clone()) });
    }
    if let Some(latest) = turn.state().latest().filter(|latest| *latest > turn.now.plus(CLOCK_AHEAD)) {
        turn.emit(Event::ClockSetBack { from: latest });
        let what = format!(
            "the last facts were stamped with times up to {latest}, which have not come yet: the clock of this machine \
             was ahead then, or is behind now. The session goes on by the present clock; facts are ordered by number"
        );
        raise(turn, NewAlert::happened(AlertKind::Recovered, "clock", Severity::Warning, &what));
    }
    turn.emit(Event::PhaseChanged { phase: Phase::Starting, reason: "asking the exchange what is open".to_owned() });
    if let Some(note) = note {
        raise(turn, NewAlert::happened(AlertKind::Recovered, "journal", Severity::Warning, note));
    }
    circuit_breaker::forget_reads(turn);
    if recovered.is_some() {
        orders::restart(turn, last_fact);
    }
    super::commands::restart(turn);
    for chore in chores::ASKED_AT_START.into_iter().chain([Chore::Cleanup]) {
        chores::soon(turn, chore);
    }
}

/// The time of the newest fact that is known: of a snapshot, its orders tell.
fn last_fact(turn: &Turn) -> SessionTime {
    let state = turn.state();
    let orders = state.orders.all(None).map(|order: &Order| order.updated_at).max();
    let began = state.info.as_ref().map(|info| info.started_at);
    orders.into_iter().chain(began).chain(state.equity.told_at).max().unwrap_or_default().max(state.now)
}

/// The start found something that a person must know.
pub(in crate::engine) fn on_found(turn: &mut Turn, subject: &str, severity: Severity, what: &str) {
    raise(turn, NewAlert::happened(AlertKind::Recovered, subject, severity, what));
}

/// Asks what the start needs.
pub(in crate::engine) fn ask(turn: &mut Turn, chore: Chore) {
    // No exit gets through in the wrong mode.
    let for_an_exit = chore == Chore::PositionMode && !turn.state().targets.is_empty();
    if matches!(circuit_breaker::admit_read(turn, for_an_exit), Admission::HeldBack { .. }) {
        unanswered::not_read(turn, chore, unanswered::HELD_BACK);
        return chores::held_back(turn, chore);
    }
    chores::asked(turn, chore);
    turn.request(if chore == Chore::Contracts { Request::Contracts } else { Request::PositionMode });
}

/// Contract details came.
pub(in crate::engine) fn on_contracts(turn: &mut Turn, result: &Result<Vec<ContractSpec>, CallError>) {
    let left_at = turn.state().upkeep.chore(Chore::Contracts).asked_at;
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), left_at);
    unanswered::read(turn, Chore::Contracts, result);
    match result {
        Ok(specs) => {
            for spec in specs {
                if turn.state().contracts.get(&spec.symbol) != Some(spec) {
                    turn.emit(Event::ContractLearned { spec: Box::new(spec.clone()) });
                }
            }
            chores::done(turn, Chore::Contracts);
            ready_when_known(turn);
        }
        Err(error) => refused(turn, Chore::Contracts, error),
    }
}

/// The position mode came.
pub(in crate::engine) fn on_position_mode(turn: &mut Turn, result: &Result<PositionMode, CallError>) {
    let left_at = turn.state().upkeep.chore(Chore::PositionMode).asked_at;
    circuit_breaker::count_since(turn, CallClass::Reads, result.as_ref().err(), left_at);
    unanswered::read(turn, Chore::PositionMode, result);
    match result {
        Ok(mode) => {
            if turn.state().position_mode != Some(*mode) {
                turn.emit(Event::PositionModeLearned { mode: *mode });
            }
            chores::done(turn, Chore::PositionMode);
            ready_when_known(turn);
        }
        Err(error) => refused(turn, Chore::PositionMode, error),
    }
}

/// A sync or the fills came.
pub(in crate::engine) fn on_synced(turn: &mut Turn) {
    ready_when_known(turn);
}

/// The session is ready when contracts, mode, positions and fills were told since the start: positions are known
/// and exits may leave. The list of open orders is waited for a moment; entries wait until it came. What became of
/// orders that were in flight follows; until it is proven nothing opens in their contracts.
pub(super) fn ready_when_known(turn: &mut Turn) {
    if chores::start_is_over_at(turn.state()).is_some_and(|at| at <= turn.now) {
        let state = turn.state();
        let unknown = state.orders.unknown().count();
        let mut reason = format!(
            "{} contracts, {} positions, {} working orders",
            state.contracts.len(),
            state.positions.open_count(),
            state.orders.working_count()
        );
        let more = state.venue_positions.keys().filter(|key| positions::is_unclaimed(turn, key)).count();
        if more > 0 {
            reason.push_str(&format!(", {more} more positions at the exchange that are looked at still"));
        }
        if unknown > 0 {
            reason.push_str(&format!(", {unknown} of them UNKNOWN and asked for"));
        }
        if !chores::is_told(state, Chore::PollOrders) {
            reason.push_str("; the list of open orders is being read, entries wait for it");
        }
        turn.emit(Event::PhaseChanged { phase: Phase::Ready, reason });
    }
}

fn refused(turn: &mut Turn, chore: Chore, error: &CallError) {
    chores::failed(turn, chore, error);
    if error.class == ErrorClass::AccessRefused {
        orders::access_refused(turn, error);
    }
}
