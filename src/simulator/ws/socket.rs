//! One connection: what it asks, and the pumps between it and the hub.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::frames;
use super::hub::Topic;
use crate::model::{Symbol, VenueTime};
use crate::simulator::faults::FaultKind;
use crate::simulator::http::public::interval_seconds;
use crate::simulator::json::{Fields, unquoted};
use crate::simulator::shared::{Core, Shared};
use crate::simulator::signing::{self, Claim};

/// Without a ping for so long (of real time) the server closes.
const PING_TIMEOUT: Duration = Duration::from_mins(1);

/// Both ends of a connection that is no socket: text frames in and out.
#[derive(Debug)]
pub struct SocketPair {
    /// Frames to the exchange; dropped, the connection is closed.
    pub to_exchange: mpsc::Sender<String>,
    /// Frames from the exchange; it ends when the exchange closes.
    pub from_exchange: mpsc::Receiver<String>,
}

/// Connects without a socket.
pub fn attach(shared: &Arc<Shared>) -> SocketPair {
    let (to_exchange, inbound) = mpsc::channel(1_024);
    let (out, from_exchange) = mpsc::channel(16_384);
    let shared = Arc::clone(shared);
    tokio::spawn(async move { pump_channel(shared, inbound, out).await });
    SocketPair { to_exchange, from_exchange }
}

async fn pump_channel(shared: Arc<Shared>, mut inbound: mpsc::Receiver<String>, out: mpsc::Sender<String>) {
    let Some((id, mut frames)) = join(&shared) else { return };
    let mut deadline = Instant::now() + PING_TIMEOUT;
    loop {
        tokio::select! {
            biased;
            frame = frames.recv() => match frame {
                Some(frame) => if out.send(frame).await.is_err() { break },
                None => break,
            },
            text = inbound.recv() => match text {
                Some(text) => if hear(&shared, id, &text) { deadline = Instant::now() + PING_TIMEOUT },
                None => break,
            },
            () = tokio::time::sleep_until(deadline) => break,
        }
    }
    shared.lock().hub.leave(id);
}

/// Connects by a real WebSocket.
pub fn upgrade(shared: Arc<Shared>, request: WebSocketUpgrade) -> Response {
    request.on_upgrade(move |socket| pump_socket(shared, socket))
}

async fn pump_socket(shared: Arc<Shared>, mut socket: WebSocket) {
    let Some((id, mut frames)) = join(&shared) else { return };
    let mut deadline = Instant::now() + PING_TIMEOUT;
    loop {
        tokio::select! {
            biased;
            frame = frames.recv() => match frame {
                Some(frame) => if socket.send(Message::Text(frame.into())).await.is_err() { break },
                None => break,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    if hear(&shared, id, text.as_str()) { deadline = Instant::now() + PING_TIMEOUT }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            () = tokio::time::sleep_until(deadline) => break,
        }
    }
    shared.lock().hub.leave(id);
}

fn join(shared: &Arc<Shared>) -> Option<(u64, mpsc::Receiver<String>)> {
    let mut core = shared.lock();
    let dropped = core.socket_fault(&[FaultKind::WsDrop]).ok()?.is_some();
    (!dropped).then(|| core.hub.join())
}

/// Handles one frame of the client; true when it was a ping.
fn hear(shared: &Arc<Shared>, id: u64, text: &str) -> bool {
    let now = shared.clock.now();
    let mut core = shared.lock();
    let at = core.books.venue.stamp_at(now);
    let Ok(fields) = Fields::parse(text.as_bytes()) else {
        core.hub.send(id, frames::error("Invalid JSON", at));
        return false;
    };
    let method = fields.text("method").unwrap_or_default();
    if method == "ping" {
        core.hub.send(id, frames::pong(at));
        return true;
    }
    let param = fields.raw("param").and_then(|raw| Fields::parse(raw.as_bytes()).ok()).unwrap_or_default();
    let outcome = match method.as_str() {
        "login" => login(shared, &mut core, id, &fields, &param, at),
        "personal.filter" => filter(&mut core, id, &param),
        other => {
            if let Some(channel) = other.strip_prefix("unsub.") {
                unsubscribe(&mut core, id, channel, &param);
            } else {
                let topic = other.strip_prefix("sub.").and_then(|channel| topic(&core, channel, &param));
                subscribe(&mut core, id, other, topic, at);
            }
            return false;
        }
    };
    let frame = match outcome {
        Ok(()) => frames::ack(&method, at),
        Err(problem) => frames::error(&problem, at),
    };
    core.hub.send(id, frame);
    false
}

fn subscribe(core: &mut Core, id: u64, method: &str, topic: Option<Topic>, at: VenueTime) {
    match topic {
        Some(topic) => {
            core.hub.send(id, frames::ack(method, at));
            let Core { books, hub, .. } = core;
            hub.subscribe(id, &topic, &books.venue);
        }
        None => core.hub.send(id, frames::error(&format!("Contract or channel does not exist: {method}"), at)),
    }
}

fn unsubscribe(core: &mut Core, id: u64, channel: &str, param: &Fields) {
    let topic = topic(core, channel, param);
    if let (Some(topic), Some(session)) = (topic, core.hub.session(id)) {
        session.topics.remove(&topic);
    }
}

fn topic(core: &Core, channel: &str, param: &Fields) -> Option<Topic> {
    let symbol = || {
        let symbol = Symbol::new(&param.text("symbol")?).ok()?;
        core.books.venue.markets.contains_key(&symbol).then_some(symbol)
    };
    Some(match channel {
        "tickers" => Topic::Tickers,
        "contract" => Topic::Contract,
        "ticker" => Topic::Ticker(symbol()?),
        "deal" => Topic::Deal(symbol()?),
        "depth" => Topic::Depth(symbol()?),
        "depth.full" => {
            let limit = param.integer("limit").ok()?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(20);
            Topic::DepthFull(symbol()?, limit.clamp(1, 20))
        }
        "kline" => {
            let interval = param.text("interval").unwrap_or_else(|| "Min1".to_owned());
            interval_seconds(&interval)?;
            Topic::Kline(symbol()?, interval)
        }
        "funding.rate" => Topic::FundingRate(symbol()?),
        "index.price" => Topic::IndexPrice(symbol()?),
        "fair.price" => Topic::FairPrice(symbol()?),
        _ => return None,
    })
}

fn login(
    shared: &Shared,
    core: &mut Core,
    id: u64,
    frame: &Fields,
    param: &Fields,
    at: VenueTime,
) -> Result<(), String> {
    let (key, time, signature) = (param.text("apiKey"), param.text("reqTime"), param.text("signature"));
    let claim = Claim {
        key: key.as_deref(),
        time: time.as_deref(),
        signature: signature.as_deref(),
        window: None,
        parameters: b"",
    };
    signing::check(&shared.credentials, &claim, at, shared.slack()).map_err(|refusal| refusal.message)?;
    let quiet = [frame, param].iter().any(|fields| fields.flag("subscribe") == Ok(Some(false)));
    if let Some(session) = core.hub.session(id) {
        session.logged_in = true;
        session.private = !quiet;
    }
    Ok(())
}

fn filter(core: &mut Core, id: u64, param: &Fields) -> Result<(), String> {
    const KNOWN: [&str; 9] = [
        "order",
        "order.deal",
        "position",
        "plan.order",
        "stop.order",
        "stop.planorder",
        "risk.limit",
        "adl.level",
        "asset",
    ];
    let session = core.hub.session(id).ok_or("connection closed")?;
    if !session.logged_in {
        return Err("Not logged in".to_owned());
    }
    let rows = param.raw("filters").map_or(Ok(Vec::new()), |raw| Fields::parse_many(raw.as_bytes()));
    let mut filters = Vec::new();
    for row in rows.map_err(|refusal| refusal.message)? {
        let name = row.text("filter").unwrap_or_default();
        if !KNOWN.contains(&name.as_str()) {
            return Err(format!("Unknown filter {name:?}"));
        }
        let rules: Vec<Box<serde_json::value::RawValue>> =
            row.raw("rules").and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
        filters.push((name, rules.iter().map(|rule| unquoted(rule.get())).collect()));
    }
    session.private = true;
    session.filters = (!filters.is_empty()).then_some(filters);
    Ok(())
}
