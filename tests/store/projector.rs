//! The thread: it catches up, falls behind, is locked out, and nobody waits for it.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perpdeck::model::Record;
use perpdeck::store::{Projections, Projector, ProjectorStatus};
use rusqlite::Connection;
use tempfile::tempdir;

use super::facts::{facts, journal, last};
use super::projections::dump;

/// Waits for a condition, for as long as a slow machine may need.
fn wait_until(projector: &Projector, condition: impl Fn(&ProjectorStatus) -> bool) -> ProjectorStatus {
    let give_up = Instant::now() + Duration::from_mins(1);
    loop {
        let status = projector.status();
        if condition(&status) {
            return status;
        }
        assert!(Instant::now() < give_up, "{status:?}");
        std::thread::yield_now();
    }
}

#[test]
fn it_catches_up_and_goes_on() {
    let dir = tempdir().unwrap();
    let (path, journal_dir) = (dir.path().join("history.sqlite"), dir.path().join("journal"));
    let records = facts(30);
    let half = records.len() / 2;
    journal(&journal_dir, &records[..half]);
    let projector = Projector::start(&journal_dir, &path).unwrap();
    wait_until(&projector, |status| status.folded_to == last(&records[..half]));
    journal(&journal_dir, &records);
    for group in records[half..].chunks(7) {
        projector.offer(Arc::from(group));
    }
    let status = projector.stop();
    assert_eq!(status, ProjectorStatus { folded_to: last(&records), newest: last(&records), error: None });
    let plain = dir.path().join("plain.sqlite");
    Projections::open(&plain).unwrap().fold(&records).unwrap();
    assert_eq!(dump(&path), dump(&plain));
}

#[test]
fn what_it_was_not_told_it_reads_in_the_journal() {
    let dir = tempdir().unwrap();
    let (path, journal_dir) = (dir.path().join("history.sqlite"), dir.path().join("journal"));
    let records = facts(20);
    journal(&journal_dir, &records[..1]);
    let projector = Projector::start(&journal_dir, &path).unwrap();
    wait_until(&projector, |status| status.folded_to == 1);
    journal(&journal_dir, &records);
    // Every second group does not arrive.
    for group in records[1..].chunks(5).step_by(2) {
        projector.offer(Arc::from(group));
    }
    let told = projector.status().newest;
    let status = wait_until(&projector, |status| status.folded_to >= told);
    assert_eq!(status.error, None);
    assert_eq!(projector.stop().error, None);
}

#[test]
fn a_locked_database_holds_nobody_up_and_is_filled_when_it_is_free() {
    let dir = tempdir().unwrap();
    let (path, journal_dir) = (dir.path().join("history.sqlite"), dir.path().join("journal"));
    let records = facts(200);
    journal(&journal_dir, &records);
    drop(Projections::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let projector = Projector::start(&journal_dir, &path).unwrap();
    let groups: Vec<Arc<[Record]>> = records.chunks(1).map(Arc::from).collect();
    assert!(groups.len() > 1_024, "more than the queue holds");
    // Nobody takes from the queue now: that this ends at all is the test.
    for group in groups {
        projector.offer(group);
    }
    let status = wait_until(&projector, |status| status.error.is_some());
    let error = status.error.unwrap();
    assert!(error.contains("is locked by another program; trading goes on"), "{error}");
    assert!(status.folded_to < last(&records));
    other.execute_batch("COMMIT").unwrap();
    wait_until(&projector, |status| status.folded_to == last(&records) && status.error.is_none());
}

#[test]
fn a_damaged_database_is_kept_made_anew_and_told_once() {
    let dir = tempdir().unwrap();
    let (path, journal_dir) = (dir.path().join("history.sqlite"), dir.path().join("journal"));
    let records = facts(3);
    journal(&journal_dir, &records);
    let damaged = "no database at all, only some text that is longer than a header. ".repeat(40);
    fs::write(&path, &damaged).unwrap();
    let projector = Projector::start(&journal_dir, &path).unwrap();
    projector.offer(Arc::from(records.as_slice()));
    wait_until(&projector, |status| status.folded_to == last(&records) && status.error.is_none());
    let news = projector.take_news().expect("it is told whatever came after it");
    assert!(news.contains("is damaged") && news.contains("kept as"), "{news}");
    assert_eq!(projector.take_news(), None);
    projector.stop();
    let kept = fs::read_dir(dir.path()).unwrap().map(|item| item.unwrap().path()).any(|file| {
        file.file_name().unwrap().to_str().unwrap().starts_with("history-")
            && fs::read_to_string(&file).ok().as_ref() == Some(&damaged)
    });
    assert!(kept);
    assert_eq!(Projections::open(&path).unwrap().folded_to(), last(&records));
}
