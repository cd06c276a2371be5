//! A position that another client opened in cross margin, against a real exchange: exits name its mode.

use serde_json::json;

use super::exchange::{Exchange, signal};

#[test]
fn an_exit_names_the_margin_mode_that_the_position_has_at_the_exchange() {
    let home = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(home.path(), &[]);
    let mut session = exchange.session(home.path(), &[]);
    session.event("ready").expect("ready");
    // The fill is pushed; what it made is not.
    exchange.fault(&json!({"kind": "ws_lose", "channel": "position"}));
    let hand =
        json!({"symbol": "BTC_USDT", "price": 0, "vol": 20, "side": 1, "type": 5, "openType": 2, "leverage": 20});
    let placed = exchange.by_hand("/api/v1/private/order/create", &hand);
    assert_eq!(placed["success"], true, "{placed}");
    assert!(session.until(|line| line["event"] == "fill" && line["effect"] == "open").is_some());
    assert!(session.tell(&signal("out", "E1", "BTC_USDT", "sell", "")));
    let answer = session.answer("out").expect("an answer");
    assert_eq!(answer["result"], "accepted", "{answer}");
    session.event("position_closed").expect("it is closed");
    assert_eq!(exchange.held("BTC_USDT"), "0");
    // One that guesses its mode, at most; the next one knows it.
    let sent = exchange.seen("place_close");
    assert!(sent <= 3, "{sent} closes");
}
