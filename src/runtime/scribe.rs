//! The scribe writes facts to the journal and says how far they are safe.
//!
//! With fdatasync it works on its own thread, so that a slow disk holds up neither the engine nor
//! the connection, and everything that came in meanwhile shares the next fdatasync (group commit).
//! Without, and under virtual time, a write is one system call and is made in place.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::kill::kill_point;
use crate::journal::{Journal, JournalError};
use crate::model::{Record, SessionState};

/// Wait between two tries on a disk that does not work.
const RETRY: Duration = Duration::from_millis(500);
/// Facts that no request waits for are made durable within this time.
const LAZY_SYNC: Duration = Duration::from_secs(1);

/// Writes facts. The session loop owns it.
pub struct Scribe {
    place: Place,
    handed: u64,
}

enum Place {
    Inline(Box<Writer>),
    Thread { shared: Arc<Shared>, thread: Option<JoinHandle<Result<(), String>>> },
}

/// How the scribe works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// In place: handed to the system, made durable only at the end.
    InPlace,
    /// On its own thread, each group made durable before it counts as safe.
    Durable,
}

struct Shared {
    inbox: Mutex<Inbox>,
    called: Condvar,
    safe: AtomicU64,
    trouble: Mutex<Option<String>>,
    progress: Notify,
}

#[derive(Default)]
struct Inbox {
    batches: Vec<Arc<[Record]>>,
    /// A request waits for what is in the inbox.
    urgent: bool,
    snapshot: Option<Box<SessionState>>,
    close: bool,
    /// The thread is gone, orderly or not.
    gone: bool,
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scribe {
    /// A scribe on a journal.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn new(journal: Journal, manner: Manner) -> std::io::Result<Self> {
        let handed = journal.last_seq();
        let sync = manner == Manner::Durable;
        let writer = Writer { journal, waiting: VecDeque::new(), sync, safe: handed, line: Vec::new() };
        let place = match manner {
            Manner::InPlace => Place::Inline(Box::new(writer)),
            Manner::Durable => {
                let shared = Arc::new(Shared {
                    inbox: Mutex::default(),
                    called: Condvar::new(),
                    safe: AtomicU64::new(handed),
                    trouble: Mutex::default(),
                    progress: Notify::new(),
                });
                let theirs = Arc::clone(&shared);
                let thread = std::thread::Builder::new().name("journal".into()).spawn(move || {
                    let farewell = Farewell(&theirs);
                    let result = writer.serve(&theirs);
                    drop(farewell);
                    result
                })?;
                Place::Thread { shared, thread: Some(thread) }
            }
        };
        Ok(Self { place, handed })
    }

    /// Takes the facts of a batch; the quotes in it are passed over. `urgent`: something waits for
    /// them, so they are made safe at once.
    pub fn append(&mut self, batch: &Arc<[Record]>, urgent: bool) {
        let Some(last) = batch.iter().rev().find(|record| record.event.is_fact()) else { return };
        self.handed = last.seq;
        match &mut self.place {
            Place::Inline(writer) => {
                kill_point("before-journal-append");
                writer.waiting.push_back(Arc::clone(batch));
            }
            Place::Thread { shared, .. } => {
                kill_point("before-journal-append");
                let mut inbox = shared.inbox();
                inbox.batches.push(Arc::clone(batch));
                inbox.urgent |= urgent;
                drop(inbox);
                shared.called.notify_one();
            }
        }
    }

    /// Something waits for what was handed over before: it is made safe at once.
    pub fn hurry(&mut self) {
        if let Place::Thread { shared, .. } = &self.place
            && shared.safe.load(Ordering::Acquire) < self.handed
        {
            shared.inbox().urgent = true;
            shared.called.notify_one();
        }
    }

    /// Writes what was taken, when the scribe works in place; says what is wrong when it cannot.
    pub fn flush(&mut self) -> Option<String> {
        match &mut self.place {
            Place::Inline(writer) => writer.write(false).err().map(|error| error.to_string()),
            Place::Thread { shared, .. } => shared.trouble().clone(),
        }
    }

    /// Number of the last fact that is safe.
    pub fn safe(&self) -> u64 {
        match &self.place {
            Place::Inline(writer) => writer.safe,
            Place::Thread { shared, .. } => shared.safe.load(Ordering::Acquire),
        }
    }

    /// Number of the last fact that was handed over.
    pub fn handed(&self) -> u64 {
        self.handed
    }

    /// Waits until more is safe, or trouble came or went.
    pub async fn progress(&mut self) {
        match &self.place {
            Place::Inline(_) => std::future::pending().await,
            Place::Thread { shared, .. } => shared.progress.notified().await,
        }
    }

    /// Keeps this state, which is the one after everything handed over, as a snapshot. A failure is
    /// told like any other trouble; recovery does without.
    pub fn snapshot(&mut self, state: SessionState) {
        match &mut self.place {
            // Its failure costs the next start time, nothing else.
            Place::Inline(writer) => drop(writer.snapshot(&state)),
            Place::Thread { shared, .. } => {
                shared.inbox().snapshot = Some(Box::new(state));
                shared.called.notify_one();
            }
        }
    }

    /// Writes everything, makes it durable, and closes the journal.
    ///
    /// # Errors
    /// What could not be written, for people.
    pub fn close(self) -> Result<(), String> {
        match self.place {
            Place::Inline(mut writer) => writer.write(true).map_err(|error| error.to_string()),
            Place::Thread { shared, mut thread } => {
                shared.inbox().close = true;
                shared.called.notify_one();
                match thread.take().map(JoinHandle::join) {
                    Some(Ok(result)) => result,
                    Some(Err(_)) => Err("the journal's thread ended unexpectedly".into()),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Tells the session when the journal's thread ends, in order or by a panic.
struct Farewell<'a>(&'a Shared);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.0.inbox().gone = true;
        if std::thread::panicking() {
            *self.0.trouble() = Some("the journal's thread ended unexpectedly".into());
        }
        self.0.progress.notify_one();
    }
}

struct Writer {
    journal: Journal,
    waiting: VecDeque<Arc<[Record]>>,
    sync: bool,
    /// The last fact that the system has; on a thread that syncs, the last that the disk has.
    safe: u64,
    line: Vec<u8>,
}

impl Writer {
    /// Appends and writes everything that waits; what cannot be taken stays, oldest first.
    fn write(&mut self, sync: bool) -> Result<(), JournalError> {
        self.journal.recover()?;
        while let Some(batch) = self.waiting.front() {
            for record in batch.iter().filter(|record| record.event.is_fact()) {
                // A try that failed half-way has taken the first facts already.
                if record.seq <= self.journal.last_seq() {
                    continue;
                }
                self.line.clear();
                let text = serde_json::to_writer(&mut self.line, &record.event)
                    .map_err(|error| error.to_string())
                    .and_then(|()| std::str::from_utf8(&self.line).map_err(|error| error.to_string()))
                    .map_err(|what| JournalError::BadRecord { what })?;
                let seq = self.journal.append(record.at.micros(), text)?;
                if seq != record.seq {
                    let what = format!("fact {} would be written as entry {seq}", record.seq);
                    return Err(JournalError::BadRecord { what });
                }
            }
            self.waiting.pop_front();
        }
        kill_point("before-journal-write");
        self.journal.flush()?;
        kill_point("after-journal-write");
        if sync {
            self.journal.sync()?;
            kill_point("after-journal-sync");
        }
        if sync || !self.sync {
            self.safe = self.journal.last_seq();
        }
        Ok(())
    }

    fn snapshot(&mut self, state: &SessionState) -> Result<(), JournalError> {
        if state.seq != self.journal.last_seq() || !self.waiting.is_empty() {
            return Ok(());
        }
        let text = serde_json::to_string(state).map_err(|error| JournalError::BadRecord { what: error.to_string() })?;
        kill_point("before-snapshot");
        self.journal.snapshot(&text)?;
        kill_point("after-snapshot");
        Ok(())
    }

    /// The thread's loop.
    fn serve(mut self, shared: &Shared) -> Result<(), String> {
        let mut last_sync = Instant::now();
        let mut unsynced = false;
        let mut trouble: Option<String> = None;
        loop {
            let mut inbox = shared.inbox();
            let patience = if trouble.is_some() { RETRY } else { LAZY_SYNC };
            while inbox.batches.is_empty() && !inbox.urgent && inbox.snapshot.is_none() && !inbox.close {
                let (next, waited) =
                    shared.called.wait_timeout(inbox, patience).unwrap_or_else(PoisonError::into_inner);
                inbox = next;
                if waited.timed_out() && (trouble.is_some() || unsynced) {
                    break;
                }
            }
            self.waiting.extend(inbox.batches.drain(..));
            let urgent = std::mem::take(&mut inbox.urgent);
            let snapshot = inbox.snapshot.take();
            let close = inbox.close;
            drop(inbox);

            let sync = self.sync && (urgent || close || trouble.is_some() || last_sync.elapsed() >= LAZY_SYNC);
            let result = self.write(sync);
            if sync && result.is_ok() {
                last_sync = Instant::now();
                unsynced = false;
            } else {
                unsynced = true;
            }
            let result = match (result, snapshot) {
                (Ok(()), Some(state)) => self.snapshot(&state),
                (result, _) => result,
            };
            let failed = result.err().map(|error| error.to_string());
            shared.safe.store(self.safe, Ordering::Release);
            if failed != trouble {
                shared.trouble().clone_from(&failed);
            }
            trouble = failed;
            shared.progress.notify_one();
            if close {
                return trouble.map_or(Ok(()), Err);
            }
        }
    }
}
