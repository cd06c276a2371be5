//! Whether the peer of a paper session is a simulator. Loopback alone does not say so: a relay on this
//! machine can lead to the real exchange, and a paper session must neither sign for it nor trade there.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Bytes;
use rand::TryRng as _;
use rand::rngs::SysRng;
use reqwest::Method;
use reqwest::header::{HeaderMap, USER_AGENT};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

use super::AGENT;
use super::transport::{HttpRequest, HttpResponse};
use crate::model::SessionTime;

/// After a peer that is no simulator, the next question waits so long.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What the peer said when it was asked.
#[derive(Debug)]
pub struct Peer {
    proven: AtomicBool,
    must_prove: bool,
    /// Until when the last refusal holds.
    pub refused_until: tokio::sync::Mutex<Option<SessionTime>>,
}

impl Peer {
    /// A peer that must prove itself, or may be anybody.
    pub fn new(must_prove: bool) -> Self {
        Self { proven: AtomicBool::new(!must_prove), must_prove, refused_until: tokio::sync::Mutex::default() }
    }

    /// Whether it may be signed for.
    pub fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Acquire)
    }

    /// It proved to be a simulator.
    pub fn prove(&self) {
        self.proven.store(true, Ordering::Release);
    }

    /// The stream was lost, or a connection could not be made or broke: the next may lead to somebody else.
    pub fn forget(&self) {
        self.proven.store(!self.must_prove, Ordering::Release);
    }

    /// When to ask a peer again that was refused now.
    pub fn again(now: SessionTime) -> SessionTime {
        now.plus(ASKED_AGAIN_AFTER)
    }
}

/// A question that only a simulator of ours answers.
#[derive(Debug)]
pub struct Challenge(String);

impl Challenge {
    /// A new one; `None` when the system gives no randomness.
    pub fn new() -> Option<Self> {
        let mut bytes = [0_u8; 16];
        SysRng.try_fill_bytes(&mut bytes).ok()?;
        Some(Self(hex::encode(bytes)))
    }

    /// The question, unsigned and without the key.
    pub fn request(&self, timeout: Duration) -> HttpRequest {
        let mut headers = HeaderMap::with_capacity(1);
        headers.insert(USER_AGENT, AGENT);
        HttpRequest {
            method: Method::GET,
            path_and_query: format!("/sim/identity?challenge={}", self.0),
            headers,
            body: Bytes::new(),
            most_body: 4_096,
            timeout,
            departure: None,
        }
    }

    /// Whether this is the answer of a simulator.
    pub fn is_met_by(&self, response: &HttpResponse) -> bool {
        #[derive(Deserialize)]
        struct Identity {
            simulator: String,
            answer: String,
        }
        let wanted = hex::encode(Sha256::digest(format!("perpdeck-simulator:{}", self.0)));
        response.status == 200
            && serde_json::from_slice::<Identity>(&response.body)
                .is_ok_and(|told| told.simulator == "perpdeck" && told.answer == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_this_question_is_a_proof() {
        let challenge = Challenge("00".repeat(16));
        let said = |status, body: &str| {
            challenge.is_met_by(&HttpResponse { status, retry_after: None, body: body.to_owned().into() })
        };
        let answer = hex::encode(Sha256::digest(format!("perpdeck-simulator:{}", "00".repeat(16))));
        let right = format!(r#"{{"simulator":"perpdeck","answer":"{answer}"}}"#);
        assert!(said(200, &right));
        assert!(!said(404, &right) && !said(200, &right.replace("perpdeck", "other")));
        for body in ["", "{}", "<html>", r#"{"success":false,"code":404}"#, r#"{"simulator":"perpdeck","answer":""}"#] {
            assert!(!said(200, body), "{body}");
        }
        let (one, other) = (Challenge::new().unwrap(), Challenge::new().unwrap());
        assert!(one.0.len() == 32 && one.0 != other.0);
    }
}
