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
    let ended = record.status.is_final();
    let behind = model.disk.behind(id, model.now.real).filter(|_| ended);
    let (glyph, words, look) = match &record.status {
        status if let Some(why) = behind => not_on_disk(model, status, why, canvas),
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

/// The end of a command whose facts are not on disk: what was done is told, and that a restart does not
/// know of it. While the disk is only busy it is under way.
fn not_on_disk(model: &Model, status: &CommandStatus, why: &str, canvas: &Canvas<'_>) -> (&'static str, String, Style) {
    let glyphs = canvas.glyphs();
    let (what, note) = match status {
        CommandStatus::Rejected { why } => ("rejected", why.as_str()),
        CommandStatus::Unknown { why } => ("UNKNOWN", why.as_str()),
        CommandStatus::Done { note } => ("acted", note.as_str()),
        CommandStatus::Accepted | CommandStatus::Working { .. } => ("acted", ""),
    };
    let note = if note.is_empty() { String::new() } else { format!(": {note}") };
    if model.ended {
        let words = format!("{what}, NEVER ON DISK (the next start does not know of it){note}");
        return ("?", words, canvas.style(Role::Unknown));
    }
    if why.is_empty() {
        return (glyphs.sent, format!("{what}, not on disk yet{note}"), canvas.style(Role::Pending));
    }
    ("!", format!("{what}, NOT ON DISK yet ({why}){note}"), canvas.style(Role::Warn))
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

#[cfg(test)]
mod tests {
    use crate::model::{Command, CommandId, CommandStatus, Event, Record, SessionState};
    use crate::runtime::Durable;
    use crate::tui::testkit::Stage;
    use crate::tui::theme::Depth;
    use crate::tui::update::Msg;
    use std::sync::Arc;
    use std::time::Duration;

    fn stage() -> Stage {
        let mut stage = Stage::new((120, 40), "cockpit", Depth::TrueColour, false).unwrap();
        stage.tell(Msg::Durable(Durable { safe: 7, trouble: None }));
        stage.keys("6");
        stage
    }

    fn halted(stage: &Stage) -> Vec<Record> {
        let id = CommandId::new("c1").unwrap();
        let command = Command { id: id.clone(), by: "operator".to_owned(), action: crate::model::Action::Halt };
        let status = CommandStatus::Done { note: "no entries".to_owned() };
        let events = [
            Event::CommandReceived { command: Box::new(command) },
            Event::CommandMoved { id, status, waiting_for: Vec::new() },
        ];
        let at = stage.now().session;
        events.into_iter().zip(8..).map(|(event, seq)| Record { seq, at, event }).collect()
    }

    fn line(stage: &mut Stage) -> String {
        stage.screen().into_iter().find(|line| line.contains("halt  ")).unwrap()
    }

    #[test]
    fn a_command_is_done_when_its_facts_are_on_disk_and_not_before() {
        let mut stage = stage();
        stage.records(halted(&stage));
        let shown = line(&mut stage);
        assert!(shown.contains("acted, not on disk yet: no entries") && !shown.contains("done"), "{shown}");
        // A disk that is slow is told as that, one that takes nothing by its own words.
        stage.wait(Duration::from_secs(2));
        assert!(line(&mut stage).contains("NOT ON DISK yet (the disk is slow)"));
        stage.tell(Msg::Durable(Durable { safe: 8, trouble: Some("no space left".to_owned()) }));
        assert!(line(&mut stage).contains("acted, NOT ON DISK yet (no space left): no entries"));
        stage.tell(Msg::Durable(Durable { safe: 9, trouble: None }));
        let shown = line(&mut stage);
        assert!(shown.contains("done") && !shown.contains("disk"), "{shown}");
    }

    #[test]
    fn a_command_whose_end_came_with_a_snapshot_waits_for_the_disk_too() {
        let mut stage = stage();
        let mut state = SessionState::default();
        for record in halted(&stage) {
            state.apply(&record);
        }
        stage.tell(Msg::Snapshot(Arc::new(state)));
        assert!(line(&mut stage).contains("not on disk yet"), "{}", line(&mut stage));
        stage.tell(Msg::Ended);
        assert!(line(&mut stage).contains("acted, NEVER ON DISK"), "{}", line(&mut stage));
    }
}
