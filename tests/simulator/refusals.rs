//! Refusals: on demand in any wording, and by the exchange's own rules.

use perpdeck::simulator::{Scenario, Settings};
use serde_json::{Value, json};

use super::client::{Client, symbol_body};
use super::{settings, start};

const CREATE: &str = "/api/v1/private/order/create";

fn ruled(markets: &str) -> Settings {
    let text = format!("name = \"ruled\"\n[market]\nvolatility = 0\ntrend = 0\n{markets}");
    Settings { scenario: Scenario::parse("ruled", &text).unwrap(), ..settings() }
}

async fn code(client: &Client, body: &str) -> Value {
    client.post(CREATE, body).await.unwrap()["code"].clone()
}

async fn orders(client: &Client) -> Vec<Value> {
    client.get("/sim/ledger").await.unwrap()["orders"].as_array().unwrap().clone()
}

fn limit(symbol: &str, side: u8, kind: u8, vol: u32, price: &str) -> String {
    format!(
        r#"{{"symbol":"{symbol}","price":{price},"vol":{vol},"side":{side},"type":{kind},"openType":1,"leverage":20}}"#
    )
}

#[tokio::test]
async fn every_refusal_comes_on_demand_with_the_order_placed_or_not() {
    let (_server, client) = start(&settings()).await;
    let body = symbol_body("XRP_USDT", 1, 5, 5);
    for code in [510, 513, 801, 2028, 2056, 2078, 6008, 6022, 7002, 9999, 123_456] {
        for acted in [false, true] {
            let before = orders(&client).await.len();
            client.fault(json!({"kind":"refuse","endpoint":"place","code":code,"acted":acted,"count":1})).await;
            let answer = client.post(CREATE, &body).await.unwrap();
            assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!(code)));
            assert_eq!(orders(&client).await.len() - before, usize::from(acted), "code {code}, acted {acted}");
        }
    }
    client.fault(json!({"kind":"refuse","status":500,"code":500,"message":"System maintenance","count":1})).await;
    let (status, text) = client.raw("POST", CREATE, &body).await.unwrap();
    assert!(status == 500 && text.contains("System maintenance"), "{text}");
}

#[tokio::test]
async fn the_edge_answers_pages_and_asks_for_silence() {
    let (server, client) = start(&settings()).await;
    let body = symbol_body("XRP_USDT", 1, 5, 5);
    client.fault(json!({"kind":"refuse","status":403,"count":1})).await;
    let firewall = client.whole("POST", CREATE, &body).await;
    assert!(firewall.starts_with("HTTP/1.1 403") && firewall.contains("text/html"), "{firewall}");
    assert!(firewall.contains("Access Denied"), "{firewall}");
    client.fault(json!({"kind":"refuse","status":429,"retry_after":7,"count":1})).await;
    let slower = client.whole("GET", "/api/v1/private/account/assets", "").await.to_lowercase();
    assert!(slower.starts_with("http/1.1 429") && slower.contains("retry-after: 7"), "{slower}");
    client.fault(json!({"kind":"refuse","status":503,"body":"<html>down for maintenance</html>","count":1})).await;
    assert_eq!(client.raw("POST", CREATE, &body).await.unwrap(), (503, "<html>down for maintenance</html>".into()));
    client.fault(json!({"kind":"refuse","status":503,"path":"/edge","count":1})).await;
    assert!(tokio_tungstenite::connect_async(server.ws_url()).await.is_err());
    tokio_tungstenite::connect_async(server.ws_url()).await.unwrap();
    assert!(orders(&client).await.is_empty());
    let bad = client.raw("POST", "/sim/faults", r#"{"kind":"refuse","status":200}"#).await.unwrap();
    assert!(bad.0 == 400 && bad.1.contains("status = 200"), "{bad:?}");
}

#[tokio::test]
async fn a_refusal_is_for_what_it_names_openings_closings_cancels_or_reads() {
    let (_server, client) = start(&settings()).await;
    let [open, close] = [1, 4].map(|side| symbol_body("XRP_USDT", side, 5, 5));
    let reads = async || client.get("/api/v1/private/account/assets").await.unwrap()["code"].clone();
    let cancels = async || client.post("/api/v1/private/order/cancel_all", "{}").await.unwrap()["code"].clone();
    assert_eq!(code(&client, &open).await, json!(0));
    for (endpoint, expected) in [
        ("place_open", [801, 0, 0, 0]),
        ("place_close", [0, 801, 0, 0]),
        ("cancel", [0, 0, 801, 0]),
        ("reads", [0, 0, 0, 801]),
        ("all", [801, 801, 801, 801]),
    ] {
        client.fault(json!({"kind":"refuse","endpoint":endpoint,"code":801})).await;
        let seen = [code(&client, &open).await, code(&client, &close).await, cancels().await, reads().await];
        assert_eq!(seen, expected.map(|code| json!(code)), "{endpoint}");
        client.healthy().await;
    }
}

#[tokio::test]
async fn an_order_can_be_accepted_and_end_with_any_order_level_error() {
    let (_server, client) = start(&settings()).await;
    for (error, state) in [(5, 5), (8, 4), (9, 5), (16, 4), (999, 5)] {
        client.fault(json!({"kind":"refuse","endpoint":"place","order_error":error,"count":1})).await;
        assert_eq!(code(&client, &symbol_body("XRP_USDT", 1, 5, 5)).await, json!(0));
        let order = orders(&client).await.pop().unwrap();
        let seen = (&order["state"], &order["errorCode"], &order["dealVol"]);
        assert_eq!(seen, (&json!(state), &json!(error), &json!(0)));
    }
}

#[tokio::test]
async fn one_order_is_never_larger_than_the_contract_allows_whether_it_opens_or_closes() {
    let (_server, client) = start(&ruled("[markets.XRP_USDT]\nmax_vol = 30\nlimit_max_vol = 45\n")).await;
    for _ in 0..2 {
        assert_eq!(code(&client, &symbol_body("XRP_USDT", 1, 5, 30)).await, json!(0));
    }
    let (open, close) = (symbol_body("XRP_USDT", 1, 5, 31), symbol_body("XRP_USDT", 4, 5, 31));
    assert_eq!((code(&client, &open).await, code(&client, &close).await), (json!(2028), json!(2028)));
    let resting = |vol| symbol_body("XRP_USDT", 4, 1, vol).replace("\"vol\"", "\"price\":1.13,\"vol\"");
    assert_eq!((code(&client, &resting(46)).await, code(&client, &resting(45)).await), (json!(2028), json!(0)));
    // 15 of 60 are left to close: what rests is frozen.
    let close = |vol| symbol_body("XRP_USDT", 4, 5, vol);
    assert_eq!((code(&client, &close(16)).await, code(&client, &close(15)).await), (json!(2008), json!(0)));
    let detail = client.unsigned("/api/v1/contract/detail?symbol=XRP_USDT").await;
    assert_eq!((&detail["data"]["maxVol"], &detail["data"]["limitMaxVol"]), (&json!(30), &json!(45)));
}

#[tokio::test]
async fn what_is_closable_counts_reservations_in_one_way_mode_too() {
    let (_server, client) = start(&Settings { position_mode: 2, ..ruled("") }).await;
    assert_eq!(code(&client, &symbol_body("XRP_USDT", 3, 5, 30)).await, json!(0));
    let reduce = |kind: u8, vol: u32, price: &str| {
        format!(
            r#"{{"symbol":"XRP_USDT","price":{price},"vol":{vol},"side":2,"type":{kind},"openType":1,"leverage":3,"reduceOnly":true}}"#
        )
    };
    assert_eq!(code(&client, &reduce(1, 20, "1.05")).await, json!(0));
    assert_eq!(code(&client, &reduce(5, 11, "0")).await, json!(2008));
    assert_eq!(code(&client, &reduce(5, 10, "0")).await, json!(0));
    assert_eq!(code(&client, &symbol_body("SOL_USDT", 4, 5, 1)).await, json!(2009));
}

#[tokio::test]
async fn a_contract_closed_to_the_api_takes_no_order() {
    let (_server, client) = start(&ruled("[markets.DOGE_USDT]\napi_allowed = false\n")).await;
    assert_eq!(code(&client, &symbol_body("DOGE_USDT", 1, 5, 1)).await, json!(1002));
    assert_eq!(code(&client, &symbol_body("XRP_USDT", 1, 5, 1)).await, json!(0));
    let detail = client.unsigned("/api/v1/contract/detail?symbol=DOGE_USDT").await;
    assert_eq!(detail["data"]["apiAllowed"], json!(false));
}

#[tokio::test]
async fn too_many_working_orders_and_the_wrong_mode_are_refused() {
    let (_server, client) = start(&ruled("max_orders = 2\n")).await;
    let far = limit("XRP_USDT", 1, 1, 5, "1.05");
    let wrong_mode = far.replace("\"vol\"", "\"positionMode\":2,\"vol\"");
    assert_eq!(code(&client, &wrong_mode).await, json!(7002));
    let codes = [code(&client, &far).await, code(&client, &far).await, code(&client, &far).await];
    assert_eq!(codes, [json!(0), json!(0), json!(2036)]);
}

/// A close near liquidation: the market's way is barred, a limit inside the line is open.
#[tokio::test]
async fn a_close_beyond_the_liquidation_price_is_refused_and_a_limit_inside_it_passes() {
    for (open, close, long) in [(1, 4, true), (3, 2, false)] {
        // A wide spread: the best price on the other side is beyond the line while the fair price is not.
        let (_server, client) = start(&ruled("[markets.BTC_USDT]\nspread_ticks = 55000\ndepth = 100000000\n")).await;
        let body = limit("BTC_USDT", open, 5, 10, "0");
        assert_eq!(code(&client, &body).await, json!(0));
        let ledger = client.get("/sim/ledger").await.unwrap();
        let line = ledger["positions"][0]["liquidatePrice"].as_f64().unwrap();
        let depth = client.unsigned("/api/v1/contract/depth/BTC_USDT").await;
        let best = depth["data"][if long { "bids" } else { "asks" }][0][0].as_f64().unwrap();
        assert!(if long { best < line } else { best > line }, "best {best}, line {line}");
        assert_eq!(code(&client, &symbol_body("BTC_USDT", close, 5, 10)).await, json!(2078));
        let at = |ticks: f64| format!("{:.1}", line + if long { ticks / 10.0 } else { -ticks / 10.0 });
        let ioc = |price: &str| limit("BTC_USDT", close, 3, 10, price);
        let beyond = if long { 2032 } else { 2033 };
        assert_eq!(code(&client, &ioc(&at(0.0))).await, json!(beyond));
        assert_eq!(code(&client, &ioc(&at(1.0))).await, json!(0), "inside by a tick it is an order like others");
        let order = orders(&client).await.pop().unwrap();
        assert_eq!((&order["state"], &order["errorCode"]), (&json!(4), &json!(18)), "{order}");
    }
}

#[tokio::test]
async fn a_stop_on_the_wrong_side_of_the_price_is_refused() {
    let (_server, client) = start(&ruled("")).await;
    assert_eq!(code(&client, &symbol_body("XRP_USDT", 1, 5, 30)).await, json!(0));
    let position = client.get("/sim/ledger").await.unwrap()["positions"][0]["positionId"].clone();
    let place = async |key: &str, price: f64| {
        let body = json!({"positionId":position,"vol":30,"lossTrend":1,"profitTrend":1,key:price});
        client.post("/api/v1/private/stoporder/place", &body.to_string()).await.unwrap()
    };
    assert_eq!(place("stopLossPrice", 1.3).await["code"], json!(5003));
    assert_eq!(place("takeProfitPrice", 1.0).await["code"], json!(5003));
    let placed = place("stopLossPrice", 1.0).await;
    assert_eq!(placed["code"], json!(0), "{placed}");
    let change = json!({"stopPlanOrderId":placed["data"],"stopLossPrice":1.3}).to_string();
    let changed = client.post("/api/v1/private/stoporder/change_plan_price", &change).await.unwrap();
    assert_eq!(changed["code"], json!(5003));
}

#[tokio::test]
async fn one_cancel_of_a_batch_fails_alone_and_the_others_are_done() {
    let (_server, client) = start(&settings()).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let placed = client.post(CREATE, &limit("XRP_USDT", 1, 1, 5, "1.05")).await.unwrap();
        ids.push(placed["data"]["orderId"].as_str().unwrap().to_owned());
    }
    let external = orders(&client).await[1]["externalOid"].clone();
    client.fault(json!({"kind":"cancel_item","order":ids[0],"code":2041})).await;
    client.fault(json!({"kind":"cancel_item","order":external,"code":987_654,"count":1})).await;
    client.fault(json!({"kind":"cancel_item","order":ids[2],"code":2040,"count":1})).await;
    let cancel = async || {
        let answer = client.post("/api/v1/private/order/cancel", &format!("[{}]", ids.join(","))).await.unwrap();
        let rows = answer["data"].as_array().unwrap().clone();
        rows.iter().map(|row| row["errorCode"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let states =
        async || orders(&client).await.iter().map(|order| order["state"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(cancel().await, [2041, 987_654, 2040, 0]);
    assert_eq!(states().await, [2, 2, 2, 4], "what failed still works");
    assert_eq!(cancel().await, [2041, 0, 0, 2041], "the last has ended before");
    client.healthy().await;
    assert_eq!(cancel().await, [0, 2041, 2041, 2041]);
    assert_eq!(states().await, [4, 4, 4, 4]);
    let (status, text) = client.raw("POST", "/sim/faults", r#"{"kind":"cancel_item"}"#).await.unwrap();
    assert!(status == 400 && text.contains("code"), "{status} {text}");
}

#[tokio::test]
async fn a_close_names_the_margin_mode_of_its_position_or_is_refused() {
    let (_server, client) = start(&settings()).await;
    let other = |body: &str| body.replace("\"openType\":1", "\"openType\":2");
    assert_eq!(code(&client, &symbol_body("XRP_USDT", 1, 5, 5)).await, json!(0));
    assert_eq!(code(&client, &other(&symbol_body("XRP_USDT", 4, 5, 5))).await, json!(2027));
    assert_eq!(code(&client, &symbol_body("XRP_USDT", 4, 5, 5)).await, json!(0));
}
