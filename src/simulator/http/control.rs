//! The simulator's own switches under `/sim/`: faults, ledger, limits, counts, and the proof that it
//! is one. No key is needed; it listens on loopback.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::dispatch::{json, refused, success};
use crate::simulator::faults::FaultSpec;
use crate::simulator::json::{Fields, Object, array};
use crate::simulator::refusal::Refusal;
use crate::simulator::shared::Shared;
use crate::simulator::signing::query_pairs;
use crate::simulator::venue::{Answer, Command, DuplicateMode};

/// Answers a call to a switch.
pub fn answer(shared: &Shared, parts: &Parts, body: &Bytes) -> Response {
    match reply(shared, parts, body) {
        Ok(data) => json(StatusCode::OK, data),
        Err((status, message)) => json(status, refused(&Refusal::new(600, message))),
    }
}

fn reply(shared: &Shared, parts: &Parts, body: &Bytes) -> Result<String, (StatusCode, String)> {
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    let broken = |error: crate::simulator::SimulatorError| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let mut core = shared.lock();
    let now = shared.clock.now();
    let path = parts.uri.path();
    match (&parts.method, path) {
        (&Method::GET, "/sim/ledger") => {
            core.tick(now).map_err(broken)?;
            Ok(core.books.venue.ledger())
        }
        (&Method::GET, "/sim/identity") => identity(parts).map_err(bad),
        (&Method::GET, "/sim/requests") => {
            let pairs = query_pairs(parts.uri.query().unwrap_or_default());
            let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let window = find("window_ms").map_or(Ok(1_000), str::parse);
            let window = window.map_err(|_| bad("requests: window_ms is a whole number".to_owned()))?;
            Ok(core.requests.to_json(Duration::from_millis(window), find("times") == Some("1")))
        }
        (&Method::DELETE, "/sim/requests") => {
            core.requests.forget();
            Ok(success(None))
        }
        (&Method::GET, "/sim/faults") => {
            let on = core.books.venue.faults.values().filter(|fault| fault.is_on(now));
            let rows = on.map(|fault| serde_json::to_string(fault).unwrap_or_default());
            Ok(success(Some(&array(rows))))
        }
        (&Method::POST, "/sim/faults") => {
            let spec: FaultSpec = serde_json::from_slice(body).map_err(|error| bad(format!("fault: {error}")))?;
            spec.check()
                .map_err(|(key, value, allowed)| bad(format!("fault: {key} = {value}: allowed is {allowed}")))?;
            let unknown = spec.symbol.as_ref().filter(|symbol| !core.books.venue.markets.contains_key(symbol));
            if let Some(symbol) = unknown {
                return Err(bad(format!("fault: symbol {symbol} is not traded here")));
            }
            let answer = core.execute(now, &Command::FaultOn { spec: Box::new(spec) }).map_err(broken)?;
            let Answer::Id(id) = answer else { return Ok(success(None)) };
            Ok(success(Some(&Object::new().plain("id", id).build())))
        }
        (&Method::DELETE, "/sim/faults") => {
            core.execute(now, &Command::FaultOff { id: None }).map_err(broken)?;
            Ok(success(None))
        }
        (&Method::DELETE, path) => {
            let id = path.strip_prefix("/sim/faults/").and_then(|text| text.parse().ok());
            let id = id.ok_or_else(|| bad("DELETE /sim/faults or /sim/faults/<id>".to_owned()))?;
            core.execute(now, &Command::FaultOff { id: Some(id) }).map_err(broken)?;
            Ok(success(None))
        }
        (&Method::POST, "/sim/limits") => {
            let fields = Fields::parse(body).map_err(|refusal| bad(refusal.message))?;
            let on = fields.flag("on").ok().flatten();
            core.limits.on = on.ok_or_else(|| bad("limits: {\"on\":true} or {\"on\":false}".to_owned()))?;
            Ok(success(None))
        }
        (&Method::POST, "/sim/duplicates") => {
            let mode = Fields::parse(body).ok().and_then(|fields| fields.raw("mode").map(str::to_owned));
            let mode: Option<DuplicateMode> = mode.and_then(|raw| serde_json::from_str(&raw).ok());
            let allowed = "duplicates: {\"mode\":\"reject2042\"|\"return_existing\"|\"accept_then_invalidate\"}";
            let mode = mode.ok_or_else(|| bad(allowed.to_owned()))?;
            core.execute(now, &Command::Duplicates { mode }).map_err(broken)?;
            Ok(success(None))
        }
        _ => Err((
            StatusCode::NOT_FOUND,
            "known are GET /sim/ledger, GET|POST|DELETE /sim/faults, POST /sim/limits, POST /sim/duplicates, GET|DELETE /sim/requests, GET /sim/identity?challenge=<hex>".to_owned(),
        )),
    }
}

/// Longest challenge, in characters.
const LONGEST_CHALLENGE: usize = 128;

/// The proof that this is a simulator, for a paper session that is about to sign something: no
/// exchange and no relay to one answers so.
fn identity(parts: &Parts) -> Result<String, String> {
    let pairs = query_pairs(parts.uri.query().unwrap_or_default());
    let challenge = pairs.iter().find(|(key, _)| key == "challenge").map_or("", |(_, value)| value.as_str());
    let is_hex = challenge.bytes().all(|byte| byte.is_ascii_hexdigit());
    if challenge.is_empty() || challenge.len() > LONGEST_CHALLENGE || !is_hex {
        return Err("identity: challenge is 1 to 128 hexadecimal digits".to_owned());
    }
    let answer = hex::encode(Sha256::digest(format!("perpdeck-simulator:{challenge}").as_bytes()));
    let object = Object::new().text("simulator", "perpdeck").text("version", env!("CARGO_PKG_VERSION"));
    Ok(object.text("answer", &answer).build())
}
