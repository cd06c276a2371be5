//! Where text is typed: filter, palette, help.

use crossterm::event::KeyCode;
use tui_input::{Input, InputRequest};

use super::{Effect, commands};
use crate::tui::keymap::{Act, Found, Press};
use crate::tui::model::{Mode, Model};
use crate::tui::view;

/// The longest text that can be typed.
const LONGEST: usize = 64;

fn edit(input: &mut Input, press: Press) -> bool {
    let request = match press {
        Press { code: KeyCode::Backspace, .. } => InputRequest::DeletePrevChar,
        Press { code: KeyCode::Delete, .. } => InputRequest::DeleteNextChar,
        Press { code: KeyCode::Left, .. } => InputRequest::GoToPrevChar,
        Press { code: KeyCode::Right, .. } => InputRequest::GoToNextChar,
        Press { code: KeyCode::Home, .. } => InputRequest::GoToStart,
        Press { code: KeyCode::End, .. } => InputRequest::GoToEnd,
        Press { code: KeyCode::Char('u'), ctrl: true, .. } => InputRequest::DeleteLine,
        Press { code: KeyCode::Char('w'), ctrl: true, .. } => InputRequest::DeletePrevWord,
        Press { code: KeyCode::Char(c), ctrl: false, alt: false } if input.value().len() < LONGEST => {
            InputRequest::InsertChar(c)
        }
        _ => return false,
    };
    input.handle(request);
    true
}

/// `/`.
pub fn begin_filter(model: &mut Model) {
    let pane = model.focus;
    let before = model.table(pane).filter.clone();
    model.mode = Mode::Filter { pane, input: Input::new(before.clone()), before };
}

/// A key while a filter is typed.
pub fn filter(model: &mut Model, press: Press, effects: &mut Vec<Effect>) {
    // The banner's key that is no letter works here too.
    if press.letter().is_none()
        && let Found::Row(row) = model.keymap.find(&[press], model.focus)
        && row.act == Some(Act::Ack)
    {
        return commands::ack(model, effects);
    }
    let Mode::Filter { pane, input, before } = &mut model.mode else { return };
    let pane = *pane;
    let text = match press.code {
        KeyCode::Esc => {
            let before = std::mem::take(before);
            model.mode = Mode::Normal;
            before
        }
        KeyCode::Enter => {
            let text = input.value().to_owned();
            model.mode = Mode::Normal;
            text
        }
        _ => {
            edit(input, press);
            input.value().to_owned()
        }
    };
    model.table_mut(pane).filter = text;
    model.reorder();
}

/// A key in the palette; the action when one was chosen.
pub fn palette(model: &mut Model, press: Press) -> Option<Act> {
    let Mode::Palette(palette) = &mut model.mode else { return None };
    let found = view::palette_matches(palette.input.value());
    match press.code {
        KeyCode::Esc => model.mode = Mode::Normal,
        KeyCode::Up => palette.chosen = palette.chosen.saturating_sub(1),
        KeyCode::Down | KeyCode::Tab => {
            palette.chosen = palette.chosen.saturating_add(1).min(found.len().saturating_sub(1));
        }
        KeyCode::Enter => {
            let act = found.get(palette.chosen).map(|about| about.act);
            model.mode = Mode::Normal;
            return act;
        }
        _ => {
            if edit(&mut palette.input, press) {
                palette.chosen = 0;
            }
        }
    }
    None
}

/// A key in the help.
pub fn help(model: &mut Model, press: Press) {
    let (length, rows) = match &model.mode {
        Mode::Help(help) => (view::help_length(model, help), usize::from(model.size.1.saturating_sub(6))),
        _ => return,
    };
    let Mode::Help(help) = &mut model.mode else { return };
    let most = length.saturating_sub(rows);
    if help.typing {
        match press.code {
            KeyCode::Esc => {
                help.input.reset();
                help.typing = false;
            }
            KeyCode::Enter => help.typing = false,
            _ => {
                edit(&mut help.input, press);
            }
        }
        help.offset = 0;
        return;
    }
    match (press.code, press.letter()) {
        (KeyCode::Down, _) | (_, Some('j')) => help.offset = help.offset.saturating_add(1).min(most),
        (KeyCode::Up, _) | (_, Some('k')) => help.offset = help.offset.saturating_sub(1),
        (KeyCode::PageDown, _) => help.offset = help.offset.saturating_add(rows).min(most),
        (KeyCode::PageUp, _) => help.offset = help.offset.saturating_sub(rows),
        (_, Some('/')) => help.typing = true,
        (KeyCode::Esc, _) | (_, Some('?' | 'q')) => model.mode = Mode::Normal,
        _ => {}
    }
}
