//! Every entry comes with the schema that it was written in, and nothing newer is opened.

use std::fs;

use perpdeck::journal::{Journal, JournalError, Options, RealDisk, read, verify};
use tempfile::tempdir;

use super::support::{all, append, files, open, written};

fn of(schema: u32, stamp: &str) -> Options {
    Options { schema, stamp: stamp.to_owned(), ..Options::default() }
}

#[test]
fn a_segment_has_one_schema_and_older_entries_keep_theirs() {
    let dir = tempdir().unwrap();
    written(dir.path(), 3, u64::MAX);
    let before = files(dir.path());
    let (mut journal, _) = Journal::open(dir.path(), of(2, "")).unwrap();
    assert_eq!(files(dir.path()), before, "an open alone changes nothing");
    append(&mut journal, 2);
    journal.sync().unwrap();
    append(&mut journal, 1);
    journal.sync().unwrap();
    drop(journal);
    let schemas: Vec<u32> = read(dir.path()).unwrap().map(|entry| entry.unwrap().schema).collect();
    assert_eq!(schemas, [1, 1, 1, 2, 2, 2]);
    let (_, opened) = Journal::open(dir.path(), of(2, "")).unwrap();
    assert_eq!(all(&opened).len(), 6);
    let found = verify(dir.path(), 2, None).unwrap();
    assert!(found.damage.is_none(), "{:?}", found.damage);
    assert_eq!(
        found.segments.iter().map(|segment| (segment.schema, segment.entries)).collect::<Vec<_>>(),
        [(1, 3), (2, 3)]
    );
}

#[test]
fn a_newer_schema_is_refused_with_both_numbers_and_nothing_is_changed() {
    let dir = tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path(), of(7, "")).unwrap();
    append(&mut journal, 1);
    journal.sync().unwrap();
    drop(journal);
    let before = files(dir.path());
    let error = open(dir.path()).err().unwrap();
    assert!(matches!(error, JournalError::Schema { found: 7, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("schema 7") && error.to_string().contains("up to schema 1"), "{error}");
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_snapshot_is_a_cache_whatever_is_wrong_with_it() {
    let dir = tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path(), of(1, "fold a")).unwrap();
    append(&mut journal, 3);
    journal.snapshot("{\"upto\":3}").unwrap();
    append(&mut journal, 3);
    journal.snapshot("{\"upto\":6}").unwrap();
    drop(journal);
    let used = |stamp: &str, unreadable: &str| {
        let mut judge = |snapshot: &perpdeck::journal::Snapshot| {
            if snapshot.body == unreadable { Err("no state".to_owned()) } else { Ok(()) }
        };
        let (_, opened) = Journal::open_judged(dir.path(), of(1, stamp), Box::new(RealDisk), &mut judge).unwrap();
        assert_eq!(all(&opened).last().map_or(6, |entry| entry.seq), 6);
        (opened.snapshot.map(|snapshot| snapshot.seq), opened.ignored.len())
    };
    assert_eq!(used("fold a", ""), (Some(6), 0));
    // Its state cannot be read: the one before it stands in.
    assert_eq!(used("fold a", "{\"upto\":6}"), (Some(3), 1));
    // Another fold made them: the journal is folded from its beginning.
    assert_eq!(used("fold b", ""), (None, 2));
}

#[test]
fn a_link_in_the_place_of_a_journals_file_is_refused_by_name() {
    for name in ["lock", "segment-00000000000000000001.jsonl", "snapshot-00000000000000000001.json"] {
        let dir = tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let journal = dir.path().join("journal");
        fs::create_dir(&journal).unwrap();
        std::os::unix::fs::symlink(&victim, journal.join(name)).unwrap();
        let text = open(&journal).err().unwrap().to_string();
        assert!(text.contains(&format!("{name} is a link")), "{text}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}
