//! Private pushes that are late or twice by channel; what was counted; the proof of what this is.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_tungstenite::tungstenite::Message;

use super::client::symbol_body;
use super::{settings, start};

const CREATE: &str = "/api/v1/private/order/create";

#[tokio::test]
async fn pushes_of_one_channel_are_late_or_twice_while_others_are_not() {
    let (server, client) = start(&settings()).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(server.ws_url()).await.unwrap();
    socket.send(Message::Text(client.login().into())).await.unwrap();
    let mut next = async |wanted: &str| loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        let frame: Value = serde_json::from_str(text.as_str()).unwrap();
        let channel = frame["channel"].as_str().unwrap().to_owned();
        if wanted.is_empty() || channel == wanted {
            return channel;
        }
    };
    next("rs.login").await;
    client.fault(json!({"kind":"ws_delay","channel":"order.deal","delay_ms":600})).await;
    client.fault(json!({"kind":"ws_duplicate","channel":"push.personal.position"})).await;
    client.post(CREATE, &symbol_body("BTC_USDT", 1, 5, 1)).await.unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|channel| channel != "push.personal.order.deal") {
        seen.push(next("").await);
    }
    let count = |name: &str| seen.iter().filter(|channel| *channel == name).count();
    assert_eq!(count("push.personal.position"), 2, "{seen:?}");
    assert_eq!(count("push.personal.order"), 3, "new, open, filled, all before the late fill: {seen:?}");
    assert!(count("push.personal.asset") >= 1, "{seen:?}");
}

#[tokio::test]
async fn requests_are_counted_by_endpoint_class_contract_and_side_whatever_the_answer() {
    let (_server, client) = start(&settings()).await;
    client.fault(json!({"kind":"refuse","endpoint":"place_close","code":801})).await;
    for side in [1, 4, 4, 4] {
        client.post(CREATE, &symbol_body("XRP_USDT", side, 5, 1)).await.unwrap();
    }
    client.get("/api/v1/private/account/assets").await.unwrap();
    let seen = client.get("/sim/requests?window_ms=600000&times=1").await.unwrap();
    let class =
        |name: &str| seen["classes"].as_array().unwrap().iter().find(|row| row["class"] == name).unwrap().clone();
    assert_eq!((&class("place_close")["count"], &class("place_close")["mostInWindow"]), (&json!(3), &json!(3)));
    assert_eq!((&class("place_open")["count"], &class("read")["count"]), (&json!(1), &json!(1)));
    let row = seen["requests"].as_array().unwrap().iter().find(|row| row["side"] == 4).unwrap();
    assert_eq!((&row["endpoint"], &row["symbol"]), (&json!("private/order/create"), &json!("XRP_USDT")));
    let times = row["times"].as_array().unwrap();
    assert!(times.len() == 3 && times[0].as_i64() <= times[2].as_i64() && times[2] == row["last"], "{row}");
    client.raw("DELETE", "/sim/requests", "").await.unwrap();
    assert_eq!(client.get("/sim/requests").await.unwrap()["requests"], json!([]));
}

#[tokio::test]
async fn it_proves_that_it_is_a_simulator() {
    let (_server, client) = start(&settings()).await;
    let answer = client.unsigned("/sim/identity?challenge=00ff17").await;
    let expected = hex::encode(Sha256::digest(b"perpdeck-simulator:00ff17"));
    assert_eq!((&answer["simulator"], &answer["answer"]), (&json!("perpdeck"), &json!(expected)));
    assert_eq!(answer["version"], json!(env!("CARGO_PKG_VERSION")));
    for bad in ["", "?challenge=", "?challenge=xyz"] {
        let (status, text) = client.raw("GET", &format!("/sim/identity{bad}"), "").await.unwrap();
        assert!(status == 400 && text.contains("hexadecimal"), "{text}");
    }
}
