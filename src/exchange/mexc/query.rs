//! Questions: single answers and lists that come in pages. A list is whole or it is an error.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::codes::Call;
use super::core::{Ask, Core, Payload};
use super::limiter::{Group, Lane};
use super::sign::{encode_into, query};
use super::wire::{
    Contracts, Dec, Int, RawAsset, RawFill, RawOrder, RawPosition, RawPrice, WireError, items, read_contracts,
};
use crate::model::{
    AccountReport, CallError, Category, ClientOrderId, ContractSpec, Decimal, ErrorClass, Evidence, FillReport,
    OrderReport, PositionKey, PositionMode, PositionReport, Symbol, VenueOrderId, VenueTime,
};

/// Rows of a page. All paged endpoints grant 100.
const PAGE: usize = 100;
/// More pages than any account can have in the times asked for: an answer that goes on is broken.
const MOST_PAGES: u32 = 200;
/// Fewer contracts than this are asked for one by one: the list of all is about 2 MB.
const FEW: usize = 4;

/// A read of the general group.
fn read<'a>(name: &'static str, about: &'a str, path: &'a str, payload: Payload) -> Ask<'a> {
    Ask { name, about, call: Call::Read, group: Group::General, lane: Lane::Read, path, payload }
}

fn signed(query: String) -> Payload {
    Payload::Get(query)
}

fn nothing() -> WireError {
    WireError::Senseless("a success without data where a list must be".into())
}

/// Each object of a list, read and turned into our words; one that fails makes the list fail.
fn list<'a, T>(
    data: Option<&'a RawValue>,
    one: impl Fn(&'a RawValue) -> Result<Option<T>, WireError>,
) -> Result<Vec<T>, WireError> {
    let raw = data.ok_or_else(nothing)?;
    if !raw.get().starts_with('[') {
        return Err(WireError::Senseless("the data is not a list".into()));
    }
    items(raw)?.into_iter().filter_map(|item| one(item).transpose()).collect()
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
    name: &'static str,
    about: &str,
    path: &str,
    filter: &[(&str, &str)],
    one: impl Fn(&RawValue) -> Result<Option<T>, WireError> + Send + Sync + Copy,
    key: impl Fn(&T) -> K + Send + Sync,
) -> Result<Vec<T>, CallError>
where
    T: Send,
    K: Ord + Send,
{
    let (mut rows, mut seen) = (Vec::new(), BTreeSet::new());
    let page_size = PAGE.to_string();
    for page in 1..=MOST_PAGES {
        let page_num = page.to_string();
        let mut parameters = vec![("page_num", page_num.as_str()), ("page_size", page_size.as_str())];
        parameters.extend_from_slice(filter);
        let ask = read(name, about, path, signed(query(&parameters)));
        let found = core.ask(ask, |data| list(data, one)).await?;
        let full = found.len() >= PAGE;
        let before = rows.len();
        // A list that moves while it is read repeats rows at page borders.
        rows.extend(found.into_iter().filter(|row| seen.insert(key(row))));
        if !full {
            return Ok(rows);
        }
        if rows.len() == before {
            break;
        }
    }
    Err(core.failure((name, about), ErrorClass::Retryable, false, None, "the list has no end: pages repeat"))
}

/// The account's position mode.
pub async fn position_mode(core: &Core) -> Result<PositionMode, CallError> {
    let ask = read("read position mode", "", "/api/v1/private/position/position_mode", signed(String::new()));
    core.ask(ask, |data| match serde_json::from_str::<Int>(data.ok_or_else(nothing)?.get())?.0 {
        1 => Ok(PositionMode::Hedge),
        2 => Ok(PositionMode::OneWay),
        value => Err(WireError::Undefined { field: "position mode", value }),
    })
    .await
}

/// An order by the id that we gave it; success without data is "knows none".
pub async fn order(core: &Core, symbol: &Symbol, client_id: &ClientOrderId) -> Result<Option<OrderReport>, CallError> {
    let path = format!("/api/v1/private/order/external/{symbol}/{client_id}");
    let ask = read("look up order", client_id.as_str(), &path, signed(String::new()));
    let found = core.ask(ask, |data| {
        let Some(report) = data.map(order_of).transpose()?.flatten() else { return Ok(None) };
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
pub async fn open_orders(core: &Core) -> Result<Vec<OrderReport>, CallError> {
    let path = "/api/v1/private/order/list/open_orders";
    pages(core, "read open orders", "", path, &[], order_of, |order: &OrderReport| order.venue_id.clone()).await
}

/// Orders placed since a time that have come to an end, of all contracts: filled, cancelled and invalid.
pub async fn order_history(core: &Core, since: VenueTime) -> Result<Vec<OrderReport>, CallError> {
    let (start, end) = window(core, since);
    let path = "/api/v1/private/order/list/history_orders";
    let filter = [("states", "3,4,5"), ("start_time", start.as_str()), ("end_time", end.as_str())];
    let id = |order: &OrderReport| order.venue_id.clone();
    pages(core, "read order history", "", path, &filter, order_of, id).await
}

/// The fills of one order.
pub async fn order_fills(core: &Core, symbol: &Symbol, id: &VenueOrderId) -> Result<Vec<FillReport>, CallError> {
    let mut path = String::from("/api/v1/private/order/deal_details/");
    encode_into(&mut path, id.as_str());
    let ask = read("read fills of order", id.as_str(), &path, signed(String::new()));
    let mut fills = core.ask(ask, |data| list(data, fill_of)).await?;
    fills.retain(|fill| &fill.symbol == symbol);
    in_order(&mut fills);
    Ok(fills)
}

/// The fills of contracts since a time, oldest first.
pub async fn fills_since(core: &Core, symbols: &[Symbol], since: VenueTime) -> Result<Vec<FillReport>, CallError> {
    let mut all = Vec::new();
    for symbol in symbols {
        let (start, end) = window(core, since);
        let filter = [("symbol", symbol.as_str()), ("start_time", start.as_str()), ("end_time", end.as_str())];
        let path = "/api/v1/private/order/list/order_deals/v3";
        let key = |fill: &FillReport| fill.id.clone();
        all.extend(pages(core, "read fills", symbol.as_str(), path, &filter, fill_of, key).await?);
    }
    all.retain(|fill| fill.at.millis() >= since.millis());
    in_order(&mut all);
    Ok(all)
}

/// From a time to a little after now, in ms: a clock that is behind must not hide the last fills.
fn window(core: &Core, since: VenueTime) -> (String, String) {
    let end = core.venue_now().plus(std::time::Duration::from_mins(1));
    (since.millis().to_string(), end.millis().to_string())
}

/// By time, then by id as a number: ids of one length compare like numbers.
fn in_order(fills: &mut [FillReport]) {
    fills.sort_by(|a, b| {
        let key = |fill: &FillReport| (fill.at, fill.id.as_str().len());
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
}

/// All open positions.
pub async fn positions(core: &Core) -> Result<Vec<PositionReport>, CallError> {
    let ask = read("read positions", "", "/api/v1/private/position/open_positions", signed(String::new()));
    core.ask(ask, |data| list(data, |raw| serde_json::from_str::<RawPosition>(raw.get())?.report().map(Some))).await
}

/// The balances in USDT.
pub async fn account(core: &Core) -> Result<AccountReport, CallError> {
    let ask = read("read account", "", "/api/v1/private/account/asset/USDT", signed(String::new()));
    core.ask(ask, |data| {
        let raw = data.ok_or_else(|| WireError::Senseless("a success without balances".into()))?;
        let report = serde_json::from_str::<RawAsset>(raw.get())?.report();
        report.ok_or_else(|| WireError::Senseless("the answer is about another currency than USDT".into()))
    })
    .await
}

/// Contract details: of all, or of those named that the exchange lists.
pub async fn contracts(core: &Core, symbols: &[Symbol]) -> Result<Vec<ContractSpec>, CallError> {
    if symbols.is_empty() || symbols.len() >= FEW {
        return some_contracts(core, "", symbols).await;
    }
    let mut found = Vec::new();
    for symbol in symbols {
        match some_contracts(core, symbol.as_str(), std::slice::from_ref(symbol)).await {
            Ok(spec) => found.extend(spec),
            // "The contract does not exist": it is not listed, which is an answer.
            Err(error) if error.code == Some(1001) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn some_contracts(core: &Core, about: &str, asked: &[Symbol]) -> Result<Vec<ContractSpec>, CallError> {
    let parameters = if about.is_empty() { vec![] } else { vec![("symbol", about)] };
    let ask = Ask {
        group: Group::Details,
        ..read("read contract details", about, "/api/v1/contract/detail", Payload::Public(query(&parameters)))
    };
    let data = core.ask(ask, |data| data.map(ToOwned::to_owned).ok_or_else(nothing)).await?;
    let unusable = |error: WireError| {
        let what = format!("the answer cannot be used: {error}");
        core.failure(("read contract details", about), ErrorClass::Retryable, false, None, &what)
    };
    let known = |prices: &BTreeMap<Symbol, Decimal>| read_contracts(&data, asked, prices);
    let Contracts { specs, ladders_in_money } = known(&BTreeMap::new()).map_err(unusable)?;
    if !ladders_in_money {
        return Ok(specs);
    }
    match prices(core).await {
        Ok(prices) => known(&prices).map(|contracts| contracts.specs).map_err(unusable),
        // Without prices those ladders are read at their strictest, which is safe.
        Err(_) => Ok(specs),
    }
}

/// A price of every contract, for ladders that count in USDT.
async fn prices(core: &Core) -> Result<BTreeMap<Symbol, Decimal>, CallError> {
    let ask = read("read prices", "", "/api/v1/contract/ticker", Payload::Public(String::new()));
    let rows = core.ask(ask, |data| {
        list(data, |raw| {
            let row: RawPrice = serde_json::from_str(raw.get())?;
            let price = row.fair_price.or(row.last_price);
            Ok(Symbol::new(&row.symbol.0).ok().zip(price.map(|Dec(price)| price)))
        })
    });
    Ok(rows.await?.into_iter().collect())
}

/// What can be found about the end of a position: orders of its leg that nobody placed, and the
/// contract's deals in that time.
pub async fn evidence(core: &Core, key: &PositionKey, since: VenueTime) -> Result<Evidence, CallError> {
    let mut system_orders = history(core, key, since, None).await?;
    if system_orders.is_empty() {
        // Whether the plain history names system orders is not known: ask for each kind by name.
        for category in ["2", "3", "4"] {
            system_orders.extend(history(core, key, since, Some(category)).await?);
        }
    }
    system_orders.sort_by(|a, b| (a.updated_at, &a.venue_id).cmp(&(b.updated_at, &b.venue_id)));
    let fills = fills_since(core, std::slice::from_ref(&key.symbol), since).await?;
    Ok(Evidence { system_orders, fills })
}

async fn history(
    core: &Core,
    key: &PositionKey,
    since: VenueTime,
    category: Option<&str>,
) -> Result<Vec<OrderReport>, CallError> {
    let (start, end) = window(core, since);
    let mut filter = vec![("symbol", key.symbol.as_str()), ("start_time", start.as_str()), ("end_time", end.as_str())];
    filter.extend(category.map(|category| ("category", category)));
    let path = "/api/v1/private/order/list/history_orders";
    let id = |order: &OrderReport| order.venue_id.clone();
    let mut orders = pages(core, "read order history", key.symbol.as_str(), path, &filter, order_of, id).await?;
    orders.retain(|order| {
        order.symbol == key.symbol
            && order.intent.side == key.side
            && order.category != Category::Normal
            && order.updated_at.millis() >= since.millis()
    });
    Ok(orders)
}
