//! The least client that can sign: a bare socket, so that a closed connection is seen as one.

use std::fmt::Write as _;
use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::Request;
use hmac::{Hmac, KeyInit, Mac};
use perpdeck::clock::wall_time;
use perpdeck::model::SessionTime;
use perpdeck::simulator::Credentials;
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEY: &str = "mx0testkey";
const SECRET: &str = "testsecret";

/// The pair that the tests' simulators accept.
pub fn credentials() -> Credentials {
    Credentials::new(KEY, SECRET)
}

/// The body of an order at 3x, isolated.
pub fn symbol_body(symbol: &str, side: u8, kind: u8, vol: u32) -> String {
    format!(r#"{{"symbol":"{symbol}","vol":{vol},"side":{side},"type":{kind},"openType":1,"leverage":3}}"#)
}

#[derive(Clone, Debug)]
pub struct Client {
    pub address: SocketAddr,
    pub secret: String,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, secret: SECRET.to_owned() }
    }

    fn sign(&self, time: &str, parameters: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(format!("{KEY}{time}{parameters}").as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// The login frame of now.
    pub fn login(&self) -> String {
        self.login_at(wall_time())
    }

    /// The login frame of a time.
    pub fn login_at(&self, now: SessionTime) -> String {
        let time = now.millis().to_string();
        let signature = self.sign(&time, "");
        format!(r#"{{"method":"login","param":{{"apiKey":"{KEY}","reqTime":"{time}","signature":"{signature}"}}}}"#)
    }

    /// A switch of the simulator.
    pub async fn fault(&self, spec: Value) {
        let answer = self.post("/sim/faults", &spec.to_string()).await.unwrap();
        assert_eq!(answer["success"], Value::Bool(true), "{answer}");
    }

    /// All switches off.
    pub async fn healthy(&self) {
        self.raw("DELETE", "/sim/faults", "").await.unwrap();
    }

    /// Head and body as they came.
    pub async fn whole(&self, method: &str, path: &str, body: &str) -> String {
        let text = self.text(method, path, body, wall_time());
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// A signed request of another time.
    pub async fn at(&self, now: SessionTime, path: &str) -> Value {
        let text = self.text("GET", path, "", now);
        serde_json::from_str(&self.exchange(&text).await.unwrap().1).unwrap()
    }

    fn text(&self, method: &str, path: &str, body: &str, now: SessionTime) -> String {
        let request = self.request(method, path, body, now);
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in request.headers() {
            write!(text, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
        }
        write!(text, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        text
    }

    /// A signed request.
    pub fn request(&self, method: &str, path: &str, body: &str, now: SessionTime) -> Request<Bytes> {
        let time = now.millis().to_string();
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let signature = self.sign(&time, if method == "GET" { query } else { body });
        Request::builder()
            .method(method)
            .uri(path)
            .header("ApiKey", KEY)
            .header("Request-Time", time)
            .header("Signature", signature)
            .body(Bytes::from(body.to_owned()))
            .unwrap()
    }

    /// Status and body; `None` when the connection is closed without an answer.
    pub async fn raw(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let text = self.text(method, path, body, wall_time());
        self.exchange(&text).await
    }

    async fn exchange(&self, text: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    pub async fn get(&self, path: &str) -> Option<Value> {
        serde_json::from_str(&self.raw("GET", path, "").await?.1).ok()
    }

    pub async fn post(&self, path: &str, body: &str) -> Option<Value> {
        serde_json::from_str(&self.raw("POST", path, body).await?.1).ok()
    }

    /// A read without a signature.
    pub async fn unsigned(&self, path: &str) -> Value {
        let text = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        serde_json::from_str(&self.exchange(&text).await.unwrap().1).unwrap()
    }
}
