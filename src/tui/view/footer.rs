//! The last row: the keys that count now, made from the key map, the critical one first; or the
//! prompt, the filter that is being typed, a notice.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Field, Span, draw_fields};
use super::{prompt, severity_role};
use crate::tui::format;
use crate::tui::keymap::{Act, Keymap, Row, Section, shown};
use crate::tui::model::{Mode, Model};
use crate::tui::theme::Role;
use crate::tui::update::facts;

pub fn draw(model: &Model, area: Rect, tiny: bool, canvas: &mut Canvas<'_>) {
    if area.height == 0 {
        return;
    }
    match &model.mode {
        Mode::Prompt(open) => return prompt::draw(model, open, area, canvas),
        Mode::Filter { input, pane, .. } => {
            let style = canvas.style(Role::Key);
            let words = format!(" filter {} /", pane.title().to_lowercase());
            let x = canvas.put(area.x, area.y, &words, area.width, canvas.style(Role::Pending));
            return cursor_line(input, x, area, "Enter keep  Esc drop ", style, canvas);
        }
        Mode::Palette(_) => return hint_line(" Enter do it  Esc back  type to find", area, canvas),
        Mode::Help(_) => return hint_line(" / filter  j k move  Esc back", area, canvas),
        Mode::Quit { .. } | Mode::Normal => {}
    }
    let fields = hints(model, tiny, canvas);
    let mut room = area.width;
    if let Some(notice) = &model.notice {
        let style = canvas.style(severity_role(notice.severity));
        let text = format!(" {} ", crate::model::escape_controls(&notice.text));
        // The first hint is the way out of trouble: it stays beside every notice.
        let first = fields.first().map_or(0, |field| super::canvas::width(&field.long).saturating_add(2));
        let width = format::width(&text).min(area.width.saturating_sub(first));
        room = area.width.saturating_sub(width);
        canvas.put(area.right().saturating_sub(width), area.y, &text, width, style);
    }
    let mut kept: Vec<Field> = Vec::new();
    let mut used = 1_u16;
    for field in fields {
        used = used.saturating_add(super::canvas::width(&field.long)).saturating_add(2);
        if used > room.saturating_add(2) {
            break;
        }
        kept.push(field);
    }
    draw_fields(canvas, area.x.saturating_add(1), area.y, area.right(), 2, &kept);
}

/// Rows of the key map with a word for the footer that count in the pane, in the file's order,
/// those that can act before those that cannot.
fn hints(model: &Model, tiny: bool, canvas: &Canvas<'_>) -> Vec<Field> {
    let mut seen: Vec<Act> = Vec::new();
    let mut fields: Vec<(bool, Field)> = Vec::new();
    for row in model.keymap.rows() {
        let Some(act) = row.act else { continue };
        let Some(hint) = act.about().and_then(|about| about.hint) else { continue };
        if seen.contains(&act) || !Keymap::counts(row, model.focus) {
            continue;
        }
        seen.push(act);
        let on = facts::allowed(model, row).is_ok();
        if tiny && !(on && matches!(act, Act::Halt | Act::Pause | Act::Ack | Act::Help | Act::Quit)) {
            continue;
        }
        fields.push((!on, hint_field(row, act, hint, on, canvas)));
    }
    // Stable: within each half the file's order holds. Halt is always first.
    fields.sort_by_key(|(off, _)| *off);
    fields.into_iter().map(|(_, field)| field).collect()
}

fn hint_field(row: &Row, act: Act, hint: &str, on: bool, canvas: &Canvas<'_>) -> Field {
    let muted = canvas.style(Role::Muted);
    let dots = match act {
        Act::CancelSet | Act::Flatten | Act::WithdrawExit => canvas.glyphs().ellipsis,
        _ => "",
    };
    let (key, word) = match (act, on) {
        (Act::Halt, _) => (canvas.style(Role::Crit), canvas.style(Role::Crit)),
        (_, true) => (canvas.style(Role::Key), muted),
        (_, false) => (canvas.style(Role::Border), canvas.style(Role::Border)),
    };
    debug_assert!(row.section != Section::Prompt, "rows of the prompt have no hint");
    let spans: Vec<Span> = vec![(shown(&row.on), key), (format!(" {hint}{dots}"), word)];
    Field::new(0, spans)
}

fn hint_line(text: &str, area: Rect, canvas: &mut Canvas<'_>) {
    let style = canvas.style(Role::Muted);
    canvas.put(area.x, area.y, text, area.width, style);
}

/// A typed text with a cursor, and what ends it.
pub fn cursor_line(
    input: &tui_input::Input,
    x: u16,
    area: Rect,
    end: &str,
    style: ratatui::style::Style,
    canvas: &mut Canvas<'_>,
) {
    let end_width = format::width(end);
    let room = area.right().saturating_sub(x).saturating_sub(end_width);
    let typed = crate::model::escape_controls(input.value()).into_owned();
    let after = canvas.put(x, area.y, &typed, room, style);
    canvas.paint(
        Rect { x: after.min(area.right().saturating_sub(1)), y: area.y, width: 1, height: 1 },
        ratatui::style::Style::new().add_modifier(ratatui::style::Modifier::REVERSED),
    );
    if room > 0 {
        let muted = canvas.style(Role::Muted);
        canvas.put(area.right().saturating_sub(end_width), area.y, end, end_width, muted);
    }
}
