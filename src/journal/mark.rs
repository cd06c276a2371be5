//! Marks of a loss: a file in a journal's folder that says after which entry it was cut. Whoever cuts leaves
//! one, because the cut itself leaves no trace; what it means is the caller's business.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::segment::numbered;
use super::{JournalError, private};

const PREFIX: &str = "lost-after-";
/// So much of what is said in a mark is read.
const SAID: u64 = 64 * 1024;

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossMark {
    /// The last entry that was kept.
    pub after: u64,
    /// What is known of what is lost; empty when the mark does not say it.
    pub what: String,
    file: PathBuf,
}

/// The mark of a loss after this entry.
pub fn file_of(dir: &Path, after: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{after:020}"))
}

/// Whether a file of this name is a mark.
pub fn is_mark(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The marks in a journal's folder, in order.
///
/// # Errors
/// When the folder or a mark cannot be read.
pub fn loss_marks(dir: &Path) -> Result<Vec<LossMark>, JournalError> {
    let mut marks = Vec::new();
    for (after, file) in numbered(dir, PREFIX, "")? {
        let io = |source| JournalError::io("read", &file, source);
        let mut bytes = Vec::new();
        private::options().read(true).open(&file).map_err(io)?.take(SAID).read_to_end(&mut bytes).map_err(io)?;
        let what = String::from_utf8_lossy(&bytes).trim().to_owned();
        marks.push(LossMark { after, what, file });
    }
    Ok(marks)
}

/// Leaves a mark, durable.
///
/// # Errors
/// Of the disk.
pub fn mark_loss(dir: &Path, after: u64, what: &str) -> Result<(), JournalError> {
    let file = file_of(dir, after);
    private::write_whole(&file, what.as_bytes()).map_err(|source| JournalError::io("write", &file, source))
}

impl LossMark {
    /// Takes it away. One that stays is looked at again, nothing else.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.file);
    }
}
