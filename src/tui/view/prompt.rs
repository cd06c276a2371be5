//! The prompt on the last row: what will happen, in which environment, what confirms it, and how
//! long it waits. The data above stays in sight.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::canvas::{Canvas, Field, Span, draw_fields, fit, width};
use crate::model::Environment;
use crate::tui::confirm::{Prompt, Subject, Tier};
use crate::tui::keymap::{Act, Section, shown};
use crate::tui::model::Model;
use crate::tui::theme::Role;

pub fn draw(model: &Model, prompt: &Prompt, area: Rect, canvas: &mut Canvas<'_>) {
    let style = canvas.style(Role::Prompt);
    canvas.paint(area, style);
    let strong = style.add_modifier(Modifier::UNDERLINED);
    let environment = model.shown().info.as_ref().map_or(Environment::Paper, |info| info.environment);
    let left = prompt.deadline.saturating_sub(model.now.real).as_millis().div_ceil(1_000);
    let timer = format!(" {left} s ");

    let subject = vec![(prompt.subject.words(), if prompt.rearmed { strong } else { style })];
    let short = vec![(prompt.subject.short_words(), if prompt.rearmed { strong } else { style })];
    // What it is about leaves last: nobody confirms what he cannot see.
    let mut fields = vec![Field::new(1, subject).or(short)];
    fields.push(Field::new(3, vec![(environment.word().to_owned(), style)]));
    fields.extend(ways(model, prompt, style, strong));
    fields.push(Field::new(4, vec![("Esc keep".to_owned(), style)]));
    if let Some(note) = &prompt.note {
        fields.push(Field::new(0, vec![(note.clone(), strong)]));
    }
    let timer_width = crate::tui::format::width(&timer);
    let room = area.width.saturating_sub(timer_width).saturating_sub(2);
    let fields = fit(fields, 2, room);
    let end = area.right().saturating_sub(timer_width);
    draw_fields(canvas, area.x.saturating_add(1), area.y, end, 2, &fields);
    canvas.put(end, area.y, &timer, timer_width, style);
}

/// The key of a prompt's answer.
fn key(model: &Model, act: Act) -> String {
    let row = model.keymap.rows().iter().find(|row| row.section == Section::Prompt && row.act == Some(act));
    row.map_or_else(String::new, |row| shown(&row.on))
}

fn ways(model: &Model, prompt: &Prompt, style: Style, strong: Style) -> Vec<Field> {
    let yes = match &prompt.subject {
        Subject::Pause { .. } => "pause",
        Subject::AcknowledgeAll { .. } => "acknowledge",
        _ => "cancel it",
    };
    let way = |act: Act, words: &str| -> Vec<Span> { vec![(key(model, act), strong), (format!(" {words}"), style)] };
    match &prompt.tier {
        Tier::Key => vec![Field::new(0, way(Act::Yes, yes))],
        Tier::KeyOrEntries(n) => {
            let both = if *n == 1 { "pause and cancel it".to_owned() } else { format!("pause and cancel {n} entries") };
            vec![Field::new(0, way(Act::Yes, yes)), Field::new(0, way(Act::YesAndCancel, &both))]
        }
        Tier::Word(word) => {
            let typed = crate::model::escape_controls(prompt.input.value()).into_owned();
            let blank: Span = (" ".to_owned(), style.add_modifier(Modifier::REVERSED));
            let spans = vec![
                ("type ".to_owned(), style),
                (word.clone(), strong),
                (" Enter > ".to_owned(), style),
                (typed, style),
                blank,
            ];
            debug_assert!(width(&spans) > 0, "the way to confirm is never empty");
            vec![Field::new(0, spans)]
        }
    }
}
