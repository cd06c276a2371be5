//! `perpdeck journal`: what the journal of a data directory holds.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::failure::Failure;
use super::run;
use crate::journal::{self, Verified};
use crate::model::{EVENT_SCHEMA, SessionTime, escape_controls};
use crate::runtime::journal_of;
use crate::store::record_of;

/// Proves every line and says what there is.
pub fn verify(data_dir: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let root = run::data_dir(data_dir, false)?;
    let dir = journal_of(&root);
    if !dir.is_dir() {
        return Err(Failure::new(format!(
            "there is no journal in {}: name a session's directory with --data-dir DIR",
            root.display()
        )));
    }
    let found = journal::verify(&dir, EVENT_SCHEMA).map_err(|error| Failure::new(error.to_string()))?;
    let damage = match &found.damage {
        Some(damage) => Some(damage.to_string()),
        None => meaning(&dir)?,
    };
    let text = if json { object(&dir, &found, damage.as_deref()).to_string() } else { sentences(&dir, &found) };
    // A reader that stops reading has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
    damage.map_or(Ok(()), |damage| Err(Failure::new(damage)))
}

/// Reads every entry as a fact; says which is none.
fn meaning(dir: &Path) -> Result<Option<String>, Failure> {
    for entry in journal::read(dir).map_err(|error| Failure::new(error.to_string()))? {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Ok(Some(error.to_string())),
        };
        if let Err(error) = record_of(&entry) {
            return Ok(Some(error.to_string()));
        }
    }
    Ok(None)
}

fn exact(at: i64) -> String {
    SessionTime::from_micros(at).exact()
}

fn object(dir: &Path, found: &Verified, damage: Option<&str>) -> Value {
    let end = |end: Option<(u64, i64)>| end.map(|(seq, at)| json!({ "seq": seq, "at": exact(at) }));
    let segments: Vec<Value> = found
        .segments
        .iter()
        .map(|segment| {
            json!({
                "file": segment.file.display().to_string(), "first": segment.first, "facts": segment.entries,
                "bytes": segment.bytes, "schema": segment.schema,
            })
        })
        .collect();
    let snapshots: Vec<Value> = found
        .snapshots
        .iter()
        .map(|snapshot| {
            json!({
                "file": snapshot.file.display().to_string(), "seq": snapshot.seq, "problem": snapshot.problem,
            })
        })
        .collect();
    json!({
        "journal": dir.display().to_string(),
        "good": damage.is_none(),
        "facts": found.entries,
        "first": end(found.first),
        "last": end(found.last),
        "schema": EVENT_SCHEMA,
        "segments": segments,
        "snapshots": snapshots,
        "unfinished_bytes": found.unfinished.as_ref().map_or(0, |torn| torn.bytes_cut),
        "damage": damage,
    })
}

fn sentences(dir: &Path, found: &Verified) -> String {
    let mut text = format!("{}: {} facts", dir.display(), found.entries);
    if let (Some((first, from)), Some((last, to))) = (found.first, found.last) {
        let _ = write!(text, ", {first} of {} to {last} of {}", exact(from), exact(to));
    }
    for segment in &found.segments {
        let _ = write!(
            text,
            "\n{}  from {}, {} facts, {} bytes, schema {}",
            name(&segment.file),
            segment.first,
            segment.entries,
            segment.bytes,
            segment.schema
        );
    }
    for snapshot in &found.snapshots {
        let state = snapshot.problem.as_deref().unwrap_or("good");
        let _ = write!(text, "\n{}  after fact {}: {}", name(&snapshot.file), snapshot.seq, escape_controls(state));
    }
    if let Some(torn) = &found.unfinished {
        let _ = write!(
            text,
            "\nthe last line is not finished ({} bytes): it is being written, or the next start cuts it",
            torn.bytes_cut
        );
    }
    text
}

fn name(file: &Path) -> String {
    escape_controls(&file.file_name().unwrap_or_default().to_string_lossy()).into_owned()
}
