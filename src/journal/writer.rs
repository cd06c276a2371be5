//! Writing: a group of entries is appended in memory, handed to the system by one write, and made
//! durable by one fdatasync.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile, RealDisk};
use super::line::{self, Sum};
use super::lock::{Lock, NotTaken};
use super::open::{self, Judge, Opened};
use super::scan::size;
use super::segment::{self, Header};
use super::{FIRST_SCHEMA, JournalError, mark, private, snapshot};

/// Bytes since the last fdatasync at which [`Journal::flush`] does one by itself, so that what
/// [`Journal::recover`] must keep in memory stays small.
const UNSYNCED_SOFT: usize = 8 * 1024 * 1024;
/// Bytes that may wait for a disk that does not work.
const UNSYNCED_HARD: usize = 64 * 1024 * 1024;

/// How a journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Size at which a new segment is begun, bytes.
    pub segment_bytes: u64,
    /// How much history before the last snapshot is proved at the start, bytes, newest first. What
    /// is older is proved when it is read.
    pub prove_bytes: u64,
    /// The schema of the bodies that are appended, and the newest that is read.
    pub schema: u32,
    /// Which fold makes the snapshots: one that names another is not used. Empty: snapshots name none.
    pub stamp: String,
    /// An entry whose time is told at the open when it is among those that are proved.
    pub look_at: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            prove_bytes: 1024 * 1024 * 1024,
            schema: FIRST_SCHEMA,
            stamp: String::new(),
            look_at: None,
        }
    }
}

/// A journal that is open for writing. Only one process can have it.
pub struct Journal {
    dir: PathBuf,
    options: Options,
    disk: Box<dyn Disk>,
    /// Held until the journal is dropped.
    _lock: Lock,
    file: Box<dyn DiskFile>,
    path: PathBuf,
    header: Header,
    /// End of what is durable in the segment, and what stands there.
    synced: Mark,
    /// The lines since then; the first `written` bytes of them were handed to the system.
    unsynced: Vec<u8>,
    written: usize,
    next_seq: u64,
    sum: Sum,
    failed: Option<String>,
    /// Snapshots that nobody can read.
    junk: Vec<PathBuf>,
}

/// A place in a segment.
#[derive(Clone, Copy)]
struct Mark {
    offset: u64,
    next_seq: u64,
    sum: Sum,
}

impl Journal {
    /// Opens the journal in a directory, or makes it: proves what is there, cuts a torn end and
    /// reports it.
    ///
    /// # Errors
    /// Damage (nothing is changed then), another version, another process, a directory that cannot
    /// be written, a full disk.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Opened), JournalError> {
        Self::open_on(dir, options, Box::new(RealDisk))
    }

    /// Opens a journal on a given disk.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(dir: &Path, options: Options, disk: Box<dyn Disk>) -> Result<(Self, Opened), JournalError> {
        Self::open_judged(dir, options, disk, &mut |_| Ok(()))
    }

    /// Opens a journal on a given disk. `judge` says of a snapshot whether its state can be used; of
    /// the one that is used it was asked last.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_judged(
        dir: &Path,
        options: Options,
        disk: Box<dyn Disk>,
        judge: Judge<'_>,
    ) -> Result<(Self, Opened), JournalError> {
        private::not_a_link(dir)?;
        private::make_folder(dir).map_err(|source| JournalError::io("create", dir, source))?;
        let tightened = private::settle(dir, is_ours)?;
        let lock = lock(dir)?;
        let (mut opened, end) = open::examine(dir, &options, judge)?;
        opened.tightened = tightened;
        remove_unfinished(dir);
        let (file, path, header, mark) = match end {
            None => {
                let header = Header::start(options.schema);
                let (bytes, sum) = header.encode();
                let path = dir.join(segment::file_name(header.first));
                let file = publish(disk.as_ref(), dir, &path, &bytes)?;
                (file, path, header, Mark { offset: size(&bytes), next_seq: 1, sum })
            }
            Some(end) => {
                let io = |source| JournalError::io("write", &end.file, source);
                let mut file = disk.open(&end.file).map_err(io)?;
                let mut offset = end.offset;
                if opened.torn.is_some() {
                    file.set_len(offset).map_err(io)?;
                }
                if end.unended {
                    file.write_all_at(b"\n", offset).map_err(io)?;
                    offset = offset.saturating_add(1);
                }
                // What a process wrote that was killed is in memory only, perhaps.
                file.sync().map_err(io)?;
                (file, end.file, end.header, Mark { offset, next_seq: end.due, sum: end.sum })
            }
        };
        let journal = Self {
            dir: dir.to_path_buf(),
            options,
            disk,
            _lock: lock,
            file,
            path,
            header,
            synced: mark,
            unsynced: Vec::new(),
            written: 0,
            next_seq: mark.next_seq,
            sum: mark.sum,
            failed: None,
            junk: opened.unreadable.clone(),
        };
        Ok((journal, opened))
    }

    /// Number of the last entry; 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }

    /// Number of the last entry that is durable.
    pub fn durable_seq(&self) -> u64 {
        self.synced.next_seq.saturating_sub(1)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes an entry into memory and says its number. `body` is one JSON object on one line.
    ///
    /// # Errors
    /// [`JournalError::BadRecord`], or [`JournalError::Backlog`] when the disk has not worked for
    /// long. Nothing was taken then.
    pub fn append(&mut self, at_micros: i64, body: &str) -> Result<u64, JournalError> {
        if self.unsynced.len() >= UNSYNCED_HARD {
            return Err(JournalError::Backlog { path: self.path.clone(), bytes: self.unsynced.len() });
        }
        let seq = self.next_seq;
        self.sum = line::encode(&mut self.unsynced, seq, at_micros, body, self.sum)?;
        self.next_seq = seq.saturating_add(1);
        Ok(seq)
    }

    /// Hands what was appended to the system: it then survives the end of this process.
    ///
    /// # Errors
    /// Of the disk; it may be called again, nothing is lost. [`JournalError::InDoubt`] after a failed
    /// fdatasync.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.check()?;
        if self.header.schema != self.options.schema && !self.unsynced.is_empty() {
            // A segment has one schema: what is new begins another one.
            return self.begin_segment();
        }
        self.write_out()?;
        if self.unsynced.len() >= UNSYNCED_SOFT || self.end() >= self.options.segment_bytes {
            self.make_durable()?;
        }
        if self.end() >= self.options.segment_bytes && self.next_seq > self.header.first {
            self.begin_segment()?;
        }
        Ok(())
    }

    /// Makes what was appended durable: it then survives a power cut.
    ///
    /// # Errors
    /// Of the disk. A failed fdatasync stays ([`JournalError::InDoubt`]) until
    /// [`Journal::recover`] succeeds.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.flush()?;
        if self.unsynced.is_empty() { Ok(()) } else { self.make_durable() }
    }

    /// After a failed fdatasync: writes everything since the last good one into a fresh segment and
    /// makes that durable. Does nothing when no fdatasync failed.
    ///
    /// # Errors
    /// Of the disk; the journal stays in doubt, and this may be called again.
    pub fn recover(&mut self) -> Result<(), JournalError> {
        if self.failed.is_none() {
            return Ok(());
        }
        self.begin_segment()?;
        self.failed = None;
        Ok(())
    }

    /// Makes everything durable and keeps `body`, the state after the last entry, as a snapshot. Says
    /// which entry it stands on. The two newest snapshots that can be read are kept, and every segment.
    ///
    /// # Errors
    /// Of the disk, or [`JournalError::BadRecord`]. The journal itself goes on.
    pub fn snapshot(&mut self, body: &str) -> Result<u64, JournalError> {
        line::check_body(body)?;
        self.sync()?;
        let seq = self.last_seq();
        if seq == 0 {
            return Err(JournalError::BadRecord { what: "a snapshot of a journal without entries".into() });
        }
        let path = self.dir.join(snapshot::file_name(seq));
        // In a segment that has no entry yet the last entry is the one that its header is chained to.
        let stands_on = if self.next_seq == self.header.first { self.header.chain } else { self.sum };
        publish(self.disk.as_ref(), &self.dir, &path, &snapshot::encode(seq, stands_on, &self.options.stamp, body))?;
        // What stands on an entry that is yet to come is left alone, and takes no good one's place.
        let mut good = 0_usize;
        for (_, old) in snapshot::list(&self.dir)?.iter().rev().filter(|(at, _)| *at <= seq) {
            let junk = *old != path && self.junk.contains(old);
            good = good.saturating_add(usize::from(!junk));
            if junk || good > 2 {
                // A snapshot that stays costs room, nothing else.
                let _ = fs::remove_file(old);
            }
        }
        Ok(seq)
    }

    fn check(&self) -> Result<(), JournalError> {
        match &self.failed {
            Some(why) => Err(JournalError::InDoubt { why: why.clone() }),
            None => Ok(()),
        }
    }

    /// End of what was handed to the system.
    fn end(&self) -> u64 {
        self.synced.offset.saturating_add(u64::try_from(self.written).unwrap_or(u64::MAX))
    }

    fn write_out(&mut self) -> Result<(), JournalError> {
        let at = self.end();
        let pending = self.unsynced.get(self.written..).unwrap_or_default();
        if pending.is_empty() {
            return Ok(());
        }
        // After an error any part may be in the file; the next try writes over it.
        self.file.write_all_at(pending, at).map_err(|source| JournalError::io("write", &self.path, source))?;
        self.written = self.unsynced.len();
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), JournalError> {
        if let Err(source) = self.file.sync() {
            let error = JournalError::io("make durable", &self.path, source);
            self.failed = Some(error.to_string());
            return Err(error);
        }
        self.synced = Mark { offset: self.end(), next_seq: self.next_seq, sum: self.sum };
        self.unsynced.clear();
        self.written = 0;
        Ok(())
    }

    /// Begins a segment that goes on after what is durable, with everything that is not.
    fn begin_segment(&mut self) -> Result<(), JournalError> {
        let fresh = self.synced.next_seq == self.header.first;
        // A segment without a durable entry is replaced by one of the same name.
        let schema = self.options.schema;
        let header = if fresh {
            Header { schema, ..self.header }
        } else {
            Header { first: self.synced.next_seq, chain: self.synced.sum, before: self.synced.offset, schema }
        };
        let (mut bytes, mut sum) = header.encode();
        for entry in self.unsynced.split_inclusive(|b| *b == b'\n') {
            // The entries are chained to other lines now.
            let start = bytes.len();
            bytes.extend_from_slice(entry.get(..entry.len().saturating_sub(19)).unwrap_or_default());
            sum = line::seal(&mut bytes, start, sum);
        }
        let path = self.dir.join(segment::file_name(header.first));
        match publish(self.disk.as_ref(), &self.dir, &path, &bytes) {
            Ok(file) => {
                self.file = file;
                self.path = path;
                self.header = header;
                self.sum = sum;
                self.synced = Mark { offset: size(&bytes), next_seq: self.next_seq, sum };
                self.unsynced.clear();
                self.written = 0;
                Ok(())
            }
            Err(error) => {
                // The new segment may have its name already; nothing may be added to the old one.
                self.failed = Some(error.to_string());
                Err(error)
            }
        }
    }
}

/// Puts a file in place whole and durable, or not at all.
fn publish(disk: &dyn Disk, dir: &Path, path: &Path, bytes: &[u8]) -> Result<Box<dyn DiskFile>, JournalError> {
    let io = |source| JournalError::io("write", path, source);
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let unfinished = PathBuf::from(name);
    let mut file = disk.create(&unfinished).map_err(io)?;
    file.write_all_at(bytes, 0).map_err(io)?;
    file.sync().map_err(io)?;
    disk.rename(&unfinished, path).map_err(io)?;
    disk.sync_dir(dir).map_err(io)?;
    Ok(file)
}

/// Keeps other processes from opening a journal until it is dropped, without opening it.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "held, not read")] Lock);

/// Takes a journal's directory for this process.
///
/// # Errors
/// When another process has it, or there is no such directory.
pub fn hold(dir: &Path) -> Result<Hold, JournalError> {
    lock(dir).map(Hold)
}

fn lock(dir: &Path) -> Result<Lock, JournalError> {
    let path = dir.join("lock");
    private::not_a_link(&path)?;
    Lock::take(&path).map_err(|why| match why {
        NotTaken::Held(holder) => JournalError::Locked { dir: dir.to_path_buf(), holder },
        NotTaken::Io(source) => JournalError::io("open", &path, source),
    })
}

/// Whether a file of a journal has this name.
fn is_ours(name: &str) -> bool {
    name == "lock" || name.starts_with("segment-") || name.starts_with("snapshot-") || mark::is_mark(name)
}

/// Removes what a crash left of a file that was being put in place.
fn remove_unfinished(dir: &Path) {
    let Ok(items) = fs::read_dir(dir) else { return };
    for item in items.flatten() {
        let path = item.path();
        let begins = |name: &str| name.starts_with("segment-") || name.starts_with("snapshot-");
        let ours = item.file_name().to_str().is_some_and(begins);
        if ours && path.extension().is_some_and(|end| end == "tmp") {
            let _ = fs::remove_file(path);
        }
    }
}
