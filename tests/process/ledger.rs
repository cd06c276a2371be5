//! The simulator's true books against what the session believes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use perpdeck::model::{Decimal, Event, OrderState, SessionState, SessionTime, Side};
use serde_json::Value;

/// `GET /sim/ledger` of the exchange at `http://host:port`.
pub fn fetch(exchange: &str) -> Value {
    let address = exchange.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).expect("the exchange listens");
    write!(stream, "GET /sim/ledger HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an HTTP answer");
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        let mut whole = String::new();
        let mut rest = body;
        while let Some((size, after)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            if size == 0 {
                break;
            }
            whole.push_str(&after[..size]);
            rest = &after[size + 2..];
        }
        return serde_json::from_str(&whole).unwrap();
    }
    serde_json::from_str(body).unwrap()
}

/// The same of an exchange that was joined in memory and has ended: its books, opened again.
pub fn reopened(data_dir: &Path, candles: &Path, seed: u64) -> Value {
    use perpdeck::simulator::{CandleMarket, Candles, Credentials, GapRule, InMemory, Scenario, Settings};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let candles = Candles::load(candles, GapRule::Refuse).unwrap();
        let symbol = perpdeck::model::Symbol::new("XRP_USDT").unwrap();
        let settings = Settings {
            candles: Some(CandleMarket { symbol, candles: candles.into() }),
            data_dir: Some(data_dir.join("sim")),
            ..Settings::new(seed, Scenario::load("calm").unwrap(), Credentials::new("any", "key"))
        };
        let clock = perpdeck::clock::Clock::starting_at(
            SessionTime::from_micros(settings.start_time().unwrap().micros()),
            perpdeck::clock::Speed::Max,
        );
        let exchange = InMemory::open(&settings, clock).unwrap();
        let request = axum::http::Request::get("/sim/ledger").body(axum::body::Bytes::new()).unwrap();
        let answer = exchange.call(request).await.unwrap();
        serde_json::from_slice(answer.body()).unwrap()
    })
}

/// The session as its journal tells it; the process must have ended.
fn session(data_dir: &Path) -> SessionState {
    perpdeck::runtime::recover(&perpdeck::runtime::journal_of(data_dir), 1 << 26).unwrap().state
}

fn decimal(value: &Value) -> Decimal {
    let text = value.to_string();
    Decimal::from_str_exact(text.trim_matches('"')).unwrap_or_else(|_| panic!("{text}")).normalize()
}

/// The end of every test that runs a session against an exchange: every order, fill and position is
/// on both sides, none twice, and there are enough of them to say something. The session must have
/// ended; `ledger` was fetched when nothing moved any more.
pub fn agree(ledger: &Value, data_dir: &Path, about: &str) {
    let state = session(data_dir);
    let orders = compare(ledger, &state, about);
    assert!(orders >= 20, "{about}: only {orders} orders are at the exchange");
    fills(ledger, data_dir, about);
    only_reduces(ledger, about);
    requests(ledger, about);
}

/// The fills of the journal are those of the exchange, each once, with size, price and fee.
pub fn fills(ledger: &Value, data_dir: &Path, about: &str) {
    type Deal = (Decimal, Decimal, Option<Decimal>);
    let mut here: BTreeMap<String, Deal> = BTreeMap::new();
    for entry in perpdeck::journal::read(&perpdeck::runtime::journal_of(data_dir)).unwrap() {
        let event = perpdeck::store::record_of(&entry.unwrap()).unwrap().event;
        if let Event::Filled { fill } = event {
            let deal = (fill.contracts.0.normalize(), fill.price.0.normalize(), fill.fee.map(|fee| fee.0.normalize()));
            assert!(here.insert(fill.id.to_string(), deal).is_none(), "{about}: {} is applied twice", fill.id);
        }
    }
    let mut there: BTreeMap<String, Deal> = BTreeMap::new();
    for fill in ledger["fills"].as_array().unwrap() {
        let deal = (decimal(&fill["vol"]), decimal(&fill["price"]), Some(decimal(&fill["fee"])));
        assert!(there.insert(fill["id"].as_str().unwrap().to_owned(), deal).is_none(), "{about}: a fill twice");
    }
    assert_eq!(here, there, "{about}: fills");
    assert!(!there.is_empty(), "{about}: nothing was filled");
}

/// I15: no closing order ever enlarged a position or turned it round, deal by deal.
fn only_reduces(ledger: &Value, about: &str) {
    let mut held: BTreeMap<(&str, bool), Decimal> = BTreeMap::new();
    for fill in ledger["fills"].as_array().unwrap() {
        let side = fill["side"].as_i64().unwrap();
        let (long, opens) = (matches!(side, 1 | 4), matches!(side, 1 | 3));
        let leg = held.entry((fill["symbol"].as_str().unwrap(), long)).or_default();
        let volume = decimal(&fill["vol"]);
        *leg = if opens { *leg + volume } else { *leg - volume };
        assert!(!leg.is_sign_negative() || leg.is_zero(), "{about}: I15: {fill} closes more than there is");
    }
}

/// No client id was accepted twice, whatever was asked how often.
fn requests(ledger: &Value, about: &str) {
    let mut accepted = BTreeSet::new();
    for request in ledger["requests"].as_array().unwrap() {
        if request["outcome"] == "accepted" {
            let id = request["id"].as_str().unwrap();
            assert!(accepted.insert(id), "{about}: {id} was accepted twice");
        }
    }
}

/// Every order and position on both sides, and none twice. Returns how many orders there are.
fn compare(ledger: &Value, state: &SessionState, about: &str) -> usize {
    let session = state.info.as_ref().expect("a session").id.to_string();
    let mut there: BTreeMap<String, (&str, Decimal, bool)> = BTreeMap::new();
    for order in ledger["orders"].as_array().unwrap() {
        let client = order["externalOid"].as_str().unwrap();
        if !client.starts_with(&session) {
            continue;
        }
        let open = matches!(order["state"].as_i64(), Some(1 | 2));
        let seen = (order["orderId"].as_str().unwrap(), decimal(&order["dealVol"]), open);
        assert!(there.insert(client.to_owned(), seen).is_none(), "{about}: {client} is at the exchange twice");
    }
    let mut here = BTreeSet::new();
    let mut signals = BTreeSet::new();
    for order in state.orders.all(None) {
        let client = order.client_id.to_string();
        if let Some(signal) = &order.signal_id {
            assert!(signals.insert(signal.clone()), "{about}: signal {signal} has two orders");
        }
        if let Some((id, filled, open)) = there.get(&client) {
            assert_eq!(
                order.venue_id.as_ref().map(perpdeck::model::VenueOrderId::as_str),
                Some(*id),
                "{about}: {client}"
            );
            assert_eq!(order.filled_contracts.0.normalize(), *filled, "{about}: {client} filled");
            assert_eq!(order.is_working(), *open, "{about}: {client} is {:?} here", order.state);
            here.insert(client);
        } else {
            let never = order.venue_id.is_none() && matches!(order.state, OrderState::Failed | OrderState::Cancelled);
            assert!(never, "{about}: {client} is {:?} here and not at the exchange", order.state);
        }
    }
    for client in there.keys() {
        assert!(here.contains(client), "{about}: {client} is at the exchange and not here");
    }
    let held: BTreeMap<(String, bool), Decimal> = ledger["positions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| ((row["symbol"].as_str().unwrap().to_owned(), row["positionType"] == 1), decimal(&row["holdVol"])))
        .filter(|(_, contracts)| !contracts.is_zero())
        .collect();
    let believed: BTreeMap<(String, bool), Decimal> = state
        .positions
        .open()
        .map(|p| ((p.key.symbol.to_string(), p.key.side == Side::Long), p.contracts.0.normalize()))
        .collect();
    assert_eq!(believed, held, "{about}: positions");
    there.len()
}
