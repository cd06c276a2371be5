//! The exchange's own clock: what it stamps on everything that it says.

use std::time::Duration;

use crate::clock::{Clock, Speed};
use crate::model::VenueTime;

/// A clock that runs as the session's runs, and shows what the exchange's shows.
#[derive(Clone, Debug)]
pub struct ExchangeClock {
    clock: Clock,
}

impl ExchangeClock {
    /// A clock on the pace of this one.
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// The exchange's time.
    pub fn now(&self) -> VenueTime {
        VenueTime::from_micros(self.clock.now().micros())
    }

    /// How fast it runs.
    pub fn speed(&self) -> Speed {
        self.clock.speed()
    }

    /// The real time that a span of the exchange's time takes.
    pub fn real(&self, span: Duration) -> Duration {
        self.clock.real(span)
    }

    /// Waits until so much of the exchange's time has passed.
    pub async fn sleep(&self, span: Duration) {
        self.clock.sleep(span).await;
    }
}
