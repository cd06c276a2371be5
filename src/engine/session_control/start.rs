//! The start: asks the exchange what is true before anything that opens exposure may leave.

use std::time::Duration;

use crate::engine::alerting::{NewAlert, raise};
use crate::engine::circuit_breaker::{self, Admission};
use crate::engine::turn::Turn;
use crate::engine::{Request, chores, live_order_manager as orders};
use crate::model::{
    AlertKind, CallClass, CallError, Chore, ContractSpec, ErrorClass, Event, OrderState, Phase, PositionMode,
    SessionInfo, Severity,
};

/// Facts may lie so far ahead of the present clock before the state is brought back.
const CLOCK_AHEAD: Duration = Duration::from_secs(1);

/// The program started, on a new session or a recovered one.
pub(in crate::engine) fn on_start(turn: &mut Turn, info: &SessionInfo, note: Option<&str>) {
    let recovered = turn.state().info.as_ref().map(|known| known.starts);
    match recovered {
        None => turn.emit(Event::SessionStarted { info: Box::new(info.clone()) }),
        Some(starts) => {
            turn.emit(Event::SessionResumed { starts: starts.saturating_add(1), exchange: info.exchange.clone() });
        }
    }
    if let Some(identity) = &info.identity
        && turn.state().info.as_ref().is_some_and(|known| known.identity.as_ref() != Some(identity))
    {
        turn.emit(Event::IdentityBound { identity: Box::new(identity.clone()) });
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
    orders::restart(turn);
    super::commands::restart(turn);
    for chore in [
        Chore::Clock,
        Chore::Contracts,
        Chore::PositionMode,
        Chore::PollOrders,
        Chore::SyncPositions,
        Chore::FetchFills,
        Chore::Cleanup,
    ] {
        chores::soon(turn, chore);
    }
}

/// The start found something that a person must know.
pub(in crate::engine) fn on_found(turn: &mut Turn, subject: &str, severity: Severity, what: &str) {
    raise(turn, NewAlert::happened(AlertKind::Recovered, subject, severity, what));
}

/// Asks what the start needs.
pub(in crate::engine) fn ask(turn: &mut Turn, chore: Chore) {
    if matches!(circuit_breaker::admit(turn, CallClass::Reads), Admission::HeldBack { .. }) {
        return chores::held_back(turn, chore);
    }
    chores::asked(turn, chore);
    turn.request(if chore == Chore::Contracts { Request::Contracts } else { Request::PositionMode });
}

/// Contract details came.
pub(in crate::engine) fn on_contracts(turn: &mut Turn, result: &Result<Vec<ContractSpec>, CallError>) {
    circuit_breaker::count(turn, CallClass::Reads, result.as_ref().err());
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
    circuit_breaker::count(turn, CallClass::Reads, result.as_ref().err());
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

/// The session is ready when contracts, mode, open orders, positions and fills were told since the
/// start, and what became of every order in flight is proven.
pub(super) fn ready_when_known(turn: &mut Turn) {
    if turn.state().phase != Phase::Starting || turn.state().info.is_none() {
        return;
    }
    let told = [Chore::Contracts, Chore::PositionMode, Chore::PollOrders, Chore::SyncPositions, Chore::FetchFills]
        .into_iter()
        .all(|chore| turn.state().upkeep.chore(chore).done_at.is_some());
    let proven =
        turn.state().orders.working().all(|order| !matches!(order.state, OrderState::Unknown | OrderState::Submitting));
    if told && proven && !turn.state().contracts.is_empty() {
        let state = turn.state();
        let reason = format!(
            "{} contracts, {} positions, {} working orders",
            state.contracts.len(),
            state.positions.open_count(),
            state.orders.working_count()
        );
        turn.emit(Event::PhaseChanged { phase: Phase::Ready, reason });
    }
}

fn refused(turn: &mut Turn, chore: Chore, error: &CallError) {
    chores::failed(turn, chore);
    if error.class == ErrorClass::AccessRefused {
        orders::access_refused(turn, error);
    }
}
