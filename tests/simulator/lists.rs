//! Lists that lag, lack rows, come back empty or cannot be read, while the answer says success.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use perpdeck::clock::{Clock, Speed};
use perpdeck::model::SessionTime;
use perpdeck::simulator::InMemory;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, symbol_body};
use super::{settings, start};

const CREATE: &str = "/api/v1/private/order/create";
const OPEN: &str = "/api/v1/private/order/list/open_orders";
const HELD: &str = "/api/v1/private/position/open_positions";
const DEALS: &str = "/api/v1/private/order/list/order_deals/v3";
const HISTORY: &str = "/api/v1/private/order/list/history_orders";
const CLOSED: &str = "/api/v1/private/position/list/history_positions";
const ASSETS: &str = "/api/v1/private/account/assets";

fn rows(answer: &Value) -> &Vec<Value> {
    assert_eq!(answer["success"], json!(true), "{answer}");
    answer["data"].as_array().unwrap_or_else(|| panic!("rows: {answer}"))
}

/// On paused time, so that a lag is exact.
struct Paused {
    exchange: InMemory,
    clock: Clock,
    client: Client,
}

impl Paused {
    fn open() -> Self {
        let clock = Clock::starting_at(SessionTime::from_secs(1_795_401_565), Speed::Max);
        let exchange = InMemory::open(&settings(), clock.clone()).unwrap();
        Self { exchange, clock, client: Client::new("127.0.0.1:0".parse().unwrap()) }
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let request = self.client.request(method, path, body, self.clock.now());
        serde_json::from_slice(self.exchange.call(request).await.unwrap().body()).unwrap()
    }

    async fn len(&self, path: &str) -> usize {
        rows(&self.call("GET", path, "").await).len()
    }

    async fn wait(&self, millis: u64) {
        self.clock.sleep(Duration::from_millis(millis)).await;
    }
}

fn paused(test: impl AsyncFnOnce(Paused)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async { test(Paused::open()).await });
}

#[test]
fn every_list_shows_what_was_while_pushes_and_single_orders_show_what_is() {
    paused(async |sim| {
        sim.call("POST", "/sim/faults", r#"{"kind":"list_lag","ms":3000}"#).await;
        let equity = async || sim.call("GET", ASSETS, "").await["data"][0]["cashBalance"].clone();
        let before = equity().await;
        let resting = r#"{"symbol":"XRP_USDT","price":1.05,"vol":5,"side":1,"type":1,"openType":1,"leverage":3,"externalOid":"rests"}"#;
        sim.call("POST", CREATE, resting).await;
        sim.call("POST", CREATE, &symbol_body("BTC_USDT", 1, 5, 10)).await;
        let single = sim.call("GET", "/api/v1/private/order/external/XRP_USDT/rests", "").await;
        assert_eq!(single["data"]["state"], json!(2));
        sim.wait(2_900).await;
        let lens = async || [sim.len(OPEN).await, sim.len(HELD).await, sim.len(DEALS).await, sim.len(HISTORY).await];
        assert_eq!((lens().await, equity().await), ([0; 4], before.clone()));
        sim.wait(200).await;
        assert_eq!(lens().await, [1; 4]);
        assert_ne!(equity().await, before);
        // What is gone is shown a while longer.
        sim.call("POST", CREATE, &symbol_body("BTC_USDT", 4, 5, 10)).await;
        sim.call("POST", "/api/v1/private/order/cancel_all", "{}").await;
        sim.wait(2_900).await;
        assert_eq!((lens().await, sim.len(CLOSED).await), ([1; 4], 0));
        sim.wait(200).await;
        assert_eq!((lens().await, sim.len(CLOSED).await), ([0, 0, 2, 3], 1));
        sim.call("POST", CREATE, resting.replace("rests", "again").as_str()).await;
        sim.call("DELETE", "/sim/faults", "").await;
        assert_eq!(sim.len(OPEN).await, 1, "without the fault lists are fresh");
    });
}

#[test]
fn a_lag_is_of_the_list_that_it_names_and_drawn_from_the_seed() {
    let draws = || {
        let mut seen = Vec::new();
        paused(async |sim| {
            let fault = r#"{"kind":"list_lag","which":"positions","ms":0,"ms_to":5000}"#;
            sim.call("POST", "/sim/faults", fault).await;
            sim.call("POST", CREATE, &symbol_body("BTC_USDT", 1, 5, 10)).await;
            for _ in 0..30 {
                sim.wait(100).await;
                assert_eq!(sim.len(DEALS).await, 1);
                seen.push(sim.len(HELD).await);
            }
        });
        seen
    };
    let seen = draws();
    assert!(seen.contains(&0) && seen.contains(&1), "{seen:?}");
    assert_eq!(seen, draws());
}

#[tokio::test]
async fn lists_lack_rows_by_the_seed_and_come_back_empty() {
    let (_server, client) = start(&settings()).await;
    for n in 0..40 {
        let body = json!({"symbol":"XRP_USDT","price":1.05,"vol":1,"side":1,"type":1,"openType":1,"leverage":3,"externalOid":format!("n-{n}")});
        client.post(CREATE, &body.to_string()).await.unwrap();
    }
    let path = format!("{OPEN}?page_size=100");
    let len = async |path: &str| rows(&client.get(path).await.unwrap()).len();
    assert_eq!(len(&path).await, 40);
    client.fault(json!({"kind":"list_lacks","which":"orders","probability":0.3})).await;
    let lens = [len(&path).await, len(&path).await, len(&path).await];
    assert!(lens.iter().all(|len| (15..40).contains(len)), "{lens:?}");
    assert!(lens[0] != lens[1] || lens[1] != lens[2], "other rows each time: {lens:?}");
    client.healthy().await;
    client.fault(json!({"kind":"list_empty","which":"orders","count":2})).await;
    assert_eq!([len(&path).await, len(&path).await, len(&path).await], [0, 0, 40]);
    client.fault(json!({"kind":"list_empty","which":"assets","count":1})).await;
    let none = client.get("/api/v1/private/account/asset/USDT").await.unwrap();
    assert_eq!((&none["success"], &none["data"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn one_row_that_cannot_be_read_leaves_the_others_as_they_are() {
    let (_server, client) = start(&settings()).await;
    for symbol in ["BTC_USDT", "ETH_USDT"] {
        client.post(CREATE, &symbol_body(symbol, 1, 5, 10)).await.unwrap();
    }
    let good = rows(&client.get(HELD).await.unwrap()).clone();
    for (odd, key, value) in [
        ("null", "holdVol", Value::Null),
        ("state", "state", json!(9)),
        ("side", "positionType", json!(7)),
        ("symbol", "symbol", json!("МЕМ\u{202e}币_USDT")),
        ("number", "holdVol", json!("1,5")),
    ] {
        client.fault(json!({"kind":"odd_row","which":"positions","odd":odd,"symbol":"ETH_USDT","count":1})).await;
        let seen = rows(&client.get(HELD).await.unwrap()).clone();
        assert_eq!((seen.len(), &seen[0]["symbol"], &seen[0]["holdVol"]), (2, &good[0]["symbol"], &json!(10)), "{odd}");
        assert_eq!(seen[1][key], value, "{odd}");
    }
    client.fault(json!({"kind":"odd_row","which":"positions","odd":"version","symbol":"SOL_USDT","count":1})).await;
    let (_, text) = client.raw("GET", HELD, "").await.unwrap();
    assert!(text.contains("\"version\":99999999999999999999999") && text.contains("SOL_USDT"), "{text}");
    for (odd, key, value) in [("null", "availableBalance", Value::Null), ("currency", "currency", json!("MX"))] {
        for path in ["/api/v1/private/account/asset/USDT", ASSETS] {
            client.fault(json!({"kind":"odd_row","which":"assets","odd":odd,"count":1})).await;
            let data = client.get(path).await.unwrap()["data"].clone();
            let row = data.get(0).unwrap_or(&data);
            assert_eq!((&row[key], row["positionMargin"].is_number()), (&value, true), "{path} {odd}: {data}");
        }
    }
}

#[tokio::test]
async fn fills_have_other_ids_in_lists_than_in_pushes_when_asked_for() {
    let (_server, client) = start(&settings()).await;
    client.post(CREATE, &symbol_body("BTC_USDT", 1, 5, 10)).await.unwrap();
    let id = async || {
        let deals = client.get(DEALS).await.unwrap();
        rows(&deals)[0]["id"].as_str().unwrap().parse::<u64>().unwrap()
    };
    let usual = id().await;
    client.fault(json!({"kind":"deal_ids_differ"})).await;
    let (first, second) = (id().await, id().await);
    assert_eq!(first, second, "the same in every list");
    assert_ne!(first, usual);
    let ledger = client.get("/sim/ledger").await.unwrap();
    assert_eq!(ledger["fills"][0]["id"], json!(usual.to_string()));
}

#[tokio::test]
async fn fills_of_one_order_or_contract_are_told_nowhere_while_they_are_lost() {
    let (server, client) = start(&settings()).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(server.ws_url()).await.unwrap();
    socket.send(Message::Text(client.login().into())).await.unwrap();
    let mut next = async |wanted: &str| loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        let frame: Value = serde_json::from_str(text.as_str()).unwrap();
        if frame["channel"] == wanted {
            return frame["data"].clone();
        }
    };
    next("rs.login").await;
    let told = async || rows(&client.get(DEALS).await.unwrap()).len();
    client.fault(json!({"kind":"fills_lost","symbol":"BTC_USDT"})).await;
    let placed = client.post(CREATE, &symbol_body("BTC_USDT", 1, 5, 10)).await.unwrap();
    let id = placed["data"]["orderId"].as_str().unwrap().to_owned();
    let details = format!("/api/v1/private/order/deal_details/{id}");
    assert_eq!((told().await, rows(&client.get(&details).await.unwrap()).len()), (0, 0));
    let order = client.get(&format!("/api/v1/private/order/get/{id}")).await.unwrap()["data"].clone();
    assert_eq!((&order["state"], &order["dealVol"]), (&json!(3), &json!(10)), "the order says it all the same");
    assert_eq!(rows(&client.get(HELD).await.unwrap()).len(), 1);
    client.post(CREATE, &symbol_body("ETH_USDT", 1, 5, 10)).await.unwrap();
    let of_others = told().await;
    assert!(of_others >= 1, "other contracts' are told");
    assert_eq!(next("push.personal.order.deal").await["symbol"], json!("ETH_USDT"), "the first that is pushed");
    client.healthy().await;
    assert!(told().await > of_others, "they come when it is over");
    client.fault(json!({"kind":"fills_lost","order":id})).await;
    assert_eq!(told().await, of_others);
}
