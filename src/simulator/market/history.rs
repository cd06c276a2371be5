//! What a market remembers: one-minute candles, the last trades, the last day's range.

use std::collections::VecDeque;

use crate::model::{Contracts, Decimal, Price, Usdt, VenueTime, div, sub};

/// One-minute candles kept: a day and a bit, and the 2000 rows that `kline` may answer.
const CANDLES: usize = 2_000;
/// Trades kept, the most that `deals` may answer.
const TRADES: usize = 100;
/// Minutes of the 24-hour figures.
const DAY: usize = 1_440;

/// One candle of the tape.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Start, in seconds.
    pub time: i64,
    pub open: Price,
    pub high: Price,
    pub low: Price,
    pub close: Price,
    pub vol: Contracts,
    pub amount: Usdt,
}

/// One trade of the tape.
#[derive(Clone, Copy, Debug)]
pub struct Trade {
    pub id: u64,
    pub price: Price,
    pub vol: Contracts,
    pub buy: bool,
    pub at: VenueTime,
}

/// Figures of the last 24 hours.
#[derive(Clone, Copy, Debug, Default)]
pub struct DayFigures {
    pub low: Price,
    pub high: Price,
    pub open: Price,
    pub volume: Contracts,
    pub amount: Usdt,
}

/// The tape of one market.
#[derive(Clone, Debug, Default)]
pub struct History {
    bars: VecDeque<Bar>,
    trades: VecDeque<Trade>,
    next_trade: u64,
}

impl History {
    /// Adds a trade, and with it the price.
    pub fn trade(&mut self, at: VenueTime, price: Price, vol: Contracts, amount: Usdt, buy: bool) {
        self.next_trade = self.next_trade.saturating_add(1);
        self.trades.push_front(Trade { id: 10_000_000_000 + self.next_trade, price, vol, buy, at });
        self.trades.truncate(TRADES);
        let minute = at.secs().div_euclid(60) * 60;
        if let Some(bar) = self.bars.back_mut().filter(|bar| bar.time == minute) {
            bar.high = bar.high.max(price);
            bar.low = bar.low.min(price);
            bar.close = price;
            bar.vol += vol;
            bar.amount += amount;
            return;
        }
        self.bars.push_back(Bar { time: minute, open: price, high: price, low: price, close: price, vol, amount });
        if self.bars.len() > CANDLES {
            self.bars.pop_front();
        }
    }

    /// The trades, newest first.
    pub fn trades(&self) -> impl Iterator<Item = &Trade> {
        self.trades.iter()
    }

    /// Trades after the one with this id, oldest first.
    pub fn trades_after(&self, id: u64) -> Vec<Trade> {
        let mut fresh: Vec<Trade> = self.trades.iter().take_while(|trade| trade.id > id).copied().collect();
        fresh.reverse();
        fresh
    }

    /// Candles of so many seconds between two times (seconds, inclusive), oldest first.
    pub fn bars(&self, seconds: i64, from: Option<i64>, to: Option<i64>) -> Vec<Bar> {
        let mut out: Vec<Bar> = Vec::new();
        for bar in &self.bars {
            let time = bar.time.div_euclid(seconds.max(60)) * seconds.max(60);
            if from.is_some_and(|from| time < from) || to.is_some_and(|to| time > to) {
                continue;
            }
            if let Some(last) = out.last_mut().filter(|last| last.time == time) {
                last.high = last.high.max(bar.high);
                last.low = last.low.min(bar.low);
                last.close = bar.close;
                last.vol += bar.vol;
                last.amount += bar.amount;
            } else {
                out.push(Bar { time, ..*bar });
            }
        }
        out
    }

    /// The figures of the last 24 hours.
    pub fn day(&self) -> DayFigures {
        let mut figures = DayFigures::default();
        for (at, bar) in self.bars.iter().rev().take(DAY).enumerate() {
            figures.low = if at == 0 { bar.low } else { figures.low.min(bar.low) };
            figures.high = figures.high.max(bar.high);
            figures.open = bar.open;
            figures.volume += bar.vol;
            figures.amount += bar.amount;
        }
        figures
    }
}

impl DayFigures {
    /// Change since 24 hours ago, as an amount and as a share.
    pub fn change(&self, last: Price) -> (Decimal, Decimal) {
        let value = sub(last.0, self.open.0);
        (value, div(value, self.open.0).map_or(Decimal::ZERO, |rate| rate.round_dp(4)))
    }
}
