//! Real sockets: what was surely not sent, what may have been, and where nothing may go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use perpdeck::clock::Clock;
use perpdeck::exchange::mexc::{Adapter, SetupError};
use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{CallError, ErrorClass, Push, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::exchange_clock;
use super::stub::{Answer, CREATE, DETAIL, OPEN_ORDERS, Stub, cancel, entry, ok, real, symbol};

async fn three_calls(adapter: &Adapter) -> [CallError; 3] {
    [
        adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err(),
        adapter.cancel(&[cancel(1, Some("7"))]).await.unwrap_err(),
        adapter.open_orders().await.unwrap_err(),
    ]
}

/// Answers contract details, and then as `end` says: bytes, after which it closes.
async fn breaking(end: &'static [u8]) -> (Adapter, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut buffer = [0; 8192];
            let read = socket.read(&mut buffer).await.unwrap();
            if buffer[..read].starts_with(format!("GET {DETAIL}").as_bytes()) {
                let body = ok(super::stub::BTC);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                socket.write_all(head.as_bytes()).await.unwrap();
                socket.write_all(body.as_bytes()).await.unwrap();
            } else {
                count.fetch_add(1, Ordering::SeqCst);
                socket.write_all(end).await.unwrap();
            }
        }
    });
    let options = Stub::options(&format!("http://{address}"), &format!("ws://{address}/edge"));
    (Adapter::new(options, Clock::wall(), None).unwrap(), requests)
}

#[test]
fn a_connection_that_never_was_is_surely_not_sent() {
    real(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let options = Stub::options(&format!("http://{address}"), &format!("ws://{address}/edge"));
        let adapter = Adapter::new(options, Clock::wall(), None).unwrap();
        for error in three_calls(&adapter).await {
            assert_eq!((error.class, error.counts), (ErrorClass::Retryable, true), "{error}");
            assert!(error.message.contains("not sent"), "{error}");
        }
    });
}

#[test]
fn a_connection_that_breaks_after_the_request_leaves_an_order_in_doubt() {
    for end in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"success\":true", b"nonsense\r\n\r\n"] {
        real(async {
            let (adapter, requests) = breaking(end).await;
            let [place, cancel, read] = three_calls(&adapter).await;
            assert_eq!((place.class, place.counts), (ErrorClass::Ambiguous, true), "{place}");
            assert_eq!((cancel.class, cancel.counts), (ErrorClass::Retryable, true), "{cancel}");
            assert_eq!((read.class, read.counts), (ErrorClass::Retryable, true), "{read}");
            assert_eq!(requests.load(Ordering::SeqCst), 3, "nothing is sent twice");
        });
    }
}

#[test]
fn redirects_are_not_followed() {
    real(async {
        let stub = Stub::new(Clock::wall());
        let elsewhere = Stub::new(Clock::wall());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}/elsewhere", listener.local_addr().unwrap());
        let router = elsewhere.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        for status in [301, 302, 307, 308] {
            let leads = Answer::Say { status, headers: vec![("location", target.clone())], body: String::new() };
            stub.answers(OPEN_ORDERS, vec![leads]);
            let error = stub.networked().await.open_orders().await.unwrap_err();
            // Something before the exchange says so, not the exchange: nothing is known for good.
            assert_eq!((error.class, error.refusal), (ErrorClass::Retryable, Refusal::Edge), "{error}");
        }
        assert_eq!(elsewhere.seen("/elsewhere").len(), 0);
    });
}

#[test]
fn a_session_without_a_live_permit_connects_to_this_machine_only() {
    for (rest, ws) in [
        ("https://api.mexc.com", "ws://127.0.0.1:1/edge"),
        ("http://127.0.0.1:1", "wss://contract.mexc.com/edge"),
        ("http://127.0.0.1.evil.com", "ws://127.0.0.1:1/edge"),
        ("http://127.0.0.1@evil.com", "ws://127.0.0.1:1/edge"),
        ("http://0.0.0.0:1", "ws://127.0.0.1:1/edge"),
        ("http://134744072", "ws://127.0.0.1:1/edge"),
        ("http://127.0.0.1:1", "ws://localhost.evil.com/edge"),
    ] {
        let refused = Adapter::new(Stub::options(rest, ws), Clock::wall(), None);
        assert!(matches!(refused, Err(SetupError::Address(_))), "{rest} {ws}");
    }
}

#[test]
fn the_same_calls_work_over_sockets() {
    real(async {
        let stub = Stub::new(Clock::wall());
        stub.says(CREATE, &ok(r#"{"orderId":"814218083416790528","ts":1}"#));
        stub.says(OPEN_ORDERS, &ok("[]"));
        let adapter = stub.networked().await;
        let off = adapter.server_time().await.unwrap().offset_us - exchange_clock::ahead_ms() * 1_000;
        assert!(off.abs() < 2_000_000, "{off}");
        assert_eq!(adapter.contracts(&[symbol("BTC_USDT")]).await.unwrap().len(), 1);
        assert_eq!(adapter.place(&entry("k-1"), &Departure::default()).await.unwrap().as_str(), "814218083416790528");
        assert_eq!(adapter.open_orders().await.unwrap().rows, []);
        assert!(adapter.address().starts_with("http://127.0.0.1:"));
    });
}

#[test]
fn a_stream_that_cannot_connect_says_so_and_tries_again() {
    real(async {
        let stub = Stub::new(Clock::wall());
        let adapter = stub.networked_unmeasured().await;
        let mut pushes = adapter.stream(vec![]);
        assert!(matches!(pushes.recv().await, Some(Push::Clock(_))), "measured before the first login");
        for expected in 1..=2 {
            match pushes.recv().await {
                Some(Push::Disconnected { reason, attempt }) => {
                    assert_eq!(attempt, expected);
                    assert!(reason.contains("no connection"), "{reason}");
                }
                other => panic!("{other:?}"),
            }
        }
    });
}
