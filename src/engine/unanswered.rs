//! Questions that are not answered: two intervals without an answer are news, and a person is told what they
//! mean and what to do.

use std::time::Duration;

use super::alerting::{NewAlert, clear, raise};
use super::turn::Turn;
use super::{chores, position_sync_service as positions};
use crate::model::{AlertKey, AlertKind, CallError, Chore, Event, Severity};

/// What is asked for rarely is asked for a reason: it is told after this time at the latest.
const TOLD_AFTER: Duration = Duration::from_secs(120);
/// Why a question did not leave.
pub(super) const HELD_BACK: &str = "the circuit breaker of reads is open";

/// A question was not answered, or was held back.
pub(super) fn not_read(turn: &mut Turn, chore: Chore, error: &str) {
    let known = turn.state().upkeep.unanswered.get(&chore);
    if known.is_none_or(|known| known.error != error) {
        turn.emit(Event::ReadMoved { chore, error: Some(error.to_owned()) });
    }
}

/// Its answer, or the error of it.
pub(super) fn read<T>(turn: &mut Turn, chore: Chore, result: &Result<T, CallError>) {
    match result {
        Ok(_) => {
            if turn.state().upkeep.unanswered.contains_key(&chore) {
                turn.emit(Event::ReadMoved { chore, error: None });
            }
            clear(turn, AlertKind::ReconciliationStale, subject(chore));
        }
        Err(error) => not_read(turn, chore, &error.message),
    }
}

/// Tells what was not answered for too long: what is shown is as old as that.
pub(super) fn watch(turn: &mut Turn) {
    let unanswered = &turn.state().upkeep.unanswered;
    let due: Vec<(Chore, String)> = unanswered
        .iter()
        // Asked for together: where neither is answered, one alert says it.
        .filter(|(chore, _)| **chore != Chore::ReadAccount || !unanswered.contains_key(&Chore::SyncPositions))
        .filter(|(chore, unanswered)| unanswered.since.plus(patience(turn, **chore)) <= turn.now)
        .map(|(chore, unanswered)| (*chore, unanswered.error.clone()))
        .collect();
    for (chore, error) in due {
        let (subject, severity) = (subject(chore), severity(turn, chore));
        let message = message(turn, chore, &error);
        let key = AlertKey { kind: AlertKind::ReconciliationStale, subject: subject.to_owned() };
        let known = turn.state().alerts.active(&key);
        if known.is_none_or(|known| known.message != message || known.severity < severity) {
            raise(turn, NewAlert::holds(AlertKind::ReconciliationStale, subject, severity, message));
        }
    }
}

/// Whether its answer is compared with what is held here.
pub(super) const fn is_compared(chore: Chore) -> bool {
    !matches!(chore, Chore::Clock | Chore::Contracts | Chore::PositionMode)
}

/// What a question asks for.
pub(super) const fn subject(chore: Chore) -> &'static str {
    match chore {
        Chore::SyncPositions => "positions",
        Chore::PollOrders => "orders",
        Chore::FetchFills => "fills",
        Chore::ReadAccount => "balances",
        Chore::Clock => "clock",
        Chore::Contracts => "contract details",
        Chore::PositionMode => "position mode",
        Chore::Cleanup | Chore::RecoverOrders => "other",
    }
}

fn patience(turn: &Turn, chore: Chore) -> Duration {
    if is_compared(chore) {
        return positions::patience(turn);
    }
    chores::interval(turn, chore).map_or(TOLD_AFTER, |every| every.saturating_mul(2).min(TOLD_AFTER))
}

fn severity(turn: &Turn, chore: Chore) -> Severity {
    let state = turn.state();
    let exposed = state.positions.open_count() > 0 || state.orders.working_count() > 0;
    // An earlier answer serves on.
    let known = match chore {
        Chore::Clock => state.upkeep.link.clock.is_some(),
        Chore::Contracts => !state.contracts.is_empty(),
        Chore::PositionMode => state.position_mode.is_some(),
        _ => false,
    };
    if exposed && !known { Severity::Critical } else { Severity::Warning }
}

fn message(turn: &Turn, chore: Chore, error: &str) -> String {
    let (state, secs) = (turn.state(), patience(turn, chore).as_secs());
    let last = |known: bool, then: &str, never: &str| if known { then.to_owned() } else { never.to_owned() };
    let (what, means) = match chore {
        Chore::Clock => (
            "the exchange's clock could not be measured",
            last(
                state.upkeep.link.clock.is_some(),
                "the last measurement is used on, and drifts; orders and exits go on",
                "it is unknown: orders and exits go on, the trading day goes by this machine's clock, fills of other \
                 clients count where they cannot be told to be older than this session, and lists prove no absence",
            ) + "; see that the exchange can be reached, and that this machine's clock is right (timedatectl)",
        ),
        Chore::Contracts => (
            "contract details could not be read",
            last(
                !state.contracts.is_empty(),
                "those of the last answer are used on: steps, largest orders and margin tiers may have changed, and then \
                 orders are refused",
                "none are known: nothing can be placed, exits included",
            ) + "; see that the exchange can be reached",
        ),
        Chore::PositionMode => (
            "the position mode of the account could not be read",
            last(
                state.position_mode.is_some(),
                "orders carry the one that was last told, and are refused where it was switched",
                "it is unknown: nothing can be placed, exits included",
            ) + "; see that the exchange can be reached, and switch no mode meanwhile",
        ),
        _ => {
            return format!(
                "{} of the account could not be read for {secs} s and may be out of date here: {error}",
                subject(chore)
            );
        }
    };
    format!("{what} for {secs} s; {means}: {error}")
}
