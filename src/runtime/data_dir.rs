//! The data directory of a session: what lies where, which version wrote it, and that only one
//! process works on it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The version of the layout that this program reads and writes.
pub const LAYOUT_VERSION: &str = "1";

/// A data directory that this process holds until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Nobody said where, and the system has no home for it.
    #[error("there is no home directory to keep data in: say where with --data-dir DIR")]
    NoHome,
    /// It is a file, or a part of its path is.
    #[error("{} is not a directory: use another one with --data-dir DIR", path.display())]
    NotADirectory {
        /// As given.
        path: PathBuf,
    },
    /// Another layout version.
    #[error(
        "the data directory {} has version {found}, this program reads and writes version {LAYOUT_VERSION}. Use the \
         version of perpdeck that wrote it, or another directory with --data-dir DIR",
        path.display()
    )]
    Version {
        /// The directory.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// Another process has it.
    #[error(
        "the data directory {} is in use by another perpdeck{}. Stop that one, or use another directory with \
         --data-dir DIR",
        path.display(),
        holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, when it is known.
        holder: Option<u32>,
    },
    /// It cannot be written.
    #[error("the data directory {} cannot be written: {source}. {}", path.display(), way_out(source))]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

fn way_out(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "Free some space, or use another one with --data-dir DIR"
        }
        _ => "Make it writable for this user, or use another one with --data-dir DIR",
    }
}

impl DataDir {
    /// Takes a directory for this process; makes it when it is not there.
    ///
    /// # Errors
    /// When it cannot be made or written, another version wrote it, or another process has it.
    pub fn open(root: &Path) -> Result<Self, DataDirError> {
        let unwritable = |path: &Path| {
            let path = path.to_path_buf();
            move |source: io::Error| match source.kind() {
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => DataDirError::NotADirectory { path },
                _ => DataDirError::Unwritable { path, source },
            }
        };
        fs::create_dir_all(root).map_err(unwritable(root))?;
        let lock = lock(root)?;
        let version_file = root.join("VERSION");
        match fs::read_to_string(&version_file) {
            Ok(found) if found.trim() == LAYOUT_VERSION => {}
            Ok(found) => {
                let found = crate::model::escape_controls(found.trim().get(..32).unwrap_or(found.trim())).into_owned();
                return Err(DataDirError::Version { path: root.to_path_buf(), found });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::write(&version_file, format!("{LAYOUT_VERSION}\n")).map_err(unwritable(&version_file))?;
            }
            Err(error) => return Err(unwritable(&version_file)(error)),
        }
        let dir = Self { root: root.to_path_buf(), _lock: lock };
        fs::create_dir_all(dir.logs()).map_err(unwritable(root))?;
        Ok(dir)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        journal_of(&self.root)
    }

    /// The books of the embedded exchange.
    pub fn simulator(&self) -> PathBuf {
        self.root.join("sim")
    }

    /// The `SQLite` projections.
    pub fn projections(&self) -> PathBuf {
        projections_of(&self.root)
    }

    /// Logs of the program.
    pub fn logs(&self) -> PathBuf {
        self.root.join("log")
    }
}

/// Where the journal of a data directory lies.
pub fn journal_of(root: &Path) -> PathBuf {
    root.join("journal")
}

/// Where the projections of a data directory lie.
pub fn projections_of(root: &Path) -> PathBuf {
    root.join("projections.sqlite")
}

fn lock(root: &Path) -> Result<File, DataDirError> {
    let path = root.join("LOCK");
    let unwritable = |source| DataDirError::Unwritable { path: path.clone(), source };
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => {
            // Only for the message that a second process shows.
            let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            Err(DataDirError::InUse { path: root.to_path_buf(), holder: holder.trim().parse().ok() })
        }
        Err(TryLockError::Error(source)) => Err(unwritable(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_held_and_released() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("a/b");
        let held = DataDir::open(&root).unwrap();
        let error = DataDir::open(&root).unwrap_err().to_string();
        assert!(error.contains("in use by another perpdeck (process "), "{error}");
        drop(held);
        DataDir::open(&root).unwrap();
    }

    #[test]
    fn another_version_is_named_with_ours_and_nothing_is_changed() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("VERSION"), "7\u{1b}[2J\n").unwrap();
        let error = DataDir::open(temp.path()).unwrap_err().to_string();
        assert!(error.contains("has version 7\\u{1b}[2J"), "{error}");
        assert!(error.contains("writes version 1"), "{error}");
        assert!(!temp.path().join("log").exists());
    }

    #[test]
    fn a_file_in_its_place_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let error = DataDir::open(&path).unwrap_err().to_string();
            assert!(error.contains("is not a directory"), "{error}");
        }
    }
}
