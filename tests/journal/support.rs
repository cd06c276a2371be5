//! Small journals and a disk that fails on demand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use perpdeck::journal::{Disk, DiskFile, Entry, Journal, JournalError, Opened, Options, RealDisk};

pub const AT: i64 = 1_795_443_727_418_123;

pub fn body(n: u64) -> String {
    format!("{{\"n\":{n},\"sum\":\"\\\",\\\"sum\\\":\\\"\"}}")
}

pub fn entry(seq: u64) -> Entry {
    Entry { seq, at: AT + i64::try_from(seq).unwrap(), schema: 1, body: body(seq) }
}

pub fn entries(range: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    range.map(entry).collect()
}

pub fn options(segment_bytes: u64) -> Options {
    Options { segment_bytes, ..Options::default() }
}

pub fn append(journal: &mut Journal, count: u64) {
    for _ in 0..count {
        let seq = journal.last_seq() + 1;
        assert_eq!(journal.append(entry(seq).at, &body(seq)).unwrap(), seq);
    }
}

/// A journal with so many entries, each in its own group.
pub fn written(dir: &Path, count: u64, segment_bytes: u64) {
    let (mut journal, _) = Journal::open(dir, options(segment_bytes)).unwrap();
    for _ in 0..count {
        append(&mut journal, 1);
        journal.sync().unwrap();
    }
}

/// All entries after the snapshot.
pub fn all(opened: &Opened) -> Vec<Entry> {
    opened.entries().unwrap().map(|entry| entry.unwrap()).collect()
}

pub fn open(dir: &Path) -> Result<(Journal, Opened), JournalError> {
    Journal::open(dir, Options::default())
}

/// The files of a directory but the lock, by name, with their content.
pub fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.file_name().unwrap() != "lock")
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

pub fn segments(dir: &Path) -> Vec<PathBuf> {
    files(dir).into_iter().map(|(path, _)| path).filter(|path| path.extension().unwrap() == "jsonl").collect()
}

/// What a disk does wrong, switched while it is in use.
#[derive(Clone, Default)]
pub struct Faults {
    /// fdatasync of segments fails.
    pub sync: Arc<AtomicBool>,
    /// Making the names of a directory durable fails.
    pub sync_dir: Arc<AtomicBool>,
    /// How many more bytes fit; `u64::MAX`: no limit.
    pub room: Arc<AtomicU64>,
}

impl Faults {
    pub fn none() -> Self {
        let faults = Self::default();
        faults.room.store(u64::MAX, Ordering::SeqCst);
        faults
    }

    pub fn disk(&self) -> Box<dyn Disk> {
        Box::new(BadDisk(self.clone()))
    }
}

struct BadDisk(Faults);

struct BadFile(Faults, Box<dyn DiskFile>);

impl Disk for BadDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(BadFile(self.0.clone(), RealDisk.open(path)?)))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(BadFile(self.0.clone(), RealDisk.create(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.0.sync_dir.load(Ordering::SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        RealDisk.sync_dir(dir)
    }
}

impl DiskFile for BadFile {
    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let room = self.0.room.load(Ordering::SeqCst);
        if room == u64::MAX {
            return self.1.write_all_at(bytes, at);
        }
        let fits = bytes.len().min(usize::try_from(room).unwrap());
        self.1.write_all_at(&bytes[..fits], at)?;
        self.0.room.store(room - u64::try_from(fits).unwrap(), Ordering::SeqCst);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.0.sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        self.1.sync()
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.1.set_len(length)
    }
}
