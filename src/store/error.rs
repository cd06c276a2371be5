//! What can go wrong with the projections. None of it stops trading.

use std::path::{Path, PathBuf};

use crate::journal::JournalError;

/// Why the projections could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another program holds the database.
    #[error(
        "the history database {} is locked by another program; trading goes on, and what is missing is written as \
         soon as it is free",
        path.display()
    )]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// It is another program's, or a newer version's.
    #[error(
        "the history database {} cannot be used ({why}); trading goes on. Nothing is lost: move it away, and it is made \
         anew from the journal at the next start",
        path.display()
    )]
    Unusable {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file is damaged.
    #[error("the history database {} is damaged ({why}); trading goes on", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A damaged database was kept aside, which is told.
    #[error("{0}")]
    Renewed(String),
    /// Another error of the database: no room, no right to write.
    #[error("cannot write the history database {}: {why}; trading goes on", path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// The database's own words.
        why: String,
    },
    /// The journal could not be read.
    #[error("the history cannot be brought up to date: {0}")]
    Journal(#[from] JournalError),
    /// An entry of the journal is not an event.
    #[error("entry {seq} of the journal is not an event that this version knows: {why}")]
    NoEvent {
        /// Which.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The database held what the journal does not.
    #[error(
        "the history database {} does not agree with the journal: it was kept as {} and made anew from the journal",
        path.display(),
        aside.display()
    )]
    KeptAside {
        /// The database.
        path: PathBuf,
        /// Its name now.
        aside: PathBuf,
    },
    /// Facts were handed over that do not follow.
    #[error("fact {got} came where {due} is due")]
    Gap {
        /// The one that is due.
        due: u64,
        /// The one that came.
        got: u64,
    },
    /// The thread of the projector could not be started or has died.
    #[error("the history thread {0}; trading goes on")]
    Thread(String),
}

impl StoreError {
    /// An error of the database, classed.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path = path.to_path_buf();
        let why = error.to_string();
        match error.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Locked { path },
            Some(Code::NotADatabase | Code::DatabaseCorrupt) => Self::Damaged { path, why },
            _ => Self::Failed { path, why },
        }
    }

    /// Whether trying again later may help.
    pub const fn is_passing(&self) -> bool {
        let passing = matches!(self, Self::Locked { .. } | Self::Failed { .. } | Self::Gap { .. });
        passing || matches!(self, Self::KeptAside { .. } | Self::Renewed(_))
    }
}
