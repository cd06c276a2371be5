//! Recovery: finding the newest usable snapshot and proving the entries, before anything is changed.

use std::path::{Path, PathBuf};

use super::line::Sum;
use super::scan::{Scan, Step};
use super::segment::{self, Header};
use super::snapshot::{self, Snapshot};
use super::{Entry, JournalError, Options};

/// What was found when a journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The entries after the snapshot; all of them when there is none.
    pub entries: Vec<Entry>,
    /// The newest usable snapshot.
    pub snapshot: Option<Snapshot>,
    /// A torn end that was cut.
    pub torn: Option<Torn>,
    /// Snapshots that could not be used; an older one or the whole journal stood in.
    pub ignored: Vec<IgnoredSnapshot>,
}

/// A last piece without a line end, which a crash left behind and which was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub file: PathBuf,
    /// The line that was not whole, from 1 on.
    pub line: u64,
    /// How many bytes were cut.
    pub bytes_cut: u64,
}

/// A snapshot that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredSnapshot {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

/// Where writing goes on.
pub struct End {
    /// The last segment.
    pub file: PathBuf,
    /// Its header.
    pub header: Header,
    /// Sum of its last line that counts.
    pub sum: Sum,
    /// Where the next line begins.
    pub offset: u64,
    /// Number of the next entry.
    pub due: u64,
    /// Whether the last entry lacks its line end.
    pub unended: bool,
}

/// Reads and proves a journal without changing anything; `None` when there is none.
///
/// # Errors
/// Damage, missing segments, another version, errors of the file system.
pub fn examine(dir: &Path, options: &Options) -> Result<(Opened, Option<End>), JournalError> {
    let segments = segment::list(dir)?;
    let mut ignored = Vec::new();
    let mut usable = Vec::new();
    for (seq, file) in snapshot::list(dir)?.into_iter().rev() {
        match snapshot::read(&file, seq) {
            Ok((snapshot, chain)) => usable.push((snapshot, chain, file)),
            Err(why) => ignored.push(IgnoredSnapshot { file, why }),
        }
    }
    let incomplete = |what: String| JournalError::Incomplete { dir: dir.to_path_buf(), what };
    match segments.first() {
        None => {
            return match usable.first() {
                Some((snapshot, ..)) => Err(incomplete(format!(
                    "there is a snapshot after entry {}, but no segment ({})",
                    snapshot.seq,
                    segment::file_name(1)
                ))),
                None => Ok((Opened { ignored, ..Opened::default() }, None)),
            };
        }
        Some((1, _)) => {}
        Some(_) => return Err(incomplete(format!("the first segment, {}, is missing", segment::file_name(1)))),
    }
    let candidates = usable.into_iter().map(Some).chain([None]);
    for candidate in candidates {
        let after = candidate.as_ref().map_or(0, |(snapshot, ..)| snapshot.seq);
        let found = walk(&segments, after, options)?;
        let Some((snapshot, chain, file)) = candidate else {
            let opened = Opened { entries: found.entries, snapshot: None, torn: found.torn, ignored };
            return Ok((opened, Some(found.end)));
        };
        if snapshot.seq >= found.end.due {
            return Err(incomplete(format!(
                "there is a snapshot after entry {}, but the segments end with entry {}",
                snapshot.seq,
                found.end.due.saturating_sub(1)
            )));
        }
        if found.sum_at_snapshot == Some(chain) {
            let opened = Opened { entries: found.entries, snapshot: Some(snapshot), torn: found.torn, ignored };
            return Ok((opened, Some(found.end)));
        }
        ignored.push(IgnoredSnapshot { file, why: "it stands on another entry than the journal has".into() });
    }
    Err(incomplete("no segment could be read".into()))
}

struct Found {
    entries: Vec<Entry>,
    torn: Option<Torn>,
    end: End,
    sum_at_snapshot: Option<Sum>,
}

/// Proves the segments and keeps the entries after `after`.
fn walk(segments: &[(u64, PathBuf)], after: u64, options: &Options) -> Result<Found, JournalError> {
    let from = first_to_prove(segments, after, options.prove_bytes)?;
    let mut entries = Vec::new();
    let mut sum_at_snapshot = None;
    let mut torn = None;
    let mut ended: Option<Scan> = None;
    let mut unended = false;
    let mut last_file = PathBuf::new();
    let proved = segments.get(from..).unwrap_or_default();
    for (index, (first, file)) in proved.iter().enumerate() {
        let next = proved.get(index.saturating_add(1));
        let limit = next.map(|(_, next)| Scan::open(next, None).map(|scan| scan.header().before)).transpose()?;
        let mut scan = Scan::open(file, limit)?;
        let due = match &ended {
            Some(before) => (before.due(), before.sum()),
            None => (*first, scan.header().chain),
        };
        if (scan.header().first, scan.header().chain) != due || *first != due.0 {
            return Err(JournalError::Damaged {
                file: file.clone(),
                line: 1,
                byte: 0,
                what: format!(
                    "it begins with entry {} and does not go on where the segment before it ends (entry {})",
                    scan.header().first,
                    due.0.saturating_sub(1)
                ),
            });
        }
        loop {
            let line = scan.line();
            let entry = match scan.step()? {
                Step::Entry(entry) => entry,
                Step::End => break,
                Step::Tail(tail) => {
                    unended = tail.entry.is_some();
                    if tail.cut > 0 {
                        torn = Some(Torn { file: file.clone(), line, bytes_cut: tail.cut });
                    }
                    match tail.entry {
                        Some(entry) => entry,
                        None => break,
                    }
                }
            };
            if entry.seq == after {
                sum_at_snapshot = Some(scan.sum());
            }
            if entry.seq > after {
                entries.push(entry);
            }
            if unended {
                break;
            }
        }
        last_file.clone_from(file);
        ended = Some(scan);
    }
    let Some(last) = ended else {
        return Err(JournalError::Incomplete { dir: last_file, what: "it has no segment".into() });
    };
    let end = End {
        file: last_file,
        header: last.header(),
        sum: last.sum(),
        offset: last.offset(),
        due: last.due(),
        unended,
    };
    Ok(Found { entries, torn, end, sum_at_snapshot })
}

/// The first segment to read: the one with the snapshot's entry, and as many before it as the
/// budget allows.
fn first_to_prove(segments: &[(u64, PathBuf)], after: u64, budget: u64) -> Result<usize, JournalError> {
    let mut left = budget;
    let mut from = segments.len();
    for (index, (_, file)) in segments.iter().enumerate().rev() {
        let length = std::fs::metadata(file).map_err(|source| JournalError::io("read", file, source))?.len();
        let needed = segments.get(index.saturating_add(1)).is_none_or(|(next, _)| *next > after);
        if !needed && length > left {
            break;
        }
        left = left.saturating_sub(length);
        from = index;
    }
    Ok(from)
}
