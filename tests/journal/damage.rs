//! Flipped bytes, cut files, missing files.

use std::fs;

use perpdeck::journal::{Journal, JournalError, Options, read};
use proptest::prelude::*;
use tempfile::tempdir;

use super::support::{all, append, body, entries, entry, files, open, options, segments, written};

/// Two segments with a snapshot between, five entries.
fn small_journal(dir: &std::path::Path) {
    let (mut journal, _) = Journal::open(dir, options(300)).unwrap();
    for _ in 0..2 {
        append(&mut journal, 1);
        journal.sync().unwrap();
    }
    journal.snapshot("{\"state\":\"after two\"}").unwrap();
    for _ in 0..3 {
        append(&mut journal, 1);
        journal.sync().unwrap();
    }
    assert!(segments(dir).len() >= 2, "{:?}", segments(dir));
}

#[test]
fn every_flipped_byte_is_refused_or_harmless() {
    let dir = tempdir().unwrap();
    small_journal(dir.path());
    let good = files(dir.path());
    let mut refused = 0_u32;
    let mut harmless = 0_u32;
    for (path, content) in &good {
        for at in 0..content.len() {
            // One bit, the lowest and the highest; to a line end; to zero.
            for wrong in [content[at] ^ 1, content[at] ^ 0x80, b'\n', 0] {
                if wrong == content[at] {
                    continue;
                }
                let mut changed = content.clone();
                changed[at] = wrong;
                fs::write(path, &changed).unwrap();
                let before = files(dir.path());
                match open(dir.path()) {
                    Err(error) => {
                        refused += 1;
                        let text = error.to_string();
                        assert!(text.contains(path.file_name().unwrap().to_str().unwrap()), "{at}: {text}");
                        assert!(matches!(error, JournalError::Damaged { .. } | JournalError::Version { .. }), "{text}");
                        assert_eq!(files(dir.path()), before, "an open that is refused changes nothing");
                    }
                    Ok((_, opened)) => {
                        harmless += 1;
                        let expected = if opened.snapshot.is_some() { entries(3..=5) } else { entries(1..=5) };
                        assert_eq!(all(&opened), expected, "{} byte {at}", path.display());
                        assert_eq!(opened.ignored.is_empty(), opened.snapshot.is_some());
                    }
                }
                for (path, content) in &good {
                    fs::write(path, content).unwrap();
                }
            }
        }
    }
    assert!(refused > 1_000 && harmless > 0, "{refused} refused, {harmless} harmless");
}

#[test]
fn a_journal_cut_at_any_byte_keeps_every_whole_entry() {
    let dir = tempdir().unwrap();
    written(dir.path(), 4, u64::MAX);
    let path = segments(dir.path()).remove(0);
    let content = fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..content.len()).filter(|at| content[*at] == b'\n').map(|at| at + 1).collect();
    for length in 0..=content.len() {
        fs::write(&path, &content[..length]).unwrap();
        if length < ends[0] {
            let error = open(dir.path()).err().unwrap().to_string();
            assert!(error.contains("line 1: the header is not whole"), "{error}");
            continue;
        }
        let (mut journal, opened) = open(dir.path()).unwrap();
        // An entry whose line end alone is missing is whole.
        let whole = ends[1..].iter().filter(|end| length >= **end - 1).count();
        let rest = length - ends[..=whole].iter().rfind(|end| **end <= length).unwrap();
        let unended = ends.iter().any(|end| length == end - 1);
        assert_eq!(all(&opened), entries(1..=whole.try_into().unwrap()), "at {length}");
        assert_eq!(
            opened.torn.as_ref().map_or(0, |torn| torn.bytes_cut),
            if unended { 0 } else { rest.try_into().unwrap() }
        );
        append(&mut journal, 1);
        journal.sync().unwrap();
        drop(journal);
        let (_, opened) = open(dir.path()).unwrap();
        assert_eq!(all(&opened), entries(1..=u64::try_from(whole).unwrap() + 1));
        assert_eq!(opened.torn, None);
    }
}

#[test]
fn a_last_line_that_was_ended_is_never_taken_for_torn() {
    let dir = tempdir().unwrap();
    written(dir.path(), 3, u64::MAX);
    let path = segments(dir.path()).remove(0);
    let good = fs::read(&path).unwrap();
    let mut changed = good.clone();
    let at = changed.len() - 30;
    changed[at] = b'#';
    fs::write(&path, &changed).unwrap();
    let text = open(dir.path()).err().unwrap().to_string();
    assert!(text.contains("line 4: the checksum is"), "{text}");
    assert!(text.contains("truncate -s"), "{text}");
    // The way out that the message names works.
    let start = good[..good.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    assert!(text.contains(&format!("truncate -s {start} ")), "{text}");
    fs::write(&path, &changed[..start]).unwrap();
    assert_eq!(all(&open(dir.path()).unwrap().1), entries(1..=2));
}

#[test]
fn what_a_whole_segment_lost_is_noticed() {
    let dir = tempdir().unwrap();
    written(dir.path(), 12, 300);
    let names = segments(dir.path());
    assert!(names.len() >= 3);
    let content = fs::read(&names[1]).unwrap();
    fs::remove_file(&names[1]).unwrap();
    let text = open(dir.path()).err().unwrap().to_string();
    assert!(text.contains("missing") && text.contains(names[1].file_name().unwrap().to_str().unwrap()), "{text}");
    fs::write(&names[1], &content[..content.len() - 1]).unwrap();
    assert!(matches!(open(dir.path()).err().unwrap(), JournalError::Damaged { .. }));
    fs::write(&names[1], &content).unwrap();
    fs::remove_file(&names[0]).unwrap();
    let text = open(dir.path()).err().unwrap().to_string();
    assert!(text.contains("segment-00000000000000000001.jsonl, is missing"), "{text}");
}

#[test]
fn a_snapshot_ahead_of_the_journal_proves_a_loss() {
    let dir = tempdir().unwrap();
    small_journal(dir.path());
    let last = segments(dir.path()).pop().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    journal.snapshot("{}").unwrap();
    drop(journal);
    let content = fs::read(&last).unwrap();
    fs::write(&last, &content[..content.len() - 5]).unwrap();
    let text = open(dir.path()).err().unwrap().to_string();
    assert!(text.contains("snapshot after entry 5, but the segments end with entry 4"), "{text}");
}

#[test]
fn another_version_is_named_with_ours() {
    let dir = tempdir().unwrap();
    written(dir.path(), 1, u64::MAX);
    let path = segments(dir.path()).remove(0);
    let text = fs::read_to_string(&path).unwrap().replacen("\"perpdeck_journal\":1", "\"perpdeck_journal\":2", 1);
    fs::write(&path, text).unwrap();
    let text = open(dir.path()).err().unwrap().to_string();
    assert!(text.contains("has journal format 2, this program reads and writes format 1"), "{text}");
}

#[test]
fn damage_that_is_read_stops_the_reader_where_it_is() {
    let dir = tempdir().unwrap();
    written(dir.path(), 3, u64::MAX);
    let path = segments(dir.path()).remove(0);
    let text = fs::read_to_string(&path).unwrap().replacen("\"n\":2", "\"n\":7", 1);
    fs::write(&path, text).unwrap();
    let mut reader = read(dir.path()).unwrap();
    assert_eq!(reader.next().unwrap().unwrap(), entry(1));
    assert!(matches!(reader.next().unwrap(), Err(JournalError::Damaged { line: 3, .. })));
    assert!(reader.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a power cut leaves: everything up to the last fdatasync, then some of what was written
    /// since, then zeros or other bytes of an old block.
    #[test]
    fn nothing_acknowledged_is_lost_in_a_power_cut(
        durable in 0_u64..6, lost in 0_u64..6, part in 0.0_f64..1.0, zeros in 0_usize..5000,
        garbage in proptest::collection::vec(prop_oneof![Just(0_u8), 11_u8..=255], 0..40),
    ) {
        let dir = tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), Options::default()).unwrap();
        append(&mut journal, durable);
        journal.sync().unwrap();
        let path = segments(dir.path()).remove(0);
        let kept = fs::read(&path).unwrap().len();
        append(&mut journal, lost);
        journal.flush().unwrap();
        drop(journal);
        let mut content = fs::read(&path).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, clippy::as_conversions, reason = "a place in a small file")]
        content.truncate(kept + ((content.len() - kept) as f64 * part) as usize);
        let cut_between_lines = content.last() == Some(&b'\n');
        content.extend(std::iter::repeat_n(0, zeros));
        if cut_between_lines {
            content.extend(garbage);
        }
        fs::write(&path, &content).unwrap();
        let (mut journal, opened) = open(dir.path()).unwrap();
        let count = u64::try_from(all(&opened).len()).unwrap();
        prop_assert!(count >= durable && count <= durable + lost);
        prop_assert_eq!(all(&opened), entries(1..=count));
        append(&mut journal, 1);
        journal.sync().unwrap();
        drop(journal);
        prop_assert_eq!(all(&open(dir.path()).unwrap().1), entries(1..=count + 1));
    }

    #[test]
    fn whatever_is_appended_is_there_after_any_number_of_reopens(
        groups in proptest::collection::vec((0_u64..5, any::<bool>(), any::<bool>()), 0..20), segment in 200_u64..2000,
    ) {
        let dir = tempdir().unwrap();
        let mut seq = 0;
        let mut snapshots = 0;
        let mut journal = Journal::open(dir.path(), options(segment)).unwrap().0;
        for (count, snapshot, reopen) in groups {
            append(&mut journal, count);
            seq += count;
            journal.sync().unwrap();
            if snapshot && seq > 0 {
                prop_assert_eq!(journal.snapshot(&body(seq)).unwrap(), seq);
                snapshots = seq;
            }
            if reopen {
                drop(journal);
                let (again, opened) = Journal::open(dir.path(), options(segment)).unwrap();
                prop_assert_eq!(opened.snapshot.as_ref().map(|s| (s.seq, s.body.clone())), (snapshots > 0).then(|| (snapshots, body(snapshots))));
                prop_assert_eq!(all(&opened), entries(snapshots + 1..=seq));
                prop_assert_eq!(opened.torn, None);
                journal = again;
            }
        }
        let all: Result<Vec<_>, _> = read(dir.path()).unwrap().collect();
        prop_assert_eq!(all.unwrap(), entries(1..=seq));
    }
}
