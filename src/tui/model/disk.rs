//! Which ends of commands are on disk: until one is, it is acted on, and not done.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{CommandId, Event, Record, SessionState};
use crate::runtime::Durable;

/// So long a disk may take before it is said that it does.
const SLOW: Duration = Duration::from_secs(1);

/// How far the facts are on disk, and the commands whose end is not.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    durable: Durable,
    waiting: BTreeMap<CommandId, Ended>,
}

/// The end of a command that is not on disk.
#[derive(Clone, Copy, Debug)]
struct Ended {
    seq: u64,
    since: Duration,
}

impl Disk {
    /// Takes note of what the journal says.
    pub fn told(&mut self, durable: Durable) {
        self.durable = durable;
        let safe = self.durable.safe;
        self.waiting.retain(|_, ended| ended.seq > safe);
    }

    /// Takes note of the ends of commands among events.
    pub fn follow(&mut self, records: &[Record], now: Duration) {
        for record in records {
            if let Event::CommandMoved { id, status, .. } = &record.event
                && status.is_final()
            {
                self.ended(id, record.seq, now);
            }
        }
    }

    /// Takes note of the commands that have ended between two states.
    pub fn skip(&mut self, before: &SessionState, after: &SessionState, now: Duration) {
        let had_ended = |id: &CommandId| before.command(id).is_some_and(|record| record.status.is_final());
        for record in after.commands.iter().filter(|record| record.status.is_final()) {
            if !had_ended(&record.command.id) {
                self.ended(&record.command.id, after.seq, now);
            }
        }
    }

    fn ended(&mut self, id: &CommandId, seq: u64, now: Duration) {
        if seq > self.durable.safe {
            self.waiting.entry(id.clone()).or_insert(Ended { seq, since: now });
        }
    }

    /// Whether the end of some command is not on disk.
    pub fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Why the end of a command is not on disk yet, empty while nobody could expect it to be; `None` when
    /// it is.
    pub fn behind(&self, id: &CommandId, now: Duration) -> Option<&str> {
        let ended = self.waiting.get(id)?;
        let slow = now.saturating_sub(ended.since) >= SLOW;
        let why = self.durable.trouble.as_deref();
        Some(why.unwrap_or(if slow { "the disk is slow" } else { "" }))
    }
}
