//! Why a session that starts is not ready yet, in words.

use std::time::Duration;

use super::SessionState;
use crate::model::{BreakerState, CallClass, Chore, Phase, SessionTime};

/// So long after a start what needs the exchange's clock waits for it; then it goes on without.
const CLOCK_AWAITED: Duration = Duration::from_secs(10);

/// What exits need to be told by the exchange, each with its word.
pub const EXITS_NEED: [(Chore, &str); 4] = [
    (Chore::Contracts, "contracts"),
    (Chore::PositionMode, "position_mode"),
    (Chore::SyncPositions, "positions"),
    (Chore::FetchFills, "fills"),
];

/// What a start still waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartWait {
    /// The thing: `contracts`, `position_mode`, `positions`, `fills`, `orders`, `clock`.
    pub what: &'static str,
    /// Why it is not there, for people.
    pub reason: String,
    /// Since when its question is out, if it is.
    pub asked_at: Option<SessionTime>,
    /// Whether something is wrong, and not merely under way.
    pub trouble: bool,
}

impl SessionState {
    /// Whether the first measurement of the exchange's clock since the start is still waited for.
    pub fn clock_is_awaited(&self, now: SessionTime) -> bool {
        self.upkeep.link.clock.is_none() && now.since(self.last_start.unwrap_or_default()) < CLOCK_AWAITED
    }

    /// What entries wait for still in a session that is ready for exits: the list of open orders, and for a while
    /// the exchange's time, by which orders of an earlier start are told from those of a second copy. `None` when
    /// they need not wait, and while the session starts.
    pub fn entries_wait_for(&self, now: SessionTime) -> Option<StartWait> {
        if self.phase != Phase::Ready {
            return None;
        }
        let listed = self.upkeep.chore(Chore::PollOrders);
        let (what, state, name) = if listed.done_at.is_none() {
            ("orders", listed, "the list of open orders")
        } else if self.clock_is_awaited(now) {
            ("clock", self.upkeep.chore(Chore::Clock), "the exchange's time")
        } else {
            return None;
        };
        let reason = state.error.as_ref().map_or_else(
            || format!("exits may leave; {name} is being read, and entries wait for it"),
            |error| format!("exits may leave; entries wait for {name}: {error}"),
        );
        Some(StartWait { what, reason, asked_at: state.asked_at, trouble: state.error.is_some() })
    }

    /// What the start waits for, the first of it; `None` when the session is not starting.
    pub fn start_waits_for(&self) -> Option<StartWait> {
        if self.phase != Phase::Starting {
            return None;
        }
        for (chore, what) in EXITS_NEED {
            let state = self.upkeep.chore(chore);
            if state.done_at.is_none() {
                let resting = self.breaker(CallClass::Reads).state == BreakerState::Open;
                let trouble = state.error.is_some() || resting;
                let mut reason = match (&state.error, state.asked_at) {
                    (Some(error), _) => error.clone(),
                    (None, Some(_)) => "the exchange was asked and has not answered yet".to_owned(),
                    (None, None) => "the exchange has not been asked yet".to_owned(),
                };
                if resting {
                    reason.push_str("; the breaker of reads is open: asked again when it lets a call through");
                }
                return Some(StartWait { what, reason, asked_at: state.asked_at, trouble });
            }
        }
        if self.contracts.is_empty() {
            let reason = "the exchange lists none of the contracts that are followed".to_owned();
            return Some(StartWait { what: "contracts", reason, asked_at: None, trouble: true });
        }
        let reason = "the list of open orders and the exchange's time are awaited for a moment".to_owned();
        Some(StartWait { what: "orders", reason, asked_at: None, trouble: false })
    }
}
