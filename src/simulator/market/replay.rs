//! Recorded prices: candles played back along a fixed path inside each candle.
//!
//! The path is open, the extreme away from the close, the other extreme, close: a rising candle
//! touches its low first, a falling one its high. It takes a quarter, a half and a quarter of the
//! candle's time, in straight lines. Nothing is drawn by chance.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Decimal, SessionTime, VenueTime, add, div, mul, sub};
use crate::simulator::candles::{Candle, Candles};

/// How many steps the path of one candle has.
pub const STEPS: u32 = 20;

/// A candle file being played.
#[derive(Clone, Debug)]
pub struct Replay {
    candles: Arc<Candles>,
    /// The candle that played last; times only move forward.
    at: usize,
}

impl Replay {
    pub fn new(candles: Arc<Candles>) -> Self {
        Self { candles, at: 0 }
    }

    /// What is played.
    pub fn candles(&self) -> &Arc<Candles> {
        &self.candles
    }

    /// The price at a time, and whether the file has ended by then.
    pub fn price_at(&mut self, at: SessionTime) -> (Decimal, bool) {
        let at = VenueTime::from_micros(at.micros());
        let rows = self.candles.rows();
        while rows.get(self.at.saturating_add(1)).is_some_and(|next| next.time <= at) {
            self.at = self.at.saturating_add(1);
        }
        let ended = at >= self.candles.end();
        rows.get(self.at).map_or((Decimal::ONE, true), |row| (along(row, at, self.candles.interval()), ended))
    }
}

fn along(candle: &Candle, at: VenueTime, interval: Duration) -> Decimal {
    let (first, second) =
        if candle.close >= candle.open { (candle.low, candle.high) } else { (candle.high, candle.low) };
    let passed = at.since(candle.time).min(interval).as_millis();
    let share = div(Decimal::from(passed), Decimal::from(interval.as_millis())).unwrap_or(Decimal::ONE);
    let (quarter, three) = (Decimal::new(25, 2), Decimal::new(75, 2));
    if share < quarter {
        between(candle.open, first, mul(share, Decimal::from(4)))
    } else if share < three {
        between(first, second, mul(sub(share, quarter), Decimal::from(2)))
    } else {
        between(second, candle.close, mul(sub(share, three), Decimal::from(4)))
    }
}

fn between(from: Decimal, to: Decimal, share: Decimal) -> Decimal {
    add(from, mul(sub(to, from), share))
}
