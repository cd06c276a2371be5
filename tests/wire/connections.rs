//! Real sockets: what was surely not sent, what may have been, and where nothing may go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use perpdeck::clock::Clock;
use perpdeck::exchange::mexc::{Adapter, SetupError};
use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{CallError, ErrorClass, Push, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::exchange_clock;
use super::stub::{Answer, CREATE, DETAIL, OPEN_ORDERS, Stub, cancel, entry, exit, ok, real, symbol};

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

/// One request as it came over the wire; `None` when the connection ended before it was whole.
async fn one_request(socket: &mut TcpStream) -> Option<String> {
    let (mut text, mut buffer) = (String::new(), [0; 8192]);
    loop {
        let read = socket.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        if body.len() == length {
            return Some(text);
        }
    }
}

async fn say(socket: &mut TcpStream, data: &str, connection: &str) {
    let body = ok(data);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: {connection}\r\n\r\n", body.len());
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

fn at(listener: &TcpListener) -> Adapter {
    let address = listener.local_addr().unwrap();
    let options = Stub::options(&format!("http://{address}"), &format!("ws://{address}/edge"));
    Adapter::new(options, Clock::wall(), None).unwrap()
}

#[test]
fn i53_a_placement_that_waits_for_its_connection_can_be_taken_back_and_is_not_told_as_sent() {
    real(async {
        // Room for two connections that nobody has accepted.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let adapter = Arc::new(at(&listener));
        let known = tokio::spawn({
            let adapter = Arc::clone(&adapter);
            async move { adapter.contracts(&[symbol("BTC_USDT")]).await.unwrap() }
        });
        let (mut socket, _) = listener.accept().await.unwrap();
        one_request(&mut socket).await.unwrap();
        say(&mut socket, super::stub::BTC, "close").await;
        drop(socket);
        known.await.unwrap();
        let others = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];

        let told = Arc::new(AtomicUsize::new(0));
        let departure = Departure::telling({
            let told = Arc::clone(&told);
            move || {
                told.fetch_add(1, Ordering::SeqCst);
            }
        });
        let placing = tokio::spawn({
            let (adapter, departure) = (Arc::clone(&adapter), departure.clone());
            async move { adapter.place(&entry("k-1"), &departure).await }
        });
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert!(departure.revoke(), "nothing of it can have left: there is no connection");
        let error = placing.await.unwrap().unwrap_err();
        assert_eq!(
            (error.class, error.refusal, error.counts),
            (ErrorClass::NeverLeft, Refusal::Revoked, false),
            "{error}"
        );
        assert_eq!(told.load(Ordering::SeqCst), 0, "it is not told as sent");

        drop(others);
        let seen = tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let Some(request) = one_request(&mut socket).await else { continue };
                say(&mut socket, r#"{"orderId":"7","ts":1}"#, "close").await;
                let last = request.contains("k-2");
                seen.push(request);
                if last {
                    return seen;
                }
            }
        });
        let departure = Departure::default();
        adapter.place(&exit("k-2"), &departure).await.unwrap();
        assert!(!departure.revoke(), "it has left");
        let seen = seen.await.unwrap();
        assert_eq!(seen.len(), 1, "the first one never came: {seen:?}");
        assert!(!seen[0].contains("transfer-encoding"), "{}", seen[0]);
    });
}

#[test]
fn a_placement_over_a_connection_that_dies_under_it_leaves_once() {
    // The exchange closes a warm connection before it reads the placement, or after.
    for reads_it in [false, true] {
        real(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let adapter = at(&listener);
            let seen = tokio::spawn(async move {
                let (mut warm, _) = listener.accept().await.unwrap();
                one_request(&mut warm).await.unwrap();
                say(&mut warm, super::stub::BTC, "keep-alive").await;
                let mut seen = 0;
                if reads_it {
                    seen += usize::from(one_request(&mut warm).await.is_some());
                }
                drop(warm);
                // Whatever comes anew until the test ends.
                loop {
                    let (mut socket, _) = listener.accept().await.unwrap();
                    let Some(request) = one_request(&mut socket).await else { continue };
                    if request.starts_with("GET") {
                        return seen;
                    }
                    seen += 1;
                    say(&mut socket, r#"{"orderId":"7","ts":1}"#, "close").await;
                }
            });
            adapter.contracts(&[symbol("BTC_USDT")]).await.unwrap();
            let placed = adapter.place(&entry("k-1"), &Departure::default()).await;
            let _ = adapter.open_orders().await;
            let seen = seen.await.unwrap();
            assert!(seen <= 1, "{seen} placements of one order");
            match placed {
                Ok(_) => assert_eq!(seen, 1),
                Err(error) => assert_eq!(error.class, ErrorClass::Ambiguous, "{error}"),
            }
        });
    }
}
