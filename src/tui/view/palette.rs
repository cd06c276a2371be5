//! The palette: every action by its name.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::footer::cursor_line;
use crate::tui::keymap::{ACTS, About};
use crate::tui::model::{Model, Palette};
use crate::tui::theme::Role;
use crate::tui::update::facts;

/// The actions that match what was typed: each letter in its order, names that begin with it first.
pub fn matches(typed: &str) -> Vec<&'static About> {
    static TABLE: [About; 46] = ACTS;
    let needle: String = typed.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let mut found: Vec<(usize, &About)> = TABLE
        .iter()
        .filter(|about| about.palette)
        .filter_map(|about| {
            let rank = if about.name.starts_with(&needle) {
                0
            } else if about.name.contains(&needle) {
                1
            } else if in_order(&needle, about.name) {
                2
            } else if about.help.contains(&needle) {
                3
            } else {
                return None;
            };
            Some((rank, about))
        })
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, about)| about).collect()
}

fn in_order(needle: &str, name: &str) -> bool {
    let mut letters = name.chars();
    needle.chars().all(|c| letters.any(|letter| letter == c))
}

pub fn draw(model: &Model, palette: &Palette, body: Rect, canvas: &mut Canvas<'_>) {
    let found = matches(palette.input.value());
    let height = u16::try_from(found.len()).unwrap_or(u16::MAX).min(12).saturating_add(3).min(body.height);
    let width = 76.min(body.width);
    let area = Rect {
        x: body.x.saturating_add(body.width.saturating_sub(width) / 2),
        y: body.bottom().saturating_sub(height),
        width,
        height,
    };
    canvas.clear(area);
    canvas.paint(area, canvas.style(Role::Text));
    let title = [(": Do", canvas.style(Role::Title))];
    let inner = canvas.frame(area, canvas.theme.glyphs.strong, canvas.style(Role::Focus), &title, &[]);
    let input = Rect { height: 1, ..inner };
    let x = canvas.put(input.x.saturating_add(1), input.y, ":", 1, canvas.style(Role::Pending));
    cursor_line(&palette.input, x, input, "", canvas.style(Role::Title), canvas);
    let rows = usize::from(inner.height.saturating_sub(1));
    let first = palette.chosen.saturating_sub(rows.saturating_sub(1));
    for (i, about) in found.iter().enumerate().skip(first).take(rows) {
        let offset = u16::try_from(i.saturating_sub(first)).unwrap_or(u16::MAX);
        let y = inner.y.saturating_add(1).saturating_add(offset);
        let line = Rect { y, height: 1, ..inner };
        if i == palette.chosen {
            let style = canvas.style(Role::Selection);
            canvas.paint(line, style);
            let cursor = canvas.glyphs().cursor;
            canvas.put(line.x, y, cursor, 1, canvas.style(Role::Focus));
        }
        let off = facts::why_off(model, about.act);
        let role = if off.is_some() { Role::Muted } else { Role::Text };
        let style = canvas.style(role);
        canvas.put(line.x.saturating_add(1), y, about.name, 20, style);
        let key = model.keymap.key_for(about.act, model.focus);
        canvas.put(line.x.saturating_add(22), y, &key, 8, canvas.style(Role::Key));
        let words = off.map_or_else(|| about.help.to_owned(), |off| format!("off: {off}"));
        canvas.put(line.x.saturating_add(31), y, &words, line.width.saturating_sub(32), canvas.style(Role::Muted));
    }
}
