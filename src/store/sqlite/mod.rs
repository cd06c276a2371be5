//! The projections in one SQLite file: orders, positions, their course, fills, signals, alerts and
//! commands, folded from the journal. It can be deleted at any time and is made anew.
//!
//! Money is TEXT (exact decimals), times are INTEGER microseconds since 1970, unknown is NULL. The
//! fold holds a [`SessionState`] of its own and writes whole rows from it, so a row is what the
//! session believed after the fact that its `rev` names.

mod account;
mod audit;
mod catch_up;
mod fold;
mod orders;
mod past;
mod positions;
mod projector;
mod table;
pub mod witness;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

pub use catch_up::{Rebuilt, rebuild, record_of};
pub use past::PastOfSqlite;
pub use projector::{Projector, ProjectorStatus};
pub use table::{Sent, Table};

use super::StoreError;
use crate::journal::private;
use crate::model::{FOLD, Record, SessionState, SessionTime};

/// `PRAGMA application_id`: "prpd".
const APPLICATION: i64 = 0x7072_7064;
/// `PRAGMA user_version`: rises with every change of a table; what an older program made is folded
/// anew from the journal.
const VERSION: i64 = 3;
/// Facts between two saves of the fold's state; after a crash so many are folded again.
const SAVE_EVERY: u64 = 5_000;

/// What a sink remembers: up to which `rev` it has sent the tables whose rows only come, and the rows
/// that it could not place, with the reason.
const CREATE_SINK: &str = "
CREATE TABLE IF NOT EXISTS sink_cursors (name TEXT PRIMARY KEY, rev INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sink_dead_letters (
    name TEXT NOT NULL, row INTEGER NOT NULL, key TEXT NOT NULL, rev INTEGER NOT NULL, message TEXT NOT NULL,
    at INTEGER NOT NULL, PRIMARY KEY (name, row)
) STRICT;
";

/// All tables.
pub static TABLES: &[&Table] = &[
    &orders::ORDERS,
    &orders::FILLS,
    &positions::POSITIONS,
    &positions::POSITION_SNAPSHOTS,
    &audit::SIGNALS,
    &audit::ALERTS,
    &audit::COMMANDS,
    &account::ACCOUNT_SNAPSHOTS,
];

/// The projections, open for folding.
pub struct Projections {
    path: PathBuf,
    connection: Connection,
    state: SessionState,
    saved: u64,
    kept_aside: Option<PathBuf>,
}

impl Projections {
    /// Opens the database, or makes it.
    ///
    /// # Errors
    /// When it is locked, no database, of another program or a newer version, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |error: rusqlite::Error| StoreError::sqlite(path, &error);
        // Its log and its shared memory get the rights of the file.
        private::make_file(path)
            .map_err(|error| StoreError::Failed { path: path.to_path_buf(), why: error.to_string() })?;
        let connection = Connection::open(path).map_err(fail)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(32);
        let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let application = pragma("application_id").map_err(fail)?;
        let version = pragma("user_version").map_err(fail)?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
        let unusable = |why: String| StoreError::Unusable { path: path.to_path_buf(), why };
        if tables > 0 && application != APPLICATION {
            return Err(unusable("it belongs to another program".into()));
        }
        if tables > 0 && version > VERSION {
            return Err(unusable(format!("it has version {version}, this program writes version {VERSION}")));
        }
        let (path, state) = (path.to_path_buf(), SessionState::default());
        let mut projections = Self { path, connection, state, saved: 0, kept_aside: None };
        projections.prepare(tables > 0 && version < VERSION).map_err(fail)?;
        projections.load().map_err(fail)?;
        Ok(projections)
    }

    /// Makes what is not there. Tables of an older version are dropped: nothing of them counts that
    /// is not in the journal.
    fn prepare(&mut self, outdated: bool) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        self.connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if outdated {
            drop_tables(&transaction)?;
        }
        for table in TABLES {
            transaction.execute_batch(&table.create())?;
        }
        transaction.execute_batch(CREATE_SINK)?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS folded (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, \
             at INTEGER NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS fold_state (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, \
             state TEXT NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS fold_made_by (one INTEGER PRIMARY KEY CHECK (one = 1), fold TEXT NOT NULL) STRICT;
             CREATE INDEX IF NOT EXISTS orders_created ON orders (created_at);
             CREATE INDEX IF NOT EXISTS fills_order ON fills (order_no);
             CREATE INDEX IF NOT EXISTS positions_opened ON positions (opened_at);
             CREATE INDEX IF NOT EXISTS signals_created ON signals (created_at);
             CREATE INDEX IF NOT EXISTS alerts_raised ON alerts (raised_at);
             CREATE INDEX IF NOT EXISTS signals_id ON signals (signal_id);
             CREATE INDEX IF NOT EXISTS snapshots_position ON position_snapshots (position_id, updated_at);",
        )?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()
    }

    /// Takes the fold up where its state was last saved; facts since then are folded again, which
    /// leaves rows as they are.
    fn load(&mut self) -> rusqlite::Result<()> {
        let saved: Option<String> =
            self.connection.query_row("SELECT state FROM fold_state", [], |row| row.get(0)).optional()?;
        let made_by: Option<String> =
            self.connection.query_row("SELECT fold FROM fold_made_by", [], |row| row.get(0)).optional()?;
        // What another fold made, or does not fit any more: fold from the beginning, over the same rows.
        let saved = saved.filter(|_| made_by.as_deref() == Some(FOLD));
        self.state = saved.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        self.saved = self.state.seq;
        Ok(())
    }

    /// The database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of the last fact that is folded. What is handed to [`Projections::fold`] goes on from
    /// here.
    pub fn folded_to(&self) -> u64 {
        self.state.seq
    }

    /// The last fact whose rows are in the database, and its time; `None` when there is none. It may
    /// be beyond [`Projections::folded_to`] after a crash.
    pub(super) fn anchor(&self) -> Result<Option<(u64, SessionTime)>, StoreError> {
        self.connection
            .query_row("SELECT seq, at FROM folded", [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .optional()
            .map(|found| {
                found.and_then(|(seq, at)| u64::try_from(seq).ok().map(|seq| (seq, SessionTime::from_micros(at))))
            })
            .map_err(|error| StoreError::sqlite(&self.path, &error))
    }

    /// Folds records, all in one transaction. Quotes among them and facts that are folded already
    /// are passed over.
    ///
    /// # Errors
    /// [`StoreError::Gap`] when facts are missing in between: nothing is folded then. Errors of the
    /// database: the transaction is undone, and [`Projections::folded_to`] may have gone back.
    pub fn fold(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let mut due = self.state.seq.saturating_add(1);
        let mut fresh = Vec::new();
        for record in records {
            if !record.event.is_fact() || record.seq < due {
                continue;
            }
            if record.seq != due {
                return Err(StoreError::Gap { due, got: record.seq });
            }
            due = due.saturating_add(1);
            fresh.push(record);
        }
        let Some(last) = fresh.last() else { return Ok(()) };
        let save = last.seq.saturating_sub(self.saved) >= SAVE_EVERY;
        if let Err(error) = write(&mut self.connection, &mut self.state, &fresh, save) {
            // The state is ahead of the rows now: back to the one that was saved, or to the beginning.
            if self.load().is_err() {
                self.state = SessionState::default();
                self.saved = 0;
            }
            return Err(StoreError::sqlite(&self.path, &error));
        }
        if save {
            self.saved = self.state.seq;
        }
        Ok(())
    }

    /// Saves the state of the fold, so that the next start goes on from here.
    ///
    /// # Errors
    /// Of the database.
    pub fn save(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let fail = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
        if self.saved == self.state.seq {
            return Ok(());
        }
        let transaction = immediate(&mut self.connection).map_err(fail)?;
        save_state(&transaction, &self.state).map_err(fail)?;
        transaction.commit().map_err(fail)?;
        self.saved = self.state.seq;
        Ok(())
    }

    /// Gives the database another name, because it holds what the journal does not, and begins an empty
    /// one. Which name that is, [`Projections::kept_aside`] says.
    pub(super) fn renew(&mut self, now: SessionTime) -> Result<(), StoreError> {
        let path = self.path.clone();
        let fail = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
        let old = std::mem::replace(&mut self.connection, Connection::open_in_memory().map_err(fail)?);
        old.close().map_err(|(_, error)| fail(error))?;
        let aside = witness::keep_aside(&path, now);
        let failed = |error: std::io::Error| StoreError::Failed { path: path.clone(), why: error.to_string() };
        *self = Self { kept_aside: Some(aside.map_err(failed)?), ..Self::open(&path)? };
        Ok(())
    }

    /// The name that a database got because it did not agree with the journal; told once.
    pub fn kept_aside(&mut self) -> Option<PathBuf> {
        self.kept_aside.take()
    }

    /// Moves everything into the one file, so that it can be renamed.
    fn close(self) -> Result<(), StoreError> {
        let path = self.path;
        let fail = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
        self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").map_err(fail)?;
        self.connection.close().map_err(|(_, error)| fail(error))
    }
}

/// Whether a database is one of ours in the version of today.
pub fn is_current(connection: &Connection) -> rusqlite::Result<bool> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(pragma("application_id")? == APPLICATION && pragma("user_version")? == VERSION)
}

fn drop_tables(from: &Connection) -> rusqlite::Result<()> {
    let mut names = from.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names {
        from.execute(&format!("DROP TABLE \"{}\"", name.replace('"', "\"\"")), [])?;
    }
    Ok(())
}

fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn write(
    connection: &mut Connection,
    state: &mut SessionState,
    records: &[&Record],
    save: bool,
) -> rusqlite::Result<()> {
    let transaction = immediate(connection)?;
    for record in records {
        fold::fold(&transaction, state, record)?;
    }
    if let Some(last) = records.last() {
        transaction
            .prepare_cached(
                "INSERT INTO folded (one, seq, at) VALUES (1, ?1, ?2) ON CONFLICT (one) DO UPDATE SET \
                 seq = excluded.seq, at = excluded.at WHERE excluded.seq >= folded.seq",
            )?
            .execute((i64::try_from(last.seq).unwrap_or(i64::MAX), last.at.micros()))?;
    }
    if save {
        save_state(&transaction, state)?;
    }
    transaction.commit()
}

fn save_state(to: &Connection, state: &SessionState) -> rusqlite::Result<()> {
    let text = serde_json::to_string(state).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    to.prepare_cached("INSERT OR REPLACE INTO fold_state (one, seq, state) VALUES (1, ?1, ?2)")?
        .execute((i64::try_from(state.seq).unwrap_or(i64::MAX), text))?;
    to.prepare_cached("INSERT OR REPLACE INTO fold_made_by (one, fold) VALUES (1, ?1)")?.execute([FOLD])?;
    Ok(())
}
