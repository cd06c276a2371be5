//! Invented prices: a seeded walk with trends that come and go, a pull to an anchor, and jumps.

use std::time::Duration;

use rust_decimal::MathematicalOps;

use super::noise::Noise;
use crate::model::{Decimal, add, div, mul, sub};
use crate::simulator::scenario::MarketParams;

/// Decimals that the hidden price keeps.
const DIGITS: u32 = 12;

/// The hidden price of one symbol and what moves it.
#[derive(Clone, Debug)]
pub struct Synthetic {
    params: MarketParams,
    noise: Noise,
    /// The hidden price.
    latent: Decimal,
    /// Where the pull goes; jumps move it along.
    anchor: Decimal,
    /// Share per minute.
    slope: Decimal,
    /// How long the present trend still lasts.
    trend_left: Duration,
    /// The step that was used last, in minutes, and its square root: the root is dear.
    pace: (Duration, Decimal, Decimal),
}

impl Synthetic {
    pub fn new(params: MarketParams, start: Decimal, noise: Noise) -> Self {
        Self {
            params,
            noise,
            latent: start,
            anchor: start,
            slope: Decimal::ZERO,
            trend_left: Duration::ZERO,
            pace: Default::default(),
        }
    }

    /// Other parameters from here on; the price goes on where it is.
    pub fn retune(&mut self, params: MarketParams) {
        self.params = params;
        self.anchor = self.latent;
        self.trend_left = Duration::ZERO;
    }

    /// The hidden price after one more step.
    pub fn step(&mut self, step: Duration) -> Decimal {
        self.turn(step);
        if self.pace.0 != step {
            let minutes = div(Decimal::from(step.as_millis()), Decimal::from(60_000)).unwrap_or_default();
            self.pace = (step, minutes.round_dp(DIGITS), minutes.sqrt().unwrap_or_default().round_dp(DIGITS));
        }
        let (_, minutes, root) = self.pace;
        let pull = div(sub(self.anchor, self.latent), self.latent).unwrap_or_default();
        let drift = mul(add(self.slope, mul(pull, self.params.reversion)), minutes);
        let shake = mul(mul(percent(self.params.volatility), root), self.noise.normal());
        self.scale(add(drift, shake));
        if self.jumps_now(minutes) {
            let [low, high] = self.params.jump_percent;
            let size = percent(self.noise.between(low, high));
            let signed = if self.noise.coin() { size } else { -size };
            self.jump(signed);
        }
        self.latent
    }

    /// Moves price and anchor at once by a share (−0.4 is a fall by 40 %).
    pub fn jump(&mut self, share: Decimal) {
        let factor = add(Decimal::ONE, share);
        self.anchor = mul(self.anchor, factor).round_dp(DIGITS);
        self.scale(share);
    }

    fn scale(&mut self, share: Decimal) {
        let moved = mul(self.latent, add(Decimal::ONE, share)).round_dp(DIGITS);
        if moved > Decimal::ZERO {
            self.latent = moved;
        }
    }

    fn turn(&mut self, step: Duration) {
        self.trend_left = self.trend_left.saturating_sub(step);
        if self.trend_left.is_zero() {
            let [low, high] = self.params.trend_seconds;
            let seconds = self.noise.between(low, high);
            let millis = u64::try_from(mul(seconds, Decimal::from(1_000)).trunc()).unwrap_or(1_000);
            self.trend_left = Duration::from_millis(millis.max(1));
            let size = mul(percent(self.params.trend), self.noise.between(Decimal::new(4, 1), Decimal::new(16, 1)));
            self.slope = if self.noise.coin() { size } else { -size };
            self.slope = add(self.slope, percent(self.params.drift));
        }
    }

    fn jumps_now(&mut self, minutes: Decimal) -> bool {
        if self.params.jumps_per_hour.is_zero() {
            return false;
        }
        let chance = mul(self.params.jumps_per_hour, div(minutes, Decimal::from(60)).unwrap_or_default());
        self.noise.uniform() < chance
    }
}

/// A share from percent.
pub fn percent(value: Decimal) -> Decimal {
    mul(value, Decimal::new(1, 2))
}
