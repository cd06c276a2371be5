//! The simulator's true books against what the session believes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use perpdeck::model::{Decimal, OrderState, SessionState, Side};
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

/// The session as its journal tells it; the process must have ended.
pub fn session(data_dir: &Path) -> SessionState {
    perpdeck::runtime::recover(&perpdeck::runtime::journal_of(data_dir), 1 << 26).unwrap().state
}

fn decimal(value: &Value) -> Decimal {
    let text = value.to_string();
    Decimal::from_str_exact(text.trim_matches('"')).unwrap_or_else(|_| panic!("{text}")).normalize()
}

/// Every order, fill and position on both sides, and none twice. Returns how many orders there are.
pub fn compare(ledger: &Value, state: &SessionState, about: &str) -> usize {
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
