//! The screen as a function of the model. Nothing here reads a clock, an environment or a channel;
//! only rows that are in sight are looked at.

mod alerts;
mod ascii;
mod audit;
mod banner;
mod breakers;
mod canvas;
mod columns;
mod detail;
mod exit;
mod flatten;
mod footer;
mod gauge;
mod help;
pub mod layout;
mod orders;
mod palette;
mod panel;
mod past;
mod positions;
mod prompt;
mod risk_bar;
mod session_bar;
mod sink;
mod tiny;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::model::{Mode, Model, Pane};
use super::theme::{Role, Theme};
use crate::model::{
    Alert, AlertKind, ContractSpec, Decimal, SessionState, Severity, Target, count, escape_controls, mul,
};
use canvas::{Canvas, Span};

/// Draws the dashboard. The model has to be refreshed before.
pub fn draw(model: &Model, theme: &Theme, buffer: &mut Buffer) {
    let layout = layout::layout(model);
    let mut canvas = Canvas { buffer, theme };
    let text = theme.style(Role::Text);
    canvas.paint(canvas.buffer.area, text);
    session_bar::draw(model, layout.session, &mut canvas);
    banner::draw(model, layout.banner, &mut canvas);
    if layout.tiny {
        tiny::draw(model, layout.body, &mut canvas);
    } else {
        risk_bar::draw(model, layout.risk, &mut canvas);
        for (pane, area) in &layout.panes {
            match pane {
                Pane::Positions => positions::draw(model, *area, &mut canvas),
                Pane::Orders => orders::draw(model, *area, &mut canvas),
                Pane::Breakers => breakers::draw(model, *area, &mut canvas),
                Pane::Alerts => alerts::draw(model, *area, &mut canvas),
                Pane::Detail => detail::draw(model, *area, &mut canvas),
                Pane::Audit => audit::draw(model, *area, &mut canvas),
                Pane::History => past::draw(model, *area, layout.past_detail, &mut canvas),
            }
        }
        flatten::draw(model, layout.body, &mut canvas);
    }
    footer::draw(model, layout.footer, layout.tiny, &mut canvas);
    match &model.mode {
        Mode::Help(open) => help::draw(model, open, layout.body, &mut canvas),
        Mode::Palette(open) => palette::draw(model, open, layout.body, &mut canvas),
        Mode::Prompt(open) => panel::draw(model, open, layout.body, &mut canvas),
        Mode::Quit { .. } => panel::quit(model, layout.body, layout.footer, &mut canvas),
        Mode::Normal | Mode::Filter { .. } => {}
    }
    if theme.glyphs.ascii {
        ascii::replace(canvas.buffer);
    }
}

/// The step of a contract's quantity in base units.
pub fn step(spec: &ContractSpec) -> Decimal {
    mul(spec.contract_size, spec.lot).normalize()
}

/// The glyph of a severity: it carries what colour carries, for those who see none.
pub(super) const fn severity_glyph(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "!!",
        Severity::Warning => "!",
        Severity::Info => "-",
    }
}

/// The look of a severity.
pub(super) fn severity_role(severity: Severity) -> Role {
    match severity {
        Severity::Critical => Role::Crit,
        Severity::Warning => Role::Warn,
        Severity::Info => Role::Muted,
    }
}

/// A frame around a pane; returns what is inside.
fn pane_frame(
    model: &Model,
    pane: Pane,
    title: Option<&str>,
    area: Rect,
    facts: &[Span],
    canvas: &mut Canvas<'_>,
) -> Rect {
    let focused = model.focus == pane;
    let glyphs = *canvas.glyphs();
    let (lines, line) =
        if focused { (glyphs.strong, canvas.style(Role::Focus)) } else { (glyphs.frame, canvas.style(Role::Border)) };
    let number = format!("{} ", pane.number());
    let title_style = canvas.style(Role::Title);
    let number_style = if focused { title_style } else { canvas.style(Role::Muted) };
    let mut words = vec![(number.as_str(), number_style), (title.unwrap_or(pane.title()), title_style)];
    let table = model.table(pane);
    let filter = format!(" /{}", crate::model::escape_controls(&table.filter));
    if !table.filter.is_empty() {
        words.push((filter.as_str(), canvas.style(Role::Pending).add_modifier(Modifier::BOLD)));
    }
    canvas.frame(area, lines, line, &words, facts)
}

/// A facts part: `a · b`.
fn joined(parts: Vec<Span>, canvas: &Canvas<'_>) -> Vec<Span> {
    let muted = canvas.style(Role::Muted);
    let dot = format!(" {} ", canvas.glyphs().dot);
    let mut out: Vec<Span> = Vec::new();
    for (i, (text, style)) in parts.into_iter().enumerate() {
        if i > 0 {
            out.push((dot.clone(), muted));
        }
        out.push((text, if style == Style::new() { muted } else { style }));
    }
    out
}

/// Marks the selected row: the look of a selection where the keyboard is, else only the cursor.
fn row_ground(model: &Model, pane: Pane, selected: bool, area: Rect, canvas: &mut Canvas<'_>) -> &'static str {
    if !selected {
        return " ";
    }
    if model.focus == pane {
        let style = canvas.style(Role::Selection);
        canvas.paint(area, style);
        canvas.glyphs().cursor
    } else {
        " "
    }
}

/// What an alert says, with what moves while it stands counted now.
fn alert_words(state: &SessionState, alert: &Alert) -> String {
    let message = escape_controls(&alert.message);
    let open = state.positions.open_count();
    if alert.key.kind == AlertKind::FeedLost && alert.is_active() && open > 0 {
        format!("{message} · {} open", count(open, "position"))
    } else {
        message.into_owned()
    }
}

/// What stands in a pane without rows.
fn empty(text: &str, inner: Rect, canvas: &mut Canvas<'_>) {
    let style = canvas.style(Role::Muted);
    canvas.put(inner.x.saturating_add(1), inner.y, text, inner.width.saturating_sub(2), style);
}

/// Whether the banner still blinks.
pub fn blinks(model: &Model) -> bool {
    banner::is_blinking(model)
}

/// An exit that stands, in words: `closing by operator`.
pub fn exit_words(state: &SessionState, target: &Target) -> String {
    exit::wanted(state, target)
}

/// The actions that the palette shows for a typed text.
pub fn palette_matches(typed: &str) -> Vec<&'static super::keymap::About> {
    palette::matches(typed)
}

/// How many lines the help has.
pub fn help_length(model: &Model, help: &super::model::Help) -> usize {
    help::length(model, help)
}
