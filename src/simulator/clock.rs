//! Two clocks: the pace on which the exchange works, and the exchange's own clock, which stamps all
//! that it says. The pace is the session's clock and never runs backwards; the exchange's clock may
//! be off and may drift, as real ones do, and goes back when it is set back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::SimulatorError;
use crate::clock::{Clock, Speed};
use crate::model::{SessionTime, VenueTime};

/// The farthest that the exchange's clock can be set off, in milliseconds: a year.
pub const FARTHEST_MS: i64 = 366 * 86_400_000;
/// The fastest drift, in millionths: a tenth.
pub const FASTEST_PPM: i64 = 100_000;

/// The pace: how time passes for the markets, the matching and the faults.
#[derive(Clone, Debug)]
pub struct ExchangeClock {
    clock: Clock,
}

impl ExchangeClock {
    /// On the pace of this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// The present time of the pace.
    pub fn now(&self) -> SessionTime {
        self.clock.now()
    }

    /// How fast it runs.
    pub fn speed(&self) -> Speed {
        self.clock.speed()
    }

    /// The real time that a span takes.
    pub fn real(&self, span: Duration) -> Duration {
        self.clock.real(span)
    }

    /// Waits until so much time has passed.
    pub async fn sleep(&self, span: Duration) {
        self.clock.sleep(span).await;
    }
}

/// How wrong the exchange's own clock is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockError {
    /// How far it is ahead, in milliseconds; negative: behind.
    #[serde(default)]
    pub offset_ms: i64,
    /// How many millionths too fast it runs; negative: too slow.
    #[serde(default)]
    pub drift_ppm: i64,
}

impl ClockError {
    /// Whether both are in their ranges.
    ///
    /// # Errors
    /// Names what is outside.
    pub fn check(self) -> Result<(), SimulatorError> {
        let wrong =
            |setting, value: i64, allowed| Err(SimulatorError::Setting { setting, value: value.to_string(), allowed });
        if self.offset_ms.saturating_abs() > FARTHEST_MS {
            return wrong("clock offset", self.offset_ms, "milliseconds, a year at most either way");
        }
        if self.drift_ppm.saturating_abs() > FASTEST_PPM {
            return wrong("clock drift", self.drift_ppm, "millionths, -100000 to 100000");
        }
        Ok(())
    }

    /// How far it is off after so much time, in microseconds.
    pub fn micros_after(self, since: Duration) -> i64 {
        let ran = i128::try_from(since.as_micros()).unwrap_or(i128::MAX / i128::from(FASTEST_PPM));
        let drifted = ran.saturating_mul(i128::from(self.drift_ppm)) / 1_000_000;
        self.offset_ms.saturating_mul(1_000).saturating_add(i64::try_from(drifted).unwrap_or(i64::MAX))
    }
}

/// What the exchange's clock shows when it is so many microseconds off.
pub fn shown(at: SessionTime, off: i64) -> VenueTime {
    VenueTime::from_micros(at.micros().saturating_add(off))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_drifts_gains_by_the_millionth() {
        let fast = ClockError { offset_ms: -1_500, drift_ppm: 200 };
        assert_eq!(fast.micros_after(Duration::ZERO), -1_500_000);
        assert_eq!(fast.micros_after(Duration::from_secs(3_600)), -1_500_000 + 720_000);
        assert!(fast.check().is_ok());
        assert!(ClockError { offset_ms: 0, drift_ppm: 100_001 }.check().is_err());
    }
}
