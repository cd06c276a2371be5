//! Snapshots: a fold of everything up to one entry, so that a start need not read from the
//! beginning.

use std::fs;
use std::path::{Path, PathBuf};

use super::JournalError;
use super::line::{Sum, seal, unseal};
use super::segment::numbered;

const VERSION: u64 = 1;

/// The state after an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry that is in it.
    pub seq: u64,
    /// One JSON object.
    pub body: String,
}

/// The name of the snapshot after this entry.
pub fn file_name(seq: u64) -> String {
    format!("snapshot-{seq:020}.json")
}

/// The snapshots of a journal, in order.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    numbered(dir, "snapshot-", ".json")
}

/// The file's content. `chain` is the sum of the entry that it stands on.
pub fn encode(seq: u64, chain: Sum, body: &str) -> Vec<u8> {
    let mut out =
        format!("{{\"perpdeck_snapshot\":{VERSION},\"seq\":{seq},\"chain\":\"{}\",\"body\":{body}", chain.text())
            .into_bytes();
    seal(&mut out, 0, Sum::START);
    out
}

/// Reads and proves a snapshot.
///
/// # Errors
/// Why it cannot be used.
pub fn read(file: &Path, due: u64) -> Result<(Snapshot, Sum), String> {
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    let line = bytes.strip_suffix(b"\n").ok_or("it is not whole")?;
    let (content, _) = unseal(line, Sum::START)?;
    let text = std::str::from_utf8(content).map_err(|_| "it is not text".to_string())?;
    let rest = text
        .strip_prefix(&format!("{{\"perpdeck_snapshot\":{VERSION},\"seq\":"))
        .ok_or_else(|| format!("it is not a snapshot of version {VERSION}"))?;
    let parse = || -> Option<(u64, Sum, String)> {
        let (seq, rest) = rest.split_once(",\"chain\":\"")?;
        let (chain, body) = rest.split_once("\",\"body\":")?;
        Some((seq.parse().ok()?, Sum::read(chain.as_bytes())?, body.to_string()))
    };
    let (seq, chain, body) = parse().ok_or("it does not have the form of a snapshot")?;
    if seq != due {
        return Err(format!("it is of entry {seq}, its name says {due}"));
    }
    Ok((Snapshot { seq, body }, chain))
}
