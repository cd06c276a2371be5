//! An exchange that answers what it is told to, checks every signature by itself, and remembers
//! what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use hmac::{Hmac, KeyInit, Mac};
use perpdeck::clock::{Clock, Speed};
use perpdeck::config::{ExchangeSettings, PaperPeer};
use perpdeck::exchange::mexc::{Adapter, Channels, Link, Options, Permit};
use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{
    CallError, CancelOrder, ClientOrderId, Contracts, Decimal, ErrorClass, Intent, MarginMode, OrderNo, OrderType,
    PlaceOrder, PositionMode, Price, Refusal, SessionTime, Side, Symbol, VenueOrderId,
};
use sha2::Sha256;

pub const KEY: &str = "mx0vglTestAccessKey";
pub const SECRET: &str = "9b1f3c7d2e8a4f60a5b6c7d8e9f00112";
pub const CREATE: &str = "/api/v1/private/order/create";
pub const OPEN_ORDERS: &str = "/api/v1/private/order/list/open_orders";
pub const PING: &str = "/api/v1/contract/ping";
pub const DETAIL: &str = "/api/v1/contract/detail";

pub const BTC: &str = r#"{"id":10,"symbol":"BTC_USDT","contractSize":0.0001,"minLeverage":1,"maxLeverage":200,"priceUnit":0.1,"volUnit":1,"minVol":1,"maxVol":400000,"takerFeeRate":0.0006,"makerFeeRate":0.0002,"maintenanceMarginRate":0.004,"initialMarginRate":0.005,"liquidationFeeRate":0.0004,"riskLimitType":"BY_VOLUME","riskLimitMode":"INCREASE","riskBaseVol":150000,"riskIncrVol":150000,"riskIncrMmr":0.004,"riskIncrImr":0.005,"riskLevelLimit":5,"state":0}"#;

/// What the stub was asked.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub at: SessionTime,
}

impl Seen {
    pub fn stamp(&self) -> i64 {
        self.headers["request-time"].parse().unwrap()
    }
}

#[derive(Clone, Debug)]
pub enum Answer {
    Say { status: u16, headers: Vec<(&'static str, String)>, body: String },
    Hang,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    skew_ms: i64,
    answers: BTreeMap<String, VecDeque<Answer>>,
    seen: Vec<Seen>,
}

#[derive(Clone, Debug)]
pub struct Stub(Arc<Mutex<Inner>>);

/// Runs a test on one thread whose time is paused.
pub fn paused<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test)
}

/// Runs a test on one thread in real time.
pub fn real<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

pub fn ok(data: &str) -> String {
    format!(r#"{{"success":true,"code":0,"data":{data}}}"#)
}

pub fn no(code: i32) -> String {
    format!(r#"{{"success":false,"code":{code},"message":"because"}}"#)
}

impl Stub {
    /// Inside a paused runtime.
    pub fn paused() -> Self {
        Self::new(Clock::starting_at(SessionTime::from_secs(1_795_401_565), Speed::Max))
    }

    pub fn new(clock: Clock) -> Self {
        let stub = Self(Arc::new(Mutex::new(Inner { clock, skew_ms: 0, answers: BTreeMap::new(), seen: Vec::new() })));
        stub.says(DETAIL, &ok(BTC));
        stub
    }

    pub fn clock(&self) -> Clock {
        self.0.lock().unwrap().clock.clone()
    }

    /// The exchange's clock is so far ahead.
    pub fn skew(&self, skew_ms: i64) {
        self.0.lock().unwrap().skew_ms = skew_ms;
    }

    /// From now on these answers, the last one for ever.
    pub fn answers(&self, path: &str, answers: Vec<Answer>) {
        self.0.lock().unwrap().answers.insert(path.to_owned(), answers.into());
    }

    pub fn says(&self, path: &str, body: &str) {
        self.says_with(path, 200, body);
    }

    pub fn says_with(&self, path: &str, status: u16, body: &str) {
        self.answers(path, vec![Answer::Say { status, headers: vec![], body: body.to_owned() }]);
    }

    pub fn says_each(&self, path: &str, bodies: &[String]) {
        let answer = |body: &String| Answer::Say { status: 200, headers: vec![], body: body.clone() };
        self.answers(path, bodies.iter().map(answer).collect());
    }

    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.0.lock().unwrap().seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// Everything that it was asked.
    pub fn all_seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().seen.clone()
    }

    pub fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(self.clone())
    }

    pub fn options(rest_url: &str, ws_url: &str) -> Options {
        Options {
            rest_url: rest_url.to_owned(),
            ws_url: ws_url.to_owned(),
            api_key: KEY.to_owned().into(),
            api_secret: SECRET.to_owned().into(),
            settings: ExchangeSettings { paper_peer: PaperPeer::Any, ..ExchangeSettings::default() },
            permit: Permit::Loopback,
        }
    }

    /// An adapter without sockets.
    pub fn adapter(&self) -> Adapter {
        let link = Link::memory(self.router(), |_| false, Channels::shared(|| Err("no stream here".into())));
        Adapter::new(Self::options("http://127.0.0.1:1", "ws://127.0.0.1:1/edge"), self.clock(), Some(link)).unwrap()
    }

    /// An adapter over TCP.
    pub async fn networked(&self) -> Adapter {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let options = Self::options(&format!("http://{address}"), &format!("ws://{address}/edge"));
        Adapter::new(options, self.clock(), None).unwrap()
    }
}

async fn serve(State(stub): State<Stub>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let headers: BTreeMap<String, String> = headers.collect();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let answer = {
        let mut inner = stub.0.lock().unwrap();
        let now = inner.clock.now();
        let venue_ms = now.millis() + inner.skew_ms;
        let seen = Seen {
            method: parts.method.to_string(),
            path: path.clone(),
            query: query.clone(),
            headers: headers.clone(),
            body: String::from_utf8(body.to_vec()).unwrap(),
            at: now,
        };
        let refusal = path.contains("/private/").then(|| refusal(&seen, &body, venue_ms)).flatten();
        inner.seen.push(seen);
        match (refusal, inner.answers.get_mut(&path)) {
            (Some(body), _) => Answer::Say { status: 200, headers: vec![], body },
            (None, Some(answers)) if answers.len() > 1 => answers.pop_front().unwrap(),
            (None, Some(answers)) => answers.front().cloned().unwrap(),
            (None, None) if path == PING => {
                Answer::Say { status: 200, headers: vec![], body: ok(&venue_ms.to_string()) }
            }
            (None, None) => Answer::Say { status: 404, headers: vec![], body: String::new() },
        }
    };
    match answer {
        Answer::Hang => std::future::pending().await,
        Answer::Say { status, headers, body } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
    }
}

/// What MEXC says to a request that is not signed as section 2 of the protocol wants it.
fn refusal(seen: &Seen, body: &Bytes, venue_ms: i64) -> Option<String> {
    let header = |name: &str| seen.headers.get(name).map_or("", String::as_str);
    if header("content-type") != "application/json" || header("apikey") != KEY {
        return Some(no(401));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(KEY.as_bytes());
    mac.update(header("request-time").as_bytes());
    if seen.method == "GET" {
        let mut pairs: Vec<&str> = seen.query.split('&').filter(|pair| !pair.is_empty()).collect();
        pairs.sort_unstable();
        mac.update(pairs.join("&").as_bytes());
    } else {
        mac.update(body);
    }
    if hex::encode(mac.finalize().into_bytes()) != header("signature") {
        return Some(no(602));
    }
    let stamp: i64 = header("request-time").parse().ok()?;
    ((venue_ms - stamp).abs() > 10_000).then(|| no(513))
}

pub fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

pub fn client_id(text: &str) -> ClientOrderId {
    ClientOrderId::new(text).unwrap()
}

/// Places an order as the engine does: an entry without a slot never left, and comes again.
pub async fn in_turn(adapter: &Adapter, order: &PlaceOrder) -> Result<VenueOrderId, CallError> {
    loop {
        match adapter.place(order, &Departure::default()).await {
            Err(error) if error.refusal == Refusal::NoSlot => {
                assert_eq!((error.class, error.counts), (ErrorClass::NeverLeft, false), "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            done => return done,
        }
    }
}

/// An order to buy 20 contracts of BTC at 64250.5.
pub fn entry(id: &str) -> PlaceOrder {
    PlaceOrder {
        client_id: client_id(id),
        symbol: symbol("BTC_USDT"),
        intent: Intent::open(Side::Long),
        order_type: OrderType::Limit(Price(dec("64250.5"))),
        contracts: Contracts(dec("20")),
        leverage: 10,
        margin_mode: MarginMode::Isolated,
        position_mode: PositionMode::Hedge,
        position_id: None,
        stop_loss: None,
        take_profit: None,
    }
}

/// An order to sell them at any price.
pub fn exit(id: &str) -> PlaceOrder {
    PlaceOrder { intent: Intent::close(Side::Long), order_type: OrderType::Market, ..entry(id) }
}

pub fn cancel(no: u64, venue_id: Option<&str>) -> CancelOrder {
    CancelOrder {
        no: OrderNo(no),
        symbol: symbol("BTC_USDT"),
        venue_id: venue_id.map(|id| VenueOrderId::new(id).unwrap()),
        client_id: client_id(&format!("k-{no}")),
    }
}

/// The time-out of a call, by the settings' default.
pub const TIME_OUT: Duration = Duration::from_secs(10);
