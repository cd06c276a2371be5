//! Lists that lack rows, come back empty, or have a row that nobody can read, while the answer says
//! success; and fills whose ids are not those of the pushes.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::model::{Decimal, Symbol};
use crate::simulator::faults::{Fault, FaultKind, List, Odd};
use crate::simulator::json::{Object, array, quoted};
use crate::simulator::market::Noise;

/// What the ids of fills in lists are ahead of those in pushes.
const IDS_APART: u64 = 5_000_000_000;

type Row = BTreeMap<String, Box<RawValue>>;

/// A list, as a fault has it.
pub fn twist(data: &str, list: List, fault: &Fault, seed: u64) -> String {
    // Pages have their rows inside.
    if let Ok(page) = serde_json::from_str::<Row>(data) {
        let Some(rows) = page.get("resultList") else { return alone(data, fault) };
        let rows = twist(rows.get(), list, fault, seed);
        return rebuilt(&page, &[("resultList", rows)]);
    }
    let Ok(rows) = serde_json::from_str::<Vec<Box<RawValue>>>(data) else { return data.to_owned() };
    let rows: Vec<&str> = rows.iter().map(|row| row.get()).collect();
    match fault.spec.kind {
        FaultKind::ListEmpty => "[]".to_owned(),
        FaultKind::ListLacks => lacking(&rows, fault, fault.draws(seed)),
        FaultKind::OddRow => with_odd_row(&rows, list, fault),
        FaultKind::DealIdsDiffer => array(rows.iter().map(|row| other_id(row))),
        _ => data.to_owned(),
    }
}

/// An answer that is one object: all of it is gone, or it is the odd row, or it stays.
fn alone(data: &str, fault: &Fault) -> String {
    match fault.spec.kind {
        FaultKind::ListEmpty => "null".to_owned(),
        FaultKind::OddRow => spoilt(data, fault.spec.odd.unwrap_or(Odd::Null)),
        _ => data.to_owned(),
    }
}

fn lacking(rows: &[&str], fault: &Fault, mut noise: Noise) -> String {
    let chance = fault.spec.probability.unwrap_or(Decimal::ZERO);
    array(rows.iter().filter(|_| noise.uniform() >= chance).map(|row| (*row).to_owned()))
}

fn other_id(row: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Row>(row) else { return row.to_owned() };
    let id = fields.get("id").and_then(|id| id.get().trim_matches('"').parse::<u64>().ok());
    match id {
        Some(id) => rebuilt(&fields, &[("id", quoted(&id.saturating_add(IDS_APART).to_string()))]),
        None => row.to_owned(),
    }
}

fn with_odd_row(rows: &[&str], list: List, fault: &Fault) -> String {
    let wanted = |row: &&str| {
        let is = |symbol: &Symbol| row.contains(&format!("\"symbol\":{}", quoted(symbol.as_str())));
        fault.spec.symbol.as_ref().is_none_or(is)
    };
    let mut out: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
    let at = rows.iter().position(wanted);
    let odd = fault.spec.odd.unwrap_or(Odd::Null);
    if let Some(row) = at.and_then(|at| out.get_mut(at)) {
        *row = spoilt(row, odd);
    } else {
        let symbol = fault.spec.symbol.as_ref().map_or("PEPE_USDT", Symbol::as_str);
        out.push(spoilt(&made_up(list, symbol), odd));
    }
    array(out)
}

/// A row as another of this list might be.
fn made_up(list: List, symbol: &str) -> String {
    let object = Object::new()
        .text("symbol", symbol)
        .plain("state", 1)
        .plain("version", 1)
        .plain("createTime", 1)
        .plain("updateTime", 1);
    match list {
        List::Positions | List::History => object
            .plain("positionId", 1)
            .plain("positionType", 1)
            .plain("openType", 1)
            .plain("holdVol", 10)
            .plain("frozenVol", 0)
            .plain("closeVol", 0)
            .plain("holdAvgPrice", 1)
            .plain("leverage", 10)
            .build(),
        List::Assets => Object::new().text("currency", symbol).plain("equity", 1).plain("availableBalance", 1).build(),
        _ => object
            .text("orderId", "1")
            .text("id", "1")
            .text("externalOid", "_m_made_up")
            .plain("side", 1)
            .plain("vol", 1)
            .plain("price", 1)
            .plain("dealVol", 0)
            .plain("orderType", 1)
            .plain("category", 1)
            .plain("timestamp", 1)
            .build(),
    }
}

/// Amounts of all kinds of rows.
const AMOUNTS: [&str; 8] =
    ["holdVol", "vol", "dealVol", "price", "holdAvgPrice", "dealAvgPrice", "equity", "availableBalance"];

fn spoilt(row: &str, odd: Odd) -> String {
    let Ok(fields) = serde_json::from_str::<Row>(row) else { return row.to_owned() };
    let there = |names: &[&'static str], value: &str| -> Vec<(&'static str, String)> {
        names.iter().filter(|name| fields.contains_key(**name)).map(|name| (*name, value.to_owned())).collect()
    };
    let changes = match odd {
        Odd::Null => there(&AMOUNTS, "null"),
        Odd::State => vec![("state", "9".to_owned())],
        Odd::Side => there(&["positionType", "side"], "7"),
        Odd::Symbol => vec![("symbol", quoted("МЕМ\u{202e}币_USDT"))],
        Odd::Version => there(&["version", "createTime", "updateTime"], "99999999999999999999999"),
        Odd::Number => there(&AMOUNTS, "\"1,5\""),
        Odd::Currency => there(&["currency"], &quoted("MX")),
    };
    rebuilt(&fields, &changes)
}

/// An object with some values changed, or added.
fn rebuilt(fields: &Row, changes: &[(&str, String)]) -> String {
    let mut object = Object::new();
    for (key, value) in fields {
        let changed = changes.iter().find(|(name, _)| name == key);
        object = object.raw(key, changed.map_or(value.get(), |(_, value)| value));
    }
    for (name, value) in changes.iter().filter(|(name, _)| !fields.contains_key(*name)) {
        object = object.raw(name, value);
    }
    object.build()
}
