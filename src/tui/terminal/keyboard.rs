//! The keyboard has a thread of its own: a key has the time at which it came, whatever the dashboard was
//! doing then, and none waits for another event.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::input::{Input, Parser};

/// Inputs that may wait for the dashboard; the terminal keeps what is typed beyond.
const MOST: usize = 1_024;

/// Something that the terminal sent, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// When.
    pub at: Instant,
    /// What.
    pub input: Input,
}

/// The keyboard while it is listened to; dropped, nobody reads the terminal any more.
#[derive(Debug)]
pub struct Keyboard {
    told: mpsc::Receiver<io::Result<Stamped>>,
    /// Closed to end the thread.
    alive: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Keyboard {
    /// Listens to standard input.
    ///
    /// # Errors
    /// When the system has no thread or file left.
    pub fn listen() -> io::Result<Self> {
        let terminal = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let (alive, ends) = UnixStream::pair()?;
        let (tell, told) = mpsc::channel(MOST);
        let thread = std::thread::Builder::new().name("keyboard".into()).spawn(move || {
            // A receiver that is gone wants no word of it.
            if let Err(error) = serve(terminal, &ends, &tell) {
                let _ = tell.blocking_send(Err(error));
            }
        })?;
        Ok(Self { told, alive: Some(alive), thread: Some(thread) })
    }

    /// The next input; `None` when the terminal has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<io::Result<Stamped>> {
        self.told.recv().await
    }

    /// The next input if one is there.
    pub fn try_next(&mut self) -> Option<io::Result<Stamped>> {
        self.told.try_recv().ok()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.told.close();
        while self.told.try_recv().is_ok() {}
        self.alive = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads until the terminal or whoever listens is gone.
fn serve(mut terminal: File, ends: &UnixStream, tell: &mpsc::Sender<io::Result<Stamped>>) -> io::Result<()> {
    let mut parser = Parser::default();
    let mut bytes = [0_u8; 1_024];
    loop {
        let readable = match wait(&terminal, ends, parser.patience())? {
            Waited::Ends => return Ok(()),
            Waited::Interrupted => continue,
            Waited::Nothing => false,
            Waited::Readable => true,
        };
        let inputs = if readable {
            match terminal.read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(count) => parser.feed(bytes.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
        } else {
            parser.settle().into_iter().collect()
        };
        let at = Instant::now();
        for input in inputs {
            if tell.blocking_send(Ok(Stamped { at, input })).is_err() {
                return Ok(());
            }
        }
    }
}

enum Waited {
    Readable,
    Nothing,
    Interrupted,
    Ends,
}

fn wait(terminal: &File, ends: &UnixStream, patience: Option<Duration>) -> io::Result<Waited> {
    let mut files = [PollFd::new(terminal, PollFlags::IN), PollFd::new(ends, PollFlags::IN)];
    let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
    match poll(&mut files, patience.as_ref()) {
        Ok(0) => return Ok(Waited::Nothing),
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Waited::Interrupted),
        Err(error) => return Err(error.into()),
    }
    let [_, ends] = files.map(|file| !file.revents().is_empty());
    Ok(if ends { Waited::Ends } else { Waited::Readable })
}
