//! Orders: the working ones, newest first, and below them those that ended lately.

use std::time::Duration;

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::canvas::{Canvas, Span};
use super::columns::{Spec, place};
use super::{empty, joined, pane_frame, row_ground, step};
use crate::model::{Order, OrderState, OrderType, Purpose, mul};
use crate::tui::format;
use crate::tui::model::{Flight, Known, LATE, LOST, Model, Pane, RowId, SPIN};
use crate::tui::theme::Role;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Col {
    No,
    Symbol,
    Side,
    Purpose,
    Quantity,
    Filled,
    Price,
    State,
    Age,
    Stop,
    Average,
    Note,
}

const fn col(key: Col, title: &'static str, width: u16, right: bool, priority: u8, grows: u16) -> Spec<Col> {
    Spec { key, title, width, right, priority, grows }
}

const COLUMNS: [Spec<Col>; 12] = [
    col(Col::No, "id", 6, false, 0, 0),
    col(Col::Symbol, "symbol", 10, false, 0, 3),
    col(Col::Side, "side", 4, false, 0, 0),
    col(Col::Purpose, "for", 11, false, 5, 0),
    col(Col::Quantity, "qty", 9, true, 1, 2),
    col(Col::Filled, "filled", 6, true, 6, 0),
    col(Col::Price, "price", 10, true, 2, 1),
    col(Col::State, "state", 12, false, 0, 2),
    col(Col::Age, "age", 6, true, 4, 0),
    col(Col::Average, "avg fill", 10, true, 8, 0),
    col(Col::Stop, "stop loss", 10, true, 9, 0),
    col(Col::Note, "note", 12, false, 10, 40),
];

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    let table = model.table(Pane::Orders);
    let inner = pane_frame(model, Pane::Orders, None, area, &facts(model, canvas), canvas);
    if table.rows.is_empty() {
        if !table.filter.is_empty() {
            return empty("no order passes the filter", inner, canvas);
        }
        let none = match model.orders_known() {
            Known::Yes => "no orders".to_owned(),
            Known::Old(age) => {
                format!("{} orders: the exchange was last heard {} ago", format::UNKNOWN, format::seconds(age))
            }
            Known::NotYet => format!("{} orders: the exchange has not told of them since the start", format::UNKNOWN),
        };
        return empty(&none, inner, canvas);
    }
    let columns = place(&COLUMNS, inner.width.saturating_sub(2));
    let muted = canvas.style(Role::Muted);
    for placed in &columns {
        let x = inner.x.saturating_add(1).saturating_add(placed.x);
        if placed.spec.right {
            canvas.put_right(x, inner.y, placed.spec.title, placed.width, muted);
        } else {
            canvas.put(x, inner.y, placed.spec.title, placed.width, muted);
        }
    }
    let rows = usize::from(inner.height.saturating_sub(1));
    for (i, row) in table.rows.iter().skip(table.offset).take(rows).enumerate() {
        let y = inner.y.saturating_add(1).saturating_add(u16::try_from(i).unwrap_or(u16::MAX));
        let line = Rect { y, height: 1, ..inner };
        let RowId::Order(no) = row else { continue };
        let Some(order) = model.shown().orders.get(*no) else { continue };
        let selected = table.selected.as_ref() == Some(row);
        let cursor = row_ground(model, Pane::Orders, selected, line, canvas);
        let (cursor, style) = if table.marks.contains(row) {
            (canvas.glyphs().mark, canvas.style(Role::Mark))
        } else {
            (cursor, canvas.style(Role::Focus))
        };
        canvas.put(line.x, y, cursor, 1, style);
        for placed in &columns {
            let x = line.x.saturating_add(1).saturating_add(placed.x);
            let (text, style) = cell(model, order, placed.spec.key, canvas);
            if placed.spec.right {
                canvas.put_right(x, y, &text, placed.width, style);
            } else {
                canvas.put(x, y, &text, placed.width, style);
            }
        }
    }
}

fn facts(model: &Model, canvas: &Canvas<'_>) -> Vec<Span> {
    let state = model.shown();
    let table = model.table(Pane::Orders);
    let (mut resting, mut queued, mut pending, mut unknown) = (0_usize, 0_usize, 0_usize, 0_usize);
    for order in state.orders.working() {
        let counter = match order.state {
            OrderState::Pending | OrderState::Submitting => &mut queued,
            OrderState::PendingCancel => &mut pending,
            OrderState::Unknown => &mut unknown,
            _ => &mut resting,
        };
        *counter = counter.saturating_add(1);
    }
    let mut parts: Vec<Span> = Vec::new();
    if !table.filter.is_empty() {
        let text = format!("filtered {} of {}", table.rows.len(), table.total);
        parts.push((text, canvas.style(Role::Pending)));
    }
    if !table.marks.is_empty() {
        parts.push((format!("{} marked", table.marks.len()), canvas.style(Role::Mark)));
    }
    if unknown > 0 {
        parts.push((format!("unknown {unknown}"), canvas.style(Role::Unknown)));
    }
    let known = if model.ended { Known::Yes } else { model.orders_known() };
    let style = if known.is_known() { Style::new() } else { canvas.style(Role::Unknown) };
    parts.push((format!("resting {}", known.count(resting)), style));
    if queued > 0 {
        parts.push((format!("queued {queued}"), Style::new()));
    }
    if pending > 0 {
        parts.push((format!("cancelling {pending}"), canvas.style(Role::Pending)));
    }
    if let Some(sort) = table.sort {
        let glyph = if sort.reversed { canvas.glyphs().up } else { canvas.glyphs().down };
        parts.push((format!("sort {} {glyph}", sort.column.word()), Style::new()));
    }
    joined(parts, canvas)
}

fn cell(model: &Model, order: &Order, key: Col, canvas: &Canvas<'_>) -> (String, Style) {
    let spec = model.shown().contracts.get(&order.symbol);
    let (tick, lot) = (spec.map(|spec| spec.tick), spec.map(step));
    let muted = canvas.style(Role::Muted);
    let text = if order.is_working() { canvas.style(Role::Text) } else { muted };
    match key {
        Col::No => (order.no.to_string(), text),
        Col::Symbol => (order.symbol.to_string(), text),
        Col::Side => {
            let role = if order.intent.buys() { Role::Gain } else { Role::Loss };
            let style = if order.is_working() { canvas.style(role) } else { muted };
            (order.intent.order_word().to_owned(), style)
        }
        Col::Purpose => (purpose(order), muted),
        Col::Quantity => (format::quantity(order.quantity, lot), text),
        Col::Filled => {
            let share = order.filled.ratio_to(order.quantity).map(|share| mul(share, 100.into()));
            let words = share.filter(|share| !share.is_zero()).map(|share| format::percent(share, 0));
            (words.unwrap_or_else(|| canvas.glyphs().dot.to_owned()), text)
        }
        Col::Price => match order.order_type {
            OrderType::Market => ("market".to_owned(), muted),
            OrderType::Limit(price) | OrderType::ImmediateOrCancel(price) => (format::price(price, tick), text),
        },
        Col::State => state_words(model, order, canvas),
        Col::Age => (format::age(model.now.session.since(order.created_at)), muted),
        Col::Average => {
            let average = order.average_price().map(|price| format::price(price, tick));
            (average.unwrap_or_else(|| canvas.glyphs().dot.to_owned()), text)
        }
        Col::Stop => {
            let stop = order.stop_loss.map(|price| format::price(price, tick));
            (stop.unwrap_or_else(|| canvas.glyphs().dot.to_owned()), muted)
        }
        Col::Note => {
            let cancel = order.cancel.as_ref().filter(|_| order.is_working());
            let note = match (cancel, &order.note) {
                (Some(wish), _) => wish.last_error.clone().unwrap_or_else(|| format!("cancel by {}", wish.by)),
                (None, Some(note)) => note.clone(),
                (None, None) => format!("{}", order.strategy),
            };
            (crate::model::escape_controls(&note).into_owned(), muted)
        }
    }
}

/// What an order is for: `open long`, `close long`, `flatten`.
fn purpose(order: &Order) -> String {
    match order.purpose {
        Purpose::Flatten => "flatten".to_owned(),
        Purpose::PartialExit => format!("part {}", order.intent.side.word().to_lowercase()),
        Purpose::Entry | Purpose::FullExit => order.intent.to_string(),
    }
}

/// The state of an order, and what a command of ours does to it. Nothing is shown as done before
/// the session says it.
fn state_words(model: &Model, order: &Order, canvas: &Canvas<'_>) -> (String, Style) {
    if order.is_working()
        && let Some(flight) = model.flights.cancelling(order.no)
    {
        return flight_words(model, flight, canvas);
    }
    let style = |role| canvas.style(role);
    match order.state {
        OrderState::Pending if order.attempts > 0 => (format!("RETRY {}", order.attempts), style(Role::Pending)),
        OrderState::Pending => ("QUEUED".to_owned(), style(Role::Muted)),
        OrderState::Submitting => ("SENDING".to_owned(), style(Role::Pending)),
        OrderState::Submitted => ("RESTING".to_owned(), style(Role::Text)),
        OrderState::PartiallyFilled => {
            let share = order.filled.ratio_to(order.quantity).map(|share| mul(share, 100.into()));
            (format!("PART {}", share.map_or("?".into(), |share| format::percent(share, 0))), style(Role::Text))
        }
        OrderState::PendingCancel => {
            let since = order.cancel.as_ref().map(|wish| model.now.session.since(wish.since)).unwrap_or_default();
            let dots = canvas.glyphs().ellipsis;
            if since >= LOST {
                (format!("CANCEL{dots} {}", format::age(since)), style(Role::Warn))
            } else {
                (format!("CANCEL{dots}"), style(Role::Pending))
            }
        }
        OrderState::Unknown => ("UNKNOWN?".to_owned(), style(Role::Unknown)),
        OrderState::Filled => ("FILLED".to_owned(), style(Role::Muted)),
        OrderState::Cancelled if order.filled.is_positive() => ("CANCELLED +".to_owned(), style(Role::Muted)),
        OrderState::Cancelled => ("CANCELLED".to_owned(), style(Role::Muted)),
        OrderState::Failed => ("FAILED".to_owned(), style(Role::Muted).add_modifier(Modifier::UNDERLINED)),
    }
}

fn flight_words(model: &Model, flight: &Flight, canvas: &Canvas<'_>) -> (String, Style) {
    let age = model.now.real.saturating_sub(flight.sent);
    let word = if flight.accepted.is_some() { "CANCEL" } else { "SENT" };
    let dots = canvas.glyphs().ellipsis;
    if age >= LOST {
        ("UNKNOWN?".to_owned(), canvas.style(Role::Unknown))
    } else if age >= LATE {
        (format!("{word}{dots} {}", format::span(age)), canvas.style(Role::Warn))
    } else if age >= SPIN {
        (format!("{} {word}{dots}", spinner(model, age, canvas)), canvas.style(Role::Pending))
    } else {
        (format!("{word}{dots}"), canvas.style(Role::Pending))
    }
}

/// A frame of the spinner; it stands still where movement is not wanted.
pub fn spinner(model: &Model, age: Duration, canvas: &Canvas<'_>) -> &'static str {
    let frames = canvas.glyphs().spinner;
    let frame = if model.setup.dashboard.reduce_motion { 0 } else { age.as_millis() / 120 % 4 };
    frames.get(usize::try_from(frame).unwrap_or_default()).copied().unwrap_or(" ")
}
