//! Endpoints that need no key (mexc-contract-api.md section 3).

use super::dispatch::{Asked, Reply};
use super::{detail, route::Endpoint};
use crate::model::{Decimal, Price, Symbol, VenueTime, mul};
use crate::simulator::json::{Object, array, number, quoted};
use crate::simulator::market::{Bar, Commit, Level, Market, Trade};
use crate::simulator::refusal::Refusal;
use crate::simulator::venue::{FUNDING_SECONDS, Venue};

/// Answers a public endpoint; `None` for the others.
pub fn answer(venue: &Venue, endpoint: Endpoint, asked: &Asked<'_>) -> Option<Reply> {
    Some(reply(venue, endpoint, asked)?.map(Some).map_err(Into::into))
}

fn reply(venue: &Venue, endpoint: Endpoint, asked: &Asked<'_>) -> Option<Result<String, Refusal>> {
    let time = venue.stamp_at(asked.now).millis();
    let market = || {
        let symbol = Symbol::new(asked.arg(0)).map_err(|_| Refusal::of(1001))?;
        venue.markets.get(&symbol).ok_or_else(|| Refusal::of(1001))
    };
    let stamped = |name: &'static str, price: fn(&Market) -> Decimal| {
        market().map(|market| {
            let object = Object::new().text("symbol", market.instrument.symbol.as_str());
            object.number(name, price(market)).plain("timestamp", time).build()
        })
    };
    Some(match endpoint {
        Endpoint::Ping => Ok(time.to_string()),
        Endpoint::Detail => one_or_all(venue, asked, |market| detail::contract(&market.instrument)),
        Endpoint::Currencies => Ok("[\"USDT\"]".to_owned()),
        Endpoint::Ticker => one_or_all(venue, asked, |market| ticker(market, venue)),
        Endpoint::Depth => market().and_then(|market| {
            let limit = asked.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1_000);
            Ok(depth(market, limit))
        }),
        Endpoint::DepthCommits => market().map(|market| {
            let most = asked.arg(1).parse().unwrap_or(COMMITS).min(COMMITS);
            // The newest first, as the documented sample has it.
            array(market.book.commits(most).iter().rev().map(|change| commit(change).build()))
        }),
        Endpoint::IndexPrice => stamped("indexPrice", |market| market.index.0),
        Endpoint::FairPrice => stamped("fairPrice", |market| market.fair.0),
        Endpoint::FundingRates => Ok(array(venue.markets.values().map(|market| funding(market, venue.stamp(), time)))),
        Endpoint::FundingRate => market().map(|market| funding(market, venue.stamp(), time)),
        Endpoint::Kline => market().and_then(|market| klines(market, asked)),
        Endpoint::Deals => market().and_then(|market| {
            let limit = asked.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(100);
            Ok(array(market.tape.trades().take(limit.min(100)).map(|row| trade(row, false))))
        }),
        Endpoint::RiskReverse => Ok(array(venue.markets.keys().map(|symbol| {
            let object = Object::new().text("symbol", symbol.as_str()).text("currency", "USDT");
            object.plain("available", 1_000_000).plain("timestamp", time).build()
        }))),
        Endpoint::FundingHistory | Endpoint::RiskReverseHistory => Ok(page(Vec::new())),
        _ => return None,
    })
}

/// An object when a contract is named, an array of all otherwise.
fn one_or_all(venue: &Venue, asked: &Asked<'_>, show: impl Fn(&Market) -> String) -> Result<String, Refusal> {
    match asked.symbol()? {
        Some(symbol) => venue.markets.get(&symbol).map(show).ok_or_else(|| Refusal::of(1001)),
        None => Ok(array(venue.markets.values().map(show))),
    }
}

/// The envelope of paged answers.
pub fn page(rows: Vec<String>) -> String {
    Object::new()
        .plain("pageSize", 20)
        .plain("totalCount", rows.len())
        .plain("totalPage", 1)
        .plain("currentPage", 1)
        .raw("resultList", &array(rows))
        .build()
}

/// The ticker, in REST and in pushes.
pub fn ticker(market: &Market, venue: &Venue) -> String {
    let day = market.tape.day();
    let (change, rate) = day.change(market.last);
    let (highest, lowest) = market.band();
    let held: Decimal =
        venue.positions.values().filter(|held| held.symbol == market.instrument.symbol).map(|held| held.hold.0).sum();
    Object::new()
        .plain("contractId", market.instrument.id)
        .text("symbol", market.instrument.symbol.as_str())
        .number("lastPrice", market.last.0)
        .number("bid1", market.book.bid().unwrap_or(market.last).0)
        .number("ask1", market.book.ask().unwrap_or(market.last).0)
        .number("volume24", day.volume.0)
        .number("amount24", day.amount.0)
        .number("holdVol", held)
        .number("lower24Price", day.low.0)
        .number("high24Price", day.high.0)
        .number("riseFallRate", rate)
        .number("riseFallValue", change)
        .number("indexPrice", market.index.0)
        .number("fairPrice", market.fair.0)
        .number("fundingRate", market.funding_rate)
        .number("maxBidPrice", highest.0)
        .number("minAskPrice", lowest.0)
        .plain("timestamp", market.stamp.millis())
        .raw("riseFallRates", &Object::new().text("zone", "UTC+8").number("r", rate).number("v", change).build())
        .raw("riseFallRatesOfTimezone", &array(std::iter::repeat_n(number(rate), 3)))
        .text("zone", "UTC+8")
        .build()
}

/// The order book down to a number of levels.
pub fn depth(market: &Market, limit: usize) -> String {
    let level = |price: &crate::model::Price, level: &crate::simulator::market::Level| {
        format!("[{},{},{}]", number(price.0), number(level.vol.0), level.orders)
    };
    let book = market.book.sides();
    let asks = array(book.asks.iter().take(limit).map(|(price, row)| level(price, row)));
    let bids = array(book.bids.iter().rev().take(limit).map(|(price, row)| level(price, row)));
    Object::new()
        .raw("asks", &asks)
        .raw("bids", &bids)
        .plain("version", market.book.version)
        .plain("timestamp", market.stamp.millis())
        .build()
}

/// Most changes that `depth_commits` answers.
const COMMITS: usize = 100;

/// One change of a book, or several merged: absolute sizes, 0 is gone.
pub fn commit(change: &Commit) -> Object {
    let rows = |side: &std::collections::BTreeMap<Price, Level>| {
        array(
            side.iter().map(|(price, level)| format!("[{},{},{}]", number(price.0), number(level.vol.0), level.orders)),
        )
    };
    Object::new().raw("asks", &rows(&change.asks)).raw("bids", &rows(&change.bids)).plain("version", change.version)
}

/// A trade of the tape; pushes have the id as a string and their own time.
pub fn trade(trade: &Trade, push: bool) -> String {
    let object = Object::new()
        .number("p", trade.price.0)
        .number("v", trade.vol.0)
        .plain("T", if trade.buy { 1 } else { 2 })
        .plain("O", 3)
        .plain("M", 2)
        .plain("t", trade.at.millis());
    if push {
        object.text("i", &trade.id.to_string()).plain("cts", trade.at.millis()).build()
    } else {
        object.plain("i", trade.id).build()
    }
}

/// When funding is settled next, in milliseconds.
pub fn next_funding(now: VenueTime) -> i64 {
    let next = now.secs().div_euclid(FUNDING_SECONDS).saturating_add(1);
    VenueTime::from_secs(next.saturating_mul(FUNDING_SECONDS)).millis()
}

fn funding(market: &Market, now: VenueTime, time: i64) -> String {
    let bound = mul(market.instrument.mmr, Decimal::new(75, 2)).max(Decimal::new(2, 2));
    Object::new()
        .text("symbol", market.instrument.symbol.as_str())
        .number("fundingRate", market.funding_rate)
        .number("maxFundingRate", bound)
        .number("minFundingRate", -bound)
        .plain("collectCycle", FUNDING_SECONDS / 3_600)
        .plain("nextSettleTime", next_funding(now))
        .plain("timestamp", time)
        .number("fairPrice", market.fair.0)
        .number("idxPrice", market.index.0)
        .build()
}

/// Seconds of a candle's interval by its name.
pub fn interval_seconds(name: &str) -> Option<i64> {
    Some(match name {
        "Min1" => 60,
        "Min5" => 300,
        "Min15" => 900,
        "Min30" => 1_800,
        "Min60" => 3_600,
        "Hour4" => 14_400,
        "Hour8" => 28_800,
        "Day1" => 86_400,
        "Week1" => 604_800,
        "Month1" => 2_592_000,
        _ => return None,
    })
}

/// What one column of the candles shows.
type Column = fn(&Bar) -> Decimal;

fn klines(market: &Market, asked: &Asked<'_>) -> Result<String, Refusal> {
    let name = asked.param("interval").unwrap_or("Min1");
    let seconds = interval_seconds(name)
        .ok_or_else(|| Refusal::new(600, format!("Parameter error: interval {}", quoted(name))))?;
    let bars = market.tape.bars(seconds, asked.number("start")?, asked.number("end")?);
    let column = |value: Column| array(bars.iter().map(|bar| number(value(bar))));
    let mut object = Object::new().raw("time", &array(bars.iter().map(|bar| bar.time.to_string())));
    let columns: [(&str, Column); 10] = [
        ("open", |bar| bar.open.0),
        ("close", |bar| bar.close.0),
        ("high", |bar| bar.high.0),
        ("low", |bar| bar.low.0),
        ("vol", |bar| bar.vol.0),
        ("amount", |bar| bar.amount.0),
        ("realOpen", |bar| bar.open.0),
        ("realClose", |bar| bar.close.0),
        ("realHigh", |bar| bar.high.0),
        ("realLow", |bar| bar.low.0),
    ];
    for (name, value) in columns {
        object = object.raw(name, &column(value));
    }
    Ok(object.build())
}
