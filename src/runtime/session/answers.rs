//! What became of signals, for those who handed them in. The engine decides most of them in their own
//! step; one that it holds back for a moment is answered when its decision comes.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use crate::model::{Event, Record, SessionState, SignalId, escape_controls};
use crate::runtime::intake::SignalAnswer;

/// Senders that may wait for a decision; more are told that theirs is not known.
const MOST: usize = 10_000;
/// A refused signal's id is kept cut to so many characters.
const SHOWN_ID: usize = 128;

/// Signals that were taken and not yet decided.
#[derive(Debug, Default)]
pub struct Undecided {
    waiting: BTreeMap<String, Vec<oneshot::Sender<SignalAnswer>>>,
    count: usize,
}

impl Undecided {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps a sender waiting for the decision of this signal.
    pub fn keep(&mut self, id: &str, answer: oneshot::Sender<SignalAnswer>) {
        if self.count >= MOST {
            let reason =
                format!("{MOST} signals wait for their decision already; what becomes of this one is not told");
            // Whoever asked may have gone.
            let _ = answer.send(SignalAnswer::Unknown { reason });
            return;
        }
        self.count = self.count.saturating_add(1);
        self.waiting.entry(id.to_owned()).or_default().push(answer);
    }

    /// Hands out the answers that these events bring, each with the number of its fact.
    pub fn settle(
        &mut self,
        records: &[Record],
        mut out: impl FnMut(u64, oneshot::Sender<SignalAnswer>, SignalAnswer),
    ) {
        for record in records {
            let Some((id, what)) = decision(record) else { continue };
            let senders = self.waiting.remove(id).or_else(|| {
                let known = self.waiting.keys().find(|known| shown(known) == id).cloned()?;
                self.waiting.remove(&known)
            });
            for answer in senders.into_iter().flatten() {
                self.count = self.count.saturating_sub(1);
                out(record.seq, answer, what.clone());
            }
        }
    }
}

/// What these events of its own step, or the state, say became of a signal; `None` when it is not
/// decided yet.
pub fn answer_to(id: &str, events: &[Record], state: &SessionState) -> Option<SignalAnswer> {
    let own = |record: &Record| decision(record).filter(|(of, _)| *of == id || *of == shown(id)).map(|(_, what)| what);
    if let Some(what) = events.iter().find_map(own) {
        return Some(what);
    }
    // A second delivery: the first one's outcome stands.
    let known = SignalId::new(id).ok()?;
    let outcome = state.signal_outcome(&known)?;
    Some(SignalAnswer::Decided { outcome, id: known })
}

fn decision(record: &Record) -> Option<(&str, SignalAnswer)> {
    match &record.event {
        Event::SignalDecided { signal, outcome, .. } => {
            let what = SignalAnswer::Decided { id: signal.id.clone(), outcome: outcome.clone() };
            Some((signal.id.as_str(), what))
        }
        Event::SignalRefused { raw, reason } => {
            Some((raw.signal_id.as_str(), SignalAnswer::Refused { reason: reason.clone() }))
        }
        _ => None,
    }
}

/// An id as events show one that is no valid id.
fn shown(id: &str) -> String {
    escape_controls(&id.chars().take(SHOWN_ID).collect::<String>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RawSignal, SessionTime, SignalOutcome};

    fn raw(id: &str) -> RawSignal {
        RawSignal {
            signal_id: id.into(),
            signal_type: "E1".into(),
            symbol: "BTC_USDT".into(),
            side: "long".into(),
            ..RawSignal::default()
        }
    }

    fn decided(seq: u64, id: &str) -> Record {
        let signal = Box::new(raw(id).parse(SessionTime::ZERO).unwrap());
        let outcome = SignalOutcome::Recorded;
        let event = Event::SignalDecided { signal, outcome, risk_score: None, price: None };
        Record { seq, at: SessionTime::ZERO, event }
    }

    #[test]
    fn a_decision_that_comes_steps_later_reaches_the_one_who_waits_and_nobody_else() {
        let mut undecided = Undecided::default();
        let (one, mut told_one) = oneshot::channel();
        let (again, mut told_again) = oneshot::channel();
        let (two, mut told_two) = oneshot::channel();
        assert_eq!(answer_to("one", &[decided(1, "two")], &SessionState::default()), None, "another's decision");
        undecided.keep("one", one);
        undecided.keep("one", again);
        undecided.keep("two", two);
        let mut seqs = Vec::new();
        undecided.settle(&[decided(7, "nobody"), decided(8, "one")], |seq, to, what| {
            seqs.push(seq);
            to.send(what).unwrap();
        });
        assert_eq!(seqs, [8, 8], "not before fact 8 is on disk");
        for told in [&mut told_one, &mut told_again] {
            assert!(matches!(told.try_recv(), Ok(SignalAnswer::Decided { id, .. }) if id.as_str() == "one"));
        }
        assert!(told_two.try_recv().is_err());
        drop(undecided);
        assert_eq!(told_two.try_recv(), Err(oneshot::error::TryRecvError::Closed), "the end of the session: unknown");
    }

    #[test]
    fn a_refusal_is_found_by_the_id_that_it_shows() {
        let id = "bad\u{7}id";
        let event = Event::SignalRefused { raw: Box::new(raw(&shown(id))), reason: "no".into() };
        let record = Record { seq: 3, at: SessionTime::ZERO, event };
        let refused = SignalAnswer::Refused { reason: "no".into() };
        assert_eq!(answer_to(id, std::slice::from_ref(&record), &SessionState::default()), Some(refused.clone()));
        let mut undecided = Undecided::default();
        let (to, mut told) = oneshot::channel();
        undecided.keep(id, to);
        undecided.settle(&[record], |_, to, what| to.send(what).unwrap());
        assert_eq!(told.try_recv(), Ok(refused));
        assert!(undecided.is_empty());
    }

    #[test]
    fn who_waits_for_a_decision_is_bounded_in_number_and_told_so() {
        let mut undecided = Undecided::default();
        for n in 0..MOST {
            undecided.keep(&format!("s{n}"), oneshot::channel().0);
        }
        let (to, mut told) = oneshot::channel();
        undecided.keep("one too many", to);
        assert!(matches!(told.try_recv(), Ok(SignalAnswer::Unknown { .. })));
    }
}
