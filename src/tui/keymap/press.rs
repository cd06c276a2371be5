//! A key press, written and read: `c`, `C`, `ctrl-z`, `f2`, `space`.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key press. Shift is in the character itself; case is never folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Press {
    /// The key.
    pub code: KeyCode,
    /// With control.
    pub ctrl: bool,
    /// With alt.
    pub alt: bool,
}

impl Press {
    /// A character.
    pub const fn char(c: char) -> Self {
        Self { code: KeyCode::Char(c), ctrl: false, alt: false }
    }

    /// A key without modifiers.
    pub const fn key(code: KeyCode) -> Self {
        Self { code, ctrl: false, alt: false }
    }

    /// With control.
    pub const fn ctrl(c: char) -> Self {
        Self { code: KeyCode::Char(c), ctrl: true, alt: false }
    }

    /// The character, when it is one without modifiers.
    pub fn letter(self) -> Option<char> {
        match self {
            Self { code: KeyCode::Char(c), ctrl: false, alt: false } => Some(c),
            _ => None,
        }
    }

    /// Reads `c`, `ctrl-z`, `alt-x`, `enter`.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut rest, mut ctrl, mut alt) = (text, false, false);
        loop {
            if let Some(after) = rest.strip_prefix("ctrl-").filter(|after| !after.is_empty()) {
                (rest, ctrl) = (after, true);
            } else if let Some(after) = rest.strip_prefix("alt-").filter(|after| !after.is_empty()) {
                (rest, alt) = (after, true);
            } else {
                break;
            }
        }
        let mut letters = rest.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(c), None) if !c.is_control() && c != ' ' => KeyCode::Char(c),
            _ => named(rest)?,
        };
        Some(Self { code, ctrl, alt })
    }
}

const NAMED: [(&str, KeyCode); 15] = [
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("space", KeyCode::Char(' ')),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
];

fn named(text: &str) -> Option<KeyCode> {
    if let Some((_, code)) = NAMED.into_iter().find(|(name, _)| *name == text) {
        return Some(code);
    }
    let number = text.strip_prefix('f')?.parse::<u8>().ok()?;
    (1..=12).contains(&number).then_some(KeyCode::F(number))
}

impl From<KeyEvent> for Press {
    fn from(event: KeyEvent) -> Self {
        let code = match event.code {
            // Terminals differ in whether they say Shift for a capital; the character says it all.
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        Self {
            code,
            ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
            alt: event.modifiers.contains(KeyModifiers::ALT),
        }
    }
}

impl fmt::Display for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match self.code {
            KeyCode::Char(' ') => "space".to_owned(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::F(number) => format!("f{number}"),
            code => NAMED.into_iter().find(|(_, named)| *named == code).map_or("?", |(name, _)| name).to_owned(),
        };
        let text = format!("{}{}{key}", if self.ctrl { "ctrl-" } else { "" }, if self.alt { "alt-" } else { "" });
        f.pad(&text)
    }
}

/// How a key is shown to people: `Esc`, `F2`, `Ctrl-Z`.
pub fn shown(presses: &[Press]) -> String {
    let one = |press: &Press| {
        let text = press.to_string();
        match press.code {
            KeyCode::Char(c) if !press.ctrl && c != ' ' => text,
            KeyCode::BackTab => "S-Tab".to_owned(),
            KeyCode::Char(c) if press.ctrl => format!("Ctrl-{}", c.to_ascii_uppercase()),
            _ => {
                let mut letters = text.chars();
                letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
            }
        }
    };
    presses.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_keys_are_read_back() {
        for text in ["c", "C", "ctrl-z", "alt-x", "f2", "enter", "space", "backtab", "?", ":", ".", "-", "ctrl--"] {
            assert_eq!(Press::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "cc", "f13", "ctrl-", "shift-c", "Enter"] {
            assert_eq!(Press::parse(text), None, "{text}");
        }
        assert_ne!(Press::parse("c"), Press::parse("C"));
    }
}
