//! Signal to last byte at a receiver on loopback: through risk gate, dedupe and journal, against the
//! same signed request with the same journal write sent by reqwest alone and by a bare socket.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use perpdeck::clock::{Clock, Speed, wall_time};
use perpdeck::config::Settings;
use perpdeck::engine::Input;
use perpdeck::exchange::mexc::{Adapter, Options, Permit};
use perpdeck::journal::{Journal, Options as JournalOptions};
use perpdeck::model::{
    Category, Contracts, Decimal, Intent, OrderReport, Push, Refusal, Side, SignalOutcome, Symbol, VenueOrderId,
    VenueOrderState, VenueTime,
};
use perpdeck::runtime::{EventBus, Gateway, Intake, Manner, Ports, Scribe, Session, SignalAnswer};
use sha2::Sha256;

use crate::fixture;
use crate::report::{Table, micros, percentile};

/// Each way is measured so often, in turns, so that what else the machine does hits all alike.
const ROUNDS: usize = 5;
const SAMPLES: usize = 200;
const WARM_UP: usize = 30;
/// Session time runs so much faster than real time: the exchange's limit, 2 entries in 2 s of it, is
/// kept and does not set the pace of the measurement.
pub const SPEED: f64 = 100.0;
/// Rest between two samples, for all alike: 2 of them are longer than a window of the limit.
const REST: Duration = Duration::from_millis(12);
/// The contract, as the exchange tells it.
const DETAIL: &str = r#"{"id":10,"symbol":"BTC_USDT","displayNameEn":"BTC_USDT PERPETUAL","positionOpenType":3,"baseCoin":"BTC","quoteCoin":"USDT","settleCoin":"USDT","contractSize":0.0001,"minLeverage":1,"maxLeverage":200,"priceScale":1,"volScale":0,"amountScale":4,"priceUnit":0.1,"volUnit":1,"minVol":1,"maxVol":400000,"limitMaxVol":400000,"bidLimitPriceRate":0.1,"askLimitPriceRate":0.1,"takerFeeRate":0.0006,"makerFeeRate":0.0002,"maintenanceMarginRate":0.004,"initialMarginRate":0.005,"liquidationFeeRate":0.0004,"riskLimitType":"BY_VOLUME","riskLimitMode":"INCREASE","riskBaseVol":150000,"riskIncrVol":150000,"riskIncrMmr":0.004,"riskIncrImr":0.005,"riskLevelLimit":5,"maxNumOrders":[200,50],"state":0,"apiAllowed":true}"#;
const PATH: &str = "/api/v1/private/order/create";

pub fn run(table: &mut Table) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for sync in [true, false] {
        let (mut ours, mut reqwest, mut socket) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.extend(through_the_engine(sync));
            reqwest.extend(with_reqwest(sync));
            socket.extend(with_a_socket(sync));
        }
        let [ours, reqwest, socket] = [ours, reqwest, socket].map(|mut times| {
            times.sort();
            percentile(&times, 0.5)
        });
        let ratio = ours.as_secs_f64() / reqwest.as_secs_f64();
        table.row(
            &format!(
                "signal to last byte at the exchange, p50, {}",
                if sync { "with fdatasync" } else { "without fdatasync" }
            ),
            micros(ours),
            format!("{} reqwest alone, {} bare socket, same journal write", micros(reqwest), micros(socket)),
            "1.2 x reqwest",
            ratio <= 1.2,
        );
        eprintln!("signal to wire, fdatasync {sync}: {ratio:.2} x reqwest");
    }
}

/// A server that reads requests whole, says when the last byte of each order arrived, and accepts.
pub struct Receiver {
    pub address: String,
    arrived: mpsc::Receiver<Instant>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, arrived) = mpsc::channel();
        let orders = Arc::new(AtomicU64::new(0));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), tell, orders) = (stream, tell.clone(), Arc::clone(&orders)) else { continue };
                std::thread::spawn(move || serve(stream, &tell, &orders));
            }
        });
        Self { address, arrived }
    }
}

/// The exchange's id of its nth order.
fn venue_id(n: u64) -> String {
    format!("81421808341{n:08}")
}

fn serve(mut stream: TcpStream, tell: &mpsc::Sender<Instant>, orders: &AtomicU64) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    let mut chunk = [0_u8; 16_384];
    loop {
        let Ok(read) = stream.read(&mut chunk) else { return };
        if read == 0 {
            return;
        }
        buffer.extend_from_slice(&chunk[..read]);
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |length| length.trim().parse().unwrap());
        if buffer.len() < end + 4 + length {
            continue;
        }
        let at = Instant::now();
        let order = head.starts_with(&format!("post {PATH}"));
        buffer.clear();
        let body = if order {
            let id = venue_id(orders.fetch_add(1, Ordering::SeqCst) + 1);
            format!(r#"{{"success":true,"code":0,"data":{{"orderId":"{id}","ts":1795401565487}}}}"#)
        } else if head.starts_with("get /api/v1/contract/detail") {
            format!(r#"{{"success":true,"code":0,"data":{DETAIL}}}"#)
        } else {
            r#"{"success":false,"code":510,"message":"Requests are too frequent"}"#.to_owned()
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if order && tell.send(at).is_err() {
            return;
        }
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// From each start to the arrival of its order, without the warm-up.
pub fn latencies(begun: &[Instant], receiver: &Receiver) -> Vec<Duration> {
    let arrived: Vec<Instant> = receiver.arrived.try_iter().collect();
    assert_eq!(arrived.len(), begun.len(), "every signal must become one order at the exchange");
    begun.iter().zip(arrived).skip(WARM_UP).map(|(begun, arrived)| arrived - *begun).collect()
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The session as `perpdeck run` builds it; signals come from a task beside it, as those of the
/// built-in strategy do.
fn through_the_engine(sync: bool) -> Vec<Duration> {
    let receiver = Receiver::start();
    let dir = tempfile::tempdir().unwrap();
    let begun = runtime().block_on(async {
        let clock = Clock::starting_at(wall_time(), Speed::Times(SPEED));
        let long = Duration::from_secs(100_000_000);
        let mut settings = Settings::default();
        settings.journal.sync = sync;
        settings.risk.max_price_age = long;
        settings.risk.max_position_pct = Decimal::from(50);
        settings.risk.symbol_concentration_pct = Decimal::from(90);
        settings.orders.signal_max_age = long;
        settings.orders.poll_interval = long;
        settings.positions.sync_interval = long;
        // The receiver proves nothing.
        settings.exchange.paper_peer = perpdeck::config::PaperPeer::Any;
        let engine = fixture::ready(settings.clone(), &["BTC_USDT"], clock.now());
        let options = Options {
            rest_url: format!("http://{}", receiver.address),
            ws_url: format!("ws://{}/edge", receiver.address),
            api_key: "mx0benchkey".to_owned().into(),
            api_secret: "9b1f3c7d2e8a4f60a5b6c7d8e9f00112".to_owned().into(),
            settings: settings.exchange.clone(),
            permit: Permit::Loopback,
        };
        let adapter = Arc::new(Adapter::new(options, clock.clone(), None).unwrap());
        let (tell, internal) = tokio::sync::mpsc::unbounded_channel::<Input>();
        let symbols = vec![Symbol::new("BTC_USDT").unwrap()];
        let gateway = Gateway::new(adapter, clock.clone(), settings.exchange.call_timeout, symbols, tell);
        let (_commands, commands) = tokio::sync::mpsc::unbounded_channel();
        let (abandon, take_abandon) = tokio::sync::mpsc::unbounded_channel();
        let (push, pushes) = tokio::sync::mpsc::channel(64);
        let (intake, signals) = Intake::channel();
        // The engine's facts so far are not in this journal: its numbers go on from theirs.
        let mut journal = open(dir.path());
        for _ in 0..engine.state().seq {
            journal.append(0, "{}").unwrap();
        }
        let scribe = Scribe::new(journal, if sync { Manner::Durable } else { Manner::InPlace }).unwrap();
        let session = Session::new(engine, clock, EventBus::new(), scribe, gateway);
        let ports = Ports { commands, internal, pushes, signals, abandon: take_abandon };
        let (_, begun) = tokio::join!(session.run(Input::Tick, ports), async {
            let begun = signal_after_signal(&intake, &push).await;
            abandon.send("all was measured".to_owned()).unwrap();
            begun
        });
        begun
    });
    latencies(&begun, &receiver)
}

/// One signal at a time; each order ends before the next begins, so that the session is at rest.
pub async fn signal_after_signal(intake: &Intake, push: &tokio::sync::mpsc::Sender<Push>) -> Vec<Instant> {
    let session = fixture::info(wall_time()).id;
    let mut begun = Vec::with_capacity(SAMPLES + WARM_UP);
    for n in 1..=SAMPLES + WARM_UP {
        let signal = fixture::entry(format!("s{n}"), "BTC_USDT");
        begun.push(Instant::now());
        let answer = intake.submit(signal).unwrap().await.unwrap();
        let SignalAnswer::Decided { outcome: SignalOutcome::Ordered { order }, .. } = answer else {
            panic!("not ordered: {answer:?}")
        };
        tokio::time::sleep(REST / 2).await;
        let report = OrderReport {
            venue_id: VenueOrderId::new(&venue_id(n as u64)).unwrap(),
            client_id: Some(order.client_id(&session, None)),
            symbol: Symbol::new("BTC_USDT").unwrap(),
            intent: Intent::open(Side::Long),
            state: VenueOrderState::Cancelled,
            contracts: Contracts(Decimal::ONE_HUNDRED),
            filled: Contracts::ZERO,
            average_price: None,
            category: Category::Normal,
            error_code: 0,
            refusal: Refusal::Unspecified,
            version: 2,
            updated_at: VenueTime::from_micros(wall_time().micros()),
            created_at: None,
            limit: None,
        };
        push.send(Push::Order(report)).await.unwrap();
        tokio::time::sleep(REST / 2).await;
    }
    begun
}

fn open(dir: &Path) -> Journal {
    Journal::open(dir, JournalOptions::default()).unwrap().0
}

const BODY: &str = r#"{"symbol":"BTC_USDT","price":49900,"vol":100,"leverage":3,"side":1,"type":1,"openType":1,"positionMode":1,"externalOid":"bench001-1000"}"#;

/// What the engine journals for one order, as bytes.
fn facts(n: usize) -> [String; 3] {
    let signal = format!(
        r#"{{"seq":{n},"at":1767225600000000,"event":"signal_decided","signal":{{"id":"s{n}","kind":"S1","symbol":"BTC_USDT","side":"LONG","amount":{{"quantity":"0.01"}},"price":"49900","stop_loss":null,"take_profit":null,"strategy":"bench","confidence":null,"cancels":null,"made_at":1767225600000000}},"outcome":{{"result":"ordered","order":{n}}},"risk_score":3,"price":"50000"}}"#
    );
    let order = format!(
        r#"{{"seq":{n},"at":1767225600000000,"event":"order_created","order":{{"no":{n},"client_id":"bench001-{n}","venue_id":null,"signal_id":"s{n}","strategy":"bench","symbol":"BTC_USDT","intent":{{"effect":"open","side":"LONG"}},"purpose":"entry","order_type":{{"limit":"49900"}},"contracts":"100","quantity":"0.0100","decision_price":"50000","leverage":3,"stop_loss":null,"take_profit":null,"state":"pending","filled_contracts":"0","filled":"0","filled_value":"0","fees":"0","fees_incomplete":false,"venue_filled":"0","venue_version":0,"attempts":0,"next_attempt_at":null,"sent_at":null,"unknown_since":null,"cancel":null,"note":null,"created_at":1767225600000000,"accepted_at":null,"updated_at":1767225600000000,"ended_at":null}}}}"#
    );
    let sent = format!(r#"{{"seq":{n},"at":1767225600000000,"event":"order_sent","no":{n},"attempt":1}}"#);
    [signal, order, sent]
}

fn write_facts(journal: &mut Journal, n: usize, sync: bool) {
    for fact in facts(n) {
        journal.append(1_767_225_600_000_000, &fact).unwrap();
    }
    if sync {
        journal.sync().unwrap();
    } else {
        journal.flush().unwrap();
    }
}

fn signature(stamp: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"9b1f3c7d2e8a4f60a5b6c7d8e9f00112").unwrap();
    mac.update(b"mx0benchkey");
    mac.update(stamp.as_bytes());
    mac.update(BODY.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn with_reqwest(sync: bool) -> Vec<Duration> {
    let receiver = Receiver::start();
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{PATH}", receiver.address);
    let begun = runtime().block_on(async {
        let mut begun = Vec::with_capacity(SAMPLES + WARM_UP);
        for n in 0..SAMPLES + WARM_UP {
            begun.push(Instant::now());
            write_facts(&mut journal, n, sync);
            let stamp = (wall_time().millis()).to_string();
            let request = client
                .post(&url)
                .header("ApiKey", "mx0benchkey")
                .header("Request-Time", &stamp)
                .header("Signature", signature(&stamp))
                .header("Content-Type", "application/json")
                .header("Language", "English")
                .body(BODY);
            request.send().await.unwrap().bytes().await.unwrap();
            tokio::time::sleep(REST).await;
        }
        begun
    });
    latencies(&begun, &receiver)
}

fn with_a_socket(sync: bool) -> Vec<Duration> {
    let receiver = Receiver::start();
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let mut stream = TcpStream::connect(&receiver.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0_u8; 1024];
    let mut begun = Vec::with_capacity(SAMPLES + WARM_UP);
    for n in 0..SAMPLES + WARM_UP {
        begun.push(Instant::now());
        write_facts(&mut journal, n, sync);
        let stamp = (wall_time().millis()).to_string();
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nhost: {}\r\nApiKey: mx0benchkey\r\nRequest-Time: {stamp}\r\nSignature: {}\r\nContent-Type: application/json\r\nLanguage: English\r\ncontent-length: {}\r\n\r\n{BODY}",
            receiver.address,
            signature(&stamp),
            BODY.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        assert!(stream.read(&mut answer).unwrap() > 0);
        std::thread::sleep(REST);
    }
    latencies(&begun, &receiver)
}
