//! The stream over channels, on paused time.

use std::collections::VecDeque;
use std::sync::atomic::AtomicI64;

use async_trait::async_trait;

use super::*;
use crate::clock::{Clock, Speed};
use crate::exchange::mexc::limiter::Limiter;
use crate::exchange::mexc::peer::Peer;
use crate::exchange::mexc::sign::Signer;
use crate::exchange::mexc::transport::{HttpRequest, HttpResponse, Sent, Transport, TransportError};
use crate::model::{Decimal, SessionTime};

struct NoTransport;

#[async_trait]
impl Transport for NoTransport {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, TransportError> {
        Err(TransportError { sent: Sent::No, message: "none".into() })
    }
}

/// An exchange that says its time and is so far ahead.
#[derive(Clone)]
struct Ping(Clock, Arc<AtomicI64>);

#[async_trait]
impl Transport for Ping {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        assert!(request.path_and_query.ends_with("/contract/ping") && request.headers.get("apikey").is_none());
        let told = self.0.now().millis() + self.1.load(Ordering::Relaxed);
        let body = format!(r#"{{"success":true,"code":0,"data":{told}}}"#);
        Ok(HttpResponse { status: 200, retry_after: None, body: body.into() })
    }
}

/// The exchange's end of a connection.
struct Venue {
    heard: mpsc::Receiver<String>,
    says: mpsc::Sender<String>,
}

impl Venue {
    async fn expect(&mut self, part: &str) {
        let text = self.heard.recv().await.unwrap();
        assert!(text.contains(part), "{text} does not hold {part}");
    }

    async fn say(&self, text: &str) {
        self.says.send(text.into()).await.unwrap();
    }

    async fn let_in(&mut self) {
        self.expect("\"login\"").await;
        self.say(r#"{"channel":"rs.login","data":"success","ts":"1"}"#).await;
    }
}

struct Fixture {
    pushes: mpsc::Receiver<Push>,
    health: Arc<StreamHealth>,
    clock: Clock,
    venues: mpsc::UnboundedReceiver<Venue>,
}

/// A refusal that is a panic.
const DEFECT: &str = "a defect of the adapter";

fn fixture(symbols: &[&str], refusals: Vec<&'static str>) -> Fixture {
    let clock = Clock::starting_at(SessionTime::from_secs(1_000), Speed::Max);
    fixture_over(clock, Arc::new(NoTransport), symbols, refusals)
}

fn fixture_over(clock: Clock, transport: Arc<dyn Transport>, symbols: &[&str], refusals: Vec<&'static str>) -> Fixture {
    let signer = Signer::new("key-k".to_owned().into(), "secret-s".to_owned().into()).unwrap();
    let limiter = Limiter::new(clock.clone(), Decimal::from(80));
    let core = Core::new(clock.clone(), signer, transport, limiter, Duration::from_secs(10), Peer::new(false));
    let (opened, venues) = mpsc::unbounded_channel();
    let refusals = Mutex::new(VecDeque::from(refusals));
    let connect = Channels::shared(move || {
        let refusal = refusals.lock().unwrap().pop_front();
        if let Some(reason) = refusal {
            assert_ne!(reason, DEFECT);
            return Err(reason.to_owned());
        }
        let ((to, heard), (says, from)) = (mpsc::channel(64), mpsc::channel(64));
        opened.send(Venue { heard, says }).map_err(|_| "gone".to_owned())?;
        Ok((to, from))
    });
    let health = Arc::new(StreamHealth::default());
    let symbols = symbols.iter().map(|symbol| Symbol::new(symbol).unwrap()).collect();
    let pushes = start(Arc::new(core), connect, ExchangeSettings::default(), Arc::clone(&health), symbols);
    Fixture { pushes, health, clock, venues }
}

fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

fn ticker(last: u32) -> String {
    format!(
        r#"{{"channel":"push.ticker","symbol":"BTC_USDT","data":{{"symbol":"BTC_USDT","lastPrice":{last},"fairPrice":{last},"timestamp":5}},"ts":5}}"#
    )
}

/// More than all buffers hold.
const FACTS: u32 = 10_000;

const ASSET: &str = r#"{"channel":"push.personal.asset","data":{"currency":"USDT","availableBalance":1,"frozenBalance":0,"positionMargin":0},"ts":1}"#;

async fn disconnected(pushes: &mut mpsc::Receiver<Push>) -> (String, u32) {
    loop {
        if let Push::Disconnected { reason, attempt } = pushes.recv().await.unwrap() {
            return (reason, attempt);
        }
    }
}

#[test]
fn it_logs_in_subscribes_and_says_connected_each_time() {
    run(async {
        let mut fixture = fixture(&["BTC_USDT", "ETH_USDT"], vec![]);
        for round in 1..=2 {
            let mut venue = fixture.venues.recv().await.unwrap();
            venue.let_in().await;
            venue.expect("BTC_USDT").await;
            venue.expect("ETH_USDT").await;
            assert_eq!(fixture.pushes.recv().await, Some(Push::Connected), "round {round}");
            venue.say(&ticker(7)).await;
            assert!(matches!(fixture.pushes.recv().await, Some(Push::Quote(_))));
            drop(venue);
            let (reason, _) = disconnected(&mut fixture.pushes).await;
            assert!(reason.contains("closed the stream"), "{reason}");
        }
    });
}

#[test]
fn it_pings_and_pongs_are_no_data_while_prices_are_subscribed() {
    run(async {
        let mut fixture = fixture(&["BTC_USDT"], vec![]);
        let mut venue = fixture.venues.recv().await.unwrap();
        venue.let_in().await;
        venue.expect("sub.ticker").await;
        let start = fixture.clock.now();
        venue.expect("ping").await;
        assert_eq!(fixture.clock.now().since(start).as_secs(), 15);
        // Two pongs to a ping, as the exchange is seen to do.
        venue.say(r#"{"channel":"pong","data":1}"#).await;
        venue.say(r#"{"channel":"pong","data":1}"#).await;
        let (reason, attempt) = disconnected(&mut fixture.pushes).await;
        assert_eq!((reason.as_str(), attempt), ("no data for 30 s", 1));
        assert_eq!(fixture.clock.now().since(start).as_secs(), 30);
    });
}

#[test]
fn a_quiet_account_without_prices_lives_on_pongs_alone() {
    run(async {
        let mut fixture = fixture(&[], vec![]);
        let mut venue = fixture.venues.recv().await.unwrap();
        venue.let_in().await;
        assert_eq!(fixture.pushes.recv().await, Some(Push::Connected));
        for _ in 0..20 {
            venue.expect("ping").await;
            venue.say(r#"{"channel":"pong","data":1}"#).await;
        }
        assert!(fixture.pushes.try_recv().is_err());
        let (reason, _) = disconnected(&mut fixture.pushes).await;
        assert_eq!(reason, "no data for 30 s");
    });
}

#[test]
fn the_back_off_doubles_to_its_limit_and_is_the_same_each_time() {
    let waits = || {
        run(async {
            let mut fixture = fixture(&[], vec!["refused"; 9]);
            let mut times = Vec::new();
            for attempt in 1..=9 {
                assert_eq!(disconnected(&mut fixture.pushes).await, ("refused".into(), attempt));
                times.push(fixture.clock.now());
            }
            times.windows(2).map(|pair| pair[1].since(pair[0])).collect::<Vec<_>>()
        })
    };
    let first = waits();
    for (index, wait) in first.iter().enumerate() {
        let whole = Duration::from_millis(500 << index).min(Duration::from_secs(30));
        assert!(*wait <= whole + Duration::from_millis(2) && *wait >= whole * 3 / 4, "{index}: {wait:?} of {whole:?}");
    }
    assert_eq!(first, waits());
}

#[test]
fn a_refused_login_is_told_without_keys_and_not_hurried() {
    run(async {
        let mut fixture = fixture(&[], vec![]);
        let mut venue = fixture.venues.recv().await.unwrap();
        venue.expect("login").await;
        venue.say(r#"{"channel":"rs.error","data":"bad key key-k\u001b[2J","ts":"1"}"#).await;
        let (reason, _) = disconnected(&mut fixture.pushes).await;
        assert!(reason.contains("refused the login") && reason.contains("bad key (key)"), "{reason}");
        assert!(!reason.contains('\u{1b}'), "{reason}");
        let start = fixture.clock.now();
        fixture.venues.recv().await.unwrap();
        assert_eq!(fixture.clock.now().since(start).as_secs(), 30);
    });
}

#[test]
fn a_login_without_an_answer_is_given_up() {
    run(async {
        let mut fixture = fixture(&[], vec![]);
        let _venue = fixture.venues.recv().await.unwrap();
        assert!(disconnected(&mut fixture.pushes).await.0.contains("not answered in time"));
    });
}

#[test]
fn malformed_frames_are_counted_and_skipped() {
    run(async {
        let mut fixture = fixture(&[], vec![]);
        let mut venue = fixture.venues.recv().await.unwrap();
        venue.let_in().await;
        let long = format!("{{\"channel\":\u{1b}{}", "x".repeat(100_000));
        for text in ["", "{", "[1,2]", r#"{"channel":"push.personal.order","data":{"orderId":1}}"#, &long] {
            venue.say(text).await;
        }
        venue.say(ASSET).await;
        assert_eq!(fixture.pushes.recv().await, Some(Push::Connected));
        // The first is told at once, the others with the next ping.
        assert!(matches!(fixture.pushes.recv().await, Some(Push::Skipped { total: 1, .. })));
        assert!(matches!(fixture.pushes.recv().await, Some(Push::Account(_))));
        assert_eq!(fixture.health.skipped(), 5);
        let Some(Push::Skipped { total, last }) = fixture.pushes.recv().await else { panic!("not told") };
        assert!(total == 5 && last.chars().count() < 400 && !last.contains('\u{1b}'), "{last}");
        assert_eq!(fixture.health.last_skipped(), Some(last));
        venue.expect("ping").await;
    });
}

#[test]
fn a_slow_consumer_loses_no_fact_and_sees_the_latest_price() {
    run(async {
        let mut fixture = fixture(&["BTC_USDT"], vec![]);
        let mut venue = fixture.venues.recv().await.unwrap();
        venue.let_in().await;
        venue.expect("sub.ticker").await;
        let writer = tokio::spawn(async move {
            for number in 1..=FACTS {
                venue.say(&ticker(number)).await;
                venue.say(ASSET).await;
            }
            venue
        });
        // Nobody takes anything until all buffers are full and the exchange itself has to wait.
        fixture.clock.sleep(Duration::from_secs(20)).await;
        assert!(!writer.is_finished());
        let (mut facts, mut quotes, mut last) = (0, 0, 0);
        while let Ok(push) = tokio::time::timeout(Duration::from_secs(5), fixture.pushes.recv()).await {
            match push.unwrap() {
                Push::Account(_) => facts += 1,
                Push::Quote(quote) => {
                    quotes += 1;
                    last = quote.last.unwrap().to_string().parse().unwrap();
                }
                Push::Connected => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((facts, last), (FACTS, FACTS));
        assert!(quotes < FACTS / 4 * 3, "{quotes} prices were not conflated");
        assert_eq!(fixture.health.skipped(), 0);
    });
}

#[test]
fn it_ends_when_nobody_listens() {
    run(async {
        let mut fixture = fixture(&[], vec![]);
        let mut venue = fixture.venues.recv().await.unwrap();
        venue.let_in().await;
        assert_eq!(fixture.pushes.recv().await, Some(Push::Connected));
        drop(fixture.pushes);
        assert_eq!(venue.heard.recv().await, None, "the connection is closed");
        assert!(fixture.venues.recv().await.is_none(), "and not opened again");
    });
}

/// An exchange whose clock is so far ahead, and the switch of it.
fn ahead(skew_ms: i64) -> (Fixture, Arc<AtomicI64>) {
    let clock = Clock::starting_at(SessionTime::from_secs(1_000), Speed::Max);
    let skew = Arc::new(AtomicI64::new(skew_ms));
    (fixture_over(clock.clone(), Arc::new(Ping(clock, Arc::clone(&skew))), &["BTC_USDT"], vec![]), skew)
}

#[test]
fn the_first_login_is_stamped_by_the_exchanges_clock() {
    run(async {
        let (mut fixture, _) = ahead(45_000);
        let mut venue = fixture.venues.recv().await.unwrap();
        venue.expect("\"reqTime\":\"1045000\"").await;
        venue.say(r#"{"channel":"rs.login","data":"success"}"#).await;
        let Some(Push::Clock(offset)) = fixture.pushes.recv().await else { panic!("the clock is told") };
        assert_eq!(offset.offset_us, 45_000_000);
        assert_eq!(fixture.pushes.recv().await, Some(Push::Connected));
        assert_eq!(fixture.clock.now(), SessionTime::from_secs(1_000), "at once");
    });
}

#[test]
fn a_login_refused_for_its_time_stamp_is_sent_again_at_once_and_only_once() {
    run(async {
        let (mut fixture, skew) = ahead(0);
        let mut venue = fixture.venues.recv().await.unwrap();
        venue.let_in().await;
        venue.expect("sub.ticker").await;
        drop(venue);
        skew.store(45_000, Ordering::Relaxed);
        let mut venue = fixture.venues.recv().await.unwrap();
        let refused_at = fixture.clock.now();
        venue.expect("login").await;
        venue.say(r#"{"channel":"rs.error","data":"whatever it says"}"#).await;
        let mut venue = fixture.venues.recv().await.unwrap();
        assert_eq!(fixture.clock.now(), refused_at, "at once");
        let stamp = format!("\"reqTime\":\"{}\"", refused_at.millis() + 45_000);
        venue.expect(&stamp).await;
        venue.say(r#"{"channel":"rs.login","data":{"code":401,"msg":"no"}}"#).await;
        let venue = fixture.venues.recv().await.unwrap();
        let waited = fixture.clock.now().since(refused_at);
        assert!(waited >= Duration::from_secs(30), "the clock was right that time: {waited:?}");
        drop(venue);
    });
}

#[test]
fn an_error_that_ends_the_login_leads_to_a_new_one_and_others_do_not() {
    run(async {
        let mut fixture = fixture(&["BTC_USDT"], vec![]);
        let mut venue = fixture.venues.recv().await.unwrap();
        venue.let_in().await;
        venue.expect("sub.ticker").await;
        venue.say(r#"{"channel":"rs.error","data":"Contract not exists","ts":1}"#).await;
        venue.say(r#"{"channel":"rs.error","data":"login expired, please login again","ts":1}"#).await;
        let (reason, _) = disconnected(&mut fixture.pushes).await;
        assert!(reason.contains("login expired"), "{reason}");
        fixture.venues.recv().await.unwrap().let_in().await;
        assert_eq!(fixture.health.skipped(), 1);
    });
}

#[test]
fn a_stream_that_panics_is_told_and_started_again() {
    run(async {
        let mut fixture = fixture(&["BTC_USDT"], vec![DEFECT, DEFECT]);
        for attempt in 1..=2 {
            let Some(Push::Failed { what }) = fixture.pushes.recv().await else { panic!("not told") };
            assert!(what.contains("ended by a defect") && what.contains(DEFECT), "{what}");
            let before = fixture.clock.now();
            let (reason, told) = disconnected(&mut fixture.pushes).await;
            assert!(told == attempt && reason.contains("ended by a defect"), "{attempt}: {reason}");
            assert_eq!(fixture.clock.now(), before, "the link is down at once");
        }
        let mut venue = fixture.venues.recv().await.unwrap();
        assert!(
            fixture.clock.now().since(SessionTime::from_secs(1_000)) >= Duration::from_millis(750),
            "with back-off"
        );
        venue.let_in().await;
        venue.expect("sub.ticker").await;
        assert_eq!(fixture.pushes.recv().await, Some(Push::Connected));
        venue.say(&ticker(7)).await;
        assert!(matches!(fixture.pushes.recv().await, Some(Push::Quote(_))));
    });
}
