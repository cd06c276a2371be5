//! Segments: their names, headers and order.

use std::fs;
use std::path::{Path, PathBuf};

use super::line::{Sum, seal, unseal};
use super::{FIRST_SCHEMA, FORMAT_VERSION, JournalError};

/// The first line of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Number of the segment's first entry.
    pub first: u64,
    /// Sum of the last line of the segment before that counts.
    pub chain: Sum,
    /// How many bytes of the segment before count; the rest of it was written anew in this one.
    pub before: u64,
    /// What the bodies of its entries mean; segments that do not say it have schema 1.
    pub schema: u32,
}

impl Header {
    /// The header of a journal's first segment.
    pub const fn start(schema: u32) -> Self {
        Self { first: 1, chain: Sum::START, before: 0, schema }
    }

    /// The line, with its line end, and its sum.
    pub fn encode(&self) -> (Vec<u8>, Sum) {
        let mut out = format!(
            "{{\"perpdeck_journal\":{FORMAT_VERSION},\"first\":{},\"chain\":\"{}\",\"before\":{}",
            self.first,
            self.chain.text(),
            self.before
        )
        .into_bytes();
        if self.schema != FIRST_SCHEMA {
            out.extend_from_slice(format!(",\"schema\":{}", self.schema).as_bytes());
        }
        let sum = seal(&mut out, 0, Sum::START);
        (out, sum)
    }

    /// Reads and proves a header line without its line end.
    ///
    /// # Errors
    /// What is wrong: another version, or damage.
    pub fn decode(line: &[u8], file: &Path) -> Result<(Self, Sum), JournalError> {
        let damaged = |what: String| JournalError::damaged(file, 1, 0, None, what);
        let text = std::str::from_utf8(line).unwrap_or_default();
        let version = text
            .strip_prefix("{\"perpdeck_journal\":")
            .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default())
            .and_then(|digits| digits.parse::<u64>().ok())
            .ok_or_else(|| damaged("it is not the header of a journal segment".into()))?;
        if version != FORMAT_VERSION {
            return Err(JournalError::Version { file: file.to_path_buf(), found: version });
        }
        let (_, sum) = unseal(line, Sum::START).map_err(damaged)?;
        let parse = || -> Option<Self> {
            let (_, rest) = text.split_once(",\"first\":")?;
            let (first, rest) = rest.split_once(",\"chain\":\"")?;
            let (chain, rest) = rest.split_once("\",\"before\":")?;
            let (before, rest) = rest.split_once(',')?;
            let schema = match rest.strip_prefix("\"schema\":") {
                Some(rest) => rest.split_once(',')?.0.parse().ok()?,
                None => FIRST_SCHEMA,
            };
            let (first, before) = (first.parse().ok()?, before.parse().ok()?);
            Some(Self { first, chain: Sum::read(chain.as_bytes())?, before, schema })
        };
        parse().map(|header| (header, sum)).ok_or_else(|| damaged("the header does not have its form".into()))
    }
}

/// The name of the segment that begins with this entry.
pub fn file_name(first: u64) -> String {
    format!("segment-{first:020}.jsonl")
}

/// The number in the name of a segment.
pub fn number_of(file: &Path) -> Option<u64> {
    file.file_name()?.to_str()?.strip_prefix("segment-")?.strip_suffix(".jsonl")?.parse().ok()
}

/// The segments of a journal by their first entry, in order.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    numbered(dir, "segment-", ".jsonl")
}

/// The files named by a number between `prefix` and `suffix`, in order of the number.
///
/// # Errors
/// When the directory cannot be read.
pub fn numbered(dir: &Path, prefix: &str, suffix: &str) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let failed = |source| JournalError::io("read the directory", dir, source);
    let mut files = Vec::new();
    for item in fs::read_dir(dir).map_err(failed)? {
        let item = item.map_err(failed)?;
        let name = item.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(prefix)?.strip_suffix(suffix))
            .filter(|digits| digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        if let Some(number) = number {
            files.push((number, item.path()));
        }
    }
    files.sort();
    Ok(files)
}
