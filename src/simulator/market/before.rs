//! The market before the simulator's start: candles for whoever looks back. Nothing is stored; the
//! price is looked up as a sum of waves of many lengths, all from the seed, that meets the first
//! price at the start. So every interval shows the same prices at the same times.

use super::book::Shape;
use super::history::Bar;
use super::noise::mix;
use crate::model::{Contracts, Decimal, Price, VenueTime, add, div, mul};
use crate::simulator::instrument::Instrument;

/// Waves: length in seconds, and height as a share of the price in millionths. The heights sum to
/// less than a tenth, so no price is ever near zero.
const WAVES: [(i64, i64); 8] = [
    (60, 250),
    (240, 500),
    (1_200, 1_200),
    (7_200, 3_000),
    (43_200, 6_000),
    (259_200, 12_000),
    (1_814_400, 25_000),
    (14_515_200, 40_000),
];
/// How many times a candle is looked at for its range.
const LOOKS: i64 = 8;

/// What was before.
#[derive(Clone, Debug)]
pub struct Before {
    tick: Decimal,
    contract_size: Decimal,
    seed: u64,
    first: Decimal,
    /// Traded in a minute, in USDT.
    turnover: Decimal,
    /// The start, in seconds.
    until: i64,
}

impl Before {
    /// What led to this price at this time.
    pub fn new(instrument: &Instrument, first: Price, shape: Shape, (seed, number): (u64, u64), at: VenueTime) -> Self {
        Self {
            tick: instrument.tick,
            contract_size: instrument.contract_size,
            seed: mix(seed ^ mix(number)),
            first: first.0,
            turnover: mul(shape.depth, Decimal::from(50)),
            until: at.secs(),
        }
    }

    /// The start, in seconds: there is nothing to look up from there on.
    pub fn until(&self) -> i64 {
        self.until
    }

    /// The candle from one time to another, both in seconds and none after the start.
    pub fn bar(&self, from: i64, to: i64) -> Bar {
        let to = to.min(self.until);
        let (open, close) = (self.price(from), self.price(to));
        let (mut low, mut high) = (open.min(close), open.max(close));
        let span = to.saturating_sub(from);
        for look in 1..LOOKS {
            let price = self.price(from.saturating_add(span.saturating_mul(look) / LOOKS));
            (low, high) = (low.min(price), high.max(price));
        }
        let wiggle = mix(self.seed ^ from.unsigned_abs()) % 100;
        let share =
            div(Decimal::from(span.saturating_mul(50_i64.saturating_add_unsigned(wiggle))), Decimal::from(6_000));
        let worth = mul(self.turnover, share.unwrap_or_default());
        let vol = div(worth, mul(close.0, self.contract_size)).unwrap_or_default().trunc().max(Decimal::ONE);
        let vol = Contracts(vol);
        Bar { time: from, open, high, low, close, vol, amount: close.notional(vol.to_qty(self.contract_size)) }
    }

    fn price(&self, at: i64) -> Price {
        if at >= self.until {
            return Price(self.first);
        }
        let off = self.wave(at).saturating_sub(self.wave(self.until));
        let price = mul(self.first, add(Decimal::ONE, Decimal::new(off, 9)));
        Price(crate::model::round_down(price, self.tick).unwrap_or(price).max(self.tick).normalize())
    }

    /// The sum of the waves at a time, in thousand-millionths.
    fn wave(&self, at: i64) -> i64 {
        let height = |number: u64, knot: i64| {
            let bits = mix(self.seed ^ mix(number ^ mix(knot.unsigned_abs())));
            i64::try_from(bits % 2_001).unwrap_or_default().saturating_sub(1_000)
        };
        let mut sum = 0_i64;
        for ((length, share), number) in WAVES.iter().zip(1_u64..) {
            let (knot, into) = (at.div_euclid(*length), at.rem_euclid(*length));
            let (left, right) = (height(number, knot), height(number, knot.saturating_add(1)));
            let here = left.saturating_mul(length.saturating_sub(into)).saturating_add(right.saturating_mul(into));
            sum = sum.saturating_add(here.saturating_mul(*share) / length);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Symbol, sub};
    use crate::simulator::instrument::catalogue;

    #[test]
    fn the_past_is_the_same_in_every_interval_and_ends_at_the_first_price() {
        let btc = catalogue().remove(&Symbol::new("BTC_USDT").unwrap()).unwrap();
        let shape = Shape { spread_ticks: 1, depth: Decimal::from(40_000) };
        let at = VenueTime::from_secs(1_795_392_017);
        let before = Before::new(&btc, btc.usual_price, shape, (7, 1), at);
        let minute = at.secs().div_euclid(60) * 60;
        assert_eq!(before.bar(minute, minute + 60).close, btc.usual_price);
        let mut close = None;
        for back in (1..=2_000).rev() {
            let bar = before.bar(minute - back * 60, minute - back * 60 + 60);
            assert!(close.is_none_or(|close| close == bar.open), "a candle opens where the one before closed");
            assert!(bar.low <= bar.open.min(bar.close) && bar.high >= bar.open.max(bar.close));
            assert!(bar.low.is_positive() && bar.vol.is_positive());
            close = Some(bar.close);
        }
        let hour = at.secs().div_euclid(3_600) * 3_600 - 7_200;
        let (first, last) = (before.bar(hour, hour + 60), before.bar(hour + 3_540, hour + 3_600));
        let whole = before.bar(hour, hour + 3_600);
        assert_eq!((whole.open, whole.close), (first.open, last.close));
        let year = before.bar(at.secs() - 31_536_000, at.secs() - 31_449_600);
        assert!(sub(year.open.0, btc.usual_price.0).abs() < mul(btc.usual_price.0, Decimal::new(2, 1)));
        let again = Before::new(&btc, btc.usual_price, shape, (7, 1), at).bar(hour, hour + 60);
        assert_eq!((again.open, again.vol), (first.open, first.vol));
    }
}
