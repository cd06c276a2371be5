//! Ids that were used, for ever: 24 bytes each, whatever became of the records behind them.
//!
//! Runs of sorted entries, the small ones merged as they grow, behind shared pointers: a copy of the
//! state copies no entries, a look-up is a handful of binary searches, and a million ids are 24 MB.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{CommandStatus, Digest, OrderNo, PositionId, SignalOutcome};

/// Entries that are gathered before they become a run.
const FRESH: usize = 1024;
/// A run of this size is left alone: merging must never be felt.
const LARGEST: usize = 131_072;

/// What is remembered of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// Digest of the id.
    id: u64,
    /// Digest of what it asked for.
    content: u64,
    /// What became of it: a code in the uppermost byte, an order's number below.
    outcome: u64,
}

/// The ids that were used, each with the digest of its content and its outcome.
#[derive(Clone, Debug, Default)]
pub struct KnownIds {
    fresh: BTreeMap<u64, (u64, u64)>,
    runs: Vec<Arc<Vec<Entry>>>,
}

const ORDERED: u64 = 1;
const CANCELLING: u64 = 2;
const RECORDED: u64 = 3;
const CLOSING: u64 = 9;
const REJECTED: u64 = 4;
const DONE: u64 = 5;
const UNKNOWN: u64 = 6;
const OPEN: u64 = 7;
const NUMBER: u64 = (1 << 56) - 1;

/// Why the words of a first outcome are not told again.
const FORGOTTEN: &str = "the words are in the journal and the history";

impl KnownIds {
    /// How many ids are known.
    pub fn len(&self) -> usize {
        self.sorted().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.runs.is_empty()
    }

    /// The content that an id was first used for; `None` when it is new.
    pub fn content(&self, id: &str) -> Option<Digest> {
        self.find(id).map(|(content, _)| Digest(content))
    }

    /// What became of a signal, as far as it is remembered without its record.
    pub fn signal_outcome(&self, id: &str) -> Option<SignalOutcome> {
        let (_, outcome) = self.find(id)?;
        let order = OrderNo(outcome & NUMBER);
        Some(match outcome >> 56 {
            ORDERED => SignalOutcome::Ordered { order },
            CANCELLING => SignalOutcome::Cancelling { order },
            CLOSING => SignalOutcome::Closing { position: PositionId(outcome & NUMBER) },
            RECORDED => SignalOutcome::Recorded,
            _ => SignalOutcome::Rejected {
                reason: format!("refused when it came first; {FORGOTTEN}"),
                failed_checks: Vec::new(),
            },
        })
    }

    /// How a command ended, as far as it is remembered without its record.
    pub fn command_status(&self, id: &str) -> Option<CommandStatus> {
        let (_, outcome) = self.find(id)?;
        Some(match outcome >> 56 {
            DONE => CommandStatus::Done { note: format!("done when it came first; {FORGOTTEN}") },
            REJECTED => CommandStatus::Rejected { why: format!("refused when it came first; {FORGOTTEN}") },
            _ => CommandStatus::Unknown { why: format!("it came before and its end is not on record; {FORGOTTEN}") },
        })
    }

    pub(super) fn remember_signal(&mut self, id: &str, content: Digest, outcome: &SignalOutcome) {
        let (code, order) = match outcome {
            SignalOutcome::Ordered { order } => (ORDERED, order.0),
            SignalOutcome::Cancelling { order } => (CANCELLING, order.0),
            SignalOutcome::Closing { position } => (CLOSING, position.0),
            SignalOutcome::Recorded => (RECORDED, 0),
            SignalOutcome::Rejected { .. } => (REJECTED, 0),
        };
        self.insert(Digest::of(id).0, content.0, (code << 56) | (order & NUMBER));
    }

    pub(super) fn remember_command(&mut self, id: &str, content: Digest) {
        self.insert(Digest::of(id).0, content.0, OPEN << 56);
    }

    pub(super) fn end_command(&mut self, id: &str, status: &CommandStatus) {
        let code = match status {
            CommandStatus::Done { .. } => DONE,
            CommandStatus::Rejected { .. } => REJECTED,
            CommandStatus::Unknown { .. } => UNKNOWN,
            CommandStatus::Accepted | CommandStatus::Working { .. } => return,
        };
        if let Some((content, known)) = self.find(id)
            && known >> 56 == OPEN
        {
            self.insert(Digest::of(id).0, content, code << 56);
        }
    }

    fn find(&self, id: &str) -> Option<(u64, u64)> {
        let id = Digest::of(id).0;
        if let Some(found) = self.fresh.get(&id) {
            return Some(*found);
        }
        // The newest word stands.
        self.runs.iter().rev().find_map(|run| {
            let place = run.binary_search_by_key(&id, |entry| entry.id).ok()?;
            run.get(place).map(|entry| (entry.content, entry.outcome))
        })
    }

    fn insert(&mut self, id: u64, content: u64, outcome: u64) {
        self.fresh.insert(id, (content, outcome));
        if self.fresh.len() < FRESH {
            return;
        }
        let mut run: Vec<Entry> = entries(&std::mem::take(&mut self.fresh)).collect();
        while let Some(last) =
            self.runs.pop_if(|last| last.len() <= run.len().saturating_mul(2) && last.len() < LARGEST)
        {
            run = merged(&last, &run);
        }
        self.runs.push(Arc::new(run));
    }

    /// All entries in order of id, each once.
    fn sorted(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        for run in &self.runs {
            all = merged(&all, run);
        }
        merged(&all, &entries(&self.fresh).collect::<Vec<_>>())
    }
}

fn entries(fresh: &BTreeMap<u64, (u64, u64)>) -> impl Iterator<Item = Entry> {
    fresh.iter().map(|(id, (content, outcome))| Entry { id: *id, content: *content, outcome: *outcome })
}

/// Both in order of id; of an id that is in both the newer word stands.
fn merged(older: &[Entry], newer: &[Entry]) -> Vec<Entry> {
    let mut all = Vec::with_capacity(older.len().saturating_add(newer.len()));
    let mut newer = newer.iter().copied().peekable();
    for old in older {
        while let Some(new) = newer.next_if(|new| new.id < old.id) {
            all.push(new);
        }
        if newer.peek().is_none_or(|new| new.id != old.id) {
            all.push(*old);
        }
    }
    all.extend(newer);
    all
}

/// How the ids lie in runs is no matter of what is known.
impl PartialEq for KnownIds {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl Eq for KnownIds {}

/// One text of 48 hexadecimal digits an id.
impl Serialize for KnownIds {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        for entry in self.sorted() {
            for part in [entry.id, entry.content, entry.outcome] {
                bytes.extend_from_slice(&part.to_be_bytes());
            }
        }
        out.serialize_str(&hex::encode(bytes))
    }
}

impl<'de> Deserialize<'de> for KnownIds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(from)?;
        let bytes = hex::decode(text).map_err(D::Error::custom)?;
        let (parts, rest) = bytes.as_chunks::<24>();
        if !rest.is_empty() {
            return Err(D::Error::custom("the list of used ids is cut"));
        }
        let number = |bytes: &[u8]| bytes.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        let run: Vec<Entry> = parts
            .iter()
            .map(|bytes| {
                let (id, rest) = bytes.split_at(8);
                let (content, outcome) = rest.split_at(8);
                Entry { id: number(id), content: number(content), outcome: number(outcome) }
            })
            .collect();
        if run.windows(2).any(|pair| matches!(pair, [one, next] if one.id >= next.id)) {
            return Err(D::Error::custom("the list of used ids is not in order"));
        }
        let runs = run.chunks(LARGEST).map(|run| Arc::new(run.to_vec())).collect();
        Ok(Self { fresh: BTreeMap::new(), runs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_forgotten_and_costs_24_bytes() {
        assert_eq!(size_of::<Entry>(), 24);
        let mut known = KnownIds::default();
        let count: u64 = 20_000;
        for n in 0..count {
            let outcome = SignalOutcome::Ordered { order: OrderNo(n) };
            known.remember_signal(&format!("s{n}"), Digest(n), &outcome);
        }
        assert_eq!(known.len(), 20_000);
        for n in 0..count {
            assert_eq!(known.content(&format!("s{n}")), Some(Digest(n)));
            assert_eq!(known.signal_outcome(&format!("s{n}")), Some(SignalOutcome::Ordered { order: OrderNo(n) }));
        }
        assert_eq!(known.content("new"), None);
        let entries: usize = known.runs.iter().map(|run| run.len()).sum();
        assert!(entries + known.fresh.len() == 20_000 && known.runs.len() < 8, "{} runs", known.runs.len());
    }

    #[test]
    fn what_is_read_back_is_what_was_written_and_goes_on() {
        let mut known = KnownIds::default();
        for n in 0..3_000 {
            known.remember_command(&format!("c{n}"), Digest(n));
            known.end_command(&format!("c{n}"), &CommandStatus::Done { note: String::new() });
        }
        let mut read: KnownIds = serde_json::from_str(&serde_json::to_string(&known).unwrap()).unwrap();
        assert_eq!(read, known);
        read.remember_command("c3000", Digest(1));
        known.remember_command("c3000", Digest(1));
        assert_eq!(read, known);
        assert!(matches!(read.command_status("c17"), Some(CommandStatus::Done { .. })));
        assert!(matches!(read.command_status("c3000"), Some(CommandStatus::Unknown { .. })));
        assert!(serde_json::from_str::<KnownIds>("\"00\"").is_err());
    }
}
