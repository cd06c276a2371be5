//! The frames of the public channels, and what was sent last on each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::hub::Topic;
use crate::model::{Price, SessionTime, Symbol, VenueTime};
use crate::simulator::http::public;
use crate::simulator::json::{Object, array, quoted};
use crate::simulator::market::{Commit, Market};
use crate::simulator::venue::{Push, Venue};

/// How long a frame is held back at most for the next one to overtake it.
pub const HOLD: Duration = Duration::from_millis(750);
/// `push.tickers` comes this often.
const TICKERS: Duration = Duration::from_secs(2);

/// What was sent last.
#[derive(Debug, Default)]
pub struct Seen {
    /// The versions of the books that were sent last.
    depth: BTreeMap<Symbol, u64>,
    trade: BTreeMap<Symbol, u64>,
    tickers: Option<SessionTime>,
    at: BTreeMap<Topic, SessionTime>,
    pub held_since: Option<SessionTime>,
}

/// A frame of a public channel.
fn frame(channel: &str, symbol: Option<&Symbol>, data: &str, at: VenueTime) -> String {
    let mut object = Object::new().text("channel", channel).raw("data", data);
    if let Some(symbol) = symbol {
        object = object.text("symbol", symbol.as_str());
    }
    object.plain("ts", at.millis()).build()
}

/// A frame of a private channel.
pub fn private(push: &Push) -> String {
    Object::new().text("channel", push.channel).raw("data", &push.data).plain("ts", push.at).build()
}

/// The answer to a request.
pub fn ack(method: &str, at: VenueTime) -> String {
    Object::new().text("channel", &format!("rs.{method}")).raw("data", "\"success\"").plain("ts", at.millis()).build()
}

/// The answer to a request that failed.
pub fn error(text: &str, at: VenueTime) -> String {
    Object::new().text("channel", "rs.error").raw("data", &quoted(text)).plain("ts", at.millis()).build()
}

/// The answer to a ping.
pub fn pong(at: VenueTime) -> String {
    Object::new().text("channel", "pong").plain("data", at.millis()).plain("ts", at.millis()).build()
}

/// What a new listener gets at once.
pub fn first(topic: &Topic, venue: &Venue) -> Option<String> {
    match topic {
        Topic::Tickers | Topic::Deal(_) | Topic::Depth(_) | Topic::Contract => None,
        other => other.symbol().and_then(|symbol| snapshot(other, symbol, venue)),
    }
}

fn snapshot(topic: &Topic, symbol: &Symbol, venue: &Venue) -> Option<String> {
    let market = venue.markets.get(symbol)?;
    let price = |value: Price| Object::new().text("symbol", symbol.as_str()).number("price", value.0).build();
    let (channel, data) = match topic {
        Topic::Ticker(_) => ("push.ticker", public::ticker(market, venue)),
        Topic::FundingRate(_) => {
            let next = public::next_funding(venue.stamp());
            let data = Object::new()
                .text("symbol", symbol.as_str())
                .number("rate", market.funding_rate)
                .plain("nextSettleTime", next)
                .build();
            ("push.funding.rate", data)
        }
        Topic::IndexPrice(_) => ("push.index.price", price(market.index)),
        Topic::FairPrice(_) => ("push.fair.price", price(market.fair)),
        Topic::Kline(_, interval) => ("push.kline", kline(market, interval)?),
        Topic::DepthFull(_, limit) => ("push.depth.full", public::depth(market, *limit)),
        _ => return None,
    };
    Some(frame(channel, Some(symbol), &data, venue.stamp()))
}

fn kline(market: &Market, interval: &str) -> Option<String> {
    let seconds = public::interval_seconds(interval)?;
    let bar = market.tape.last_bar(seconds)?;
    let price = |object: Object, key, value: Price| object.number(key, value.0);
    let mut object =
        Object::new().text("symbol", market.instrument.symbol.as_str()).text("interval", interval).plain("t", bar.time);
    for (keys, value) in
        [(["o", "ro"], bar.open), (["c", "rc"], bar.close), (["h", "rh"], bar.high), (["l", "rl"], bar.low)]
    {
        for key in keys {
            object = price(object, key, value);
        }
    }
    Some(object.number("a", bar.amount.0).number("q", bar.vol.0).build())
}

impl Topic {
    pub fn symbol(&self) -> Option<&Symbol> {
        match self {
            Self::Tickers | Self::Contract => None,
            Self::Ticker(symbol)
            | Self::Deal(symbol)
            | Self::Depth(symbol)
            | Self::DepthFull(symbol, _)
            | Self::Kline(symbol, _)
            | Self::FundingRate(symbol)
            | Self::IndexPrice(symbol)
            | Self::FairPrice(symbol) => Some(symbol),
        }
    }
}

impl Seen {
    /// Sets where a channel starts when nobody listened before.
    pub fn begin(&mut self, topic: &Topic, venue: &Venue, fresh: bool) {
        let Some(market) = topic.symbol().and_then(|symbol| venue.markets.get(symbol)).filter(|_| fresh) else {
            return;
        };
        let symbol = market.instrument.symbol.clone();
        match topic {
            Topic::Depth(_) => drop(self.depth.insert(symbol, market.book.version)),
            Topic::Deal(_) => {
                let last = market.tape.trades().next().map_or(0, |trade| trade.id);
                self.trade.insert(symbol, last);
            }
            other => drop(self.at.insert(other.clone(), market.at)),
        }
    }

    /// The frames that a channel is due.
    pub fn frames(&mut self, topic: &Topic, venue: &Venue) -> Vec<String> {
        match topic {
            Topic::Tickers => self.tickers(venue).into_iter().collect(),
            Topic::Contract => Vec::new(),
            Topic::Deal(symbol) => venue.markets.get(symbol).and_then(|m| self.deals(m, venue)).into_iter().collect(),
            Topic::Depth(symbol) => venue.markets.get(symbol).and_then(|m| self.depth(m, venue)).into_iter().collect(),
            other => {
                let Some(market) = other.symbol().and_then(|symbol| venue.markets.get(symbol)) else {
                    return Vec::new();
                };
                // Once for each step of the market.
                if self.at.insert(other.clone(), market.at) == Some(market.at) {
                    return Vec::new();
                }
                snapshot(other, &market.instrument.symbol, venue).into_iter().collect()
            }
        }
    }

    fn tickers(&mut self, venue: &Venue) -> Option<String> {
        if self.tickers.is_some_and(|last| venue.now.since(last) < TICKERS) {
            return None;
        }
        self.tickers = Some(venue.now);
        let rows = array(venue.markets.values().map(|market| public::ticker(market, venue)));
        Some(frame("push.tickers", None, &rows, venue.stamp()))
    }

    fn deals(&mut self, market: &Market, venue: &Venue) -> Option<String> {
        let symbol = &market.instrument.symbol;
        let last = self.trade.get(symbol).copied().unwrap_or_default();
        let fresh = market.tape.trades_after(last);
        self.trade.insert(symbol.clone(), fresh.last()?.id);
        let rows = array(fresh.iter().map(|trade| public::trade(trade, true)));
        Some(frame("push.deal", Some(symbol), &rows, venue.stamp()))
    }

    fn depth(&mut self, market: &Market, venue: &Venue) -> Option<String> {
        let symbol = &market.instrument.symbol;
        let sent = self.depth.entry(symbol.clone()).or_default();
        if *sent == market.book.version {
            return None;
        }
        // Every level that changed on the way, as it is in the end, so that it fits whatever version
        // of these a listener has from REST. What was too long ago is a gap, which versions show.
        let commits = market.book.commits_after(*sent);
        let begin = commits.first()?.version;
        let mut merged = Commit { version: market.book.version, ..Commit::default() };
        for commit in commits {
            merged.bids.extend(commit.bids);
            merged.asks.extend(commit.asks);
        }
        *sent = merged.version;
        let data = public::commit(&merged)
            .plain("begin", begin)
            .plain("end", merged.version)
            .plain("cts", market.stamp.millis())
            .build();
        Some(frame("push.depth", Some(symbol), &data, venue.stamp()))
    }
}
