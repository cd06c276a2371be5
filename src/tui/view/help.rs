//! The help, made from the live key map: what each key does, and why it does nothing now.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::footer::cursor_line;
use crate::tui::keymap::{Keymap, Row, Section, shown};
use crate::tui::model::{Help, Model};
use crate::tui::theme::Role;
use crate::tui::update::facts;

/// A line of the help.
struct Line {
    keys: String,
    name: &'static str,
    words: &'static str,
    section: &'static str,
    off: Option<String>,
}

fn section_name(section: Section) -> &'static str {
    match section {
        Section::Global => "everywhere",
        Section::Table => "tables",
        Section::Prompt => "prompts",
        Section::Pane(pane) => pane.section(),
    }
}

fn lines(model: &Model, filter: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let rows: Vec<&Row> = model.keymap.rows().iter().filter(|row| row.act.is_some()).collect();
    for row in rows {
        let Some(about) = row.act.and_then(crate::tui::keymap::Act::about) else { continue };
        let section = section_name(row.section);
        // Several keys of one action share a line.
        if let Some(line) = lines.iter_mut().find(|line| line.name == about.name && line.section == section) {
            line.keys.push_str(", ");
            line.keys.push_str(&shown(&row.on));
            continue;
        }
        let off = if row.section == Section::Prompt || Keymap::counts(row, model.focus) {
            facts::allowed(model, row).err()
        } else {
            Some(format!("in {section}"))
        };
        lines.push(Line { keys: shown(&row.on), name: about.name, words: about.help, section, off });
    }
    let needle = filter.to_lowercase();
    lines.retain(|line| {
        needle.is_empty()
            || line.name.contains(&needle)
            || line.words.contains(&needle)
            || line.keys.to_lowercase() == needle
            || line.section.contains(&needle)
    });
    lines
}

/// How many lines the help has.
pub fn length(model: &Model, help: &Help) -> usize {
    lines(model, help.input.value()).len()
}

pub fn draw(model: &Model, help: &Help, body: Rect, canvas: &mut Canvas<'_>) {
    canvas.clear(body);
    canvas.paint(body, canvas.style(Role::Text));
    let (title, muted) = (canvas.style(Role::Title), canvas.style(Role::Muted));
    let lines = lines(model, help.input.value());
    let facts = [(format!("{} keys and actions", lines.len()), muted)];
    let filter = format!(" /{}", crate::model::escape_controls(help.input.value()));
    let mut words = vec![("? Help", title)];
    if !help.input.value().is_empty() && !help.typing {
        words.push((filter.as_str(), canvas.style(Role::Pending)));
    }
    let inner = canvas.frame(body, canvas.theme.glyphs.strong, canvas.style(Role::Focus), &words, &facts);
    let mut rows = inner;
    if help.typing && inner.height > 1 {
        let line = Rect { height: 1, ..inner };
        let x = canvas.put(line.x.saturating_add(1), line.y, "/", 1, canvas.style(Role::Pending));
        cursor_line(&help.input, x, line, "", title, canvas);
        rows = Rect { y: inner.y.saturating_add(1), height: inner.height.saturating_sub(1), ..inner };
    }
    for (i, line) in lines.iter().skip(help.offset).take(usize::from(rows.height)).enumerate() {
        let y = rows.y.saturating_add(u16::try_from(i).unwrap_or(u16::MAX));
        let (key, text) = if line.off.is_some() {
            (muted, canvas.style(Role::Muted))
        } else {
            (canvas.style(Role::Key), canvas.style(Role::Text))
        };
        let x = rows.x.saturating_add(1);
        canvas.put(x, y, &line.keys, 20, key);
        canvas.put(x.saturating_add(21), y, line.name, 22, text);
        let words_x = x.saturating_add(44);
        let room = rows.right().saturating_sub(words_x).saturating_sub(1);
        let after = canvas.put(words_x, y, line.words, room, text);
        if let Some(off) = &line.off {
            let left = rows.right().saturating_sub(after).saturating_sub(1);
            canvas.put(after, y, &format!("  off: {off}"), left, canvas.style(Role::Pending));
        }
    }
}
