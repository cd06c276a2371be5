//! The projections, as the drain reads them: what was not sent yet, and what was.
//!
//! A batch is the range of `rev` from just after one row to another. Facts are folded in order, so a
//! row that changes after it was read leaves the range upwards: marking the range as sent never
//! marks what was not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior};

use super::tables::{TARGETS, Target};
use crate::model::SessionTime;
use crate::store::{Sent, StoreError};

/// How long the projector may keep the drain waiting; the other way round it is a few milliseconds.
const BUSY: Duration = Duration::from_secs(2);

/// How often rows were asked for once more: what was read before that must not be marked as sent.
const RESYNCS: &str = "coalesce((SELECT rev FROM sink_cursors WHERE name = 'resync'), 0)";

/// The projections of a data directory.
pub struct Source {
    path: PathBuf,
    pub(super) connection: Connection,
}

/// Rows that go into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Beyond this `rev`.
    pub after: i64,
    /// Up to this one.
    pub to: i64,
    /// How many.
    pub rows: usize,
    /// The earliest designated timestamp among them, in microseconds.
    pub from_time: i64,
    /// The latest.
    pub to_time: i64,
    /// How often rows had been asked for once more when these were read.
    pub resyncs: i64,
}

/// A row that the server does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the table here.
    pub row: i64,
    /// What it was.
    pub rev: i64,
    /// Its id, for people.
    pub key: String,
    /// The reason: the server's words, or ours.
    pub message: String,
}

/// How far a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Rows that are not sent.
    pub rows: u64,
    /// How far behind the last fact the oldest of them is.
    pub seconds: u64,
    /// Rows that were refused.
    pub dead_letters: u64,
}

impl Source {
    /// Opens the projections. `None` when there are none yet, or an older program made them: the
    /// projector will fold them anew.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let fail = |error: rusqlite::Error| StoreError::sqlite(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        connection.busy_timeout(BUSY).map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(32);
        // As the projector has it: what a power cut takes back is sent once more.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(fail)?;
        if !crate::store::sqlite::is_current(&connection).map_err(fail)? {
            return Ok(None);
        }
        Ok(Some(Self { path: path.to_path_buf(), connection }))
    }

    pub(super) fn fail(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, error)
    }

    /// Up to which `rev` a table whose rows only come was sent.
    ///
    /// # Errors
    /// Of the database.
    pub fn cursor(&self, target: &Target) -> Result<i64, StoreError> {
        let sql = "SELECT rev FROM sink_cursors WHERE name = ?1";
        let read = || self.connection.prepare_cached(sql)?.query_row([target.name], |row| row.get(0)).optional();
        Ok(read().map_err(|error| self.fail(&error))?.unwrap_or(0))
    }

    pub(super) fn resyncs(&self) -> Result<i64, StoreError> {
        let read = || self.connection.prepare_cached(&format!("SELECT {RESYNCS}"))?.query_row([], |row| row.get(0));
        read().map_err(|error| self.fail(&error))
    }

    /// What is not sent, as the end of a query over the target's table.
    pub(super) fn unsent(&self, target: &Target) -> Result<String, StoreError> {
        let source = target.source;
        Ok(match target.sent {
            Sent::ByCursor => format!("INDEXED BY {source}_rev WHERE rev > {}", self.cursor(target)?),
            _ => format!("INDEXED BY {source}_unsynced WHERE (synced_rev IS NULL OR synced_rev < rev)"),
        })
    }

    /// Rows with designated timestamps in a range that are not sent.
    pub(super) fn unsent_between(&self, target: &Target, (from, to): (i64, i64)) -> Result<i64, StoreError> {
        let sql = format!(
            "SELECT count(*) FROM {} {} AND {} BETWEEN ?1 AND ?2",
            target.source,
            self.unsent(target)?,
            target.time.1
        );
        self.connection.query_row(&sql, (from, to), |row| row.get(0)).map_err(|error| self.fail(&error))
    }

    /// Marks a range as sent, and puts what was refused on record, all or nothing.
    ///
    /// # Errors
    /// Of the database; the range is sent once more then.
    pub fn settle(&mut self, target: &Target, range: &Range, dead: &[DeadLetter]) -> Result<(), StoreError> {
        settle(&mut self.connection, target, range, dead).map_err(|error| StoreError::sqlite(&self.path, &error))
    }

    /// Has everything since a time sent once more, and says how many rows that is. Rows of before
    /// may be among them where rows only come.
    ///
    /// # Errors
    /// Of the database.
    pub fn resend(&mut self, since: SessionTime) -> Result<u64, StoreError> {
        let (path, connection) = (&self.path, &mut self.connection);
        resend(connection, since.micros(), i64::MAX, None).map_err(|error| StoreError::sqlite(path, &error))
    }

    /// The same for the rows of one table whose designated timestamps lie in a range.
    pub(super) fn resend_range(&mut self, target: &Target, from: i64, to: i64) -> Result<u64, StoreError> {
        let (path, connection) = (&self.path, &mut self.connection);
        resend(connection, from, to, Some(target)).map_err(|error| StoreError::sqlite(path, &error))
    }

    /// How far a table is.
    ///
    /// # Errors
    /// Of the database.
    pub fn lag(&self, target: &Target) -> Result<Lag, StoreError> {
        let unsent = self.unsent(target)?;
        let read = || -> rusqlite::Result<Lag> {
            let count = |sql: &str| self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
            let rows = count(&format!("SELECT count(*) FROM {} {unsent}", target.source))?;
            let dead_letters =
                count(&format!("SELECT count(*) FROM sink_dead_letters WHERE name = '{}'", target.name))?;
            let oldest: Option<i64> = self
                .connection
                .query_row(
                    &format!("SELECT {} FROM {} {unsent} ORDER BY rev LIMIT 1", target.touched, target.source),
                    [],
                    |row| row.get(0),
                )
                .optional()?;
            let newest: Option<i64> =
                self.connection.query_row("SELECT at FROM folded", [], |row| row.get(0)).optional()?;
            let micros = oldest.zip(newest).map_or(0, |(oldest, newest)| newest.saturating_sub(oldest).max(0));
            let whole = |number: i64| u64::try_from(number).unwrap_or(0);
            Ok(Lag { rows: whole(rows), seconds: whole(micros / 1_000_000), dead_letters: whole(dead_letters) })
        };
        read().map_err(|error| self.fail(&error))
    }

    /// The rows that were refused, the newest first.
    ///
    /// # Errors
    /// Of the database.
    pub fn dead_letters(&self, target: &Target, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let read = || -> rusqlite::Result<Vec<DeadLetter>> {
            self.connection
                .prepare_cached(
                    "SELECT row, rev, key, message FROM sink_dead_letters WHERE name = ?1 ORDER BY rev DESC LIMIT ?2",
                )?
                .query_map((target.name, limit), |row| {
                    Ok(DeadLetter { row: row.get(0)?, rev: row.get(1)?, key: row.get(2)?, message: row.get(3)? })
                })?
                .collect()
        };
        read().map_err(|error| self.fail(&error))
    }
}

fn settle(connection: &mut Connection, target: &Target, range: &Range, dead: &[DeadLetter]) -> rusqlite::Result<()> {
    let (source, name) = (target.source, target.name);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Letters of rows that were taken now, or are refused once more below.
    transaction
        .prepare_cached(&format!(
            "DELETE FROM sink_dead_letters WHERE name = '{name}' AND row IN \
             (SELECT rowid FROM {source} WHERE rev > ?1 AND rev <= ?2) AND \
             EXISTS (SELECT 1 FROM sink_dead_letters WHERE name = '{name}')"
        ))?
        .execute((range.after, range.to))?;
    match target.sent {
        Sent::ByCursor => {
            // Unless somebody has moved it back meanwhile.
            transaction
                .prepare_cached(
                    "INSERT INTO sink_cursors (name, rev) VALUES (?1, ?3) ON CONFLICT (name) DO UPDATE SET rev = ?3 \
                     WHERE rev = ?2",
                )?
                .execute((name, range.after, range.to))?;
        }
        _ => {
            transaction
                .prepare_cached(&format!(
                    "UPDATE {source} INDEXED BY {source}_unsynced SET synced_rev = rev WHERE \
                     (synced_rev IS NULL OR synced_rev < rev) AND rev > ?1 AND rev <= ?2 AND {RESYNCS} = ?3"
                ))?
                .execute((range.after, range.to, range.resyncs))?;
        }
    }
    for letter in dead {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO sink_dead_letters (name, row, key, rev, message, at) VALUES (?1, ?2, ?3, ?4, \
                 ?5, coalesce((SELECT at FROM folded), 0))",
            )?
            .execute((name, letter.row, &letter.key, letter.rev, &letter.message))?;
    }
    transaction.commit()
}

fn resend(connection: &mut Connection, from: i64, to: i64, only: Option<&Target>) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut rows = 0_usize;
    for target in TARGETS.iter().filter(|target| only.is_none_or(|only| only.name == target.name)) {
        let (source, name) = (target.source, target.name);
        // All since a time: by when a row was last touched; a range: by the designated timestamp.
        let time = if only.is_some() { target.time.1 } else { target.touched };
        match target.sent {
            Sent::ByCursor => {
                let first: Option<i64> = transaction.query_row(
                    &format!("SELECT min(rev) FROM {source} WHERE {time} BETWEEN ?1 AND ?2"),
                    (from, to),
                    |row| row.get(0),
                )?;
                if let Some(first) = first {
                    transaction.execute(
                        "UPDATE sink_cursors SET rev = min(rev, ?2) WHERE name = ?1",
                        (name, first.saturating_sub(1)),
                    )?;
                    let due: i64 = transaction.query_row(
                        &format!("SELECT count(*) FROM {source} WHERE rev >= ?1"),
                        [first],
                        |row| row.get(0),
                    )?;
                    rows = rows.saturating_add(usize::try_from(due).unwrap_or(0));
                }
            }
            _ => {
                let marked = transaction.execute(
                    &format!("UPDATE {source} SET synced_rev = NULL WHERE {time} BETWEEN ?1 AND ?2"),
                    (from, to),
                )?;
                rows = rows.saturating_add(marked);
            }
        }
    }
    transaction.execute(
        "INSERT INTO sink_cursors (name, rev) VALUES ('resync', 1) ON CONFLICT (name) DO UPDATE SET rev = rev + 1",
        [],
    )?;
    transaction.commit()?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}
