//! The fold on a thread of its own. Whoever feeds it never waits: what does not fit into its queue
//! is read from the journal later.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::{Projections, witness};
use crate::model::Record;
use crate::store::StoreError;

/// Groups of records that wait for the thread.
const QUEUE: usize = 1_024;
/// Time until a database that was locked, or a journal that was behind, is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Records folded in one transaction at most.
const GROUP: usize = 4_096;

/// How far the projections are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectorStatus {
    /// Number of the last fact in the database.
    pub folded_to: u64,
    /// Number of the last fact that was handed over.
    pub newest: u64,
    /// What is wrong, for people; `None` when all is well.
    pub error: Option<String>,
}

#[derive(Default)]
struct Shared {
    folded_to: AtomicU64,
    newest: AtomicU64,
    error: Mutex<Option<String>>,
    /// What happened to the database and was not told yet.
    news: Mutex<Option<String>>,
    /// The session ends: a long way through the journal is left to the next start.
    ending: AtomicBool,
}

/// Feeds the projections. Dropping it lets the thread finish what waits in its queue.
pub struct Projector {
    queue: Option<SyncSender<Arc<[Record]>>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Projector {
    /// Starts the thread, which opens the database and catches up with the journal first. What goes
    /// wrong there is in the status; it never stops the caller.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(journal_dir: &Path, database: &Path) -> Result<Self, StoreError> {
        let (queue, groups) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            journal_dir: journal_dir.to_path_buf(),
            database: database.to_path_buf(),
            shared: Arc::clone(&shared),
            projections: None,
        };
        let thread = Builder::new()
            .name("projections".into())
            .spawn(move || {
                let watch = Watch(Arc::clone(&worker.shared));
                worker.run(&groups);
                drop(watch);
            })
            .map_err(|error| StoreError::Thread(format!("could not be started: {error}")))?;
        Ok(Self { queue: Some(queue), shared, thread: Some(thread) })
    }

    /// Hands records over, without waiting and in their order. They must be in the journal already,
    /// or be there soon.
    pub fn offer(&self, records: Arc<[Record]>) {
        let newest = records.iter().filter(|record| record.event.is_fact()).map(|record| record.seq).max();
        let Some(newest) = newest else { return };
        // First the number, then the records: if these do not fit, the thread knows what it lacks.
        self.shared.newest.fetch_max(newest, Ordering::SeqCst);
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(records);
        }
    }

    /// How far it is.
    pub fn status(&self) -> ProjectorStatus {
        ProjectorStatus {
            folded_to: self.shared.folded_to.load(Ordering::SeqCst),
            newest: self.shared.newest.load(Ordering::SeqCst),
            error: self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// What happened to the database since this was asked last: it was kept aside and made anew.
    pub fn take_news(&self) -> Option<String> {
        self.shared.news.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lets the thread finish what waits in its queue, and says how far it came. What it did not come
    /// to is folded at the next start.
    pub fn stop(mut self) -> ProjectorStatus {
        self.finish();
        self.status()
    }

    fn finish(&mut self) {
        self.shared.ending.store(true, Ordering::SeqCst);
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            let mut error = self.shared.error.lock().unwrap_or_else(PoisonError::into_inner);
            *error = Some(StoreError::Thread("ended unexpectedly".into()).to_string());
        }
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Says so when the thread ends by a defect: projections that stand still are never silent.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = StoreError::Thread("ended by a defect; the next start folds what is missing".into());
            *self.0.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
    }
}

struct Worker {
    journal_dir: PathBuf,
    database: PathBuf,
    shared: Arc<Shared>,
    projections: Option<Projections>,
}

impl Worker {
    fn run(mut self, groups: &Receiver<Arc<[Record]>>) {
        let mut outcome = self.catch_up();
        loop {
            if let Err(StoreError::Damaged { why, .. }) = &outcome {
                outcome = self.renew(&why.clone());
            }
            if let Err(error) = &outcome {
                let lasting = !error.is_passing();
                self.report(Some(error));
                if lasting {
                    return;
                }
            } else {
                self.report(None);
            }
            outcome = match groups.recv_timeout(RETRY) {
                Ok(group) => self.take(&group, groups),
                Err(RecvTimeoutError::Timeout) if outcome.is_err() || self.is_behind() => self.catch_up(),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => break,
            };
        }
        let last = if outcome.is_err() || self.is_behind() { self.catch_up() } else { outcome };
        let saved = last.and_then(|()| self.projections.as_mut().map_or(Ok(()), Projections::save));
        self.report(saved.err().as_ref());
    }

    /// Folds a group and all that wait behind it.
    fn take(&mut self, group: &[Record], groups: &Receiver<Arc<[Record]>>) -> Result<(), StoreError> {
        let Some(projections) = &mut self.projections else { return self.catch_up() };
        let mut records = group.to_vec();
        while records.len() < GROUP
            && let Ok(more) = groups.try_recv()
        {
            records.extend(more.iter().cloned());
        }
        match projections.fold(&records) {
            Ok(()) => {
                self.shared.folded_to.store(projections.folded_to(), Ordering::SeqCst);
                Ok(())
            }
            // Some did not fit into the queue; the journal has them.
            Err(StoreError::Gap { .. }) => self.catch_up(),
            Err(error) => Err(error),
        }
    }

    fn catch_up(&mut self) -> Result<(), StoreError> {
        if self.projections.is_none() {
            self.projections = Some(Projections::open(&self.database)?);
        }
        if let Some(projections) = &mut self.projections {
            let goes_on = || !self.shared.ending.load(Ordering::SeqCst);
            let folded = projections.catch_up_while(&self.journal_dir, goes_on)?;
            self.shared.folded_to.store(folded, Ordering::SeqCst);
            if let Some(aside) = projections.kept_aside() {
                return Err(StoreError::KeptAside { path: self.database.clone(), aside });
            }
        }
        Ok(())
    }

    /// A database that turned out to be damaged is kept aside and made anew.
    fn renew(&mut self, why: &str) -> Result<(), StoreError> {
        self.projections = None;
        let told = witness::set_damaged_aside(&self.database, why, crate::clock::wall_time());
        Err(told.map_or_else(|why| StoreError::Unusable { path: self.database.clone(), why }, StoreError::Renewed))
    }

    fn is_behind(&self) -> bool {
        self.shared.newest.load(Ordering::SeqCst) > self.shared.folded_to.load(Ordering::SeqCst)
    }

    fn report(&self, error: Option<&StoreError>) {
        if let Some(news @ (StoreError::KeptAside { .. } | StoreError::Renewed(_))) = error {
            // It is over when it is told: the next thing that happens must not hide it.
            *self.shared.news.lock().unwrap_or_else(PoisonError::into_inner) = Some(news.to_string());
            return;
        }
        let mut shown = self.shared.error.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = error.map(ToString::to_string);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_of_projections_that_ends_by_a_defect_is_not_silent() {
        let shared = Arc::new(Shared::default());
        let watch = Watch(Arc::clone(&shared));
        let thread = std::thread::spawn(move || {
            let _watch = watch;
            panic!("on purpose");
        });
        assert!(thread.join().is_err());
        let error = shared.error.lock().unwrap().clone();
        assert!(error.is_some_and(|error| error.contains("ended by a defect")));
    }
}
