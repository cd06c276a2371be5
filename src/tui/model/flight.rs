//! Commands that were sent and have not ended. The screen never shows one as done before the
//! engine says so.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Action, Command, CommandId, OrderNo, SessionState};

/// From here on a command that has not ended shows a spinner.
pub const SPIN: Duration = Duration::from_millis(150);
/// From here on it shows a warning.
pub const LATE: Duration = Duration::from_secs(2);
/// From here on its fate counts as unknown.
pub const LOST: Duration = Duration::from_secs(5);
/// Latencies that are remembered for the audit pane.
const REMEMBERED: usize = 256;

/// A command under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Its number in this dashboard: shown as `c41`.
    pub number: u64,
    /// What it asks for.
    pub action: Action,
    /// When it was sent.
    pub sent: Duration,
    /// When the engine was first seen to have it.
    pub accepted: Option<Duration>,
    /// Whether it takes protection from a position.
    pub protective: bool,
    /// Whether its being lost has been said.
    pub mourned: bool,
}

/// All commands under way, and how long ended ones took.
#[derive(Clone, Debug, Default)]
pub struct Flights {
    by_id: BTreeMap<CommandId, Flight>,
    numbers: BTreeMap<CommandId, u64>,
    took: BTreeMap<CommandId, Duration>,
    last: u64,
}

impl Flights {
    /// A number for a new command; never given twice.
    pub fn reserve(&mut self) -> u64 {
        self.last = self.last.saturating_add(1);
        self.last
    }

    /// Counts a command in that is being sent.
    pub fn depart(&mut self, command: &Command, number: u64, protective: bool, now: Duration) {
        let flight =
            Flight { number, action: command.action.clone(), sent: now, accepted: None, protective, mourned: false };
        self.numbers.insert(command.id.clone(), number);
        self.by_id.insert(command.id.clone(), flight);
        while self.numbers.len() > REMEMBERED {
            self.numbers.pop_first();
        }
    }

    /// Takes note of what the session says of the commands.
    pub fn settle(&mut self, state: &SessionState, now: Duration) {
        let took = &mut self.took;
        self.by_id.retain(|id, flight| {
            let Some(record) = state.command(id) else { return true };
            flight.accepted.get_or_insert(now);
            if record.status.is_final() {
                took.insert(id.clone(), now.saturating_sub(flight.sent));
            }
            !record.status.is_final()
        });
        while self.took.len() > REMEMBERED {
            self.took.pop_first();
        }
    }

    /// Forgets a command that could not be delivered.
    pub fn give_up(&mut self, id: &CommandId) -> Option<Flight> {
        self.by_id.remove(id)
    }

    /// All commands under way, in order of id.
    pub fn all(&self) -> impl Iterator<Item = (&CommandId, &Flight)> {
        self.by_id.iter()
    }

    /// All commands under way, to change them.
    pub fn all_mut(&mut self) -> impl Iterator<Item = (&CommandId, &mut Flight)> {
        self.by_id.iter_mut()
    }

    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The cancel under way that names an order.
    pub fn cancelling(&self, no: OrderNo) -> Option<&Flight> {
        self.by_id.values().find(|flight| matches!(&flight.action, Action::Cancel { orders } if orders.contains(&no)))
    }

    /// The command under way that asks for the same.
    pub fn same(&self, action: &Action) -> Option<&Flight> {
        self.by_id.values().find(|flight| flight.action == *action)
    }

    /// The number of a command of this dashboard.
    pub fn number(&self, id: &CommandId) -> Option<u64> {
        self.numbers.get(id).copied()
    }

    /// How long a command of this dashboard took from key to end.
    pub fn took(&self, id: &CommandId) -> Option<Duration> {
        self.took.get(id).copied()
    }
}
