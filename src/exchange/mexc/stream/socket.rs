//! The seam below the stream: frames over a WebSocket, or over channels of the same process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use crate::exchange::mexc::address::Address;

/// The largest frame that is read; the largest known is a few kB.
const LARGEST_FRAME: usize = 4 * 1024 * 1024;

/// Opens connections of the stream.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Opens one connection within this real time.
    ///
    /// # Errors
    /// Why it could not be opened, for people.
    async fn connect(&self, timeout: Duration) -> Result<Socket, String>;
}

/// An open connection.
pub enum Socket {
    /// Over the network.
    Web(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    /// Over channels: to the exchange, and from it.
    Memory(mpsc::Sender<String>, mpsc::Receiver<String>),
}

/// What comes out of a connection.
pub enum Frame {
    /// A text frame.
    Text(Utf8Bytes),
    /// Something of the connection itself; only the WebSocket's own ping and pong.
    Other,
}

impl Socket {
    /// The next frame. Cancel safe.
    ///
    /// # Errors
    /// Why the connection ended.
    pub async fn next(&mut self) -> Result<Frame, String> {
        match self {
            Self::Memory(_, frames) => match frames.recv().await {
                Some(text) => Ok(Frame::Text(text.into())),
                None => Err("the exchange closed the stream".into()),
            },
            Self::Web(stream) => match stream.next().await {
                Some(Ok(Message::Text(text))) => Ok(Frame::Text(text)),
                Some(Ok(Message::Binary(_))) => {
                    Err("the exchange sent a binary frame; compression was not asked for and is not understood".into())
                }
                Some(Ok(Message::Close(frame))) => Err(frame.map_or_else(
                    || "the exchange closed the stream".into(),
                    |frame| format!("the exchange closed the stream: {} {}", frame.code, frame.reason),
                )),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Frame::Other),
                Some(Err(error)) => Err(format!("the stream broke: {error}")),
                None => Err("the stream ended".into()),
            },
        }
    }

    /// Sends a text frame.
    ///
    /// # Errors
    /// Why it could not be sent.
    pub async fn send(&mut self, text: String) -> Result<(), String> {
        match self {
            Self::Memory(frames, _) => frames.send(text).await.map_err(|_| "the exchange closed the stream".into()),
            Self::Web(stream) => {
                stream.send(Message::Text(text.into())).await.map_err(|error| format!("the stream broke: {error}"))
            }
        }
    }
}

/// Connections over the network, to one address.
#[derive(Debug)]
pub struct Dial {
    address: Address,
}

impl Dial {
    /// Connections to this address.
    pub const fn new(address: Address) -> Self {
        Self { address }
    }

    async fn open(&self) -> Result<Socket, String> {
        // A name on this machine is not resolved, so nothing can lead it elsewhere.
        let tcp = match self.address.loopback_sockets() {
            Some(sockets) => TcpStream::connect(&*sockets).await,
            None => TcpStream::connect((self.address.host(), self.address.port())).await,
        };
        let tcp = tcp.map_err(|error| format!("no connection: {error}"))?;
        tcp.set_nodelay(true).map_err(|error| format!("no connection: {error}"))?;
        // Main installs the provider too; whoever is first wins and both are the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config =
            WebSocketConfig::default().max_message_size(Some(LARGEST_FRAME)).max_frame_size(Some(LARGEST_FRAME));
        let opened = client_async_tls_with_config(self.address.url().as_str(), tcp, Some(config), None).await;
        let (stream, _) = opened.map_err(|error| format!("no connection: {error}"))?;
        Ok(Socket::Web(Box::new(stream)))
    }
}

#[async_trait]
impl Connect for Dial {
    async fn connect(&self, timeout: Duration) -> Result<Socket, String> {
        match tokio::time::timeout(timeout, self.open()).await {
            Ok(outcome) => outcome,
            Err(_) => Err("no connection in time".into()),
        }
    }
}

/// Connections over channels, made by a function; it says why when it makes none.
pub struct Channels<F>(pub F);

#[async_trait]
impl<F> Connect for Channels<F>
where
    F: Fn() -> Result<(mpsc::Sender<String>, mpsc::Receiver<String>), String> + Send + Sync,
{
    async fn connect(&self, _timeout: Duration) -> Result<Socket, String> {
        let (to, from) = (self.0)()?;
        Ok(Socket::Memory(to, from))
    }
}

impl<F> Channels<F>
where
    F: Fn() -> Result<(mpsc::Sender<String>, mpsc::Receiver<String>), String> + Send + Sync + 'static,
{
    /// Shared, as a link takes it.
    pub fn shared(make: F) -> Arc<dyn Connect> {
        Arc::new(Self(make))
    }
}
