//! Segments that are missing, swapped, misnamed or of another journal are named as such, and the way out
//! that is printed works and destroys nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use perpdeck::journal::{JournalError, loss_marks, read, verify};
use tempfile::{TempDir, tempdir};

use super::support::{all, entries, files, open, segments, written};

/// A journal of several segments in a directory with a name that a shell would take apart.
fn journal() -> (TempDir, PathBuf, Vec<PathBuf>) {
    let temp = tempdir().unwrap();
    let dir = temp.path().join("it's a journal");
    written(&dir, 12, 300);
    let names = segments(&dir);
    assert!(names.len() >= 4);
    (temp, dir, names)
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

fn number(file: &Path) -> u64 {
    name(file).trim_start_matches("segment-").trim_end_matches(".jsonl").parse().unwrap()
}

/// Runs the command that a message prints.
fn follow(text: &str) {
    let command = text
        .split_once("everything first: ")
        .or_else(|| text.split_once("names back: "))
        .or_else(|| text.split_once("name back: "))
        .unwrap_or_else(|| panic!("no way out in: {text}"))
        .1;
    let command = command.split(". The exchange").next().unwrap();
    let done = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_missing_segment_is_named_with_its_entries_and_the_way_out_loses_nothing() {
    let (temp, dir, names) = journal();
    let (from, to) = (number(&names[1]), number(&names[2]) - 1);
    let lost = fs::read(&names[1]).unwrap();
    fs::remove_file(&names[1]).unwrap();
    let before = files(&dir);
    let error = open(&dir).err().unwrap();
    assert!(matches!(error, JournalError::Order { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(name(&names[1])), "{text}");
    let missing =
        if from == to { format!("entry {from} is missing") } else { format!("the entries {from} to {to} are missing") };
    assert!(text.contains(&missing) && !text.contains("truncate"), "{text}");
    assert_eq!(files(&dir), before, "nothing was changed");
    assert_eq!(read(&dir).unwrap().find_map(Result::err).unwrap().to_string(), text, "readers say the same");
    assert_eq!(verify(&dir, 1, None).unwrap().damage.unwrap().to_string(), text, "and so does verify");
    follow(&text);
    assert_eq!(all(&open(&dir).unwrap().1), entries(1..=from - 1));
    // What is kept looks whole: the mark says that it is not.
    let marks = loss_marks(&dir).unwrap();
    assert_eq!(marks.iter().map(|mark| (mark.after, mark.what.as_str())).collect::<Vec<_>>(), [(from - 1, "")]);
    // The copy has every file; with the lost one put back it is the whole journal.
    let copy = temp.path().join("it's a journal.copy");
    fs::write(copy.join(name(&names[1])), lost).unwrap();
    assert_eq!(all(&open(&copy).unwrap().1), entries(1..=12));
}

#[test]
fn swapped_segments_are_told_from_damage_and_get_their_names_back() {
    let (_temp, dir, names) = journal();
    let (one, other) = (fs::read(&names[1]).unwrap(), fs::read(&names[2]).unwrap());
    fs::write(&names[1], &other).unwrap();
    fs::write(&names[2], &one).unwrap();
    let text = open(&dir).err().unwrap().to_string();
    assert!(text.contains("have each other's names") && !text.contains("truncate"), "{text}");
    assert!(text.contains(name(&names[1])) && text.contains(name(&names[2])), "{text}");
    follow(&text);
    assert_eq!(all(&open(&dir).unwrap().1), entries(1..=12));
}

#[test]
fn a_segment_under_a_wrong_name_gets_its_own_back() {
    let (_temp, dir, names) = journal();
    let last = names.last().unwrap();
    let wrong = last.with_file_name("segment-00000000000000000999.jsonl");
    fs::rename(last, &wrong).unwrap();
    let text = open(&dir).err().unwrap().to_string();
    assert!(text.contains("though its name says 999"), "{text}");
    follow(&text);
    assert_eq!(all(&open(&dir).unwrap().1), entries(1..=12));
}

#[test]
fn a_segment_of_another_journal_is_not_taken_for_damage() {
    let (_temp, dir, names) = journal();
    let other = tempdir().unwrap();
    let (mut journal, _) = perpdeck::journal::Journal::open(other.path(), super::support::options(300)).unwrap();
    for seq in 1..=12 {
        journal.append(0, &super::support::body(seq)).unwrap();
        journal.sync().unwrap();
    }
    drop(journal);
    let theirs = segments(other.path()).into_iter().find(|file| number(file) == number(&names[1]));
    let theirs = theirs.unwrap_or_else(|| panic!("{:?} {names:?}", segments(other.path())));
    fs::copy(theirs, &names[1]).unwrap();
    let text = open(&dir).err().unwrap().to_string();
    assert!(text.contains("does not go on where") && text.contains("another journal"), "{text}");
    assert!(!text.contains("truncate"), "{text}");
    follow(&text);
    assert_eq!(all(&open(&dir).unwrap().1), entries(1..=number(&names[1]) - 1));
}

#[test]
fn the_way_out_of_a_damaged_line_copies_first_and_keeps_what_stands_before() {
    let (temp, dir, names) = journal();
    let mut content = fs::read(&names[1]).unwrap();
    let good = content.clone();
    let at = content.len() - 30;
    content[at] ^= 1;
    fs::write(&names[1], &content).unwrap();
    let text = open(&dir).err().unwrap().to_string();
    assert!(text.contains("the journal is damaged") && text.contains("truncate -s"), "{text}");
    follow(&text);
    let kept = all(&open(&dir).unwrap().1);
    assert!(kept.len() >= usize::try_from(number(&names[1])).unwrap() - 1, "{}", kept.len());
    assert_eq!(kept, entries(1..=u64::try_from(kept.len()).unwrap()));
    let copy = temp.path().join("it's a journal.copy");
    fs::write(copy.join(name(&names[1])), good).unwrap();
    assert_eq!(all(&open(&copy).unwrap().1), entries(1..=12));
}
