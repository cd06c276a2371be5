//! The seam between the adapter and the wire: one request, one response, and a statement of whether
//! a request that failed can have been sent.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::exchange::Departure;

/// A request, signed and complete.
pub struct HttpRequest {
    /// GET or POST.
    pub method: Method,
    /// From the first slash on, encoded.
    pub path_and_query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; empty for GET.
    pub body: Bytes,
    /// The largest answer that is read, bytes.
    pub most_body: usize,
    /// The longest it may take, from connecting to the last byte of the answer, in real time.
    pub timeout: Duration,
    /// Of what may be taken back until it leaves: asked before the first byte, when all that is needed
    /// to send is there.
    pub departure: Option<Departure>,
}

impl HttpRequest {
    /// Whether it may leave now; asked once, by who sends it.
    ///
    /// # Errors
    /// It was taken back.
    pub fn leave(&self) -> Result<(), TransportError> {
        if self.departure.as_ref().is_none_or(Departure::leave) {
            return Ok(());
        }
        Err(TransportError { sent: Sent::No, message: "it was taken back".into() })
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path_and_query)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// How long to keep silent, when the answer says so (`Retry-After` in seconds).
    pub retry_after: Option<Duration>,
    /// The whole body.
    pub body: Bytes,
}

/// What is known of a request that has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte of it left: there was no connection.
    No,
    /// It may have arrived.
    Maybe,
    /// It may have arrived; the time was up.
    TimedOut,
}

/// A request that has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// Whether it can have been sent.
    pub sent: Sent,
    /// What went wrong, without address and secrets.
    pub message: String,
}

/// Sends requests.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends a request once and reads the whole answer. Never follows a redirect.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError>;
}

/// The time of a `Retry-After` header in seconds, however many; what is no whole number of seconds (a
/// date, a negative number) says nothing.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_retry_after_that_makes_no_sense_is_none_and_a_huge_one_is_huge() {
        for (text, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            let headers = HeaderMap::from_iter([(reqwest::header::RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{text:?}");
        }
    }
}
