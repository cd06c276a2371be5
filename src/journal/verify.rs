//! What a journal holds, or where it is damaged, without opening it for writing.

use std::path::{Path, PathBuf};

use super::open::{Torn, prove};
use super::scan::Scan;
use super::{JournalError, order, segment, snapshot};

/// A segment as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub file: PathBuf,
    /// Number of its first entry.
    pub first: u64,
    /// How many entries of it count.
    pub entries: u64,
    /// Its length, bytes.
    pub bytes: u64,
    /// The schema of its bodies.
    pub schema: u32,
}

/// A snapshot as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotReport {
    /// The file.
    pub file: PathBuf,
    /// The entry that it stands on.
    pub seq: u64,
    /// Why it cannot be used; `None` when it can.
    pub problem: Option<String>,
}

/// What a journal holds.
#[derive(Debug, Default)]
pub struct Verified {
    /// The segments, in order, up to the first that is damaged.
    pub segments: Vec<SegmentReport>,
    /// The snapshots, in order.
    pub snapshots: Vec<SnapshotReport>,
    /// Number and time (microseconds since 1970) of the first entry.
    pub first: Option<(u64, i64)>,
    /// Number and time of the last entry that could be read.
    pub last: Option<(u64, i64)>,
    /// How many entries were read.
    pub entries: u64,
    /// A last line without its end: it is being written, or the next start cuts it.
    pub unfinished: Option<Torn>,
    /// What is wrong, with what to do.
    pub damage: Option<JournalError>,
}

/// Reads everything, proves every line, and says what is there. `known`: the newest schema that is
/// understood.
///
/// # Errors
/// When the directory cannot be read at all. Damage is in the answer.
pub fn verify(dir: &Path, known: u32) -> Result<Verified, JournalError> {
    let segments = segment::list(dir)?;
    let mut found = Verified::default();
    let mut sums = Vec::new();
    let snapshots = snapshot::list(dir)?;
    let wanted: Vec<u64> = snapshots.iter().map(|(seq, _)| *seq).collect();
    let damage = walk(dir, &segments, known, &wanted, &mut found, &mut sums).err();
    let last = found.last.map_or(0, |(seq, _)| seq);
    for (seq, file) in snapshots {
        let problem = match snapshot::read(&file, seq) {
            Err(why) => Some(why),
            Ok(_) if seq > last => {
                Some(format!("it stands on entry {seq}, the entries that were read end with {last}"))
            }
            Ok((_, chain)) if !sums.contains(&(seq, chain)) => {
                Some("it stands on another entry than the journal has".to_owned())
            }
            Ok(_) => None,
        };
        found.snapshots.push(SnapshotReport { file, seq, problem });
    }
    found.damage = damage.or_else(|| {
        let ahead = found.snapshots.iter().find(|snapshot| snapshot.seq > last)?;
        let what = format!(
            "there is a snapshot after entry {}, but the segments end with entry {last}: the last segment is missing, \
             or has lost its end",
            ahead.seq
        );
        Some(JournalError::Incomplete { dir: dir.to_path_buf(), what })
    });
    Ok(found)
}

fn walk(
    dir: &Path,
    segments: &[(u64, PathBuf)],
    known: u32,
    wanted: &[u64],
    found: &mut Verified,
    sums: &mut Vec<(u64, super::line::Sum)>,
) -> Result<(), JournalError> {
    match segments.first() {
        None => return Ok(()),
        Some((1, _)) => {}
        Some(_) => {
            let what = format!("the first segment, {}, is missing", segment::file_name(1));
            return Err(JournalError::Incomplete { dir: dir.to_path_buf(), what });
        }
    }
    order::check_names(segments)?;
    for (first, file) in segments {
        let header = Scan::open(file, None)?.header();
        let bytes = std::fs::metadata(file).map_err(|source| JournalError::io("read", file, source))?.len();
        found.segments.push(SegmentReport {
            file: file.clone(),
            first: *first,
            entries: 0,
            bytes,
            schema: header.schema,
        });
    }
    let Verified { segments: reports, first, last, entries, .. } = found;
    let proved = prove(segments, known, &mut |entry, sum| {
        if first.is_none() {
            *first = Some((entry.seq, entry.at));
        }
        *last = Some((entry.seq, entry.at));
        *entries = entries.saturating_add(1);
        if let Some(report) = reports.iter_mut().rev().find(|report| report.first <= entry.seq) {
            report.entries = report.entries.saturating_add(1);
        }
        if wanted.contains(&entry.seq) {
            sums.push((entry.seq, sum));
        }
    });
    let (torn, _) = proved?;
    found.unfinished = torn;
    Ok(())
}
