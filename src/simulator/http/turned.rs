//! Answers that turn a call away, as the fault `refuse` words them.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::dispatch::{json, refused};
use crate::simulator::faults::FaultSpec;
use crate::simulator::refusal::Refusal;

/// The answer of a fault that refuses with a code or a status.
pub fn answer(spec: &FaultSpec) -> Response {
    let status = spec.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let mut response = match spec.code {
        Some(code) => {
            let usual = Refusal::of(code);
            let message = spec.message.clone().unwrap_or(usual.message);
            json(status, refused(&Refusal::new(code, message)))
        }
        None => page(status, spec.body.clone()),
    };
    if let Some(seconds) = spec.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What the ledger says of it.
pub fn outcome(spec: &FaultSpec) -> String {
    match (spec.code, spec.status) {
        (Some(code), _) => format!("refused {code}"),
        (None, Some(status)) => format!("http {status}"),
        (None, None) => "refuse".to_owned(),
    }
}

/// A page in HTML, as the edge or a gateway answers.
fn page(status: StatusCode, body: Option<String>) -> Response {
    let usual = || {
        let title = match status {
            StatusCode::FORBIDDEN => "Access Denied",
            other => other.canonical_reason().unwrap_or("Error"),
        };
        format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n")
    };
    let mut response = json(status, body.unwrap_or_else(usual));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}
