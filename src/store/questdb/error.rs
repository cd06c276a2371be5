//! What can go wrong with QuestDB. None of it stops trading, and none of it loses a row.

use super::conf::ConfError;
use crate::store::StoreError;

/// Why QuestDB could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum QuestDbError {
    /// The connection string.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// Nobody answers, or not in time.
    #[error("QuestDB at {address} cannot be reached: {why}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// The client's words.
        why: String,
    },
    /// It wants to know who asks.
    #[error("QuestDB at {address} refuses the user or token; check username and password (or token) in the connection")]
    Auth {
        /// Where it is.
        address: String,
    },
    /// It answered with an error.
    #[error("QuestDB refuses {what}: {why}")]
    Answer {
        /// What was asked.
        what: String,
        /// Its words.
        why: String,
    },
    /// It cannot hold exact decimals.
    #[error("QuestDB {version} at {address} cannot take exact decimals: 9.2 or newer is needed")]
    TooOld {
        /// Where it is.
        address: String,
        /// Its version.
        version: String,
    },
    /// Its tables are those of an older version.
    #[error("QuestDB lacks migration {missing}: run `perpdeck migrate`")]
    Unmigrated {
        /// The migrations, by number and name.
        missing: String,
    },
    /// A migration that was applied is not the one that this program has.
    #[error("migration {version} in QuestDB is not the one that this program has: another program made these tables")]
    OtherMigration {
        /// Its number.
        version: u32,
    },
    /// Columns disagree.
    #[error(
        "QuestDB's tables are not as this program writes them, so nothing is written: {0}. Rename the table there \
         (RENAME TABLE x TO x_old), then run `perpdeck migrate`"
    )]
    Schema(String),
    /// It refuses one row after the other.
    #[error("QuestDB refused {count} rows of {table} in a row, so sending has paused; the last: {why}")]
    RefusesAll {
        /// Its table.
        table: &'static str,
        /// How many.
        count: u64,
        /// Its words about the last.
        why: String,
    },
    /// The thread that sends.
    #[error("the QuestDB thread {0}")]
    Thread(String),
    /// The projections on this side.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl QuestDbError {
    /// Whether somebody has to do something before trying again can help.
    pub const fn needs_somebody(&self) -> bool {
        match self {
            Self::Conf(_)
            | Self::Auth { .. }
            | Self::TooOld { .. }
            | Self::Unmigrated { .. }
            | Self::OtherMigration { .. }
            | Self::Schema(_)
            | Self::RefusesAll { .. } => true,
            Self::Unreachable { .. } | Self::Answer { .. } | Self::Thread(_) | Self::Store(_) => false,
        }
    }
}
