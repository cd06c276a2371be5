//! The seam below the stream: frames over a WebSocket, or over channels of the same process.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use futures_util::{SinkExt, StreamExt};
use reqwest::header::USER_AGENT;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use crate::exchange::mexc::AGENT;
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
    /// A binary frame that holds no text, packed or not.
    Binary,
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
                Some(Ok(Message::Binary(bytes))) => Ok(inflate(&bytes).map_or(Frame::Binary, Frame::Text)),
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

/// The text of a binary frame: some listeners met packed ones (gzip, zlib or bare deflate), though none
/// was asked for. What does not unpack to text of a sane size is nothing.
fn inflate(bytes: &[u8]) -> Option<Utf8Bytes> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.starts_with('{')
    {
        return Some(text.into());
    }
    let most = u64::try_from(LARGEST_FRAME).unwrap_or(u64::MAX);
    let mut text = String::new();
    let read = match bytes {
        [0x1f, 0x8b, ..] => GzDecoder::new(bytes).take(most).read_to_string(&mut text),
        [0x78, ..] => ZlibDecoder::new(bytes).take(most).read_to_string(&mut text),
        _ => DeflateDecoder::new(bytes).take(most).read_to_string(&mut text),
    };
    read.is_ok().then(|| text.into())
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
        let mut request =
            self.address.url().as_str().into_client_request().map_err(|error| format!("no connection: {error}"))?;
        request.headers_mut().insert(USER_AGENT, AGENT);
        let opened = client_async_tls_with_config(request, tcp, Some(config), None).await;
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn packed_frames_are_unpacked_and_what_holds_no_text_is_nothing() {
        let text = r#"{"channel":"pong","data":1}"#;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(text.as_bytes()).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(text.as_bytes()).unwrap();
        for packed in [gzip.finish().unwrap(), zlib.finish().unwrap(), bare.finish().unwrap(), text.into()] {
            assert_eq!(inflate(&packed).as_deref(), Some(text));
        }
        for junk in [&[0x1f, 0x8b, 0][..], &[0x78, 1, 2], &[0xff; 64], &[0xc3, 0x28]] {
            assert_eq!(inflate(junk), None, "{junk:?}");
        }
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        bomb.write_all(&vec![b'x'; 3 * LARGEST_FRAME]).unwrap();
        let unpacked = inflate(&bomb.finish().unwrap()).map_or(0, |text| text.len());
        assert!(unpacked <= LARGEST_FRAME, "{unpacked}");
    }
}
