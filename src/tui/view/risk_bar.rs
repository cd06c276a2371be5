//! Row 2: money and danger, the worst first.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Field, draw_fields, fit};
use super::{gauge, severity_glyph, severity_role};
use crate::model::{Decimal, OrderState, Severity, Usdt};
use crate::tui::model::{Known, Model};
use crate::tui::theme::Role;
use crate::tui::{figures, format};

/// Columns of the margin bar.
const BAR: u16 = 10;

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    if area.height == 0 {
        return;
    }
    let state = model.shown();
    let (muted, text) = (canvas.style(Role::Muted), canvas.style(Role::Text));
    let glyphs = *canvas.glyphs();
    let unknown = || format::UNKNOWN.to_owned();
    let mut fields = Vec::new();
    let known = if model.ended { Known::Yes } else { model.figures_known() };
    let equity = known.figure(figures::equity(state).map_or_else(unknown, format::money));
    fields.push(Field::new(0, vec![("equity ".to_owned(), muted), (equity, text)]));

    let day = figures::day(state);
    let glyph = match day {
        Some(day) if day < Usdt::ZERO => format!("{} ", glyphs.down),
        Some(day) if day > Usdt::ZERO => format!("{} ", glyphs.up),
        _ => String::new(),
    };
    let role = if day.is_some_and(|day| day < Usdt::ZERO) { Role::Loss } else { Role::Gain };
    let day = known.figure(day.map_or_else(unknown, format::signed));
    fields.push(Field::new(2, vec![("day ".to_owned(), muted), (format!("{glyph}{day}"), canvas.style(role))]));

    let worst = figures::worst_ratio(state);
    if let Some((ratio, cross, severity)) = worst {
        let style = severity.map_or(canvas.style(Role::Normal), |severity| canvas.style(severity_role(severity)));
        let label = if cross { "margin cross " } else { "margin " };
        let number = known.figure(ratio_words(ratio, severity, model.setup.dashboard.venue_ratio));
        let bar = " ".repeat(usize::from(BAR));
        let long = vec![(label.to_owned(), muted), (bar, style), (format!(" {number}"), style)];
        fields.push(Field::new(1, long).or(vec![(label.to_owned(), muted), (number, style)]));
    }
    if let Some((position, danger)) = figures::nearest(state) {
        let style =
            danger.severity.map_or(canvas.style(Role::Normal), |severity| canvas.style(severity_role(severity)));
        let offset = danger.mark.and_then(|mark| figures::liquidation_offset_pct(position, mark));
        let offset = known.figure(offset.map_or_else(unknown, |offset| format::signed_percent(offset, 1)));
        let base = position.key.symbol.as_str().split('_').next().unwrap_or_default();
        fields.push(Field::new(1, vec![("liq ".to_owned(), muted), (format!("{base} {offset}"), style)]));
    }
    fields.extend(counts(model, canvas));
    // Last, so that what stands before it keeps its place.
    if let Some(as_of) = known.as_of() {
        fields.push(Field::new(0, vec![(as_of, canvas.style(Role::Unknown))]));
    }
    let room = area.width.saturating_sub(2);
    let fields = fit(fields, 2, room);
    draw_fields(canvas, area.x.saturating_add(1), area.y, area.right(), 2, &fields);

    // The bar itself lies over the blanks that kept its place.
    if let Some((ratio, _, severity)) = worst
        && let Some(bar_place) = fields.iter().position(has_bar)
        && let Some(field) = fields.get(bar_place)
    {
        let before = fields
            .iter()
            .take(bar_place)
            .fold(0_u16, |sum, field| sum.saturating_add(super::canvas::width(&field.long)).saturating_add(2));
        let label = field.long.first().map_or(0, |(text, _)| format::width(text));
        let style = severity.map_or(canvas.style(Role::Normal), |severity| canvas.style(severity_role(severity)));
        let x = area.x.saturating_add(1).saturating_add(before).saturating_add(label);
        gauge::draw(canvas, x, area.y, BAR, Some(figures::consumed(ratio)), style);
    }
}

/// Whether a field still has the blanks that keep the bar's place.
fn has_bar(field: &Field) -> bool {
    field.long.iter().any(|(text, _)| text.len() == usize::from(BAR) && text.trim().is_empty())
}

/// `215%`, with the glyph of its severity; or the exchange's inverse.
pub fn ratio_words(ratio: Decimal, severity: Option<Severity>, venue: bool) -> String {
    let number = if venue {
        format::percent(crate::model::mul(figures::consumed(ratio), Decimal::ONE_HUNDRED), 1)
    } else if ratio > Decimal::from(9_999) {
        ">9999%".to_owned()
    } else {
        format!("{}%", ratio.round())
    };
    match severity {
        Some(severity) => format!("{number} {}", severity_glyph(severity)),
        None => number,
    }
}

fn counts(model: &Model, canvas: &Canvas<'_>) -> Vec<Field> {
    let state = model.shown();
    let (muted, text) = (canvas.style(Role::Muted), canvas.style(Role::Text));
    let (mut queued, mut unknown) = (0_usize, 0_usize);
    for order in state.orders.working() {
        match order.state {
            OrderState::Pending | OrderState::Submitting => queued = queued.saturating_add(1),
            OrderState::Unknown => unknown = unknown.saturating_add(1),
            _ => {}
        }
    }
    let field = |priority, name: &str, value: String, style| {
        Field::new(priority, vec![(format!("{name} "), muted), (value, style)])
    };
    let (orders, known) =
        if model.ended { (Known::Yes, Known::Yes) } else { (model.orders_known(), model.figures_known()) };
    let mut fields = vec![field(4, "orders", orders.count(state.orders.working_count()), text)];
    if queued > 0 {
        fields.push(field(5, "queued", queued.to_string(), text));
    }
    if unknown > 0 {
        fields.push(field(3, "unknown", unknown.to_string(), canvas.style(Role::Unknown)));
    }
    // Of positions that are not known there is no sum, least of all zero.
    let none = state.positions.open_count() == 0 && !model.positions_known().is_known();
    let exposure = figures::exposure(state).filter(|_| !none);
    let words = known.figure(exposure.map_or_else(|| format::UNKNOWN.to_owned(), format::short_money));
    let of = figures::equity(state).zip(exposure).and_then(|(equity, exposure)| exposure.ratio_to(equity));
    let of = of.map(|ratio| format!(" = {}x", format::grouped(ratio, 1))).unwrap_or_default();
    fields.push(field(6, "exposure", format!("{words}{of}"), text));
    fields.push(field(
        7,
        "uPnL",
        known.figure(figures::unrealised(state).filter(|_| !none).map_or_else(|| "?".to_owned(), format::signed)),
        text,
    ));
    let counters = &state.counters;
    fields.push(field(8, "signals", format!("{}", counters.signals), text));
    fields.push(field(9, "fills", format!("{}", counters.fills), text));
    fields
}
