//! The other side of every trade: a synthetic order book around the price, made anew each step.

use std::collections::BTreeMap;
use std::time::Duration;

use super::noise::Noise;
use crate::model::{Contracts, Decimal, Price, add, div, mul, round_down, sub};
use crate::simulator::instrument::Instrument;

/// Levels on each side.
pub const LEVELS: u32 = 20;

/// Size at a price and how many orders it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub vol: Contracts,
    pub orders: u32,
}

/// The book of one market. `version` grows by one with every change.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub bids: BTreeMap<Price, Level>,
    pub asks: BTreeMap<Price, Level>,
    pub version: u64,
}

/// How a book is made.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Ticks between best bid and best ask.
    pub spread_ticks: u32,
    /// Worth of the best level, in USDT.
    pub depth: Decimal,
}

impl Book {
    /// Rebuilds both sides around the last price.
    pub fn refresh(&mut self, last: Price, instrument: &Instrument, shape: Shape, noise: &mut Noise) {
        let tick = instrument.tick;
        let half = Decimal::from(shape.spread_ticks / 2);
        let bid = sub(last.0, mul(tick, half)).max(tick);
        let ask = add(bid, mul(tick, Decimal::from(shape.spread_ticks.max(1))));
        let step = round_down(mul(last.0, Decimal::new(5, 5)), tick).unwrap_or(tick).max(tick);
        let contract = mul(last.0, instrument.contract_size);
        let base = div(shape.depth, contract).unwrap_or(Decimal::ONE);
        self.bids.clear();
        self.asks.clear();
        let mut bits = 0_u64;
        for level in 0..LEVELS {
            if level % 4 == 0 {
                bits = noise.bits();
            }
            let away = mul(step, Decimal::from(level));
            for side in [&mut self.bids, &mut self.asks] {
                // Between a half and one and a half of the base, more with distance.
                let share = Decimal::new(i64::try_from(bits & 0xff).unwrap_or_default() + 128, 0);
                bits >>= 8;
                let grown = mul(base, add(Decimal::ONE, mul(Decimal::new(15, 2), Decimal::from(level))));
                let vol = mul(grown, mul(share, Decimal::new(390_625, 8))).trunc().max(Decimal::ONE);
                let orders = 1 + u32::try_from(bits & 7).unwrap_or_default();
                side.insert(Price::ZERO, Level { vol: Contracts(vol), orders });
            }
            if let Some(made) = self.bids.remove(&Price::ZERO)
                && sub(bid, away) > Decimal::ZERO
            {
                self.bids.insert(Price(sub(bid, away).normalize()), made);
            }
            if let Some(made) = self.asks.remove(&Price::ZERO) {
                self.asks.insert(Price(add(ask, away).normalize()), made);
            }
        }
        self.version = self.version.saturating_add(1);
    }

    /// The best bid.
    pub fn bid(&self) -> Option<Price> {
        self.bids.last_key_value().map(|(price, _)| *price)
    }

    /// The best ask.
    pub fn ask(&self) -> Option<Price> {
        self.asks.first_key_value().map(|(price, _)| *price)
    }

    /// The best price that somebody who buys (or sells) now pays (or gets).
    pub fn best(&self, buy: bool) -> Option<Price> {
        if buy { self.ask() } else { self.bid() }
    }

    /// Whether an order at this price would trade at once.
    pub fn crosses(&self, buy: bool, price: Price) -> bool {
        if buy { self.ask().is_some_and(|ask| ask <= price) } else { self.bid().is_some_and(|bid| bid >= price) }
    }

    /// What could be traded at once up to a price.
    pub fn available(&self, buy: bool, limit: Price) -> Contracts {
        if buy {
            self.asks.range(..=limit).map(|(_, level)| level.vol).sum()
        } else {
            self.bids.range(limit..).map(|(_, level)| level.vol).sum()
        }
    }

    /// Takes up to `vol` from the book, best price first and none beyond `limit`.
    pub fn take(&mut self, buy: bool, limit: Price, vol: Contracts) -> Vec<(Price, Contracts)> {
        let mut taken = Vec::new();
        let mut wanted = vol;
        while wanted.is_positive() {
            let side = if buy { &mut self.asks } else { &mut self.bids };
            let entry = if buy { side.first_entry() } else { side.last_entry() };
            let Some(mut entry) = entry else { break };
            let price = *entry.key();
            if (buy && price > limit) || (!buy && price < limit) {
                break;
            }
            let part = entry.get().vol.min(wanted);
            entry.get_mut().vol -= part;
            if entry.get().vol.is_zero() {
                entry.remove();
            }
            wanted -= part;
            taken.push((price, part));
        }
        if !taken.is_empty() {
            self.version = self.version.saturating_add(1);
        }
        taken
    }
}

/// How long one step of a synthetic market is.
pub const STEP: Duration = Duration::from_millis(250);
