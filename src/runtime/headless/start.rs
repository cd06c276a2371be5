//! How a start is told: a line at once, why it is not ready, and ready.

use std::time::{Duration, Instant};

use crate::model::{Phase, SessionState, SessionTime, StartWait};
use crate::runtime::outward::Line;

/// A start that is not ready after this long says why, real time.
const SAID_WITHIN: Duration = Duration::from_secs(2);
/// Between two reasons, real time: one that flickers is not a flood.
const BETWEEN: Duration = Duration::from_secs(1);
/// How long the ready line waits for the first prices, real time.
const PRICES_WITHIN: Duration = Duration::from_secs(5);

/// Who and where the session is, for its first lines.
#[derive(Clone, Debug)]
pub struct Place {
    /// The data directory.
    pub data_dir: String,
    /// The exchange's address without secrets, or what stands for it.
    pub exchange: String,
}

/// What was told of the start.
#[derive(Debug)]
pub struct Start {
    place: Place,
    begun: Instant,
    ready: bool,
    /// Until when prices are waited for.
    priceless_until: Option<Instant>,
    /// The last reason, since when it holds, and when it was told.
    reason: Option<(&'static str, String)>,
    since: SessionTime,
    told_at: Option<Instant>,
    told: Option<(&'static str, String)>,
}

impl Start {
    /// A start that begins now.
    pub fn new(place: Place, now: Instant) -> Self {
        Self {
            place,
            begun: now,
            ready: false,
            priceless_until: None,
            reason: None,
            since: SessionTime::ZERO,
            told_at: None,
            told: None,
        }
    }

    /// The very first line.
    pub fn starting(&self, state: &SessionState) -> Line {
        Line::new("starting")
            .with("data_dir", &self.place.data_dir)
            .with("exchange", &self.place.exchange)
            .with("session", &state.info.as_ref().map(|info| &info.id))
            .with("seq", &state.seq)
            .with("version", &env!("CARGO_PKG_VERSION"))
            .with("pid", &std::process::id())
    }

    /// Whether there is something to watch still.
    pub fn is_over(&self, state: &SessionState) -> bool {
        self.ready || matches!(state.phase, Phase::Stopping | Phase::Stopped)
    }

    /// What is to be told now: that it is ready, or why it is not.
    pub fn tell(&mut self, state: &SessionState, session_now: SessionTime, now: Instant) -> Option<Line> {
        if self.is_over(state) {
            return None;
        }
        if let Some(line) = self.ready(state, session_now, now) {
            self.ready = true;
            return Some(line);
        }
        let wait = state.start_waits_for().or_else(|| state.entries_wait_for(session_now)).or_else(|| prices(state))?;
        let reason = (wait.what, wait.reason);
        if self.reason.as_ref() != Some(&reason) {
            self.reason = Some(reason.clone());
            self.since = session_now;
        }
        let early = now.saturating_duration_since(self.begun) < SAID_WITHIN && !wait.trouble;
        let flickers = self.told_at.is_some_and(|at| now.saturating_duration_since(at) < BETWEEN);
        if early || flickers || self.told.as_ref() == Some(&reason) {
            return None;
        }
        self.told_at = Some(now);
        self.told = Some(reason.clone());
        let line = Line::new("waiting").with("for", &reason.0).with("reason", &reason.1);
        Some(line.with("since", &self.since.to_string()).with("timestamp", &session_now.millis()))
    }

    /// Whoever reads the ready line may send an entry at once, and that needs the open orders and a price; but a
    /// feed that is down must not keep the session from being told.
    fn ready(&mut self, state: &SessionState, session_now: SessionTime, now: Instant) -> Option<Line> {
        let info = state.info.as_ref().filter(|_| state.phase == Phase::Ready)?;
        if state.entries_wait_for(session_now).is_some() {
            return None;
        }
        let until = *self.priceless_until.get_or_insert(now + PRICES_WITHIN);
        if now < until && prices(state).is_some() {
            return None;
        }
        let line = Line::new("ready")
            .with("data_dir", &self.place.data_dir)
            .with("exchange", &info.exchange)
            .with("session", &info.id)
            .with("starts", &info.starts)
            .with("seq", &state.seq)
            .with("control", &state.control)
            .with("pid", &std::process::id());
        Some(line)
    }
}

fn prices(state: &SessionState) -> Option<StartWait> {
    let lacking: Vec<&str> = state
        .contracts
        .keys()
        .filter(|symbol| state.exposure_price(symbol).is_none())
        .map(crate::model::Symbol::as_str)
        .collect();
    let reason = format!("no price of {} came yet that a second one confirms", lacking.join(", "));
    (!lacking.is_empty()).then_some(StartWait { what: "prices", reason, asked_at: None, trouble: false })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::{Chore, ChoreState, Event, Record};

    fn start() -> (Start, Instant) {
        let now = Instant::now();
        (Start::new(Place { data_dir: "d".into(), exchange: "e".into() }, now), now)
    }

    fn read(line: Option<Line>) -> Value {
        line.map_or(Value::Null, |line| serde_json::from_str(&line.text()).unwrap())
    }

    fn chore(state: &mut SessionState, chore: Chore, moved: ChoreState) {
        let event = Event::ChoreMoved { chore, state: moved };
        state.apply(&Record { seq: state.seq, at: SessionTime::from_secs(5), event });
    }

    fn failed(error: &str) -> ChoreState {
        ChoreState { error: Some(error.into()), failures: 1, ..ChoreState::default() }
    }

    #[test]
    fn a_start_that_does_not_come_about_says_why_within_3_s_and_again_when_the_reason_changes() {
        let (mut start, begun) = start();
        let mut state = SessionState::default();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let now = SessionTime::from_secs(9);
        assert_eq!(read(start.tell(&state, now, at(500))), Value::Null, "nothing is wrong yet");
        chore(&mut state, Chore::Contracts, ChoreState { done_at: Some(now), ..ChoreState::default() });
        chore(&mut state, Chore::PositionMode, failed("key refused (402)"));
        let line = read(start.tell(&state, now, at(600)));
        assert_eq!((&line["event"], &line["for"]), (&"waiting".into(), &"position_mode".into()), "{line}");
        assert_eq!(line["reason"], "key refused (402)");
        assert_eq!(read(start.tell(&state, now, at(9_000))), Value::Null, "the same reason is told once");
        chore(&mut state, Chore::PositionMode, failed("connection refused"));
        assert_eq!(read(start.tell(&state, now, at(9_100)))["reason"], "connection refused");
        chore(&mut state, Chore::PositionMode, failed("no answer"));
        assert_eq!(read(start.tell(&state, now, at(9_200))), Value::Null, "no flood");
        assert_eq!(read(start.tell(&state, now, at(10_200)))["reason"], "no answer");
    }

    #[test]
    fn the_ready_line_waits_for_the_open_orders_and_says_so() {
        let (mut start, begun) = start();
        let mut state = SessionState { phase: Phase::Ready, ..SessionState::default() };
        state.info = Some(crate::model::SessionInfo {
            id: crate::model::SessionId::new("s").unwrap(),
            environment: crate::model::Environment::Paper,
            exchange: "e".to_owned(),
            label: "l".to_owned(),
            started_at: SessionTime::ZERO,
            starts: 1,
            incarnation: None,
            identity: None,
        });
        let now = SessionTime::from_secs(19);
        assert_eq!(read(start.tell(&state, now, begun)), Value::Null, "no ready line");
        let line = read(start.tell(&state, now, begun + SAID_WITHIN));
        assert_eq!((&line["event"], &line["for"]), (&"waiting".into(), &"orders".into()), "{line}");
        assert!(line["reason"].as_str().unwrap().contains("exits may leave"), "{line}");
        chore(&mut state, Chore::PollOrders, ChoreState { done_at: Some(now), ..ChoreState::default() });
        assert_eq!(read(start.tell(&state, now, begun + SAID_WITHIN))["event"], "ready");
    }

    #[test]
    fn an_exchange_that_says_nothing_at_all_is_a_reason_after_2_s() {
        let (mut start, begun) = start();
        let mut state = SessionState::default();
        let asked = ChoreState { asked_at: Some(SessionTime::from_secs(1)), ..ChoreState::default() };
        chore(&mut state, Chore::Contracts, asked);
        let now = SessionTime::from_secs(9);
        assert_eq!(read(start.tell(&state, now, begun)), Value::Null);
        let line = read(start.tell(&state, now, begun + SAID_WITHIN));
        assert_eq!(line["for"], "contracts");
        assert!(line["reason"].as_str().unwrap().contains("has not answered yet"), "{line}");
    }
}
