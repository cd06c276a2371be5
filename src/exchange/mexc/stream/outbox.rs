//! What waits for a slow consumer: every fact, in order, and the latest price of each symbol.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{Push, Quote, Symbol};

/// Facts that may wait before the connection is no longer read: the exchange's own buffers hold the
/// rest, so none is dropped.
const MOST_FACTS: usize = 4_096;

/// Pushes on their way to the consumer.
#[derive(Debug, Default)]
pub struct Outbox {
    facts: VecDeque<Push>,
    quotes: BTreeMap<Symbol, Quote>,
    turn: VecDeque<Symbol>,
}

impl Outbox {
    /// Adds one; a price takes the place of an older one of its symbol.
    pub fn push(&mut self, push: Push) {
        match push {
            Push::Quote(quote) => {
                let symbol = quote.symbol.clone();
                if self.quotes.insert(symbol.clone(), quote).is_none() {
                    self.turn.push_back(symbol);
                }
            }
            fact => self.facts.push_back(fact),
        }
    }

    /// Adds those that there are.
    pub fn extend(&mut self, pushes: impl IntoIterator<Item = Push>) {
        pushes.into_iter().for_each(|push| self.push(push));
    }

    /// The next one: facts first.
    pub fn pop(&mut self) -> Option<Push> {
        if let Some(fact) = self.facts.pop_front() {
            return Some(fact);
        }
        let symbol = self.turn.pop_front()?;
        self.quotes.remove(&symbol).map(Push::Quote)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.turn.is_empty()
    }

    /// Whether more may be read.
    pub fn has_room(&self) -> bool {
        self.facts.len() < MOST_FACTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Decimal, Price};

    fn quote(symbol: &str, last: i64) -> Push {
        Push::Quote(Quote {
            symbol: Symbol::new(symbol).unwrap(),
            last: Some(Price(Decimal::from(last))),
            mark: None,
            bid: None,
            ask: None,
            funding_rate: None,
            at: crate::model::VenueTime::ZERO,
        })
    }

    #[test]
    fn prices_are_conflated_and_facts_are_not() {
        let mut outbox = Outbox::default();
        for push in [quote("B", 1), Push::Connected, quote("A", 1), quote("B", 2), Push::Connected] {
            outbox.push(push);
        }
        let mut out = Vec::new();
        while let Some(push) = outbox.pop() {
            out.push(push);
        }
        assert_eq!(out, [Push::Connected, Push::Connected, quote("B", 2), quote("A", 1)]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn many_facts_stop_the_reading_and_none_is_dropped() {
        let mut outbox = Outbox::default();
        while outbox.has_room() {
            outbox.push(Push::Connected);
        }
        let waiting = std::iter::from_fn(|| outbox.pop()).count();
        assert_eq!(waiting, MOST_FACTS);
    }
}
