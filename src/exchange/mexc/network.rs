//! The wire itself: HTTP/1.1 over pooled connections that are kept alive.

use std::error::Error;
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Url};

use super::address::Address;
use super::transport::{HttpRequest, HttpResponse, Sent, Transport, TransportError, retry_after};
use crate::exchange::Departure;

/// Idle connections are kept this long, so that an order seldom has to wait for a handshake: the
/// polls, two seconds apart, keep one warm for ever.
const IDLE: Duration = Duration::from_secs(90);

/// Requests over TCP, encrypted when the address says so. No proxy is used, no redirect followed
/// and nothing sent twice.
#[derive(Debug)]
pub struct Network {
    client: Client,
    base: Url,
}

impl Network {
    /// A transport to one address.
    ///
    /// # Errors
    /// When the client cannot be made (no TLS certificates on this machine).
    pub fn new(address: &Address, connect_timeout: Duration) -> Result<Self, String> {
        // Main installs the provider too; whoever is first wins and both are the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .connect_timeout(connect_timeout);
        if !address.is_encrypted() {
            // Plain HTTP is for loopback: reading the system's certificates would only cost time.
            builder = builder.tls_certs_only([]);
        }
        if let Some(sockets) = address.loopback_sockets() {
            builder = builder.resolve_to_addrs(address.host(), &sockets);
        }
        let client = builder.build().map_err(|error| describe(&error))?;
        Ok(Self { client, base: address.url().clone() })
    }

    fn url(&self, path_and_query: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = path_and_query.split_once('?').map_or((path_and_query, None), |(p, q)| (p, Some(q)));
        if self.base.path() == "/" {
            url.set_path(path);
        } else {
            url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        }
        url.set_query(query);
        url
    }
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let HttpRequest { method, path_and_query, headers, body, most_body, timeout, departure } = request;
        let mut builder = self.client.request(method, self.url(&path_and_query)).headers(headers).timeout(timeout);
        if let Some(departure) = departure {
            builder = builder.body(Body::wrap(Departing { body: Some(body), departure }));
        } else if !body.is_empty() {
            builder = builder.body(body);
        }
        let mut response = builder.send().await.map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let mut whole = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if whole.len().saturating_add(chunk.len()) > most_body {
                return Err(TransportError {
                    sent: Sent::Maybe,
                    message: format!("the answer is longer than {most_body} bytes"),
                });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(HttpResponse { status, retry_after, body: whole.into() })
    }
}

/// The body of what may be taken back. It is asked for when a connection stands and the head is ready to
/// be written, so it is here that a placement leaves; without its body a request is none. Given out once:
/// what a pooled connection fails to send is never sent again.
struct Departing {
    body: Option<Bytes>,
    departure: Departure,
}

/// The body was asked for, and must not leave.
#[derive(Debug, thiserror::Error)]
#[error("it was taken back")]
struct TakenBack;

impl http_body::Body for Departing {
    type Data = Bytes;
    type Error = TakenBack;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TakenBack>>> {
        let this = self.get_mut();
        let Some(body) = this.body.take() else { return Poll::Ready(None) };
        Poll::Ready(Some(if this.departure.leave() { Ok(Frame::data(body)) } else { Err(TakenBack) }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.as_ref().map_or(0, |body| u64::try_from(body.len()).unwrap_or(u64::MAX)))
    }
}

fn failed(error: &reqwest::Error) -> TransportError {
    let sent = if error.is_connect() || error.is_builder() {
        Sent::No
    } else if error.is_timeout() {
        Sent::TimedOut
    } else {
        Sent::Maybe
    };
    TransportError { sent, message: describe(error) }
}

/// The error with its causes and without the address.
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "no answer in time".to_owned() } else { "no answer".to_owned() };
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
