//! Snapshots: a fold of everything up to one entry, so that a start need not read from the
//! beginning.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::line::{Sum, seal, unseal};
use super::segment::numbered;
use super::{JournalError, private};

/// The version that names who made the state.
const VERSION: u64 = 2;
/// The version that does not.
const UNSTAMPED: u64 = 1;

/// The state after an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry that is in it.
    pub seq: u64,
    /// Which fold made it: a state of another one is not used. Empty when the snapshot does not say it.
    pub stamp: String,
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

/// The file's content. `chain` is the sum of the entry that it stands on; `stamp` is empty or names
/// the fold that made the body.
pub fn encode(seq: u64, chain: Sum, stamp: &str, body: &str) -> Vec<u8> {
    let chain = chain.text();
    let mut out = if stamp.is_empty() {
        format!("{{\"perpdeck_snapshot\":{UNSTAMPED},\"seq\":{seq},\"chain\":\"{chain}\",\"body\":{body}")
    } else {
        format!(
            "{{\"perpdeck_snapshot\":{VERSION},\"seq\":{seq},\"chain\":\"{chain}\",\"stamp\":\"{stamp}\",\"body\":{body}"
        )
    }
    .into_bytes();
    seal(&mut out, 0, Sum::START);
    out
}

/// Reads and proves a snapshot.
///
/// # Errors
/// Why it cannot be used.
pub fn read(file: &Path, due: u64) -> Result<(Snapshot, Sum), String> {
    let mut bytes = Vec::new();
    let mut handle = private::options().read(true).open(file).map_err(|error| error.to_string())?;
    handle.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let line = bytes.strip_suffix(b"\n").ok_or("it is not whole")?;
    let (content, _) = unseal(line, Sum::START)?;
    let text = std::str::from_utf8(content).map_err(|_| "it is not text".to_string())?;
    let (version, rest) = text
        .strip_prefix("{\"perpdeck_snapshot\":")
        .and_then(|rest| rest.split_once(",\"seq\":"))
        .ok_or("it is not a snapshot")?;
    let stamped = match version.parse::<u64>() {
        Ok(VERSION) => true,
        Ok(UNSTAMPED) => false,
        _ => return Err(format!("it has version {version}, this program reads versions {UNSTAMPED} to {VERSION}")),
    };
    let parse = || -> Option<(Snapshot, Sum)> {
        let (seq, rest) = rest.split_once(",\"chain\":\"")?;
        let (chain, rest) = rest.split_once('"')?;
        let (stamp, rest) = if stamped { rest.strip_prefix(",\"stamp\":\"")?.split_once('"')? } else { ("", rest) };
        let body = rest.strip_prefix(",\"body\":")?.to_owned();
        let snapshot = Snapshot { seq: seq.parse().ok()?, stamp: stamp.to_owned(), body };
        Some((snapshot, Sum::read(chain.as_bytes())?))
    };
    let (snapshot, chain) = parse().ok_or("it does not have the form of a snapshot")?;
    if snapshot.seq != due {
        return Err(format!("it is of entry {}, its name says {due}", snapshot.seq));
    }
    Ok((snapshot, chain))
}
