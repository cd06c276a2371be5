//! The wire in memory: requests go straight into an axum router, in the same task. It has no
//! sockets, so a session on a paused runtime is the same each time.

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::response::Response;
use tower::ServiceExt;

use super::transport::{HttpRequest, HttpResponse, Sent, Transport, TransportError, retry_after};

/// Requests to a router of the same process.
#[derive(Clone, Debug)]
pub struct Memory {
    router: Router,
    is_no_answer: fn(&Response) -> bool,
}

impl Memory {
    /// A transport into this router. `is_no_answer` tells the responses that stand for a connection
    /// closed without an answer; a router cannot close one.
    pub const fn new(router: Router, is_no_answer: fn(&Response) -> bool) -> Self {
        Self { router, is_no_answer }
    }
}

#[async_trait]
impl Transport for Memory {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        request.leave()?;
        let HttpRequest { method, path_and_query, headers, body, most_body, timeout, departure: _ } = request;
        let mut http = Request::builder()
            .method(method)
            .uri(path_and_query)
            .body(Body::from(body))
            .map_err(|error| TransportError { sent: Sent::No, message: error.to_string() })?;
        *http.headers_mut() = headers;
        let answer = async {
            let response = match self.router.clone().oneshot(http).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if (self.is_no_answer)(&response) {
                return Err(TransportError {
                    sent: Sent::Maybe,
                    message: "no answer: the connection was closed".into(),
                });
            }
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, most_body)
                .await
                .map_err(|error| TransportError { sent: Sent::Maybe, message: error.to_string() })?;
            Ok(HttpResponse { status: parts.status.as_u16(), retry_after: retry_after(&parts.headers), body })
        };
        match tokio::time::timeout(timeout, answer).await {
            Ok(outcome) => outcome,
            Err(_) => Err(TransportError { sent: Sent::TimedOut, message: "no answer in time".into() }),
        }
    }
}
