//! Placing, cancelling and reading orders (mexc-contract-api.md sections 4.1 to 4.3).

use super::dispatch::{Asked, Failure, Reply};
use super::route::Endpoint;
use crate::model::{Contracts, Price, Symbol, VenueTime};
use crate::simulator::json::{Fields, Object, array, unquoted};
use crate::simulator::refusal::Refusal;
use crate::simulator::shared::Core;
use crate::simulator::venue::{Answer, Command, ItemResult, Kind, Order, Request, Side, Venue};

/// Most items of one cancel, batch or batch query.
const BATCH: usize = 50;
/// Reach of history queries that give no start: seven days.
const WEEK: i64 = 7 * 86_400_000;

/// Answers an order endpoint; `None` for the others.
pub fn answer(core: &mut Core, endpoint: Endpoint, asked: &Asked<'_>) -> Option<Reply> {
    Some(match endpoint {
        Endpoint::Create | Endpoint::Submit => place(core, endpoint, asked),
        Endpoint::SubmitBatch => place_many(core, asked),
        Endpoint::Cancel => cancel(core, asked),
        Endpoint::CancelExternal => cancel_external(core, asked),
        Endpoint::CancelAll => cancel_all(core, asked),
        Endpoint::Amend => amend(core, asked),
        Endpoint::CloseAll => {
            let command = Command::CloseAll { path: asked.path.to_owned() };
            core.execute(asked.now, &command).map(|_| Some("[]".to_owned())).map_err(Into::into)
        }
        _ => return read(&core.books.venue, endpoint, asked).map(|reply| reply.map_err(Into::into)),
    })
}

/// Carries out a command and turns a refusal of the books into one of the answer.
pub fn run(core: &mut Core, asked: &Asked<'_>, command: &Command) -> Result<Answer, Failure> {
    match core.execute(asked.now, command)? {
        Answer::Refused(refusal) => Err(refusal.into()),
        answer => Ok(answer),
    }
}

fn place(core: &mut Core, endpoint: Endpoint, asked: &Asked<'_>) -> Reply {
    let fields = Fields::parse(asked.body)?;
    let request = match order_request(&fields) {
        Ok(request) => request,
        Err(refusal) => {
            let symbol = fields.text("symbol").and_then(|text| Symbol::new(&text).ok());
            let id = fields.text("externalOid").unwrap_or_default();
            let why = format!("refused {}", refusal.code);
            core.execute(asked.now, &Command::Turned { path: asked.path.to_owned(), symbol, id, why })?;
            return Err(refusal.into());
        }
    };
    let command = Command::Place { path: asked.path.to_owned(), request: Box::new(request), fail: asked.fail };
    let Answer::Id(id) = run(core, asked, &command)? else { return Ok(None) };
    if endpoint == Endpoint::Submit {
        return Ok(Some(id.to_string()));
    }
    let time = core.books.venue.stamp_at(asked.now).millis();
    Ok(Some(Object::new().text("orderId", &id.to_string()).plain("ts", time).build()))
}

fn place_many(core: &mut Core, asked: &Asked<'_>) -> Reply {
    let rows = Fields::parse_many(asked.body)?;
    if rows.len() > BATCH {
        return Err(Refusal::of(2014).into());
    }
    let mut results = Vec::with_capacity(rows.len());
    for fields in rows {
        let external = fields.text("externalOid");
        let outcome = match order_request(&fields) {
            Ok(request) => {
                let command =
                    Command::Place { path: asked.path.to_owned(), request: Box::new(request), fail: asked.fail };
                core.execute(asked.now, &command)?
            }
            Err(refusal) => Answer::Refused(refusal),
        };
        let mut object = match outcome {
            Answer::Id(id) => Object::new().plain("orderId", id).plain("errorCode", 0),
            Answer::Refused(refusal) => {
                Object::new().plain("orderId", 0).plain("errorCode", refusal.code).text("errorMsg", &refusal.message)
            }
            _ => Object::new(),
        };
        if let Some(external) = external {
            object = object.text("externalOid", &external);
        }
        results.push(object.build());
    }
    Ok(Some(array(results)))
}

/// Decodes the body of a new order (section 4.1).
fn order_request(fields: &Fields) -> Result<Request, Refusal> {
    let symbol = fields.text("symbol").ok_or_else(|| Refusal::new(600, "Parameter error: symbol"))?;
    let symbol = Symbol::new(&symbol).map_err(|_| Refusal::of(1001))?;
    let side = fields.integer("side")?.and_then(Side::of_code).ok_or_else(|| Refusal::of(2001))?;
    let kind = fields.integer("type")?.and_then(Kind::of_code).ok_or_else(|| Refusal::of(2029))?;
    let cross = match fields.integer("openType")? {
        Some(1) => false,
        Some(2) => true,
        _ => return Err(Refusal::of(2002)),
    };
    let vol = fields.decimal("vol")?.ok_or_else(|| Refusal::of(2011))?;
    let leverage = fields.integer("leverage")?.map(u32::try_from).transpose().map_err(|_| Refusal::of(2006))?;
    let positive = |key: &str| fields.decimal(key).map(|price| price.filter(|p| !p.is_zero()).map(Price));
    Ok(Request {
        symbol,
        side,
        kind,
        price: fields.decimal("price")?.map(Price),
        vol: Contracts(vol.normalize()),
        cross,
        leverage,
        external: fields.text("externalOid").filter(|text| !text.is_empty()),
        position_mode: fields.integer("positionMode")?,
        position_id: fields.integer("positionId")?.and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0),
        reduce_only: fields.flag("reduceOnly")?.unwrap_or(false),
        stop_loss: positive("stopLossPrice")?,
        take_profit: positive("takeProfitPrice")?,
        loss_trend: fields.integer("lossTrend")?.unwrap_or(1),
        profit_trend: fields.integer("profitTrend")?.unwrap_or(1),
    })
}

fn cancel(core: &mut Core, asked: &Asked<'_>) -> Reply {
    let text = std::str::from_utf8(asked.body).map_err(|_| Refusal::of(601))?;
    // A bare array, or the newer {"orderIds":[…]}.
    let wrapped = Fields::parse(asked.body).ok().and_then(|fields| fields.raw("orderIds").map(str::to_owned));
    let ids: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_str(wrapped.as_deref().unwrap_or(text)).map_err(|_| Refusal::of(601))?;
    if ids.len() > BATCH {
        return Err(Refusal::of(2013).into());
    }
    let ids = ids.iter().map(|raw| unquoted(raw.get()).parse::<u64>().map_err(|_| Refusal::of(600)));
    let command = Command::Cancel { path: asked.path.to_owned(), ids: ids.collect::<Result<_, _>>()? };
    run(core, asked, &command).map(|answer| Some(item_rows(answer)))
}

fn cancel_external(core: &mut Core, asked: &Asked<'_>) -> Reply {
    let rows = Fields::parse_many(asked.body)?;
    if rows.len() > BATCH {
        return Err(Refusal::of(2013).into());
    }
    let orders = rows.iter().map(external_of).collect::<Result<_, _>>()?;
    let command = Command::CancelExternal { path: asked.path.to_owned(), orders };
    run(core, asked, &command).map(|answer| Some(item_rows(answer)))
}

fn external_of(fields: &Fields) -> Result<(Symbol, String), Refusal> {
    let symbol = fields.text("symbol").and_then(|text| Symbol::new(&text).ok()).ok_or_else(|| Refusal::of(1001))?;
    let external = fields.text("externalOid").ok_or_else(|| Refusal::new(600, "Parameter error: externalOid"))?;
    Ok((symbol, external))
}

fn item_rows(answer: Answer) -> String {
    let Answer::Items(items) = answer else { return "[]".to_owned() };
    let row = |item: &ItemResult| {
        let message = if item.code == 0 { "success".to_owned() } else { Refusal::of(item.code).message };
        let mut object = Object::new().plain("orderId", item.id);
        if let Some(external) = &item.external {
            object = object.text("externalOid", external);
        }
        object.plain("errorCode", item.code).text("errorMsg", &message).build()
    };
    array(items.iter().map(row))
}

fn cancel_all(core: &mut Core, asked: &Asked<'_>) -> Reply {
    let named = Fields::parse(asked.body)?.text("symbol").filter(|text| !text.is_empty());
    let symbol = named.map(|text| Symbol::new(&text).map_err(|_| Refusal::of(1001))).transpose()?;
    if symbol.as_ref().is_some_and(|symbol| !core.books.venue.markets.contains_key(symbol)) {
        return Err(Refusal::of(1001).into());
    }
    run(core, asked, &Command::CancelAll { path: asked.path.to_owned(), symbol }).map(|_| None)
}

fn amend(core: &mut Core, asked: &Asked<'_>) -> Reply {
    let fields = Fields::parse(asked.body)?;
    let id = fields.text("orderId").and_then(|text| text.parse().ok()).ok_or_else(|| Refusal::of(600))?;
    let price = fields.decimal("price")?.ok_or_else(|| Refusal::of(2007))?;
    let vol = Contracts(fields.decimal("vol")?.ok_or_else(|| Refusal::of(2011))?);
    let command = Command::Amend { path: asked.path.to_owned(), id, price, vol };
    match run(core, asked, &command)? {
        Answer::Id(id) => Ok(Some(format!("\"{id}\""))),
        _ => Ok(None),
    }
}

pub fn read(venue: &Venue, endpoint: Endpoint, asked: &Asked<'_>) -> Option<Result<Option<String>, Refusal>> {
    let show = |order: &Order| venue.instrument(&order.request.symbol).map(|i| order.to_json(i, false));
    let by_external = |symbol: &Symbol, external: &str| {
        let ids = venue.by_external.get(&(symbol.clone(), external.to_owned()))?;
        ids.first().and_then(|id| venue.orders.get(id)).and_then(show)
    };
    Some(match endpoint {
        Endpoint::GetOrder => Ok(asked.arg(0).parse().ok().and_then(|id: u64| venue.orders.get(&id)).and_then(show)),
        Endpoint::GetExternal => {
            Symbol::new(asked.arg(0)).map_err(|_| Refusal::of(1001)).map(|s| by_external(&s, asked.arg(1)))
        }
        Endpoint::BatchQuery => batch_query(venue, asked, show).map(Some),
        Endpoint::BatchQueryExternal => Fields::parse_many(asked.body).and_then(|rows| {
            if rows.len() > BATCH {
                return Err(Refusal::of(2034));
            }
            let pairs = rows.iter().map(external_of).collect::<Result<Vec<_>, _>>()?;
            Ok(Some(array(pairs.iter().filter_map(|(symbol, external)| by_external(symbol, external)))))
        }),
        Endpoint::OpenOrders => {
            let only = Some(asked.arg(0)).filter(|text| !text.is_empty()).or(asked.param("symbol"));
            let open = venue.open.iter().filter(|(symbol, _)| only.is_none_or(|only| only == symbol.as_str()));
            let mut ids: Vec<u64> = open.flat_map(|(_, ids)| ids.iter().copied()).collect();
            ids.sort_unstable_by(|a, b| b.cmp(a));
            paged(asked, ids.into_iter().filter_map(|id| venue.orders.get(&id)).filter_map(show), 100).map(Some)
        }
        Endpoint::HistoryOrders | Endpoint::CloseOrders => history(venue, asked).map(Some),
        Endpoint::DealDetails => {
            let id: u64 = asked.arg(0).parse().unwrap_or_default();
            let fills = venue.fills_of.get(&id).into_iter().flatten().filter_map(|at| venue.fills.get(*at));
            let fills = fills.filter(|fill| !venue.is_fill_lost(fill.order));
            Ok(Some(array(fills.map(|fill| fill.to_json(false)))))
        }
        Endpoint::OrderDeals => deals(venue, asked).map(Some),
        Endpoint::OpenCount => {
            let orders: usize = venue.open.values().map(std::collections::BTreeSet::len).sum();
            let stops = venue.stops.values().filter(|stop| stop.is_waiting()).count();
            let object = Object::new().plain("sumCount", orders + stops).plain("limitOrderCount", orders);
            Ok(Some(
                object.plain("stopOrderCount", stops).plain("planOrderCount", 0).plain("trackOrderCount", 0).build(),
            ))
        }
        Endpoint::FeeDetails => Ok(Some("[]".to_owned())),
        _ => return None,
    })
}

fn batch_query(venue: &Venue, asked: &Asked<'_>, show: impl Fn(&Order) -> Option<String>) -> Result<String, Refusal> {
    let ids: Vec<&str> = asked.param("order_ids").unwrap_or_default().split(',').filter(|id| !id.is_empty()).collect();
    if ids.len() > BATCH {
        return Err(Refusal::of(2034));
    }
    let found = ids.iter().filter_map(|id| venue.orders.get(&id.trim().parse().ok()?)).filter_map(show);
    Ok(array(found))
}

/// The time span that a history query is about; both spellings are accepted.
fn span(venue: &Venue, asked: &Asked<'_>) -> Result<(VenueTime, VenueTime), Refusal> {
    let either = |old: &str, new: &str| Ok::<_, Refusal>(asked.number(old)?.or(asked.number(new)?));
    // Without an end everything is meant, what a clock that was set back stamped ahead included.
    let end = either("end_time", "endTime")?.map(|end| VenueTime::from_millis(end.saturating_add(1)));
    let near = end.unwrap_or(venue.stamp()).millis();
    let start = either("start_time", "startTime")?.unwrap_or(near.saturating_sub(WEEK));
    let end = end.unwrap_or(VenueTime::from_micros(i64::MAX));
    if near.saturating_sub(start) > 90 * 86_400_000 {
        return Err(Refusal::new(600, "Parameter error: the time span exceeds 90 days"));
    }
    Ok((VenueTime::from_millis(start), end))
}

fn history(venue: &Venue, asked: &Asked<'_>) -> Result<String, Refusal> {
    let symbol = asked.symbol()?;
    let (start, end) = span(venue, asked)?;
    let list = |name: &str| asked.param(name).map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
    let (states, category, side) = (list("states"), list("category"), list("side"));
    let id = asked.param("orderId").or(asked.param("order_id")).and_then(|text| text.parse::<u64>().ok());
    let among = |wanted: &Option<Vec<String>>, value: i64| {
        wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|text| text.trim() == value.to_string()))
    };
    let rows = venue
        .orders
        .values()
        .rev()
        .filter(|order| !order.state.is_open())
        .filter(|order| symbol.as_ref().is_none_or(|symbol| *symbol == order.request.symbol))
        .filter(|order| order.created >= start && order.created <= end)
        .filter(|order| id.is_none_or(|id| id == order.id))
        .filter(|order| among(&states, order.state.code()) && among(&side, order.request.side.code()))
        .filter(|order| among(&category, order.category.code()))
        .filter_map(|order| venue.instrument(&order.request.symbol).map(|i| order.to_json(i, false)));
    paged(asked, rows, 1_000)
}

fn deals(venue: &Venue, asked: &Asked<'_>) -> Result<String, Refusal> {
    let symbol = asked.symbol()?;
    let (start, end) = span(venue, asked)?;
    let rows = venue
        .fills
        .iter()
        .rev()
        .filter(|fill| symbol.as_ref().is_none_or(|symbol| *symbol == fill.symbol))
        .filter(|fill| fill.at >= start && fill.at <= end && !venue.is_fill_lost(fill.order))
        .map(|fill| fill.to_json(false));
    paged(asked, rows, 1_000)
}

/// One page of rows.
pub fn paged(asked: &Asked<'_>, rows: impl Iterator<Item = String>, most: usize) -> Result<String, Refusal> {
    let whole = |name: &str, usual: usize| {
        let value = asked.number(name)?.and_then(|value| usize::try_from(value).ok());
        Ok::<_, Refusal>(value.unwrap_or(usual).max(1))
    };
    let (number, size) = (whole("page_num", 1)?, whole("page_size", 20)?.min(most));
    Ok(array(rows.skip(number.saturating_sub(1).saturating_mul(size)).take(size)))
}
