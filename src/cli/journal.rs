//! `perpdeck journal`: what the journal of a data directory holds.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::failure::Failure;
use super::run;
use crate::journal::{self, Verified};
use crate::model::{EVENT_SCHEMA, SessionTime, escape_controls};
use crate::runtime::{journal_of, projections_of};
use crate::store::record_of;
use crate::store::witness::{self, Seen};

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
    // Before the journal: a session that runs writes that first.
    let database = projections_of(&root);
    let seen = witness::look(&database);
    let anchor = if let Seen::Facts(anchor) = &seen { Some(*anchor) } else { None };
    let look_at = anchor.map(|anchor| anchor.seq);
    let found = journal::verify(&dir, EVENT_SCHEMA, look_at).map_err(|error| Failure::new(error.to_string()))?;
    let damage = match &found.damage {
        Some(damage) => Some(damage.to_string()),
        None => meaning(&dir)?,
    };
    let last = found.last.map_or(0, |(seq, _)| seq);
    let recorded = found.looked_at.map(SessionTime::from_micros);
    let damage = damage.or_else(|| Some(witness::difference(&database, anchor?, last, recorded)?.what));
    let history = match &seen {
        Seen::Nothing => None,
        Seen::Facts(anchor) => Some(format!("knows facts up to {} of {}", anchor.seq, anchor.at)),
        Seen::Damaged(why) => Some(format!("is damaged ({why}): the next start keeps it aside and makes it anew")),
    };
    let text = if json {
        object(&dir, &found, damage.as_deref(), history.as_deref()).to_string()
    } else {
        let told = history.map_or_else(String::new, |told| format!("\nthe history database {told}"));
        sentences(&dir, &found, damage.is_some()) + &told
    };
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

fn object(dir: &Path, found: &Verified, damage: Option<&str>, history: Option<&str>) -> Value {
    let end = |end: Option<(u64, i64)>| end.map(|(seq, at)| json!({ "seq": seq, "at": exact(at) }));
    let segments: Vec<Value> = found
        .segments
        .iter()
        .map(|segment| {
            json!({
                "file": segment.file.display().to_string(), "first": segment.first, "facts": segment.entries,
                "bytes": segment.bytes, "schema": segment.schema, "problem": segment.problem,
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
        "history": history,
        "damage": damage,
    })
}

fn sentences(dir: &Path, found: &Verified, damaged: bool) -> String {
    let which = if damaged { " that can be read" } else { "" };
    let mut text = format!("{}: {} facts{which}", dir.display(), found.entries);
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
        if let Some(problem) = &segment.problem {
            let _ = write!(text, ": {}", escape_controls(problem));
        }
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
