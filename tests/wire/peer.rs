//! A paper session signs nothing before its peer has proven to be a simulator.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::RawQuery;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::{any, get};
use perpdeck::clock::Clock;
use perpdeck::config::{ExchangeSettings, PaperPeer};
use perpdeck::exchange::mexc::{Adapter, Options};
use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{ErrorClass, Push};
use perpdeck::simulator::Server;
use sha2::{Digest, Sha256};

use super::simulated::settings;
use super::stub::{Answer, CREATE, OPEN_ORDERS, Stub, cancel, entry, measured, no, ok, real};

const IDENTITY: &str = "/sim/identity";

/// An adapter of a paper session, and its peer over TCP.
async fn paper(stub: &Stub, router: Router, peer: PaperPeer) -> Adapter {
    paper_with(stub, router, ExchangeSettings { paper_peer: peer, ..ExchangeSettings::default() }).await
}

async fn paper_with(stub: &Stub, router: Router, settings: ExchangeSettings) -> Adapter {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let options = Options { settings, ..Stub::options(&format!("http://{address}"), &format!("ws://{address}/edge")) };
    Adapter::new(options, stub.clock(), None).unwrap()
}

async fn identity(RawQuery(query): RawQuery) -> String {
    let challenge = query.unwrap().strip_prefix("challenge=").unwrap().to_owned();
    assert!(challenge.len() == 32 && challenge.bytes().all(|byte| byte.is_ascii_hexdigit()), "{challenge}");
    let answer = hex::encode(Sha256::digest(format!("perpdeck-simulator:{challenge}")));
    format!(r#"{{"simulator":"perpdeck","answer":"{answer}"}}"#)
}

#[test]
fn nothing_is_signed_or_sent_to_a_peer_that_is_no_simulator() {
    real(async {
        let stub = Stub::new(Clock::wall());
        stub.says(OPEN_ORDERS, &ok("[]"));
        stub.says(CREATE, &ok(r#"{"orderId":"1","ts":1}"#));
        for answer in [ok("{}"), r#"{"simulator":"perpdeck","answer":"00"}"#.to_owned(), "<html>".to_owned()] {
            stub.says(IDENTITY, &answer);
            let adapter = paper(&stub, stub.router(), PaperPeer::Simulator).await;
            let errors = [
                adapter.open_orders().await.unwrap_err(),
                adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err(),
                adapter.cancel(&[cancel(1, Some("7"))]).await.unwrap_err(),
                adapter.server_time().await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!((error.class, error.counts), (ErrorClass::AccessRefused, false), "{error}");
                assert!(error.message.contains("paper_peer") && error.message.contains("perpdeck sim"), "{error}");
            }
            let mut pushes = adapter.stream(vec![]);
            let Some(Push::Disconnected { reason, .. }) = pushes.recv().await else { panic!("no stream either") };
            assert!(reason.contains("paper_peer"), "{reason}");
        }
        for seen in stub.all_seen() {
            assert_eq!(seen.path, IDENTITY);
            assert!(["apikey", "signature", "request-time"].iter().all(|name| !seen.headers.contains_key(*name)));
        }
    });
}

#[test]
fn a_peer_that_is_too_busy_to_say_who_it_is_is_asked_again_at_once_and_nothing_is_signed_meanwhile() {
    real(async {
        let stub = Stub::new(Clock::wall());
        stub.says(OPEN_ORDERS, &ok("[]"));
        for (status, body) in [(200, no(510)), (429, String::new()), (503, "<html>".to_owned())] {
            let busy = Arc::new(AtomicBool::new(true));
            let still = Arc::clone(&busy);
            let answer = move |query: RawQuery| async move {
                let busy = still.load(Ordering::SeqCst);
                let (status, body) = if busy { (status, body) } else { (200, identity(query).await) };
                (axum::http::StatusCode::from_u16(status).unwrap(), body)
            };
            let router = Router::new().route(IDENTITY, get(answer)).merge(stub.router());
            let adapter = paper(&stub, router, PaperPeer::Simulator).await;
            let before = stub.all_seen().len();
            let error = adapter.server_time().await.unwrap_err();
            assert_eq!(error.class, ErrorClass::Retryable, "{error}");
            assert_eq!(stub.all_seen().len(), before);
            busy.store(false, Ordering::SeqCst);
            adapter.server_time().await.unwrap();
        }
    });
}

#[test]
fn a_simulator_proves_itself_once_and_any_peer_is_taken_only_when_it_was_said() {
    real(async {
        let stub = Stub::new(Clock::wall());
        stub.says(OPEN_ORDERS, &ok("[]"));
        let router = Router::new().route(IDENTITY, get(identity)).merge(stub.router());
        let adapter = measured(paper(&stub, router, PaperPeer::Simulator).await).await;
        adapter.open_orders().await.unwrap();
        adapter.open_orders().await.unwrap();
        let adapter = measured(paper(&stub, stub.router(), PaperPeer::Any).await).await;
        adapter.open_orders().await.unwrap();
        assert_eq!(stub.seen(OPEN_ORDERS).len(), 3);
        assert_eq!(stub.seen(IDENTITY).len(), 0, "nobody else is asked");
    });
}

#[test]
fn a_challenge_without_an_answer_holds_up_nothing_for_longer_than_the_next_one() {
    real(async {
        let stub = Stub::new(Clock::wall());
        stub.says(OPEN_ORDERS, &ok("[]"));
        let first = Arc::new(AtomicBool::new(true));
        let answer = move |query: RawQuery| {
            let hangs = first.swap(false, Ordering::SeqCst);
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                identity(query).await
            }
        };
        let router = Router::new().route(IDENTITY, get(answer)).merge(stub.router());
        let settings = ExchangeSettings { call_timeout: Duration::from_secs(3_600), ..ExchangeSettings::default() };
        let adapter = paper_with(&stub, router, settings).await;
        let told = tokio::time::timeout(Duration::from_secs(60), adapter.server_time()).await;
        told.expect("the second challenge is put while the first is out").unwrap();
    });
}

#[test]
fn the_simulator_is_believed_and_a_session_goes_on_over_its_sockets() {
    real(async {
        let server = Server::start(&settings("calm"), "127.0.0.1:0".parse().unwrap(), Clock::wall()).await.unwrap();
        let options =
            Options { settings: ExchangeSettings::default(), ..Stub::options(&server.rest_url(), &server.ws_url()) };
        let adapter = measured(Adapter::new(options, Clock::wall(), None).unwrap()).await;
        assert_eq!(adapter.positions().await.unwrap().rows, []);
        let mut pushes = adapter.stream(vec![]);
        loop {
            match pushes.recv().await.unwrap() {
                Push::Connected => break,
                Push::Disconnected { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    });
}

/// Waits for a push of this kind.
async fn until(pushes: &mut tokio::sync::mpsc::Receiver<Push>, wanted: impl Fn(&Push) -> bool) {
    while !wanted(&pushes.recv().await.expect("the stream lives")) {}
}

#[test]
fn a_peer_whose_stream_was_lost_proves_itself_again_before_anything_is_signed() {
    real(async {
        let stub = Stub::new(Clock::wall());
        stub.says(OPEN_ORDERS, &ok("[]"));
        let is_simulator = Arc::new(AtomicBool::new(true));
        let over = Arc::new(tokio::sync::Notify::new());
        let says_who = {
            let is_simulator = Arc::clone(&is_simulator);
            move |query: RawQuery| async move {
                if is_simulator.load(Ordering::SeqCst) { identity(query).await } else { "<html>".to_owned() }
            }
        };
        let stream = {
            let over = Arc::clone(&over);
            move |upgrade: WebSocketUpgrade| async move {
                upgrade.on_upgrade(move |mut socket| async move {
                    while let Some(Ok(Message::Text(text))) = socket.recv().await {
                        if text.contains("login") {
                            let welcome = r#"{"channel":"rs.login","data":"success","ts":"1"}"#;
                            socket.send(Message::Text(welcome.into())).await.unwrap();
                            break;
                        }
                    }
                    over.notified().await;
                })
            }
        };
        let router = Router::new().route(IDENTITY, get(says_who)).route("/edge", any(stream)).merge(stub.router());
        let hour = Duration::from_secs(3_600);
        let settings = ExchangeSettings { reconnect_first: hour, reconnect_max: hour, ..ExchangeSettings::default() };
        let adapter = paper_with(&stub, router, settings).await;
        let mut pushes = adapter.stream(vec![]);
        until(&mut pushes, |push| matches!(push, Push::Connected)).await;
        adapter.open_orders().await.unwrap();
        is_simulator.store(false, Ordering::SeqCst);
        over.notify_one();
        until(&mut pushes, |push| matches!(push, Push::Disconnected { .. })).await;
        let error = adapter.open_orders().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::AccessRefused, "{error}");
        assert_eq!(stub.seen(OPEN_ORDERS).len(), 1, "nothing was signed for whoever is there now");
    });
}

#[test]
fn a_peer_that_could_not_be_reached_proves_itself_again_before_anything_is_signed() {
    real(async {
        let stub = Stub::new(Clock::wall());
        let last = Answer::Say { status: 200, headers: vec![("connection", "close".into())], body: ok("[]") };
        stub.answers(OPEN_ORDERS, vec![last]);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route(IDENTITY, get(identity)).merge(stub.router());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let options = Options {
            settings: ExchangeSettings::default(),
            ..Stub::options(&format!("http://{address}"), &format!("ws://{address}/edge"))
        };
        let adapter = measured(Adapter::new(options, stub.clock(), None).unwrap()).await;
        adapter.open_orders().await.unwrap();
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        let error = adapter.open_orders().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Retryable, "{error}");
        // Somebody else has the port now.
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let router = stub.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let error = adapter.open_orders().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::AccessRefused, "{error}");
        assert_eq!(stub.seen(OPEN_ORDERS).len(), 1, "nothing was signed for it");
    });
}
