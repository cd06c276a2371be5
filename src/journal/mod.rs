//! A durable log of records. It knows bytes, not trading.
//!
//! A journal is a directory of segments, `segment-<first seq>.jsonl`. The first line of a segment is
//! its header (format version, number of its first entry, end of the segment before it, schema of the
//! bodies when it is not 1); every other line is one entry:
//!
//! ```text
//! {"seq":1,"at":"2026-11-23T14:22:07.418123Z","body":{...},"sum":"9f1c03ab"}
//! ```
//!
//! `sum` is the CRC-32 of the sum of the line before and of this line up to its own sum, so a line
//! that was changed, lost, doubled or moved does not fit.
//!
//! # What may be cut, and what never is
//! A line is written whole and acknowledged only after fdatasync. So what a crash or a power cut can
//! leave behind is a last piece **without a line end**: the beginning of a line, any garbage, a run
//! of zeros. Only that is cut at the next open, and reported ([`Torn`]). A whole entry whose line
//! end alone is missing (or is zeros) is kept. Everything else is damage and stops the open with
//! file, line and what to do, and nothing on disk is changed: a line with a line end whose sum does
//! not fit, even the last one, because it may have been acknowledged; a whole entry that is followed
//! by other bytes instead of a line end; anything in a segment that is not the last.
//!
//! # When the disk fails
//! A failed write may be tried again. After a failed fdatasync the kernel may have thrown the pages
//! away and a second call would report a success that is none, so the error stays: the journal
//! refuses to write until [`Journal::recover`] has put everything since the last good fdatasync into
//! a fresh segment, whose header says how much of the old one still counts.

mod disk;
mod error;
mod line;
pub mod lock;
mod mark;
mod open;
mod order;
pub mod private;
mod read;
mod scan;
mod segment;
mod snapshot;
mod verify;
mod way_out;
mod writer;

pub use disk::{Disk, DiskFile, RealDisk};
pub use error::JournalError;
pub use mark::{LossMark, loss_marks, mark_loss};
pub use open::{IgnoredSnapshot, Opened, Torn};
pub use read::{Entries, read, read_from};
pub use snapshot::Snapshot;
pub use verify::{SegmentReport, SnapshotReport, Verified, verify};
pub use writer::{Hold, Journal, Options, hold};

/// The version of the format that this program reads and writes.
pub const FORMAT_VERSION: u64 = 1;

/// The schema of bodies in segments that do not name one. What a schema means is the caller's business:
/// the journal only keeps the number with each entry and refuses one that is newer than the caller's.
pub const FIRST_SCHEMA: u32 = 1;

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1 on, without gaps.
    pub seq: u64,
    /// When it was recorded, microseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// The schema that its body was written in.
    pub schema: u32,
    /// One JSON object.
    pub body: String,
}
