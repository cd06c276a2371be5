//! What is written to the terminal is written by a thread: a terminal that takes nothing (a stalled
//! connection, Ctrl-S) holds up nobody. The next frame is drawn only when the last one is written, so
//! what it costs is frames, and the terminal gets the newest.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Bytes beside the frames that may wait for the terminal; more are dropped.
const MOST: usize = 64 << 10;

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    writing: bool,
    over: bool,
    /// The terminal is gone, or its thread is.
    lost: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    called: Condvar,
    written: Condvar,
    idle: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes to the terminal, without ever waiting for it. Writing never fails: whether the terminal is
/// gone is asked for.
pub struct Pen {
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

/// How far what a pen wrote has come.
pub struct Ink(Arc<Shared>);

impl Pen {
    /// A pen on standard output. The file is its own, so that nobody else waits for a lock that a
    /// stalled write holds.
    ///
    /// # Errors
    /// When the system has no thread or file left.
    pub fn on_stdout() -> io::Result<Self> {
        Self::start(File::from(io::stdout().as_fd().try_clone_to_owned()?))
    }

    fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("terminal".into()).spawn(move || {
            let gone = Gone(&theirs);
            serve(&theirs, out);
            drop(gone);
        })?;
        Ok(Self { shared, buffer: Vec::with_capacity(1 << 14) })
    }

    /// How far it has come, for whoever gives the pen away.
    pub fn ink(&self) -> Ink {
        Ink(Arc::clone(&self.shared))
    }
}

impl Ink {
    /// Whether everything handed over is written; the next frame may be drawn.
    pub fn is_idle(&self) -> bool {
        let state = self.0.lock();
        state.lost || (state.waiting.is_empty() && !state.writing)
    }

    /// Whether something small fits beside what waits.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.0.lock().waiting.len().saturating_add(bytes) <= MOST
    }

    /// Whether the terminal is gone.
    pub fn is_lost(&self) -> bool {
        self.0.lock().lost
    }

    /// Waits until everything handed over is written, or the terminal is gone. Cancel safe.
    pub async fn idle(&self) {
        loop {
            let written = self.0.idle.notified();
            if self.is_idle() {
                return;
            }
            written.await;
        }
    }

    /// Waits for the same, but no longer than this.
    pub fn finish(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut state = self.0.lock();
        while !state.lost && (state.writing || !state.waiting.is_empty()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let mut state = self.shared.lock();
            if !state.lost {
                state.waiting.extend_from_slice(&self.buffer);
            }
            drop(state);
            self.buffer.clear();
            self.shared.called.notify_one();
        }
        Ok(())
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.called.notify_one();
    }
}

/// Says that the thread has ended, however it did.
struct Gone<'a>(&'a Shared);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.lost = true;
        state.writing = false;
        state.waiting = Vec::new();
        drop(state);
        self.0.written.notify_all();
        self.0.idle.notify_one();
    }
}

fn serve(shared: &Shared, mut out: impl Write) {
    let mut bytes = Vec::new();
    loop {
        let mut state = shared.lock();
        while state.waiting.is_empty() {
            if state.over {
                return;
            }
            state = shared.called.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        bytes.clear();
        std::mem::swap(&mut bytes, &mut state.waiting);
        state.writing = true;
        drop(state);
        let written = out.write_all(&bytes).and_then(|()| out.flush());
        shared.lock().writing = false;
        if written.is_err() {
            return;
        }
        shared.written.notify_all();
        shared.idle.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A terminal that takes nothing until it is let, and then without end.
    struct Stalled(Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error means that it is let.
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_stalled_terminal_costs_frames_and_holds_up_nobody() {
        let (let_go, stalled) = channel();
        let mut pen = Pen::start(Stalled(stalled)).unwrap();
        let ink = pen.ink();
        assert!(ink.is_idle());
        pen.write_all(&vec![b'x'; 1 << 20]).unwrap();
        pen.flush().unwrap();
        assert!(!ink.is_idle(), "the next frame waits");
        ink.finish(Duration::from_millis(20));
        assert!(!ink.is_idle() && !ink.is_lost(), "given up, not waited for");
        drop(let_go);
        ink.idle().await;
        assert!(ink.is_idle() && ink.has_room(MOST) && !ink.has_room(MOST + 1));
    }

    #[tokio::test]
    async fn a_terminal_that_is_gone_is_no_error_of_whoever_writes() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut pen = Pen::start(Closed).unwrap();
        let ink = pen.ink();
        pen.write_all(b"x").unwrap();
        pen.flush().unwrap();
        ink.idle().await;
        ink.finish(Duration::from_secs(60));
        assert!(ink.is_lost());
        pen.write_all(b"y").unwrap();
        pen.flush().unwrap();
    }
}
