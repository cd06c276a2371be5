//! The progress of a flatten, step by step. It shows what the session says, and asks nothing.

use std::cmp::Ordering;

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::detail::wrapped;
use super::exit;
use super::orders::spinner;
use crate::model::{Flatten, FlattenStep, Purpose, SessionState, Target, count};
use crate::tui::format;
use crate::tui::model::{Mode, Model};
use crate::tui::theme::Role;

/// Columns and rows of the panel.
const SIZE: (u16, u16) = (68, 8);
/// Columns at most.
const WIDEST: u16 = 116;
/// Lines of what a leg waits for: a reason of the exchange is long.
const LINES: usize = 2;
/// Legs that are listed below the steps.
const MOST_LEGS: usize = 4;

pub fn draw(model: &Model, body: Rect, canvas: &mut Canvas<'_>) {
    let state = model.shown();
    let Some(flatten) = &state.flatten else { return };
    if matches!(model.mode, Mode::Prompt(_) | Mode::Help(_) | Mode::Palette(_) | Mode::Quit { .. }) {
        return;
    }
    let width = WIDEST.min(body.width).max(SIZE.0.min(body.width));
    let legs = legs(model, width);
    let more = u16::try_from(legs.len()).unwrap_or_default();
    let height = SIZE.1.saturating_add(more).min(body.height);
    let area = Rect {
        x: body.x.saturating_add(body.width.saturating_sub(width) / 2),
        y: body.bottom().saturating_sub(height),
        width,
        height,
    };
    canvas.clear(area);
    canvas.paint(area, canvas.style(Role::Text));
    let title = [("FLATTEN", canvas.style(Role::Warn))];
    let facts = [(efforts(state, flatten), canvas.style(Role::Warn))];
    let inner = canvas.frame(area, canvas.theme.glyphs.double, canvas.style(Role::Warn), &title, &facts);
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
                format!(", {} open", model.open_count())
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
    for ((words, style), y) in legs.iter().zip(below..inner.bottom()) {
        let style = style.map_or(canvas.style(Role::Muted), |role| canvas.style(role));
        canvas.put(inner.x.saturating_add(1), y, words, inner.width.saturating_sub(2), style);
    }
}

/// `3 orders sent · round 2`: closing orders that left since the flatten began, and how often it looked again.
fn efforts(state: &SessionState, flatten: &Flatten) -> String {
    let began = state.command(&flatten.command).map_or(flatten.step_since, |record| record.at);
    let sent = state
        .orders
        .all(None)
        .filter(|order| order.purpose == Purpose::Flatten && order.sent_at.is_some_and(|sent| sent >= began))
        .count();
    format!("{} sent · round {}", count(sent, "order"), flatten.rounds.saturating_add(1))
}

/// What each leg waits for, those that do not get on first. Each has the same number of lines whatever it
/// says, so that nothing jumps while they change.
fn legs(model: &Model, width: u16) -> Vec<(String, Option<Role>)> {
    let targets = &model.shown().targets;
    let columns = width.saturating_sub(8);
    let mut legs: Vec<&Target> = targets.values().collect();
    legs.sort_by_key(|target| (std::cmp::Reverse(target.refusals), target.waits_for.is_none(), target.position));
    let mut out = Vec::new();
    for target in legs.iter().take(MOST_LEGS) {
        let role = if target.waits_for.is_some() || target.refusals > 0 { Some(Role::Warn) } else { None };
        let words = format!("{}  {}", target.key, exit::waits(target));
        let mut broken = wrapped(&words, columns);
        // What is left over is cut on the last line, with the mark of a cut; the detail has all of it.
        let rest: Vec<String> = broken.drain(LINES.min(broken.len())..).collect();
        if let Some(last) = broken.last_mut() {
            for more in rest {
                last.push(' ');
                last.push_str(&more);
            }
        }
        broken.resize(LINES, String::new());
        let indented = broken.into_iter().enumerate();
        out.extend(indented.map(|(i, line)| (format!("{}{line}", if i == 0 { "  " } else { "      " }), role)));
    }
    if legs.len() > MOST_LEGS {
        out.push((
            format!("  and {} more: the table of positions has them", legs.len().saturating_sub(MOST_LEGS)),
            None,
        ));
    }
    out
}
