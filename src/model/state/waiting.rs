//! Why a session that starts is not ready yet, in words.

use super::SessionState;
use crate::model::{BreakerState, CallClass, Chore, OrderState, Phase, SessionTime};

/// What a start still waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartWait {
    /// The thing: `contracts`, `position_mode`, `orders`, `positions`, `fills`.
    pub what: &'static str,
    /// Why it is not there, for people.
    pub reason: String,
    /// Since when its question is out, if it is.
    pub asked_at: Option<SessionTime>,
    /// Whether something is wrong, and not merely under way.
    pub trouble: bool,
}

impl SessionState {
    /// What the start waits for, the first of it; `None` when the session is not starting.
    pub fn start_waits_for(&self) -> Option<StartWait> {
        if self.phase != Phase::Starting {
            return None;
        }
        let needed = [
            (Chore::Contracts, "contracts"),
            (Chore::PositionMode, "position_mode"),
            (Chore::PollOrders, "orders"),
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
        let told = |what, reason| Some(StartWait { what, reason, asked_at: None, trouble: true });
        if self.contracts.is_empty() {
            return told("contracts", "the exchange lists none of the contracts that are followed".to_owned());
        }
        let unproven =
            self.orders.working().filter(|order| matches!(order.state, OrderState::Unknown | OrderState::Submitting));
        told("orders", format!("it is not proven yet what became of {} orders; they are looked up", unproven.count()))
    }
}
