//! Recovery: finding the newest usable snapshot and proving the entries, before anything is changed.

use std::path::{Path, PathBuf};

use super::line::Sum;
use super::scan::{Scan, Step};
use super::segment::{self, Header};
use super::snapshot::{self, Snapshot};
use super::{Entries, Entry, JournalError, Options, order};

/// What was found when a journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The newest usable snapshot.
    pub snapshot: Option<Snapshot>,
    /// A torn end that was cut.
    pub torn: Option<Torn>,
    /// Snapshots that could not be used; an older one or the whole journal stood in.
    pub ignored: Vec<IgnoredSnapshot>,
    /// When the last entry was recorded; `None` when there is none.
    pub last_at: Option<i64>,
    /// When the entry that [`Options::look_at`] names was recorded; `None` when it was not read.
    pub looked_at: Option<i64>,
    /// Files and folders that others could read until now.
    pub tightened: usize,
    /// Those of them that nobody can read.
    pub(super) unreadable: Vec<PathBuf>,
    dir: PathBuf,
}

impl Opened {
    /// The entries after the snapshot, all of them when there is none, one at a time from the disk. To
    /// be taken before anything is appended.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn entries(&self) -> Result<Entries, JournalError> {
        let after = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        super::read_from(&self.dir, after.saturating_add(1))
    }
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

/// Says whether the state in a snapshot can be used, and why not.
pub type Judge<'a> = &'a mut dyn FnMut(&Snapshot) -> Result<(), String>;

/// Reads and proves a journal without changing anything; `None` when there is none.
///
/// # Errors
/// Damage, missing segments, another version, errors of the file system.
pub fn examine(dir: &Path, options: &Options, judge: Judge<'_>) -> Result<(Opened, Option<End>), JournalError> {
    let segments = segment::list(dir)?;
    let mut opened = Opened { dir: dir.to_path_buf(), ..Opened::default() };
    let mut usable = Vec::new();
    for (seq, file) in snapshot::list(dir)?.into_iter().rev() {
        match snapshot::read(&file, seq) {
            Ok((snapshot, chain)) => usable.push((snapshot, chain, file)),
            Err(why) => {
                opened.unreadable.push(file.clone());
                opened.ignored.push(IgnoredSnapshot { file, why });
            }
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
                None => Ok((opened, None)),
            };
        }
        Some((1, _)) => {}
        Some(_) => return Err(incomplete(format!("the first segment, {}, is missing", segment::file_name(1)))),
    }
    order::check_names(&segments)?;
    // Also of one that is not used: the entries that it stands on were here.
    let known_to = usable.iter().map(|(snapshot, ..)| snapshot.seq).max().unwrap_or(0);
    let candidates = usable.into_iter().map(Some).chain([None]);
    for candidate in candidates {
        if let Some((snapshot, _, file)) = &candidate {
            let judged = if snapshot.stamp == options.stamp {
                judge(snapshot)
            } else {
                Err("another version of perpdeck made it".into())
            };
            if let Err(why) = judged {
                opened.ignored.push(IgnoredSnapshot { file: file.clone(), why });
                continue;
            }
        }
        let after = candidate.as_ref().map_or(0, |(snapshot, ..)| snapshot.seq);
        let found = walk(&segments, after, options)?;
        if known_to >= found.end.due {
            return Err(incomplete(format!(
                "there is a snapshot after entry {known_to}, but the segments end with entry {}: the last segment is \
                 missing, or has lost its end",
                found.end.due.saturating_sub(1)
            )));
        }
        (opened.torn, opened.last_at, opened.looked_at) = (found.torn, found.last_at, found.looked_at);
        match candidate {
            None => return Ok((opened, Some(found.end))),
            Some((snapshot, chain, _)) if found.sum_at_snapshot == Some(chain) => {
                opened.snapshot = Some(snapshot);
                return Ok((opened, Some(found.end)));
            }
            Some((.., file)) => {
                let why = "it stands on another entry than the journal has".into();
                opened.ignored.push(IgnoredSnapshot { file, why });
            }
        }
    }
    Err(incomplete("no segment could be read".into()))
}

struct Found {
    torn: Option<Torn>,
    end: End,
    sum_at_snapshot: Option<Sum>,
    last_at: Option<i64>,
    looked_at: Option<i64>,
}

/// Proves the segments from the one with the entry `after` on, and some before it.
fn walk(segments: &[(u64, PathBuf)], after: u64, options: &Options) -> Result<Found, JournalError> {
    let from = first_to_prove(segments, after, options.prove_bytes)?;
    let (mut sum_at_snapshot, mut last_at, mut looked_at) = (None, None, None);
    let proved = segments.get(from..).unwrap_or_default();
    let (torn, end) = prove(proved, options.schema, &mut |entry, sum| {
        if entry.seq == after {
            sum_at_snapshot = Some(sum);
        }
        if options.look_at == Some(entry.seq) {
            looked_at = Some(entry.at);
        }
        last_at = Some(entry.at);
    })?;
    Ok(Found { torn, end, sum_at_snapshot, last_at, looked_at })
}

/// Proves segments that follow each other and shows each entry, without its body, with its sum.
///
/// # Errors
/// Damage; segments that do not follow each other; a schema beyond `known`; errors of the file system.
pub fn prove(
    segments: &[(u64, PathBuf)],
    known: u32,
    show: &mut dyn FnMut(&Entry, Sum),
) -> Result<(Option<Torn>, End), JournalError> {
    let mut torn = None;
    let mut ended: Option<(Scan, &PathBuf)> = None;
    let mut unended = false;
    for (index, (first, file)) in segments.iter().enumerate() {
        let next = segments.get(index.saturating_add(1));
        let limit = next.map(|(_, next)| Scan::open(next, None).map(|scan| scan.header().before)).transpose()?;
        // What is wrong here may be that another segment stood between this one and the next.
        let explain = |error: JournalError| match next {
            Some((_, next)) => order::explain(file, next, error),
            None => error,
        };
        let mut scan = Scan::open(file, limit).map_err(explain)?.without_bodies();
        let header = scan.header();
        if header.schema > known {
            return Err(JournalError::Schema { file: file.clone(), found: header.schema, known });
        }
        let due = ended.as_ref().map_or((*first, header.chain), |(before, _)| (before.due(), before.sum()));
        if (header.first, header.chain) != due || *first != due.0 {
            let what = format!(
                "it begins with entry {} and does not go on where the segment before it ends (entry {})",
                header.first,
                due.0.saturating_sub(1)
            );
            let seen = JournalError::damaged(file, 1, 0, None, what);
            return Err(match &ended {
                Some((_, before)) => order::explain(before, file, seen),
                None => seen,
            });
        }
        loop {
            let line = scan.line();
            let entry = match scan.step().map_err(explain)? {
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
            show(&entry, scan.sum());
            if unended {
                break;
            }
        }
        ended = Some((scan, file));
    }
    let Some((last, file)) = ended else {
        return Err(JournalError::Incomplete { dir: PathBuf::new(), what: "it has no segment".into() });
    };
    let (header, sum, offset, due) = (last.header(), last.sum(), last.offset(), last.due());
    Ok((torn, End { file: file.clone(), header, sum, offset, due, unended }))
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
