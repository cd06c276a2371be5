//! Recovery: the session as its journal tells it.

use std::path::Path;

use crate::journal::{Journal, JournalError, Opened, Options, RealDisk, Snapshot};
use crate::model::{EVENT_SCHEMA, FOLD, SessionState, SessionTime, escape_controls};
use crate::store::{StoreError, record_of};

/// A session taken from its journal.
pub struct Recovered {
    /// The journal, open for writing.
    pub journal: Journal,
    /// The facts folded; a fresh state when the journal is empty.
    pub state: SessionState,
    /// Time of the last fact.
    pub last_at: Option<SessionTime>,
    /// Time of the entry that was asked for, when it was read.
    pub looked_at: Option<SessionTime>,
    /// What a person should know: a torn end was cut, a snapshot was not usable.
    pub note: Option<String>,
}

/// Why a session cannot be taken from its journal.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// Of the journal itself.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An entry is whole but is not a fact of this program.
    #[error(
        "entry {seq} of the journal in {dir} cannot be understood: {what}. Nothing was changed. It was written by \
         another version of perpdeck: use that one, or another data directory"
    )]
    Meaning {
        /// The journal's directory.
        dir: String,
        /// The entry.
        seq: u64,
        /// What is wrong.
        what: String,
    },
}

/// How the journal of a session is kept: the schema of its facts, the fold of its snapshots.
pub fn journal_options(segment_bytes: u64) -> Options {
    Options { segment_bytes, schema: EVENT_SCHEMA, stamp: FOLD.to_owned(), ..Options::default() }
}

/// Opens the journal in `dir` and folds it.
///
/// # Errors
/// Damage, another version, another process, a directory that cannot be written. Nothing on disk
/// was changed then.
pub fn recover(dir: &Path, segment_bytes: u64) -> Result<Recovered, RecoveryError> {
    recover_looking_at(dir, segment_bytes, None)
}

/// The same; the time of one entry is told beside it, when it was read.
///
/// # Errors
/// As [`recover`].
pub fn recover_looking_at(dir: &Path, segment_bytes: u64, look_at: Option<u64>) -> Result<Recovered, RecoveryError> {
    let options = Options { look_at, ..journal_options(segment_bytes) };
    let mut kept: Option<SessionState> = None;
    // A snapshot is a cache: one that cannot be read is passed over, never a reason not to start.
    let mut judge = |snapshot: &Snapshot| {
        let state: SessionState =
            serde_json::from_str(&snapshot.body).map_err(|error| escape_controls(&error.to_string()).into_owned())?;
        if state.seq != snapshot.seq {
            return Err(format!("it says that it stands on fact {}", state.seq));
        }
        kept = Some(state);
        Ok(())
    };
    let (journal, opened) = Journal::open_judged(dir, options, Box::new(RealDisk), &mut judge)?;
    let mut state = kept
        .filter(|state| opened.snapshot.as_ref().is_some_and(|snapshot| snapshot.seq == state.seq))
        .unwrap_or_default();
    let shown = dir.display().to_string();
    for entry in opened.entries()? {
        let entry = entry?;
        let meaning = |what: String| RecoveryError::Meaning { dir: shown.clone(), seq: entry.seq, what };
        let record = record_of(&entry).map_err(|error| match error {
            StoreError::NoEvent { why, .. } => meaning(why),
            other => meaning(other.to_string()),
        })?;
        if !record.event.is_fact() {
            return Err(meaning("it holds a quote, which does not belong there".into()));
        }
        state.apply(&record);
    }
    let last_at = opened.last_at.map(SessionTime::from_micros).or_else(|| state.latest());
    let note = note(&opened, dir);
    Ok(Recovered { journal, state, last_at, looked_at: opened.looked_at.map(SessionTime::from_micros), note })
}

/// What a person should know of an open, in one line.
fn note(opened: &Opened, dir: &Path) -> Option<String> {
    let mut notes = Vec::new();
    if let Some(torn) = &opened.torn {
        notes.push(format!(
            "the last line of the journal was not finished: {} bytes after line {} of {} were cut",
            torn.bytes_cut,
            torn.line.saturating_sub(1),
            torn.file.display()
        ));
    }
    for ignored in &opened.ignored {
        notes.push(format!(
            "the snapshot {} was not used ({}); the facts themselves were folded instead",
            ignored.file.display(),
            ignored.why
        ));
    }
    if opened.tightened > 0 {
        notes.push(format!(
            "{} files and folders of {} could be read by other users of this machine; now only by you",
            opened.tightened,
            dir.display()
        ));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, Record, RiskLimit};

    fn fact(seq: u64) -> Record {
        let event = Event::LimitTripped { limit: RiskLimit::DailyLoss, reason: format!("reason {seq}") };
        Record { seq, at: SessionTime::from_secs(i64::try_from(seq).unwrap()), event }
    }

    fn write(dir: &Path, records: &[Record], snapshot_after: Option<u64>) -> SessionState {
        let mut recovered = recover(dir, 1 << 20).unwrap();
        for record in records {
            let seq =
                recovered.journal.append(record.at.micros(), &serde_json::to_string(&record.event).unwrap()).unwrap();
            assert_eq!(seq, record.seq);
            recovered.state.apply(record);
            if snapshot_after == Some(seq) {
                recovered.journal.snapshot(&serde_json::to_string(&recovered.state.facts()).unwrap()).unwrap();
            }
        }
        recovered.journal.sync().unwrap();
        recovered.state
    }

    #[test]
    fn a26_a_session_starts_again_where_its_journal_ends() {
        let dir = tempfile::tempdir().unwrap();
        let state = write(dir.path(), &(1..=5).map(fact).collect::<Vec<_>>(), None);
        let recovered = recover(dir.path(), 1 << 20).unwrap();
        assert_eq!(recovered.state.facts(), state.facts());
        assert_eq!(recovered.last_at, Some(SessionTime::from_secs(5)));
        assert_eq!(recovered.note, None);
    }

    #[test]
    fn a_snapshot_and_what_follows_lead_to_the_same_as_all_facts() {
        let (plain, snapped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let facts: Vec<_> = (1..=9).map(fact).collect();
        write(plain.path(), &facts, None);
        write(snapped.path(), &facts, Some(6));
        let plain = recover(plain.path(), 1 << 20).unwrap().state;
        let snapped = recover(snapped.path(), 1 << 20).unwrap().state;
        assert_eq!(plain.facts(), snapped.facts());
        assert_eq!(snapped.seq, 9);
    }

    #[test]
    fn a_torn_end_is_cut_and_reported() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &(1..=3).map(fact).collect::<Vec<_>>(), None);
        let segment = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|item| item.unwrap().path())
            .find(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .unwrap();
        let bytes = std::fs::read(&segment).unwrap();
        std::fs::write(&segment, &bytes[..bytes.len() - 40]).unwrap();
        let recovered = recover(dir.path(), 1 << 20).unwrap();
        assert_eq!(recovered.state.seq, 2);
        assert!(recovered.note.unwrap().contains("was not finished"));
    }

    #[test]
    fn an_entry_that_is_no_fact_of_ours_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[fact(1)], None);
        let mut journal = recover(dir.path(), 1 << 20).unwrap().journal;
        journal.append(0, r#"{"event":"from_the_future"}"#).unwrap();
        journal.sync().unwrap();
        drop(journal);
        let error = recover(dir.path(), 1 << 20).err().unwrap().to_string();
        assert!(error.starts_with("entry 2 of the journal in "), "{error}");
        assert!(error.contains("from_the_future"), "{error}");
    }

    #[test]
    fn a_quote_in_the_journal_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = recover(dir.path(), 1 << 20).unwrap().journal;
        journal.append(0, r#"{"event":"journal_health","error":null}"#).unwrap();
        journal.sync().unwrap();
        drop(journal);
        let error = recover(dir.path(), 1 << 20).err().unwrap().to_string();
        assert!(error.contains("it holds a quote"), "{error}");
    }
}
