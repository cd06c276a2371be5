//! The simulator over real sockets, in memory, and across restarts.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "simulator/client.rs"]
mod client;
#[path = "simulator/clocks.rs"]
mod clocks;
#[path = "simulator/lists.rs"]
mod lists;
#[path = "simulator/public.rs"]
mod public;
#[path = "simulator/pushes.rs"]
mod pushes;
#[path = "simulator/record.rs"]
mod record;
#[path = "simulator/refusals.rs"]
mod refusals;

use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use client::{Client, credentials, symbol_body};
use futures_util::{SinkExt, StreamExt};
use perpdeck::clock::{Clock, Speed};
use perpdeck::model::SessionTime;
use perpdeck::simulator::{
    CandleMarket, GapRule, InMemory, NoAnswer, Scenario, Server, Settings, SimulatorError, session_start,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

fn settings() -> Settings {
    Settings { rate_limits: false, ..Settings::new(7, Scenario::load("calm").unwrap(), credentials()) }
}

async fn start(settings: &Settings) -> (Server, Client) {
    let server = Server::start(settings, "127.0.0.1:0".parse().unwrap(), Clock::wall()).await.unwrap();
    let client = Client::new(server.address());
    (server, client)
}

#[tokio::test]
async fn an_order_goes_through_its_life_over_http() {
    let (_server, client) = start(&settings()).await;
    let placed = client.post("/api/v1/private/order/create", &symbol_body("BTC_USDT", 1, 5, 10)).await.unwrap();
    let id = placed["data"]["orderId"].as_str().unwrap().to_owned();
    assert!(id.parse::<u64>().unwrap() > 1 << 53);
    let order = client.get(&format!("/api/v1/private/order/get/{id}")).await.unwrap();
    assert_eq!((&order["data"]["state"], &order["data"]["dealVol"]), (&json!(3), &json!(10)));
    let positions = client.get("/api/v1/private/position/open_positions").await.unwrap();
    assert_eq!(positions["data"][0]["holdVol"], json!(10));
    let limit = json!({"symbol":"BTC_USDT","price":50000.5,"vol":2.0,"side":1,"type":1,"openType":1,"leverage":3,"externalOid":"a-1"});
    // The price is outside the band: refused in the body of an HTTP 200.
    let refused = client.post("/api/v1/private/order/create", &limit.to_string()).await.unwrap();
    assert_eq!((&refused["success"], &refused["code"]), (&json!(true), &json!(0)), "a low bid is inside its band");
    let found = client.get("/api/v1/private/order/external/BTC_USDT/a-1").await.unwrap();
    assert_eq!(found["data"]["externalOid"], json!("a-1"));
    let unknown = client.get("/api/v1/private/order/external/BTC_USDT/nobody").await.unwrap();
    assert_eq!((unknown["success"].as_bool(), unknown.get("data")), (Some(true), None));
    let again = client.post("/api/v1/private/order/create", &limit.to_string()).await.unwrap();
    assert_eq!(again["code"], json!(2042));
    let resting: u64 = found["data"]["orderId"].as_str().unwrap().parse().unwrap();
    let cancelled = client.post("/api/v1/private/order/cancel", &format!("[{resting},\"{resting}\",1]")).await.unwrap();
    let codes: Vec<_> = cancelled["data"].as_array().unwrap().iter().map(|row| row["errorCode"].clone()).collect();
    assert_eq!(codes, [json!(0), json!(2041), json!(2040)]);
    let close = client.post("/api/v1/private/order/create", &symbol_body("BTC_USDT", 4, 5, 10)).await.unwrap();
    assert_eq!(close["success"], json!(true));
    let history = client.get("/api/v1/private/position/list/history_positions?page_num=1&page_size=20").await.unwrap();
    assert_eq!((&history["data"][0]["state"], &history["data"][0]["holdVol"]), (&json!(3), &json!(0)));
    let ledger = client.get("/sim/ledger").await.unwrap();
    let named: Vec<_> = ledger["orders"].as_array().unwrap().iter().filter(|o| o["externalOid"] == "a-1").collect();
    assert_eq!(named.len(), 1);
    let outcomes: Vec<_> = named[0]["requests"].as_array().unwrap().iter().map(|r| r["outcome"].clone()).collect();
    assert_eq!(outcomes, ["accepted", "refused 2042", "cancelled", "refused 2041"]);
}

#[tokio::test]
async fn every_fault_of_a_call_does_what_it_says() {
    let (_server, client) = start(&settings()).await;
    let count = async |name: &str| {
        let ledger = client.get("/sim/ledger").await.unwrap();
        ledger["orders"].as_array().unwrap().iter().filter(|order| order["externalOid"] == name).count()
    };
    let path = "/api/v1/private/order/create";
    let order = |name: &str| {
        json!({"symbol":"XRP_USDT","vol":5,"side":1,"type":5,"openType":1,"leverage":3,"externalOid":name}).to_string()
    };
    let on = async |kind: &str, extra: Value| {
        let mut fault = json!({"kind": kind, "endpoint": "place", "count": 1});
        fault.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let answer = client.post("/sim/faults", &fault.to_string()).await.unwrap();
        assert_eq!(answer["success"], json!(true), "{answer}");
    };
    // Kind, whether an answer comes, whether the order is in the books.
    for (kind, answered, booked) in [
        ("refuse", false, 0),
        ("reply_lost", false, 1),
        ("error_before", true, 0),
        ("error_after", true, 1),
        ("wrong_json", true, 1),
        ("too_frequent", true, 0),
    ] {
        on(kind, json!({})).await;
        let raw = client.raw("POST", path, &order(kind)).await;
        assert_eq!(raw.is_some(), answered, "{kind}: {raw:?}");
        assert_eq!(count(kind).await, booked, "{kind}");
        let Some((status, body)) = raw else { continue };
        match kind {
            "error_before" | "error_after" => {
                assert_eq!(status, 500);
                assert!(!body.contains("success"), "{body}");
            }
            "wrong_json" => assert!(serde_json::from_str::<Value>(&body).is_err(), "{body}"),
            _ => assert!(status == 200 && body.contains("\"code\":510"), "{body}"),
        }
        // The fault is used up: the same order goes through, and nothing is doubled.
        client.raw("POST", path, &order(kind)).await.unwrap();
        assert_eq!(count(kind).await, 1, "{kind}");
    }
    on("reply_delayed", json!({"delay_ms": 300})).await;
    let began = std::time::Instant::now();
    client.raw("POST", path, &order("late")).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));
    on("hang", json!({})).await;
    let hung = tokio::time::timeout(Duration::from_millis(400), client.raw("POST", path, &order("hung"))).await;
    assert!(hung.is_err());
    assert_eq!(count("hung").await, 0);
    client.post("/sim/faults", r#"{"kind":"clock_skew","skew_ms":-60000}"#).await.unwrap();
    assert_eq!(client.get("/api/v1/private/account/assets").await.unwrap()["code"], json!(513));
    let faults = client.get("/sim/faults").await.unwrap();
    assert_eq!(faults["data"].as_array().unwrap().len(), 1);
    client.raw("DELETE", "/sim/faults", "").await.unwrap();
    assert_eq!(client.get("/api/v1/private/account/assets").await.unwrap()["success"], json!(true));
    let bad = client.raw("POST", "/sim/faults", r#"{"kind":"hang","probability":3}"#).await.unwrap();
    assert!(bad.0 == 400 && bad.1.contains("probability = 3: allowed is 0 to 1"), "{bad:?}");
    let ledger = client.get("/sim/ledger").await.unwrap();
    let turned = ledger["requests"].as_array().unwrap().iter().filter(|r| r["outcome"] == "error_before").count();
    assert_eq!(turned, 1, "a request that was turned away is in the ledger too");
}

#[tokio::test]
async fn signatures_limits_and_unknown_paths_are_answered_as_documented() {
    let (_server, client) = start(&Settings { rate_limits: true, ..settings() }).await;
    let unsigned = client.unsigned("/api/v1/private/account/assets").await;
    assert_eq!(unsigned["code"], json!(401));
    let stranger = Client { secret: "wrong".into(), ..client.clone() };
    assert_eq!(stranger.get("/api/v1/private/account/assets").await.unwrap()["code"], json!(602));
    let mut codes = Vec::new();
    for _ in 0..6 {
        let answer = client.post("/api/v1/private/order/create", &symbol_body("ETH_USDT", 1, 5, 1)).await.unwrap();
        codes.push(answer["code"].as_i64().unwrap());
    }
    assert_eq!(codes[..4], [0, 0, 0, 0]);
    assert!(codes[4..].contains(&510), "{codes:?}");
    client.post("/sim/limits", r#"{"on":false}"#).await.unwrap();
    let answer = client.post("/api/v1/private/order/create", &symbol_body("ETH_USDT", 1, 5, 1)).await.unwrap();
    assert_eq!(answer["code"], json!(0));
    assert_eq!(client.raw("GET", "/api/v1/contract/nothing", "").await.unwrap().0, 404);
}

#[tokio::test]
async fn the_websocket_logs_in_pushes_and_filters() {
    let (server, client) = start(&settings()).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(server.ws_url()).await.unwrap();
    let mut frames: Vec<Value> = Vec::new();
    macro_rules! until {
        ($what:expr) => {
            loop {
                if let Some(at) = frames.iter().position($what) {
                    break frames.remove(at);
                }
                let frame = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("a frame");
                if let Message::Text(text) = frame.unwrap().unwrap() {
                    frames.push(serde_json::from_str(text.as_str()).unwrap());
                }
            }
        };
    }
    macro_rules! send {
        ($text:expr) => {
            socket.send(Message::Text($text.into())).await.unwrap()
        };
    }
    send!(r#"{"method":"ping"}"#);
    until!(|f| f["channel"] == "pong");
    send!(r#"{"method":"login","param":{"apiKey":"k","reqTime":"1","signature":"00"}}"#);
    until!(|f| f["channel"] == "rs.error");
    send!(client.login());
    until!(|f| f["channel"] == "rs.login" && f["data"] == "success");
    send!(r#"{"method":"sub.depth","param":{"symbol":"BTC_USDT"}}"#);
    until!(|f| f["channel"] == "rs.sub.depth");
    send!(r#"{"method":"sub.tickers","param":{}}"#);
    until!(|f| f["channel"] == "push.tickers" && f["data"].as_array().unwrap().len() == 5);
    let first = until!(|f| f["channel"] == "push.depth");
    let second = until!(|f| f["channel"] == "push.depth");
    let next = first["data"]["end"].as_u64().unwrap() + 1;
    assert_eq!(second["data"]["begin"].as_u64().unwrap(), next, "versions have no gap");
    client.post("/api/v1/private/order/create", &symbol_body("BTC_USDT", 1, 5, 10)).await.unwrap();
    until!(|f| f["channel"] == "push.personal.order" && f["data"]["state"] == 3);
    until!(|f| f["channel"] == "push.personal.order.deal" && f["data"]["vol"] == 10);
    until!(|f| f["channel"] == "push.personal.position" && f["data"]["holdVol"] == 10);
    until!(|f| f["channel"] == "push.personal.asset");
    send!(r#"{"method":"personal.filter","param":{"filters":[{"filter":"asset"}]}}"#);
    until!(|f| f["channel"] == "rs.personal.filter");
    frames.clear();
    client.post("/api/v1/private/order/create", &symbol_body("BTC_USDT", 4, 5, 10)).await.unwrap();
    until!(|f| f["channel"] == "push.personal.asset");
    assert!(!frames.iter().any(|f| f["channel"] == "push.personal.order"), "filtered");
    client.post("/sim/faults", r#"{"kind":"ws_duplicate","count":1}"#).await.unwrap();
    client.post("/api/v1/private/order/create", &symbol_body("BTC_USDT", 1, 5, 10)).await.unwrap();
    client.post("/sim/faults", r#"{"kind":"ws_drop"}"#).await.unwrap();
    let closed = async {
        while let Some(Ok(message)) = socket.next().await {
            if matches!(message, Message::Close(_)) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("the connection is dropped");
    tokio_tungstenite::connect_async(server.ws_url()).await.expect("a new connection is welcome");
}

#[tokio::test]
async fn the_books_survive_a_kill_and_the_market_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { data_dir: Some(dir.path().into()), ..settings() };
    let books = |ledger: &Value| {
        let mut books = serde_json::Map::new();
        for part in ["orders", "fills", "closedPositions", "requests", "liquidations", "funding", "stops"] {
            books.insert(part.into(), ledger[part].clone());
        }
        let balances = &ledger["balances"];
        let money: Vec<_> = ["wallet", "realised", "fees", "frozen"].map(|key| balances[key].clone()).into();
        books.insert("money".into(), money.into());
        Value::Object(books)
    };
    let copy = tempfile::tempdir().unwrap();
    let (_killed, client) = start(&settings).await;
    let (before, price) = {
        let create = "/api/v1/private/order/create";
        client.post(create, &symbol_body("BTC_USDT", 1, 5, 20)).await.unwrap();
        client.post(create, &symbol_body("BTC_USDT", 4, 5, 5)).await.unwrap();
        client.post(create, r#"{"symbol":"SOL_USDT","price":170,"vol":3,"side":1,"type":1,"openType":1,"leverage":3,"externalOid":"rests","stopLossPrice":150}"#).await.unwrap();
        client
            .post(
                create,
                r#"{"symbol":"NOPE_USDT","vol":3,"side":1,"type":5,"openType":1,"leverage":3,"externalOid":"refused"}"#,
            )
            .await
            .unwrap();
        client.post("/sim/faults", r#"{"kind":"hang","path":"/api/v1/private/nowhere"}"#).await.unwrap();
        let ledger = client.get("/sim/ledger").await.unwrap();
        (books(&ledger), ledger["prices"].clone())
    };
    // What a kill at this moment leaves behind: the files as they are, nothing written at the end.
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let settings = Settings { data_dir: Some(copy.path().into()), ..settings };
    let (_server, client) = start(&settings).await;
    let ledger = client.get("/sim/ledger").await.unwrap();
    assert_eq!(books(&ledger), before);
    assert_eq!(before["orders"].as_array().unwrap().len(), 3);
    for (was, is) in price.as_array().unwrap().iter().zip(ledger["prices"].as_array().unwrap()) {
        let number = |row: &Value| row["index"].to_string().parse::<f64>().unwrap();
        let moved = (number(is) / number(was) - 1.0).abs();
        assert!(moved < 0.01, "the market goes on where it was: {was} {is}");
    }
    assert_eq!(client.get("/sim/faults").await.unwrap()["data"].as_array().unwrap().len(), 1);
    let held = client.get("/api/v1/private/position/open_positions").await.unwrap();
    assert_eq!(held["data"][0]["holdVol"], json!(15));
    let again = client.post("/api/v1/private/order/create", r#"{"symbol":"SOL_USDT","price":170,"vol":3,"side":1,"type":1,"openType":1,"leverage":3,"externalOid":"rests"}"#).await.unwrap();
    assert_eq!(again["code"], json!(2042), "the client id is still known");
}

#[tokio::test]
async fn a_taken_port_and_foreign_books_are_clear_errors() {
    let (server, _client) = start(&settings()).await;
    let error = Server::start(&settings(), server.address(), Clock::wall()).await.unwrap_err().to_string();
    assert!(error.contains(&server.address().to_string()) && error.contains("--listen"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let mine = Settings { data_dir: Some(dir.path().into()), ..settings() };
    drop(start(&mine).await);
    let candles = CandleMarket::load(CANDLES, GapRule::Refuse).unwrap();
    let other = Settings { candles: Some(candles), ..mine };
    let error = Server::start(&other, "127.0.0.1:0".parse().unwrap(), Clock::wall()).await.unwrap_err();
    assert!(matches!(error, SimulatorError::OtherMarket { .. }), "{error}");
}

/// Nobody can be asked what became of the books of an exchange.
#[tokio::test]
async fn damaged_books_are_told_as_those_of_the_exchange_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mine = Settings { data_dir: Some(dir.path().into()), ..settings() };
    drop(start(&mine).await);
    let segment = dir.path().join("segment-00000000000000000001.jsonl");
    let text = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, text.replacen("\"seq\":1", "\"seq\":7", 1)).unwrap();
    let read = session_start(&mine).unwrap_err().to_string();
    let opened = Server::start(&mine, "127.0.0.1:0".parse().unwrap(), Clock::wall()).await.unwrap_err().to_string();
    for error in [read, opened] {
        assert!(error.contains("copies everything first"), "{error}");
        assert!(!error.contains("exchange is then asked") && error.contains("of the exchange itself"), "{error}");
    }
}

const CANDLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/xrp_usdt_5m_2021-11-15.csv");

/// A whole session on recorded prices, without a socket, on paused time: everything that was
/// answered and pushed.
fn recorded_session(dir: Option<&Path>) -> (String, u64, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let candles = CandleMarket::load(CANDLES, GapRule::Refuse).unwrap();
        let settings = Settings { candles: Some(candles), data_dir: dir.map(Into::into), ..settings() };
        let origin = session_start(&settings).unwrap().unwrap();
        let clock = Clock::starting_at(origin, Speed::Max);
        let exchange = InMemory::open(&settings, clock.clone()).unwrap();
        let mut pair = exchange.connect();
        let client = Client::new("127.0.0.1:0".parse().unwrap());
        pair.to_exchange.send(client.login_at(clock.now())).await.unwrap();
        pair.to_exchange.send(r#"{"method":"sub.ticker","param":{"symbol":"XRP_USDT"}}"#.into()).await.unwrap();
        let (mut heard, mut frames) = (0_u64, 0_u64);
        let mut ended = exchange.ended();
        let mut side = 1;
        loop {
            // As a live client does it: the server closes after a minute without a ping.
            let _ = pair.to_exchange.send(r#"{"method":"ping"}"#.into()).await;
            clock.sleep(Duration::from_secs(20)).await;
            while let Ok(frame) = pair.from_exchange.try_recv() {
                frames += 1;
                heard = frame.bytes().fold(heard, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            }
            if *ended.borrow_and_update() {
                break;
            }
            if clock.now().secs() % 7_200 < 20 {
                let body = symbol_body("XRP_USDT", side, 5, 40);
                let request = client.request("POST", "/api/v1/private/order/create", &body, clock.now());
                let answer = exchange.call(request).await.unwrap();
                assert!(String::from_utf8_lossy(answer.body()).contains("orderId"));
                side = if side == 1 { 4 } else { 1 };
            }
        }
        (exchange.ledger(), frames, heard.to_string())
    })
}

#[test]
fn recorded_prices_play_whole_and_the_same_twice() {
    let first = recorded_session(None);
    let ledger: Value = serde_json::from_str(&first.0).unwrap();
    assert!(ledger["fills"].as_array().unwrap().len() >= 20);
    assert!(ledger["funding"].as_array().unwrap().len() >= 5);
    assert!(first.1 > 30_000, "{} frames", first.1);
    assert_eq!(first, recorded_session(None));
}

#[test]
fn recorded_books_start_the_clock_where_they_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, ..) = recorded_session(Some(dir.path()));
    let candles = CandleMarket::load(CANDLES, GapRule::Refuse).unwrap();
    let settings = Settings { candles: Some(candles), data_dir: Some(dir.path().into()), ..settings() };
    let now: Value = serde_json::from_str(&ledger).unwrap();
    let ended = SessionTime::from_micros(now["now"].as_i64().unwrap());
    let resumed = session_start(&settings).unwrap().unwrap();
    assert!(ended.since(resumed) < Duration::from_mins(1), "{resumed} {ended}");
}

#[tokio::test]
async fn in_memory_a_cut_connection_is_no_answer() {
    let clock = Clock::wall();
    let exchange = InMemory::open(&settings(), clock.clone()).unwrap();
    let client = Client::new("127.0.0.1:0".parse().unwrap());
    let fault = Request::post("/sim/faults").body(Bytes::from_static(br#"{"kind":"reply_lost","count":1}"#)).unwrap();
    exchange.call(fault).await.unwrap();
    let body = symbol_body("BTC_USDT", 1, 5, 1);
    let place = || client.request("POST", "/api/v1/private/order/create", &body, clock.now());
    assert_eq!(exchange.call(place()).await.unwrap_err(), NoAnswer);
    assert!(exchange.ledger().contains("\"holdVol\":1"));
}
