//! The scenario `outage`, from end to end: the breaker opens, is seen open, lets cancels pass,
//! half-opens and closes, and nothing is lost or doubled.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};

use super::child::{Process, perpdeck};
use super::ledger;

const SYMBOLS: [(&str, &str); 5] =
    [("BTC_USDT", "0.0002"), ("ETH_USDT", "0.01"), ("SOL_USDT", "0.1"), ("XRP_USDT", "20"), ("DOGE_USDT", "100")];

fn breaker_is(line: &Value, state: &str) -> bool {
    line["event"] == "breaker_moved" && line["class"] == "entries" && line["state"] == state
}

fn place(line: &Value) -> u64 {
    line["seq"].as_u64().unwrap()
}

/// A session that is sent small entries in turn, each with a signal of its own.
struct Trader {
    session: Process,
    sent: Cell<usize>,
}

impl Trader {
    fn entry(&mut self) -> String {
        let n = self.sent.replace(self.sent.get() + 1);
        let (symbol, quantity) = SYMBOLS[n % SYMBOLS.len()];
        let id = format!("in-{n}");
        let signal = json!({"signal_type": "S1", "symbol": symbol, "side": "buy", "quantity": quantity});
        assert!(self.session.tell(&json!({"id": id, "signal": signal}).to_string()));
        id
    }

    /// Whatever the session is told meanwhile, an entry is tried again and again.
    fn trade_until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..600 {
            if let Some(line) = self.session.said.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            let id = self.entry();
            self.session.answer(&id).expect("an answer");
            // An entry about every second of session time.
            let _ = self.session.until_within(Duration::from_millis(200), &wanted);
        }
        panic!("never; the last lines are {:#?}", self.session.said.iter().rev().take(5).collect::<Vec<_>>());
    }
}

#[test]
fn an_outage_opens_the_breaker_cancels_pass_it_closes_again_and_nothing_is_doubled() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("d");
    let text = dir.display().to_string();
    let arguments = ["run", "--headless", "--scenario", "outage", "--speed", "5", "--data-dir", &text];
    let mut command = perpdeck(&arguments, data.path());
    command.env("PERPDECK_RISK_MAX_PRICE_AGE", "10m").env("PERPDECK_ORDERS_TIME_OUT", "10m");
    command.env("PERPDECK_RISK_MAX_POSITIONS", "5");
    let mut session = Process::start(command);
    let ready = session.event("ready").expect("it starts");

    // An order that rests through the outage; told as failed or not, it reaches the exchange.
    assert!(session.tell(
        r#"{"id":"rests","signal":{"signal_type":"S1","symbol":"SOL_USDT","side":"buy","quantity":1,"price":90}}"#
    ));
    let rests = session.answer("rests").expect("an answer");
    assert_eq!(rests["result"], "accepted", "{rests}");
    let no = rests["order_no"].clone();
    let resting = |line: &Value| line["order_no"] == no && line["status"] == "submitted";
    assert!(session.said.iter().any(resting) || session.until(resting).is_some());

    let mut trader = Trader { session, sent: Cell::new(0) };
    let open = trader.trade_until(|line| breaker_is(line, "open"));
    assert!(open["reason"].as_str().unwrap().contains("failures in a row"), "{open}");
    // It is seen to be open: an alert stands, and an entry is refused by its name.
    let alerted = |line: &Value| line["event"] == "risk_alert" && line["alert_type"] == "BREAKER_OPEN";
    trader.trade_until(alerted);
    let refused = |line: &Value| {
        line["event"] == "order_failed" && line["error"].as_str().is_some_and(|error| error.contains("circuit breaker"))
    };
    let refused = trader.trade_until(refused);
    // A cancel made while it is open goes through, before it half-opens.
    let cancel = json!({"id": "cancel", "command": {"action": "cancel", "orders": [no]}});
    assert!(trader.session.tell(&cancel.to_string()));
    let answer = trader.session.settled("cancel").expect("an answer");
    assert_eq!(answer["result"], "done", "{answer}");
    let cancelled = |line: &Value| line["event"] == "order_cancelled" && line["order_no"] == no;
    let cancelled = trader.session.said.iter().find(|line| cancelled(line)).expect("told").clone();
    let half_open = trader.trade_until(|line| breaker_is(line, "half_open"));
    let closed = trader.trade_until(|line| breaker_is(line, "closed"));
    let order = [&open, &refused, &cancelled, &half_open, &closed].map(place);
    assert!(order.is_sorted(), "open, refused, cancelled, half-open, closed: {order:?}");

    // Trading goes on as before.
    let filled = Cell::new(0);
    while filled.get() < 25 {
        let id = trader.entry();
        trader.session.answer(&id).expect("an answer");
        let ended = |line: &Value| {
            line["signal_id"] == id.as_str() && (line["event"] == "order_filled" || line["event"] == "order_failed")
        };
        let end = match trader.session.said.iter().find(|line| ended(line)).cloned() {
            Some(end) => Some(end),
            None => trader.session.until_within(Duration::from_secs(20), ended),
        };
        filled.set(filled.get() + usize::from(end.is_some_and(|end| end["event"] == "order_filled")));
        assert!(trader.sent.get() < 900, "entries do not fill again");
    }
    assert!(trader.session.tell(r#"{"id":"end","command":{"action":"flatten"}}"#));
    let end = trader.session.settled("end").expect("an answer");
    assert_eq!(end["result"], "done", "{end}");
    let books = ledger::fetch(ready["exchange"].as_str().unwrap());
    trader.session.signal("-TERM");
    let (status, errors) = trader.session.end();
    assert_eq!(status.code(), Some(0), "{errors:?}");
    ledger::agree(&books, &dir, "outage");
    // The faults were there: one entry was accepted and told as failed, the others were turned away.
    let turned_away =
        books["requests"].as_array().unwrap().iter().filter(|request| request["outcome"] == "error_before");
    assert!(turned_away.count() >= 4);
}
