//! A session with many working orders, killed and started again on the same exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::child::Process;
use super::exchange::{Exchange, signal};

const SYMBOLS: [(&str, &str, &str); 2] = [("SOL_USDT", "90", "0.1"), ("XRP_USDT", "1", "10")];
/// What the exchange does at a start, as faults of the simulator.
pub const FAULTS: [&str; 4] = [
    r#"{"fault":"refuse","target":"any"}"#,
    r#"{"fault":"error_before","target":"any"}"#,
    r#"{"fault":"hang","target":"read"}"#,
    r#"{"fault":"too_frequent","target":"read"}"#,
];
/// What becomes of the placements that are on their way at a kill.
const ON_THE_WAY: [&str; 3] = [
    r#"{"fault":"reply_delayed","target":"place","delay_ms":20000}"#,
    r#"{"fault":"hang","target":"place"}"#,
    r#"{"fault":"reply_lost","target":"place"}"#,
];

/// What was seen of one kill.
pub struct Seen {
    pub ready: Duration,
    pub resolved: Duration,
    pub in_flight: usize,
    pub working: usize,
}

pub struct Run {
    home: tempfile::TempDir,
    exchange: Exchange,
    session: Process,
    working: usize,
    next: usize,
}

impl Run {
    /// So many orders rest at the exchange, and a position is open.
    pub fn start(orders: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let exchange = Exchange::start(home.path(), &[]);
        let session = session(&exchange, &home);
        let mut run = Self { home, exchange, session, working: 0, next: 0 };
        run.session.event("ready").unwrap();
        assert!(run.session.tell(&signal("held", "S1", "BTC_USDT", "buy", "0.01")));
        assert!(run.session.event("order_filled").is_some());
        let begun = Instant::now();
        while run.working < orders {
            run.enter();
            run.working += 1;
            if run.working % 100 == 0 {
                println!("  {} orders rest after {:.0} s", run.working, begun.elapsed().as_secs_f64());
            }
        }
        let accepted = |line: &Value| line["step"] == "accepted" && line["price"].is_string();
        let arrived = run.session.said.iter().filter(|line| accepted(line)).count();
        for n in arrived..orders {
            let seen = run.session.until_within(Duration::from_secs(60), accepted);
            assert!(seen.is_some(), "{n} of {orders} rest: {:#?}", run.strange());
        }
        run
    }

    /// Lines of orders that tell of trouble.
    fn strange(&self) -> Vec<&Value> {
        let trouble = |line: &&Value| {
            matches!(line["event"].as_str(), Some("order_failed" | "order_cancelled")) || line["step"] == "lost"
        };
        self.session.said.iter().filter(trouble).take(5).collect()
    }

    /// One more resting entry; its id once it is accepted.
    fn enter(&mut self) -> String {
        loop {
            let (symbol, price, quantity) = SYMBOLS[self.next % SYMBOLS.len()];
            let id = format!("rest-{}", self.next);
            self.next += 1;
            let line = json!({"id": id, "signal": {"signal_id": id, "signal_type": "S1", "symbol": symbol, "side": "buy",
                "quantity": quantity, "price": price}});
            assert!(self.session.tell(&line.to_string()));
            let answer = self.session.answer(&id).unwrap();
            if answer["result"] == "accepted" {
                return id;
            }
            println!("  not now: {answer}");
            // It waits for room.
            self.session.until_within(Duration::from_millis(500), |line| line["event"] != "answer");
        }
    }

    /// Kills the session while orders are on their way and starts it again.
    pub fn killed(&mut self, kill: usize, in_flight: usize) -> Seen {
        let (in_flight, ids) = self.burst(kill, in_flight);
        let begun = Instant::now();
        self.session = session(&self.exchange, &self.home);
        self.session.event("ready").unwrap();
        let ready = begun.elapsed();
        let resolved = self.resolved(begun, &ids);
        let seen = Seen { ready, resolved, in_flight, working: self.working + in_flight };
        println!(
            "  kill {kill}: {} at work, {in_flight} on their way, ready {:.3} s, resolved {:.3} s",
            seen.working,
            ready.as_secs_f64(),
            resolved.as_secs_f64()
        );
        self.tidy(&ids);
        seen
    }

    /// The same while the exchange fails for so long from the start on; the time from its end to ready.
    pub fn killed_under(&mut self, fault: &str, lasts: Duration, in_flight: usize) -> Duration {
        let (_, ids) = self.burst(0, in_flight);
        self.exchange.fault(&serde_json::from_str(fault).unwrap());
        let begun = Instant::now();
        self.session = session(&self.exchange, &self.home);
        self.session.until_within(lasts, |_| false);
        self.exchange.heal();
        let healed = Instant::now();
        assert!(!self.session.said.iter().any(|line| line["event"] == "ready"), "ready under {fault}");
        self.session.event("ready").unwrap();
        let ready = healed.elapsed();
        self.resolved(begun, &ids);
        self.tidy(&ids);
        ready
    }

    /// Entries whose answers do not come; then the kill. How many were on their way, and all their ids.
    fn burst(&mut self, kill: usize, wanted: usize) -> (usize, BTreeSet<String>) {
        let fault: Value = serde_json::from_str(ON_THE_WAY[kill % ON_THE_WAY.len()]).unwrap();
        self.exchange.fault(&fault);
        self.session.said.clear();
        let ids: BTreeSet<String> = (0..wanted).map(|_| self.enter()).collect();
        // Killed at another moment each time: some left, some wait still.
        self.session.until_within(Duration::from_millis(kill as u64 * 97 % 5_000), |_| false);
        self.session.signal("-KILL");
        self.session.end();
        self.exchange.heal();
        let mut ended = 0;
        for id in &ids {
            let last = self.session.said.iter().rev().find(|line| line["signal_id"] == id.as_str());
            let status = last.map_or("", |line| line["status"].as_str().unwrap_or(""));
            ended += usize::from(!matches!(status, "NEW" | "SUBMITTING" | "UNKNOWN"));
        }
        (wanted - ended, ids)
    }

    /// Until nothing of the burst is unknown; the time since the start.
    fn resolved(&mut self, begun: Instant, ids: &BTreeSet<String>) -> Duration {
        let mut status: BTreeMap<String, String> = ids.iter().map(|id| (id.clone(), "?".to_owned())).collect();
        let mut at = begun.elapsed();
        let mut seen = 0;
        loop {
            for line in &self.session.said[seen..] {
                let of = line["signal_id"].as_str().and_then(|id| status.get_mut(id));
                if let (Some(known), Some(now)) = (of, line["status"].as_str()) {
                    known.clear();
                    known.push_str(now);
                    at = begun.elapsed();
                }
            }
            seen = self.session.said.len();
            let open = |status: &&String| matches!(status.as_str(), "NEW" | "SUBMITTING" | "UNKNOWN");
            if status.values().filter(open).count() == 0 {
                // What never said anything since the start was resolved before the kill.
                return at;
            }
            self.session.until(|_| true).unwrap();
        }
    }

    /// Takes back what of the burst rests.
    fn tidy(&mut self, ids: &BTreeSet<String>) {
        let resting: Vec<String> = ids
            .iter()
            .filter(|id| {
                let last = self.session.said.iter().rev().find(|line| line["signal_id"] == id.as_str());
                !last.is_some_and(|line| matches!(line["status"].as_str(), Some("FAILED" | "CANCELLED")))
            })
            .cloned()
            .collect();
        for id in &resting {
            let line = json!({"id": format!("undo-{id}"), "signal": {"signal_id": format!("undo-{id}"),
                "signal_type": "O1", "symbol": "SOL_USDT", "side": "buy", "cancels": id}});
            assert!(self.session.tell(&line.to_string()));
        }
        for id in &resting {
            let gone = |line: &Value| line["event"] == "order_cancelled" && line["signal_id"] == id.as_str();
            if !self.session.said.iter().any(gone) {
                self.session.until(gone).unwrap();
            }
        }
    }
}

fn session(exchange: &Exchange, home: &tempfile::TempDir) -> Process {
    let settings = [
        ("PERPDECK_ORDERS_TIME_OUT", "24h"),
        ("PERPDECK_RISK_MAX_POSITION_PCT", "10000"),
        ("PERPDECK_RISK_SYMBOL_CONCENTRATION_PCT", "10000"),
        ("PERPDECK_RISK_MARGIN_UTILISATION_PCT", "100"),
        ("PERPDECK_RISK_MAX_POSITIONS", "100"),
    ];
    exchange.session_with(home.path(), &[], &settings)
}
