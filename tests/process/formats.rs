//! Yesterday's data opens tomorrow: a data directory of every format that ever was.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use perpdeck::journal::{Journal, read};
use perpdeck::model::{AlertKind, EVENT_SCHEMA, Event, Severity};
use perpdeck::runtime::{journal_of, journal_options, recover};
use perpdeck::store::record_of;
use serde_json::{Value, json};

use super::child::{Process, at_home, perpdeck};

/// The directories that are kept, one of every format.
fn kept() -> Vec<PathBuf> {
    let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"));
    let mut found: Vec<PathBuf> = fs::read_dir(data).unwrap().map(|item| item.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("session-"));
    found.sort();
    assert!(!found.is_empty());
    found
}

/// A copy with the rights that version 0.1.0 gave.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
}

pub(super) fn session(dir: &Path) -> Process {
    let text = dir.display().to_string();
    Process::start(perpdeck(&["run", "--headless", "--data-dir", &text], dir.parent().unwrap()))
}

/// Until it is ready; when it ends before, why.
fn ready(process: &mut Process) {
    let starts = process.event("ready").is_some();
    assert!(starts, "it does not start: {:?}", process.end());
}

pub(super) fn stopped(mut process: Process) {
    process.signal("-TERM");
    let (status, errors) = process.end();
    assert_eq!(status.code(), Some(0), "{errors:?}");
}

/// The alerts of kind RECOVERED in a journal, of the last start.
fn recovered(dir: &Path) -> Vec<(Severity, String)> {
    let mut found = Vec::new();
    for entry in read(&journal_of(dir)).unwrap() {
        match record_of(&entry.unwrap()).unwrap().event {
            Event::SessionResumed { .. } => found.clear(),
            Event::AlertRaised { alert } if alert.key.kind == AlertKind::Recovered => {
                found.push((alert.severity, alert.message.clone()));
            }
            _ => {}
        }
    }
    found
}

/// Everything of `old` is in `new`, unchanged; `new` may have more fields.
fn holds(new: &Value, old: &Value, place: &str) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (key, old) in old {
                // Since when fills count is the exchange's time now, and begins when that is measured. The
                // exit price of 0.1.0 was that of the last fill, it is that of all of them.
                if key == "fills_from" || key == "exit_price" {
                    continue;
                }
                let new = new.get(key).unwrap_or_else(|| panic!("{place}.{key} is gone"));
                holds(new, old, &format!("{place}.{key}"));
            }
        }
        (Value::Array(new), Value::Array(old)) => {
            assert_eq!(new.len(), old.len(), "{place}");
            for (at, (new, old)) in new.iter().zip(old).enumerate() {
                holds(new, old, &format!("{place}[{at}]"));
            }
        }
        (new, old) => assert_eq!(new, old, "{place}"),
    }
}

fn verified(dir: &Path) -> (Option<i32>, Value, String) {
    let text = dir.display().to_string();
    let out = perpdeck(&["journal", "verify", "--json", "--data-dir", &text], dir.parent().unwrap()).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    (out.status.code(), serde_json::from_slice(&out.stdout).unwrap_or(Value::Null), errors)
}

#[test]
fn data_of_every_format_open_with_the_orders_positions_equity_and_alerts_that_they_had() {
    for from in kept() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("session");
        copy(&from, &dir);
        let snapshot = fs::read_dir(dir.join("journal"))
            .unwrap()
            .map(|item| item.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .max()
            .unwrap();
        let was: Value = serde_json::from_str(&fs::read_to_string(snapshot).unwrap()).unwrap();
        let was = &was["body"];
        let opened = recover(&journal_of(&dir), 1 << 26).unwrap();
        assert!(opened.note.unwrap().contains("was not used"), "a snapshot of another fold is told");
        let is = serde_json::to_value(opened.state.facts()).unwrap();
        for part in ["seq", "orders", "positions", "equity", "alerts", "control", "signals", "commands", "counters"] {
            holds(&is[part], &was[part], &format!("{} {part}", from.display()));
        }
        // And as the projections had it, which knew nothing of the snapshot.
        let database = rusqlite::Connection::open(dir.join("projections.sqlite")).unwrap();
        let mut orders = database
            .prepare(
                "SELECT client_order_id, status, filled_contracts, average_fill_price FROM orders ORDER BY order_no",
            )
            .unwrap();
        let rows: Vec<(String, String, String, Option<String>)> = orders
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(rows.len(), opened.state.orders.len());
        for (order, (id, status, filled, _)) in opened.state.orders.all(None).zip(&rows) {
            assert_eq!(&order.client_id.to_string(), id);
            assert_eq!(serde_json::to_value(order.state).unwrap(), status.as_str());
            assert_eq!(&order.filled_contracts.0.normalize().to_string(), filled);
        }
        let open: i64 =
            database.query_row("SELECT count(*) FROM positions WHERE closed_at IS NULL", [], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(open).unwrap(), opened.state.positions.open_count());
        let alerts: i64 = database.query_row("SELECT count(*) FROM alerts", [], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(alerts).unwrap(), opened.state.alerts.all().count());
    }
}

#[test]
fn a_session_of_every_format_goes_on_and_its_folders_are_closed_once() {
    for from in kept() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("session");
        copy(&from, &dir);
        let facts = verified(&dir).1["facts"].as_u64().unwrap();
        for start in [1, 2] {
            let mut process = session(&dir);
            process.event("ready").expect("it starts");
            stopped(process);
            let told = recovered(&dir).into_iter().any(|(_, text)| text.contains("now only"));
            assert_eq!(told, start == 1, "told once: start {start}");
        }
        assert_eq!(fs::read_to_string(dir.join("VERSION")).unwrap(), "2\n");
        let (code, report, errors) = verified(&dir);
        assert_eq!((code, report["good"].as_bool()), (Some(0), Some(true)), "{errors}");
        assert!(report["facts"].as_u64().unwrap() > facts);
        let schemas: Vec<u64> =
            report["segments"].as_array().unwrap().iter().map(|segment| segment["schema"].as_u64().unwrap()).collect();
        assert!(schemas.first() <= schemas.last() && schemas.last() == Some(&EVENT_SCHEMA.into()), "{report}");
        closed(&dir);
    }
}

/// Nobody but the owner may read or write anything below.
fn closed(dir: &Path) {
    for path in std::iter::once(dir.to_path_buf()).chain(fs::read_dir(dir).unwrap().map(|item| item.unwrap().path())) {
        let mode = fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{} has mode {mode:o}", path.display());
        if path.is_dir() && path != dir {
            closed(&path);
        }
    }
}

#[test]
fn folders_and_files_are_private_whatever_the_umask_is() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("session");
    let mut command = std::process::Command::new("sh");
    let program = env!("CARGO_BIN_EXE_perpdeck");
    command.args(["-c", "umask 000; exec \"$0\" run --headless --data-dir \"$1\"", program]).arg(&dir);
    at_home(&mut command, temp.path());
    let mut process = Process::start(command);
    process.event("ready").unwrap();
    assert!(
        process.tell(r#"{"id":"s","signal":{"signal_type":"S1","symbol":"BTC_USDT","side":"buy","quantity":"0.01"}}"#)
    );
    process.event("order_filled").unwrap();
    // While it runs: with SQLite's log, its shared memory and the exchange's books.
    closed(&dir);
    assert!(dir.join("projections.sqlite-wal").exists() && dir.join("sim").exists());
    stopped(process);
    closed(&dir);
    // What others may write is refused, and the way out that is printed works.
    fs::set_permissions(dir.join("journal"), fs::Permissions::from_mode(0o777)).unwrap();
    let (status, errors) = session(&dir).end();
    assert_eq!(status.code(), Some(1));
    let text = errors.join(" ");
    assert!(text.contains("can be written by others (mode 777)"), "{text}");
    let way_out = text.split_once("run: ").unwrap().1;
    assert!(std::process::Command::new("sh").args(["-c", way_out]).status().unwrap().success());
    let mut process = session(&dir);
    process.event("ready").unwrap();
    stopped(process);
}

#[test]
fn projections_that_know_more_than_the_journal_are_kept_and_what_they_know_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("session");
    copy(&kept()[0], &dir);
    // The end of the journal is lost, and with it the snapshot.
    let segment = dir.join("journal/segment-00000000000000000001.jsonl");
    let text = fs::read_to_string(&segment).unwrap();
    let some: Vec<&str> = text.lines().take(301).collect();
    fs::write(&segment, some.join("\n") + "\n").unwrap();
    fs::remove_file(dir.join("journal/snapshot-00000000000000000455.json")).unwrap();
    let lost = text.lines().skip(301).filter(|line| line.contains("\"event\":\"filled\"")).count();
    assert!(lost > 0);
    let mut process = session(&dir);
    process.event("ready").expect("it starts");
    stopped(process);
    let told = recovered(&dir);
    let (severity, message) = told.iter().find(|(_, text)| text.contains("history database")).expect("it is told");
    assert_eq!(*severity, Severity::Critical);
    assert!(message.contains("ends with fact 300") && message.contains("155 facts are missing"), "{message}");
    assert!(message.contains(&format!("{lost} fills (")) && message.contains("open positions ("), "{message}");
    let aside: Vec<PathBuf> = fs::read_dir(&dir)
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("projections-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    let fills: i64 = rusqlite::Connection::open(&aside[0])
        .unwrap()
        .query_row("SELECT count(*) FROM fills", [], |row| row.get(0))
        .unwrap();
    assert_eq!(fills, 22, "nothing of it is gone");
}

#[test]
fn a_last_fact_of_the_future_holds_nothing_up() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("session");
    let from = &kept()[0];
    let two_days = 2 * 86_400_000_000;
    let now = chrono::Utc::now().timestamp_micros();
    let (mut journal, _) = Journal::open(&journal_of(&dir), journal_options(1 << 26)).unwrap();
    for entry in read(&journal_of(from)).unwrap() {
        let record = record_of(&entry.unwrap()).unwrap();
        if matches!(record.event, Event::OrderCreated { .. } | Event::SignalDecided { .. }) {
            break;
        }
        journal.append(now + two_days, &serde_json::to_string(&record.event).unwrap()).unwrap();
    }
    journal.sync().unwrap();
    drop(journal);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    let mut process = session(&dir);
    ready(&mut process);
    let stamp = chrono::Utc::now().timestamp_millis();
    let signal =
        json!({"signal_type": "S1", "symbol": "BTC_USDT", "side": "buy", "quantity": "0.01", "timestamp": stamp});
    assert!(process.tell(&json!({"id": "true-time", "signal": signal}).to_string()));
    let answer = process.answer("true-time").unwrap();
    assert_eq!(answer["result"], "accepted", "{answer}");
    stopped(process);
    let told = recovered(&dir);
    assert!(told.iter().any(|(_, text)| text.contains("have not come yet")), "{told:?}");
    // And a start after that one has nothing left to tell.
    let mut process = session(&dir);
    process.event("ready").expect("it starts");
    stopped(process);
    assert!(recovered(&dir).is_empty(), "{:?}", recovered(&dir));
}

#[test]
fn journal_verify_says_what_there_is_or_where_it_is_damaged() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("session");
    copy(&kept()[0], &dir);
    let (code, report, errors) = verified(&dir);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!((report["facts"].as_u64(), report["last"]["seq"].as_u64()), (Some(455), Some(455)));
    assert_eq!(report["first"]["at"], "2026-11-27T12:51:21.264890Z");
    assert_eq!(report["snapshots"][0]["problem"], Value::Null);
    let segment = dir.join("journal/segment-00000000000000000001.jsonl");
    let damaged = fs::read_to_string(&segment).unwrap().replacen("\"starts\":1", "\"starts\":7", 1);
    fs::write(&segment, damaged).unwrap();
    let (code, report, errors) = verified(&dir);
    assert_eq!((code, report["good"].as_bool()), (Some(1), Some(false)));
    assert!(errors.contains("line 2") && errors.contains("copies everything first"), "{errors}");
    fs::remove_dir_all(dir.join("journal")).unwrap();
    let (code, _, errors) = verified(&dir);
    assert_eq!(code, Some(1));
    assert!(errors.contains("there is no journal in"), "{errors}");
}

/// The one way from an entry to a fact knows every older form; nothing may read past it.
#[test]
fn no_reader_of_entries_goes_past_the_upcasts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests"), root.join("benches")];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("model/schema.rs") {
                let text = fs::read_to_string(&path).unwrap();
                for (number, line) in text.lines().enumerate() {
                    let reads = ["from_str(&entry", "from_str::<Event>", "from_str(entry"];
                    let reads = !path.ends_with("process/formats.rs") && reads.iter().any(|read| line.contains(read));
                    assert!(!reads || path.ends_with("simulator/books.rs"), "{}:{}", path.display(), number + 1);
                }
            }
        }
    }
}
