//! The stream: one connection for prices and private pushes, kept alive and opened again for as
//! long as somebody listens.
//!
//! Stalled is a connection on which no data came for `stall_after`. Answers to pings are not data
//! while prices are subscribed, because those come at least once a second; without any subscribed
//! symbol a quiet account is normal, and the answers to pings count.

mod frame;
mod outbox;
mod session;
mod socket;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;

pub use socket::{Channels, Connect, Dial, Socket};

use self::outbox::Outbox;
use self::session::{End, Session};
use crate::config::ExchangeSettings;
use crate::exchange::mexc::core::Core;
use crate::model::{Push, Symbol, escape_controls};

/// Pushes that wait in the channel itself before prices are conflated.
const CHANNEL: usize = 256;

/// What the stream could not understand and skipped; asking the exchange makes up for it.
#[derive(Debug, Default)]
pub struct StreamHealth {
    skipped: AtomicU64,
    told: AtomicU64,
    last: Mutex<Option<String>>,
}

impl StreamHealth {
    /// Frames that were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// The last of them and what was wrong with it, escaped and cut.
    pub fn last_skipped(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was skipped since this was last asked, to be handed on.
    fn untold(&self) -> Option<Push> {
        let total = self.skipped();
        let told = self.told.swap(total, Ordering::Relaxed);
        (total > told).then(|| Push::Skipped { total, last: self.last_skipped().unwrap_or_default() })
    }

    /// Whether nothing that was skipped was ever handed on.
    fn is_first(&self) -> bool {
        self.told.load(Ordering::Relaxed) == 0
    }

    /// Counts something that was skipped.
    pub fn skip(&self, text: &str, why: &str) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
        let start: String = text.chars().take(120).collect();
        let report = format!("{why} in {}", escape_controls(&start));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }
}

/// Starts the stream in a task of its own; it ends when the receiver is dropped. A defect in it is
/// told and answered with a new connection, as a lost one is.
pub fn start(
    core: Arc<Core>,
    connect: Arc<dyn Connect>,
    settings: ExchangeSettings,
    health: Arc<StreamHealth>,
    symbols: Vec<Symbol>,
) -> mpsc::Receiver<Push> {
    let (sender, receiver) = mpsc::channel(CHANNEL);
    core.notices.attach(&sender);
    let session = Session { core, connect, settings, health, symbols, sender, outbox: Outbox::default() };
    tokio::spawn(keep_up(session));
    receiver
}

async fn keep_up(mut session: Session) {
    let mut attempt = 0;
    loop {
        let end = AssertUnwindSafe(session.run()).catch_unwind().await;
        // Whoever has the port from now on proves itself anew, also while nothing is connected.
        session.core.peer.forget();
        let (reason, refused) = match end {
            Ok(End::NobodyListens) => return,
            Ok(End::Refused(reason)) => (reason, true),
            // Once: were the clock not the reason after all, the next refusal waits.
            Ok(End::Stale(reason)) => {
                session.outbox.push(Push::Disconnected { reason, attempt: attempt + 1 });
                continue;
            }
            Ok(End::Lost { reason, was_stable }) => {
                if was_stable {
                    attempt = 0;
                }
                (reason, false)
            }
            Err(panic) => {
                let what = session.core.for_people(&panic_text(panic.as_ref()));
                let what = format!("the stream of the exchange ended by a defect and is started again: {what}");
                session.outbox.push(Push::Failed { what: what.clone() });
                (what, false)
            }
        };
        attempt += 1;
        let wait = if refused { session.settings.reconnect_max } else { back_off(&session.settings, attempt) };
        session.outbox.push(Push::Disconnected { reason, attempt });
        if session.pause(wait).await.is_err() {
            return;
        }
    }
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".to_owned())
}

/// The wait before an attempt: doubling from the first to the longest, less up to a quarter by a
/// hash of the attempt, so that clients that fell together do not come back together.
fn back_off(settings: &ExchangeSettings, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(20);
    let whole = settings.reconnect_first.saturating_mul(1 << doublings).min(settings.reconnect_max);
    let hash = (u64::from(attempt)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
    let off = whole.saturating_mul(u32::try_from(hash).unwrap_or(0)) / 1_024;
    whole.saturating_sub(off)
}

#[cfg(test)]
mod tests;
