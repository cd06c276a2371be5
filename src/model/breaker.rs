//! The vocabulary of the circuit breakers: one for each class of call.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::SessionTime;

/// Calls that fail together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallClass {
    /// Placing entries.
    Entries,
    /// Cancels and exits: an open breaker never blocks these, they may probe.
    Exits,
    /// Everything that only reads.
    Reads,
}

impl CallClass {
    /// All classes.
    pub const ALL: [Self; 3] = [Self::Entries, Self::Exits, Self::Reads];

    /// Its name on screens and in commands.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Exits => "exits",
            Self::Reads => "reads",
        }
    }
}

impl fmt::Display for CallClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls go through.
    #[default]
    Closed,
    /// Calls are held back until the recovery time is over.
    Open,
    /// One call at a time is let through to see.
    HalfOpen,
}

impl BreakerState {
    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A circuit breaker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Where it stands.
    pub state: BreakerState,
    /// Since when.
    pub since: Option<SessionTime>,
    /// Failing rounds in a row; a quote, not a fact.
    pub failures: u32,
    /// Successes in a row while half-open; a quote, not a fact.
    pub successes: u32,
    /// When the last counted failure came: calls that were under way then belong to its round; a quote, not
    /// a fact.
    #[serde(default)]
    pub failed_at: Option<SessionTime>,
    /// Whether the one call of the half-open state is out; a quote, not a fact.
    pub probing: bool,
    /// The last failure, for people.
    pub last_failure: Option<String>,
    /// How often it has opened.
    pub opened: u64,
    /// Calls counted as failures.
    pub failed_calls: u64,
    /// Calls that succeeded.
    pub succeeded_calls: u64,
    /// Calls held back while open.
    pub rejected_calls: u64,
}
