//! Whether the terminal has shown a frame, by its own word: a request behind the frame is answered when
//! the terminal has come so far. What is written may still be on a slow way to it.

use std::time::{Duration, Instant};

/// Asks for the state of the terminal; it answers `Esc [ 0 n`.
const REQUEST: &[u8] = b"\x1b[5n";
/// A terminal that does not answer for so long is not waited for: then what is written counts as shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// Requests and answers. An answer that comes late belongs to its own request, not to a later frame.
#[derive(Debug, Default)]
pub struct Shown {
    answers: bool,
    outstanding: u32,
    /// Since when the frame that was asked about is waited for.
    waits: Option<Instant>,
}

impl Shown {
    /// Whether it is known to answer.
    pub const fn answers(&self) -> bool {
        self.answers
    }

    /// A first request, which nobody waits for.
    pub fn try_out(&mut self) -> &'static [u8] {
        self.outstanding = self.outstanding.saturating_add(1);
        REQUEST
    }

    /// A request behind the frame that was just written; `None` while one before it, which shows the same,
    /// is waited for.
    pub fn ask(&mut self, now: Instant) -> Option<&'static [u8]> {
        if self.waits.is_some() {
            return None;
        }
        self.waits = Some(now);
        Some(self.try_out())
    }

    /// Something that the frame does not show came between.
    pub fn forget(&mut self) {
        self.waits = None;
    }

    /// An answer came; whether the frame is shown.
    pub fn answered(&mut self) -> bool {
        self.answers = true;
        self.outstanding = self.outstanding.saturating_sub(1);
        self.outstanding == 0 && self.waits.take().is_some()
    }

    /// Whether it is waited for no more; from then on it counts as one that does not answer until it does.
    pub fn gives_up(&mut self, now: Instant) -> bool {
        let late = self.waits.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE);
        if late {
            self.waits = None;
            self.answers = false;
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_shown_when_its_own_answer_has_come() {
        let now = Instant::now();
        let mut shown = Shown::default();
        shown.try_out();
        assert!(!shown.answered() && shown.answers());
        assert_eq!((shown.ask(now), shown.ask(now)), (Some(REQUEST), None));
        shown.forget();
        assert_eq!(shown.ask(now), Some(REQUEST));
        assert!(!shown.answered(), "the answer to the first");
        assert!(shown.answered());
        assert!(!shown.answered(), "one that nobody asked for");
        shown.ask(now);
        assert!(!shown.gives_up(now + PATIENCE / 2) && shown.gives_up(now + PATIENCE));
        assert!(!shown.answers());
        assert!(!shown.answered() && shown.answers(), "it was late, and answers all the same");
    }
}
