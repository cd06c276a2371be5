//! What a start finds missing: facts that the journal has lost, by a mark that whoever cut it left or by a
//! history database that knows more; and a history database that cannot be asked.

use std::path::Path;

use super::recovery::{Recovered, RecoveryError};
use crate::engine::Input;
use crate::journal::{self, LossMark};
use crate::model::{SessionTime, Severity, escape_controls};
use crate::store::witness::{self, Missing, Seen};

/// Looks for what is missing, given what the history database said before the journal was opened. What is
/// found comes again at every start until it is on record that entries were halted for it.
///
/// # Errors
/// When a mark cannot be read or written.
pub fn find(
    journal_dir: &Path,
    database: &Path,
    seen: &Seen,
    recovered: &Recovered,
    now: SessionTime,
) -> Result<Vec<Input>, RecoveryError> {
    let last = recovered.journal.last_seq();
    let marked = marked(journal_dir, recovered.state.loss.map_or(0, |loss| loss.told_at))?;
    let mut found = Vec::new();
    let mut missing = None;
    match seen {
        Seen::Nothing => {}
        Seen::Facts(anchor) => {
            missing = witness::confront(journal_dir, database, *anchor, (last, recovered.looked_at), now)?;
        }
        Seen::Damaged(why) => {
            // Kept or not, it is told; trading does not depend on it.
            let what = witness::set_damaged_aside(database, why, now).unwrap_or_else(|what| what);
            found.push(Input::Found { subject: "history database".to_owned(), severity: Severity::Warning, what });
        }
    }
    if let Some(Missing { which, what }) = missing.or(marked) {
        found.push(Input::FactsLost { which, what });
    }
    Ok(found)
}

/// What marks tell that lie beyond `told_at`, where a loss was told last; those before it are done with.
fn marked(journal_dir: &Path, told_at: u64) -> Result<Option<Missing>, RecoveryError> {
    let (open, done): (Vec<LossMark>, Vec<LossMark>) =
        journal::loss_marks(journal_dir)?.into_iter().partition(|mark| mark.after >= told_at);
    for mark in done {
        mark.remove();
    }
    let missing = |mark: &LossMark| match mark.what.split_once('\n') {
        Some((which, what)) => {
            Missing { which: escape_controls(which).into_owned(), what: escape_controls(what).into_owned() }
        }
        None => Missing {
            which: format!("facts after {}", mark.after),
            what: format!(
                "the journal was cut after fact {}, and what came then is missing in it. The exchange is asked what is \
                 true now; compare",
                mark.after
            ),
        },
    };
    // The earliest cut lost the most.
    Ok(open.first().map(missing))
}
