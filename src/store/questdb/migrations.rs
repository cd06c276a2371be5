//! The tables' numbered SQL files, and which of them a server has.
//!
//! Each statement can be run again, so a migration that was interrupted anywhere is simply run
//! again; it is on record in `schema_migrations` only when all of it is done and the tables are as
//! they should be. QuestDB has no locks for this: one program migrates at a time.

use sha2::{Digest as _, Sha256};

use super::error::QuestDbError;
use super::schema;
use super::server::{Server, quoted};
use super::tables::TARGETS;

/// A migration.
#[derive(Debug)]
pub struct Migration {
    /// Its number.
    pub version: u32,
    /// Its name.
    pub name: &'static str,
    sql: &'static str,
}

/// All migrations; those up to 015 belonged to the predecessor and its other tables.
pub static MIGRATIONS: [Migration; 3] = [
    Migration { version: 16, name: "live_tables", sql: include_str!("migrations/016_live_tables.sql") },
    Migration { version: 17, name: "risk_events", sql: include_str!("migrations/017_risk_events.sql") },
    Migration { version: 18, name: "account_equity", sql: include_str!("migrations/018_account_equity.sql") },
];

/// Not WAL: it is read right after it is written.
const RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (version INT, name VARCHAR, checksum VARCHAR, \
     applied_at TIMESTAMP) TIMESTAMP(applied_at) PARTITION BY YEAR BYPASS WAL";

/// Whether a server has a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Not yet.
    Pending,
    /// Since this time.
    At(String),
    /// It has another one under this number.
    Other,
}

impl Migration {
    /// Its statements, without comments.
    pub fn statements(&self) -> Vec<String> {
        let lines = self.sql.lines().filter(|line| !line.trim_start().starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        text.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(ToOwned::to_owned).collect()
    }

    /// What tells its statements from others: comments and white space do not count.
    pub fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        for statement in self.statements() {
            hash.update(statement.split_whitespace().collect::<Vec<_>>().join(" "));
            hash.update(";");
        }
        hex::encode(hash.finalize())
    }
}

/// Which migrations a server has.
///
/// # Errors
/// When it cannot be asked.
pub fn status(server: &Server) -> Result<Vec<(&'static Migration, Applied)>, QuestDbError> {
    let known = server.exec("SELECT table_name FROM tables() WHERE table_name = 'schema_migrations'")?;
    let applied = if known.rows.is_empty() {
        Vec::new()
    } else {
        let found = server.exec("SELECT version, checksum, applied_at FROM schema_migrations ORDER BY applied_at")?;
        let row =
            |row: usize| Some((found.whole(row, 0)?, found.text(row, 1)?.to_owned(), found.text(row, 2)?.to_owned()));
        (0..found.rows.len()).filter_map(row).collect()
    };
    let of = |migration: &Migration| {
        let Some((_, checksum, at)) = applied.iter().find(|(version, ..)| *version == i64::from(migration.version))
        else {
            return Applied::Pending;
        };
        if *checksum == migration.checksum() { Applied::At(at.clone()) } else { Applied::Other }
    };
    Ok(MIGRATIONS.iter().map(|migration| (migration, of(migration))).collect())
}

/// Applies what a server lacks, in order, and says what that was.
///
/// # Errors
/// When it cannot be asked, refuses a statement, or has a table of that name with other columns; what
/// was done before is on record, and the rest is done by the next try.
pub fn migrate(server: &Server) -> Result<Vec<&'static Migration>, QuestDbError> {
    server.exec(RECORD)?;
    let mut done = Vec::new();
    for (migration, applied) in status(server)? {
        match applied {
            Applied::At(_) => continue,
            Applied::Other => return Err(QuestDbError::OtherMigration { version: migration.version }),
            Applied::Pending => {}
        }
        for statement in migration.statements() {
            server.exec(&statement)?;
        }
        // A table that was there before is left as it was by the statements.
        let made: Vec<_> = TARGETS.iter().filter(|target| migration.makes(target.name)).collect();
        schema::check(server, &made)?;
        server.exec(&format!(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ({}, {}, {}, now())",
            migration.version,
            quoted(migration.name),
            quoted(&migration.checksum())
        ))?;
        done.push(migration);
    }
    Ok(done)
}

/// Makes a server ready to be written, which an empty one becomes by being migrated, and says the
/// number of its last migration.
///
/// # Errors
/// When it cannot be asked, lacks a migration and is not empty, or its columns disagree.
pub fn ensure(server: &Server) -> Result<u32, QuestDbError> {
    let mut all = status(server)?;
    if all.iter().all(|(_, applied)| *applied == Applied::Pending) {
        let names: Vec<String> = TARGETS.iter().map(|target| quoted(target.name)).collect();
        let theirs = format!("SELECT table_name FROM tables() WHERE table_name IN ({})", names.join(", "));
        // Ours alone, from a first try that was interrupted, or none at all: either way nothing is lost.
        if server.exec(&theirs)?.rows.is_empty() || schema::check(server, &existing(server)?).is_ok() {
            migrate(server)?;
            all = status(server)?;
        }
    }
    if let Some((migration, _)) = all.iter().find(|(_, applied)| *applied == Applied::Other) {
        return Err(QuestDbError::OtherMigration { version: migration.version });
    }
    schema::check(server, &existing(server)?)?;
    let missing: Vec<String> = all
        .iter()
        .filter(|(_, applied)| *applied == Applied::Pending)
        .map(|(migration, _)| migration.to_string())
        .collect();
    if !missing.is_empty() {
        return Err(QuestDbError::Unmigrated { missing: missing.join(", ") });
    }
    schema::check(server, &TARGETS.iter().collect::<Vec<_>>())?;
    Ok(all.last().map_or(0, |(migration, _)| migration.version))
}

fn existing(server: &Server) -> Result<Vec<&'static super::tables::Target>, QuestDbError> {
    let found = server.exec("SELECT table_name FROM tables()")?;
    let is_there = |name: &str| (0..found.rows.len()).any(|row| found.text(row, 0) == Some(name));
    Ok(TARGETS.iter().filter(|target| is_there(target.name)).collect())
}

impl Migration {
    fn makes(&self, table: &str) -> bool {
        self.sql.contains(&format!("CREATE TABLE IF NOT EXISTS {table} "))
    }
}

impl std::fmt::Display for Migration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:03}_{}", self.version, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_every_statement_can_be_run_again() {
        let numbers: Vec<u32> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert!(numbers.is_sorted() && numbers[0] == 16, "{numbers:?}");
        for migration in &MIGRATIONS {
            assert!(!migration.statements().is_empty());
            for statement in migration.statements() {
                assert!(statement.contains("IF NOT EXISTS"), "{statement}");
                assert!(!statement.contains("TTL"), "retention is a setting, never part of a migration: {statement}");
            }
        }
        for target in &TARGETS {
            assert_eq!(MIGRATIONS.iter().filter(|m| m.makes(target.name)).count(), 1, "{}", target.name);
        }
    }

    #[test]
    fn comments_and_white_space_are_no_other_migration() {
        let one = Migration { version: 1, name: "a", sql: "-- why\nCREATE  TABLE a (b INT);\n" };
        let two = Migration { version: 1, name: "a", sql: "CREATE TABLE a\n(b INT)" };
        let other = Migration { version: 1, name: "a", sql: "CREATE TABLE a (b LONG);" };
        assert_eq!(one.checksum(), two.checksum());
        assert_ne!(one.checksum(), other.checksum());
    }
}
