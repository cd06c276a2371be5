//! One session that is killed again and again.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use perpdeck::model::OrderState;
use serde_json::{Value, json};

use crate::child::Process;
use crate::exchange::{Exchange, signal};
use crate::ledger;

/// Orders on their way at a kill.
const IN_FLIGHT: usize = 45;
/// The time in which they leave: three in two seconds, for one of four places is kept for exits.
const LEAVE_WITHIN_MS: u64 = 30_500;
/// So long an order may be on its way: the last of them leaves when the first has waited for long.
const LONG_CALL: (&str, &str) = ("PERPDECK_EXCHANGE_CALL_TIMEOUT", "60s");

#[derive(Default)]
pub struct Measured {
    pub working: Vec<usize>,
    pub in_flight: Vec<usize>,
    pub unknown: Vec<usize>,
    pub ready: Vec<Duration>,
    pub exit: Vec<Duration>,
    pub resolved: Vec<Duration>,
    pub after_faults: Vec<(String, Duration)>,
}

struct Lane {
    no: usize,
    exchange: Exchange,
    dir: tempfile::TempDir,
    session: Process,
    measured: Measured,
}

pub fn lane(no: usize, orders: usize, kills: usize) -> Measured {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), &[]);
    let session = start(no, &exchange, dir.path(), &[LONG_CALL]);
    let mut lane = Lane { no, exchange, dir, session, measured: Measured::default() };
    lane.session.event("ready").expect("it starts");
    lane.holds();
    lane.rests(orders.saturating_sub(IN_FLIGHT));
    for kill in 0..kills {
        lane.kill(kill);
    }
    lane.faults();
    lane.end()
}

/// The whole of the exchange's pace, and room for all orders. Every other lane takes its exchange for granted, as a
/// live session does, the rest have it prove first that it is a simulator.
fn start(no: usize, exchange: &Exchange, dir: &Path, more: &[(&str, &str)]) -> Process {
    let peer = if no.is_multiple_of(2) { "simulator" } else { "any" };
    let mut settings = vec![
        ("PERPDECK_EXCHANGE_PAPER_PEER", peer),
        ("PERPDECK_EXCHANGE_LIMITER_SHARE_PCT", "100"),
        ("PERPDECK_ORDERS_MAX_WORKING", "1200"),
        ("PERPDECK_ORDERS_TIME_OUT", "10h"),
        ("PERPDECK_ORDERS_SIGNAL_MAX_AGE", "60s"),
        ("PERPDECK_RISK_MAX_POSITIONS", "10"),
        ("PERPDECK_RISK_MAX_POSITION_PCT", "100"),
        ("PERPDECK_RISK_SYMBOL_CONCENTRATION_PCT", "100"),
    ];
    settings.extend_from_slice(more);
    exchange.session_with(dir, &[], &settings)
}

/// An entry far below the market, in one contract after the other: each takes two hundred open orders.
fn resting(id: &str, n: usize) -> String {
    const FAR: [(&str, &str, &str); 5] = [
        ("BTC_USDT", "0.0001", "40000"),
        ("ETH_USDT", "0.01", "1200"),
        ("SOL_USDT", "0.1", "60"),
        ("XRP_USDT", "1", "0.4"),
        ("DOGE_USDT", "100", "0.06"),
    ];
    let (symbol, quantity, price) = FAR[n % FAR.len()];
    json!({"id": id, "signal": {"signal_id": id, "signal_type": "S1", "symbol": symbol, "side": "buy",
        "quantity": quantity, "price": price}})
    .to_string()
}

impl Lane {
    /// A position that exits reduce.
    fn holds(&mut self) {
        assert!(self.session.tell(&signal("hold", "S1", "BTC_USDT", "buy", "0.01")));
        assert!(self.session.until(|line| line["event"] == "order_filled").is_some());
    }

    /// So many orders rest at the exchange.
    fn rests(&mut self, orders: usize) {
        let (mut told, mut rest) = (0, 0);
        while rest < orders {
            while told < orders && told - rest < 20 {
                assert!(self.session.tell(&resting(&format!("rest-{told}"), told)));
                told += 1;
            }
            let line = self.session.until(|line| {
                assert!(line["event"] != "order_failed" && line["result"] != "rejected", "{line}");
                line["step"] == "accepted"
            });
            assert!(line.is_some(), "it lives");
            rest += 1;
            if rest % 100 == 0 {
                eprintln!("lane {}: {rest} orders rest", self.no);
            }
        }
    }

    fn kill(&mut self, kill: usize) {
        // What is on its way is carried out and not answered, or neither; half of the kills each. What is carried out
        // becomes known by the list of open orders while the session runs, but for the last.
        let kind = if kill.is_multiple_of(2) { "reply_delayed" } else { "hang" };
        self.exchange.fault(&json!({"kind": kind, "endpoint": "place_open", "delay_ms": 60_000}));
        // Nor does the stream tell.
        self.exchange.fault(&json!({"kind": "ws_lose"}));
        for n in 0..IN_FLIGHT {
            assert!(self.session.tell(&resting(&format!("kill-{kill}-{n}"), n)));
        }
        self.session.answer(&format!("kill-{kill}-{}", IN_FLIGHT - 1)).expect("it lives");
        // Another moment each time.
        let later = Duration::from_millis(LEAVE_WITHIN_MS + 137 * (kill as u64 % 20));
        assert!(self.session.until_within(later, |_| false).is_none());
        self.session.signal("-KILL");
        self.session.end();
        heal(&self.exchange);

        let state = perpdeck::runtime::recover(&perpdeck::runtime::journal_of(&self.dir.path().join("data")), 1 << 26)
            .unwrap()
            .state;
        let open = |state: &OrderState| matches!(state, OrderState::Submitting | OrderState::Unknown);
        let unknown: BTreeSet<String> = state
            .orders
            .working()
            .filter(|order| open(&order.state))
            .map(|order| order.client_id.to_string())
            .collect();
        let of_kill = format!("kill-{kill}-");
        let came: Vec<String> = state
            .orders
            .working()
            .filter(|order| order.signal_id.as_ref().is_some_and(|id| id.as_str().starts_with(&of_kill)))
            .map(|order| order.client_id.to_string())
            .collect();
        let waiting = state.orders.working().filter(|order| order.state == OrderState::Pending).count();
        self.measured.working.push(state.orders.working_count());
        self.measured.in_flight.push(unknown.len() + waiting);
        self.measured.unknown.push(unknown.len());

        let begin = Instant::now();
        self.session = start(self.no, &self.exchange, self.dir.path(), &[LONG_CALL]);
        let session = &mut self.session;
        session.until(is_ready).expect("it is ready");
        self.measured.ready.push(begin.elapsed());
        let exit = format!("exit-{kill}");
        let part = json!({"signal_type": "ZE1", "symbol": "BTC_USDT", "side": "long", "quantity": "0.0001"});
        assert!(session.tell(&json!({"id": exit, "signal": part}).to_string()));
        session.until(|line| line["event"] == "order_filled" && line["effect"] == "close").expect("it is filled");
        self.measured.exit.push(begin.elapsed());
        let known = |said: &[Value]| {
            unknown.iter().all(|id| {
                said.iter().rev().find(|line| line["order_id"] == id.as_str()).is_some_and(|line| {
                    !matches!(line["status"].as_str(), Some("submitting" | "unknown" | "pending" | "NEW"))
                })
            })
        };
        while !known(&session.said) {
            assert!(session.until(|line| line["order_id"].is_string()).is_some(), "it lives");
            assert!(begin.elapsed() < Duration::from_secs(120), "{unknown:?}");
        }
        self.measured.resolved.push(begin.elapsed());
        eprintln!(
            "lane {}, kill {kill}: ready {:?}, exit {:?}, {} known {:?}",
            self.no,
            self.measured.ready.last().unwrap(),
            self.measured.exit.last().unwrap(),
            unknown.len(),
            begin.elapsed()
        );
        // Entries wait for the list of open orders.
        if !self.session.said.iter().any(|line| line["event"] == "ready") {
            self.session.event("ready").expect("it takes entries");
        }
        self.clear(kill, &came);
    }

    /// Takes back what came with the kill, so that the next one finds as many orders.
    fn clear(&mut self, kill: usize, came: &[String]) {
        let id = format!("clear-{kill}");
        assert!(self.session.tell(&json!({"id": id, "command": {"action": "cancel", "orders": came}}).to_string()));
        self.session.settled(&id).expect("it lives");
    }

    /// Starts while the exchange does not answer as it should.
    fn faults(&mut self) {
        let faults = [
            ("503 to every call", json!({"kind": "refuse", "status": 503})),
            ("a page of the edge, 403", json!({"kind": "refuse", "status": 403})),
            ("no answer to any call", json!({"kind": "hang"})),
            ("connections closed", json!({"kind": "refuse"})),
            ("too frequent, 510", json!({"kind": "too_frequent"})),
        ];
        for (n, (name, fault)) in faults.into_iter().enumerate() {
            self.session.signal("-KILL");
            self.session.end();
            self.exchange.fault(&fault);
            self.session = start(self.no, &self.exchange, self.dir.path(), &[]);
            // Not in step with what the session asks every second.
            let long = Duration::from_millis(20_000 + 190 * n as u64 + 470 * self.no as u64);
            let early = self.session.until_within(long, is_ready);
            assert!(early.is_none(), "{name}: ready without an answer");
            let begin = Instant::now();
            heal(&self.exchange);
            self.session.until(is_ready).expect("it is ready");
            eprintln!("lane {}, {name}: ready {:?} after the first answer", self.no, begin.elapsed());
            self.measured.after_faults.push((name.to_owned(), begin.elapsed()));
        }
    }

    /// The books agree: nothing was lost and nothing doubled in all of it.
    fn end(mut self) -> Measured {
        self.session.signal("-TERM");
        let (status, errors) = self.session.end();
        assert_eq!(status.code(), Some(0), "{errors:?}");
        let books = ledger::fetch(&self.exchange.rest);
        ledger::agree(&books, &self.dir.path().join("data"), "recovery");
        self.measured
    }
}

/// All switches off.
fn heal(exchange: &Exchange) {
    let answer = exchange.ask("DELETE", "/sim/faults", "");
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

fn is_ready(line: &Value) -> bool {
    line["event"] == "phase_changed" && line["phase"] == "ready"
}
