//! Reading a journal without opening it for writing: replay, projections, history. It may be read
//! while another process writes it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::line::Sum;
use super::scan::{Scan, Step};
use super::{Entry, JournalError, order, segment};

/// All entries of a journal, in order.
///
/// # Errors
/// When the directory cannot be read.
pub fn read(dir: &Path) -> Result<Entries, JournalError> {
    read_from(dir, 1)
}

/// The entries from `seq` on.
///
/// # Errors
/// When the directory cannot be read.
pub fn read_from(dir: &Path, seq: u64) -> Result<Entries, JournalError> {
    let segments = segment::list(dir)?;
    let skip = segments.iter().rposition(|(first, _)| *first <= seq).unwrap_or(0);
    Ok(Entries { from: seq, left: segments.into_iter().skip(skip).collect(), current: None, ended: None, done: false })
}

/// The entries of a journal. Each line is proved; after an error the iterator has ended. A last
/// line that is still being written is not an error: the iterator ends before it.
pub struct Entries {
    from: u64,
    left: VecDeque<(u64, PathBuf)>,
    current: Option<(Scan, PathBuf)>,
    /// Where the segment before ended: number of the entry that is due, sum of the last line, its file.
    ended: Option<(u64, Sum, PathBuf)>,
    done: bool,
}

impl Entries {
    fn advance(&mut self) -> Result<Option<Entry>, JournalError> {
        loop {
            let Some((scan, file)) = self.current.as_mut() else {
                let Some((_, file)) = self.left.pop_front() else { return Ok(None) };
                let limit = match self.left.front() {
                    Some((_, next)) => Some(Scan::open(next, None)?.header().before),
                    None => None,
                };
                let scan = Scan::open(&file, limit).map_err(|error| match self.left.front() {
                    Some((_, next)) => order::explain(&file, next, error),
                    None => error,
                })?;
                let header = scan.header();
                if let Some((due, sum, before)) = &self.ended
                    && (*due, *sum) != (header.first, header.chain)
                {
                    let what = "it does not go on where the segment before it ends".into();
                    let seen = JournalError::damaged(&file, 1, 0, None, what);
                    return Err(order::explain(before, &file, seen));
                }
                self.current = Some((scan, file));
                continue;
            };
            match scan.step().map_err(|error| match self.left.front() {
                Some((_, next)) => order::explain(file, next, error),
                None => error,
            })? {
                Step::Entry(entry) if entry.seq < self.from => {}
                Step::Entry(entry) => return Ok(Some(entry)),
                Step::End | Step::Tail(_) => {
                    self.ended = Some((scan.due(), scan.sum(), std::mem::take(file)));
                    self.current = None;
                }
            }
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.advance().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}
