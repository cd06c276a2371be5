//! The seam between the adapter and the wire: one request, one response, and a statement of whether
//! a request that failed can have been sent.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;

/// The largest body that is read; the largest known answer, all contract details, is about 2 MB.
pub const MAX_BODY: usize = 32 * 1024 * 1024;

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
    /// The longest it may take, from connecting to the last byte of the answer, in real time.
    pub timeout: Duration,
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

/// The time of a `Retry-After` header in seconds; dates are not understood.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get("retry-after")?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
