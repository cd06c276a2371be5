//! Exits against a real exchange that refuses them in every way: they go on until the position is flat.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::exchange::{Exchange, signal};

/// How long the exchange turns every close away.
const REFUSED_FOR: Duration = Duration::from_secs(20);

/// One kind of refusal; says how long after its end the position was flat, and how many closes came meanwhile.
fn outlive(refusal: &Value) -> (Duration, u64) {
    let home = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(home.path(), &[]);
    let mut session = exchange.session(home.path(), &[]);
    session.event("ready").expect("ready");
    assert!(session.tell(&signal("in", "S1", "BTC_USDT", "buy", "0.002")));
    session.event("order_filled").expect("an entry that fills");
    let mut fault = json!({"kind": "refuse", "endpoint": "place_close"});
    for (name, value) in refusal.as_object().unwrap() {
        fault[name] = value.clone();
    }
    exchange.fault(&fault);
    let begun = Instant::now();
    assert!(session.tell(&signal("out", "E1", "BTC_USDT", "sell", "")));
    let answer = session.answer("out").expect("an answer");
    assert_eq!(answer["result"], "accepted", "{refusal}: {answer}");
    let closed =
        session.until_within(REFUSED_FOR.saturating_sub(begun.elapsed()), |line| line["event"] == "position_closed");
    assert!(closed.is_none(), "{refusal}: nothing gets through");
    let sent = exchange.seen("place_close");
    exchange.heal();
    let healed = Instant::now();
    session.event("position_closed").unwrap_or_else(|| panic!("{refusal}: the position is never closed"));
    let took = healed.elapsed();
    assert_eq!(exchange.held("BTC_USDT"), "0", "{refusal}");
    (took, sent)
}

#[test]
fn an_exit_outlives_every_kind_of_refusal_and_keeps_a_civil_pace() {
    let kinds = [
        json!({"code": 510}),
        json!({"code": 2037}),
        json!({"code": 801}),
        json!({"code": 513}),
        json!({"code": 2056}),
        json!({"code": 2008}),
        json!({"code": 7002}),
        json!({"code": 2078}),
        json!({"code": 6022}),
        json!({"code": 9999}),
        json!({"status": 403, "body": "<html>Access Denied</html>"}),
        json!({"status": 429, "retry_after": 3600}),
        json!({"status": 503}),
    ];
    let runs: Vec<_> = kinds.map(|kind| std::thread::spawn(move || (outlive(&kind), kind))).into_iter().collect();
    for run in runs {
        let ((took, sent), kind) = run.join().unwrap();
        println!("{kind}: flat {:.1} s after the last refusal, {sent} closes in 20 s", took.as_secs_f64());
        assert!(sent <= 20, "{kind}: {sent} closes in 20 s");
        assert!(sent >= 5, "{kind}: it goes on trying, not {sent} times");
        // 3 s by the issue of time alone; a machine with other work gets more.
        assert!(took < Duration::from_secs(10), "{kind}: {took:?}");
    }
}

#[test]
fn what_another_client_s_order_holds_is_left_until_it_is_free() {
    let home = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(home.path(), &[]);
    let mut session = exchange.session(home.path(), &[]);
    session.event("ready").expect("ready");
    assert!(session.tell(&signal("in", "S1", "BTC_USDT", "buy", "0.002")));
    let filled = session.event("order_filled").expect("an entry that fills");
    let price: f64 = filled["filled_price"].as_str().unwrap().parse().unwrap();
    let held: u32 = exchange.held("BTC_USDT").parse().unwrap();
    let hand = json!({"symbol": "BTC_USDT", "price": (price * 1.03).round(), "vol": held - 1, "side": 4, "type": 1,
        "openType": 1, "leverage": 20});
    let placed = exchange.by_hand("/api/v1/private/order/create", &hand);
    assert_eq!(placed["success"], true, "{placed}");
    assert!(session.tell(&signal("out", "E1", "BTC_USDT", "sell", "")));
    let left = (held - 1).to_string();
    assert!(session.until(|line| line["event"] == "fill" && line["effect"] == "close").is_some(), "what is free goes");
    assert_eq!(exchange.held("BTC_USDT"), left);
    let closed = session.until_within(Duration::from_secs(5), |line| line["event"] == "position_closed");
    assert!(closed.is_none());
    let sent = exchange.seen("place_close");
    assert!(sent <= 12, "{sent} closes");
    let id = placed["data"]["orderId"].clone();
    let id = if id.is_null() { placed["data"].clone() } else { id };
    let cancelled = exchange.by_hand("/api/v1/private/order/cancel", &json!([id]));
    assert_eq!(cancelled["success"], true, "{cancelled}");
    session.event("position_closed").expect("the rest goes as soon as it is free");
    assert_eq!(exchange.held("BTC_USDT"), "0");
}

fn is_sent(line: &Value) -> bool {
    line["step"] == "sent" && line["effect"] == "open"
}

/// Thirty entries wait for their turn when this stop comes; `None` is SIGTERM.
fn stop_amid_entries(stop: Option<&Value>) {
    let home = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(home.path(), &[]);
    let mut session = exchange.session(home.path(), &[]);
    session.event("ready").expect("ready");
    for n in 0..30 {
        assert!(session.tell(&signal(&format!("in-{n}"), "S1", "BTC_USDT", "buy", "0.0003")));
    }
    session.event("order_filled").expect("the first ones fill");
    let answered = match stop {
        Some(command) => {
            assert!(session.tell(&json!({"id": "stop", "command": command}).to_string()));
            session.until(|line| line["id"] == "stop" && line["result"] == "done")
        }
        None => {
            session.signal("-TERM");
            session.until(|line| line["event"] == "phase_changed" && line["phase"] == "stopped")
        }
    };
    let answered = answered.unwrap_or_else(|| panic!("{stop:?}: no answer"));
    let before = exchange.seen("place_open");
    let told = session.said.iter().filter(|line| is_sent(line)).count();
    assert_eq!(before, u64::try_from(told).unwrap(), "{stop:?}: what left was told");
    assert!(told < 30, "{stop:?}: it came amid the entries");
    // Longer than two windows of the exchange's limit, or to the end of the process.
    let more = session.until_within(Duration::from_secs(5), is_sent);
    assert!(more.is_none(), "{stop:?}: {more:?} after {answered}");
    assert_eq!(exchange.seen("place_open"), before, "{stop:?}");
}

#[test]
fn i53_no_entry_leaves_after_a_stop_of_any_kind() {
    let kinds = [
        Some(json!({"action": "halt"})),
        Some(json!({"action": "pause", "cancel_entries": true})),
        Some(json!({"action": "flatten"})),
        Some(json!({"action": "stop", "policy": "leave"})),
        None,
    ];
    let runs = kinds.map(|kind| std::thread::spawn(move || stop_amid_entries(kind.as_ref())));
    for run in runs {
        run.join().unwrap();
    }
}
