//! Standard input, read by its own thread. Its end is not the session's.

use std::io::{BufRead, Read as _};

use tokio::sync::mpsc;

use crate::runtime::watched::{self, Alarm, StopWithout};

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

/// Starts the thread. Should it end by a defect, no command could come in any more: the session is told,
/// and stops in order.
pub fn start<Input: BufRead>(
    open: impl FnOnce() -> Input + Send + 'static,
    alarm: Alarm,
    without: StopWithout,
) -> std::io::Result<mpsc::Receiver<InputLine>> {
    let (lines, waiting) = mpsc::channel(WAITING);
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        watched::work("the thread of standard input", &alarm, Some(&without), || serve(open(), &lines));
    })?;
    Ok(waiting)
}

fn serve(mut input: impl BufRead, lines: &mpsc::Sender<InputLine>) {
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
}

fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Input;
    use crate::model::{Action, StopPolicy};
    use crate::runtime::handle::CommandSender;

    struct Broken;

    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("a defect of the reader")
        }
    }

    #[tokio::test]
    async fn a_reader_that_panics_is_an_alert_and_an_orderly_stop() {
        let (inputs, mut told) = mpsc::unbounded_channel();
        let (commands, mut taken) = CommandSender::channel();
        let without = StopWithout { commands, policy: StopPolicy::CancelEntries };
        let mut lines = start(|| std::io::BufReader::new(Broken), Alarm::new(inputs), without).unwrap();
        assert!(lines.recv().await.is_none(), "nothing comes in any more");
        let command = taken.recv().await.unwrap();
        assert_eq!(command.action, Action::Stop { policy: StopPolicy::CancelEntries });
        match told.recv().await {
            Some(Input::Failure { what }) => assert!(what.contains("standard input") && what.contains("a defect of")),
            other => panic!("{other:?}"),
        }
    }
}
