//! Positions, leverage, modes, protective orders and the account (sections 5 and 6).

use super::dispatch::{Asked, Reply};
use super::orders::{paged, run};
use super::public::page;
use super::route::Endpoint;
use crate::model::{Contracts, Decimal, Price, Symbol};
use crate::simulator::instrument::{Instrument, Tier};
use crate::simulator::json::{Fields, Object, array};
use crate::simulator::refusal::Refusal;
use crate::simulator::shared::Core;
use crate::simulator::venue::{Answer, Command, Position, Stop, Venue};

/// Answers everything that is neither public nor about orders.
pub fn answer(core: &mut Core, endpoint: Endpoint, asked: &Asked<'_>) -> Reply {
    if let Some(reply) = read(&core.books.venue, endpoint, asked) {
        return reply.map(Some).map_err(Into::into);
    }
    let command = change(&core.books.venue, endpoint, asked)?;
    match run(core, asked, &command)? {
        Answer::Id(id) => Ok(Some(id.to_string())),
        _ => Ok(None),
    }
}

pub fn read(venue: &Venue, endpoint: Endpoint, asked: &Asked<'_>) -> Option<Result<String, Refusal>> {
    Some(match endpoint {
        Endpoint::OpenPositions => open_positions(venue, asked),
        Endpoint::HistoryPositions => history(venue, asked),
        Endpoint::GetLeverage => leverage(venue, asked),
        Endpoint::GetMode => Ok(venue.account.mode.to_string()),
        Endpoint::FundingRecords => funding(venue, asked),
        Endpoint::RiskLimit => risk_limits(venue, asked),
        Endpoint::Assets => Ok(array([venue.asset_json(false)])),
        Endpoint::Asset if asked.arg(0) == "USDT" => Ok(venue.asset_json(false)),
        Endpoint::Asset => Err(Refusal::of(4001)),
        Endpoint::FeeRate | Endpoint::FeeRateV2 => fees(venue, endpoint, asked),
        Endpoint::TransferRecord => Ok(page(Vec::new())),
        Endpoint::ChangeRiskLevel => Err(Refusal::of(8817)),
        Endpoint::StopList => stops(venue, asked),
        Endpoint::PlanList => Ok("[]".to_owned()),
        _ => return None,
    })
}

fn open_positions(venue: &Venue, asked: &Asked<'_>) -> Result<String, Refusal> {
    let symbol = asked.symbol()?;
    let id = asked.number("positionId")?.or(asked.number("position_id")?).and_then(|id| u64::try_from(id).ok());
    let totals = venue.totals();
    let wanted = |held: &&Position| {
        symbol.as_ref().is_none_or(|symbol| *symbol == held.symbol) && id.is_none_or(|id| id == held.id)
    };
    Ok(array(venue.positions.values().filter(wanted).map(|held| venue.position_json_with(held, &totals, false))))
}

fn history(venue: &Venue, asked: &Asked<'_>) -> Result<String, Refusal> {
    let symbol = asked.symbol()?;
    let kind = asked.number("type")?.or(asked.number("position_type")?);
    let start = asked.number("start_time")?.or(asked.number("startTime")?);
    let end = asked.number("end_time")?.or(asked.number("endTime")?);
    let totals = venue.totals();
    let rows = venue
        .closed
        .iter()
        .rev()
        .filter(|held| symbol.as_ref().is_none_or(|symbol| *symbol == held.symbol))
        .filter(|held| kind.is_none_or(|kind| (kind == 1) == held.long))
        .filter(|held| start.is_none_or(|start| held.updated.millis() >= start))
        .filter(|held| end.is_none_or(|end| held.created.millis() <= end))
        .map(|held| venue.position_json_with(held, &totals, false));
    paged(asked, rows, 100)
}

fn instrument<'a>(venue: &'a Venue, asked: &Asked<'_>) -> Result<&'a Instrument, Refusal> {
    let symbol = asked.symbol()?.ok_or_else(|| Refusal::new(600, "Parameter error: symbol"))?;
    venue.instrument(&symbol).ok_or_else(|| Refusal::of(1001))
}

/// The tier that an account is in on one side of a contract, with its leverage.
fn side_row(venue: &Venue, instrument: &Instrument, long: bool) -> Option<(Object, Tier)> {
    let held = venue.positions.get(&(instrument.symbol.clone(), long));
    let cross = held.is_some_and(|held| held.cross);
    let leverage =
        held.map_or_else(|| venue.account.leverage_of(&instrument.symbol, long, cross), |held| held.leverage);
    let tier = instrument.tier(held.map_or(Contracts::ZERO, |held| held.hold))?.clone();
    let object = Object::new()
        .plain("positionType", if long { 1 } else { 2 })
        .plain("openType", if cross { 2 } else { 1 })
        .plain("level", tier.level)
        .number("maxVol", tier.max_vol.0)
        .number("mmr", tier.mmr)
        .number("imr", tier.imr)
        .plain("leverage", leverage)
        .plain("limitBySys", false);
    Some((object, tier))
}

fn leverage(venue: &Venue, asked: &Asked<'_>) -> Result<String, Refusal> {
    let instrument = instrument(venue, asked)?;
    Ok(array([true, false].into_iter().filter_map(|long| {
        let (object, tier) = side_row(venue, instrument, long)?;
        Some(object.number("currentMmr", tier.mmr).plain("maxLeverageView", tier.max_leverage).build())
    })))
}

fn risk_limits(venue: &Venue, asked: &Asked<'_>) -> Result<String, Refusal> {
    let only = asked.symbol()?;
    let mut object = Object::new();
    for market in venue.markets.values() {
        let symbol = &market.instrument.symbol;
        if only.as_ref().is_some_and(|only| only != symbol) {
            continue;
        }
        let rows = array([true, false].into_iter().filter_map(|long| {
            let (object, tier) = side_row(venue, &market.instrument, long)?;
            Some(object.text("symbol", symbol.as_str()).plain("maxLeverage", tier.max_leverage).build())
        }));
        object = object.raw(symbol.as_str(), &rows);
    }
    Ok(object.build())
}

fn funding(venue: &Venue, asked: &Asked<'_>) -> Result<String, Refusal> {
    let symbol = asked.symbol()?;
    let notes = venue.account.fundings.iter().zip(venue.funding_rows());
    let rows = notes.filter(|(note, _)| symbol.as_ref().is_none_or(|symbol| *symbol == note.symbol));
    let mut rows: Vec<String> = rows.map(|(_, row)| row).collect();
    rows.reverse();
    Ok(page(rows))
}

fn fees(venue: &Venue, endpoint: Endpoint, asked: &Asked<'_>) -> Result<String, Refusal> {
    let named = asked.symbol()?;
    let first = venue.markets.values().next().map(|market| &market.instrument);
    let found = named.map_or(first, |symbol| venue.instrument(&symbol)).ok_or_else(|| Refusal::of(1001))?;
    let object = Object::new();
    Ok(if endpoint == Endpoint::FeeRate {
        object
            .plain("level", 0)
            .plain("dealAmount", 0)
            .number("walletBalance", venue.account.wallet.0)
            .number("makerFee", found.maker_fee)
            .number("takerFee", found.taker_fee)
            .plain("makerFeeDiscount", 1)
            .plain("takerFeeDiscount", 1)
            .build()
    } else {
        object
            .number("originalMakerFee", found.list_maker_fee)
            .number("originalTakerFee", found.list_taker_fee)
            .number("realMakerFee", found.maker_fee)
            .number("realTakerFee", found.taker_fee)
            .plain("discountRate", 0)
            .plain("deductRate", 0)
            .text("feeRateMode", "NORMAL")
            .build()
    })
}

fn stops(venue: &Venue, asked: &Asked<'_>) -> Result<String, Refusal> {
    let symbol = asked.symbol()?;
    let finished = asked.number("is_finished")?;
    let open_only = asked.path.ends_with("open_orders");
    let rows = venue
        .stops
        .values()
        .rev()
        .filter(|stop| symbol.as_ref().is_none_or(|symbol| *symbol == stop.leg.0))
        .filter(|stop| !open_only || stop.is_waiting())
        .filter(|stop| finished.is_none_or(|finished| (finished == 0) == stop.is_waiting()))
        .map(Stop::to_json);
    paged(asked, rows, 100)
}

fn change(venue: &Venue, endpoint: Endpoint, asked: &Asked<'_>) -> Result<Command, Refusal> {
    let fields = if endpoint == Endpoint::StopCancel { Fields::default() } else { Fields::parse(asked.body)? };
    let position = || -> Result<u64, Refusal> { id(&fields, "positionId")?.ok_or_else(|| Refusal::of(2009)) };
    let symbol = || match fields.text("symbol").filter(|text| !text.is_empty()) {
        Some(text) => Symbol::new(&text).map(Some).map_err(|_| Refusal::of(1001)),
        None => Ok(None),
    };
    Ok(match endpoint {
        Endpoint::ChangeLeverage => Command::Leverage {
            position: id(&fields, "positionId")?,
            symbol: symbol()?,
            cross: fields.integer("openType")?.map(|kind| kind == 2),
            long: fields.integer("positionType")?.map(|kind| kind == 1),
            leverage: fields
                .integer("leverage")?
                .and_then(|leverage| u32::try_from(leverage).ok())
                .ok_or_else(|| Refusal::of(2006))?,
        },
        Endpoint::ChangeMode => Command::Mode { mode: fields.integer("positionMode")?.unwrap_or_default() },
        Endpoint::ChangeMargin => {
            let amount = fields.decimal("amount")?.filter(|amount| *amount > Decimal::ZERO);
            let amount = amount.ok_or_else(|| Refusal::of(1004))?;
            let amount = match fields.text("type").as_deref() {
                Some("ADD") => amount,
                Some("SUB") => -amount,
                _ => return Err(Refusal::new(600, "Parameter error: type")),
            };
            Command::Margin { position: position()?, amount }
        }
        Endpoint::AutoMargin => {
            Command::AutoMargin { position: position()?, on: fields.flag("isEnabled")?.unwrap_or_default() }
        }
        Endpoint::StopPlace => {
            let position = position()?;
            let held = venue.leg_of(position).and_then(|leg| venue.positions.get(&leg)).map(|held| held.hold);
            Command::StopPlace {
                position,
                vol: fields.decimal("vol")?.map(Contracts).or(held).unwrap_or(Contracts::ZERO),
                stop_loss: fields.decimal("stopLossPrice")?.filter(|price| Price(*price).is_positive()),
                take_profit: fields.decimal("takeProfitPrice")?.filter(|price| Price(*price).is_positive()),
                trend: fields.integer("lossTrend")?.unwrap_or(1),
            }
        }
        Endpoint::StopChange => Command::StopChange {
            id: id(&fields, "stopPlanOrderId")?.ok_or_else(|| Refusal::of(5002))?,
            stop_loss: fields.decimal("stopLossPrice")?.filter(|price| Price(*price).is_positive()),
            take_profit: fields.decimal("takeProfitPrice")?.filter(|price| Price(*price).is_positive()),
        },
        Endpoint::StopCancel => {
            let rows = Fields::parse_many(asked.body)?;
            let ids = rows.iter().map(|row| id(row, "stopPlanOrderId")?.ok_or_else(|| Refusal::of(5002)));
            Command::StopCancel { ids: ids.collect::<Result<_, _>>()? }
        }
        Endpoint::StopCancelAll => Command::StopCancelAll { symbol: symbol()? },
        _ => return Err(Refusal::new(511, "No access to this interface")),
    })
}

/// An id, written as a number or a string.
fn id(fields: &Fields, key: &str) -> Result<Option<u64>, Refusal> {
    let bad = |_| Refusal::new(600, format!("Parameter error: {key}"));
    fields.text(key).map(|text| text.parse().map_err(bad)).transpose()
}
