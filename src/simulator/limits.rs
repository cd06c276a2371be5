//! Rate limits by endpoint, mexc-contract-api.md section 11: a sliding window for each.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::model::SessionTime;

/// So many calls in so much session time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub calls: usize,
    pub window: Duration,
}

/// The windows of all endpoints.
#[derive(Debug, Default)]
pub struct Limits {
    pub on: bool,
    seen: BTreeMap<&'static str, VecDeque<SessionTime>>,
}

impl Limits {
    pub fn new(on: bool) -> Self {
        Self { on, seen: BTreeMap::new() }
    }

    /// Counts a call; false when it is one too many. Refused calls do not count.
    pub fn admit(&mut self, endpoint: &'static str, limit: Limit, now: SessionTime) -> bool {
        if !self.on {
            return true;
        }
        let seen = self.seen.entry(endpoint).or_default();
        while seen.front().is_some_and(|first| now.since(*first) >= limit.window) {
            seen.pop_front();
        }
        if seen.len() >= limit.calls {
            return false;
        }
        seen.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_endpoints_do_not_share() {
        let mut limits = Limits::new(true);
        let limit = Limit { calls: 4, window: Duration::from_secs(2) };
        let at = SessionTime::from_millis;
        for millis in [0, 100, 200, 300] {
            assert!(limits.admit("place", limit, at(millis)));
        }
        assert!(!limits.admit("place", limit, at(1_999)));
        assert!(limits.admit("cancel", limit, at(1_999)));
        assert!(limits.admit("place", limit, at(2_000)));
        assert!(!limits.admit("place", limit, at(2_050)));
        limits.on = false;
        assert!(limits.admit("place", limit, at(2_060)));
    }
}
