//! What goes to the terminal beside the frames: title, bell, notifications, clipboard.

use crate::model::escape_controls;
use crate::tui::update::Notification;

/// The longest text of a notification, in characters.
const LONGEST: usize = 240;

fn harmless(text: &str) -> String {
    escape_controls(text).chars().take(LONGEST).collect()
}

/// The window's title.
pub fn title(text: &str) -> Vec<u8> {
    format!("\x1b]2;{}\x1b\\", harmless(text)).into_bytes()
}

/// The bell, and the notification that this terminal understands: OSC 99 (kitty), 777 (rxvt, foot),
/// 9 (the rest). tmux drops them unless they are passed through.
pub fn ring(notification: &Notification, variable: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let value = |name: &str| variable(name).unwrap_or_default();
    let (term, program) = (value("TERM"), value("TERM_PROGRAM"));
    // A semicolon would end a field.
    let title = harmless(&notification.title).replace(';', ",");
    let body = harmless(&notification.body).replace(';', ",");
    let osc = if term.contains("kitty") {
        format!("\x1b]99;;{title}: {body}\x1b\\")
    } else if term.starts_with("rxvt") || term.starts_with("foot") || program == "ghostty" {
        format!("\x1b]777;notify;{title};{body}\x1b\\")
    } else {
        format!("\x1b]9;{title}: {body}\x1b\\")
    };
    let osc =
        if value("TMUX").is_empty() { osc } else { format!("\x1bPtmux;{}\x1b\\", osc.replace('\x1b', "\x1b\x1b")) };
    format!("\x07{osc}").into_bytes()
}

/// A text on the clipboard (OSC 52).
pub fn copy(text: &str) -> Vec<u8> {
    format!("\x1b]52;c;{}\x1b\\", base64(text.as_bytes())).into_bytes()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|i| u32::from(chunk.get(i).copied().unwrap_or_default()));
        let bits = a << 16 | b << 8 | c;
        for (i, shift) in [18_u32, 12, 6, 0].into_iter().enumerate() {
            let letter = usize::try_from(bits >> shift & 63).ok().and_then(|place| LETTERS.get(place));
            let letter = letter.filter(|_| i <= chunk.len()).copied().unwrap_or(b'=');
            out.push(char::from(letter));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(body: &str) -> Notification {
        Notification { title: "LIQUIDATION BTC_USDT".into(), body: body.into(), stage: "raised" }
    }

    #[test]
    fn a_message_of_the_exchange_cannot_leave_its_string() {
        let bytes = ring(&notification("x\x1b\\\x1b]52;c;AAAA\x07"), |_| None);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\x1b').count(), 2, "{text:?}");
        assert_eq!(text.matches('\x07').count(), 1, "only the bell: {text:?}");
        assert_eq!(String::from_utf8(title("a\x07b")).unwrap().matches('\x07').count(), 0);
    }

    #[test]
    fn tmux_gets_the_bell_and_a_passthrough() {
        let tmux = |name: &str| (name == "TMUX").then(|| "/tmp/tmux".to_owned());
        let text = String::from_utf8(ring(&notification("b"), tmux)).unwrap();
        assert!(text.starts_with("\x07\x1bPtmux;\x1b\x1b]9;"), "{text:?}");
        assert!(text.ends_with("\x1b\x1b\\\x1b\\"), "{text:?}");
    }

    #[test]
    fn base64_pads() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
