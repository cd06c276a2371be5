//! Questions: single answers and lists that come in pages. A list is read row by row: one that cannot
//! be understood is named and spoils no other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::codes::Call;
use super::core::{Ask, CONTRACTS, Core, LIST, Payload, SMALL};
use super::limiter::{Group, Lane};
use super::sign::{encode_into, query};
use super::wire::{
    Contracts, Dec, Int, RawAsset, RawFill, RawOrder, RawPosition, RawPrice, Text, WireError, mode_of, read_contracts,
    rows,
};
use crate::model::{
    AccountReport, CallError, Category, ClientOrderId, ContractSpec, Decimal, ErrorClass, Evidence, FillReport,
    Listing, OrderReport, PositionKey, PositionMode, PositionReport, Symbol, UnreadableRow, VenueOrderId, VenueTime,
    escape_controls,
};

/// Rows of a page. All paged endpoints grant 100.
const PAGE: usize = 100;
/// More pages than any account can have in the times asked for: an answer that goes on is broken.
const MOST_PAGES: u32 = 200;
/// Fewer contracts than this are asked for one by one: the list of all is about 2 MB.
const FEW: usize = 4;
/// The name of a contract is cut to this many characters where it is none of ours.
const LONGEST_NAME: usize = 64;
/// The longest span of time that a history is asked for, in ms: 90 days less a day of margin.
const LONGEST_SPAN_MS: i64 = 89 * 86_400_000;
const HISTORY: &str = "/api/v1/private/order/list/history_orders";

/// A read of the general group, whose answer is small.
fn read<'a>(name: &'static str, about: &'a str, path: &'a str, payload: Payload) -> Ask<'a> {
    Ask { name, about, call: Call::Read, group: Group::General, lane: Lane::Read, path, most_body: SMALL, payload }
}

/// A read that exits need, whose answer is small.
fn account_read<'a>(name: &'static str, about: &'a str, path: &'a str, payload: Payload) -> Ask<'a> {
    Ask { lane: Lane::Account, ..read(name, about, path, payload) }
}

/// A read of the general group, whose answer is a list.
fn read_list<'a>(name: &'static str, about: &'a str, path: &'a str, payload: Payload) -> Ask<'a> {
    Ask { most_body: LIST, ..read(name, about, path, payload) }
}

fn signed(query: String) -> Payload {
    Payload::Get(query)
}

fn nothing() -> WireError {
    WireError::Senseless("a success without data where a list must be".into())
}

/// Each object of a list, read and turned into our words; those that cannot be are named. A success
/// whose data is missing altogether is no list; a `null` that is written is an empty one.
fn list<'a, T>(
    core: &Core,
    data: Option<&'a RawValue>,
    one: impl Fn(&'a RawValue) -> Result<Option<T>, WireError>,
) -> Result<Listing<T>, WireError> {
    let mut listing = Listing::default();
    for row in rows(data.ok_or_else(nothing)?)? {
        match one(row) {
            Ok(understood) => listing.rows.extend(understood),
            Err(why) => listing.unreadable.push(unreadable(core, row, &why)),
        }
    }
    Ok(listing)
}

fn unreadable(core: &Core, row: &RawValue, why: &WireError) -> UnreadableRow {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        symbol: Text<'a>,
    }
    let symbol = serde_json::from_str::<Named>(row.get()).ok().map(|named| {
        let cut: String = named.symbol.0.chars().take(LONGEST_NAME).collect();
        escape_controls(&cut).into_owned()
    });
    UnreadableRow { symbol, text: core.for_people(row.get()), why: core.for_people(&why.to_string()) }
}

fn order_of(raw: &RawValue) -> Result<Option<OrderReport>, WireError> {
    serde_json::from_str::<RawOrder>(raw.get())?.report().map(Some)
}

fn fill_of(raw: &RawValue) -> Result<Option<FillReport>, WireError> {
    serde_json::from_str::<RawFill>(raw.get())?.report().map(Some)
}

/// All pages of a list, each row once.
async fn pages<T, K>(
    core: &Core,
    lane: Lane,
    (name, about): (&'static str, &str),
    path: &str,
    filter: &[(&str, &str)],
    one: impl Fn(&RawValue) -> Result<Option<T>, WireError> + Send + Sync + Copy,
    key: impl Fn(&T) -> K + Send + Sync,
) -> Result<Listing<T>, CallError>
where
    T: Send,
    K: Ord + Send,
{
    let (mut whole, mut seen, mut seen_odd) = (Listing::default(), BTreeSet::new(), BTreeSet::new());
    let page_size = PAGE.to_string();
    for page in 1..=MOST_PAGES {
        let page_num = page.to_string();
        let mut parameters = vec![("page_num", page_num.as_str()), ("page_size", page_size.as_str())];
        parameters.extend_from_slice(filter);
        let parameters = query(&parameters);
        let ask = || Ask { lane, ..read_list(name, about, path, signed(parameters.clone())) };
        let found = match core.ask(ask(), |data| list(core, data, one)).await {
            // What came before is not thrown away for one page.
            Err(error) if page > 1 && error.class == ErrorClass::Retryable => {
                core.ask(ask(), |data| list(core, data, one)).await?
            }
            found => found?,
        };
        let rows = found.rows.len().saturating_add(found.unreadable.len());
        let before = whole.rows.len().saturating_add(whole.unreadable.len());
        // A list that moves while it is read repeats rows at page borders.
        whole.rows.extend(found.rows.into_iter().filter(|row| seen.insert(key(row))));
        whole.unreadable.extend(found.unreadable.into_iter().filter(|row| seen_odd.insert(row.text.clone())));
        // Whoever answers with more than a page has answered with everything.
        if rows != PAGE {
            return Ok(whole);
        }
        if whole.rows.len().saturating_add(whole.unreadable.len()) == before {
            break;
        }
    }
    Err(core.failure((name, about), ErrorClass::Retryable, false, None, "the list has no end: pages repeat"))
}

/// The account's position mode.
pub async fn position_mode(core: &Core) -> Result<PositionMode, CallError> {
    let ask = account_read("read position mode", "", "/api/v1/private/position/position_mode", signed(String::new()));
    core.ask(ask, |data| mode_of(serde_json::from_str::<Int>(data.ok_or_else(nothing)?.get())?)).await
}

/// An order by the id that we gave it; success without data is "knows none".
pub async fn order(core: &Core, symbol: &Symbol, client_id: &ClientOrderId) -> Result<Option<OrderReport>, CallError> {
    let path = format!("/api/v1/private/order/external/{symbol}/{client_id}");
    let ask = read("look up order", client_id.as_str(), &path, signed(String::new()));
    let found = core.ask(ask, |data| {
        let Some(report) = data.filter(|data| data.get() != "null").map(order_of).transpose()?.flatten() else {
            return Ok(None);
        };
        if report.client_id.as_ref().is_some_and(|id| id != client_id) {
            return Err(WireError::Senseless(format!("the answer is about another order, {}", report.venue_id)));
        }
        Ok(Some(report))
    });
    match found.await {
        Err(error) if error.code == Some(2040) => Ok(None),
        other => other,
    }
}

/// All open orders.
pub async fn open_orders(core: &Core) -> Result<Listing<OrderReport>, CallError> {
    let path = "/api/v1/private/order/list/open_orders";
    pages(core, Lane::Read, ("read open orders", ""), path, &[], order_of, |order: &OrderReport| order.venue_id.clone())
        .await
}

/// Orders placed since a time that have come to an end, of all contracts: filled, cancelled and invalid.
pub async fn order_history(core: &Core, since: VenueTime) -> Result<Listing<OrderReport>, CallError> {
    let (start, end) = window(core, since);
    let filter = [("states", "3,4,5"), ("start_time", start.as_str()), ("end_time", end.as_str())];
    let id = |order: &OrderReport| order.venue_id.clone();
    pages(core, Lane::Read, ("read order history", ""), HISTORY, &filter, order_of, id).await
}

/// The fills of one order.
pub async fn order_fills(core: &Core, symbol: &Symbol, id: &VenueOrderId) -> Result<Listing<FillReport>, CallError> {
    let mut path = String::from("/api/v1/private/order/deal_details/");
    encode_into(&mut path, id.as_str());
    let ask = read_list("read fills of order", id.as_str(), &path, signed(String::new()));
    let mut fills = core.ask(ask, |data| list(core, data, fill_of)).await?;
    fills.rows.retain(|fill| &fill.symbol == symbol);
    in_order(&mut fills.rows);
    Ok(fills)
}

/// The fills of contracts since a time, oldest first.
pub async fn fills_since(core: &Core, symbols: &[Symbol], since: VenueTime) -> Result<Listing<FillReport>, CallError> {
    let mut all = Listing::default();
    for symbol in symbols {
        let (start, end) = window(core, since);
        let filter = [("symbol", symbol.as_str()), ("start_time", start.as_str()), ("end_time", end.as_str())];
        let path = "/api/v1/private/order/list/order_deals/v3";
        let key = |fill: &FillReport| fill.id.clone();
        let found = pages(core, Lane::Account, ("read fills", symbol.as_str()), path, &filter, fill_of, key).await?;
        all.rows.extend(found.rows);
        all.unreadable.extend(found.unreadable);
    }
    all.rows.retain(|fill| fill.at.millis() >= since.millis());
    in_order(&mut all.rows);
    Ok(all)
}

/// From a time to a little after now, in ms: a clock that is behind must not hide the last fills. The
/// exchange grants a span of 90 days and refuses a longer one, so an older beginning is cut.
fn window(core: &Core, since: VenueTime) -> (String, String) {
    let end = core.venue_now().plus(Duration::from_mins(1)).millis();
    let start = since.millis().max(end.saturating_sub(LONGEST_SPAN_MS));
    (start.to_string(), end.to_string())
}

/// By time, then by id as a number: ids of one length compare like numbers.
fn in_order(fills: &mut [FillReport]) {
    fills.sort_by(|a, b| {
        let key = |fill: &FillReport| (fill.at, fill.id.as_str().len());
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
}

/// All open positions.
pub async fn positions(core: &Core) -> Result<Listing<PositionReport>, CallError> {
    let path = "/api/v1/private/position/open_positions";
    let ask = Ask { most_body: LIST, ..account_read("read positions", "", path, signed(String::new())) };
    core.ask(ask, |data| list(core, data, |raw| serde_json::from_str::<RawPosition>(raw.get())?.report().map(Some)))
        .await
}

/// The balances in USDT; an answer that cannot be read is named as a row of a list is.
pub async fn account(core: &Core) -> Result<Listing<AccountReport>, CallError> {
    let ask = account_read("read account", "", "/api/v1/private/account/asset/USDT", signed(String::new()));
    core.ask(ask, |data| {
        let raw = data.ok_or_else(|| WireError::Senseless("a success without balances".into()))?;
        let other = || WireError::Senseless("the answer is about another currency than USDT".into());
        let read = serde_json::from_str::<RawAsset>(raw.get()).map_err(WireError::from);
        Ok(match read.and_then(|asset| asset.report().ok_or_else(other)) {
            Ok(report) => vec![report].into(),
            Err(why) => Listing { rows: Vec::new(), unreadable: vec![unreadable(core, raw, &why)] },
        })
    })
    .await
}

/// Contract details: of all, or of those named that the exchange lists; and what was said of those
/// that make no sense, of which the others know nothing.
///
/// # Errors
/// When there is no answer, or none of what was asked for makes sense.
pub async fn contracts(core: &Core, symbols: &[Symbol]) -> Result<(Vec<ContractSpec>, Vec<String>), CallError> {
    let mut found = Contracts { specs: Vec::new(), ladders_in_money: false, broken: Vec::new() };
    if symbols.is_empty() || symbols.len() >= FEW {
        found = some_contracts(core, "", symbols).await?;
    } else {
        for symbol in symbols {
            match some_contracts(core, symbol.as_str(), std::slice::from_ref(symbol)).await {
                Ok(one) => {
                    found.specs.extend(one.specs);
                    found.broken.extend(one.broken);
                }
                // "The contract does not exist": it is not listed, which is an answer.
                Err(error) if error.code == Some(1001) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let broken: Vec<String> =
        found.broken.iter().map(|(symbol, why)| core.for_people(&format!("contract {symbol}: {why}"))).collect();
    match broken.first() {
        Some(why) if found.specs.is_empty() => {
            let what = format!("the answer cannot be used: {why}");
            Err(core.failure(("read contract details", ""), ErrorClass::Retryable, false, None, &what))
        }
        _ => Ok((found.specs, broken)),
    }
}

async fn some_contracts(core: &Core, about: &str, asked: &[Symbol]) -> Result<Contracts, CallError> {
    let parameters = if about.is_empty() { vec![] } else { vec![("symbol", about)] };
    let ask = Ask {
        group: Group::Details,
        most_body: CONTRACTS,
        ..account_read("read contract details", about, "/api/v1/contract/detail", Payload::Public(query(&parameters)))
    };
    let data = core.ask(ask, |data| data.map(ToOwned::to_owned).ok_or_else(nothing)).await?;
    let known = |prices: &BTreeMap<Symbol, Decimal>| {
        read_contracts(&data, asked, prices).map_err(|error| {
            let what = format!("the answer cannot be used: {error}");
            core.failure(("read contract details", about), ErrorClass::Retryable, false, None, &what)
        })
    };
    let contracts = known(&BTreeMap::new())?;
    if !contracts.ladders_in_money {
        return Ok(contracts);
    }
    match prices(core).await {
        Ok(prices) => known(&prices),
        // Without prices those ladders are read at their strictest, which is safe.
        Err(_) => Ok(contracts),
    }
}

/// A price of every contract, for ladders that count in USDT.
async fn prices(core: &Core) -> Result<BTreeMap<Symbol, Decimal>, CallError> {
    let ask = read_list("read prices", "", "/api/v1/contract/ticker", Payload::Public(String::new()));
    let listing = core.ask(ask, |data| {
        list(core, data, |raw| {
            let row: RawPrice = serde_json::from_str(raw.get())?;
            let price = row.fair_price.or(row.last_price);
            Ok(Symbol::new(&row.symbol.0).ok().zip(price.map(|Dec(price)| price)))
        })
    });
    Ok(listing.await?.rows.into_iter().collect())
}

/// What can be found about the end of a position: orders of its leg that nobody placed, and the
/// contract's deals in that time.
pub async fn evidence(core: &Core, key: &PositionKey, since: VenueTime) -> Result<Evidence, CallError> {
    let mut orders = history(core, key, since, None).await?;
    if orders.rows.is_empty() {
        // Whether the plain history names system orders is not known: ask for each kind by name.
        for category in ["2", "3", "4"] {
            let found = history(core, key, since, Some(category)).await?;
            orders.rows.extend(found.rows);
            orders.unreadable.extend(found.unreadable);
        }
    }
    let fills = fills_since(core, std::slice::from_ref(&key.symbol), since).await?;
    // What cannot be read could be the very order that is looked for: then nothing was proven.
    let odd = orders
        .unreadable
        .iter()
        .chain(&fills.unreadable)
        .find(|row| row.symbol.as_deref().is_none_or(|named| named == key.symbol.as_str()));
    if let Some(row) = odd.filter(|_| orders.rows.is_empty()) {
        let what = format!("the evidence is not whole, a row cannot be read ({}): {}", row.why, row.text);
        return Err(core.failure(("read evidence", key.symbol.as_str()), ErrorClass::Retryable, false, None, &what));
    }
    let mut system_orders = orders.rows;
    system_orders.sort_by(|a, b| (a.updated_at, &a.venue_id).cmp(&(b.updated_at, &b.venue_id)));
    Ok(Evidence { system_orders, fills: fills.rows })
}

async fn history(
    core: &Core,
    key: &PositionKey,
    since: VenueTime,
    category: Option<&str>,
) -> Result<Listing<OrderReport>, CallError> {
    let (start, end) = window(core, since);
    let mut filter = vec![("symbol", key.symbol.as_str()), ("start_time", start.as_str()), ("end_time", end.as_str())];
    filter.extend(category.map(|category| ("category", category)));
    let id = |order: &OrderReport| order.venue_id.clone();
    let mut orders =
        pages(core, Lane::Read, ("read order history", key.symbol.as_str()), HISTORY, &filter, order_of, id).await?;
    orders.rows.retain(|order| {
        order.symbol == key.symbol
            && order.intent.side == key.side
            && order.category != Category::Normal
            && order.updated_at.millis() >= since.millis()
    });
    Ok(orders)
}
