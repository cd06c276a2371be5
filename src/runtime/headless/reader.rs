//! Standard input, read by its own thread. Its end is not the session's.

use std::io::{BufRead as _, Read as _};

use tokio::sync::mpsc;

/// The longest line that is taken, bytes.
pub const LONGEST: u64 = 1024 * 1024;
/// Lines that may wait.
const WAITING: usize = 1_024;

/// A line as it came.
#[derive(Debug)]
pub struct InputLine {
    /// From 1 on.
    pub number: u64,
    /// Without its end; what is not UTF-8 is replaced.
    pub text: String,
    /// Whether it is longer than [`LONGEST`]; the rest was passed over.
    pub cut: bool,
}

/// Starts the thread.
pub fn start() -> std::io::Result<mpsc::Receiver<InputLine>> {
    let (lines, waiting) = mpsc::channel(WAITING);
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut input = std::io::stdin().lock();
        for number in 1.. {
            let mut bytes = Vec::new();
            match input.by_ref().take(LONGEST).read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let whole = bytes.last() == Some(&b'\n');
            let cut = !whole && u64::try_from(bytes.len()).is_ok_and(|length| length >= LONGEST);
            if cut && skip_line(&mut input).is_err() {
                return;
            }
            let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            if lines.blocking_send(InputLine { number, text, cut }).is_err() {
                return;
            }
        }
    })?;
    Ok(waiting)
}

fn skip_line(input: &mut impl std::io::BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |at| at + 1);
        input.consume(length);
        if end.is_some() {
            return Ok(());
        }
    }
}
