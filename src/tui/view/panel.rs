//! The panels: halt and flatten with their plan, and the question that `q` asks.

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::canvas::{Canvas, Span};
use crate::model::{Environment, FlattenStep};
use crate::tui::confirm::{Prompt, Subject, Tier};
use crate::tui::keymap::Act;
use crate::tui::model::Model;
use crate::tui::theme::Role;

/// A centred panel; returns what is inside.
fn panel(title: &str, size: (u16, u16), body: Rect, role: Role, canvas: &mut Canvas<'_>) -> Rect {
    let (width, height) = (size.0.min(body.width), size.1.min(body.height));
    let area = Rect {
        x: body.x.saturating_add(body.width.saturating_sub(width) / 2),
        y: body.y.saturating_add(body.height.saturating_sub(height) / 2),
        width,
        height,
    };
    canvas.clear(area);
    canvas.paint(area, canvas.style(Role::Text));
    let style = canvas.style(role);
    canvas.frame(area, canvas.theme.glyphs.double, style, &[(title, style)], &[])
}

fn write(lines: &[Vec<Span>], inner: Rect, canvas: &mut Canvas<'_>) {
    for (i, line) in lines.iter().enumerate() {
        let y = inner.y.saturating_add(u16::try_from(i).unwrap_or(u16::MAX));
        if y >= inner.bottom() {
            return;
        }
        let mut x = inner.x.saturating_add(2);
        for (text, style) in line {
            x = canvas.put(x, y, text, inner.right().saturating_sub(x).saturating_sub(1), *style);
        }
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// The panel of a halt or a flatten; other prompts live on the last row alone.
pub fn draw(model: &Model, prompt: &Prompt, body: Rect, canvas: &mut Canvas<'_>) {
    let state = model.shown();
    let environment = state.info.as_ref().map_or(Environment::Paper, |info| info.environment).word();
    let (text, muted) = (canvas.style(Role::Text), canvas.style(Role::Muted));
    let (role, title, mut lines) = match &prompt.subject {
        Subject::Halt { entries, protective, positions } => {
            let lines = vec![
                step(1, "stop new orders", "signals that would open are refused", text, muted),
                step(
                    2,
                    &format!("cancel {}", count(*entries, "entry order", "entry orders")),
                    "shown as working until proven",
                    text,
                    muted,
                ),
                step(
                    3,
                    &format!("keep {}", count(*protective, "protective order", "protective orders")),
                    "exits go on",
                    text,
                    muted,
                ),
                step(
                    4,
                    &format!("keep {}", count(*positions, "position", "positions")),
                    &flatten_hint(model),
                    text,
                    muted,
                ),
            ];
            (Role::Crit, format!("!! HALT SESSION ({environment})"), lines)
        }
        Subject::Flatten { orders, .. } => {
            let all = prompt.subject.positions_words();
            let lines = FlattenStep::PLAN
                .into_iter()
                .enumerate()
                .map(|(i, flatten)| {
                    let note = match flatten {
                        FlattenStep::CancelEntries => count(*orders, "working order", "working orders"),
                        FlattenStep::ClosePositions => {
                            format!("{all}, nearest to liquidation first")
                        }
                        FlattenStep::VerifyZero => "not done before the exchange says zero".to_owned(),
                        _ => String::new(),
                    };
                    step(i.saturating_add(1), flatten.word(), &note, text, muted)
                })
                .collect();
            (Role::Warn, format!("! FLATTEN {all} ({environment})"), lines)
        }
        _ => return,
    };
    let Tier::Word(word) = &prompt.tier else { return };
    let accent = canvas.style(role);
    let typed = crate::model::escape_controls(prompt.input.value()).into_owned();
    lines.insert(0, Vec::new());
    lines.push(Vec::new());
    lines.push(vec![
        ("type ".to_owned(), text),
        (word.clone(), accent),
        (" Enter > ".to_owned(), text),
        (typed, canvas.style(Role::Title)),
        (" ".to_owned(), text.add_modifier(Modifier::REVERSED)),
    ]);
    lines.push(Vec::new());
    lines.push(vec![(
        prompt.note.clone().unwrap_or_else(|| "Esc keeps things as they are; data goes on behind".to_owned()),
        if prompt.note.is_some() { accent } else { muted },
    )]);
    let height = u16::try_from(lines.len().saturating_add(2)).unwrap_or(u16::MAX);
    let inner = panel(&title, (88, height), body, role, canvas);
    write(&lines, inner, canvas);
}

fn flatten_hint(model: &Model) -> String {
    format!("{} flattens, separately", model.keymap.key_for(Act::Flatten, model.focus))
}

fn step(no: usize, words: &str, note: &str, text: ratatui::style::Style, muted: ratatui::style::Style) -> Vec<Span> {
    vec![(format!("{no}  {words:<32}"), text), (format!(" {note}"), muted)]
}

/// What becomes of the session.
pub fn quit(model: &Model, body: Rect, footer: Rect, canvas: &mut Canvas<'_>) {
    let state = model.shown();
    let (text, muted, key) = (canvas.style(Role::Text), canvas.style(Role::Muted), canvas.style(Role::Key));
    if body.height < 7 || body.width < 50 {
        let style = canvas.style(Role::Prompt);
        canvas.clear(footer);
        canvas.paint(footer, style);
        let words =
            if model.setup.same_process { "q: c cancel+stop l leave+stop Esc stay" } else { "q: d detach Esc stay" };
        canvas.put(footer.x, footer.y, words, footer.width, style);
        return;
    }
    let entries = count(state.orders.working_entries(), "working entry", "working entries");
    let orders = count(state.orders.working_count(), "working order", "working orders");
    let open = model.open_count();
    let positions = format!("{open} open position{}", if open == "1" { "" } else { "s" });
    let line = |letter: &str, words: &str, note: String| -> Vec<Span> {
        vec![(format!("{letter:<5}"), key), (format!("{words:<25}"), text), (note, muted)]
    };
    let mut lines = vec![Vec::new()];
    if model.setup.same_process {
        lines.push(line("c", "stop and cancel entries", format!("{entries}; exits and positions stay")));
        lines.push(line("l", "stop and leave all", format!("{orders}, {positions} stay")));
    } else {
        lines.push(line("d", "detach", "the session keeps running".to_owned()));
    }
    lines.push(line("Esc", "stay", "nothing changes".to_owned()));
    lines.push(Vec::new());
    let title = if model.setup.same_process { "End the session?" } else { "Leave the dashboard?" };
    let height = u16::try_from(lines.len().saturating_add(2)).unwrap_or(u16::MAX);
    let inner = panel(title, (78, height), body, Role::Warn, canvas);
    write(&lines, inner, canvas);
}
