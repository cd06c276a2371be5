//! What the strategy remembers of one symbol: the prices of the last while, and what it did.

use std::collections::VecDeque;
use std::time::Duration;

use super::Opening;
use crate::model::{Decimal, PositionId, Price, SessionTime, div, mul};

/// The price left the range of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breakout {
    /// Upwards.
    pub up: bool,
    /// Far enough to act.
    pub wide: bool,
    /// The highest or lowest price of the window.
    pub edge: Price,
}

/// One symbol.
#[derive(Debug, Default)]
pub struct Book {
    /// Prices of the window: the extremes of each second.
    window: VecDeque<Bar>,
    entered: Option<SessionTime>,
    noted: Option<SessionTime>,
    part: Opening,
    exit: Option<(PositionId, SessionTime)>,
}

/// The extremes of one second.
#[derive(Clone, Copy, Debug)]
struct Bar {
    at: SessionTime,
    high: Price,
    low: Price,
}

impl Book {
    /// Compares a price with the window, then takes it in. The last sixth of the window does not
    /// count, or a price that climbs step by step would never be far from its own edge. Says
    /// nothing before a third of the window is known.
    pub fn see(&mut self, now: SessionTime, price: Price, lookback: Duration, width_pct: Decimal) -> Option<Breakout> {
        while self.window.front().is_some_and(|bar| now.since(bar.at) > lookback) {
            self.window.pop_front();
        }
        let known = self.window.front().is_some_and(|first| now.since(first.at) >= lookback / 3);
        let settled = || self.window.iter().filter(|bar| now.since(bar.at) >= lookback / 6);
        let high = settled().map(|bar| bar.high).max();
        let low = settled().map(|bar| bar.low).min();
        match self.window.back_mut() {
            Some(bar) if now.since(bar.at) < Duration::from_secs(1) => {
                bar.high = bar.high.max(price);
                bar.low = bar.low.min(price);
            }
            _ => self.window.push_back(Bar { at: now, high: price, low: price }),
        }
        let (high, low) = (high.filter(|_| known)?, low?);
        let (up, edge) = if price > high {
            (true, high)
        } else if price < low {
            (false, low)
        } else {
            return None;
        };
        let beyond = mul(div((price - edge).abs().0, edge.0)?, Decimal::ONE_HUNDRED);
        Some(Breakout { up, wide: beyond >= width_pct, edge })
    }

    /// Whether the last entry is long enough ago.
    pub fn may_enter(&self, now: SessionTime, pause: Duration) -> bool {
        self.entered.is_none_or(|at| now.since(at) >= pause)
    }

    /// An entry was signalled.
    pub fn note_entry(&mut self, now: SessionTime) {
        self.entered = Some(now);
    }

    /// Whether a note is due; remembers it.
    pub fn may_note(&mut self, now: SessionTime, pause: Duration) -> bool {
        let due = self.noted.is_none_or(|at| now.since(at) >= pause) && self.may_enter(now, pause);
        if due {
            self.noted = Some(now);
        }
        due
    }

    /// Whether a part of this opening was taken off already.
    pub fn took_part_of(&self, id: PositionId) -> bool {
        self.part == Some(id)
    }

    /// A part of it was signalled to be closed.
    pub fn note_part(&mut self, id: PositionId) {
        self.part = Some(id);
    }

    /// Whether an exit of this opening was signalled a moment ago.
    pub fn waits_for_exit(&self, id: PositionId, now: SessionTime, patience: Duration) -> bool {
        self.exit.is_some_and(|(of, at)| of == id && now.since(at) < patience)
    }

    /// An exit was signalled.
    pub fn note_exit(&mut self, id: PositionId, now: SessionTime) {
        self.exit = Some((id, now));
        // The next entry waits as after an entry.
        self.entered = Some(now);
    }
}
