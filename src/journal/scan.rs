//! Reading one segment, every line proved.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::line::{Line, Sum, decode};
use super::segment::Header;
use super::{Entry, JournalError, private};

/// A segment that is being read.
pub struct Scan {
    reader: BufReader<File>,
    file: PathBuf,
    header: Header,
    /// How many bytes count, when a later segment says so.
    limit: Option<u64>,
    buffer: Vec<u8>,
    /// Number of the line that is read next, from 1 on.
    line: u64,
    /// Where it begins.
    offset: u64,
    /// Sum of the line before it.
    sum: Sum,
    due: u64,
    /// Whether entries come with their bodies.
    bodies: bool,
}

/// What stands at the place that was read.
pub enum Step {
    /// A whole entry with its line end.
    Entry(Entry),
    /// The end, cleanly.
    End,
    /// The last piece, which has no line end.
    Tail(Tail),
}

/// A last piece without a line end.
pub struct Tail {
    /// The entry, when it is whole and only the line end is missing.
    pub entry: Option<Entry>,
    /// How many bytes are to be cut: all but the entry.
    pub cut: u64,
}

impl Scan {
    /// Opens a segment and proves its header. `limit`: how much of it counts, when a later segment
    /// says so; without, it is the last one and may have a torn end.
    ///
    /// # Errors
    /// Damage, another version, or errors of the file system.
    pub fn open(file: &Path, limit: Option<u64>) -> Result<Self, JournalError> {
        let io = |source| JournalError::io("read", file, source);
        let handle = private::options().read(true).open(file).map_err(io)?;
        let length = handle.metadata().map_err(io)?.len();
        let mut reader = BufReader::with_capacity(256 * 1024, handle);
        let mut buffer = Vec::new();
        reader.read_until(b'\n', &mut buffer).map_err(io)?;
        let damaged = |what: String| JournalError::damaged(file, 1, 0, None, what);
        let Some(line) = buffer.strip_suffix(b"\n") else {
            return Err(damaged("the header is not whole".into()));
        };
        let (header, sum) = Header::decode(line, file)?;
        if let Some(limit) = limit
            && length < limit
        {
            return Err(damaged(format!("the file has {length} bytes, the segment after it says {limit}")));
        }
        let offset = size(&buffer);
        let file = file.to_path_buf();
        let due = header.first;
        Ok(Self { reader, file, header, limit, buffer, line: 2, offset, sum, due, bodies: true })
    }

    /// Proves only: the bodies of the entries are left empty.
    #[must_use]
    pub fn without_bodies(mut self) -> Self {
        self.bodies = false;
        self
    }

    /// The header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Sum of the last line that was read.
    pub fn sum(&self) -> Sum {
        self.sum
    }

    /// Number of the entry that comes next.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// Where the next line begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Number of the next line, from 1 on.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Reads on.
    ///
    /// # Errors
    /// Damage, or errors of the file system.
    pub fn step(&mut self) -> Result<Step, JournalError> {
        if self.limit.is_some_and(|limit| self.offset >= limit) {
            return Ok(Step::End);
        }
        self.buffer.clear();
        self.reader
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| JournalError::io("read", &self.file, source))?;
        if self.buffer.is_empty() {
            return Ok(Step::End);
        }
        let Some(line) = self.buffer.strip_suffix(b"\n") else {
            return self.tail().map(Step::Tail);
        };
        let line = decode(line, self.due, self.sum).map_err(|what| self.damaged(what))?;
        let (entry, sum) = (self.entry(line), line.sum);
        self.advance(sum, size(&self.buffer));
        if self.limit.is_some_and(|limit| self.offset > limit) {
            return Err(self.damaged("the segment after this one begins within this line".into()));
        }
        Ok(Step::Entry(entry))
    }

    /// Judges a last piece without a line end; the module's documentation has the rule.
    fn tail(&mut self) -> Result<Tail, JournalError> {
        if self.limit.is_some() {
            return Err(self.damaged("the line has no end, and this is not the last segment".into()));
        }
        let zeros = self.buffer.iter().rev().take_while(|b| **b == 0).count();
        let kept = self.buffer.len().saturating_sub(zeros);
        let piece = self.buffer.get(..kept).unwrap_or_default();
        if let Ok(line) = decode(piece, self.due, self.sum) {
            let (entry, sum, whole) = (self.entry(line), line.sum, size(piece));
            self.advance(sum, whole);
            return Ok(Tail { entry: Some(entry), cut: u64::try_from(zeros).unwrap_or(u64::MAX) });
        }
        let mark = b",\"sum\":\"";
        let followed = (0..piece.len())
            .filter(|at| piece.get(*at..).is_some_and(|rest| rest.starts_with(mark)))
            .filter_map(|at| piece.get(..at.saturating_add(18)))
            .any(|prefix| decode(prefix, self.due, self.sum).is_ok());
        if followed {
            return Err(self.damaged("a whole entry is followed by other bytes instead of a line end".into()));
        }
        Ok(Tail { entry: None, cut: size(&self.buffer) })
    }

    fn entry(&self, line: Line<'_>) -> Entry {
        let body = if self.bodies { line.body.to_owned() } else { String::new() };
        Entry { seq: self.due, at: line.at, schema: self.header.schema, body }
    }

    fn advance(&mut self, sum: Sum, bytes: u64) {
        self.sum = sum;
        self.offset = self.offset.saturating_add(bytes);
        self.line = self.line.saturating_add(1);
        self.due = self.due.saturating_add(1);
    }

    fn damaged(&self, what: String) -> JournalError {
        JournalError::damaged(&self.file, self.line, self.offset, Some(self.due), what)
    }
}

/// The length of a buffer as a file offset.
pub fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
