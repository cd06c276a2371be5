//! Bringing the projections up to the journal.

use std::fs;
use std::path::{Path, PathBuf};

use super::witness::Seen;
use super::{Projections, witness};
use crate::journal::{self, Entry};
use crate::model::{Record, SessionTime, read_event};
use crate::store::StoreError;

/// Facts folded in one transaction.
const BATCH: usize = 1_000;

/// The record that an entry of the journal holds: its body is an event, of this version or an older
/// one. Recovery, projections and tests all read entries by this.
///
/// # Errors
/// When it is none that this version knows.
pub fn record_of(entry: &Entry) -> Result<Record, StoreError> {
    let event = read_event(entry.schema, &entry.body).map_err(|why| StoreError::NoEvent { seq: entry.seq, why })?;
    Ok(Record { seq: entry.seq, at: SessionTime::from_micros(entry.at), event })
}

impl Projections {
    /// Folds what the journal has beyond what is folded, and says up to which fact. When the journal
    /// does not hold the facts that were folded (it was cut, or is another one), the database is kept
    /// aside and everything is folded anew.
    ///
    /// # Errors
    /// Of the journal and of the database.
    pub fn catch_up(&mut self, journal_dir: &Path) -> Result<u64, StoreError> {
        self.catch_up_while(journal_dir, || true)
    }

    /// The same, but only as long as `goes_on` says so; it is asked after each thousand facts.
    ///
    /// # Errors
    /// As [`Projections::catch_up`].
    pub(super) fn catch_up_while(&mut self, journal_dir: &Path, goes_on: impl Fn() -> bool) -> Result<u64, StoreError> {
        if !self.stands_on(journal_dir)? {
            self.renew(wall())?;
        }
        let mut batch = Vec::with_capacity(BATCH);
        for entry in journal::read_from(journal_dir, self.folded_to().saturating_add(1))? {
            batch.push(record_of(&entry?)?);
            if batch.len() >= BATCH {
                self.fold(&batch)?;
                batch.clear();
                if !goes_on() {
                    return Ok(self.folded_to());
                }
            }
        }
        self.fold(&batch)?;
        Ok(self.folded_to())
    }

    fn stands_on(&self, journal_dir: &Path) -> Result<bool, StoreError> {
        let Some((seq, at)) = self.anchor()? else { return Ok(self.folded_to() == 0) };
        match journal::read_from(journal_dir, seq)?.next().transpose()? {
            Some(entry) => Ok((entry.seq, SessionTime::from_micros(entry.at)) == (seq, at)),
            None => Ok(false),
        }
    }
}

/// What a rebuild did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// How many facts were folded.
    pub facts: u64,
    /// The old database knew what the journal does not, or was damaged: where it is kept.
    pub witness: Option<String>,
}

/// Makes the database anew from the journal and puts it in place when it is whole. An old one that knows
/// more than the journal is kept aside. No session may run on the journal meanwhile.
///
/// # Errors
/// When a session runs, and those of the journal and of the database; the old database is as it was
/// then.
pub fn rebuild(journal_dir: &Path, database: &Path) -> Result<Rebuilt, StoreError> {
    let _lock = journal::hold(journal_dir)?;
    let fresh = beside(database, ".rebuild");
    let failed = |error: std::io::Error| StoreError::Failed { path: database.to_path_buf(), why: error.to_string() };
    remove(&fresh).map_err(failed)?;
    let mut projections = Projections::open(&fresh)?;
    let facts = projections.catch_up(journal_dir)?;
    projections.save()?;
    projections.close()?;
    let witness = match witness::look(database) {
        Seen::Facts(anchor) => {
            let there = journal::read_from(journal_dir, anchor.seq)?.next().transpose()?;
            let recorded = there.map(|entry| SessionTime::from_micros(entry.at));
            let missing = witness::confront(journal_dir, database, anchor, (facts, recorded), wall())?;
            missing.map(|missing| missing.what)
        }
        Seen::Damaged(why) => {
            let failed = |why| StoreError::Failed { path: database.to_path_buf(), why };
            Some(witness::set_damaged_aside(database, &why, wall()).map_err(failed)?)
        }
        Seen::Nothing => None,
    };
    remove(database).map_err(failed)?;
    fs::rename(&fresh, database).map_err(failed)?;
    Ok(Rebuilt { facts, witness })
}

/// The present, for the name of a file.
fn wall() -> SessionTime {
    crate::clock::wall_time()
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Removes a database with the files that belong to it.
fn remove(database: &Path) -> std::io::Result<()> {
    for path in [beside(database, "-wal"), beside(database, "-shm"), database.to_path_buf()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
