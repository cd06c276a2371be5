//! Commands and what became of them, with the time it took.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, Span};
use super::orders::spinner;
use super::{empty, joined, pane_frame, row_ground};
use crate::model::{CommandRecord, CommandStatus, escape_controls};
use crate::tui::format;
use crate::tui::model::{Flight, LATE, LOST, Model, Pane, RowId, SPIN};
use crate::tui::theme::Role;

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    let table = model.table(Pane::Audit);
    let facts = joined(vec![("commands and their answers".to_owned(), Style::new())], canvas);
    let inner = pane_frame(model, Pane::Audit, None, area, &facts, canvas);
    // Commands that the session has not yet said anything of stand on top.
    let waiting: Vec<&Flight> =
        model.flights.all().filter(|(id, _)| model.shown().command(id).is_none()).map(|(_, flight)| flight).collect();
    if table.rows.is_empty() && waiting.is_empty() {
        return empty("no commands yet", inner, canvas);
    }
    let mut y = inner.y;
    for flight in waiting.iter().rev().take(usize::from(inner.height)) {
        sent(model, flight, Rect { y, height: 1, ..inner }, canvas);
        y = y.saturating_add(1);
    }
    let room = usize::from(inner.bottom().saturating_sub(y));
    for row in table.rows.iter().skip(table.offset).take(room) {
        let line = Rect { y, height: 1, ..inner };
        let selected = table.selected.as_ref() == Some(row);
        let cursor = row_ground(model, Pane::Audit, selected, line, canvas);
        canvas.put(line.x, y, cursor, 1, canvas.style(Role::Focus));
        if let RowId::Command(id) = row
            && let Some(record) = model.shown().command(id)
        {
            answered(model, record, line, canvas);
        }
        y = y.saturating_add(1);
    }
}

fn sent(model: &Model, flight: &Flight, line: Rect, canvas: &mut Canvas<'_>) {
    let age = model.now.real.saturating_sub(flight.sent);
    let (glyph, role) = if age >= LOST {
        ("?", Role::Unknown)
    } else if age >= LATE {
        ("!", Role::Warn)
    } else if age >= SPIN {
        (spinner(model, age, canvas), Role::Pending)
    } else {
        (canvas.glyphs().sent, Role::Pending)
    };
    let style = canvas.style(role);
    let words = format!("sent {} ago", format::span(age));
    let time = format::clock(model.now.session);
    spans(&time, glyph, &format!("c{}", flight.number), &flight.action.summary(), (&words, style), line, canvas);
}

fn answered(model: &Model, record: &CommandRecord, line: Rect, canvas: &mut Canvas<'_>) {
    let glyphs = *canvas.glyphs();
    let id = &record.command.id;
    let took = model.flights.took(id).map_or_else(|| format::span(record.updated_at.since(record.at)), format::span);
    let style = |role| canvas.style(role);
    let (glyph, words, look) = match &record.status {
        CommandStatus::Accepted => (glyphs.sent, "accepted".to_owned(), style(Role::Pending)),
        CommandStatus::Working { step } => {
            let waits = match record.waiting_for.len() {
                0 => String::new(),
                n => format!(", waits for {n}"),
            };
            (glyphs.sent, format!("{step}{waits}"), style(Role::Pending))
        }
        CommandStatus::Done { note } if note.is_empty() => (glyphs.done, format!("done {took}"), style(Role::Normal)),
        CommandStatus::Done { note } => (glyphs.done, format!("done {took}: {note}"), style(Role::Normal)),
        CommandStatus::Rejected { why } => (glyphs.failed, format!("rejected: {why}"), style(Role::Warn)),
        CommandStatus::Unknown { why } => ("?", format!("UNKNOWN: {why}"), style(Role::Unknown)),
    };
    let number = model.flights.number(id).map_or_else(
        || format::cut(&escape_controls(&record.command.by), 8, glyphs.ellipsis),
        |number| format!("c{number}"),
    );
    let summary = record.command.action.summary();
    spans(&format::clock(record.at), glyph, &number, &summary, (&words, look), line, canvas);
}

fn spans(
    time: &str,
    glyph: &str,
    number: &str,
    summary: &str,
    (words, look): (&str, Style),
    line: Rect,
    canvas: &mut Canvas<'_>,
) {
    let (muted, text) = (canvas.style(Role::Muted), canvas.style(Role::Text));
    let right = line.right();
    let mut x = line.x.saturating_add(1);
    let parts: [Span; 4] = [
        (format!("{time} "), muted),
        (format!("{glyph:<2} "), look),
        (format!("{number:<4} "), muted),
        (format!("{summary:<24} "), text),
    ];
    for (part, style) in parts {
        x = canvas.put(x, line.y, &part, right.saturating_sub(x), style);
    }
    canvas.put(x, line.y, &escape_controls(words), right.saturating_sub(x), look);
}
