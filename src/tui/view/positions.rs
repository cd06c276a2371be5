//! Positions, the one nearest to liquidation first. A liquidated one keeps its row, latched.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, Span};
use super::columns::{Placed, Spec, place};
use super::detail::wrapped;
use super::risk_bar::ratio_words;
use super::{empty, exit, gauge, joined, pane_frame, row_ground, severity_role, step};
use crate::model::{ClosedPosition, MarginMode, Origin, Position, PositionKey, SessionState, Severity, Side, Usdt};
use crate::tui::figures::{self, Danger};
use crate::tui::format;
use crate::tui::model::{Model, Pane, RowId, position_at};
use crate::tui::theme::Role;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Col {
    Symbol,
    Side,
    Quantity,
    Leverage,
    Entry,
    Mark,
    Bar,
    Ratio,
    Distance,
    Liquidation,
    Profit,
    Value,
    Margin,
    Age,
    Exit,
}

const fn col(key: Col, title: &'static str, width: u16, right: bool, priority: u8, grows: u16) -> Spec<Col> {
    Spec { key, title, width, right, priority, grows }
}

const COLUMNS: [Spec<Col>; 15] = [
    col(Col::Symbol, "symbol", 10, false, 0, 3),
    col(Col::Side, "side", 3, false, 0, 0),
    col(Col::Quantity, "qty", 9, true, 1, 2),
    col(Col::Leverage, "lev", 4, true, 6, 0),
    col(Col::Value, "value", 10, true, 11, 0),
    col(Col::Entry, "entry", 10, true, 8, 1),
    col(Col::Mark, "mark", 10, true, 7, 1),
    col(Col::Bar, "margin ratio", 5, false, 4, 16),
    col(Col::Ratio, "", 9, true, 0, 0),
    col(Col::Liquidation, "liq price", 10, true, 3, 1),
    col(Col::Distance, "to liq", 7, true, 0, 0),
    col(Col::Profit, "uPnL", 10, true, 5, 0),
    col(Col::Margin, "margin", 9, true, 12, 0),
    col(Col::Age, "age", 6, true, 10, 0),
    col(Col::Exit, "exit", 6, false, 2, 60),
];

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    let table = model.table(Pane::Positions);
    let inner = pane_frame(model, Pane::Positions, None, area, &facts(model, canvas), canvas);
    if table.rows.is_empty() {
        if !table.filter.is_empty() {
            return empty("no position passes the filter", inner, canvas);
        }
        let role = if model.positions_known().is_known() { Role::Muted } else { Role::Unknown };
        let width = inner.width.saturating_sub(2);
        for (line, y) in wrapped(&model.no_positions(), width).iter().zip(inner.y..inner.bottom()) {
            canvas.put(inner.x.saturating_add(1), y, line, width, canvas.style(role));
        }
        return;
    }
    let columns = place(&COLUMNS, inner.width.saturating_sub(2));
    let muted = canvas.style(Role::Muted);
    for placed in &columns {
        let x = inner.x.saturating_add(1).saturating_add(placed.x);
        // The ratio's number stands to the right of its bar, under the one title of both.
        let title = match placed.spec.key {
            Col::Ratio if !columns.iter().any(|other| other.spec.key == Col::Bar) => "ratio",
            _ => placed.spec.title,
        };
        if placed.spec.right {
            canvas.put_right(x, inner.y, title, placed.width, muted);
        } else {
            canvas.put(x, inner.y, title, placed.width.max(format::width(title)), muted);
        }
    }
    let rows = usize::from(inner.height.saturating_sub(1));
    for (i, row) in table.rows.iter().skip(table.offset).take(rows).enumerate() {
        let y = inner.y.saturating_add(1).saturating_add(u16::try_from(i).unwrap_or(u16::MAX));
        let line = Rect { y, height: 1, ..inner };
        let RowId::Position(id) = row else { continue };
        let selected = table.selected.as_ref() == Some(row);
        let cursor = row_ground(model, Pane::Positions, selected, line, canvas);
        canvas.put(line.x, y, cursor, 1, canvas.style(Role::Focus));
        match position_at(model.shown(), *id) {
            Ok(position) => open_row(model, position, &columns, line, canvas),
            Err(Some(closed)) => latched_row(model.shown(), closed, &columns, line, canvas),
            Err(None) => {}
        }
    }
}

fn facts(model: &Model, canvas: &Canvas<'_>) -> Vec<Span> {
    let table = model.table(Pane::Positions);
    let mut parts: Vec<Span> = Vec::new();
    if !table.filter.is_empty() {
        let text = format!("filtered {} of {}", table.rows.len(), table.total);
        parts.push((text, canvas.style(Role::Pending)));
    }
    let count = format!("{} open", model.open_count());
    parts.push(match model.positions_known().as_of() {
        None => (count, Style::new()),
        Some(as_of) => (format!("{count} {as_of}"), canvas.style(Role::Unknown)),
    });
    let unconfirmed = model.shown().upkeep.unconfirmed.len();
    if unconfirmed > 0 {
        parts.push((format!("{unconfirmed} unconfirmed"), canvas.style(Role::Unknown)));
    }
    if let Some(sort) = table.sort {
        let glyph = if sort.reversed { canvas.glyphs().up } else { canvas.glyphs().down };
        parts.push((format!("sort {} {glyph}", sort.column.word()), Style::new()));
    }
    let ratio = if model.setup.dashboard.venue_ratio { "liq at 100% (venue's ratio)" } else { "liq at 100%" };
    parts.push((ratio.to_owned(), Style::new()));
    joined(parts, canvas)
}

fn side_words(side: Side, canvas: &Canvas<'_>) -> (String, Style) {
    match side {
        Side::Long => (format!("{} L", canvas.glyphs().long), canvas.style(Role::Gain)),
        Side::Short => (format!("{} S", canvas.glyphs().short), canvas.style(Role::Loss)),
    }
}

fn open_row(model: &Model, position: &Position, columns: &[Placed<Col>], line: Rect, canvas: &mut Canvas<'_>) {
    let state = model.shown();
    let danger = figures::danger(state, position);
    let latched = state.positions.last_liquidated(&position.key).is_some();
    let unsure = !model.positions_known().is_known();
    let old_price = !model.price_known(&position.key.symbol).is_known();
    for placed in columns {
        let x = line.x.saturating_add(1).saturating_add(placed.x);
        if placed.spec.key == Col::Bar {
            let share = danger.ratio_pct.map(figures::consumed);
            let style = danger_style(&danger, canvas);
            if position.margin_mode == MarginMode::Cross {
                canvas.put(x, line.y, "cross: account", placed.width, canvas.style(Role::Muted));
            } else {
                gauge::draw(canvas, x, line.y, placed.width, share, style);
            }
            continue;
        }
        let doubtful = match placed.spec.key {
            Col::Quantity => unsure || !state.upkeep.is_confirmed(&position.key),
            Col::Liquidation | Col::Margin => unsure,
            Col::Mark => old_price,
            Col::Distance | Col::Profit | Col::Value => unsure || old_price,
            _ => false,
        };
        let (text, style) = match placed.spec.key {
            Col::Exit => match state.targets.get(&position.id) {
                Some(target) => (exit::cell(state, target, placed.width), exit::style(target, canvas)),
                None => continue,
            },
            Col::Symbol if latched => (format!("{} LIQ", position.key.symbol), canvas.style(Role::Crit)),
            key => cell(model, position, &danger, key, canvas),
        };
        if doubtful && text.trim() != format::UNKNOWN {
            // In the gap to the next column: it moves nothing.
            canvas.put(x.saturating_add(placed.width), line.y, format::UNKNOWN, 1, canvas.style(Role::Unknown));
        }
        if placed.spec.right {
            canvas.put_right(x, line.y, &text, placed.width, style);
        } else {
            canvas.put(x, line.y, &text, placed.width, style);
        }
    }
}

fn danger_style(danger: &Danger, canvas: &Canvas<'_>) -> Style {
    canvas.style(danger.severity.map_or(Role::Normal, severity_role))
}

fn cell(model: &Model, position: &Position, danger: &Danger, key: Col, canvas: &Canvas<'_>) -> (String, Style) {
    let spec = model.shown().contracts.get(&position.key.symbol);
    let (tick, lot) = (spec.map(|spec| spec.tick), spec.map(step));
    let (text, muted) = (canvas.style(Role::Text), canvas.style(Role::Muted));
    let unknown = || format::UNKNOWN.to_owned();
    let price = |price: Option<crate::model::Price>| price.map_or_else(unknown, |price| format::price(price, tick));
    match key {
        Col::Symbol => (position.key.symbol.to_string(), text),
        Col::Side => side_words(position.key.side, canvas),
        Col::Quantity => {
            let sign = if position.key.side == Side::Short { "-" } else { "" };
            (format!("{sign}{}", format::quantity(position.quantity, lot)), text)
        }
        Col::Leverage => (position.venue.leverage.map_or_else(unknown, |times| format!("{times}x")), muted),
        Col::Entry => (price(position.entry_price), text),
        Col::Mark => (price(danger.mark), text),
        Col::Ratio => {
            let words = match (danger.ratio_pct, position.margin_mode) {
                (Some(ratio), _) => ratio_words(ratio, danger.severity, model.setup.dashboard.venue_ratio),
                (None, MarginMode::Cross) => "cross".to_owned(),
                (None, MarginMode::Isolated) => unknown(),
            };
            // Numbers stand below one another whether a glyph follows or not.
            let pad = match danger.severity {
                Some(Severity::Critical) => "",
                Some(_) => " ",
                None => "   ",
            };
            let known = model.positions_known().max(model.price_known(&position.key.symbol));
            // The mark of what is old stands in the room that is kept for the glyph, where there is none.
            let needs_none = known.is_known() || danger.ratio_pct.is_none() || pad.len() < 3;
            let pad = if needs_none { pad } else { "?  " };
            (format!("{words}{pad}"), danger_style(danger, canvas))
        }
        Col::Liquidation => (price(position.venue.liquidation_price), text),
        Col::Distance => {
            let offset = danger.mark.and_then(|mark| figures::liquidation_offset_pct(position, mark));
            (offset.map_or_else(unknown, |offset| format::signed_percent(offset, 1)), danger_style(danger, canvas))
        }
        Col::Profit => {
            let profit = danger.mark.and_then(|mark| position.unrealised(mark));
            (profit.map_or_else(unknown, format::signed), profit_style(profit, canvas))
        }
        Col::Value => {
            let value = danger.mark.map(|mark| mark.notional(position.quantity));
            (value.map_or_else(unknown, |value| format::grouped(value.0, 0)), text)
        }
        Col::Margin => (position.venue.margin.map_or_else(unknown, format::money), muted),
        Col::Age => {
            let outside = if position.origin == Origin::Outside { "*" } else { "" };
            (format!("{outside}{}", format::age(model.now.session.since(position.opened_at))), muted)
        }
        Col::Bar | Col::Exit => (String::new(), text),
    }
}

/// The look of a gain or a loss: that of text, unless the theme has colours for direction.
pub fn profit_style(profit: Option<Usdt>, canvas: &Canvas<'_>) -> Style {
    canvas.style(if profit.is_some_and(|profit| profit < Usdt::ZERO) { Role::Loss } else { Role::Gain })
}

fn latched_row(
    state: &SessionState,
    closed: &ClosedPosition,
    columns: &[Placed<Col>],
    line: Rect,
    canvas: &mut Canvas<'_>,
) {
    let crit = canvas.style(Role::Crit);
    let muted = canvas.style(Role::Muted);
    let mut end = line.x.saturating_add(1);
    for placed in columns {
        let x = line.x.saturating_add(1).saturating_add(placed.x);
        let (text, style) = match placed.spec.key {
            Col::Symbol => (closed.key.symbol.to_string(), crit),
            Col::Side => side_words(closed.key.side, canvas),
            _ => break,
        };
        end = canvas.put(x, line.y, &text, placed.width, style).max(x.saturating_add(placed.width));
    }
    let mut spans: Vec<Span> = vec![("!! LIQUIDATED".to_owned(), crit)];
    let words = closed_words(state, closed);
    spans.push((format!("  {words}"), muted));
    let mut x = end.saturating_add(2);
    for (text, style) in spans {
        x = canvas.put(x, line.y, &text, line.right().saturating_sub(x), style);
    }
}

/// What is known of a closed position: `2.400 @ 58,921.5, entry 61,204.5, loss -2,739.60 at 14:22:05`.
pub fn closed_words(state: &SessionState, closed: &ClosedPosition) -> String {
    let PositionKey { symbol, .. } = &closed.key;
    let spec = state.contracts.get(symbol);
    let (tick, lot) = (spec.map(|spec| spec.tick), spec.map(step));
    let mut words: Vec<String> = Vec::new();
    let taken = closed.taken.as_ref();
    let (quantity, exit_price) = match taken {
        Some(taken) => (taken.quantity, taken.price),
        None => (closed.quantity, closed.exit_price),
    };
    if quantity.is_positive() {
        words.push(format::quantity(quantity, lot));
    }
    words.extend(exit_price.map(|exit| format!("@ {} ", format::price(exit, tick))));
    words.extend(closed.entry_price.map(|entry| format!("entry {} ", format::price(entry, tick))));
    // Of what was taken over, not of what was closed before.
    let realised = taken.map_or(closed.realised, |taken| taken.realised);
    let realised = realised.map_or_else(|| format::UNKNOWN.to_owned(), format::signed);
    words.push(format!("realised {realised}  at {}", format::clock(closed.closed_at)));
    words.join(" ")
}
