//! Points in time. Each belongs to the clock that made it: the exchange's or the session's. The two do
//! not compare; they meet only through a measured [`ClockOffset`]. The model never reads a clock: every
//! time comes in from outside.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// The session's clock: monotonic, ours, never runs backwards. What we did and when we heard of
/// something is told by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session;

/// The exchange's clock: the stamps on orders, fills, positions and prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Venue;

/// When, by the session's clock.
pub type SessionTime = Time<Session>;

/// When, by the exchange's clock.
pub type VenueTime = Time<Venue>;

/// A point in time of one clock: microseconds since 1970-01-01T00:00:00Z.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time<Owner>(i64, #[serde(skip)] PhantomData<Owner>);

impl<Owner> Copy for Time<Owner> {}

impl<Owner> Clone for Time<Owner> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Owner> Time<Owner> {
    /// The epoch itself; used where "before everything" is meant.
    pub const ZERO: Self = Self(0, PhantomData);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros, PhantomData)
    }

    /// From milliseconds since the epoch (the unit of the exchange's protocol).
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000), PhantomData)
    }

    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000), PhantomData)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Days since the epoch in UTC: the number of the trading day.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000)
    }

    /// This time plus a duration, held at the largest time on overflow.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)), PhantomData)
    }

    /// This time minus a duration, held at the smallest time on overflow.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)), PhantomData)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// ISO 8601 in UTC with microseconds: nothing is rounded.
    pub fn exact(self) -> String {
        match self.to_datetime() {
            Some(at) => at.to_rfc3339_opts(SecondsFormat::Micros, true),
            None => format!("{}us", self.0),
        }
    }

    /// The same instant as a calendar time, when chrono can express it.
    pub fn to_datetime(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }
}

impl<Owner> fmt::Debug for Time<Owner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.exact())
    }
}

impl<Owner> fmt::Display for Time<Owner> {
    /// ISO 8601 in UTC with milliseconds: `2026-11-23T14:22:07.418Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_datetime() {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}

/// Whether the exchange's clock and ours agree, and how sure that is. The only bridge between
/// [`VenueTime`] and [`SessionTime`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Exchange minus ours, in microseconds.
    pub offset_us: i64,
    /// Round trip of the question, in microseconds.
    pub round_trip_us: u64,
}

impl ClockOffset {
    /// Stamps of the exchange are whole milliseconds, cut.
    const RESOLUTION: Duration = Duration::from_millis(1);

    /// How far the offset may be wrong: half the round trip, and the resolution of a stamp.
    pub fn uncertainty(self) -> Duration {
        Duration::from_micros(self.round_trip_us / 2).saturating_add(Self::RESOLUTION)
    }

    /// How far the clocks are apart, whichever is ahead.
    pub const fn apart(self) -> Duration {
        Duration::from_micros(self.offset_us.unsigned_abs())
    }

    /// What the exchange's clock showed at a time of ours.
    pub const fn to_venue(self, at: SessionTime) -> VenueTime {
        VenueTime::from_micros(at.micros().saturating_add(self.offset_us))
    }

    /// What our clock showed at a time of the exchange.
    pub const fn to_session(self, at: VenueTime) -> SessionTime {
        SessionTime::from_micros(at.micros().saturating_sub(self.offset_us))
    }

    /// The latest time of the exchange that is surely before a time of ours.
    pub fn surely_before(self, at: SessionTime) -> VenueTime {
        self.to_venue(at).minus(self.uncertainty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_the_only_bridge_and_carries_its_uncertainty() {
        // The exchange is 300 ms behind us, measured within 40 ms.
        let offset = ClockOffset { offset_us: -300_000, round_trip_us: 40_000 };
        let ours = SessionTime::from_millis(1_000_000);
        assert_eq!(offset.to_venue(ours), VenueTime::from_millis(999_700));
        assert_eq!(offset.to_session(VenueTime::from_millis(999_700)), ours);
        assert_eq!(offset.uncertainty(), Duration::from_millis(21));
        assert_eq!(offset.surely_before(ours), VenueTime::from_millis(999_679));
        assert_eq!(offset.apart(), Duration::from_millis(300));
    }

    #[test]
    fn times_are_written_as_bare_microseconds() {
        assert_eq!(serde_json::to_string(&VenueTime::from_millis(5)).unwrap(), "5000");
        assert_eq!(serde_json::from_str::<SessionTime>("5000").unwrap(), SessionTime::from_millis(5));
    }
}
