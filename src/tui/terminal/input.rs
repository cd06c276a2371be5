//! Bytes of a terminal, understood: keys, pastes, the focus, and answers to questions. An answer is never
//! taken for keys, however late it comes and however it is cut in two.

use std::time::Duration;

use crossterm::event::KeyCode;

use crate::tui::keymap::Press;

/// An Esc that nothing follows for so long is the key.
const ESCAPE: Duration = Duration::from_millis(50);
/// What can only be the beginning of an answer or of a paste is waited for longer.
const ANSWER: Duration = Duration::from_secs(1);
/// Longer than any answer.
const MOST: usize = 1 << 16;

const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Something that a terminal sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key.
    Key(Press),
    /// Text was pasted; it is dropped.
    Paste,
    /// The keyboard came to this window.
    FocusGained,
    /// It left.
    FocusLost,
    /// The answer to a status request.
    Answer,
}

/// What the first bytes are.
enum Step {
    /// So many, and what they mean, if anything.
    Take(usize, Option<Input>),
    /// Not all of it is there.
    More,
}

/// Understands bytes as they come.
#[derive(Debug, Default)]
pub struct Parser {
    held: Vec<u8>,
    in_paste: bool,
}

impl Parser {
    /// Bytes came.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        self.held.extend_from_slice(bytes);
        let mut out = Vec::new();
        while !self.held.is_empty() {
            let step = if self.in_paste { self.pasted() } else { first(&self.held) };
            let Step::Take(taken, input) = step else { break };
            if self.held.get(..taken) == Some(b"\x1b[200~".as_slice()) && input == Some(Input::Paste) {
                self.in_paste = true;
            } else {
                out.extend(input);
            }
            self.held.drain(..taken.min(self.held.len()));
        }
        if self.held.len() > MOST {
            self.held.clear();
        }
        out
    }

    /// How long the rest of what is held is waited for; `None` when nothing is.
    pub fn patience(&self) -> Option<Duration> {
        match self.held.as_slice() {
            [] if self.in_paste => Some(ANSWER),
            [] => None,
            [0x1b] | [0x1b, _] if !self.in_paste => Some(ESCAPE),
            _ => Some(ANSWER),
        }
    }

    /// The rest did not come: a key stands for itself, the beginning of anything else for nothing.
    pub fn settle(&mut self) -> Option<Input> {
        let held = std::mem::take(&mut self.held);
        if std::mem::take(&mut self.in_paste) {
            return Some(Input::Paste);
        }
        match held.as_slice() {
            [0x1b] => Some(Input::Key(Press::key(KeyCode::Esc))),
            [0x1b, letter] if letter.is_ascii_graphic() => {
                Some(Input::Key(Press { code: KeyCode::Char(char::from(*letter)), ctrl: false, alt: true }))
            }
            _ => None,
        }
    }

    /// Pasted text is dropped up to its end.
    fn pasted(&mut self) -> Step {
        match find(&self.held, PASTE_ENDS) {
            Some(at) => {
                self.in_paste = false;
                Step::Take(at.saturating_add(PASTE_ENDS.len()), Some(Input::Paste))
            }
            None => {
                let beyond = self.held.len().saturating_sub(PASTE_ENDS.len());
                self.held.drain(..beyond);
                Step::More
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn first(bytes: &[u8]) -> Step {
    match bytes {
        [0x1b] => Step::More,
        [0x1b, b'[', rest @ ..] => csi(rest),
        [0x1b, b'O', rest @ ..] => match rest.first() {
            None => Step::More,
            Some(last) => Step::Take(3, named(*last).map(|code| Input::Key(Press::key(code)))),
        },
        // Texts that a terminal sends (colours, names) end with BEL or Esc \.
        [0x1b, b']' | b'P' | b'_' | b'^' | b'X', rest @ ..] => {
            let by_bell = rest.iter().position(|byte| *byte == 0x07).map(|at| at.saturating_add(3));
            let by_string = find(rest, b"\x1b\\").map(|at| at.saturating_add(4));
            match by_bell.into_iter().chain(by_string).min() {
                Some(length) => Step::Take(length, None),
                None => Step::More,
            }
        }
        [0x1b, 0x1b, ..] => Step::Take(1, Some(Input::Key(Press::key(KeyCode::Esc)))),
        [0x1b, rest @ ..] => match plain(rest) {
            Step::Take(length, Some(Input::Key(press))) => {
                Step::Take(length.saturating_add(1), Some(Input::Key(Press { alt: true, ..press })))
            }
            Step::Take(length, other) => Step::Take(length.saturating_add(1), other),
            Step::More => Step::More,
        },
        _ => plain(bytes),
    }
}

fn plain(bytes: &[u8]) -> Step {
    let Some(byte) = bytes.first().copied() else { return Step::More };
    let key = |press| Step::Take(1, Some(Input::Key(press)));
    let ctrl = |base: u8, byte: u8| Press::ctrl(char::from(base.saturating_add(byte)));
    match byte {
        0x0d => key(Press::key(KeyCode::Enter)),
        0x09 => key(Press::key(KeyCode::Tab)),
        0x7f => key(Press::key(KeyCode::Backspace)),
        0x00 => key(Press::ctrl(' ')),
        0x01..=0x1a => key(ctrl(b'a', byte.saturating_sub(1))),
        0x1c..=0x1f => key(ctrl(b'4', byte.saturating_sub(0x1c))),
        0x20..=0x7e => key(Press::char(char::from(byte))),
        _ => letter(bytes, byte),
    }
}

/// A letter of several bytes.
fn letter(bytes: &[u8], byte: u8) -> Step {
    let length = match byte {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Step::Take(1, None),
    };
    let Some(whole) = bytes.get(..length) else { return Step::More };
    match std::str::from_utf8(whole).ok().and_then(|text| text.chars().next()) {
        Some(letter) => Step::Take(length, Some(Input::Key(Press::char(letter)))),
        None => Step::Take(1, None),
    }
}

/// After `Esc [`: parameters, and the letter that says what it is.
fn csi(rest: &[u8]) -> Step {
    // The keys F1 to F5 of the Linux console.
    if let [b'[', after @ ..] = rest {
        return match after.first() {
            None => Step::More,
            Some(last @ b'A'..=b'E') => {
                Step::Take(4, Some(Input::Key(Press::key(KeyCode::F(last.saturating_sub(b'A').saturating_add(1))))))
            }
            Some(_) => Step::Take(4, None),
        };
    }
    let Some(end) = rest.iter().position(|byte| !(0x20..=0x3f).contains(byte)) else { return Step::More };
    let (parameters, last) = (rest.get(..end).unwrap_or_default(), rest.get(end).copied().unwrap_or_default());
    if !(0x40..=0x7e).contains(&last) {
        // Broken off: what interrupts it begins anew.
        return Step::Take(end.saturating_add(2), None);
    }
    let parameters = std::str::from_utf8(parameters).unwrap_or("?");
    Step::Take(end.saturating_add(3), meaning(parameters, last))
}

fn meaning(parameters: &str, last: u8) -> Option<Input> {
    let mut numbers = parameters.split(';').map(|number| number.parse::<u32>().ok());
    let (number, modifiers) = (numbers.next().flatten(), numbers.next().flatten());
    let bits = modifiers.unwrap_or(1).saturating_sub(1);
    let key = |code| Input::Key(Press { code, alt: bits & 2 != 0, ctrl: bits & 4 != 0 });
    match (last, number) {
        (b'n', Some(0 | 3)) => Some(Input::Answer),
        (b'I', None) => Some(Input::FocusGained),
        (b'O', None) => Some(Input::FocusLost),
        (b'Z', _) => Some(key(KeyCode::BackTab)),
        (b'~', Some(200)) => Some(Input::Paste),
        (b'~', Some(number)) => numbered(number).map(key),
        (b'u', Some(code)) => char::from_u32(code).and_then(|letter| match first_of(letter) {
            Some(Input::Key(press)) => Some(Input::Key(Press { alt: bits & 2 != 0, ctrl: bits & 4 != 0, ..press })),
            _ => None,
        }),
        // A place of the cursor looks like F3 with modifiers, and is asked for far more often.
        (b'R', Some(_)) => None,
        (b'A'..=b'D' | b'F' | b'H' | b'P'..=b'S', _) => named(last).map(key),
        _ => None,
    }
}

/// The key of a letter as it is typed.
fn first_of(letter: char) -> Option<Input> {
    if letter == '\u{1b}' {
        return Some(Input::Key(Press::key(KeyCode::Esc)));
    }
    let mut bytes = [0_u8; 4];
    match plain(letter.encode_utf8(&mut bytes).as_bytes()) {
        Step::Take(_, input) => input,
        Step::More => None,
    }
}

fn named(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(last.saturating_sub(b'P').saturating_add(1)),
        _ => return None,
    })
}

fn numbered(number: u32) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(u8::try_from(number.saturating_sub(10)).ok()?),
        17..=21 => KeyCode::F(u8::try_from(number.saturating_sub(11)).ok()?),
        23 | 24 => KeyCode::F(u8::try_from(number.saturating_sub(12)).ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<Input> {
        text.split(' ').map(|name| Input::Key(Press::parse(name).unwrap())).collect()
    }

    /// All of it at once, and byte by byte.
    fn understood(bytes: &[u8]) -> Vec<Input> {
        let mut parser = Parser::default();
        let whole = parser.feed(bytes);
        let mut parser = Parser::default();
        let parts: Vec<Input> = bytes.iter().flat_map(|byte| parser.feed(&[*byte])).collect();
        assert_eq!(parts, whole, "{bytes:?}");
        whole
    }

    #[test]
    fn keys_are_what_was_typed() {
        assert_eq!(understood("cC \u{e4}\u{20ac}".as_bytes()), keys("c C space ä €"));
        assert_eq!(understood(b"\r\t\x7f\x03\x1a"), keys("enter tab backspace ctrl-c ctrl-z"));
        assert_eq!(
            understood(b"\x1b[A\x1b[B\x1b[C\x1b[D\x1bOA\x1b[H\x1b[F\x1b[Z"),
            keys("up down right left up home end backtab")
        );
        assert_eq!(
            understood(b"\x1b[5~\x1b[6~\x1b[3~\x1bOQ\x1b[12~\x1b[[B\x1b[24~"),
            keys("pageup pagedown delete f2 f2 f2 f12")
        );
        assert_eq!(understood(b"\x1b[1;5A\x1bx\x1b[1;3D"), keys("ctrl-up alt-x alt-left"));
        assert_eq!(understood(b"\x1b[97;5u"), keys("ctrl-a"));
        assert_eq!(understood(b"\x1b[I\x1b[O"), [Input::FocusGained, Input::FocusLost]);
    }

    #[test]
    fn an_answer_is_never_keys_however_it_is_cut() {
        assert_eq!(understood(b"a\x1b[0nb"), [keys("a"), vec![Input::Answer], keys("b")].concat());
        for answer in [
            b"\x1b[12;40R".as_slice(),
            b"\x1b[?64;1;2;6c",
            b"\x1b[>0;276;0c",
            b"\x1b[8;24;80t",
            b"\x1b[?2026;2$y",
            b"\x1b[?1u",
            b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
            b"\x1b]52;c;Xhalt\x07",
            b"\x1bP>|XTerm(388)\x1b\\",
            b"\x1b_Gi=31;OK\x1b\\",
        ] {
            assert_eq!(understood(answer), [], "{}", String::from_utf8_lossy(answer));
            // Its second half comes late: the first is not taken for a key meanwhile.
            for cut in 3..answer.len() {
                let mut parser = Parser::default();
                assert_eq!(parser.feed(&answer[..cut]), []);
                assert!(parser.patience() == Some(ANSWER) || answer[..cut] == *b"\x1b[", "{cut}");
                assert_eq!(parser.feed(&answer[cut..]), []);
            }
        }
    }

    #[test]
    fn what_does_not_go_on_stands_for_itself_or_for_nothing() {
        for (bytes, key) in [(b"\x1b".as_slice(), Some("esc")), (b"\x1b]", Some("alt-]")), (b"\x1b[12;4", None)] {
            let mut parser = Parser::default();
            assert_eq!(parser.feed(bytes), []);
            assert!(parser.patience().is_some());
            assert_eq!(parser.settle(), key.map(|key| keys(key)[0]));
            assert_eq!(parser.feed(b"c"), keys("c"));
        }
        assert_eq!(understood(b"\x1b\x1b[A"), keys("esc up"));
        assert_eq!(understood(b"\x1b[1\x1b[A"), keys("up"));
        assert_eq!(understood(b"\xffc"), keys("c"));
    }

    #[test]
    fn pasted_text_is_one_paste_and_no_key() {
        assert_eq!(understood(b"\x1b[200~Xhalt\r\x1b[A\x1b[201~c"), [vec![Input::Paste], keys("c")].concat());
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"\x1b[200~Xhalt"), []);
        assert_eq!(parser.patience(), Some(ANSWER));
        assert_eq!(parser.settle(), Some(Input::Paste), "its end never came");
        assert_eq!(parser.feed(b"c"), keys("c"));
    }
}
