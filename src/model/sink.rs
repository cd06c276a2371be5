//! How far a copy of the projections elsewhere is, for people.

use serde::{Deserialize, Serialize};

/// What a sink is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkPhase {
    /// It has not been reached yet.
    #[default]
    Starting,
    /// It takes rows.
    Up,
    /// It cannot be reached, or fails; it is tried again and again.
    Down,
    /// It is reached, but must not be written as it is: somebody has to do something.
    Refused,
}

/// How far one table is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkTable {
    /// Its name there.
    pub name: String,
    /// Rows that it lacks.
    pub rows: u64,
    /// How far behind the last fact the oldest of them is, in seconds of session time.
    pub seconds: u64,
    /// Whether the server has stopped applying what it takes.
    pub suspended: bool,
    /// Rows that it refused.
    pub dead_letters: u64,
}

/// How far a sink is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkStatus {
    /// What it is doing.
    pub phase: SinkPhase,
    /// What is wrong and what to do, when something is.
    pub problem: Option<String>,
    /// Number of the last migration there; `None` while that is not known.
    pub schema: Option<u32>,
    /// Its tables.
    pub tables: Vec<SinkTable>,
}

impl SinkStatus {
    /// Rows that it lacks.
    pub fn rows(&self) -> u64 {
        self.tables.iter().fold(0, |sum, table| sum.saturating_add(table.rows))
    }

    /// How far it is behind, in seconds of session time.
    pub fn seconds(&self) -> u64 {
        self.tables.iter().map(|table| table.seconds).max().unwrap_or_default()
    }

    /// Rows that it refused.
    pub fn dead_letters(&self) -> u64 {
        self.tables.iter().fold(0, |sum, table| sum.saturating_add(table.dead_letters))
    }

    /// Whether somebody should look: it cannot be reached, refuses, or has tables or rows that are
    /// stuck.
    pub fn is_troubled(&self) -> bool {
        matches!(self.phase, SinkPhase::Down | SinkPhase::Refused)
            || self.tables.iter().any(|table| table.suspended || table.dead_letters > 0)
    }
}
