//! The session's one clock: engine, adapter and simulator all read it.
//!
//! It is anchored to the wall clock once, at the start, and runs on the monotonic clock from there,
//! so a step of the wall clock can neither expire an order nor open a breaker. The monotonic clock
//! stands still while the machine sleeps; that time is added when it is noticed ([`Sleeps`]). With a
//! virtual clock (`--speed max`) the runtime's time is paused and advances only when nothing is
//! outstanding.

mod sleeps;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub use sleeps::{Reading, Sleeps, Slept};

use crate::model::SessionTime;

/// The least real time that any network time-out leaves, however fast the session runs.
pub const LEAST_NETWORK_TIMEOUT: Duration = Duration::from_secs(2);

/// How fast session time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as real time; 1 is real time.
    Times(f64),
    /// As fast as the machine can, on a runtime whose time is paused.
    Max,
}

/// A handle on the session's clock; clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: SessionTime,
    started: Instant,
    speed: Speed,
    /// Microseconds of real time that the monotonic clock did not count.
    slept: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that reads `origin` now. For [`Speed::Max`] it must be made inside a runtime that was
    /// started with paused time.
    pub fn starting_at(origin: SessionTime, speed: Speed) -> Self {
        Self { origin, started: Instant::now(), speed, slept: Arc::default() }
    }

    /// A real-time clock that reads the wall clock now.
    pub fn wall() -> Self {
        Self::starting_at(wall_time(), Speed::Times(1.0))
    }

    /// The session's time.
    pub fn now(&self) -> SessionTime {
        let elapsed = self.started.elapsed().saturating_add(self.slept());
        self.origin.plus(match self.speed {
            Speed::Times(factor) => scaled(elapsed, factor),
            Speed::Max => elapsed,
        })
    }

    /// Adds real time in which the machine slept; clones follow. Nothing under virtual time, which does
    /// not follow the machine.
    pub fn add_sleep(&self, slept: Duration) {
        if self.speed != Speed::Max {
            self.slept.fetch_add(u64::try_from(slept.as_micros()).unwrap_or(0), Ordering::AcqRel);
        }
    }

    fn slept(&self) -> Duration {
        Duration::from_micros(self.slept.load(Ordering::Acquire))
    }

    /// How fast it runs.
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// Waits until so much session time has passed.
    pub async fn sleep(&self, session_time: Duration) {
        tokio::time::sleep(self.real(session_time)).await;
    }

    /// Waits until the session's time has come.
    pub async fn sleep_until(&self, at: SessionTime) {
        tokio::time::sleep_until(self.instant(at)).await;
    }

    /// When, on the runtime's own clock, the session's time will be `at`.
    pub fn instant(&self, at: SessionTime) -> Instant {
        let ahead = self.real(at.since(self.origin)).saturating_sub(self.slept());
        self.started.checked_add(ahead).unwrap_or_else(|| self.started + Duration::from_secs(86_400 * 365))
    }

    /// The real time that a span of session time takes.
    pub fn real(&self, session_time: Duration) -> Duration {
        match self.speed {
            Speed::Times(factor) if factor > 0.0 => scaled(session_time, 1.0 / factor),
            _ => session_time,
        }
    }

    /// The real time to allow a network call that may take so much session time: never less than
    /// [`LEAST_NETWORK_TIMEOUT`].
    pub fn network_timeout(&self, session_time: Duration) -> Duration {
        match self.speed {
            Speed::Times(_) => self.real(session_time).max(LEAST_NETWORK_TIMEOUT),
            Speed::Max => session_time,
        }
    }
}

/// The machine's wall clock.
pub fn wall_time() -> SessionTime {
    SessionTime::from_micros(chrono::Utc::now().timestamp_micros())
}

fn scaled(span: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(span.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_that_the_machine_slept_is_added_for_every_clone() {
        let clock = Clock::starting_at(SessionTime::from_secs(1_000), Speed::Times(2.0));
        let clone = clock.clone();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(clock.now(), SessionTime::from_secs(1_020));
        let soon = SessionTime::from_secs(1_260);
        clock.add_sleep(Duration::from_secs(100));
        assert_eq!(clone.now(), SessionTime::from_secs(1_220));
        assert_eq!(clone.instant(soon), Instant::now() + Duration::from_secs(20), "and what waits waits less");
        assert_eq!(clone.instant(SessionTime::from_secs(1_100)), clone.started, "what is over is due");
    }
}
