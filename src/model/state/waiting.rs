//! Why a session that starts is not ready yet, in words.

use super::SessionState;
use crate::model::{BreakerState, CallClass, Chore, Phase, SessionTime};

/// What a start still waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartWait {
    /// The thing: `contracts`, `position_mode`, `positions`, `fills`, `orders`.
    pub what: &'static str,
    /// Why it is not there, for people.
    pub reason: String,
    /// Since when its question is out, if it is.
    pub asked_at: Option<SessionTime>,
    /// Whether something is wrong, and not merely under way.
    pub trouble: bool,
}

impl SessionState {
    /// What entries wait for still in a session that is ready for exits: the list of open orders. `None` when they
    /// need not wait, and while the session starts.
    pub fn entries_wait_for(&self) -> Option<StartWait> {
        let state = self.upkeep.chore(Chore::PollOrders);
        if self.phase != Phase::Ready || state.done_at.is_some() {
            return None;
        }
        let reason = state.error.clone().map_or_else(
            || "exits may leave; the list of open orders is being read, and entries wait for it".to_owned(),
            |error| format!("exits may leave; entries wait for the list of open orders: {error}"),
        );
        Some(StartWait { what: "orders", reason, asked_at: state.asked_at, trouble: state.error.is_some() })
    }

    /// What the start waits for, the first of it; `None` when the session is not starting.
    pub fn start_waits_for(&self) -> Option<StartWait> {
        if self.phase != Phase::Starting {
            return None;
        }
        let needed = [
            (Chore::Contracts, "contracts"),
            (Chore::PositionMode, "position_mode"),
            (Chore::SyncPositions, "positions"),
            (Chore::FetchFills, "fills"),
        ];
        for (chore, what) in needed {
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
