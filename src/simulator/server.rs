//! The simulator on a real socket, and in memory.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::error::SimulatorError;
use super::http::{self, Doors, NoAnswer, Peer};
use super::settings::Settings;
use super::shared::Shared;
use super::ws::{self, SocketPair};
use crate::clock::Clock;

/// A simulator that listens on a TCP address. Dropping it stops it at once, without a word to
/// anybody; what it has answered is durable long before.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    ended: watch::Receiver<bool>,
    serving: JoinHandle<()>,
    driving: JoinHandle<Result<(), SimulatorError>>,
}

impl Server {
    /// Starts on an address (port 0 takes a free one); must be called inside a runtime.
    ///
    /// # Errors
    /// When the address is taken, or the books cannot be opened.
    pub async fn start(settings: &Settings, listen: SocketAddr, clock: Clock) -> Result<Self, SimulatorError> {
        let failed = |source| SimulatorError::Listen { address: listen.to_string(), source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Shared::open(settings, clock)?;
        let ended = shared.ended();
        let router = http::router(Arc::clone(&shared)).into_make_service_with_connect_info::<Peer>();
        let serving = tokio::spawn(async move {
            // Never ends by itself: accept errors are waited out inside.
            let _ = axum::serve(Doors(listener), router).await;
        });
        let driving = tokio::spawn(Arc::clone(&shared).drive());
        Ok(Self { shared, address, ended, serving, driving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base of the REST addresses: `http://127.0.0.1:4100`.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Address of the WebSocket: `ws://127.0.0.1:4100/edge`.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/edge", self.address)
    }

    /// Becomes true when a recorded market has come to its end.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.clone()
    }

    /// Waits until the recorded market ends or the books cannot be written any more; forever with
    /// invented markets that work.
    ///
    /// # Errors
    /// When the books cannot be written.
    pub async fn finished(&mut self) -> Result<(), SimulatorError> {
        match (&mut self.driving).await {
            Ok(result) => result,
            Err(_) => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
        self.driving.abort();
        // Connections end by themselves; until they do they must not hold the books open.
        self.shared.lock().stop();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A simulator without sockets, for sessions that must be the same every time: the same router, and
/// channels that carry the WebSocket's frames.
pub struct InMemory {
    shared: Arc<Shared>,
    router: Router,
    driving: JoinHandle<Result<(), SimulatorError>>,
}

impl InMemory {
    /// Opens it inside a runtime; with [`crate::clock::Speed::Max`] that runtime's time is paused.
    ///
    /// # Errors
    /// When the books cannot be opened.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, SimulatorError> {
        let shared = Shared::open(settings, clock)?;
        let router = http::router(Arc::clone(&shared));
        let driving = tokio::spawn(Arc::clone(&shared).drive());
        Ok(Self { shared, router, driving })
    }

    /// The router itself, for `tower::ServiceExt::oneshot`. A response with [`NoAnswer`] among its
    /// extensions stands for a connection that was closed without an answer.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// One call, whole.
    ///
    /// # Errors
    /// [`NoAnswer`] when the connection would have been closed without an answer.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, NoAnswer> {
        let request = request.map(axum::body::Body::from);
        let Ok(response) = self.router.clone().oneshot(request).await;
        if response.extensions().get::<NoAnswer>().is_some() {
            return Err(NoAnswer);
        }
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| NoAnswer)?;
        Ok(Response::from_parts(parts, body))
    }

    /// Opens a WebSocket that is a pair of channels.
    pub fn connect(&self) -> SocketPair {
        ws::attach(&self.shared)
    }

    /// The true books, as `GET /sim/ledger` answers them, without moving time.
    pub fn ledger(&self) -> String {
        self.shared.lock().books.venue.ledger()
    }

    /// Becomes true when a recorded market has come to its end.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.shared.ended()
    }
}

impl std::fmt::Debug for InMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InMemory").finish_non_exhaustive()
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        self.driving.abort();
        self.shared.lock().stop();
    }
}
