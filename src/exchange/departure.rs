//! Whether a placement may still leave: revoking it and its leaving exclude each other.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

const WAITING: u8 = 0;
const LEFT: u8 = 1;
const REVOKED: u8 = 2;
const OVER: u8 = 3;

/// What became of a placement whose sending has ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It may have arrived.
    Left,
    /// It was taken back in time.
    Revoked,
    /// Nothing of it left, and nothing will.
    NeverLeft,
}

/// The token of one attempt to place an order. Clones are the same token.
#[derive(Clone, Default)]
pub struct Departure(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: AtomicU8,
    revoked: Notify,
    told: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Departure {
    /// A token that calls `told` once, when the placement leaves.
    pub fn telling(told: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { told: Some(Box::new(told)), ..Inner::default() }))
    }

    /// Called just before the first byte. `false`: it was revoked and must not leave.
    pub fn leave(&self) -> bool {
        let left = self.0.state.compare_exchange(WAITING, LEFT, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if left && let Some(told) = &self.0.told {
            told();
        }
        left
    }

    /// Takes it back. `false`: it has left already.
    pub fn revoke(&self) -> bool {
        match self.0.state.compare_exchange(WAITING, REVOKED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                self.0.revoked.notify_waiters();
                true
            }
            Err(state) => state != LEFT,
        }
    }

    /// Nobody sends it any more: what has not left never will.
    pub fn close(&self) -> Fate {
        match self.0.state.compare_exchange(WAITING, OVER, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(OVER) => Fate::NeverLeft,
            Err(REVOKED) => Fate::Revoked,
            Err(_) => Fate::Left,
        }
    }

    /// Waits until it is revoked; for ever when it never is.
    pub async fn revoked(&self) {
        loop {
            let notified = self.0.revoked.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.0.state.load(Ordering::Acquire) == REVOKED {
                return;
            }
            notified.await;
        }
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.0.state.load(Ordering::Acquire) {
            WAITING => "waiting",
            LEFT => "left",
            REVOKED => "revoked",
            _ => "over",
        };
        write!(f, "Departure({word})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_revoked_never_leaves_and_what_left_is_never_revoked() {
        let first = Departure::default();
        assert!(first.revoke() && !first.leave() && first.revoke());
        let second = Departure::default();
        assert!(second.leave() && !second.revoke() && !second.leave());
        let third = Departure::default();
        assert_eq!((first.close(), second.close(), third.close()), (Fate::Revoked, Fate::Left, Fate::NeverLeft));
        assert!(!third.leave() && third.revoke() && third.close() == Fate::NeverLeft);
    }

    #[tokio::test]
    async fn a_waiter_is_woken_by_the_revocation_whenever_it_came() {
        let early = Departure::default();
        early.revoke();
        early.revoked().await;
        let late = Departure::default();
        let waiter = tokio::spawn({
            let late = late.clone();
            async move { late.revoked().await }
        });
        tokio::task::yield_now().await;
        late.revoke();
        waiter.await.unwrap();
    }
}
