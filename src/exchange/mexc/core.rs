//! One call: wait for a slot, sign, send once, and say what can be told of the outcome.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use serde_json::value::RawValue;

use super::AGENT;
use super::codes::{Call, Verdict};
use super::judge::{Judged, judge, unanswered};
use super::limiter::{Group, Lane, Limiter};
use super::notices::Notices;
use super::peer::{Challenge, Peer};
use super::sign::Signer;
use super::transport::{HttpRequest, Sent, Transport, TransportError};
use super::venue_clock::{Best, VenueClock, offset_of};
use super::wire::{Int, WireError};
use crate::clock::Clock;
use crate::exchange::{Departure, Fate};
use crate::model::{
    CallError, CallGroup, ClockOffset, ErrorClass, Push, Refusal, SessionTime, VenueTime, escape_controls,
};

const API_KEY: HeaderName = HeaderName::from_static("apikey");
const REQUEST_TIME: HeaderName = HeaderName::from_static("request-time");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const LANGUAGE: HeaderName = HeaderName::from_static("language");

/// The longest that an entry waits here, for two readings of one clock that are a little apart: it is
/// paced before, where price and risk are looked at again when its turn comes.
const ENTRY_PATIENCE: Duration = Duration::from_millis(100);
/// A peer that does not answer its challenge is given another after this time.
const CHALLENGED_EVERY: Duration = Duration::from_secs(1);
/// Text of the exchange is cut to this many characters.
const LONGEST_MESSAGE: usize = 300;
/// The largest answer that is neither a list nor the contracts: 50 outcomes of cancels are 5 kB.
pub const SMALL: usize = 1024 * 1024;
/// The largest list: 20,000 rows of known size.
pub const LIST: usize = 16 * 1024 * 1024;
/// The largest answer of all contracts; it is about 2 MB.
pub const CONTRACTS: usize = 32 * 1024 * 1024;

const REVOKED: &str = "not sent: it was taken back before it left";
const NO_SLOT: &str = "not sent: our own rate limit had no free slot in time";
const ASK_TIME: &str = "ask the exchange's time";

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
    /// The exchange's clock.
    pub venue_clock: VenueClock,
    /// Whether the peer may be signed for.
    pub peer: Peer,
    /// What is told unasked.
    pub notices: Notices,
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
    /// The largest answer that is read, bytes.
    pub most_body: usize,
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
        peer: Peer,
    ) -> Self {
        let (venue_clock, notices) = (VenueClock::default(), Notices::default());
        Self { clock, signer, transport, limiter, call_timeout, venue_clock, peer, notices }
    }

    /// The exchange's time by our clock and the last measurement.
    pub fn venue_now(&self) -> VenueTime {
        self.venue_clock.at(self.clock.now())
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
        let patience = match (group, ask.lane) {
            (Group::Orders, Lane::Entry) => ENTRY_PATIENCE,
            _ => self.call_timeout,
        };
        let ready = self.ready((name, about), group, ask.lane, patience);
        match departure {
            None => ready.await?,
            Some(departure) => tokio::select! {
                biased;
                () = departure.revoked() => return Err(revoked(failure(ErrorClass::NeverLeft, false, None, REVOKED))),
                ready = ready => ready?,
            },
        }
        let (stamped_at, stamped_with) = (self.clock.now(), self.venue_clock.offset_us());
        let sending = self.transport.send(HttpRequest { departure: departure.cloned(), ..self.request(ask) });
        let sent = match departure {
            None => sending.await,
            // Whoever waits for a connection waits no longer: a placement that is revoked cannot leave.
            Some(departure) => tokio::select! {
                biased;
                () = departure.revoked() => Err(TransportError { sent: Sent::No, message: String::new() }),
                sent = sending => sent,
            },
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                let error = match departure.map_or(Fate::Left, Departure::close) {
                    Fate::Revoked => return Err(revoked(failure(ErrorClass::NeverLeft, false, None, REVOKED))),
                    Fate::NeverLeft => TransportError { sent: Sent::No, ..error },
                    Fate::Left => error,
                };
                self.heard_nothing(&error);
                return Err(failure(class_unanswered(&error, call), true, None, &unanswered(&error)));
            }
        };
        let (verdict, code, text) = match judge(&response) {
            Judged::Data(data) => {
                self.limiter.answered(group);
                return read(data).map_err(|error| {
                    let class = if call == Call::Place { ErrorClass::Ambiguous } else { ErrorClass::Retryable };
                    failure(class, false, None, &format!("the answer cannot be used: {error}"))
                });
            }
            Judged::Failed { verdict, code, text } => (verdict, code, text),
        };
        let Verdict { outcome, refusal, counts } = verdict;
        let error = CallError { refusal, ..failure(outcome.class(call), counts, code, &text) };
        match refusal {
            Refusal::TooFrequent => self.keep_silent(group, response.retry_after, name),
            // If it fails the next such refusal measures again.
            Refusal::ClockWrong => self.correct_clock(stamped_at).await,
            // A wrong time stamp can make a signature wrong too.
            _ if code == Some(602) && self.venue_clock.is_old(self.clock.now()) => {
                self.correct_clock(stamped_at).await;
                if self.venue_clock.has_moved_from(stamped_with) {
                    return Err(CallError { class: ErrorClass::Retryable, refusal: Refusal::ClockWrong, ..error });
                }
            }
            _ => {}
        }
        Err(error)
    }

    /// Waits until a call may leave: the peer is who it should be, and a slot is free.
    async fn ready(&self, named: (&str, &str), group: Group, lane: Lane, patience: Duration) -> Result<(), CallError> {
        self.prove_peer(named).await?;
        match self.limiter.slot(group, lane, patience).await {
            Ok(()) => Ok(()),
            Err(_) => {
                let error = self.failure(named, ErrorClass::NeverLeft, false, None, NO_SLOT);
                Err(CallError { refusal: Refusal::NoSlot, ..error })
            }
        }
    }

    /// Asks a peer that must prove to be a simulator for its proof, unless it has given it.
    ///
    /// # Errors
    /// When it gives none: nothing may be signed for it or sent to it.
    pub async fn prove_peer(&self, named: (&str, &str)) -> Result<(), CallError> {
        if self.peer.is_proven() {
            return Ok(());
        }
        let mut refused_until = self.peer.refused_until.lock().await;
        if self.peer.is_proven() {
            return Ok(());
        }
        let refused = || {
            let what = "nothing was signed or sent: the exchange did not prove that it is a simulator of perpdeck, \
                        and a relay on this machine can lead to the real exchange. Start `perpdeck sim` there, or, \
                        for a test server, set exchange.paper_peer = \"any\" (PERPDECK_EXCHANGE_PAPER_PEER=any)";
            let error = self.failure(named, ErrorClass::AccessRefused, false, None, what);
            CallError { refusal: Refusal::Access, ..error }
        };
        if refused_until.is_some_and(|until| self.clock.now() < until) {
            return Err(refused());
        }
        match self.challenge().await {
            Some(Ok(true)) => {
                self.peer.prove();
                Ok(())
            }
            Some(Ok(false)) | None => {
                *refused_until = Some(Peer::again(self.clock.now()));
                Err(refused())
            }
            Some(Err(error)) => {
                let what = format!("nothing was signed or sent, the peer could not be asked who it is: {error}");
                Err(self.failure(named, ErrorClass::Retryable, true, None, &what))
            }
        }
    }

    /// Whether the peer meets a challenge; `None` when the system gives no randomness. Everything waits for it,
    /// so a question without an answer is put again every second beside the ones before.
    async fn challenge(&self) -> Option<Result<bool, String>> {
        let mut asked = FuturesUnordered::new();
        loop {
            let challenge = Challenge::new()?;
            asked.push(async move {
                let request = challenge.request(self.clock.network_timeout(self.call_timeout));
                let response = self.transport.send(request).await.map_err(|error| error.to_string())?;
                match judge(&response) {
                    _ if challenge.is_met_by(&response) => Ok(true),
                    // Whoever is too busy or has failed has not said who it is.
                    Judged::Failed { verdict, text, .. }
                        if matches!(verdict.refusal, Refusal::TooFrequent | Refusal::Internal) =>
                    {
                        Err(text)
                    }
                    _ => Ok(false),
                }
            });
            tokio::select! {
                biased;
                answer = asked.next() => return answer,
                () = tokio::time::sleep(self.clock.network_timeout(CHALLENGED_EVERY)) => {}
            }
        }
    }

    /// A connection that could not be made or that broke: the next may lead to somebody else.
    fn heard_nothing(&self, error: &TransportError) {
        if error.sent != Sent::TimedOut {
            self.peer.forget();
        }
    }

    fn keep_silent(&self, group: Group, for_how_long: Option<Duration>, name: &str) {
        let for_how_long = self.limiter.silence(group, for_how_long);
        let calls = if group == Group::Orders { CallGroup::Placements } else { CallGroup::Other };
        self.notices.tell(Push::Silenced { for_how_long, call: name.to_owned(), calls });
    }

    /// Measures the exchange's clock against ours; requests are stamped by it from then on. The
    /// shortest of a few round trips counts.
    ///
    /// # Errors
    /// When the exchange does not say its time.
    pub async fn measure(&self) -> Result<ClockOffset, CallError> {
        self.measured(Lane::Account).await
    }

    /// Measures at once and of its own accord, because the exchange refused what was stamped at this
    /// time of ours, unless that was done since; whoever listens to the stream is told. That it failed
    /// shows in what is refused next.
    pub async fn correct_clock(&self, stamped_at: SessionTime) {
        // In the first lane: an exit may wait for it. Boxed, for it seldom happens.
        if let Ok(offset) = Box::pin(self.measured_since(stamped_at)).await {
            self.notices.tell(Push::Clock(offset));
        }
    }

    /// The measurement since this time, made now where there is none.
    async fn measured_since(&self, stamped_at: SessionTime) -> Result<ClockOffset, CallError> {
        let _one_at_a_time = self.venue_clock.measuring.lock().await;
        match self.venue_clock.measured_after(stamped_at) {
            Some(done) => Ok(done),
            None => self.measured(Lane::Cancel).await,
        }
    }

    async fn measured(&self, lane: Lane) -> Result<ClockOffset, CallError> {
        let mut best = Best::default();
        loop {
            match self.ask_time(lane).await {
                Ok(trip) if best.add(trip) => {}
                Err(error) if best.offset().is_none() => return Err(error),
                Ok(_) | Err(_) => break,
            }
        }
        let Some(offset) = best.offset() else {
            return Err(self.failure((ASK_TIME, ""), ErrorClass::Retryable, false, None, "nothing was measured"));
        };
        self.venue_clock.set(self.clock.now(), offset);
        Ok(offset)
    }

    async fn ask_time(&self, lane: Lane) -> Result<ClockOffset, CallError> {
        let failure = |class, counts, code, what: &str| self.failure((ASK_TIME, ""), class, counts, code, what);
        // Waiting for a slot is not part of the round trip.
        self.ready((ASK_TIME, ""), Group::General, lane, self.call_timeout).await?;
        let asked = self.clock.now();
        let request = self.request(Ask {
            name: ASK_TIME,
            about: "",
            call: Call::Read,
            group: Group::General,
            lane,
            path: "/api/v1/contract/ping",
            most_body: SMALL,
            payload: Payload::Public(String::new()),
        });
        let response = match self.transport.send(request).await {
            Ok(response) => response,
            Err(error) => {
                self.heard_nothing(&error);
                return Err(failure(ErrorClass::Retryable, true, None, &unanswered(&error)));
            }
        };
        let answered = self.clock.now();
        match judge(&response) {
            Judged::Data(Some(data)) => match serde_json::from_str::<Int>(data.get()) {
                Ok(Int(told)) => {
                    self.limiter.answered(Group::General);
                    Ok(offset_of(asked, answered, VenueTime::from_millis(told)))
                }
                Err(error) => {
                    Err(failure(ErrorClass::Retryable, false, None, &format!("the answer is no time: {error}")))
                }
            },
            Judged::Data(None) => Err(failure(ErrorClass::Retryable, false, None, "the answer names no time")),
            Judged::Failed { verdict, code, text } => {
                if verdict.refusal == Refusal::TooFrequent {
                    self.keep_silent(Group::General, response.retry_after, ASK_TIME);
                }
                let class = verdict.outcome.class(Call::Read);
                Err(CallError { refusal: verdict.refusal, ..failure(class, verdict.counts, code, &text) })
            }
        }
    }

    /// The request, stamped and signed now.
    fn request(&self, ask: Ask<'_>) -> HttpRequest {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(LANGUAGE, HeaderValue::from_static("English"));
        headers.insert(USER_AGENT, AGENT);
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
        HttpRequest { method, path_and_query, headers, body, most_body: ask.most_body, timeout, departure: None }
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
        let gap = if about.is_empty() { "" } else { " " };
        let message = format!("{name}{gap}{about}: {}", self.for_people(what));
        CallError { class, counts, code, refusal: Refusal::Unspecified, message }
    }

    /// Text of the exchange without keys, cut and escaped.
    pub fn for_people(&self, text: &str) -> String {
        let redacted = self.signer.redact(text);
        let cut: String = redacted.chars().take(LONGEST_MESSAGE).collect();
        escape_controls(&cut).into_owned()
    }
}

/// Whether a request without an answer can have been done.
const fn class_unanswered(error: &TransportError, call: Call) -> ErrorClass {
    match (error.sent, call) {
        (Sent::Maybe | Sent::TimedOut, Call::Place) => ErrorClass::Ambiguous,
        _ => ErrorClass::Retryable,
    }
}

fn revoked(error: CallError) -> CallError {
    CallError { refusal: Refusal::Revoked, ..error }
}
