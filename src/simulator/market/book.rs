//! The other side of every trade: a synthetic order book around the price. Levels stay where they are
//! on a fixed grid, and only some of them change with a step, so that deltas are small, as real ones.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::noise::{Noise, mix};
use crate::model::{Contracts, Decimal, Price, add, div, mul, round_down, round_up, sub};
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
    /// Grows by one with each step of the market.
    stream: u64,
    /// Where the levels behind the best one lie, and the price that their usual size is measured
    /// at. Under the rules of version 0.1.0 both follow the last price.
    fixed: Option<Fixed>,
}

#[derive(Clone, Copy, Debug)]
struct Fixed {
    grid: Decimal,
    price: Decimal,
}

/// One change of a book: what the levels named are afterwards; no contracts, no level.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub version: u64,
    pub bids: BTreeMap<Price, Level>,
    pub asks: BTreeMap<Price, Level>,
}

/// A book as it was: what it can be made from, or itself when somebody had traded in it.
#[derive(Clone, Debug)]
enum Was {
    Recipe(Recipe),
    Made(Box<Sides>),
}

/// How many versions are kept: more than the 100 that `depth_commits` is asked for.
const KEPT: usize = 128;

/// The book of one market. `version` grows by one with every change.
#[derive(Clone, Debug)]
pub struct Book {
    pub version: u64,
    recipe: Recipe,
    made: Option<Sides>,
    /// The last versions, the newest last.
    past: VecDeque<(u64, Was)>,
}

impl Recipe {
    fn best(&self) -> (Price, Price) {
        let half = Decimal::from(self.shape.spread_ticks / 2);
        let bid = sub(self.last.0, mul(self.tick, half)).max(self.tick);
        let ask = add(bid, mul(self.tick, Decimal::from(self.shape.spread_ticks.max(1))));
        (Price(bid.normalize()), Price(ask.normalize()))
    }

    fn make(&self) -> Sides {
        match self.fixed {
            Some(fixed) => self.make_on_grid(fixed),
            None => self.make_anew(),
        }
    }

    fn make_on_grid(&self, Fixed { grid, price }: Fixed) -> Sides {
        let (Price(bid), Price(ask)) = self.best();
        let base = div(self.shape.depth, mul(price, self.contract_size)).unwrap_or(Decimal::ONE);
        // What twenty levels that grow by 15 % each hold, without depending on how far they are.
        let behind = mul(base, Decimal::new(25, 1));
        let mut sides = Sides::default();
        let below = round_down(sub(bid, self.tick), grid).unwrap_or(bid);
        let above = round_up(add(ask, self.tick), grid).unwrap_or(ask);
        sides.bids.insert(Price(bid), self.level(bid, 0, base));
        sides.asks.insert(Price(ask), self.level(ask, 1, base));
        for number in 0..LEVELS.saturating_sub(1) {
            let away = mul(grid, Decimal::from(number));
            let (low, high) = (sub(below, away).normalize(), add(above, away).normalize());
            if low > Decimal::ZERO {
                sides.bids.insert(Price(low), self.level(low, 0, behind));
            }
            sides.asks.insert(Price(high), self.level(high, 1, behind));
        }
        sides
    }

    /// The level at a price: it keeps its size for some steps, each level for its own number.
    fn level(&self, price: Decimal, side: u64, usual: Decimal) -> Level {
        let ticks = div(price, self.tick).and_then(|ticks| u64::try_from(ticks.trunc()).ok()).unwrap_or_default();
        let own = mix(self.seed ^ mix(ticks.wrapping_mul(2).wrapping_add(side)));
        let lasts = 8_u64.saturating_add(own >> 32 & 31);
        let turn = self.stream.wrapping_add(own & 0xff) / lasts;
        size(usual, mix(own ^ turn) & 0xffff)
    }

    fn make_anew(&self) -> Sides {
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
        let recipe = Recipe { last: instrument.usual_price, tick, contract_size, shape, seed, stream, fixed: None };
        Self { version: 0, recipe, made: None, past: VecDeque::new() }
    }

    /// From here on its levels lie on a fixed grid, made for this price.
    pub fn fix(&mut self, price: Price) {
        let tick = self.recipe.tick;
        let grid = round_down(mul(price.0, Decimal::new(5, 5)), tick).unwrap_or(tick).max(tick);
        self.recipe.fixed = Some(Fixed { grid, price: price.0.max(tick) });
    }

    fn keep(&mut self, was: Was) {
        self.past.push_back((self.version, was));
        if self.past.len() > KEPT {
            self.past.pop_front();
        }
    }

    /// The changes after a version, oldest first; from the oldest that is known when that is later.
    pub fn commits_after(&self, version: u64) -> Vec<Commit> {
        let known = self.past.iter().skip_while(|(number, _)| *number < version);
        let mut before: Option<Cow<'_, Sides>> = None;
        let mut commits = Vec::new();
        for (number, was) in known {
            let sides = match was {
                Was::Recipe(recipe) => Cow::Owned(recipe.make()),
                Was::Made(sides) => Cow::Borrowed(&**sides),
            };
            if let Some(before) = &before {
                let bids = changes(&before.bids, &sides.bids);
                commits.push(Commit { version: *number, bids, asks: changes(&before.asks, &sides.asks) });
            }
            before = Some(sides);
        }
        commits
    }

    /// The last so many changes, oldest first.
    pub fn commits(&self, most: usize) -> Vec<Commit> {
        let from = self.version.saturating_sub(u64::try_from(most).unwrap_or(u64::MAX));
        self.commits_after(from)
    }

    /// A new book around the last price.
    pub fn refresh(&mut self, last: Price, shape: Shape) {
        self.recipe.last = last;
        self.recipe.shape = shape;
        self.recipe.stream = self.recipe.stream.wrapping_add(1);
        self.made = None;
        self.version = self.version.saturating_add(1);
        self.keep(Was::Recipe(self.recipe));
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

    /// The worst price at which so much would trade now, none beyond `limit`; `None` when nothing
    /// would.
    pub fn worst(&self, buy: bool, vol: Contracts, limit: Price) -> Option<Price> {
        let sides = self.sides();
        let mut left = vol;
        let mut worst = None;
        let mut walk = |price: Price, level: &Level| {
            let within = if buy { price <= limit } else { price >= limit };
            if within && left.is_positive() {
                worst = Some(price);
                left -= level.vol.min(left);
            }
        };
        if buy {
            sides.asks.iter().for_each(|(price, level)| walk(*price, level));
        } else {
            sides.bids.iter().rev().for_each(|(price, level)| walk(*price, level));
        }
        worst
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
            if let Some(sides) = self.made.clone() {
                self.keep(Was::Made(Box::new(sides)));
            }
        }
        taken
    }
}

fn changes(before: &BTreeMap<Price, Level>, after: &BTreeMap<Price, Level>) -> BTreeMap<Price, Level> {
    let gone = before.keys().filter(|price| !after.contains_key(price)).map(|price| (*price, Level::NONE));
    let fresh = after.iter().filter(|(price, level)| before.get(price) != Some(level)).map(|(p, l)| (*p, *l));
    gone.chain(fresh).collect()
}

impl Level {
    /// No level any more.
    pub const NONE: Self = Self { vol: Contracts::ZERO, orders: 0 };
}

/// How long one step of a synthetic market is: the pace of the exchange's book deltas.
pub const STEP: Duration = Duration::from_millis(200);
/// The same under the rules of version 0.1.0.
pub const FIRST_STEP: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Symbol;
    use crate::simulator::instrument::catalogue;

    #[test]
    fn a_step_changes_few_levels_and_the_commits_lead_from_book_to_book() {
        let btc = catalogue().remove(&Symbol::new("BTC_USDT").unwrap()).unwrap();
        let shape = Shape { spread_ticks: 1, depth: Decimal::from(40_000) };
        let mut book = Book::new(&btc, shape, 7, 1 << 62);
        book.fix(btc.usual_price);
        let mut noise = Noise::new(7, 3);
        let mut last = btc.usual_price;
        book.refresh(last, shape);
        let (mut copy, mut version) = (book.sides().into_owned(), book.version);
        let mut changed = 0;
        for step in 0..400 {
            last = Price(round_down(add(last.0, mul(noise.normal(), Decimal::new(5, 1))), btc.tick).unwrap());
            book.refresh(last, shape);
            if step % 7 == 0 {
                book.take(
                    step % 2 == 0,
                    Price(if step % 2 == 0 { Decimal::from(90_000) } else { Decimal::ONE }),
                    Contracts(Decimal::from(9_000)),
                );
            }
            for commit in book.commits_after(version) {
                assert_eq!(commit.version, version + 1, "no version is left out");
                version = commit.version;
                changed += commit.bids.len() + commit.asks.len();
                for (side, levels) in [(&mut copy.bids, commit.bids), (&mut copy.asks, commit.asks)] {
                    for (price, level) in levels {
                        if level.vol.is_zero() {
                            side.remove(&price);
                        } else {
                            side.insert(price, level);
                        }
                    }
                }
            }
            let sides = book.sides();
            assert_eq!((&copy.bids, &copy.asks, version), (&sides.bids, &sides.asks, book.version));
            assert_eq!((sides.bids.len() <= 20, sides.asks.len() <= 20), (true, true));
            assert!(sides.bids.last_key_value().unwrap().0 < sides.asks.first_key_value().unwrap().0);
        }
        assert!(changed / 400 < 14, "{} levels change with a step", changed / 400);
        assert_eq!(book.commits(20).len(), 20);
    }
}
