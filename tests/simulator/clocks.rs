//! The exchange's own clock: all that it stamps is by it, and nothing that it does.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use perpdeck::clock::{Clock, Speed, wall_time};
use perpdeck::model::SessionTime;
use perpdeck::simulator::{ClockError, InMemory, Server, Settings, SimulatorError};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, symbol_body};
use super::{settings, start};

const AHEAD: i64 = 3_600_000;

/// How far a stamp in milliseconds is ahead of the wall clock.
fn ahead(stamp: &Value) -> i64 {
    stamp.as_i64().unwrap_or_else(|| panic!("a stamp: {stamp}")) - wall_time().millis()
}

fn near(stamp: &Value, expected: i64) -> bool {
    (ahead(stamp) - expected).abs() < 30_000
}

#[tokio::test]
async fn everything_that_the_exchange_stamps_is_by_its_own_clock() {
    let clock = ClockError { offset_ms: AHEAD, drift_ppm: 0 };
    let (server, client) = start(&Settings { clock, ..settings() }).await;
    let signed = async |path: &str| client.at(wall_time().plus(Duration::from_secs(3_600)), path).await;
    let refused = client.get("/api/v1/private/account/assets").await.unwrap();
    assert_eq!(refused["code"], json!(513), "a request that is right by our clock is an hour old by its");
    let time = wall_time().plus(Duration::from_secs(3_600));
    let (mut socket, _) = tokio_tungstenite::connect_async(server.ws_url()).await.unwrap();
    socket.send(Message::Text(client.login().into())).await.unwrap();
    socket.send(Message::Text(client.login_at(time).into())).await.unwrap();
    socket.send(Message::Text(r#"{"method":"sub.ticker","param":{"symbol":"BTC_USDT"}}"#.into())).await.unwrap();
    let mut seen = Vec::new();
    while !["rs.error", "rs.login", "push.ticker"].iter().all(|name| seen.contains(&(*name).to_owned())) {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        let frame: Value = serde_json::from_str(text.as_str()).unwrap();
        assert!(near(&frame["ts"], AHEAD), "{frame}");
        if frame["channel"] == "push.ticker" {
            assert!(near(&frame["data"]["timestamp"], AHEAD), "{frame}");
        }
        seen.push(frame["channel"].as_str().unwrap().to_owned());
    }
    assert!(near(&client.unsigned("/api/v1/contract/ping").await["data"], AHEAD));
    let depth = client.unsigned("/api/v1/contract/depth/BTC_USDT").await;
    assert!(near(&depth["data"]["timestamp"], AHEAD), "{}", depth["data"]["timestamp"]);
    let klines = client.unsigned("/api/v1/contract/kline/BTC_USDT?interval=Min1").await;
    let newest = klines["data"]["time"].as_array().unwrap().last().unwrap().as_i64().unwrap() * 1_000;
    assert!((newest - wall_time().millis() - AHEAD).abs() < 120_000);
    // Made by a person, so that no signature is needed for it.
    client.fault(json!({"kind":"manual_open","symbol":"BTC_USDT","vol":5})).await;
    let positions = signed("/api/v1/private/position/open_positions").await;
    assert!(near(&positions["data"][0]["createTime"], AHEAD), "{positions}");
    let orders = signed("/api/v1/private/order/list/history_orders").await;
    assert!(near(&orders["data"][0]["createTime"], AHEAD) && near(&orders["data"][0]["updateTime"], AHEAD), "{orders}");
    let deals = signed("/api/v1/private/order/list/order_deals/v3").await;
    assert!(near(&deals["data"][0]["timestamp"], AHEAD), "{deals}");
    let funding = client.unsigned("/api/v1/contract/funding_rate/BTC_USDT").await;
    let next = ahead(&funding["data"]["nextSettleTime"]) - AHEAD;
    assert!((0..=8 * 3_600_000).contains(&next), "{funding}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_stamps_the_past_while_ids_and_versions_go_on() {
    let (_server, client) = start(&settings()).await;
    client.fault(json!({"kind":"clock_skew","skew_ms":8_000})).await;
    let create = "/api/v1/private/order/create";
    client.post(create, &symbol_body("BTC_USDT", 1, 5, 10)).await.unwrap();
    let before = client.unsigned("/api/v1/contract/depth/BTC_USDT").await["data"].clone();
    client.healthy().await;
    client.post(create, &symbol_body("BTC_USDT", 1, 5, 10)).await.unwrap();
    let after = client.unsigned("/api/v1/contract/depth/BTC_USDT").await["data"].clone();
    assert!(after["version"].as_u64() >= before["version"].as_u64());
    let ledger = client.get("/sim/ledger").await.unwrap();
    let orders = ledger["orders"].as_array().unwrap();
    let stamp = |at: usize, key: &str| orders[at][key].as_i64().unwrap();
    assert!(stamp(0, "createTime") > stamp(1, "createTime") + 5_000, "the clock was set back: {ledger}");
    let id = |at: usize| orders[at]["orderId"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(id(1) > id(0));
    let position = &ledger["positions"][0];
    assert_eq!((&position["version"], &position["holdVol"]), (&json!(2), &json!(20)));
    let history = client.get("/api/v1/private/order/list/history_orders").await.unwrap();
    assert_eq!(history["data"].as_array().unwrap().len(), 2, "what is stamped ahead is listed too");
}

#[test]
fn a_clock_that_drifts_is_farther_off_the_longer_it_runs() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Clock::starting_at(SessionTime::from_secs(1_795_401_565), Speed::Max);
        let exchange = InMemory::open(&settings(), clock.clone()).unwrap();
        let client = Client::new("127.0.0.1:0".parse().unwrap());
        let off = async || {
            let request = client.request("GET", "/api/v1/contract/ping", "", clock.now());
            let answer: Value = serde_json::from_slice(exchange.call(request).await.unwrap().body()).unwrap();
            answer["data"].as_i64().unwrap() - clock.now().millis()
        };
        assert_eq!(off().await, 0);
        let body = r#"{"kind":"clock_drift","ppm":-500}"#;
        exchange.call(client.request("POST", "/sim/faults", body, clock.now())).await.unwrap();
        clock.sleep(Duration::from_secs(2_000)).await;
        assert!((off().await + 1_000).abs() <= 1);
        exchange.call(client.request("DELETE", "/sim/faults", "", clock.now())).await.unwrap();
        assert_eq!(off().await, 0, "set right again");
    });
}

#[tokio::test]
async fn the_stamps_of_a_wrong_clock_are_the_same_after_a_new_start() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ClockError { offset_ms: -7_000, drift_ppm: 90_000 };
    let wrong = Settings { data_dir: Some(dir.path().into()), clock, ..settings() };
    let (server, client) = start(&wrong).await;
    client.fault(json!({"kind":"manual_open","symbol":"BTC_USDT","vol":5})).await;
    let before = client.get("/sim/ledger").await.unwrap();
    drop(server);
    // Another error of the clock counts from the new start; what was stamped stays.
    let (_server, client) = start(&Settings { clock: ClockError::default(), ..wrong }).await;
    let after = client.get("/sim/ledger").await.unwrap();
    assert_eq!((&before["orders"], &before["fills"]), (&after["orders"], &after["fills"]));
    assert!(ahead(&client.unsigned("/api/v1/contract/ping").await["data"]).abs() < 2_000);
}

#[tokio::test]
async fn a_clock_beyond_its_range_is_refused_by_name() {
    let clock = ClockError { offset_ms: 0, drift_ppm: 200_000 };
    let wrong = Settings { clock, ..settings() };
    let error = Server::start(&wrong, "127.0.0.1:0".parse().unwrap(), Clock::wall()).await.unwrap_err();
    assert!(matches!(error, SimulatorError::Setting { .. }), "{error}");
    let (_server, client) = start(&settings()).await;
    let bad = client.raw("POST", "/sim/faults", r#"{"kind":"clock_drift","ppm":200000}"#).await.unwrap();
    assert!(bad.0 == 400 && bad.1.contains("ppm = 200000"), "{bad:?}");
}
