//! One request from its first byte to its answer: faults before, limits, signature, the books,
//! faults after.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::any;

use super::peer::Peer;
use super::route::{Endpoint, Row};
use super::{control, orders, positions, public, route, turned, twist};
use crate::model::{SessionTime, Symbol, VenueTime};
use crate::simulator::error::SimulatorError;
use crate::simulator::faults::{Call, FaultKind, FaultSpec, Target};
use crate::simulator::json::{Fields, Object};
use crate::simulator::refusal::Refusal;
use crate::simulator::requests::{self, Kind};
use crate::simulator::shared::{Core, Shared};
use crate::simulator::signing::{self, Claim, canonical_query, query_pairs};
use crate::simulator::venue::Command;
use crate::simulator::ws;

/// Longest body that is read.
const LONGEST_BODY: usize = 1 << 20;

/// Marks a response that stands for no answer at all: the connection is to be seen as closed. A
/// real socket is closed instead, so only in-memory callers ever see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// Why a request is not answered as asked.
pub enum Failure {
    /// A business failure: HTTP 200, `success:false`.
    Refused(Refusal),
    /// The books cannot be written: HTTP 500.
    Broken(SimulatorError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<SimulatorError> for Failure {
    fn from(error: SimulatorError) -> Self {
        Self::Broken(error)
    }
}

/// The `data` of a success as JSON; `None` for a success without data.
pub type Reply = Result<Option<String>, Failure>;

/// A decoded request.
pub struct Asked<'a> {
    pub path: &'a str,
    pub args: &'a [String],
    pub query: &'a [(String, String)],
    pub body: &'a [u8],
    pub now: SessionTime,
    /// The order-level errorCode with which a fault ends what is placed.
    pub fail: Option<i64>,
}

impl Asked<'_> {
    /// A query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|v| !v.is_empty())
    }

    /// A variable part of the path.
    pub fn arg(&self, at: usize) -> &str {
        self.args.get(at).map_or("", String::as_str)
    }

    /// A whole number among the query parameters.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let bad = |_| Refusal::new(600, format!("Parameter error: {name}"));
        self.param(name).map(|text| text.parse().map_err(bad)).transpose()
    }

    /// A contract among the query parameters: `None` when it is not given.
    pub fn symbol(&self) -> Result<Option<Symbol>, Refusal> {
        self.param("symbol").map(|text| Symbol::new(text).map_err(|_| Refusal::of(1001))).transpose()
    }
}

/// The whole exchange as a router.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/edge", any(edge)).fallback(dispatch).with_state(shared)
}

async fn edge(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let call = Call { target: Target::Public, path: "/edge", symbol: None, closes: false };
    let fault = shared.lock().fault(shared.clock.now(), &call);
    let fault = fault.ok().flatten();
    if let Some(spec) = fault.as_ref().filter(|spec| spec.answers()) {
        return turned::answer(spec);
    }
    match fault.map(|spec| spec.kind) {
        Some(FaultKind::Refuse | FaultKind::ReplyLost) => return cut(&parts).await,
        Some(FaultKind::Hang) => std::future::pending::<()>().await,
        Some(FaultKind::ErrorBefore | FaultKind::ErrorAfter) => return server_error("Internal error"),
        _ => {}
    }
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(request) => ws::upgrade(shared, request),
        Err(_) => json(StatusCode::BAD_REQUEST, refused(&Refusal::new(600, "This is a WebSocket address"))),
    }
}

async fn dispatch(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
        return json(StatusCode::PAYLOAD_TOO_LARGE, refused(&Refusal::new(601, "Body too large")));
    };
    if parts.uri.path().starts_with("/sim/") {
        return control::answer(&shared, &parts, &body);
    }
    let query = query_pairs(parts.uri.query().unwrap_or_default());
    let Some((row, args)) = route::find(&parts.method, parts.uri.path()) else {
        let text = Object::new().plain("code", 404).text("message", "Not Found").build();
        return json(StatusCode::NOT_FOUND, text);
    };
    let symbol = symbol_of(&query, &args, &body);
    let target = route::target(row);
    let side = (target == Target::Place).then(|| side_of(row, &body)).flatten();
    let closes = side.is_some_and(|(_, closes)| closes);
    let call = Call { target, path: parts.uri.path(), symbol: symbol.as_ref(), closes };
    let fault = {
        let now = shared.clock.now();
        let mut core = shared.lock();
        let kind = Kind {
            endpoint: row.1,
            class: requests::class(target, closes),
            symbol: symbol.clone(),
            side: side.map(|(side, _)| side),
        };
        core.requests.count(kind, now);
        core.fault(now, &call)
    };
    let fault = match fault {
        Ok(fault) => fault,
        Err(error) => return server_error(&error.to_string()),
    };
    if let Some(spec) = &fault
        && let Some(answer) = before(&shared, spec, &parts, &body, &call).await
    {
        return answer;
    }
    let fail = fault.as_ref().and_then(|spec| spec.order_error);
    let answer = carry_out(&shared, row, (&args, &query, fail), &parts, &body);
    after(&shared, fault, &parts, answer).await
}

/// MEXC's `side` of what is placed, and whether it closes; the first of several speaks for all.
fn side_of(row: &Row, body: &[u8]) -> Option<(i64, bool)> {
    if row.2 == Endpoint::CloseAll {
        return Some((0, true));
    }
    let rows = Fields::parse_many(body).ok()?;
    let fields = rows.first()?;
    let side = fields.integer("side").ok().flatten()?;
    Some((side, matches!(side, 2 | 4) || fields.flag("reduceOnly") == Ok(Some(true))))
}

/// The contract that a request is about, wherever it says so.
fn symbol_of(query: &[(String, String)], args: &[String], body: &[u8]) -> Option<Symbol> {
    let named = query.iter().find(|(key, _)| key == "symbol").map(|(_, value)| value.clone());
    let in_path = || args.iter().find(|arg| arg.ends_with("_USDT")).cloned();
    let in_body = || Fields::parse_many(body).ok()?.first()?.text("symbol");
    named.or_else(in_path).or_else(in_body).and_then(|text| Symbol::new(&text).ok())
}

/// Faults that come before the books hear of the request.
async fn before(shared: &Shared, fault: &FaultSpec, parts: &Parts, body: &Bytes, call: &Call<'_>) -> Option<Response> {
    match fault.kind {
        FaultKind::Refuse if fault.acted == Some(true) || fault.order_error.is_some() => None,
        FaultKind::Refuse => {
            turned(shared, call, body, &turned::outcome(fault));
            if fault.answers() { Some(turned::answer(fault)) } else { Some(cut(parts).await) }
        }
        FaultKind::Hang => {
            turned(shared, call, body, "hang");
            std::future::pending::<()>().await;
            None
        }
        FaultKind::ErrorBefore => {
            turned(shared, call, body, "error_before");
            Some(server_error("Internal error"))
        }
        FaultKind::TooFrequent => {
            turned(shared, call, body, "too_frequent");
            Some(json(StatusCode::OK, refused(&Refusal::of(510))))
        }
        FaultKind::RequestDelayed => {
            shared.clock.sleep(fault.delay()).await;
            None
        }
        _ => None,
    }
}

/// Writes down that an order was named in a request which the books never saw.
fn turned(shared: &Shared, call: &Call<'_>, body: &[u8], why: &str) {
    if !matches!(call.target, Target::Place | Target::Cancel) {
        return;
    }
    let mut core = shared.lock();
    for fields in Fields::parse_many(body).unwrap_or_default() {
        let command = Command::Turned {
            path: call.path.to_owned(),
            symbol: call.symbol.cloned(),
            id: fields.text("externalOid").unwrap_or_default(),
            why: why.to_owned(),
        };
        // The request is refused either way; a record that cannot be written shows at the next one.
        let _ = core.execute(shared.clock.now(), &command);
    }
}

fn carry_out(
    shared: &Shared,
    row: &'static Row,
    (args, query, fail): (&[String], &[(String, String)], Option<i64>),
    parts: &Parts,
    body: &Bytes,
) -> (StatusCode, String) {
    let now = shared.clock.now();
    let mut core = shared.lock();
    if route::is_private(row) {
        let stamp = core.books.venue.stamp_at(now);
        if let Err(refusal) = authorise(shared, parts, query, body, stamp) {
            return (StatusCode::OK, refused(&refusal));
        }
    }
    if !core.limits.admit(row.1, row.3, now) {
        drop(core);
        let call = Call { target: route::target(row), path: parts.uri.path(), symbol: None, closes: false };
        turned(shared, &call, body, "refused 510");
        return (StatusCode::OK, refused(&Refusal::of(510)));
    }
    let asked = Asked { path: parts.uri.path(), args, query, body, now, fail };
    match listed(&mut core, row, &asked) {
        Ok(data) => (StatusCode::OK, success(data.as_deref())),
        Err(Failure::Refused(refusal)) => (StatusCode::OK, refused(&refusal)),
        Err(Failure::Broken(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error_body(&error.to_string())),
    }
}

/// The answer, with the faults of lists: from books as they were, and twisted.
fn listed(core: &mut Core, row: &Row, asked: &Asked<'_>) -> Reply {
    let Some(list) = route::list(row) else { return handle(core, row.2, asked) };
    let lag = core.list_fault(asked.now, FaultKind::ListLag, list, asked.path)?;
    let seed = core.books.venue.seed;
    let reply = match lag {
        Some(fault) => {
            let view = core.books.venue.as_of(asked.now.minus(fault.lag(seed)));
            orders::read(&view, row.2, asked)
                .or_else(|| positions::read(&view, row.2, asked).map(|reply| reply.map(Some)))
                .map_or_else(|| handle(core, row.2, asked), |reply| reply.map_err(Into::into))
        }
        None => handle(core, row.2, asked),
    };
    let Some(mut data) = reply? else { return Ok(None) };
    for kind in [FaultKind::DealIdsDiffer, FaultKind::ListLacks, FaultKind::ListEmpty, FaultKind::OddRow] {
        if let Some(fault) = core.list_fault(asked.now, kind, list, asked.path)? {
            data = twist::twist(&data, list, &fault, seed);
        }
    }
    Ok(Some(data))
}

fn handle(core: &mut Core, endpoint: Endpoint, asked: &Asked<'_>) -> Reply {
    match public::answer(&core.books.venue, endpoint, asked) {
        Some(reply) => reply,
        None => match orders::answer(core, endpoint, asked) {
            Some(reply) => reply,
            None => positions::answer(core, endpoint, asked),
        },
    }
}

fn authorise(
    shared: &Shared,
    parts: &Parts,
    query: &[(String, String)],
    body: &Bytes,
    now: VenueTime,
) -> Result<(), Refusal> {
    let header = |name: &str| text_header(&parts.headers, name);
    let canonical = canonical_query(query);
    let parameters = if parts.method == axum::http::Method::POST { body.as_ref() } else { canonical.as_bytes() };
    let claim = Claim {
        key: header("ApiKey"),
        time: header("Request-Time"),
        signature: header("Signature"),
        window: header("Recv-Window"),
        parameters,
    };
    signing::check(&shared.credentials, &claim, now, shared.slack())
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Faults that come after the books have done as asked.
async fn after(
    shared: &Shared,
    fault: Option<FaultSpec>,
    parts: &Parts,
    (status, body): (StatusCode, String),
) -> Response {
    let Some(fault) = fault else { return json(status, body) };
    match fault.kind {
        FaultKind::ReplyLost => cut(parts).await,
        FaultKind::Refuse if fault.answers() => turned::answer(&fault),
        FaultKind::Refuse if fault.order_error.is_none() => cut(parts).await,
        FaultKind::ReplyDelayed => {
            shared.clock.sleep(fault.delay()).await;
            json(status, body)
        }
        FaultKind::ErrorAfter => server_error("Internal error"),
        FaultKind::WrongJson => {
            let half = body.len() / 2;
            json(status, body.chars().take(half).collect())
        }
        _ => json(status, body),
    }
}

/// Closes the connection without an answer.
async fn cut(parts: &Parts) -> Response {
    if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<Peer>>() {
        peer.cut();
        std::future::pending::<()>().await;
    }
    let mut response = json(StatusCode::BAD_GATEWAY, String::new());
    response.extensions_mut().insert(NoAnswer);
    response
}

/// A success envelope.
pub fn success(data: Option<&str>) -> String {
    let object = Object::new().plain("success", true).plain("code", 0);
    match data {
        Some(data) => object.raw("data", data).build(),
        None => object.build(),
    }
}

/// A failure envelope.
pub fn refused(refusal: &Refusal) -> String {
    Object::new().plain("success", false).plain("code", refusal.code).text("message", &refusal.message).build()
}

fn error_body(message: &str) -> String {
    Object::new().plain("code", 500).text("message", message).build()
}

fn server_error(message: &str) -> Response {
    json(StatusCode::INTERNAL_SERVER_ERROR, error_body(message))
}

/// A JSON response.
pub fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
