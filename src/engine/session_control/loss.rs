//! Facts that the journal has lost. The session may have been halted in them, or a limit may have tripped:
//! that is not known, so nothing new is risked until a person has looked.

use super::commands::halt_by_engine;
use crate::engine::alerting::{NewAlert, raise};
use crate::engine::turn::Turn;
use crate::model::{AlertKind, Event, Severity};

/// Facts are missing; `which` in few words, `what` is known of them.
pub(in crate::engine) fn on_facts_lost(turn: &mut Turn, which: &str, what: &str) {
    // Halted first: where the loss is on record, the halt is.
    halt_by_engine(turn, &format!("{which} are missing in the journal; resume when you have looked"));
    turn.emit(Event::FactsLost { which: which.to_owned() });
    let message = format!(
        "{what}. Whether the session was halted or paused in what is missing, and which limits had tripped, is not \
         known: entries are halted until a person resumes; exits and cancels work. A signal id that was used in it is \
         not known either: the same signal would be carried out again"
    );
    raise(turn, NewAlert::happened(AlertKind::Recovered, "missing facts", Severity::Critical, message));
}

/// Something of ours is at the exchange that only a lost fact explains. Once a start: whoever resumed
/// after it knows.
pub(in crate::engine) fn found_at_exchange(turn: &mut Turn, what: &str) {
    let start = turn.state().info.as_ref().map_or(0, |info| info.starts);
    if turn.state().loss.is_none_or(|loss| loss.start != start) {
        on_facts_lost(turn, "facts", &format!("{what}, and the journal does not know it: facts are missing in it"));
    }
}
