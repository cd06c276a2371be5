//! Folders and files that belong to one user: nobody else may read or write them, whatever the umask
//! says, and a link in the place of one is never followed.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Mode of folders.
const FOLDER: u32 = 0o700;
/// Mode of files.
const FILE: u32 = 0o600;

/// `O_NOFOLLOW`: the last part of a path must not be a link.
const NO_FOLLOW: i32 = if cfg!(target_os = "macos") {
    0x100
} else if cfg!(any(target_arch = "aarch64", target_arch = "arm")) {
    0x8000
} else {
    0x2_0000
};

/// Why a folder or file is not safe to use.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// A link stands there.
    #[error(
        "{} is a link, and perpdeck follows none there: what it writes could destroy another file. Remove the link, \
         or name the place that it leads to",
        path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Neither a file nor a folder where one is due.
    #[error("{} is not a regular file: move it away, or use another directory", path.display())]
    NotAFile {
        /// As found.
        path: PathBuf,
    },
    /// Somebody else owns it.
    #[error(
        "{} belongs to another user (uid {owner}, this one is {user}): whoever owns it decides what is traded. Use a \
         directory of your own, or take it over with: chown -R {user} '{}'",
        path.display(),
        path.display()
    )]
    Foreign {
        /// The folder or file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        user: u32,
    },
    /// Others may write it.
    #[error(
        "{} can be written by others (mode {mode:o}), so somebody else may have changed what is traded. When you are \
         sure that nobody has, run: chmod -R go-rwx '{}'",
        path.display(),
        folder.display()
    )]
    Writable {
        /// The folder or file.
        path: PathBuf,
        /// The folder that is to be closed.
        folder: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// An error of the file system.
    #[error("cannot look after the rights of {}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Options that make private files and follow no link.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE).custom_flags(NO_FOLLOW);
    options
}

/// Makes a folder, and those above it that are not there, for this user alone.
///
/// # Errors
/// Those of the file system.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// Makes an empty file for this user alone when there is none; a link in its place is refused.
///
/// # Errors
/// [`PrivateError::Link`], and those of the file system.
pub fn make_file(path: &Path) -> Result<(), PrivateError> {
    not_a_link(path)?;
    let io = |source| PrivateError::Io { path: path.to_path_buf(), source };
    options().write(true).create(true).truncate(false).open(path).map(drop).map_err(io)
}

/// Refuses a link.
///
/// # Errors
/// [`PrivateError::Link`]; [`PrivateError::NotAFile`] when it is a pipe, a device or the like.
pub fn not_a_link(path: &Path) -> Result<(), PrivateError> {
    match fs::symlink_metadata(path) {
        Ok(seen) if seen.file_type().is_symlink() => Err(PrivateError::Link { path: path.to_path_buf() }),
        Ok(seen) if !seen.is_file() && !seen.is_dir() => Err(PrivateError::NotAFile { path: path.to_path_buf() }),
        // What is not there or cannot be looked at shows when it is opened.
        _ => Ok(()),
    }
}

/// Looks after a folder and the files in it that `ours` names: refuses links, other owners and what
/// others may write; takes the right to read away from others. Says of how many it took it.
///
/// # Errors
/// The first that is not safe; nothing was changed then.
pub fn settle(folder: &Path, ours: impl Fn(&str) -> bool) -> Result<usize, PrivateError> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| PrivateError::Io { path, source }
    };
    let user = rustix::process::geteuid().as_raw();
    let mut open_to_others = Vec::new();
    let mut check = |path: &Path, seen: &fs::Metadata, due: u32| {
        let (path_owned, mode) = (path.to_path_buf(), seen.mode() & 0o7777);
        if seen.uid() != user {
            return Err(PrivateError::Foreign { path: path_owned, owner: seen.uid(), user });
        }
        if mode & 0o022 != 0 {
            return Err(PrivateError::Writable { path: path_owned, folder: folder.to_path_buf(), mode });
        }
        if mode & 0o077 != 0 {
            // Only taken away: what is read-only for its owner stays so.
            open_to_others.push((path_owned, mode & due));
        }
        Ok(())
    };
    check(folder, &fs::metadata(folder).map_err(io(folder))?, FOLDER)?;
    for item in fs::read_dir(folder).map_err(io(folder))? {
        let item = item.map_err(io(folder))?;
        if !item.file_name().to_str().is_some_and(&ours) {
            continue;
        }
        let path = item.path();
        not_a_link(&path)?;
        match fs::symlink_metadata(&path) {
            Ok(seen) if seen.is_file() => check(&path, &seen, FILE)?,
            // Folders are looked after by whoever opens them. What has just gone needs nothing.
            _ => {}
        }
    }
    for (path, due) in &open_to_others {
        match fs::set_permissions(path, fs::Permissions::from_mode(*due)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(path)(error)),
            _ => {}
        }
    }
    Ok(open_to_others.len())
}

/// Puts a small file in place whole and durable, or not at all.
///
/// # Errors
/// Those of the file system; the file is as it was then.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let unfinished = PathBuf::from(name);
    let mut file = options().write(true).create(true).truncate(true).open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::File::open(folder)?.sync_all(),
        _ => fs::File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn what_others_may_read_is_closed_once_and_what_they_may_write_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let (folder, file) = (temp.path().join("folder"), temp.path().join("folder/file"));
        make_folder(&folder).unwrap();
        fs::write(&file, "").unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(settle(&folder, |_| true).unwrap(), 2);
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        assert_eq!(settle(&folder, |_| true).unwrap(), 0);
        for (path, open) in [(&folder, 0o770), (&file, 0o662)] {
            let before = mode(path);
            fs::set_permissions(path, fs::Permissions::from_mode(open)).unwrap();
            let error = settle(&folder, |_| true).unwrap_err();
            assert!(matches!(error, PrivateError::Writable { .. }), "{error}");
            assert_eq!(mode(path), open, "a refusal changes nothing");
            fs::set_permissions(path, fs::Permissions::from_mode(before)).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
        let error = settle(&folder, |_| true).unwrap_err();
        assert!(error.to_string().contains("link is a link"), "{error}");
        assert_eq!(settle(&folder, |name| name != "link").unwrap(), 0, "what is not ours is left alone");
    }

    #[test]
    fn no_link_is_followed_when_a_file_is_made() {
        let temp = tempfile::tempdir().unwrap();
        let (victim, link) = (temp.path().join("victim"), temp.path().join("link"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        assert!(options().write(true).create(true).truncate(true).open(&link).is_err());
        assert!(make_file(&link).is_err());
        assert!(make_file(&temp.path().join("fresh")).is_ok());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn a_small_file_is_whole_or_as_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("VERSION");
        write_whole(&file, b"1\n").unwrap();
        assert_eq!((fs::read_to_string(&file).unwrap().as_str(), mode(&file)), ("1\n", 0o600));
        // The place of the unfinished file cannot be written: the old content stays.
        fs::create_dir(temp.path().join("VERSION.tmp")).unwrap();
        assert!(write_whole(&file, b"2\n").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "1\n");
    }
}
