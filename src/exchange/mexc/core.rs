//! One call: wait for a slot, sign, send once, and say what can be told of the outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::codes::{Call, Verdict, known, verdict};
use super::limiter::{Group, Lane, Limiter};
use super::sign::Signer;
use super::transport::{HttpRequest, HttpResponse, Sent, Transport, TransportError};
use super::wire::{self, Envelope, Int, WireError};
use crate::clock::Clock;
use crate::exchange::Departure;
use crate::model::{CallError, ClockOffset, ErrorClass, Refusal, VenueTime, escape_controls};

const API_KEY: HeaderName = HeaderName::from_static("apikey");
const REQUEST_TIME: HeaderName = HeaderName::from_static("request-time");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const LANGUAGE: HeaderName = HeaderName::from_static("language");

/// Text of the exchange is cut to this many characters.
const LONGEST_MESSAGE: usize = 300;

const REVOKED: &str = "not sent: it was taken back before it left";
const NO_SLOT: &str = "not sent: our own rate limit had no free slot within the call time-out";

/// What all calls share.
pub struct Core {
    /// The session's clock.
    pub clock: Clock,
    /// Holds the keys.
    pub signer: Signer,
    /// Sends.
    pub transport: Arc<dyn Transport>,
    /// Paces.
    pub limiter: Limiter,
    /// The longest a call may take, in session time.
    pub call_timeout: Duration,
    /// The exchange's clock minus ours, in microseconds.
    offset: AtomicI64,
}

/// A call about to be made.
pub struct Ask<'a> {
    /// What it does, for people: `place order`.
    pub name: &'static str,
    /// What it is about: a client id, a symbol, or nothing.
    pub about: &'a str,
    /// How failures are judged.
    pub call: Call,
    /// Whose limit it counts against.
    pub group: Group,
    /// Its lane.
    pub lane: Lane,
    /// The path, from `/api` on.
    pub path: &'a str,
    /// What goes with it.
    pub payload: Payload,
}

/// What goes with a call.
pub enum Payload {
    /// A GET without keys, with its query.
    Public(String),
    /// A signed GET, with its query in signing order.
    Get(String),
    /// A signed POST, with its body.
    Post(Bytes),
}

impl Core {
    /// Shared parts of an adapter.
    pub fn new(
        clock: Clock,
        signer: Signer,
        transport: Arc<dyn Transport>,
        limiter: Limiter,
        call_timeout: Duration,
    ) -> Self {
        Self { clock, signer, transport, limiter, call_timeout, offset: AtomicI64::new(0) }
    }

    /// The exchange's time by our clock and the last measurement.
    pub fn venue_now(&self) -> VenueTime {
        VenueTime::from_micros(self.clock.now().micros().saturating_add(self.offset.load(Ordering::Relaxed)))
    }

    /// Makes a call and reads its data.
    ///
    /// # Errors
    /// Classed: whether it was surely not done, may have been done, or never will be.
    pub async fn ask<T>(
        &self,
        ask: Ask<'_>,
        read: impl FnOnce(Option<&RawValue>) -> Result<T, WireError> + Send,
    ) -> Result<T, CallError> {
        self.ask_if(ask, None, read).await
    }

    /// Makes a call that may be taken back until its first byte leaves.
    ///
    /// # Errors
    /// As [`Core::ask`]; [`ErrorClass::NeverLeft`] when it was taken back, or our own limit had no slot.
    pub async fn ask_if<T>(
        &self,
        ask: Ask<'_>,
        departure: Option<&Departure>,
        read: impl FnOnce(Option<&RawValue>) -> Result<T, WireError> + Send,
    ) -> Result<T, CallError> {
        let (name, about, call, group) = (ask.name, ask.about, ask.call, ask.group);
        let failure = |class, counts, code, what: &str| self.failure((name, about), class, counts, code, what);
        let slot = self.limiter.slot(ask.group, ask.lane, self.call_timeout);
        let slot = match departure {
            None => slot.await,
            Some(departure) => tokio::select! {
                biased;
                () = departure.revoked() => return Err(revoked(failure(ErrorClass::NeverLeft, false, None, REVOKED))),
                slot = slot => slot,
            },
        };
        if slot.is_err() {
            let error = failure(ErrorClass::NeverLeft, false, None, NO_SLOT);
            return Err(CallError { refusal: Refusal::NoSlot, ..error });
        }
        if departure.is_some_and(|departure| !departure.leave()) {
            return Err(revoked(failure(ErrorClass::NeverLeft, false, None, REVOKED)));
        }
        let response = match self.transport.send(self.request(ask)).await {
            Ok(response) => response,
            Err(error) => return Err(failure(unanswered(&error, call), true, None, &unanswered_text(&error))),
        };
        let judged = judge(&response);
        let (verdict, code, text) = match judged {
            Judged::Data(data) => {
                return read(data).map_err(|error| {
                    let class = if call == Call::Place { ErrorClass::Ambiguous } else { ErrorClass::Retryable };
                    failure(class, false, None, &format!("the answer cannot be used: {error}"))
                });
            }
            Judged::Failed { verdict, code, text } => (verdict, code, text),
        };
        match verdict {
            Verdict::TooFrequent => self.limiter.silence(group, response.retry_after),
            Verdict::StaleStamp => {
                // Boxed: measuring is itself a call. If it fails the next 513 measures again.
                let _ = Box::pin(self.measure()).await;
            }
            _ => {}
        }
        let counts = verdict.counts();
        Err(failure(verdict.class(call), counts, code, &text))
    }

    /// Measures the exchange's clock against ours; requests are stamped by it from then on.
    ///
    /// # Errors
    /// When the exchange does not say its time.
    pub async fn measure(&self) -> Result<ClockOffset, CallError> {
        // Waiting for a slot is not part of the round trip.
        let failure =
            |class, counts, code, what: &str| self.failure(("ask the exchange's time", ""), class, counts, code, what);
        if self.limiter.slot(Group::General, Lane::Read, self.call_timeout).await.is_err() {
            let error = failure(ErrorClass::NeverLeft, false, None, NO_SLOT);
            return Err(CallError { refusal: Refusal::NoSlot, ..error });
        }
        let asked = self.clock.now();
        let request = self.request(Ask {
            name: "ask the exchange's time",
            about: "",
            call: Call::Read,
            group: Group::General,
            lane: Lane::Read,
            path: "/api/v1/contract/ping",
            payload: Payload::Public(String::new()),
        });
        let response = match self.transport.send(request).await {
            Ok(response) => response,
            Err(error) => return Err(failure(ErrorClass::Retryable, true, None, &unanswered_text(&error))),
        };
        let answered = self.clock.now();
        let told = match judge(&response) {
            Judged::Data(Some(data)) => serde_json::from_str::<Int>(data.get()).map_err(|error| {
                failure(ErrorClass::Retryable, false, None, &format!("the answer is no time: {error}"))
            })?,
            Judged::Data(None) => return Err(failure(ErrorClass::Retryable, false, None, "the answer names no time")),
            Judged::Failed { verdict, code, text } => {
                if verdict == Verdict::TooFrequent {
                    self.limiter.silence(Group::General, response.retry_after);
                }
                return Err(failure(verdict.class(Call::Read), verdict.counts(), code, &text));
            }
        };
        let round_trip = answered.since(asked);
        let middle = asked.plus(round_trip / 2);
        let offset_us = VenueTime::from_millis(told.0).micros().saturating_sub(middle.micros());
        self.offset.store(offset_us, Ordering::Relaxed);
        Ok(ClockOffset { offset_us, round_trip_us: u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX) })
    }

    /// The request, stamped and signed now.
    fn request(&self, ask: Ask<'_>) -> HttpRequest {
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(LANGUAGE, HeaderValue::from_static("English"));
        let with_query =
            |query: &str| if query.is_empty() { ask.path.to_owned() } else { format!("{}?{query}", ask.path) };
        let (method, path_and_query, body) = match ask.payload {
            Payload::Public(query) => (Method::GET, with_query(&query), Bytes::new()),
            Payload::Get(query) => {
                self.sign(&mut headers, query.as_bytes());
                (Method::GET, with_query(&query), Bytes::new())
            }
            Payload::Post(body) => {
                self.sign(&mut headers, &body);
                (Method::POST, ask.path.to_owned(), body)
            }
        };
        let timeout = self.clock.network_timeout(self.call_timeout);
        HttpRequest { method, path_and_query, headers, body, timeout }
    }

    fn sign(&self, headers: &mut HeaderMap, parameters: &[u8]) {
        let time = self.venue_now().millis().to_string();
        let signature = self.signer.signature(&time, parameters);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(API_KEY, self.signer.key_header());
        // Digits and hex digits are always header values; were they not, the exchange would refuse.
        if let (Ok(time), Ok(mut signature)) = (HeaderValue::try_from(time), HeaderValue::try_from(signature)) {
            signature.set_sensitive(true);
            headers.insert(REQUEST_TIME, time);
            headers.insert(SIGNATURE, signature);
        }
    }

    /// An error for people: which call, about what, what happened; escaped, cut, without keys.
    pub fn failure(
        &self,
        (name, about): (&str, &str),
        class: ErrorClass,
        counts: bool,
        code: Option<i32>,
        what: &str,
    ) -> CallError {
        let redacted = self.signer.redact(what);
        let cut: String = redacted.chars().take(LONGEST_MESSAGE).collect();
        let gap = if about.is_empty() { "" } else { " " };
        let message = format!("{name}{gap}{about}: {}", escape_controls(&cut));
        CallError { class, counts, code, refusal: Refusal::Unspecified, message }
    }
}

fn revoked(error: CallError) -> CallError {
    CallError { refusal: Refusal::Revoked, ..error }
}

/// What an answer says.
enum Judged<'a> {
    Data(Option<&'a RawValue>),
    Failed { verdict: Verdict, code: Option<i32>, text: String },
}

fn judge(response: &HttpResponse) -> Judged<'_> {
    let status = response.status;
    let by_status =
        |verdict, what: &str| Judged::Failed { verdict, code: None, text: format!("HTTP status {status}: {what}") };
    match status {
        200..=299 => match wire::read(&response.body) {
            Ok(Envelope::Success(data)) => Judged::Data(data),
            Ok(Envelope::Failure { code, message }) => refused(code, &message),
            // An answer that is not the protocol's comes from something that is not the exchange,
            // or from one that is broken: what became of the request is not known.
            Err(error) => Judged::Failed { verdict: Verdict::Failed, code: None, text: error.to_string() },
        },
        429 => by_status(Verdict::TooFrequent, "too many requests"),
        300..=399 => by_status(Verdict::Refused, "the address leads elsewhere, and redirects are not followed"),
        408 | 500..=599 => by_status(Verdict::Failed, "the exchange or a server before it failed"),
        _ => match wire::read(&response.body) {
            Ok(Envelope::Failure { code, message }) => refused(code, &message),
            _ if status == 401 || status == 403 => by_status(Verdict::AccessRefused, "access refused"),
            _ => by_status(Verdict::Refused, "refused"),
        },
    }
}

fn refused<'a>(code: i32, message: &str) -> Judged<'a> {
    let meaning = known(code).map_or("a code that is not documented", |known| known.meaning);
    Judged::Failed {
        verdict: verdict(code),
        code: Some(code),
        text: format!("refused with code {code} ({meaning}): {message}"),
    }
}

fn unanswered(error: &TransportError, call: Call) -> ErrorClass {
    match (error.sent, call) {
        (Sent::Maybe | Sent::TimedOut, Call::Place) => ErrorClass::Ambiguous,
        _ => ErrorClass::Retryable,
    }
}

fn unanswered_text(error: &TransportError) -> String {
    match error.sent {
        Sent::No => format!("not sent, no connection: {error}"),
        Sent::Maybe => format!("sent, but {error}"),
        Sent::TimedOut => format!("sent, but {error}: the call time-out is over"),
    }
}
