//! The history: one table of the past at a time, a page of it, and all of one row when wanted.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::canvas::{Canvas, Span};
use super::columns::{Placed, Spec, place};
use super::orders::spinner;
use super::{empty, joined, row_ground};
use crate::model::{Decimal, PastCell, PastColumn, PastSort, PastTable, escape_controls};
use crate::tui::format;
use crate::tui::model::{Model, Pane, SPIN};
use crate::tui::theme::Role;

const fn col(
    key: &'static str,
    title: &'static str,
    width: u16,
    right: bool,
    priority: u8,
    grows: u16,
) -> Spec<&'static str> {
    Spec { key, title, width, right, priority, grows }
}

const ORDERS: [Spec<&str>; 14] = [
    col("created_at", "created (UTC)", 19, false, 0, 0),
    col("symbol", "symbol", 10, false, 0, 3),
    col("side", "side", 4, false, 1, 0),
    col("order_type", "type", 6, false, 8, 0),
    col("quantity", "qty", 9, true, 1, 0),
    col("requested_price", "price", 10, true, 4, 0),
    col("filled_quantity", "filled", 9, true, 5, 0),
    col("average_fill_price", "avg fill", 10, true, 2, 1),
    col("status", "state", 9, false, 0, 7),
    col("slippage", "slip %", 8, true, 9, 1),
    col("commission", "fee", 9, true, 10, 1),
    col("order_id", "id", 14, false, 11, 8),
    col("error_message", "note", 14, false, 7, 60),
    col("session_id", "session", 8, false, 12, 4),
];

const POSITIONS: [Spec<&str>; 14] = [
    col("opened_at", "opened (UTC)", 19, false, 0, 0),
    col("symbol", "symbol", 10, false, 0, 3),
    col("side", "side", 5, false, 1, 0),
    col("status", "state", 10, false, 0, 0),
    col("quantity", "qty", 9, true, 2, 3),
    col("entry_price", "entry", 10, true, 3, 2),
    col("current_price", "last", 10, true, 4, 2),
    col("realized_pnl", "realised", 10, true, 1, 3),
    col("unrealized_pnl", "unrealised", 10, true, 7, 3),
    col("margin_ratio", "margin %", 8, true, 6, 2),
    col("liquidation_price", "liq price", 10, true, 8, 2),
    col("closed_at", "closed (UTC)", 19, false, 5, 0),
    col("cause", "cause", 11, false, 9, 4),
    col("session_id", "session", 8, false, 12, 4),
];

const SIGNALS: [Spec<&str>; 11] = [
    col("created_at", "decided (UTC)", 19, false, 0, 0),
    col("signal_type", "type", 4, false, 0, 0),
    col("symbol", "symbol", 10, false, 0, 3),
    col("side", "side", 5, false, 2, 0),
    col("quantity", "qty", 9, true, 3, 3),
    col("price", "price", 10, true, 5, 2),
    col("approved", "ok", 3, false, 0, 0),
    col("rejection_reason", "why not", 15, false, 1, 60),
    col("strategy_name", "strategy", 10, false, 6, 6),
    col("signal_id", "id", 12, false, 7, 24),
    col("session_id", "session", 8, false, 12, 4),
];

const ALERTS: [Spec<&str>; 7] = [
    col("created_at", "raised (UTC)", 19, false, 0, 0),
    col("severity", "severity", 8, false, 0, 0),
    col("symbol", "symbol", 10, false, 3, 3),
    col("message", "message", 30, false, 0, 110),
    col("alert_type", "type", 22, false, 4, 2),
    col("acknowledged_by", "seen by", 10, false, 2, 6),
    col("session_id", "session", 8, false, 12, 4),
];

/// Where there is room the reason comes before all that is less than it.
const SIGNALS_WIDE: [Spec<&str>; 11] = {
    let [created, kind, symbol, side, quantity, price, ok, reason, strategy, id, session] = SIGNALS;
    [created, kind, symbol, side, quantity, price, ok, Spec { width: 40, ..reason }, strategy, id, session]
};

/// Where there is room the message comes before all that is less than it.
const ALERTS_WIDE: [Spec<&str>; 7] = {
    let [created, severity, symbol, message, kind, seen, session] = ALERTS;
    [created, severity, symbol, Spec { width: 64, ..message }, kind, seen, session]
};

const fn specs(table: PastTable, width: u16) -> &'static [Spec<&'static str>] {
    match table {
        PastTable::Orders => &ORDERS,
        PastTable::Positions => &POSITIONS,
        PastTable::Signals if width >= 110 => &SIGNALS_WIDE,
        PastTable::Signals => &SIGNALS,
        PastTable::Alerts if width >= 110 => &ALERTS_WIDE,
        PastTable::Alerts => &ALERTS,
    }
}

pub fn draw(model: &Model, area: Rect, detail: Option<Rect>, canvas: &mut Canvas<'_>) {
    let inner = frame(model, area, canvas);
    if let Some(area) = detail {
        draw_detail(model, area, canvas);
    }
    let past = &model.past;
    let table = model.table(Pane::History);
    if past.sources.is_empty() {
        return empty("no history is kept for this session", inner, canvas);
    }
    if let Some(why) = &past.error {
        return failed(model, why, inner, canvas);
    }
    if past.rows_of != past.table || past.read_at.is_none() {
        return empty("reading", inner, canvas);
    }
    if past.rows.is_empty() {
        let text = if table.filter.is_empty() {
            format!("no {} yet", past.table.word())
        } else {
            format!("no {} with {:?}", past.table.word(), table.filter)
        };
        return empty(&escape_controls(&text), inner, canvas);
    }
    let width = inner.width.saturating_sub(2);
    let columns = place(specs(past.table, width), width);
    let muted = canvas.style(Role::Muted);
    for placed in &columns {
        put(placed, placed.spec.title, muted, inner.x, inner.y, canvas);
    }
    let height = usize::from(inner.height.saturating_sub(1));
    for (i, id) in table.rows.iter().skip(table.offset).take(height).enumerate() {
        let y = inner.y.saturating_add(1).saturating_add(u16::try_from(i).unwrap_or(u16::MAX));
        let line = Rect { y, height: 1, ..inner };
        let Some(row) = past.row(id) else { continue };
        let cursor = row_ground(model, Pane::History, table.selected.as_ref() == Some(id), line, canvas);
        canvas.put(line.x, y, cursor, 1, canvas.style(Role::Focus));
        for placed in &columns {
            let cell = row.get(past.table, placed.spec.key);
            let text = match (cell, column_of(past.table, placed.spec.key)) {
                (PastCell::Unknown, Some(column)) => absent(column).to_owned(),
                _ => short(cell, placed.width),
            };
            let style = look(placed.spec.key, cell, canvas);
            put(placed, &text, style, inner.x, y, canvas);
        }
    }
}

fn column_of(table: PastTable, key: &str) -> Option<&'static PastColumn> {
    table.columns().iter().find(|column| column.name == key)
}

/// What stands where nothing is stored: nothing is there, or nobody knows.
const fn absent(column: &PastColumn) -> &'static str {
    if column.optional { "-" } else { format::UNKNOWN }
}

fn put(placed: &Placed<&str>, text: &str, style: Style, left: u16, y: u16, canvas: &mut Canvas<'_>) {
    let x = left.saturating_add(1).saturating_add(placed.x);
    if placed.spec.right {
        canvas.put_right(x, y, text, placed.width, style);
    } else {
        canvas.put(x, y, text, placed.width, style);
    }
}

/// The frame: which table of which there are, what is filtered, how it is sorted, where it is from.
fn frame(model: &Model, area: Rect, canvas: &mut Canvas<'_>) -> Rect {
    let past = &model.past;
    let (title, muted, pending) = (canvas.style(Role::Title), canvas.style(Role::Muted), canvas.style(Role::Pending));
    let mut words: Vec<(String, Style)> = vec![("7 History ".to_owned(), title)];
    for table in PastTable::ALL {
        // Brackets say it where no colour does.
        let chosen = table == past.table;
        let text = if chosen { format!("[{}]", table.word()) } else { format!(" {} ", table.word()) };
        words.push((text, if chosen { title } else { muted }));
    }
    let filter = &model.table(Pane::History).filter;
    if !filter.is_empty() {
        words.push((format!(" /{}", escape_controls(filter)), pending.add_modifier(Modifier::BOLD)));
    }
    let mut facts: Vec<Span> = Vec::new();
    if let Some(since) = past.waiting_since()
        && model.now.real.saturating_sub(since) >= SPIN
    {
        let age = model.now.real.saturating_sub(since);
        facts.push((format!("{} reading {}", spinner(model, age, canvas), format::span(age)), pending));
    }
    // Where it is from matters more when it could be from elsewhere.
    if let Some(source) = past.sources.get(past.source).filter(|_| past.sources.len() > 1) {
        facts.push((format!("from {}", escape_controls(source)), Style::new()));
    }
    facts.push((sorted(past.sort, past.reversed, past.table).to_owned(), Style::new()));
    if past.error.is_none() {
        facts.push((pages(model), Style::new()));
    }
    if let Some(at) = past.read_at {
        facts.push((format!("as of {}", format::clock(at)), Style::new()));
    }
    let words: Vec<(&str, Style)> = words.iter().map(|(text, style)| (text.as_str(), *style)).collect();
    let facts = joined(facts, canvas);
    let (lines, line) = (canvas.theme.glyphs.strong, canvas.style(Role::Focus));
    canvas.frame(area, lines, line, &words, &facts)
}

const fn sorted(sort: PastSort, reversed: bool, table: PastTable) -> &'static str {
    match (sort, reversed) {
        (PastSort::Time, false) => "newest first",
        (PastSort::Time, true) => "oldest first",
        (PastSort::Symbol, false) => "by symbol",
        (PastSort::Symbol, true) => "by symbol, backwards",
        (PastSort::Side, false) => "by side",
        (PastSort::Side, true) => "by side, backwards",
        (PastSort::Kind, false) => "by type",
        (PastSort::Kind, true) => "by type, backwards",
        (PastSort::State, reversed) => match (table, reversed) {
            (PastTable::Alerts, false) => "worst first",
            (PastTable::Alerts, true) => "worst last",
            (PastTable::Signals, false) => "rejected first",
            (PastTable::Signals, true) => "rejected last",
            (_, false) => "by state",
            (_, true) => "by state, backwards",
        },
    }
}

/// Which page of it this is, and whether there are more.
fn pages(model: &Model) -> String {
    let past = &model.past;
    match (past.at_start, past.at_end, past.page) {
        (true, true, _) => format!("all {}", past.rows.len()),
        (_, true, _) => "last page".to_owned(),
        (_, false, Some(page)) => format!("page {page}, more follow"),
        (_, false, None) => "near the end".to_owned(),
    }
}

/// Why nothing can be shown, over as many lines as it takes.
fn failed(model: &Model, why: &str, inner: Rect, canvas: &mut Canvas<'_>) {
    let style = canvas.style(Role::Warn);
    let text = escape_controls(why);
    let mut y = inner.y;
    for line in wrapped(&text, inner.width.saturating_sub(2)) {
        if y >= inner.bottom() {
            return;
        }
        canvas.put(inner.x.saturating_add(1), y, &line, inner.width.saturating_sub(2), style);
        y = y.saturating_add(1);
    }
    if model.past.sources.len() > 1 && y < inner.bottom() {
        let key = model.keymap.key_for(crate::tui::keymap::Act::Source, Pane::History);
        let text = format!("{key} reads it from another place");
        canvas.put(inner.x.saturating_add(1), y, &text, inner.width.saturating_sub(2), canvas.style(Role::Muted));
    }
}

/// Lines of at most so many columns, broken between words where there are any.
fn wrapped(text: &str, columns: u16) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let gap = u16::from(!line.is_empty());
        if format::width(&line).saturating_add(gap).saturating_add(format::width(word)) <= columns {
            if gap > 0 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if format::width(&line) > columns.max(2) {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    lines.push(line);
    lines
}

/// A value in so many columns. A number that is too long is rounded, and says so by `~`.
fn short(cell: &PastCell, columns: u16) -> String {
    match cell {
        PastCell::Unknown => format::UNKNOWN.to_owned(),
        PastCell::Time(at) => {
            at.to_datetime().map_or_else(|| at.exact(), |at| at.format("%Y-%m-%d %H:%M:%S").to_string())
        }
        PastCell::Number(text) => rounded(text, columns),
        PastCell::Whole(number) => number.to_string(),
        PastCell::Flag(flag) => if *flag { "yes" } else { "NO" }.to_owned(),
        PastCell::Text(text) | PastCell::Json(text) => escape_controls(text).into_owned(),
    }
}

fn rounded(text: &str, columns: u16) -> String {
    let Ok(exact) = Decimal::from_str_exact(text) else {
        // What somebody wrote where a number belongs.
        return escape_controls(text).into_owned();
    };
    let whole = exact.normalize();
    let mut shown = whole.to_string();
    let mut places = whole.scale();
    while format::width(&shown) > columns && places > 0 {
        places = places.saturating_sub(1);
        shown = format!("~{}", whole.round_dp(places).normalize());
    }
    shown
}

fn look(column: &str, cell: &PastCell, canvas: &Canvas<'_>) -> Style {
    let words = match cell {
        PastCell::Unknown | PastCell::Time(_) => return canvas.style(Role::Muted),
        PastCell::Flag(false) => "NO",
        PastCell::Text(text) => text.as_str(),
        _ => return canvas.style(Role::Text),
    };
    match (column, words) {
        ("status", "LIQUIDATED") | ("severity", "CRITICAL") => canvas.style(Role::Crit),
        ("status", "unknown" | "UNKNOWN") => canvas.style(Role::Unknown),
        ("status", "failed" | "FAILED") | ("severity", "WARNING") | ("approved", "NO") => canvas.style(Role::Warn),
        ("severity", _) => canvas.style(Role::Muted),
        _ => canvas.style(Role::Text),
    }
}

/// Every column of the selected row, exactly as it is stored.
fn draw_detail(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    let past = &model.past;
    let (title, muted, text) = (canvas.style(Role::Title), canvas.style(Role::Muted), canvas.style(Role::Text));
    let (lines, line) = (canvas.theme.glyphs.frame, canvas.style(Role::Border));
    let inner = canvas.frame(area, lines, line, &[("Row", title)], &[]);
    let selected = model.table(Pane::History).selected.as_ref().and_then(|id| past.row(id));
    let Some(row) = selected.filter(|_| past.rows_of == past.table) else {
        return empty("no row is selected", inner, canvas);
    };
    let wide = past.table.columns().iter().map(|column| format::width(column.name)).max().unwrap_or_default();
    // Two beside one another where both have room.
    let across = if inner.width >= 116 { 2 } else { 1 };
    let width = inner.width.saturating_sub(2).checked_div(across).unwrap_or_default();
    let room = width.saturating_sub(wide).saturating_sub(3);
    let fields: Vec<(&PastColumn, Vec<String>)> = past
        .table
        .columns()
        .iter()
        .zip(&row.cells)
        .map(|(column, cell)| (column, wrapped(&full(column, cell), room)))
        .collect();
    let total: usize = fields.iter().map(|(_, lines)| lines.len()).sum();
    let fold = total.div_ceil(usize::from(across));
    let (mut x, mut y, mut used) = (inner.x.saturating_add(1), inner.y, 0_usize);
    for (column, lines) in fields {
        if used >= fold && x == inner.x.saturating_add(1) && across > 1 {
            (x, y) = (x.saturating_add(width), inner.y);
        }
        for (i, line) in lines.iter().enumerate() {
            if y < inner.bottom() {
                let name = if i == 0 { column.name } else { "" };
                canvas.put(x, y, name, wide, muted);
                canvas.put(x.saturating_add(wide).saturating_add(2), y, line, room, text);
            }
            y = y.saturating_add(1);
        }
        used = used.saturating_add(lines.len());
    }
}

fn full(column: &PastColumn, cell: &PastCell) -> String {
    cell.words().map_or_else(|| absent(column).to_owned(), |words| escape_controls(&words).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_that_is_shown_exists() {
        for table in PastTable::ALL {
            for spec in specs(table, 80).iter().chain(specs(table, 200)) {
                assert!(table.place_of(spec.key).is_some(), "{} of {}", spec.key, table.word());
            }
        }
    }

    #[test]
    fn a_number_is_never_cut_and_says_when_it_is_rounded() {
        assert_eq!(rounded("61204.5", 10), "61204.5");
        assert_eq!(rounded("0.00886917960088691796008869", 8), "~0.00887");
        assert_eq!(rounded("123456789012", 8), "123456789012", "shown as # by who draws it");
        assert_eq!(rounded("12%", 8), "12%");
    }

    #[test]
    fn texts_are_broken_and_lose_nothing() {
        let text = "the history database cannot be read: aVeryLongWordThatFitsNowhere at all";
        let lines = wrapped(text, 20);
        assert!(lines.iter().all(|line| format::width(line) <= 20), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
    }
}
