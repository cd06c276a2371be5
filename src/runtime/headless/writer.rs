//! Standard output, written by its own thread: a reader that stops reading holds up nobody but the
//! subscriber that feeds it.

use std::io::Write as _;

use tokio::sync::mpsc;

use crate::runtime::outward::Line;

/// Lines that may wait for the reader.
const WAITING: usize = 4_096;

/// Writes lines.
pub struct Writer {
    lines: mpsc::Sender<String>,
    thread: std::thread::JoinHandle<()>,
}

impl Writer {
    /// Starts the thread.
    pub fn start() -> std::io::Result<Self> {
        let (lines, mut waiting) = mpsc::channel::<String>(WAITING);
        let thread = std::thread::Builder::new().name("stdout".into()).spawn(move || {
            let mut out = std::io::stdout().lock();
            while let Some(line) = waiting.blocking_recv() {
                let mut text = line;
                text.push('\n');
                while let Ok(more) = waiting.try_recv() {
                    text.push_str(&more);
                    text.push('\n');
                }
                // Nobody reads any more: the session goes on all the same, its journal has it all.
                if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { lines, thread })
    }

    /// Queues a line; waits while the reader is far behind.
    pub async fn write(&self, line: &Line) {
        // A closed pipe: see above.
        let _ = self.lines.send(line.text()).await;
    }

    /// Writes what is queued, but does not wait for ever for a reader that does not read.
    pub async fn close(self) {
        drop(self.lines);
        let thread = self.thread;
        let joined = tokio::task::spawn_blocking(move || drop(thread.join()));
        let _ = tokio::time::timeout(super::STOP_DEADLINE, joined).await;
    }
}
