//! Folding: all at once, in pieces, after a crash, from a journal.

use std::fs;
use std::path::Path;

use perpdeck::journal::Journal;
use perpdeck::store::{Projections, StoreError, TABLES, rebuild};
use proptest::prelude::*;
use rusqlite::{Connection, types::Value};
use tempfile::tempdir;

use super::facts::{facts, journal, last};

/// Every row of every table, in order, `synced_rev` included.
pub fn dump(database: &Path) -> Vec<String> {
    let connection = Connection::open(database).unwrap();
    let mut rows = Vec::new();
    for table in TABLES {
        let sql = format!("SELECT * FROM {} ORDER BY {}", table.name, table.key.join(", "));
        let mut statement = connection.prepare(&sql).unwrap();
        let columns = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values: Vec<Value> = (0..columns).map(|column| row.get(column).unwrap()).collect();
            rows.push(format!("{} {values:?}", table.name));
        }
    }
    rows
}

fn one<T: rusqlite::types::FromSql>(database: &Path, sql: &str) -> T {
    Connection::open(database).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn rows_say_what_happened() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("history.sqlite");
    let mut projections = Projections::open(&path).unwrap();
    let records = facts(8);
    projections.fold(&records).unwrap();
    assert_eq!(projections.folded_to(), last(&records));
    drop(projections);
    let text = |sql: &str| one::<Option<String>>(&path, sql);
    assert_eq!(text("SELECT status FROM orders WHERE order_no = 2").as_deref(), Some("filled"));
    assert_eq!(text("SELECT filled_quantity FROM orders WHERE order_no = 2").as_deref(), Some("0.4"));
    assert_eq!(text("SELECT commission FROM orders WHERE order_no = 2").as_deref(), Some("0.02435"));
    assert_eq!(text("SELECT average_fill_price FROM orders WHERE order_no = 2").as_deref(), Some("101.25"));
    assert_eq!(text("SELECT exchange_order_id FROM orders WHERE order_no = 2").as_deref(), Some("739000000000000002"));
    assert_eq!(text("SELECT error_message FROM orders WHERE order_no = 4").as_deref(), Some("balance insufficient"));
    assert_eq!(text("SELECT average_fill_price FROM orders WHERE order_no = 4"), None, "unknown is not zero");
    assert_eq!(text("SELECT cancel_wanted_by FROM orders WHERE order_no = 5").as_deref(), Some("time-out"));
    assert_eq!(text("SELECT fee FROM fills WHERE order_no = 3 AND contracts = '3'"), None);
    assert_eq!(
        text("SELECT market_price FROM signals WHERE signal_id = 'signal-1'").as_deref(),
        Some("12345678901234567890.12345")
    );
    assert_eq!(text("SELECT status FROM positions WHERE position_id = 2").as_deref(), Some("liquidated"));
    assert_eq!(text("SELECT status FROM positions WHERE position_id = 3").as_deref(), Some("closed"));
    assert_eq!(text("SELECT exit_price FROM positions WHERE position_id = 2").as_deref(), Some("102"));
    assert_eq!(text("SELECT liquidation_price FROM positions WHERE position_id = 2").as_deref(), Some("68.1"));
    assert_eq!(text("SELECT severity FROM alerts WHERE alert_id = 2").as_deref(), Some("CRITICAL"));
    assert_eq!(text("SELECT acknowledged_by FROM alerts WHERE alert_id = 2").as_deref(), Some("operator"));
    assert_eq!(text("SELECT acknowledged_by FROM alerts WHERE alert_id = 3"), None);
    assert_eq!(text("SELECT status FROM commands WHERE command_id = 'c1'").as_deref(), Some("done"));
    assert_eq!(one::<i64>(&path, "SELECT count(*) FROM orders"), 8);
    assert_eq!(one::<i64>(&path, "SELECT count(*) FROM signals WHERE outcome = 'refused'"), 8);
    // opened, two fills, two snapshots, closed, explained
    assert_eq!(one::<i64>(&path, "SELECT count(*) FROM position_snapshots WHERE position_id = 2"), 7);
    // The revision of a row is the last fact that touched it.
    let touched = records.iter().filter(|record| record.event.order().is_some_and(|no| no.0 == 2)).map(|r| r.seq).max();
    assert_eq!(
        one::<i64>(&path, "SELECT rev FROM orders WHERE order_no = 2"),
        i64::try_from(touched.unwrap()).unwrap()
    );
    assert_eq!(one::<i64>(&path, "SELECT count(*) FROM orders WHERE synced_rev IS NOT NULL"), 0);
}

#[test]
fn rebuilding_gives_the_same_rows() {
    let dir = tempdir().unwrap();
    let records = facts(40);
    journal(&dir.path().join("journal"), &records);
    let incremental = dir.path().join("incremental.sqlite");
    let mut projections = Projections::open(&incremental).unwrap();
    for record in &records {
        projections.fold(std::slice::from_ref(record)).unwrap();
    }
    drop(projections);
    let anew = dir.path().join("anew.sqlite");
    assert_eq!(rebuild(&dir.path().join("journal"), &anew).unwrap().facts, last(&records));
    let rows = dump(&anew);
    assert!(rows.len() > 300);
    assert_eq!(dump(&incremental), rows);
    // Again, over the one that is there.
    rebuild(&dir.path().join("journal"), &anew).unwrap();
    assert_eq!(dump(&anew), rows);
    assert_eq!(
        fs::read_dir(dir.path())
            .unwrap()
            .filter(|f| f.as_ref().unwrap().path().to_string_lossy().contains("rebuild"))
            .count(),
        0
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// A kill between two transactions loses the state that was not saved; facts are then folded
    /// again, and what was sent on stays marked as sent.
    #[test]
    fn kills_and_repeats_change_no_row(
        cuts in proptest::collection::vec((1_u64..60, any::<bool>()), 1..12),
    ) {
        let dir = tempdir().unwrap();
        let records = facts(30);
        let journal_dir = dir.path().join("journal");
        journal(&journal_dir, &records);
        let plain = dir.path().join("plain.sqlite");
        Projections::open(&plain).unwrap().fold(&records).unwrap();
        let path = dir.path().join("history.sqlite");
        let mut at = 0;
        for (count, save) in &cuts {
            let mut projections = Projections::open(&path).unwrap();
            // What the last save did not hold comes again, from the journal.
            projections.catch_up_to(&journal_dir, at);
            let end = (at + *count).min(last(&records));
            let group: Vec<_> = records.iter().filter(|r| r.seq > at && r.seq <= end).cloned().collect();
            projections.fold(&group).unwrap();
            if *save {
                projections.save().unwrap();
            }
            at = end;
        }
        let mut projections = Projections::open(&path).unwrap();
        prop_assert_eq!(projections.catch_up(&journal_dir).unwrap(), last(&records));
        drop(projections);
        prop_assert_eq!(dump(&path), dump(&plain));
    }
}

/// Folds a part of the journal only.
trait CatchUpTo {
    fn catch_up_to(&mut self, journal_dir: &Path, seq: u64);
}

impl CatchUpTo for Projections {
    fn catch_up_to(&mut self, journal_dir: &Path, seq: u64) {
        let from = self.folded_to() + 1;
        let group: Vec<_> = perpdeck::journal::read_from(journal_dir, from)
            .unwrap()
            .map(|entry| perpdeck::store::record_of(&entry.unwrap()).unwrap())
            .take_while(|record| record.seq <= seq)
            .collect();
        self.fold(&group).unwrap();
    }
}

#[test]
fn what_was_sent_on_is_not_forgotten() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("history.sqlite");
    let records = facts(4);
    let (first, rest) = records.split_at(records.len() / 2);
    let mut projections = Projections::open(&path).unwrap();
    projections.fold(first).unwrap();
    Connection::open(&path).unwrap().execute("UPDATE orders SET synced_rev = rev", []).unwrap();
    projections.fold(rest).unwrap();
    let dirty: i64 = one(&path, "SELECT count(*) FROM orders WHERE synced_rev IS NULL OR synced_rev < rev");
    let clean: i64 = one(&path, "SELECT count(*) FROM orders WHERE synced_rev = rev");
    assert!(dirty > 0 && clean > 0, "{dirty} {clean}");
}

#[test]
fn a_deleted_database_is_made_anew_and_one_of_another_journal_too() {
    let dir = tempdir().unwrap();
    let (path, journal_dir) = (dir.path().join("history.sqlite"), dir.path().join("journal"));
    let records = facts(10);
    journal(&journal_dir, &records);
    let mut projections = Projections::open(&path).unwrap();
    projections.catch_up(&journal_dir).unwrap();
    projections.save().unwrap();
    drop(projections);
    let rows = dump(&path);
    fs::remove_file(&path).unwrap();
    Projections::open(&path).unwrap().catch_up(&journal_dir).unwrap();
    assert_eq!(dump(&path), rows);
    // A journal that was cut behind what is folded: the rows go back with it.
    let other = dir.path().join("other");
    journal(&other, &facts(3));
    assert_eq!(Projections::open(&path).unwrap().catch_up(&other).unwrap(), last(&facts(3)));
    let plain = dir.path().join("plain.sqlite");
    Projections::open(&plain).unwrap().fold(&facts(3)).unwrap();
    assert_eq!(dump(&path), dump(&plain));
}

#[test]
fn gaps_are_refused_and_repeats_are_nothing() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("history.sqlite");
    let records = facts(3);
    let mut projections = Projections::open(&path).unwrap();
    assert!(matches!(projections.fold(&records[5..]), Err(StoreError::Gap { due: 1, .. })));
    projections.fold(&records).unwrap();
    let rows = dump(&path);
    projections.fold(&records).unwrap();
    assert_eq!(dump(&path), rows);
}

#[test]
fn a_database_that_cannot_be_used_says_so() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("history.sqlite");
    fs::write(&path, "this is not a database, but it is long enough to be taken for one. ".repeat(40)).unwrap();
    let error = Projections::open(&path).err().unwrap().to_string();
    assert!(error.contains("is damaged") && error.contains("trading goes on"), "{error}");
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a INTEGER)").unwrap();
    let error = Projections::open(&path).err().unwrap().to_string();
    assert!(error.contains("belongs to another program"), "{error}");
    fs::remove_file(&path).unwrap();
    drop(Projections::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    let error = Projections::open(&path).err().unwrap().to_string();
    assert!(error.contains("has version 9"), "{error}");
    let error = Projections::open(&dir.path().join("no/such/folder.sqlite")).err().unwrap().to_string();
    assert!(error.contains("trading goes on"), "{error}");
}

#[test]
fn no_rebuild_under_a_running_session() {
    let dir = tempdir().unwrap();
    let journal_dir = dir.path().join("journal");
    journal(&journal_dir, &facts(2));
    let (session, _) = Journal::open(&journal_dir, perpdeck::journal::Options::default()).unwrap();
    let error = rebuild(&journal_dir, &dir.path().join("history.sqlite")).unwrap_err().to_string();
    assert!(error.contains("in use by another perpdeck"), "{error}");
    drop(session);
    assert!(rebuild(&journal_dir, &dir.path().join("history.sqlite")).is_ok());
}

/// An older program's tables are no obstacle: everything in them is in the journal.
#[test]
fn a_database_of_an_older_version_is_folded_anew() {
    let dir = tempdir().unwrap();
    let (path, journal_dir) = (dir.path().join("history.sqlite"), dir.path().join("journal"));
    let records = facts(10);
    journal(&journal_dir, &records);
    let mut projections = Projections::open(&path).unwrap();
    projections.catch_up(&journal_dir).unwrap();
    projections.save().unwrap();
    drop(projections);
    let rows = dump(&path);
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "ALTER TABLE orders DROP COLUMN error_message; DROP TABLE sink_cursors; UPDATE signals SET reason = 'old'; \
             PRAGMA user_version = 1",
        )
        .unwrap();
    let mut projections = Projections::open(&path).unwrap();
    assert_eq!(projections.folded_to(), 0);
    assert_eq!(projections.catch_up(&journal_dir).unwrap(), last(&records));
    drop(projections);
    assert_eq!(dump(&path), rows);
}
