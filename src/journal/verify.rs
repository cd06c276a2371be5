//! What a journal holds, or where it is damaged, without opening it for writing.

use std::path::{Path, PathBuf};

use super::line::Sum;
use super::open::{Torn, prove};
use super::scan::{Scan, Step};
use super::{Entry, FIRST_SCHEMA, JournalError, order, private, segment, snapshot};

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
    /// What is wrong with it by itself; `None` when nothing is.
    pub problem: Option<String>,
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
    /// The segments, in order; when one is damaged, each as it is by itself.
    pub segments: Vec<SegmentReport>,
    /// The snapshots, in order.
    pub snapshots: Vec<SnapshotReport>,
    /// Number and time (microseconds since 1970) of the first entry.
    pub first: Option<(u64, i64)>,
    /// Number and time of the last entry that could be read.
    pub last: Option<(u64, i64)>,
    /// When the entry that was asked for was recorded; `None` when it was not read.
    pub looked_at: Option<i64>,
    /// How many entries were read.
    pub entries: u64,
    /// A last line without its end: it is being written, or the next start cuts it.
    pub unfinished: Option<Torn>,
    /// What is wrong, with what to do.
    pub damage: Option<JournalError>,
}

/// Reads everything, proves every line, and says what is there. `known`: the newest schema that is
/// understood; `look_at`: an entry whose time is told.
///
/// # Errors
/// When the directory cannot be read at all. Damage is in the answer.
pub fn verify(dir: &Path, known: u32, look_at: Option<u64>) -> Result<Verified, JournalError> {
    let segments = segment::list(dir)?;
    let snapshots = snapshot::list(dir)?;
    let mut reader = Reader { found: Verified::default(), wanted: Vec::new(), sums: Vec::new(), look_at };
    reader.wanted.extend(snapshots.iter().map(|(seq, _)| *seq));
    if let Err(damage) = reader.in_order(dir, &segments, known) {
        // What is not in order may be good all the same: each file is read by itself.
        reader.found = Verified { damage: Some(damage), ..Verified::default() };
        reader.sums.clear();
        for (index, (named, file)) in segments.iter().enumerate() {
            reader.alone(*named, file, segments.get(index.saturating_add(1)));
        }
    }
    let Reader { mut found, sums, .. } = reader;
    let last = found.last.map_or(0, |(seq, _)| seq);
    let mut ahead = None;
    for (seq, file) in snapshots {
        let problem = match snapshot::read(&file, seq) {
            // A snapshot is a cache: one that nobody can read says nothing of the entries.
            Err(why) => Some(why),
            Ok(_) if seq > last => {
                ahead = ahead.max(Some(seq));
                Some(format!("it stands on entry {seq}, the entries that were read end with {last}"))
            }
            Ok((_, chain)) if !sums.contains(&(seq, chain)) => {
                Some("it stands on another entry than the journal has".to_owned())
            }
            Ok(_) => None,
        };
        found.snapshots.push(SnapshotReport { file, seq, problem });
    }
    found.damage = found.damage.or_else(|| {
        let what = format!(
            "there is a snapshot after entry {}, but the segments end with entry {last}: the last segment is missing, \
             or has lost its end",
            ahead?
        );
        Some(JournalError::Incomplete { dir: dir.to_path_buf(), what })
    });
    Ok(found)
}

struct Reader {
    found: Verified,
    /// Entries that snapshots stand on, and what was found there.
    wanted: Vec<u64>,
    sums: Vec<(u64, Sum)>,
    look_at: Option<u64>,
}

impl Reader {
    fn in_order(&mut self, dir: &Path, segments: &[(u64, PathBuf)], known: u32) -> Result<(), JournalError> {
        match segments.first() {
            None => return Ok(()),
            Some((1, _)) => {}
            Some(_) => {
                let what = format!("the first segment, {}, is missing", segment::file_name(1));
                return Err(JournalError::Incomplete { dir: dir.to_path_buf(), what });
            }
        }
        for (_, file) in segments {
            private::not_a_link(file)?;
        }
        order::check_names(segments)?;
        for (first, file) in segments {
            let schema = Scan::open(file, None)?.header().schema;
            self.found.segments.push(report(*first, file, schema));
        }
        let (torn, _) = prove(segments, known, &mut |entry, sum| {
            let index = segments.partition_point(|(first, _)| *first <= entry.seq).saturating_sub(1);
            self.take(index, entry, sum);
        })?;
        self.found.unfinished = torn;
        Ok(())
    }

    /// Reads a segment as if there were no other, up to what is wrong with it.
    fn alone(&mut self, named: u64, file: &Path, next: Option<&(u64, PathBuf)>) {
        let index = self.found.segments.len();
        self.found.segments.push(report(named, file, FIRST_SCHEMA));
        let problem = self.read_alone(index, named, file, next).err().map(|error| error.brief());
        if let Some(report) = self.found.segments.get_mut(index) {
            report.problem = report.problem.take().or(problem);
        }
    }

    fn read_alone(
        &mut self,
        index: usize,
        named: u64,
        file: &Path,
        next: Option<&(u64, PathBuf)>,
    ) -> Result<(), JournalError> {
        private::not_a_link(file)?;
        let header = Scan::open(file, None)?.header();
        if let Some(report) = self.found.segments.get_mut(index) {
            (report.first, report.schema) = (header.first, header.schema);
            if header.first != named {
                report.problem = Some(format!("it begins with entry {}, its name says {named}", header.first));
            }
        }
        // How much of it counts, the segment after it says, when it is the one after it.
        let limit = next.and_then(|(next, file)| {
            let after = Scan::open(file, None).ok()?.header();
            (header.first == named && after.first == *next).then_some(after.before)
        });
        let mut scan = Scan::open(file, limit).or_else(|_| Scan::open(file, None))?.without_bodies();
        loop {
            let entry = match scan.step()? {
                Step::Entry(entry) => entry,
                Step::End => return Ok(()),
                Step::Tail(tail) => {
                    if let Some(entry) = tail.entry {
                        self.take(index, &entry, scan.sum());
                    }
                    return Ok(());
                }
            };
            self.take(index, &entry, scan.sum());
        }
    }

    fn take(&mut self, index: usize, entry: &Entry, sum: Sum) {
        let (found, at) = (&mut self.found, (entry.seq, entry.at));
        found.first = Some(found.first.map_or(at, |first| first.min(at)));
        found.last = Some(found.last.map_or(at, |last| last.max(at)));
        found.entries = found.entries.saturating_add(1);
        if let Some(report) = found.segments.get_mut(index) {
            report.entries = report.entries.saturating_add(1);
        }
        if self.look_at == Some(entry.seq) {
            found.looked_at = Some(entry.at);
        }
        if self.wanted.contains(&entry.seq) {
            self.sums.push((entry.seq, sum));
        }
    }
}

fn report(first: u64, file: &Path, schema: u32) -> SegmentReport {
    let bytes = std::fs::symlink_metadata(file).map_or(0, |seen| seen.len());
    SegmentReport { file: file.to_path_buf(), first, entries: 0, bytes, schema, problem: None }
}
