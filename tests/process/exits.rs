//! Exits against a real exchange that refuses them in every way: they go on until the position is flat.

use std::time::Duration;

use serde_json::{Value, json};

use super::exchange::{Exchange, signal};

/// How long the exchange turns every close away, by its own clock.
const REFUSED_FOR: Duration = Duration::from_secs(20);

/// What the exchange saw of an exit that it turned away at first; all by its own clock.
struct Outlived {
    /// From the last refusal to the last fill.
    took: Duration,
    /// Closes that it turned away.
    refused: usize,
    /// Closes after that.
    taken: usize,
}

/// One kind of refusal, met by an exit of everything or of a half.
fn outlive(refusal: &Value, partly: bool) -> Outlived {
    let home = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(home.path(), &[]);
    let mut session = exchange.session(home.path(), &[]);
    session.event("ready").expect("ready");
    assert!(session.tell(&signal("in", "S1", "BTC_USDT", "buy", "0.002")));
    session.event("order_filled").expect("an entry that fills");
    let held: u64 = exchange.held("BTC_USDT").parse().unwrap();
    let mut fault = json!({"kind": "refuse", "endpoint": "place_close", "seconds": REFUSED_FOR.as_secs()});
    for (name, value) in refusal.as_object().unwrap() {
        fault[name] = value.clone();
    }
    exchange.fault(&fault);
    let ends = exchange.now() + i64::try_from(REFUSED_FOR.as_micros()).unwrap();
    let (kind, share, left) = if partly { ("ZE1", "50%", held - held / 2) } else { ("E1", "", 0) };
    assert!(session.tell(&signal("out", kind, "BTC_USDT", "sell", share)));
    let answer = session.answer("out").expect("an answer");
    assert_eq!(answer["result"], "accepted", "{refusal}: {answer}");
    let filled = session.until(|line| line["event"] == "fill" && line["effect"] == "close");
    assert!(filled.is_some(), "{refusal}: nothing is ever closed");
    if !partly {
        session.event("position_closed").unwrap_or_else(|| panic!("{refusal}: the position is never closed"));
    }
    assert_eq!(exchange.held("BTC_USDT"), left.to_string(), "{refusal}: no more, and no less");
    let (refused, taken): (Vec<i64>, Vec<i64>) = exchange.times("place_close").into_iter().partition(|at| *at < ends);
    let closed = exchange.fills().into_iter().max().unwrap();
    assert!(closed > ends, "{refusal}: nothing gets through before");
    let last = refused.last().unwrap_or_else(|| panic!("{refusal}: it was never refused"));
    let took = Duration::from_micros(u64::try_from(closed - last).unwrap());
    Outlived { took, refused: refused.len(), taken: taken.len() }
}

fn page() -> Value {
    json!({"status": 403, "body": "<html>Access Denied</html>"})
}

#[test]
fn an_exit_outlives_every_kind_of_refusal_and_keeps_a_civil_pace() {
    let whole = [
        json!({"code": 510}),
        json!({"code": 2037}),
        json!({"code": 604}),
        json!({"code": 801}),
        json!({"code": 1002}),
        json!({"code": 513}),
        json!({"code": 2056}),
        json!({"code": 2008}),
        json!({"code": 7002}),
        json!({"code": 2078}),
        json!({"code": 6022}),
        json!({"code": 9999}),
        page(),
        json!({"status": 429, "retry_after": 3600}),
        json!({"status": 503}),
    ];
    // What may have been carried out is proven absent before a part is closed again.
    let parts = [json!({"code": 6022}), json!({"code": 9999}), page()];
    let kinds = whole.into_iter().map(|kind| (kind, false)).chain(parts.into_iter().map(|kind| (kind, true)));
    let runs: Vec<_> =
        kinds.map(|(kind, partly)| std::thread::spawn(move || (outlive(&kind, partly), kind, partly))).collect();
    for run in runs {
        let (Outlived { took, refused, taken }, kind, partly) = run.join().unwrap();
        let what = format!("{kind}{}", if partly { " of a half" } else { "" });
        println!("{what}: closed {:.1} s after the last refusal, {refused} refused in 20 s", took.as_secs_f64());
        assert!(refused <= 20, "{what}: {refused} closes in 20 s");
        assert!(partly || refused >= 5, "{what}: it goes on trying, not {refused} times");
        // Halves that were tried are not made good one by one.
        assert!(taken <= 4, "{what}: {taken} closes that were not turned away");
        let bound = Duration::from_secs(if partly { 15 } else { 3 });
        assert!(took <= bound, "{what}: {took:?}");
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
