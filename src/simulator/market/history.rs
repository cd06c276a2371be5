//! What a market remembers: one-minute candles, the last trades, the last day's range, and what was
//! before its start.

use std::collections::VecDeque;

use super::before::Before;
use crate::model::{Contracts, Decimal, Price, Usdt, VenueTime, div, sub};

/// One-minute candles kept: a day and a bit.
const CANDLES: usize = 2_000;
/// Most candles of one answer.
pub const ROWS: usize = 2_000;
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
#[derive(Clone, Debug)]
pub struct History {
    before: Before,
    bars: VecDeque<Bar>,
    trades: VecDeque<Trade>,
    next_trade: u64,
}

impl History {
    /// An empty tape after what was before.
    pub fn new(before: Before) -> Self {
        Self { before, bars: VecDeque::new(), trades: VecDeque::new(), next_trade: 0 }
    }

    /// Adds a trade, and with it the price.
    pub fn trade(&mut self, at: VenueTime, price: Price, vol: Contracts, amount: Usdt, buy: bool) {
        self.next_trade = self.next_trade.saturating_add(1);
        self.trades.push_front(Trade { id: 10_000_000_000 + self.next_trade, price, vol, buy, at });
        self.trades.truncate(TRADES);
        let minute = at.secs().div_euclid(60) * 60;
        // A clock that was set back makes no second candle of a minute: what trades meanwhile
        // counts in the newest.
        if let Some(bar) = self.bars.back_mut().filter(|bar| bar.time >= minute) {
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

    /// Candles of so many seconds between two times (seconds, inclusive), oldest first: the last
    /// 2000 at most, those from before the start included.
    pub fn bars(&self, seconds: i64, from: Option<i64>, to: Option<i64>) -> Vec<Bar> {
        let mut live = self.live(seconds, from, to);
        if live.len() >= ROWS {
            return live.split_off(live.len().saturating_sub(ROWS));
        }
        let mut out = self.earlier(seconds.max(60), from, to, ROWS.saturating_sub(live.len()).saturating_add(1));
        // The candle in which it started has a part before and a part after.
        if let (Some(before), Some(after)) = (out.last().copied(), live.first_mut().filter(|b| self.began(b.time)))
            && before.time == after.time
        {
            after.open = before.open;
            after.low = after.low.min(before.low);
            after.high = after.high.max(before.high);
            after.vol += before.vol;
            after.amount += before.amount;
            out.pop();
        }
        out.extend(live);
        let more = out.len().saturating_sub(ROWS);
        out.split_off(more)
    }

    /// The candle that is being made.
    pub fn last_bar(&self, seconds: i64) -> Option<Bar> {
        let newest = self.bars.back()?;
        self.bars(seconds, Some(start_of(newest.time, seconds)), None).pop()
    }

    /// Whether a candle reaches back to the start or before.
    fn began(&self, time: i64) -> bool {
        time <= self.before.until()
    }

    /// Candles from before the start, at most so many.
    fn earlier(&self, seconds: i64, from: Option<i64>, to: Option<i64>, most: usize) -> Vec<Bar> {
        let until = self.before.until();
        // Nothing joins on when the first minutes are forgotten already.
        if self.bars.front().is_some_and(|bar| bar.time > until) {
            return Vec::new();
        }
        let newest = start_of(to.unwrap_or(until).min(until), seconds);
        let mut rows = Vec::new();
        let mut time = newest;
        while rows.len() < most && from.is_none_or(|from| time >= from) && time > 0 {
            if time < until {
                rows.push(self.before.bar(time, time.saturating_add(seconds)));
            }
            time = time.saturating_sub(seconds);
        }
        rows.reverse();
        rows
    }

    fn live(&self, seconds: i64, from: Option<i64>, to: Option<i64>) -> Vec<Bar> {
        let mut out: Vec<Bar> = Vec::new();
        let first = from.map_or(0, |from| self.bars.partition_point(|bar| bar.time < from));
        for bar in self.bars.iter().skip(first) {
            let time = start_of(bar.time, seconds);
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

/// When the candle began that a time lies in.
fn start_of(time: i64, seconds: i64) -> i64 {
    time.div_euclid(seconds.max(60)) * seconds.max(60)
}

impl DayFigures {
    /// Change since 24 hours ago, as an amount and as a share.
    pub fn change(&self, last: Price) -> (Decimal, Decimal) {
        let value = sub(last.0, self.open.0);
        (value, div(value, self.open.0).map_or(Decimal::ZERO, |rate| rate.round_dp(4)))
    }
}
