//! A price is believed only when it makes sense. One that jumps, or that lies outside the market's own
//! bid and ask, waits for a second tick before it may carry an entry or lift a limit; it may warn at once.
//! So does the first price of a contract, which nothing can be compared with.
//! One tick is one source, however many of its fields agree: a garbled message is garbled as a whole.

use std::time::Duration;

use super::turn::Turn;
use crate::model::{Decimal, Event, Price, PriceDoubt, Quote, VenueTime, div, mul};

/// Prices of contracts that are not known to trade are kept for so many at most.
const STRANGERS: usize = 256;
/// A stamp may lie so far ahead of the exchange's clock, besides the uncertainty of that clock.
const AHEAD: Duration = Duration::from_secs(5);
/// A second tick is one that was stamped at least so much later.
const SECOND_TICK: Duration = Duration::from_millis(200);

/// Prices came.
pub(super) fn on_quote(turn: &mut Turn, mut quote: Quote) {
    let latest = latest_possible(turn);
    if quote.at > latest {
        quote.at = turn.venue_now();
    }
    let state = turn.state();
    match state.quote(&quote.symbol) {
        // Older than what is known, unless that was stamped by a clock that was wrong.
        Some(known) if quote.at < known.at && known.at <= latest => return,
        None if !state.contracts.contains_key(&quote.symbol) && state.quotes.len() >= STRANGERS => return,
        _ => {}
    }
    let known = state.upkeep.doubts.get(&quote.symbol);
    let doubt = judge(turn, &quote, known);
    let symbol = quote.symbol.clone();
    let moved = known != doubt.as_ref();
    turn.emit(Event::Quoted { quote: Box::new(quote) });
    if moved {
        turn.emit(Event::PriceDoubted { symbol, doubt: doubt.map(Box::new) });
    }
}

/// No stamp of the exchange can be later.
fn latest_possible(turn: &Turn) -> VenueTime {
    turn.venue_now().plus(turn.clock().uncertainty()).plus(AHEAD)
}

/// What stays in doubt after this quote.
fn judge(turn: &Turn, quote: &Quote, known: Option<&PriceDoubt>) -> Option<PriceDoubt> {
    if quote.risk_price().is_none() {
        // It confirms nothing.
        return known.cloned();
    }
    let believed = known.map(|doubt| &doubt.believed).or_else(|| turn.state().quote(&quote.symbol));
    let why = oddity(turn, believed, quote)?;
    match known {
        // Another tick says the same: so it is.
        Some(doubt) if agrees(turn, &doubt.doubted, quote) => {
            let is_second = quote.at >= doubt.doubted.at.plus(SECOND_TICK);
            (!is_second).then(|| doubt.clone())
        }
        _ => {
            let nothing = || Quote { last: None, mark: None, bid: None, ask: None, ..quote.clone() };
            Some(PriceDoubt { believed: believed.cloned().unwrap_or_else(nothing), doubted: quote.clone(), why })
        }
    }
}

/// What is odd about prices, seen from those that were believed before.
fn oddity(turn: &Turn, believed: Option<&Quote>, quote: &Quote) -> Option<String> {
    let limit = turn.settings.risk.max_price_jump_pct;
    let symbol = &quote.symbol;
    if believed.is_none_or(|believed| believed.risk_price().is_none()) {
        return Some(format!("this is the first price of {symbol}: waiting for a second tick"));
    }
    if let Some(believed) = believed {
        let pairs = [
            ("price", believed.risk_price(), quote.risk_price()),
            ("mark price", believed.mark, quote.mark),
            ("last price", believed.last, quote.last),
        ];
        for (name, before, now) in pairs {
            if let (Some(before), Some(now)) = (before, now)
                && is_apart(before, now, limit)
            {
                return Some(format!(
                    "the {name} of {symbol} jumped from {before} to {now}, more than {limit} %: waiting for a second tick"
                ));
            }
        }
    }
    // A market that is wide for long is wide: only that it has become so is news.
    match believed {
        Some(believed) if outside(turn, believed).is_some() => None,
        _ => outside(turn, quote),
    }
}

/// Whether mark or last price lie outside bid and ask by more than the collar.
fn outside(turn: &Turn, quote: &Quote) -> Option<String> {
    let (bid, ask, symbol) = (quote.bid?, quote.ask?, &quote.symbol);
    let collar = turn.settings.risk.market_collar_pct;
    for (name, price) in [("mark", quote.mark), ("last", quote.last)] {
        let Some(price) = price else { continue };
        let side = if price < bid { bid } else { ask };
        if (price < bid || price > ask) && is_apart(side, price, collar) {
            return Some(format!(
                "the {name} price {price} of {symbol} is outside bid {bid} and ask {ask} by more than {collar} %: waiting \
                 for a second tick"
            ));
        }
    }
    None
}

fn agrees(turn: &Turn, one: &Quote, other: &Quote) -> bool {
    let limit = turn.settings.risk.max_price_jump_pct;
    let pairs = [(one.mark, other.mark), (one.last, other.last), (one.risk_price(), other.risk_price())];
    pairs.into_iter().all(|pair| match pair {
        (Some(one), Some(other)) => !is_apart(one, other, limit),
        _ => true,
    })
}

fn is_apart(from: Price, to: Price, limit_pct: Decimal) -> bool {
    let part = div((to - from).abs().0, from.0);
    part.is_none_or(|part| mul(part, Decimal::ONE_HUNDRED) > limit_pct)
}
