//! One market: prices by the step, the book around them, the tape behind them.

mod before;
mod book;
mod history;
mod noise;
mod replay;
mod synthetic;

use std::sync::Arc;
use std::time::Duration;

pub use book::{Book, Commit, FIRST_STEP, Level, STEP, Shape};
pub use history::{Bar, Trade};
pub use noise::Noise;
pub use synthetic::percent;

use super::candles::Candles;
use super::clock::{ClockError, shown};
use super::instrument::Instrument;
use super::scenario::MarketParams;
use crate::model::{Contracts, Decimal, Price, SessionTime, VenueTime, add, div, mul, sub};

#[derive(Clone, Debug)]
enum Feed {
    Synthetic(Box<synthetic::Synthetic>),
    Replay(replay::Replay),
}

/// The prices that orders are triggered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    Last,
    Fair,
    Index,
}

/// One symbol's market.
#[derive(Clone, Debug)]
pub struct Market {
    pub instrument: Instrument,
    pub last: Price,
    pub index: Price,
    pub fair: Price,
    pub funding_rate: Decimal,
    pub book: Book,
    pub tape: history::History,
    /// When the prices were made, by the pace.
    pub at: SessionTime,
    /// The same by the exchange's own clock.
    pub stamp: VenueTime,
    /// Whether a recorded market has come to its end.
    pub ended: bool,
    /// Smoothed last − index.
    basis: Decimal,
    shape: Shape,
    feed: Feed,
    noise: Noise,
}

impl Market {
    /// An invented market. `number` keeps the random streams of the symbols apart.
    pub fn synthetic(
        instrument: Instrument,
        params: &MarketParams,
        (seed, number, rules): (u64, u64, u32),
        at: (SessionTime, VenueTime),
    ) -> Self {
        let start = params.start.unwrap_or(instrument.usual_price).0;
        let feed = synthetic::Synthetic::new(params.clone(), start, Noise::new(seed, number * 2 + 1));
        Self::open(instrument, params, Feed::Synthetic(Box::new(feed)), (seed, number, rules), start, at)
    }

    /// A recorded market.
    pub fn replayed(
        instrument: Instrument,
        params: &MarketParams,
        candles: &Arc<Candles>,
        (seed, rules): (u64, u32),
        clock: ClockError,
    ) -> Self {
        let start = candles.first().open;
        let pace = SessionTime::from_micros(candles.start().micros());
        let at = (pace, shown(pace, clock.micros_after(Duration::ZERO)));
        let feed = Feed::Replay(replay::Replay::new(Arc::clone(candles)));
        Self::open(instrument, params, feed, (seed, 0, rules), start, at)
    }

    fn open(
        instrument: Instrument,
        params: &MarketParams,
        feed: Feed,
        (seed, number, rules): (u64, u64, u32),
        start: Decimal,
        at: (SessionTime, VenueTime),
    ) -> Self {
        let shape = Shape { spread_ticks: params.spread_ticks, depth: params.depth };
        let noise = Noise::new(seed, number * 2 + 2);
        let price = instrument.on_tick(start);
        let mut market = Self {
            last: price,
            index: price,
            fair: price,
            funding_rate: params.funding_rate,
            book: Book::new(&instrument, shape, seed, number << 40 | 1 << 62),
            tape: history::History::new(before::Before::new(&instrument, price, shape, (seed, number), at.1)),
            at: at.0,
            stamp: at.1,
            ended: false,
            basis: Decimal::ZERO,
            shape,
            feed,
            noise,
            instrument,
        };
        market.change_rules(params, rules);
        market.settle(at, start);
        market
    }

    /// How long one step is: a fifth of a second, or a twentieth of a candle.
    pub fn step_length(candles: Option<&Arc<Candles>>, rules: u32) -> Duration {
        let least = if rules < 2 { FIRST_STEP } else { STEP };
        candles.map_or(least, |candles| (candles.interval() / replay::STEPS).max(least))
    }

    /// The candles that it replays.
    pub fn candles(&self) -> Option<&Arc<Candles>> {
        match &self.feed {
            Feed::Synthetic(_) => None,
            Feed::Replay(feed) => Some(feed.candles()),
        }
    }

    /// The exchange's rules from here on: fees, and how its book moves.
    pub fn change_rules(&mut self, params: &MarketParams, rules: u32) {
        self.instrument.arrange(params, rules);
        if rules >= 2 {
            self.book.fix(self.last);
        }
    }

    /// Other parameters from here on.
    pub fn retune(&mut self, params: &MarketParams, rules: u32) {
        self.instrument.arrange(params, rules);
        self.funding_rate = params.funding_rate;
        self.shape = Shape { spread_ticks: params.spread_ticks, depth: params.depth };
        if let Feed::Synthetic(feed) = &mut self.feed {
            feed.retune(params.clone());
        }
    }

    /// One step of the market, at its time.
    pub fn step(&mut self, at: (SessionTime, VenueTime), step: Duration) {
        let hidden = match &mut self.feed {
            Feed::Synthetic(feed) => feed.step(step),
            Feed::Replay(feed) => {
                let (price, ended) = feed.price_at(at.0);
                self.ended = ended;
                price
            }
        };
        self.settle(at, hidden);
    }

    /// Moves the price at once by a share; recorded markets cannot be moved.
    pub fn jump(&mut self, share: Decimal) {
        if let Feed::Synthetic(feed) = &mut self.feed {
            feed.jump(share);
        }
    }

    fn settle(&mut self, (at, stamp): (SessionTime, VenueTime), hidden: Decimal) {
        let tick = self.instrument.tick;
        let recorded = matches!(self.feed, Feed::Replay(_));
        let flutter =
            if recorded { Decimal::ZERO } else { mul(self.noise.normal(), div(tick, Decimal::TWO).unwrap_or(tick)) };
        let moved_up = add(hidden, flutter) >= self.last.0;
        self.index = Price(self.instrument.on_tick(hidden).0.max(tick));
        self.last = Price(self.instrument.on_tick(add(hidden, flutter)).0.max(tick));
        let gap = sub(self.last.0, self.index.0);
        self.basis = add(mul(self.basis, Decimal::new(9, 1)), mul(gap, Decimal::new(1, 1))).round_dp(10);
        self.fair = Price(self.instrument.on_tick(add(self.index.0, self.basis)).0.max(tick));
        self.at = at;
        self.stamp = stamp;
        self.book.refresh(self.last, self.shape);
        let size = mul(self.noise.between(Decimal::new(2, 2), Decimal::new(40, 2)), self.shape.depth);
        let contract = self.instrument.value(self.last, Contracts(Decimal::ONE)).0;
        let vol = Contracts(div(size, contract).unwrap_or(Decimal::ONE).trunc().max(Decimal::ONE));
        self.tape.trade(stamp, self.last, vol, self.instrument.value(self.last, vol), moved_up);
    }

    /// The price that a trigger watches.
    pub fn trend(&self, trend: Trend) -> Price {
        match trend {
            Trend::Last => self.last,
            Trend::Fair => self.fair,
            Trend::Index => self.index,
        }
    }

    /// The highest price a buy may name, and the lowest a sell may (`maxBidPrice`, `minAskPrice`).
    pub fn band(&self) -> (Price, Price) {
        let width = self.instrument.band;
        let highest = mul(self.index.0, add(Decimal::ONE, width));
        let lowest = mul(self.index.0, sub(Decimal::ONE, width));
        (self.instrument.on_tick(highest), self.instrument.on_tick(lowest))
    }
}
