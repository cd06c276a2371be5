//! What everybody sees: books in small contiguous deltas, candles from before the start, fees.

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::symbol_body;
use super::{settings, start};

const CREATE: &str = "/api/v1/private/order/create";

type Book = BTreeMap<String, (u64, u64)>;

fn levels(side: &Value) -> Book {
    side.as_array()
        .unwrap()
        .iter()
        .map(|row| (row[0].to_string(), (row[1].as_u64().unwrap(), row[2].as_u64().unwrap())))
        .collect()
}

fn apply(book: &mut Book, changes: &Value) -> usize {
    let changes = levels(changes);
    let count = changes.len();
    for (price, (vol, orders)) in changes {
        if vol == 0 {
            book.remove(&price);
        } else {
            book.insert(price, (vol, orders));
        }
    }
    count
}

#[tokio::test]
async fn deltas_come_every_200_ms_name_what_changed_and_lead_from_rest_book_to_rest_book() {
    let (server, client) = start(&settings()).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(server.ws_url()).await.unwrap();
    socket.send(Message::Text(r#"{"method":"sub.depth","param":{"symbol":"BTC_USDT"}}"#.into())).await.unwrap();
    let mut pushes: Vec<Value> = Vec::new();
    let first = loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        let frame: Value = serde_json::from_str(text.as_str()).unwrap();
        if frame["channel"] != "push.depth" {
            continue;
        }
        pushes.push(frame);
        if pushes.len() == 2 {
            break client.unsigned("/api/v1/contract/depth/BTC_USDT?limit=1000").await["data"].clone();
        }
    };
    while pushes.len() < 30 {
        if pushes.len().is_multiple_of(7) {
            client.post(CREATE, &symbol_body("BTC_USDT", 1, 5, 900)).await.unwrap();
        }
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        pushes.push(serde_json::from_str(text.as_str()).unwrap());
    }
    let last = client.unsigned("/api/v1/contract/depth/BTC_USDT?limit=1000").await["data"].clone();
    while pushes.last().unwrap()["data"]["end"].as_u64() < last["version"].as_u64() {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        pushes.push(serde_json::from_str(text.as_str()).unwrap());
    }
    let (mut bids, mut asks) = (levels(&first["bids"]), levels(&first["asks"]));
    let mut version = first["version"].as_u64().unwrap();
    let (mut changed, mut applied, mut steps) = (0, 0, Vec::new());
    for frame in &pushes {
        let data = &frame["data"];
        let (begin, end) = (data["begin"].as_u64().unwrap(), data["end"].as_u64().unwrap());
        if end <= version || end > last["version"].as_u64().unwrap() {
            continue;
        }
        assert!(begin <= version + 1, "a gap after {version}: {begin}");
        version = end;
        changed += apply(&mut bids, &data["bids"]) + apply(&mut asks, &data["asks"]);
        applied += 1;
        steps.push(data["cts"].as_i64().unwrap());
    }
    assert_eq!(
        (bids, asks, version),
        (levels(&last["bids"]), levels(&last["asks"]), last["version"].as_u64().unwrap())
    );
    assert!(applied >= 20 && changed / applied < 20, "{changed} levels in {applied} deltas");
    steps.dedup();
    assert!(steps.windows(2).all(|pair| (pair[1] - pair[0]) % 200 == 0), "{steps:?}");
    // The same way by the commits.
    let commits = client.unsigned("/api/v1/contract/depth_commits/BTC_USDT/20").await["data"].clone();
    let versions: Vec<_> = commits.as_array().unwrap().iter().map(|row| row["version"].as_u64().unwrap()).collect();
    assert!(versions.len() == 20 && versions.windows(2).all(|pair| pair[0] == pair[1] + 1), "{versions:?}");
}

#[tokio::test]
async fn candles_reach_back_before_the_start_and_meet_the_first_price() {
    let (_server, client) = start(&settings()).await;
    for interval in ["Min1", "Min5", "Min60", "Day1"] {
        let path = format!("/api/v1/contract/kline/SOL_USDT?interval={interval}");
        let data = client.unsigned(&path).await["data"].clone();
        let column =
            |name: &str| -> Vec<String> { data[name].as_array().unwrap().iter().map(Value::to_string).collect() };
        let times: Vec<i64> = data["time"].as_array().unwrap().iter().map(|time| time.as_i64().unwrap()).collect();
        let (open, close) = (column("open"), column("close"));
        assert_eq!(times.len(), 2_000, "{interval}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == times[1] - times[0]), "{interval}");
        for (at, pair) in close.windows(2).enumerate().take(1_997) {
            assert_eq!(pair[0], open[at + 1], "{interval} at {at}");
        }
        let number = |text: &String| text.parse::<f64>().unwrap();
        let joins = number(close.last().unwrap()) / number(&open[1_997]) - 1.0;
        assert!(joins.abs() < 0.2, "{interval}: it joins the present price");
        let (from, to) = (times[10], times[12]);
        let some = client.unsigned(&format!("{path}&start={from}&end={to}")).await["data"].clone();
        assert_eq!(some["open"].as_array().unwrap().len(), 3);
        assert_eq!(some["open"][0].to_string(), open[10], "the same whenever it is asked for");
    }
    let all = client.unsigned("/api/v1/contract/funding_rate").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn orders_by_the_api_pay_their_own_rates_and_details_show_the_list() {
    let (_server, client) = start(&settings()).await;
    let detail = client.unsigned("/api/v1/contract/detail?symbol=BTC_USDT").await;
    assert_eq!((&detail["data"]["takerFeeRate"], &detail["data"]["makerFeeRate"]), (&json!(0.0006), &json!(0.0002)));
    let real = client.get("/api/v1/private/account/tiered_fee_rate/v2?symbol=BTC_USDT").await.unwrap();
    assert_eq!((&real["data"]["realTakerFee"], &real["data"]["realMakerFee"]), (&json!(0.0008), &json!(0.0006)));
    client.post(CREATE, &symbol_body("BTC_USDT", 1, 5, 10)).await.unwrap();
    let ledger = client.get("/sim/ledger").await.unwrap();
    let order = &ledger["orders"][0];
    assert_eq!((&order["takerFeeRate"], &order["makerFeeRate"]), (&json!(0.0008), &json!(0.0006)));
    let value: f64 = ledger["fills"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["price"].as_f64().unwrap() * f["vol"].as_f64().unwrap() * 0.0001)
        .sum();
    assert!((order["takerFee"].as_f64().unwrap() - value * 0.0008).abs() < 1e-7, "{order}");
}

#[tokio::test]
async fn a_fee_in_another_currency_is_no_part_of_the_wallet() {
    let (_server, client) = start(&settings()).await;
    client.fault(json!({"kind":"fee_currency","currency":"MX"})).await;
    client.post(CREATE, &symbol_body("BTC_USDT", 1, 5, 10)).await.unwrap();
    let ledger = client.get("/sim/ledger").await.unwrap();
    let (fill, order) = (&ledger["fills"][0], &ledger["orders"][0]);
    assert_eq!((&fill["feeCurrency"], &order["feeCurrency"]), (&json!("MX"), &json!("MX")));
    let value = fill["price"].as_f64().unwrap() * fill["vol"].as_f64().unwrap() * 0.0001;
    assert!((fill["fee"].as_f64().unwrap() - value * 0.0008 / 2.0).abs() < 1e-7, "two USDT for one MX: {fill}");
    assert_eq!((&ledger["balances"]["wallet"], &ledger["balances"]["fees"]), (&json!(10_000), &json!(0)));
}

#[tokio::test]
async fn profit_of_a_close_is_told_by_the_exchanges_own_average() {
    let (_server, client) = start(&settings()).await;
    for vol in [10, 20] {
        client.post(CREATE, &symbol_body("BTC_USDT", 1, 5, vol)).await.unwrap();
    }
    client.post(CREATE, &symbol_body("BTC_USDT", 4, 5, 12)).await.unwrap();
    let ledger = client.get("/sim/ledger").await.unwrap();
    let fills = ledger["fills"].as_array().unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let opened: Vec<&Value> = fills.iter().filter(|fill| fill["side"] == 1).collect();
    let average = opened.iter().map(|f| number(&f["price"]) * number(&f["vol"])).sum::<f64>() / 30.0;
    let closes: Vec<&Value> = fills.iter().filter(|fill| fill["side"] == 4).collect();
    let profit: f64 = closes.iter().map(|f| (number(&f["price"]) - average) * number(&f["vol"]) * 0.0001).sum();
    let told: f64 = closes.iter().map(|f| number(&f["profit"])).sum();
    let order = number(&ledger["orders"].as_array().unwrap().last().unwrap()["profit"]);
    assert!((told - profit).abs() < 1e-7 && (order - profit).abs() < 1e-7, "{told} {order} {profit}");
}
