//! A file that one process holds. Given back by word, not by closing it: a child that is being started at
//! that moment has the file open too, and would keep the lock until it runs.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::private;

/// A lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock(File);

/// Why a lock was not taken.
#[derive(Debug)]
pub enum NotTaken {
    /// Another process has it; its id, when it can be read.
    Held(Option<u32>),
    /// The file cannot be opened, locked or made.
    Io(io::Error),
}

impl Lock {
    /// Takes the lock of this file and writes who holds it, for the message that a second process shows.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn take(path: &Path) -> Result<Self, NotTaken> {
        let mut options = private::options();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(NotTaken::Io)?;
        match file.try_lock() {
            Ok(()) => {
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                Err(NotTaken::Held(holder.trim().parse().ok()))
            }
            Err(TryLockError::Error(source)) => Err(NotTaken::Io(source)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it gives it back all the same, a moment later at the worst.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_given_back_though_a_child_has_the_file_open_still() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::take(&path).unwrap();
        // As a fork does: the same open file.
        let of_the_child = lock.0.try_clone().unwrap();
        assert!(matches!(Lock::take(&path), Err(NotTaken::Held(Some(pid))) if pid == std::process::id()));
        drop(lock);
        let again = Lock::take(&path).unwrap();
        drop(of_the_child);
        assert!(matches!(Lock::take(&path), Err(NotTaken::Held(_))), "the one that has it now keeps it");
        drop(again);
    }
}
