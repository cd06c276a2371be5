//! What was asked, by endpoint, class, contract and leg, with times: for whoever must prove that a
//! client keeps to a pace.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::faults::Target;
use super::json::{Object, array};
use crate::model::{SessionTime, Symbol};

/// Times that are kept of each kind of request; the counts go on.
const KEPT: usize = 10_000;

/// A kind of request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The pattern of its path, such as `private/order/create`.
    pub endpoint: &'static str,
    pub class: &'static str,
    pub symbol: Option<Symbol>,
    /// For placements: MEXC's `side`.
    pub side: Option<i64>,
}

#[derive(Debug, Default)]
struct Seen {
    count: u64,
    times: VecDeque<SessionTime>,
}

/// All requests since the start, or since they were forgotten.
#[derive(Debug, Default)]
pub struct Requests {
    seen: BTreeMap<Kind, Seen>,
}

/// The name of a class of calls.
pub fn class(target: Target, closes: bool) -> &'static str {
    match (target, closes) {
        (Target::Place | Target::PlaceOpen, false) => "place_open",
        (Target::Place | Target::PlaceOpen, true) | (Target::PlaceClose, _) => "place_close",
        (Target::Cancel, _) => "cancel",
        (Target::Change, _) => "change",
        (Target::Read, _) => "read",
        (Target::Public | Target::Any, _) => "public",
    }
}

impl Requests {
    /// Counts a request.
    pub fn count(&mut self, kind: Kind, now: SessionTime) {
        let seen = self.seen.entry(kind).or_default();
        seen.count = seen.count.saturating_add(1);
        seen.times.push_back(now);
        if seen.times.len() > KEPT {
            seen.times.pop_front();
        }
    }

    /// Forgets all.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    /// All kinds and all classes: count, first and last time, and the most within any window of
    /// such a length; the times themselves when `times` is set.
    pub fn to_json(&self, window: Duration, times: bool) -> String {
        let rows = self.seen.iter().map(|(kind, seen)| {
            let mut object = Object::new().text("endpoint", kind.endpoint).text("class", kind.class);
            if let Some(symbol) = &kind.symbol {
                object = object.text("symbol", symbol.as_str());
            }
            if let Some(side) = kind.side {
                object = object.plain("side", side);
            }
            let list: Vec<SessionTime> = seen.times.iter().copied().collect();
            figures(object, seen.count, &list, window, times).build()
        });
        let rows = array(rows);
        let mut classes: BTreeMap<&str, (u64, Vec<SessionTime>)> = BTreeMap::new();
        for (kind, seen) in &self.seen {
            let (count, list) = classes.entry(kind.class).or_default();
            *count = count.saturating_add(seen.count);
            list.extend(&seen.times);
        }
        let classes = classes.into_iter().map(|(class, (count, mut list))| {
            list.sort_unstable();
            figures(Object::new().text("class", class), count, &list, window, false).build()
        });
        Object::new()
            .plain("windowMs", window.as_millis())
            .raw("classes", &array(classes))
            .raw("requests", &rows)
            .build()
    }
}

fn figures(object: Object, count: u64, times: &[SessionTime], window: Duration, show: bool) -> Object {
    let micros = |at: Option<&SessionTime>| at.map_or(0, |at| at.micros());
    let object = object
        .plain("count", count)
        .plain("first", micros(times.first()))
        .plain("last", micros(times.last()))
        .plain("mostInWindow", most_within(times, window));
    if show { object.raw("times", &array(times.iter().map(|at| at.micros().to_string()))) } else { object }
}

/// The most of these times, in order, that lie within any window of a length.
fn most_within(times: &[SessionTime], window: Duration) -> usize {
    let mut most = 0;
    for (at, first) in times.iter().enumerate() {
        let inside = times.iter().skip(at).take_while(|time| time.since(*first) < window).count();
        most = most.max(inside);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_within_any_window_is_found() {
        let times: Vec<_> = [0, 900, 1_000, 1_899, 5_000].map(SessionTime::from_millis).into();
        assert_eq!(most_within(&times, Duration::from_secs(1)), 3);
        assert_eq!(most_within(&times, Duration::from_millis(100)), 1);
        assert_eq!(most_within(&[], Duration::from_secs(1)), 0);
    }
}
