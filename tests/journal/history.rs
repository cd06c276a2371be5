//! Segments, snapshots and readers.

use std::fs;

use perpdeck::journal::{Journal, Options, read, read_from};
use tempfile::tempdir;

use super::support::{all, append, entries, files, open, options, segments, written};

#[test]
fn lines_are_json_that_other_tools_read() {
    let dir = tempdir().unwrap();
    written(dir.path(), 2, u64::MAX);
    let text = fs::read_to_string(&segments(dir.path())[0]).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["perpdeck_journal"], 1);
    assert_eq!(lines[2]["seq"], 2);
    assert_eq!(lines[2]["at"], "2026-11-23T14:22:07.418125Z");
    assert_eq!(lines[2]["body"]["n"], 2);
}

#[test]
fn segments_follow_each_other_and_readers_start_anywhere() {
    let dir = tempdir().unwrap();
    written(dir.path(), 20, 300);
    assert!(segments(dir.path()).len() > 4);
    assert_eq!(all(&open(dir.path()).unwrap().1), entries(1..=20));
    for from in 1..=21 {
        let rest: Result<Vec<_>, _> = read_from(dir.path(), from).unwrap().collect();
        assert_eq!(rest.unwrap(), entries(from..=20));
    }
}

#[test]
fn a_reader_beside_the_writer_sees_whole_entries_only() {
    let dir = tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    append(&mut journal, 3);
    journal.flush().unwrap();
    let path = segments(dir.path()).remove(0);
    let mut content = fs::read(&path).unwrap();
    content.extend_from_slice(b"{\"seq\":4,\"at\":\"2026");
    fs::write(&path, content).unwrap();
    let seen: Result<Vec<_>, _> = read(dir.path()).unwrap().collect();
    assert_eq!(seen.unwrap(), entries(1..=3));
}

#[test]
fn the_newest_good_snapshot_is_used_and_history_stays() {
    let dir = tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path(), options(300)).unwrap();
    for upto in [3, 6, 9] {
        append(&mut journal, 3);
        journal.snapshot(&format!("{{\"upto\":{upto}}}")).unwrap();
    }
    append(&mut journal, 1);
    journal.sync().unwrap();
    drop(journal);
    let snapshots: Vec<_> =
        files(dir.path()).into_iter().filter(|(path, _)| path.extension().unwrap() == "json").collect();
    assert_eq!(snapshots.len(), 2, "the two newest");
    let opened = open(dir.path()).unwrap().1;
    assert_eq!(opened.snapshot.as_ref().unwrap().body, "{\"upto\":9}");
    assert_eq!(all(&opened), entries(10..=10));
    // The newest is damaged: the one before it stands in.
    fs::write(&snapshots[1].0, "{}").unwrap();
    let opened = open(dir.path()).unwrap().1;
    assert_eq!(opened.snapshot.as_ref().unwrap().body, "{\"upto\":6}");
    assert_eq!(all(&opened), entries(7..=10));
    assert_eq!(opened.ignored.len(), 1);
    // A snapshot of another journal is not taken for ours.
    let other = tempdir().unwrap();
    let (mut journal, _) = Journal::open(other.path(), Options::default()).unwrap();
    for _ in 0..6 {
        journal.append(0, "{}").unwrap();
    }
    journal.snapshot("{\"other\":true}").unwrap();
    let name = snapshots[0].0.file_name().unwrap();
    fs::copy(other.path().join(name), &snapshots[0].0).unwrap();
    let opened = open(dir.path()).unwrap().1;
    assert_eq!(opened.snapshot, None);
    assert_eq!(all(&opened), entries(1..=10));
    let all: Result<Vec<_>, _> = read(dir.path()).unwrap().collect();
    assert_eq!(all.unwrap(), entries(1..=10));
}

#[test]
fn what_a_crash_left_half_made_is_removed() {
    let dir = tempdir().unwrap();
    written(dir.path(), 2, u64::MAX);
    let half = dir.path().join("segment-00000000000000000003.jsonl.tmp");
    fs::write(&half, "half").unwrap();
    assert_eq!(all(&open(dir.path()).unwrap().1), entries(1..=2));
    assert!(!half.exists());
}

#[test]
fn what_is_not_a_record_is_refused_and_takes_no_number() {
    let dir = tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    for bad in ["", "1", "[]", "{\n}", "{\"a\":}", "{} {}"] {
        assert!(journal.append(0, bad).is_err(), "{bad}");
    }
    assert!(journal.snapshot("{}").is_err(), "nothing to stand on");
    append(&mut journal, 1);
    journal.sync().unwrap();
    drop(journal);
    assert_eq!(all(&open(dir.path()).unwrap().1), entries(1..=1));
}
