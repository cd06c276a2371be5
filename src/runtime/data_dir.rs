//! The data directory of a session: what lies where, which version wrote it, and that only one
//! process works on it.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::journal::lock::{Lock, NotTaken};
use crate::journal::private::{self, PrivateError};
use crate::model::escape_controls;

/// The version of the layout that this program writes; it reads this one and all before it. 1 is that
/// of version 0.1.0, which refuses what has a later one.
pub const LAYOUT_VERSION: u32 = 2;

/// A data directory that this process holds until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    _lock: Lock,
    outdated: bool,
    note: Option<String>,
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
        "the data directory {} has version {found}, this program reads versions 1 to {LAYOUT_VERSION}. Use the \
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
    /// It is not this user's alone, or a link stands in it.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// A folder stands where a file of it is due.
    #[error(
        "{} is a folder, and perpdeck keeps a file of that name in its data directory. Move the folder away, or use \
         another data directory with --data-dir DIR",
        path.display()
    )]
    NotAFile {
        /// The folder.
        path: PathBuf,
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
                io::ErrorKind::IsADirectory => DataDirError::NotAFile { path },
                _ => DataDirError::Unwritable { path, source },
            }
        };
        private::make_folder(root).map_err(unwritable(root))?;
        let version_file = root.join("VERSION");
        let is_new = !version_file.exists();
        let tightened = private::settle(root, is_ours)?;
        let lock = lock(root)?;
        let found = match read_version(&version_file) {
            Ok(found) => found,
            Err(error) => return Err(unwritable(&version_file)(error)),
        };
        let mut notes = Vec::new();
        if tightened > 0 && !is_new {
            notes.push(format!(
                "{} was open to other users of this machine ({tightened} folders and files); now only to you",
                root.display()
            ));
        }
        let write = || {
            let text = format!("{LAYOUT_VERSION}\n");
            private::write_whole(&version_file, text.as_bytes()).map_err(unwritable(&version_file))
        };
        let outdated = match found.as_deref().map(|text| (text, text.parse::<u32>())) {
            None => {
                write()?;
                false
            }
            // A power cut after its first start leaves version 0.1.0 with this. What the journal is, its
            // own files say.
            Some(("", _)) => {
                write()?;
                notes.push("its file VERSION was empty, as a power cut leaves it; it was written anew".to_owned());
                false
            }
            Some((_, Ok(LAYOUT_VERSION))) => false,
            Some((_, Ok(version))) if (1..LAYOUT_VERSION).contains(&version) => true,
            Some((text, _)) => {
                let found = escape_controls(&text.chars().take(32).collect::<String>()).into_owned();
                return Err(DataDirError::Version { path: root.to_path_buf(), found });
            }
        };
        let note = (!notes.is_empty()).then(|| format!("the data directory: {}", notes.join("; ")));
        let dir = Self { root: root.to_path_buf(), _lock: lock, outdated, note };
        for folder in [dir.logs(), dir.journal(), dir.simulator()] {
            private::not_a_link(&folder)?;
        }
        private::make_folder(&dir.logs()).map_err(unwritable(root))?;
        private::settle(&dir.logs(), |_| true)?;
        Ok(dir)
    }

    /// Marks what an older version wrote as this version's: to be called when it was understood, before
    /// it is written to.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn take_over(&mut self) -> Result<(), DataDirError> {
        if !self.outdated {
            return Ok(());
        }
        let path = self.root.join("VERSION");
        private::write_whole(&path, format!("{LAYOUT_VERSION}\n").as_bytes())
            .map_err(|source| DataDirError::Unwritable { path, source })?;
        self.outdated = false;
        Ok(())
    }

    /// What a person should know: rights were taken from others, a file was repaired. Told once.
    pub fn take_note(&mut self) -> Option<String> {
        self.note.take()
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

/// Whether a file directly in a data directory is ours.
fn is_ours(name: &str) -> bool {
    matches!(name, "VERSION" | "VERSION.tmp" | "LOCK" | "journal" | "sim" | "log")
        || name.starts_with("projections") && name.contains(".sqlite")
}

/// What the version file says; `None` when there is none.
fn read_version(file: &Path) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    match private::options().read(true).open(file) {
        Ok(handle) => handle.take(4_096).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&text);
    Ok(Some(text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()))
}

fn lock(root: &Path) -> Result<Lock, DataDirError> {
    let path = root.join("LOCK");
    Lock::take(&path).map_err(|why| match why {
        NotTaken::Held(holder) => DataDirError::InUse { path: root.to_path_buf(), holder },
        NotTaken::Io(source) if source.kind() == io::ErrorKind::IsADirectory => DataDirError::NotAFile { path },
        NotTaken::Io(source) => DataDirError::Unwritable { path, source },
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

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
        assert!(error.contains("reads versions 1 to 2"), "{error}");
        assert!(!temp.path().join("log").exists());
    }

    #[test]
    fn an_older_version_is_taken_over_only_when_it_was_understood() {
        let temp = tempfile::tempdir().unwrap();
        let version = temp.path().join("VERSION");
        fs::write(&version, "1\n").unwrap();
        fs::set_permissions(&version, fs::Permissions::from_mode(0o644)).unwrap();
        let mut dir = DataDir::open(temp.path()).unwrap();
        assert_eq!(fs::read_to_string(&version).unwrap(), "1\n");
        assert!(dir.take_note().unwrap().contains("was open to other users"));
        dir.take_over().unwrap();
        drop(dir);
        assert_eq!(fs::read_to_string(&version).unwrap(), "2\n");
        assert_eq!(DataDir::open(temp.path()).unwrap().take_note(), None, "told once");
    }

    #[test]
    fn a_version_file_that_a_power_cut_emptied_is_written_anew_and_told() {
        for left in ["", "\n", "\0\0"] {
            let temp = tempfile::tempdir().unwrap();
            fs::write(temp.path().join("VERSION"), left).unwrap();
            let mut dir = DataDir::open(temp.path()).unwrap();
            assert!(dir.take_note().unwrap().contains("VERSION was empty"));
            drop(dir);
            assert_eq!(fs::read_to_string(temp.path().join("VERSION")).unwrap(), "2\n");
            assert!(!temp.path().join("VERSION.tmp").exists());
        }
    }

    #[test]
    fn a_link_in_the_place_of_any_file_or_folder_is_refused_by_name() {
        for name in ["VERSION", "LOCK", "projections.sqlite", "journal", "sim", "log"] {
            let temp = tempfile::tempdir().unwrap();
            let (root, victim) = (temp.path().join("data"), temp.path().join("victim"));
            fs::create_dir(&root).unwrap();
            fs::write(&victim, "precious").unwrap();
            std::os::unix::fs::symlink(&victim, root.join(name)).unwrap();
            let error = DataDir::open(&root).unwrap_err().to_string();
            assert!(error.contains(&format!("/data/{name} is a link")), "{error}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        }
    }

    #[test]
    fn a_folder_in_the_place_of_a_file_is_named_as_one() {
        for name in ["LOCK", "VERSION"] {
            let temp = tempfile::tempdir().unwrap();
            fs::create_dir(temp.path().join(name)).unwrap();
            let error = DataDir::open(temp.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("/{name} is a folder")) && error.contains("Move the folder"), "{error}");
        }
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
