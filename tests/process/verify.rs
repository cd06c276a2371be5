//! What `journal verify` and a start say of a data directory that is not whole: the same, and the truth.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::child::perpdeck;
use super::formats::{session, stopped};

/// A stopped session whose journal has two segments, the first with 455 facts.
fn two_segments(home: &Path) -> PathBuf {
    let dir = home.join("session");
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/session-0.1.0");
    assert!(Command::new("cp").args(["-r", from]).arg(&dir).status().unwrap().success());
    assert!(Command::new("chmod").args(["-R", "go-rwx"]).arg(&dir).status().unwrap().success());
    let mut process = session(&dir);
    process.event("ready").expect("it starts");
    stopped(process);
    dir
}

const FIRST: &str = "journal/segment-00000000000000000001.jsonl";
const SECOND: &str = "journal/segment-00000000000000000456.jsonl";

fn verified(dir: &Path) -> (Option<i32>, Value, String, String) {
    let text = dir.display().to_string();
    let run = |arguments: &[&str]| perpdeck(arguments, dir.parent().unwrap()).output().unwrap();
    let out = run(&["journal", "verify", "--json", "--data-dir", &text]);
    let plain = run(&["journal", "verify", "--data-dir", &text]);
    assert_eq!(out.status.code(), plain.status.code());
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    let report = serde_json::from_slice(&out.stdout).unwrap_or(Value::Null);
    (out.status.code(), report, errors, String::from_utf8_lossy(&plain.stdout).into_owned())
}

#[test]
fn verify_names_the_facts_that_only_the_history_database_knows_and_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let dir = two_segments(temp.path());
    assert_eq!(verified(&dir).0, Some(0));
    fs::remove_file(dir.join(SECOND)).unwrap();
    for item in fs::read_dir(dir.join("journal")).unwrap().map(Result::unwrap) {
        if item.file_name().to_str().unwrap() > "snapshot-00000000000000000455.json" {
            fs::remove_file(item.path()).unwrap();
        }
    }
    let database = fs::read(dir.join("projections.sqlite")).unwrap();
    for _ in 0..2 {
        let (code, report, errors, _) = verified(&dir);
        assert_eq!((code, report["good"].as_bool()), (Some(1), Some(false)), "{errors}");
        assert!(errors.contains("the journal ends with fact 455") && errors.contains("are missing"), "{errors}");
        assert_eq!(fs::read(dir.join("projections.sqlite")).unwrap(), database);
    }
}

#[test]
fn verify_says_what_the_good_segments_hold_whatever_is_wrong_with_another() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 7] = [
        ("empty", |file| fs::write(file, "").unwrap()),
        ("no header", |file| fs::write(file, "rubbish\n").unwrap()),
        ("a link", |file| {
            fs::rename(file, file.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink(file.with_extension("moved"), file).unwrap();
        }),
        ("a folder", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        }),
        ("missing", |file| fs::remove_file(file).unwrap()),
        ("CRLF", |file| {
            let text = fs::read_to_string(file).unwrap();
            fs::write(file, text.replace('\n', "\r\n")).unwrap();
        }),
        ("unreadable", |file| fs::set_permissions(file, fs::Permissions::from_mode(0o000)).unwrap()),
    ];
    for (what, harm) in harms {
        for (harmed, good) in [(FIRST, SECOND), (SECOND, FIRST)] {
            let temp = tempfile::tempdir().unwrap();
            let dir = two_segments(temp.path());
            let whole = verified(&dir).1;
            let facts =
                whole["segments"].as_array().unwrap().iter().find(|seg| seg["file"].as_str().unwrap().ends_with(good));
            let facts = facts.unwrap()["facts"].as_u64().unwrap();
            harm(&dir.join(harmed));
            if what == "unreadable" && fs::read(dir.join(harmed)).is_ok() {
                continue;
            }
            let about = format!("{what}, {harmed}");
            let (code, report, errors, plain) = verified(&dir);
            assert_eq!(code, Some(1), "{about}: {errors} {report}");
            assert_eq!(report["facts"].as_u64(), Some(facts), "{about}: {report}");
            let segments = report["segments"].as_array().unwrap();
            let shown = |name: &str| segments.iter().find(|seg| seg["file"].as_str().unwrap().ends_with(name));
            assert_eq!(shown(good).unwrap()["facts"].as_u64(), Some(facts), "{about}: {report}");
            assert_eq!(shown(good).unwrap()["problem"], Value::Null, "{about}: {report}");
            assert!(plain.contains(&format!("{facts} facts")) && !plain.contains(": 0 facts"), "{about}: {plain}");
            if what != "missing" {
                assert!(shown(harmed).unwrap()["problem"].is_string(), "{about}: {report}");
            }
        }
    }
}

#[test]
fn verify_says_what_swapped_segments_hold() {
    let temp = tempfile::tempdir().unwrap();
    let dir = two_segments(temp.path());
    let facts = verified(&dir).1["facts"].as_u64();
    let aside = dir.join("aside");
    for (from, to) in [(dir.join(FIRST), aside.clone()), (dir.join(SECOND), dir.join(FIRST)), (aside, dir.join(SECOND))]
    {
        fs::rename(from, to).unwrap();
    }
    let (code, report, errors, _) = verified(&dir);
    assert_eq!(code, Some(1));
    assert!(errors.contains("each other's names"), "{errors}");
    assert_eq!(report["facts"].as_u64(), facts, "{report}");
}

#[test]
fn a_junk_snapshot_is_named_and_ignored_and_never_keeps_a_good_one_from_being_kept() {
    let temp = tempfile::tempdir().unwrap();
    let dir = two_segments(temp.path());
    let junk = dir.join("journal/snapshot-00000000000000099999.json");
    fs::write(&junk, "{}").unwrap();
    fs::set_permissions(&junk, fs::Permissions::from_mode(0o600)).unwrap();
    let (code, report, errors, plain) = verified(&dir);
    assert_eq!((code, report["good"].as_bool()), (Some(0), Some(true)), "{errors}");
    assert!(plain.contains("snapshot-00000000000000099999.json  after fact 99999: it is not whole"), "{plain}");
    for _ in 0..3 {
        let mut process = session(&dir);
        process.event("ready").expect("it starts");
        stopped(process);
        let (code, report, errors, _) = verified(&dir);
        assert_eq!(code, Some(0), "{errors}");
        let snapshots = report["snapshots"].as_array().unwrap();
        let good = snapshots.iter().filter(|snapshot| snapshot["problem"].is_null()).count();
        assert!(good >= 2, "{report}");
        assert_eq!(fs::read_to_string(&junk).unwrap(), "{}", "it is not ours to remove");
    }
}

/// Everything that was in the database and beside it, under whatever name.
fn kept(dir: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().map(|item| item.unwrap().path()).any(|path| {
        path.file_name().unwrap().to_str().unwrap().starts_with("projections-") && fs::read(&path).unwrap() == bytes
    })
}

#[test]
fn a_damaged_history_database_is_kept_told_and_made_anew() {
    type Harm = fn(&Path) -> Vec<u8>;
    let harms: [(&str, Harm); 4] = [
        ("garbage", |file| {
            fs::write(file, "garbage".repeat(9_000)).unwrap();
            fs::read(file).unwrap()
        }),
        ("short garbage", |file| {
            fs::write(file, "garbage").unwrap();
            fs::read(file).unwrap()
        }),
        // SQLite throws the log of an empty database away, and in it may be all there is.
        ("emptied beside its log", |file| {
            let whole = fs::read(file).unwrap();
            let log = file.with_file_name("projections.sqlite-wal");
            fs::write(&log, &whole).unwrap();
            fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).unwrap();
            fs::write(file, "").unwrap();
            whole
        }),
        ("a damaged page of tables", |file| {
            let mut bytes = fs::read(file).unwrap();
            for byte in bytes.iter_mut().skip(100) {
                *byte = 0x5a;
            }
            fs::write(file, &bytes).unwrap();
            bytes
        }),
    ];
    for (what, harm) in harms {
        let temp = tempfile::tempdir().unwrap();
        let dir = two_segments(temp.path());
        let facts = verified(&dir).1["facts"].as_u64().unwrap();
        let bytes = harm(&dir.join("projections.sqlite"));
        let (_, report, _, plain) = verified(&dir);
        assert_eq!(report["facts"].as_u64(), Some(facts), "{what}");
        assert!(plain.contains("history database"), "{what}: {plain}");
        let mut process = session(&dir);
        process.event("ready").expect("it starts");
        let told = |line: &Value| line["event"] == "risk_alert" && line["subject"] == "history database";
        let alert = process.said.iter().find(|line| told(line)).cloned();
        let alert = alert.unwrap_or_else(|| process.until(told).expect("it is told"));
        let message = alert["message"].as_str().unwrap();
        assert!(message.contains("is damaged") && message.contains("kept as"), "{what}: {message}");
        stopped(process);
        assert!(kept(&dir, &bytes), "{what}");
        let database = rusqlite::Connection::open(dir.join("projections.sqlite")).unwrap();
        let rows: i64 = database.query_row("SELECT count(*) FROM fills", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 22, "{what}: made anew from the journal");
    }
}

#[test]
fn a_rebuild_keeps_a_damaged_history_database() {
    let temp = tempfile::tempdir().unwrap();
    let dir = two_segments(temp.path());
    let bytes = b"garbage".repeat(9_000);
    fs::write(dir.join("projections.sqlite"), &bytes).unwrap();
    let text = dir.display().to_string();
    let out = perpdeck(&["store", "rebuild", "--data-dir", &text], temp.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(0));
    assert!(kept(&dir, &bytes));
}
