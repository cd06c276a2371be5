//! More about the selected row: of a position with the curve of its danger, of an order with its
//! life, of an alert with the numbers behind it.

use ratatui::layout::Rect;
use ratatui::style::Style;
use rust_decimal::prelude::ToPrimitive;

use super::canvas::{Canvas, Span};
use super::positions::{closed_words, profit_style};
use super::risk_bar::ratio_words;
use super::{empty, exit, pane_frame, severity_role, step};
use crate::model::{
    Alert, Decimal, MarginMode, Order, OrderType, Position, PositionId, Price, Target, escape_controls, mul,
};
use crate::tui::model::{Model, Pane, RowId, SAMPLE_EVERY, SAMPLES, position_at};
use crate::tui::theme::Role;
use crate::tui::{figures, format};

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    let source = subject(model);
    match source {
        Some(RowId::Order(no)) => {
            if let Some(order) = model.shown().orders.get(no) {
                return self::order(model, order, area, canvas);
            }
        }
        Some(RowId::Alert(id)) => {
            if let Some(alert) = model.shown().alerts.get(id) {
                return self::alert(model, alert, area, canvas);
            }
        }
        Some(RowId::Position(id)) => return self::position(model, id, area, canvas),
        _ => {}
    }
    let inner = pane_frame(model, Pane::Detail, None, area, &[], canvas);
    empty("select a row to see more of it", inner, canvas);
}

/// An exit that stands: where to, who wants it, since when, and what it waits for.
fn exit_lines(model: &Model, target: &Target, columns: u16, canvas: &Canvas<'_>) -> Vec<Vec<Span>> {
    let age = format::seconds(model.now.session.since(target.since));
    let words = format!("{} for {age}: {}", exit::wanted(model.shown(), target), exit::waits(target));
    let style = exit::style(target, canvas);
    wrapped(&words, columns).into_iter().map(|line| vec![(line, style)]).collect()
}

/// What is not certain of the position.
fn doubt_lines(model: &Model, position: &Position, canvas: &Canvas<'_>) -> Vec<Vec<Span>> {
    let style = canvas.style(Role::Unknown);
    let doubt = model.doubt_of(&position.key).map(|doubt| format!("? UNCONFIRMED: {doubt}"));
    let old = model
        .positions_known()
        .as_of()
        .map(|as_of| format!("? {as_of}: size, margin and liquidation price are so old"));
    let price = model.price_known(&position.key.symbol);
    let price = price.as_of().map(|as_of| format!("? price {as_of}: mark, profit, ratio and distance are so old"));
    doubt.into_iter().chain(old).chain(price).map(|words| vec![(words, style)]).collect()
}

/// What the detail is of: the selection of the table that last had the keyboard.
fn subject(model: &Model) -> Option<RowId> {
    model.table(model.detail_of).selected.clone()
}

/// Lines of spans, as many as there is room for; returns the row after the last.
fn lines(lines: Vec<Vec<Span>>, inner: Rect, canvas: &mut Canvas<'_>) -> u16 {
    let mut y = inner.y;
    for line in lines {
        if y >= inner.bottom() {
            break;
        }
        let mut x = inner.x.saturating_add(1);
        for (text, style) in line {
            x = canvas.put(x, y, &text, inner.right().saturating_sub(x).saturating_sub(1), style);
        }
        y = y.saturating_add(1);
    }
    y
}

fn position(model: &Model, id: PositionId, area: Rect, canvas: &mut Canvas<'_>) {
    let state = model.shown();
    let (muted, text) = (canvas.style(Role::Muted), canvas.style(Role::Text));
    let position = match position_at(state, id) {
        Ok(position) => position,
        Err(closed) => {
            let title = closed.map(|closed| closed.key.to_string());
            let inner = pane_frame(model, Pane::Detail, title.as_deref(), area, &[], canvas);
            if let Some(closed) = closed {
                let crit = canvas.style(Role::Crit);
                let words = closed_words(state, closed);
                lines(vec![vec![("!! LIQUIDATED".to_owned(), crit)], vec![(words, text)]], inner, canvas);
            }
            return;
        }
    };
    let facts = [("margin ratio, last 15 min".to_owned(), muted)];
    let inner = pane_frame(model, Pane::Detail, Some(&position.key.to_string()), area, &facts, canvas);
    let spec = state.contracts.get(&position.key.symbol);
    let (tick, lot) = (spec.map(|spec| spec.tick), spec.map(step));
    let price = |price: Option<Price>| price.map_or_else(|| "?".to_owned(), |price| format::price(price, tick));
    let danger = figures::danger(state, position);
    let danger_style = canvas.style(danger.severity.map_or(Role::Normal, severity_role));
    let profit = danger.mark.and_then(|mark| position.unrealised(mark));
    let label = |name: &str| (format!("{name} "), muted);
    let value = |words: String| (format!("{words}  "), text);
    let known = |amount: Option<crate::model::Usdt>| amount.map_or_else(|| "?".to_owned(), format::money);
    let requirement = spec.zip(danger.mark).and_then(|(spec, mark)| position.requirement(spec, mark));
    let mode = match position.margin_mode {
        MarginMode::Isolated => "isolated",
        MarginMode::Cross => "cross",
    };
    let times = position.venue.leverage.map_or_else(|| "?".to_owned(), |times| format!("{times}x"));
    let offset = danger.mark.and_then(|mark| figures::liquidation_offset_pct(position, mark));
    let offset = offset.map_or_else(|| "?".to_owned(), |offset| format::signed_percent(offset, 2));
    let ratio = match danger.ratio_pct {
        Some(ratio) => ratio_words(ratio, danger.severity, model.setup.dashboard.venue_ratio),
        None if position.margin_mode == MarginMode::Cross => "cross: see the risk bar".to_owned(),
        None => "?".to_owned(),
    };
    let mut text_lines = vec![
        vec![
            (format!("{} ", position.key.side), canvas.style(Role::Title)),
            value(format!("{} @ {}", format::quantity(position.quantity, lot), price(position.entry_price))),
            label("mark"),
            value(price(danger.mark)),
            label("uPnL"),
            (profit.map_or_else(|| "?".to_owned(), format::signed), profit_style(profit, canvas)),
        ],
        vec![
            label("margin"),
            value(known(position.venue.margin)),
            label("needs"),
            value(known(requirement)),
            label("lev"),
            value(format!("{times} {mode}")),
        ],
        vec![
            label("ratio"),
            (format!("{ratio}  "), danger_style),
            label("liq"),
            (price(position.venue.liquidation_price), danger_style),
            (format!(" = mark {offset}"), danger_style),
        ],
        vec![
            label("stop"),
            value(position.stop_loss.map_or_else(|| "none".to_owned(), |stop| price(Some(stop)))),
            label("target"),
            value(position.take_profit.map_or_else(|| "none".to_owned(), |target| price(Some(target)))),
            label("realised"),
            value(format::signed(position.realised)),
            label("fees"),
            value(format::money(position.fees)),
        ],
    ];
    // What matters most stands right below what it is about.
    let mut first = doubt_lines(model, position, canvas);
    if let Some(target) = state.targets.get(&position.id) {
        first.extend(exit_lines(model, target, inner.width.saturating_sub(2), canvas));
    }
    text_lines.splice(1..1, first);
    let rate = state.quote(&position.key.symbol).and_then(|quote| quote.funding_rate);
    let rate = rate.map_or_else(|| "?".to_owned(), |rate| format::signed_percent(mul(rate, 100.into()), 4));
    let paid = position.venue.funding.map_or_else(|| "?".to_owned(), format::signed);
    text_lines.push(vec![
        label("funding"),
        value(rate),
        label("paid"),
        value(paid),
        label("open"),
        value(format::age(model.now.session.since(position.opened_at))),
    ]);
    let y = lines(text_lines, inner, canvas);
    let curve_area =
        Rect { y: y.saturating_add(1), height: inner.bottom().saturating_sub(y).saturating_sub(1), ..inner };
    curve(model, id, curve_area, danger_style, canvas);
}

/// How much of the way to liquidation was gone, over the last fifteen minutes: it rises with danger.
fn curve(model: &Model, id: PositionId, area: Rect, style: Style, canvas: &mut Canvas<'_>) {
    if area.height < 3 || area.width < 20 {
        return;
    }
    let muted = canvas.style(Role::Muted);
    let samples: Vec<Option<Decimal>> = model.history.of(id).collect();
    let shares: Vec<Option<Decimal>> = samples.iter().map(|sample| sample.map(figures::consumed)).collect();
    let known = || shares.iter().flatten().copied();
    let (Some(least), Some(most)) = (known().min(), known().max()) else { return };
    let ratio = |share: Decimal| {
        let ratio = crate::model::div(Decimal::ONE_HUNDRED, share).unwrap_or_default();
        ratio_words(ratio, None, model.setup.dashboard.venue_ratio)
    };
    // From a little below the least to a little above the most: what matters is where it goes.
    let room = (most - least).max(mul(most, Decimal::new(5, 2)));
    let (bottom, top) = ((least - room).max(Decimal::ZERO), (most + mul(room, Decimal::new(2, 1))).min(Decimal::ONE));
    let span = (top - bottom).max(Decimal::new(1, 6));
    let plot = Rect { x: area.x.saturating_add(9), width: area.width.saturating_sub(10), ..area };
    let label = |canvas: &mut Canvas<'_>, y: u16, share: Decimal| {
        canvas.put_right(area.x.saturating_add(1), y, &ratio(share), 7, muted);
    };
    label(canvas, plot.y, most);
    label(canvas, plot.bottom().saturating_sub(2), least);
    let base = plot.bottom().saturating_sub(1);
    let minutes = SAMPLE_EVERY.as_secs().saturating_mul(u64::try_from(SAMPLES).unwrap_or_default()) / 60;
    canvas.put(plot.x, base, &format!("-{minutes} min"), plot.width, muted);
    canvas.put_right(plot.x, base, "now", plot.width, muted);
    let height = plot.height.saturating_sub(1);
    let columns = canvas.glyphs().columns;
    for column in 0..plot.width {
        // Newest at the right edge: each column stands for its share of the fifteen minutes.
        let from_right = u32::from(plot.width.saturating_sub(column).saturating_sub(1));
        let back = usize::try_from(from_right).unwrap_or_default().saturating_mul(SAMPLES) / usize::from(plot.width);
        let Some(place) = shares.len().checked_sub(back.saturating_add(1)) else { continue };
        let Some(share) = shares.get(place).copied().flatten() else { continue };
        let level = mul((share - bottom) / span, Decimal::from(height.saturating_mul(8)));
        let level = level.round().to_u16().unwrap_or_default().max(1);
        for row in 0..height {
            let eighths = level.saturating_sub(row.saturating_mul(8)).min(8);
            if eighths == 0 {
                break;
            }
            let y = base.saturating_sub(row).saturating_sub(1);
            let glyph = columns.get(usize::from(eighths)).copied().unwrap_or(" ");
            canvas.put(plot.x.saturating_add(column), y, glyph, 1, style);
        }
    }
}

fn order(model: &Model, order: &Order, area: Rect, canvas: &mut Canvas<'_>) {
    let state = model.shown();
    let facts = [(order.state.to_string(), canvas.style(Role::Muted))];
    let title = format!("{} {}", order.no, order.symbol);
    let inner = pane_frame(model, Pane::Detail, Some(&title), area, &facts, canvas);
    let (muted, text) = (canvas.style(Role::Muted), canvas.style(Role::Text));
    let spec = state.contracts.get(&order.symbol);
    let (tick, lot) = (spec.map(|spec| spec.tick), spec.map(step));
    let label = |name: &str| (format!("{name} "), muted);
    let value = |words: String| (format!("{words}  "), text);
    let price = |price: Option<Price>| price.map_or_else(|| "none".to_owned(), |price| format::price(price, tick));
    let at = |at: Option<crate::model::SessionTime>| at.map_or_else(|| "not yet".to_owned(), format::clock);
    let kind = match order.order_type {
        OrderType::Market => "market".to_owned(),
        OrderType::Limit(limit) => format!("limit {}", format::price(limit, tick)),
        OrderType::ImmediateOrCancel(limit) => format!("immediate or cancel {}", format::price(limit, tick)),
    };
    let mut all = vec![
        vec![
            (format!("{} ", order.intent.order_word()), canvas.style(Role::Title)),
            value(format!("{} {kind}", format::quantity(order.quantity, lot))),
            label("for"),
            value(order.intent.to_string()),
        ],
        vec![
            label("filled"),
            value(format::quantity(order.filled, lot)),
            label("avg"),
            value(price(order.average_price())),
            label("fees"),
            value(format!("{}{}", format::money(order.fees), if order.fees_incomplete { "+?" } else { "" })),
            label("slippage"),
            value(order.slippage_pct().map_or_else(|| "?".to_owned(), |pct| format::signed_percent(pct, 3))),
        ],
        vec![label("stop"), value(price(order.stop_loss)), label("target"), value(price(order.take_profit))],
        vec![
            label("made"),
            value(format::clock(order.created_at)),
            label("sent"),
            value(at(order.sent_at)),
            label("accepted"),
            value(at(order.accepted_at)),
            label("ended"),
            value(at(order.ended_at)),
        ],
        vec![
            label("client id"),
            value(order.client_id.to_string()),
            label("exchange id"),
            value(order.venue_id.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string)),
        ],
        vec![
            label("signal"),
            value(order.signal_id.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)),
            label("strategy"),
            value(order.strategy.to_string()),
            label("attempts"),
            value(order.attempts.to_string()),
        ],
    ];
    if let Some(wish) = &order.cancel {
        let error = wish.last_error.as_ref().map(|error| format!(": {}", escape_controls(error))).unwrap_or_default();
        let words = format!("by {} at {}{error}", escape_controls(&wish.by), format::clock(wish.since));
        all.push(vec![label("cancel"), value(words)]);
    }
    if let Some(note) = &order.note {
        all.push(vec![label("note"), value(escape_controls(note).into_owned())]);
    }
    lines(all, inner, canvas);
}

fn alert(model: &Model, alert: &Alert, area: Rect, canvas: &mut Canvas<'_>) {
    let style = canvas.style(severity_role(alert.severity));
    let facts = [(alert.severity.word().to_owned(), style)];
    let inner = pane_frame(model, Pane::Detail, Some(&alert.key.kind.word()), area, &facts, canvas);
    let (muted, text) = (canvas.style(Role::Muted), canvas.style(Role::Text));
    let mut all: Vec<Vec<Span>> = Vec::new();
    let room = inner.width.saturating_sub(2);
    for line in wrapped(&super::alert_words(model.shown(), alert), room) {
        all.push(vec![(line, text)]);
    }
    let ended = match (alert.is_active(), alert.ended_at()) {
        (true, _) => "holds".to_owned(),
        (false, Some(at)) => format!("cleared {}", format::clock(at)),
        (false, None) => format!("happened {}", format::clock(alert.updated_at)),
    };
    let seen = alert.acknowledged.as_ref().map_or_else(
        || "not acknowledged".to_owned(),
        |seen| format!("acknowledged by {} at {}", escape_controls(&seen.by), format::clock(seen.at)),
    );
    let raised = format!("raised {} x{} · {ended} · {seen}", format::clock(alert.raised_at), alert.count);
    all.push(vec![(raised, muted)]);
    for (name, value) in &alert.details {
        all.push(vec![(format!("{} ", escape_controls(name)), muted), (escape_controls(value).into_owned(), text)]);
    }
    lines(all, inner, canvas);
}

/// A text broken into lines at blanks.
pub fn wrapped(text: &str, columns: u16) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let wide = format::width(&line).saturating_add(format::width(word)).saturating_add(1);
        if !line.is_empty() && wide > columns {
            out.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.push(line);
    out
}
