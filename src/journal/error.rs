//! What can go wrong, said so that a person can act on it.

use std::io;
use std::path::{Path, PathBuf};

use super::private::PrivateError;
use super::{FORMAT_VERSION, segment, way_out};

/// What follows when a person goes on without what is missing.
pub(super) const ASKED: &str = "The exchange is then asked what became of what is missing";
/// The same where the journal is the exchange's own.
const NEVER_HAPPENED: &str = "These are the books of the exchange itself: what is missing in them has then never \
                              happened, and a session that knows of it finds its orders and positions gone";

/// Why the journal could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The content of a file is not what was written.
    #[error("the journal is damaged: {}, line {line}: {what}. Nothing was changed. {way_out}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The line, from 1 on.
        line: u64,
        /// What is wrong with it.
        what: Box<str>,
        /// What to do.
        way_out: Box<str>,
    },
    /// The segments, each good by itself, do not follow each other: one is missing, or stands in the
    /// place of another.
    #[error("the journal does not fit together: {}: {what}. Nothing was changed. {way_out}", file.display())]
    Order {
        /// The first file that is out of order.
        file: PathBuf,
        /// How.
        what: Box<str>,
        /// What to do; nothing of it destroys a good file.
        way_out: Box<str>,
    },
    /// The bodies are of a newer schema than the caller knows.
    #[error(
        "{} holds facts of schema {found}, this program knows up to schema {known}. Use the version of perpdeck that \
         wrote it, or another data directory",
        file.display()
    )]
    Schema {
        /// The file.
        file: PathBuf,
        /// The schema that it names.
        found: u32,
        /// The newest that the caller knows.
        known: u32,
    },
    /// A folder or file is not this user's alone, or a link.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// A file that must be there is not, or ends too early.
    #[error(
        "the journal in {} is not complete: {what}. Nothing was changed. Put the missing files back from where they \
         were moved to, or from a copy; or start with another data directory",
        dir.display()
    )]
    Incomplete {
        /// The directory.
        dir: PathBuf,
        /// What is missing.
        what: String,
    },
    /// Another program version wrote this.
    #[error(
        "{} has journal format {found}, this program reads and writes format {FORMAT_VERSION}. Use the version of \
         perpdeck that wrote it, or another data directory",
        file.display()
    )]
    Version {
        /// The file.
        file: PathBuf,
        /// The version that it names.
        found: u64,
    },
    /// Another process works on the directory.
    #[error(
        "the journal in {} is in use by another perpdeck{}. Stop that one, attach to it, or use another data \
         directory",
        dir.display(),
        holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The process that holds it, when it is known.
        holder: Option<u32>,
    },
    /// The directory or file cannot be written.
    #[error("{} cannot be written: {source}. Make it writable for this user, or use another data directory", path.display())]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// No room is left.
    #[error("no room is left to write {}: {source}. Free some space on that disk; what was written before is safe", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another error of the file system.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// An earlier fdatasync failed; nothing is durable until the tail was written anew.
    #[error("the disk failed earlier and the end of the journal is in doubt until it has been written anew: {why}")]
    InDoubt {
        /// The earlier error.
        why: String,
    },
    /// Too much waits to be written.
    #[error("{bytes} bytes wait to be written to {}, no more is taken until the disk works again", path.display())]
    Backlog {
        /// The file.
        path: PathBuf,
        /// How much waits.
        bytes: usize,
    },
    /// What was given is not a record.
    #[error("not a record: {what}")]
    BadRecord {
        /// What is wrong with it.
        what: String,
    },
}

impl JournalError {
    /// Damage of a line that begins at `byte`. `due` is the entry that should stand there; `None` for
    /// the header.
    pub(super) fn damaged(file: &Path, line: u64, byte: u64, due: Option<u64>, what: String) -> Self {
        let dir = file.parent().unwrap_or(Path::new("."));
        let number = segment::number_of(file).unwrap_or(1);
        let command = match due {
            Some(due) => way_out::keep_until(dir, due.saturating_sub(1), number, Some((file, byte))),
            None => way_out::keep_until(dir, number.saturating_sub(1), number.saturating_sub(1), None),
        };
        let rest = command.map_or_else(String::new, |command| {
            format!(
                " Without one, what stands before this line can still be used; this copies everything first: \
                 {command}. {ASKED}"
            )
        });
        let way_out = format!("Put a good copy of this file back.{rest}");
        Self::Damaged { file: file.to_path_buf(), line, what: what.into(), way_out: way_out.into() }
    }

    /// The same, said of the books of an exchange: nobody can be asked about those.
    #[must_use]
    pub fn of_books(mut self) -> Self {
        if let Self::Damaged { way_out, .. } | Self::Order { way_out, .. } = &mut self {
            *way_out = way_out.replace(ASKED, NEVER_HAPPENED).into();
        }
        self
    }

    /// What is wrong with a file that is named beside it, in few words.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Damaged { line, what, .. } => format!("line {line}: {what}"),
            Self::Io { source, .. } | Self::ReadOnly { source, .. } => source.to_string(),
            Self::Private(PrivateError::Link { .. }) => "it is a link".to_owned(),
            other => other.to_string(),
        }
    }

    /// An error of the file system, classed.
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, source },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { path, source }
            }
            _ => Self::Io { doing, path, source },
        }
    }
}
