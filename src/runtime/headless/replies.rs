//! Answers: each command and each signal gets one, and not before its facts are on disk.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::{CommandStatus, SessionState, SignalOutcome};
use crate::runtime::durable::Durable;
use crate::runtime::intake::SignalAnswer;
use crate::runtime::outward::Line;

/// How long an answer waits for a disk that is slow before it is said that the session acted.
const SLOW: Duration = Duration::from_secs(1);

/// An outcome of a command that waits for the disk.
#[derive(Debug)]
struct Pending {
    seq: u64,
    since: Instant,
    id: String,
    status: CommandStatus,
    /// Asked for before, and answered as it was then: nothing was done anew.
    repeated: bool,
    /// That it is not on disk yet was said.
    told: bool,
}

/// Outcomes of commands that wait for the disk, in their order.
#[derive(Debug, Default)]
pub struct Pendings(VecDeque<Pending>);

impl Pendings {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// When something may have to be said although nothing else happens.
    pub fn due(&self) -> Option<Instant> {
        self.0.iter().find(|pending| !pending.told).and_then(|pending| pending.since.checked_add(SLOW))
    }

    /// Keeps an outcome until the fact with this number is on disk.
    pub fn keep(&mut self, seq: u64, now: Instant, id: String, status: CommandStatus) {
        self.0.push_back(Pending { seq, since: now, id, status, repeated: false, told: false });
    }

    /// The same of a command that came again.
    pub fn keep_repeated(&mut self, seq: u64, now: Instant, id: String, status: CommandStatus) {
        self.0.push_back(Pending { seq, since: now, id, status, repeated: true, told: false });
    }

    /// The answers that may be given now. One whose facts the disk does not take is told once as what
    /// it is: acted on, and not on disk; the answer proper follows when it is.
    pub fn ripe(&mut self, durable: &Durable, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        self.0.retain_mut(|pending| {
            if pending.seq <= durable.safe {
                let line = command(&pending.id, &pending.status);
                lines.push(if pending.repeated { line.with("repeated", &true) } else { line });
                return false;
            }
            let slow = now.saturating_duration_since(pending.since) >= SLOW;
            if !pending.told && (durable.trouble.is_some() || slow) {
                pending.told = true;
                let why = durable.trouble.as_deref().unwrap_or("the disk is slow");
                lines.push(not_on_disk(&pending.id, &pending.status, why));
            }
            true
        });
        lines
    }

    /// At the end: what never came to the disk.
    pub fn lost(self, durable: &Durable) -> Vec<Line> {
        let why = durable.trouble.as_deref().unwrap_or("the session ended before");
        let reason = format!("acted on, but never on disk ({why}): the next start does not know of it");
        let line = |pending: Pending| unknown(&pending.id, &reason).with("on_disk", &false);
        self.0.into_iter().map(line).collect()
    }
}

/// The answer to a command whose facts are on disk.
fn command(id: &str, status: &CommandStatus) -> Line {
    let line = Line::new("answer").with("id", &id);
    match status {
        CommandStatus::Done { note } => line.with("result", &"done").with("note", note),
        CommandStatus::Rejected { why } => line.with("result", &"rejected").with("reason", why),
        CommandStatus::Unknown { why } => line.with("result", &"unknown").with("reason", why),
        CommandStatus::Accepted | CommandStatus::Working { .. } => line.with("result", &"accepted"),
    }
}

fn not_on_disk(id: &str, status: &CommandStatus, why: &str) -> Line {
    let (result, note) = match status {
        CommandStatus::Done { note } => ("acted", note.as_str()),
        CommandStatus::Rejected { why } => ("rejected", why.as_str()),
        CommandStatus::Unknown { why } => ("unknown", why.as_str()),
        CommandStatus::Accepted | CommandStatus::Working { .. } => ("acted", ""),
    };
    let reason = format!("not yet on disk: {why}; until it is, a restart does not know of it. The answer follows then");
    Line::new("answer")
        .with("id", &id)
        .with("result", &result)
        .with("on_disk", &false)
        .with("note", &note)
        .with("reason", &reason)
}

/// An answer that says no.
pub fn rejected(id: &str, reason: &str, line: Option<u64>) -> Line {
    let answer = Line::new("answer").with("id", &id).with("result", &"rejected").with("reason", &reason);
    match line {
        Some(line) => answer.with("line", &line),
        None => answer,
    }
}

/// An answer that does not know.
pub fn unknown(id: &str, reason: &str) -> Line {
    Line::new("answer").with("id", &id).with("result", &"unknown").with("reason", &reason)
}

/// The answer to a signal; `None`: the session ended before it was on record.
pub fn signal(id: &str, answer: Option<SignalAnswer>, state: &SessionState) -> Line {
    match answer {
        Some(SignalAnswer::Decided { id: signal_id, outcome }) => {
            let line = Line::new("answer").with("id", &id).with("signal_id", &signal_id);
            match &outcome {
                SignalOutcome::Ordered { order } | SignalOutcome::Cancelling { order } => {
                    let client_id = state.client_id_of(*order);
                    let what = if matches!(outcome, SignalOutcome::Ordered { .. }) { "ordered" } else { "cancelling" };
                    line.with("result", &"accepted")
                        .with("outcome", &what)
                        .with("order_no", order)
                        .with("order_id", &client_id)
                }
                SignalOutcome::Closing { position } => {
                    line.with("result", &"accepted").with("outcome", &"closing").with("position_id", position)
                }
                SignalOutcome::Recorded => line.with("result", &"accepted").with("outcome", &"recorded"),
                SignalOutcome::Rejected { reason, failed_checks } => {
                    line.with("result", &"rejected").with("reason", reason).with("failed_checks", failed_checks)
                }
            }
        }
        Some(SignalAnswer::Refused { reason }) => rejected(id, &reason, None),
        Some(SignalAnswer::Unknown { reason }) => unknown(id, &reason),
        None => unknown(id, "the session ended before the signal was on record; send it again under the same id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done() -> CommandStatus {
        CommandStatus::Done { note: "paused".into() }
    }

    fn durable(safe: u64, trouble: Option<&str>) -> Durable {
        Durable { safe, trouble: trouble.map(str::to_owned) }
    }

    fn results(lines: &[Line]) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let read = |line: &Line| serde_json::from_str::<serde_json::Value>(&line.text()).unwrap();
        lines.iter().map(read).map(|line| (text(&line["id"]), text(&line["result"]))).collect()
    }

    #[test]
    fn a_command_is_not_answered_done_before_its_facts_are_on_disk() {
        let now = Instant::now();
        let mut pendings = Pendings::default();
        pendings.keep(5, now, "a".into(), done());
        pendings.keep(7, now, "b".into(), done());
        assert!(pendings.ripe(&durable(4, None), now).is_empty());
        assert_eq!(results(&pendings.ripe(&durable(5, None), now)), [("a".into(), "done".into())]);
        assert_eq!(results(&pendings.ripe(&durable(9, None), now)), [("b".into(), "done".into())]);
        assert_eq!(pendings.len(), 0);
    }

    #[test]
    fn what_the_disk_does_not_take_is_told_once_as_acted_and_done_when_it_is_there() {
        let now = Instant::now();
        let mut pendings = Pendings::default();
        pendings.keep(5, now, "a".into(), done());
        let early = pendings.ripe(&durable(4, Some("disk full")), now);
        assert_eq!(results(&early), [("a".into(), "acted".into())]);
        assert!(early[0].text().contains("disk full") && early[0].text().contains("\"on_disk\":false"));
        assert!(pendings.ripe(&durable(4, Some("disk full")), now + SLOW * 9).is_empty(), "once");
        assert_eq!(results(&pendings.ripe(&durable(5, None), now)), [("a".into(), "done".into())]);
    }

    #[test]
    fn a_slow_disk_is_waited_for_a_second_and_then_named() {
        let now = Instant::now();
        let mut pendings = Pendings::default();
        pendings.keep(5, now, "a".into(), done());
        assert_eq!(pendings.due(), Some(now + SLOW));
        assert!(pendings.ripe(&durable(4, None), now + SLOW / 2).is_empty());
        assert_eq!(results(&pendings.ripe(&durable(4, None), now + SLOW)), [("a".into(), "acted".into())]);
        assert_eq!(pendings.due(), None);
        assert_eq!(results(&pendings.lost(&durable(4, Some("gone")))), [("a".into(), "unknown".into())]);
    }
}
