//! Disks that are full, fail, or belong to somebody else.

use std::fs;
use std::sync::atomic::Ordering::SeqCst;

use perpdeck::journal::{Journal, JournalError, Options, read};
use tempfile::tempdir;

use super::support::{Faults, all, append, entries, open, options, segments};

#[test]
fn a_full_disk_is_an_error_and_the_journal_stays_whole() {
    for room in 0..400 {
        let dir = tempdir().unwrap();
        let faults = Faults::none();
        let (mut journal, _) = Journal::open_on(dir.path(), Options::default(), faults.disk()).unwrap();
        append(&mut journal, 2);
        journal.sync().unwrap();
        faults.room.store(room, SeqCst);
        append(&mut journal, 3);
        let outcome = journal.sync();
        if let Err(error) = outcome {
            assert!(matches!(error, JournalError::Full { .. }), "{error}");
            // As a start after a crash at this moment would find it.
            let copy = tempdir().unwrap();
            for path in segments(dir.path()) {
                fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
            }
            let found = all(&open(copy.path()).unwrap().1);
            assert!(found.len() >= 2);
            assert_eq!(found, entries(1..=found.len().try_into().unwrap()));
            assert_eq!(journal.durable_seq(), 2);
            // Room again: the same journal goes on.
            faults.room.store(u64::MAX, SeqCst);
            journal.sync().unwrap();
        }
        assert_eq!(journal.durable_seq(), 5);
        drop(journal);
        assert_eq!(all(&open(dir.path()).unwrap().1), entries(1..=5));
    }
}

#[test]
fn after_a_failed_fdatasync_nothing_is_durable_until_it_was_written_anew() {
    let dir = tempdir().unwrap();
    let faults = Faults::none();
    let (mut journal, _) = Journal::open_on(dir.path(), Options::default(), faults.disk()).unwrap();
    append(&mut journal, 2);
    journal.sync().unwrap();
    append(&mut journal, 2);
    faults.sync.store(true, SeqCst);
    assert!(matches!(journal.sync(), Err(JournalError::Io { .. })));
    // The disk works again, but what it threw away it does not say.
    faults.sync.store(false, SeqCst);
    assert!(matches!(journal.sync(), Err(JournalError::InDoubt { .. })));
    assert!(matches!(journal.flush(), Err(JournalError::InDoubt { .. })));
    assert!(matches!(journal.snapshot("{}"), Err(JournalError::InDoubt { .. })));
    assert_eq!(journal.durable_seq(), 2);
    append(&mut journal, 1);
    journal.recover().unwrap();
    assert_eq!(journal.durable_seq(), 5);
    append(&mut journal, 1);
    journal.sync().unwrap();
    drop(journal);
    assert_eq!(segments(dir.path()).len(), 2);
    // The pages that were thrown away: what is in doubt in the old segment does not matter.
    let old = &segments(dir.path())[0];
    let content = fs::read(old).unwrap();
    let ends: Vec<usize> = (0..content.len()).filter(|at| content[*at] == b'\n').map(|at| at + 1).collect();
    for rest in [&b""[..], &b"\0\0\0\0"[..], &b"{\"seq\":9}\n"[..]] {
        let mut changed = content[..ends[2]].to_vec();
        changed.extend_from_slice(rest);
        fs::write(old, changed).unwrap();
        assert_eq!(all(&open(dir.path()).unwrap().1), entries(1..=6));
        let all: Result<Vec<_>, _> = read(dir.path()).unwrap().collect();
        assert_eq!(all.unwrap(), entries(1..=6));
    }
}

#[test]
fn recovery_of_a_segment_without_a_durable_entry_replaces_it() {
    let dir = tempdir().unwrap();
    let faults = Faults::none();
    let (mut journal, _) = Journal::open_on(dir.path(), Options::default(), faults.disk()).unwrap();
    append(&mut journal, 2);
    faults.sync.store(true, SeqCst);
    assert!(journal.sync().is_err());
    assert!(journal.recover().is_err(), "the disk still fails");
    assert!(matches!(journal.sync(), Err(JournalError::InDoubt { .. })));
    faults.sync.store(false, SeqCst);
    journal.recover().unwrap();
    drop(journal);
    assert_eq!(segments(dir.path()).len(), 1);
    assert_eq!(all(&open(dir.path()).unwrap().1), entries(1..=2));
}

#[test]
fn a_rotation_that_fails_half_way_loses_nothing() {
    let dir = tempdir().unwrap();
    let faults = Faults::none();
    let (mut journal, _) = Journal::open_on(dir.path(), options(200), faults.disk()).unwrap();
    append(&mut journal, 1);
    journal.sync().unwrap();
    faults.sync_dir.store(true, SeqCst);
    append(&mut journal, 2);
    assert!(journal.sync().is_err());
    append(&mut journal, 1);
    assert!(matches!(journal.sync(), Err(JournalError::InDoubt { .. })));
    faults.sync_dir.store(false, SeqCst);
    journal.recover().unwrap();
    journal.sync().unwrap();
    drop(journal);
    assert_eq!(all(&open(dir.path()).unwrap().1), entries(1..=4));
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let dir = tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    let text = open(dir.path()).err().unwrap().to_string();
    assert!(text.contains(&format!("in use by another perpdeck (process {})", std::process::id())), "{text}");
    drop(journal);
    assert!(open(dir.path()).is_ok());
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    // A file where the directory should be fails for every user, root included.
    let dir = tempdir().unwrap();
    let file = dir.path().join("taken");
    fs::write(&file, "").unwrap();
    let text = open(&file).err().unwrap().to_string();
    assert!(text.contains("taken"), "{text}");
    // /proc is a directory in which nobody can make one.
    #[cfg(target_os = "linux")]
    {
        let text = open(std::path::Path::new("/proc/perpdeck")).err().unwrap().to_string();
        assert!(text.contains("/proc/perpdeck"), "{text}");
    }
}
