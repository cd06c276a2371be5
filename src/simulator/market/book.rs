//! The other side of every trade: a synthetic order book around the price, made anew each step.

use std::borrow::Cow;
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

/// Both sides of a book.
#[derive(Clone, Debug, Default)]
pub struct Sides {
    pub bids: BTreeMap<Price, Level>,
    pub asks: BTreeMap<Price, Level>,
}

/// How a book is made.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Ticks between best bid and best ask.
    pub spread_ticks: u32,
    /// Worth of the best level, in USDT.
    pub depth: Decimal,
}

/// All that a book is made from. It is made only when somebody looks or trades, so that markets
/// nobody watches cost next to nothing.
#[derive(Clone, Copy, Debug)]
struct Recipe {
    last: Price,
    tick: Decimal,
    contract_size: Decimal,
    shape: Shape,
    seed: u64,
    stream: u64,
}

/// The book of one market. `version` grows by one with every change.
#[derive(Clone, Debug)]
pub struct Book {
    pub version: u64,
    recipe: Recipe,
    made: Option<Sides>,
}

impl Recipe {
    fn best(&self) -> (Price, Price) {
        let half = Decimal::from(self.shape.spread_ticks / 2);
        let bid = sub(self.last.0, mul(self.tick, half)).max(self.tick);
        let ask = add(bid, mul(self.tick, Decimal::from(self.shape.spread_ticks.max(1))));
        (Price(bid.normalize()), Price(ask.normalize()))
    }

    fn make(&self) -> Sides {
        let (Price(bid), Price(ask)) = self.best();
        let step = round_down(mul(self.last.0, Decimal::new(5, 5)), self.tick).unwrap_or(self.tick).max(self.tick);
        let base = div(self.shape.depth, mul(self.last.0, self.contract_size)).unwrap_or(Decimal::ONE);
        let mut noise = Noise::new(self.seed, self.stream);
        let mut sides = Sides::default();
        for level in 0..LEVELS {
            let away = mul(step, Decimal::from(level));
            let grown = mul(base, add(Decimal::ONE, mul(Decimal::new(15, 2), Decimal::from(level))));
            let bits = noise.bits();
            let (below, above) = (size(grown, bits & 0xffff), size(grown, bits >> 32 & 0xffff));
            if sub(bid, away) > Decimal::ZERO {
                sides.bids.insert(Price(sub(bid, away).normalize()), below);
            }
            sides.asks.insert(Price(add(ask, away).normalize()), above);
        }
        sides
    }
}

/// A level of between a half and one and a half of the usual size, made of one to eight orders.
fn size(usual: Decimal, bits: u64) -> Level {
    let share = Decimal::new(i64::try_from(bits & 0xff).unwrap_or_default().saturating_add(128), 0);
    let vol = mul(usual, mul(share, Decimal::new(390_625, 8))).trunc().max(Decimal::ONE);
    Level { vol: Contracts(vol), orders: u32::try_from(bits >> 8 & 7).unwrap_or_default().saturating_add(1) }
}

impl Book {
    /// A book whose sizes are drawn from a stream of the seed.
    pub fn new(instrument: &Instrument, shape: Shape, seed: u64, stream: u64) -> Self {
        let (tick, contract_size) = (instrument.tick, instrument.contract_size);
        let recipe = Recipe { last: instrument.usual_price, tick, contract_size, shape, seed, stream };
        Self { version: 0, recipe, made: None }
    }

    /// A new book around the last price.
    pub fn refresh(&mut self, last: Price, shape: Shape) {
        self.recipe.last = last;
        self.recipe.shape = shape;
        self.recipe.stream = self.recipe.stream.wrapping_add(1);
        self.made = None;
        self.version = self.version.saturating_add(1);
    }

    /// Both sides, to look at.
    pub fn sides(&self) -> Cow<'_, Sides> {
        self.made.as_ref().map_or_else(|| Cow::Owned(self.recipe.make()), Cow::Borrowed)
    }

    fn open(&mut self) -> &mut Sides {
        let recipe = self.recipe;
        self.made.get_or_insert_with(|| recipe.make())
    }

    /// The best bid.
    pub fn bid(&self) -> Option<Price> {
        match &self.made {
            Some(sides) => sides.bids.last_key_value().map(|(price, _)| *price),
            None => Some(self.recipe.best().0),
        }
    }

    /// The best ask.
    pub fn ask(&self) -> Option<Price> {
        match &self.made {
            Some(sides) => sides.asks.first_key_value().map(|(price, _)| *price),
            None => Some(self.recipe.best().1),
        }
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
    pub fn available(&mut self, buy: bool, limit: Price) -> Contracts {
        let sides = self.open();
        if buy {
            sides.asks.range(..=limit).map(|(_, level)| level.vol).sum()
        } else {
            sides.bids.range(limit..).map(|(_, level)| level.vol).sum()
        }
    }

    /// Takes up to `vol` from the book, best price first and none beyond `limit`.
    pub fn take(&mut self, buy: bool, limit: Price, vol: Contracts) -> Vec<(Price, Contracts)> {
        let mut taken = Vec::new();
        let mut wanted = vol;
        while wanted.is_positive() {
            let sides = self.open();
            let side = if buy { &mut sides.asks } else { &mut sides.bids };
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
