//! Segments that do not go on where the one before them ends: which is missing, which stands in the
//! place of another, which is of another journal.

use std::path::{Path, PathBuf};

use super::error::ASKED;
use super::scan::{Scan, Step};
use super::segment::file_name;
use super::{JournalError, way_out};

/// Refuses segments whose headers do not agree with their names.
///
/// # Errors
/// [`JournalError::Order`]; damage of a header.
pub fn check_names(segments: &[(u64, PathBuf)]) -> Result<(), JournalError> {
    let mut wrong = Vec::new();
    for (named, file) in segments {
        let holds = Scan::open(file, None)?.header().first;
        if holds != *named {
            wrong.push((*named, holds, file));
        }
    }
    let Some((named, holds, file)) = wrong.first().copied() else { return Ok(()) };
    let begins = format!("{} begins with entry {holds}, though its name says {named}", name_of(file));
    if let Some((_, _, other)) = wrong.iter().find(|(other, begins, _)| (*other, *begins) == (holds, named)) {
        return Err(JournalError::Order {
            file: file.clone(),
            what: format!("{begins}: it and {} have each other's names", name_of(other)).into(),
            way_out: format!("Give them their own names back: {}", way_out::swap(file, other)).into(),
        });
    }
    let own = file.with_file_name(file_name(holds));
    let way_out = if own.exists() {
        format!("Put the segment that belongs there back; {} has the entries of this one already", name_of(&own))
    } else {
        format!("Give it its own name back: {}", way_out::rename(file, &own))
    };
    Err(JournalError::Order { file: file.clone(), what: begins.into(), way_out: way_out.into() })
}

/// Says why `next` does not go on where `file` ends, when `file` is good by itself; else `seen`, the
/// damage that showed first.
pub fn explain(file: &Path, next: &Path, seen: JournalError) -> JournalError {
    explained(file, next).unwrap_or(seen)
}

fn explained(file: &Path, next: &Path) -> Option<JournalError> {
    let after = Scan::open(next, None).ok()?.header();
    let mut scan = Scan::open(file, None).ok()?.without_bodies();
    let mut fits = scan.due() == after.first && scan.sum() == after.chain;
    let mut cut = 0;
    loop {
        match scan.step() {
            Ok(Step::Entry(_)) => fits |= scan.due() == after.first && scan.sum() == after.chain,
            Ok(Step::End) => break,
            Ok(Step::Tail(tail)) => {
                fits |= scan.due() == after.first && scan.sum() == after.chain;
                cut = tail.cut;
                break;
            }
            // It is damaged itself: that is to be told.
            Err(_) => return None,
        }
    }
    if fits {
        return None;
    }
    let dir = file.parent()?;
    let (here, there) = (name_of(file), name_of(next));
    let due = scan.due();
    let last = due.saturating_sub(1);
    let rest = way_out::keep_until(dir, last, scan.header().first, None)
        .map(|command| {
            format!(
                ". Without it, what stands before can still be used; this copies everything first: {command}. {ASKED}"
            )
        })
        .unwrap_or_default();
    if due < after.first {
        let missing = if last.saturating_add(2) == after.first {
            format!("entry {due} is missing")
        } else {
            format!("the entries {due} to {} are missing", after.first.saturating_sub(1))
        };
        let what = if cut > 0 {
            format!("{missing}: {here} has lost its end, it stops in the middle of a line, and {there} goes on later")
        } else {
            format!(
                "{missing}: {here} ends with entry {last}, {there} begins with entry {}, and {} is not there (or {here} \
                 has lost its end)",
                after.first,
                file_name(due)
            )
        };
        let way_out = format!("Put the missing file back from where it was moved to, or from a copy{rest}");
        return Some(JournalError::Order { file: next.to_path_buf(), what: what.into(), way_out: way_out.into() });
    }
    let what = format!(
        "{there} does not go on where {here} ends: one of the two is of another journal, or an older copy of itself"
    );
    let way_out = format!("Put the right file back from where it was moved to, or from a copy{rest}");
    Some(JournalError::Order { file: next.to_path_buf(), what: what.into(), way_out: way_out.into() })
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
