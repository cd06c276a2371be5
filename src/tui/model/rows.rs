//! The rows of each table and their order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use compact_str::{CompactString, ToCompactString};

use super::{Column, Model, Pane, RowId, Sort, Table};
use crate::model::{
    AlertKind, CallClass, CloseCause, ClosedPosition, Decimal, Order, Position, PositionId, PositionKey, RiskLimit,
    SessionState, Severity, Symbol,
};
use crate::tui::figures;

/// Ended orders that stay in the table below the working ones.
pub const ENDED_SHOWN: usize = 200;

/// Whether a row passes the filter; its text is made only when there is one.
type Keep<'a> = &'a dyn Fn(&dyn Fn() -> String) -> bool;

/// A row with what it is sorted by: groups come first and are never turned around, rows whose
/// number is unknown come last.
struct Keyed {
    group: u8,
    number: Option<Decimal>,
    text: CompactString,
    tie: u64,
    row: RowId,
}

/// The rows of a table in their order, and how many there are without the filter.
pub fn rows(model: &Model, table: &mut Table) -> Vec<RowId> {
    let state = model.shown();
    let needle = table.filter.to_lowercase();
    let keep = |text: &dyn Fn() -> String| needle.is_empty() || text().to_lowercase().contains(&needle);
    let mut total = 0;
    let rows = match (table.pane, table.sort) {
        (Pane::Positions, Some(sort)) => positions(state, sort, &keep, &mut total),
        (Pane::Orders, Some(sort)) => orders(state, sort, &keep, &mut total),
        (Pane::Breakers, _) => breakers(),
        (Pane::Alerts, _) => alerts(model, &keep, &mut total),
        (Pane::Audit, _) => {
            total = state.commands.len();
            let kept = state.commands.iter().rev().filter(|record| keep(&|| record.command.action.summary()));
            kept.map(|record| RowId::Command(record.command.id.clone())).collect()
        }
        (Pane::History, _) => model.past.row_ids(),
        _ => Vec::new(),
    };
    table.total = total.max(rows.len());
    rows
}

fn sorted(mut keyed: Vec<Keyed>, sort: Sort) -> Vec<RowId> {
    keyed.sort_by(|a, b| {
        let known = a.number.is_none().cmp(&b.number.is_none());
        let mut by = a.number.cmp(&b.number).then_with(|| a.text.cmp(&b.text));
        if sort.reversed {
            by = by.reverse();
        }
        a.group.cmp(&b.group).then(known).then(by).then(a.tie.cmp(&b.tie))
    });
    keyed.into_iter().map(|keyed| keyed.row).collect()
}

fn positions(state: &SessionState, sort: Sort, keep: Keep<'_>, total: &mut usize) -> Vec<RowId> {
    let mut keyed = Vec::with_capacity(state.positions.open_count());
    for position in state.positions.open() {
        *total = total.saturating_add(1);
        if !keep(&|| position_text(&position.key)) {
            continue;
        }
        let (number, text) = position_key(state, position, sort.column);
        keyed.push(Keyed { group: 1, number, text, tie: position.id.0, row: RowId::Position(position.id) });
    }
    for closed in latched(state) {
        *total = total.saturating_add(1);
        if keep(&|| position_text(&closed.key)) {
            // Above the open ones until its alert has been seen, below them from then on.
            let group = if unseen_liquidation(state, closed.id, &closed.key.symbol) { 0 } else { 2 };
            let row = RowId::Position(closed.id);
            keyed.push(Keyed { group, number: None, text: CompactString::default(), tie: u64::MAX - closed.id.0, row });
        }
    }
    sorted(keyed, sort)
}

fn position_text(key: &PositionKey) -> String {
    format!("{} {}", key.symbol, key.side)
}

fn position_key(state: &SessionState, position: &Position, column: Column) -> (Option<Decimal>, CompactString) {
    let mark = || figures::mark(state, position);
    let number = match column {
        Column::Danger => figures::danger(state, position).distance_pct,
        Column::Size => mark().map(|mark| -mark.notional(position.quantity).0),
        Column::Profit => mark().and_then(|mark| position.unrealised(mark)).map(|profit| profit.0),
        _ => Some(Decimal::ZERO),
    };
    (number, position.key.symbol.as_str().to_compact_string())
}

/// The last liquidated opening of each symbol and leg that is not open again: its row stays.
fn latched(state: &SessionState) -> impl Iterator<Item = &ClosedPosition> {
    let mut last: BTreeMap<&PositionKey, &ClosedPosition> = BTreeMap::new();
    for closed in state.positions.closed().filter(|closed| closed.cause == CloseCause::Liquidated) {
        last.insert(&closed.key, closed);
    }
    last.into_values().filter(|closed| state.positions.get(&closed.key).is_none())
}

fn unseen_liquidation(state: &SessionState, id: PositionId, symbol: &Symbol) -> bool {
    state.alerts.unacknowledged().any(|alert| {
        alert.is_liquidation()
            && (alert.position == Some(id) || alert.position.is_none() && alert.symbol.as_ref() == Some(symbol))
    })
}

/// An open position by its id.
///
/// # Errors
/// When it is not open any more: the closed one, if it is kept.
pub fn position_at(state: &SessionState, id: PositionId) -> Result<&Position, Option<&ClosedPosition>> {
    state.positions.by_id(id).ok_or_else(|| state.positions.closed_by_id(id))
}

fn orders(state: &SessionState, sort: Sort, keep: Keep<'_>, total: &mut usize) -> Vec<RowId> {
    let working = state.orders.working();
    let ended = state.orders.all(None).rev().filter(|order| !order.is_working()).take(ENDED_SHOWN);
    let mut keyed = Vec::with_capacity(state.orders.working_count());
    for order in working.chain(ended) {
        *total = total.saturating_add(1);
        if !keep(&|| order_text(order)) {
            continue;
        }
        let (number, text) = order_key(order, sort.column);
        let group = u8::from(!order.is_working());
        keyed.push(Keyed { group, number, text, tie: u64::MAX - order.no.0, row: RowId::Order(order.no) });
    }
    sorted(keyed, sort)
}

fn order_text(order: &Order) -> String {
    format!("{} {} {} {} {}", order.no, order.symbol, order.intent.order_word(), order.intent, order.state)
}

fn order_key(order: &Order, column: Column) -> (Option<Decimal>, CompactString) {
    match column {
        Column::Symbol => (Some(Decimal::ZERO), order.symbol.as_str().to_compact_string()),
        Column::Side => (Some(Decimal::ZERO), order.intent.order_word().to_compact_string()),
        Column::Price => (order.order_type.limit().map(|price| price.0), CompactString::default()),
        Column::State => (Some(Decimal::ZERO), order.state.word().to_compact_string()),
        _ => (Some(-Decimal::from(order.no.0)), CompactString::default()),
    }
}

fn breakers() -> Vec<RowId> {
    let classes = CallClass::ALL.map(RowId::Class);
    let limits = [RiskLimit::DailyLoss, RiskLimit::Drawdown].map(RowId::Limit);
    classes.into_iter().chain(limits).collect()
}

/// Alerts, the newest first. Alerts of one kind about one contract fold into one line while they
/// are equally severe and equally seen; liquidations never fold.
fn alerts(model: &Model, keep: Keep<'_>, total: &mut usize) -> Vec<RowId> {
    let state = model.shown();
    let mut folds: BTreeSet<(AlertKind, Option<&Symbol>, Severity, bool)> = BTreeSet::new();
    let mut rows = Vec::new();
    for alert in state.alerts.all().rev() {
        *total = total.saturating_add(1);
        let key = (alert.key.kind, alert.symbol.as_ref(), alert.severity, alert.is_unacknowledged());
        let folded = !alert.is_liquidation() && !folds.insert(key);
        if !folded && keep(&|| format!("{} {}", alert.severity.word(), alert.message)) {
            rows.push((alert.updated_at, RowId::Alert(alert.id)));
        }
    }
    for local in &model.banner.local {
        *total = total.saturating_add(1);
        if keep(&|| format!("{} {}", local.severity.word(), local.message)) {
            rows.push((local.at, RowId::Local(local.id)));
        }
    }
    rows.sort_by(|(a, x), (b, y)| match b.cmp(a) {
        Ordering::Equal => y.cmp(x),
        other => other,
    });
    rows.into_iter().map(|(_, row)| row).collect()
}
