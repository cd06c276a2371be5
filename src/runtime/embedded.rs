//! The embedded exchange of a paper session: the simulator, over loopback on its own thread, or
//! joined in memory under virtual time. Either way the adapter speaks to it as to any exchange.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::Request;
use tokio::sync::{mpsc, oneshot};

use super::gateway::panic_text;
use crate::clock::Clock;
use crate::exchange::mexc::{Channels, HttpRequest, HttpResponse, Link, Sent, Transport, TransportError};
use crate::simulator::{InMemory, Server, Settings, SimulatorError};

/// Where an embedded exchange listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// REST.
    pub rest: String,
    /// WebSocket.
    pub ws: String,
}

/// What an embedded exchange on its own thread has to say, in this order: where it listens or why
/// it does not, then at most one end.
#[derive(Debug)]
pub struct Loopback {
    /// Where it listens, once it does.
    pub ready: oneshot::Receiver<Result<Addresses, SimulatorError>>,
    /// How it ended without being asked.
    pub ended: mpsc::UnboundedReceiver<ExchangeEnd>,
    /// Stops it when dropped.
    pub stop: Stop,
}

/// How an embedded exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeEnd {
    /// Its recorded market is over.
    MarketOver,
    /// It failed.
    Failed(String),
}

/// Stops the exchange's thread when dropped, and waits for it.
#[derive(Debug)]
pub struct Stop {
    ask: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Stop {
    fn drop(&mut self) {
        drop(self.ask.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was told through `ended`.
            let _ = thread.join();
        }
    }
}

/// Starts the exchange on a free port of loopback, on its own thread.
///
/// # Errors
/// When the system has no thread left.
pub fn start(settings: Settings, clock: Clock) -> std::io::Result<Loopback> {
    let (tell_ready, ready) = oneshot::channel();
    let (tell_end, ended) = mpsc::unbounded_channel();
    let (ask, asked) = oneshot::channel::<()>();
    let thread = std::thread::Builder::new().name("exchange".into()).spawn(move || {
        let end = tell_end.clone();
        let run = std::panic::AssertUnwindSafe(|| serve(&settings, clock, tell_ready, asked, &tell_end));
        if let Err(panic) = std::panic::catch_unwind(run) {
            let what = format!("the embedded exchange ended by a defect: {}", panic_text(panic.as_ref()));
            // The session may be gone already.
            let _ = end.send(ExchangeEnd::Failed(what));
        }
    })?;
    Ok(Loopback { ready, ended, stop: Stop { ask: Some(ask), thread: Some(thread) } })
}

fn serve(
    settings: &Settings,
    clock: Clock,
    tell_ready: oneshot::Sender<Result<Addresses, SimulatorError>>,
    asked: oneshot::Receiver<()>,
    tell_end: &mpsc::UnboundedSender<ExchangeEnd>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            drop(tell_ready);
            let _ = tell_end.send(ExchangeEnd::Failed(format!("the embedded exchange cannot start: {error}")));
            return;
        }
    };
    runtime.block_on(async {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = match Server::start(settings, listen, clock).await {
            Ok(server) => server,
            Err(error) => {
                let _ = tell_ready.send(Err(error));
                return;
            }
        };
        let _ = tell_ready.send(Ok(Addresses { rest: server.rest_url(), ws: server.ws_url() }));
        let recorded = server.ended();
        tokio::pin!(asked);
        tokio::select! {
            biased;
            _ = &mut asked => return,
            result = server.finished() => {
                let _ = tell_end.send(match result {
                    Ok(()) if *recorded.borrow() => ExchangeEnd::MarketOver,
                    Ok(()) => ExchangeEnd::Failed("the embedded exchange's market stopped".into()),
                    Err(error) => ExchangeEnd::Failed(error.to_string()),
                });
            }
        }
        // It goes on answering until the session has ended.
        let _ = asked.await;
    });
}

/// The link to an exchange in the same task.
pub fn link(exchange: &Arc<InMemory>) -> Link {
    let streams = Arc::clone(exchange);
    let connect = Channels::shared(move || {
        let pair = streams.connect();
        Ok((pair.to_exchange, pair.from_exchange))
    });
    Link::new(Arc::new(InProcess(Arc::clone(exchange))), connect)
}

/// Requests into the simulator's router. A connection that the simulator would close without an
/// answer is an error here too.
struct InProcess(Arc<InMemory>);

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        request.leave()?;
        let HttpRequest { method, path_and_query, headers, body, timeout, .. } = request;
        let mut http = Request::builder()
            .method(method)
            .uri(path_and_query)
            .body(body)
            .map_err(|error| TransportError { sent: Sent::No, message: error.to_string() })?;
        *http.headers_mut() = headers;
        let answer = match tokio::time::timeout(timeout, self.0.call(http)).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                let message = "the connection was closed without an answer".to_owned();
                return Err(TransportError { sent: Sent::Maybe, message });
            }
            Err(_) => return Err(TransportError { sent: Sent::TimedOut, message: "no answer in time".into() }),
        };
        let retry_after = answer
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.trim().parse().ok())
            .map(std::time::Duration::from_secs);
        let status = answer.status().as_u16();
        let body: Bytes = answer.into_body();
        Ok(HttpResponse { status, retry_after, body })
    }
}
