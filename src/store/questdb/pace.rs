//! How long to wait after a failure, and how many rows go into one request.

use std::time::{Duration, SystemTime};

/// Wait after the first failure; doubles from there.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// Rows of the first request.
const SMALL: usize = 500;
/// Rows of a request while catching up: from here on, more rows gain nothing (store.md section 7).
const LARGE: usize = 5_000;
/// Rows of a request to a server that does not manage more in time.
const LEAST: usize = 50;

/// The wait between tries.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// One more failure: how long to wait now.
    pub fn next(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1).min(16);
        // Several programs that lost one server must not all come back at once: up to a quarter less.
        let nanos = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.subsec_nanos());
        wait.saturating_sub(wait / 4 * (nanos % 1_000) / 1_000)
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The size of requests for one table.
#[derive(Clone, Copy, Debug)]
pub struct Size(usize);

impl Default for Size {
    fn default() -> Self {
        Self(SMALL)
    }
}

impl Size {
    /// Rows of the next request.
    pub const fn rows(self) -> usize {
        self.0
    }

    /// A request was taken; whether there are more rows than went in.
    pub fn taken(&mut self, full: bool) {
        self.0 = if full { self.0.saturating_mul(2).min(LARGE) } else { self.0.min(SMALL) };
    }

    /// A request failed: perhaps it was too large for its time.
    pub fn failed(&mut self) {
        self.0 = (self.0 / 2).max(LEAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST * 3 / 4, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[19] >= LONGEST * 3 / 4, "{waits:?}");
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn requests_grow_while_catching_up_and_shrink_on_failure() {
        let mut size = Size::default();
        for _ in 0..10 {
            size.taken(true);
        }
        assert_eq!(size.rows(), LARGE);
        size.taken(false);
        assert_eq!(size.rows(), SMALL);
        for _ in 0..10 {
            size.failed();
        }
        assert_eq!(size.rows(), LEAST);
    }
}
