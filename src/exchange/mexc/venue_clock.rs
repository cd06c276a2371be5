//! The exchange's clock against ours, as it was last measured. Requests are stamped by it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::{ClockOffset, SessionTime, VenueTime};

/// A measurement is repeated while its round trip is longer than this, because half of it is how
/// uncertain the offset is.
const GOOD_ROUND_TRIP: Duration = Duration::from_millis(100);
/// Round trips of one measurement at most.
const MOST_TRIPS: usize = 3;
/// A clock that moved by less than this was not the reason of a refusal.
const NOTICEABLE_US: u64 = 1_000_000;
/// A refused signature is a reason to measure again when the last measurement is older than this.
const OLD: Duration = Duration::from_mins(2);

/// The last measurement.
#[derive(Debug, Default)]
pub struct VenueClock {
    offset_us: AtomicI64,
    last: Mutex<Option<(SessionTime, ClockOffset)>>,
    /// Held while it is measured, so that many refusals at once lead to one measurement.
    pub measuring: tokio::sync::Mutex<()>,
}

impl VenueClock {
    /// The exchange's time at this time of ours.
    pub fn at(&self, now: SessionTime) -> VenueTime {
        VenueTime::from_micros(now.micros().saturating_add(self.offset_us()))
    }

    /// The exchange's clock minus ours, in microseconds; 0 before the first measurement.
    pub fn offset_us(&self) -> i64 {
        self.offset_us.load(Ordering::Relaxed)
    }

    /// Whether the clock is now noticeably elsewhere than where it was thought to be.
    pub fn has_moved_from(&self, offset_us: i64) -> bool {
        self.offset_us().abs_diff(offset_us) > NOTICEABLE_US
    }

    /// The last measurement, when it was made after this time.
    pub fn measured_after(&self, time: SessionTime) -> Option<ClockOffset> {
        self.last().filter(|(at, _)| *at > time).map(|(_, offset)| offset)
    }

    /// Whether it was ever measured.
    pub fn is_known(&self) -> bool {
        self.last().is_some()
    }

    /// Whether it was never measured, or long ago.
    pub fn is_old(&self, now: SessionTime) -> bool {
        self.last().is_none_or(|(at, _)| now.since(at) > OLD)
    }

    /// Takes a measurement.
    pub fn set(&self, now: SessionTime, offset: ClockOffset) {
        self.offset_us.store(offset.offset_us, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, offset));
    }

    fn last(&self) -> Option<(SessionTime, ClockOffset)> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The best of a few round trips: the shortest.
#[derive(Debug, Default)]
pub struct Best {
    trips: usize,
    offset: Option<ClockOffset>,
}

impl Best {
    /// Adds a round trip; says whether another is worth it.
    pub fn add(&mut self, offset: ClockOffset) -> bool {
        self.trips = self.trips.saturating_add(1);
        if self.offset.is_none_or(|best| offset.round_trip_us < best.round_trip_us) {
            self.offset = Some(offset);
        }
        let good = self.offset.is_some_and(|best| Duration::from_micros(best.round_trip_us) <= GOOD_ROUND_TRIP);
        !good && self.trips < MOST_TRIPS
    }

    /// The best so far.
    pub const fn offset(&self) -> Option<ClockOffset> {
        self.offset
    }
}

/// What one round trip says.
pub fn offset_of(asked: SessionTime, answered: SessionTime, told: VenueTime) -> ClockOffset {
    let round_trip = answered.since(asked);
    let middle = asked.plus(round_trip / 2);
    ClockOffset {
        offset_us: told.micros().saturating_sub(middle.micros()),
        round_trip_us: u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_of_three_round_trips_is_taken_and_a_short_one_ends_it() {
        let trip = |offset_us, round_trip_us| ClockOffset { offset_us, round_trip_us };
        let mut best = Best::default();
        assert!(best.add(trip(5, 400_000)) && best.add(trip(7, 300_000)) && !best.add(trip(9, 350_000)));
        assert_eq!(best.offset(), Some(trip(7, 300_000)));
        let mut best = Best::default();
        assert!(!best.add(trip(5, 90_000)));
    }
}
