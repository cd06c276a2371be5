//! The progress of a flatten, step by step. It shows what the session says, and asks nothing.

use std::cmp::Ordering;

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::orders::spinner;
use crate::model::{FlattenStep, escape_controls};
use crate::tui::format;
use crate::tui::model::{Mode, Model};
use crate::tui::theme::Role;

/// Columns and rows of the panel.
const SIZE: (u16, u16) = (68, 8);
/// Positions whose reason for waiting is shown below the steps.
const MOST_WAITS: usize = 4;

pub fn draw(model: &Model, body: Rect, canvas: &mut Canvas<'_>) {
    let state = model.shown();
    let Some(flatten) = &state.flatten else { return };
    if matches!(model.mode, Mode::Prompt(_) | Mode::Help(_) | Mode::Palette(_) | Mode::Quit { .. }) {
        return;
    }
    let waits: Vec<String> = state
        .targets
        .values()
        .filter_map(|target| Some(format!("{} waits for {}", target.key, target.waits_for.as_ref()?)))
        .take(MOST_WAITS)
        .collect();
    let more = u16::try_from(waits.len()).unwrap_or_default();
    let (width, height) = (SIZE.0.min(body.width), SIZE.1.saturating_add(more).min(body.height));
    let area = Rect {
        x: body.x.saturating_add(body.width.saturating_sub(width) / 2),
        y: body.bottom().saturating_sub(height),
        width,
        height,
    };
    canvas.clear(area);
    canvas.paint(area, canvas.style(Role::Text));
    let title = [("FLATTEN", canvas.style(Role::Warn))];
    let rounds = if flatten.rounds > 1 { format!("closes sent {} times", flatten.rounds) } else { String::new() };
    let facts = [(rounds, canvas.style(Role::Warn))];
    let facts = if flatten.rounds > 1 { facts.as_slice() } else { &[] };
    let inner = canvas.frame(area, canvas.theme.glyphs.double, canvas.style(Role::Warn), &title, facts);
    let age = model.now.session.since(flatten.step_since);
    for (i, step) in FlattenStep::PLAN.into_iter().enumerate() {
        let y = inner.y.saturating_add(u16::try_from(i).unwrap_or(u16::MAX));
        if y >= inner.bottom() {
            return;
        }
        let glyphs = *canvas.glyphs();
        let (glyph, role, words) = match step.cmp(&flatten.step) {
            Ordering::Less => (glyphs.done, Role::Muted, "done".to_owned()),
            Ordering::Equal => (spinner(model, model.now.real, canvas), Role::Warn, format::span(age)),
            Ordering::Greater => (glyphs.dot, Role::Muted, String::new()),
        };
        let left = match step {
            FlattenStep::AwaitCancels if step == flatten.step => format!(", {} working", state.orders.working_count()),
            FlattenStep::ClosePositions | FlattenStep::VerifyZero if step == flatten.step => {
                format!(", {} open", state.positions.open_count())
            }
            _ => String::new(),
        };
        let style = canvas.style(if step == flatten.step { Role::Title } else { role });
        let x = canvas.put(inner.x.saturating_add(1), y, glyph, 2, canvas.style(role));
        let text = format!(" {}  {}{left}", i.saturating_add(1), step.word());
        canvas.put(x, y, &text, inner.width.saturating_sub(14), style);
        canvas.put_right(inner.x, y, &words, inner.width.saturating_sub(1), canvas.style(role));
    }
    let below = inner.y.saturating_add(u16::try_from(FlattenStep::PLAN.len()).unwrap_or_default());
    for (wait, y) in waits.iter().zip(below..inner.bottom()) {
        let words = escape_controls(wait);
        canvas.put(inner.x.saturating_add(3), y, &words, inner.width.saturating_sub(4), canvas.style(Role::Warn));
    }
}
