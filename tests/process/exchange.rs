//! The simulated exchange as a process of its own, with its switches, and a session beside it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::child::{Process, perpdeck};
use super::ledger;

/// `perpdeck sim`, running.
pub struct Exchange {
    /// Its address.
    pub rest: String,
    key: String,
    secret: String,
    /// Ends with this.
    _process: Process,
}

impl Exchange {
    /// Calm, unless more is said.
    pub fn start(home: &Path, more: &[&str]) -> Self {
        let mut arguments = vec!["sim", "--listen", "127.0.0.1:0"];
        arguments.extend(more);
        let mut process = Process::start(perpdeck(&arguments, home));
        let ready = process.event("ready").expect("the exchange is up");
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self { rest: text("rest"), key: text("api_key"), secret: text("api_secret"), _process: process }
    }

    /// A headless session on it.
    pub fn session(&self, dir: &Path, more: &[&str]) -> Process {
        self.session_with(dir, more, &[])
    }

    /// The same with settings from its environment.
    pub fn session_with(&self, dir: &Path, more: &[&str], settings: &[(&str, &str)]) -> Process {
        let data = dir.join("data").display().to_string();
        let mut arguments = vec!["run", "--headless", "--data-dir", &data, "--exchange-url", &self.rest];
        arguments.extend(more);
        let mut command = perpdeck(&arguments, dir);
        command.env("PERPDECK_API_KEY", &self.key).env("PERPDECK_API_SECRET", &self.secret);
        command.envs(settings.iter().copied());
        Process::start(command)
    }

    /// Sets a switch.
    pub fn fault(&self, spec: &Value) {
        let answer = self.ask("POST", "/sim/faults", &spec.to_string());
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }

    /// Contracts of a position by its true books.
    pub fn held(&self, symbol: &str) -> String {
        let ledger = ledger::fetch(&self.rest);
        let position = ledger["positions"].as_array().unwrap().iter().find(|row| row["symbol"] == symbol).cloned();
        position.map_or_else(|| "0".to_owned(), |row| row["holdVol"].to_string())
    }

    /// How many requests of a class it has seen.
    pub fn seen(&self, class: &str) -> u64 {
        let answer = self.ask("GET", "/sim/requests", "");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let rows = body["classes"].as_array().unwrap();
        rows.iter().find(|row| row["class"] == class).map_or(0, |row| row["count"].as_u64().unwrap())
    }

    /// When it saw requests of a class, by its session's clock, in microseconds; in order.
    pub fn times(&self, class: &str) -> Vec<i64> {
        let answer = self.ask("GET", "/sim/requests?times=1", "");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let rows = body["requests"].as_array().unwrap().iter().filter(|row| row["class"] == class);
        let mut times: Vec<i64> =
            rows.flat_map(|row| row["times"].as_array().unwrap()).map(|at| at.as_i64().unwrap()).collect();
        times.sort_unstable();
        times
    }

    /// What that clock shows.
    pub fn now(&self) -> i64 {
        ledger::fetch(&self.rest)["now"].as_i64().unwrap()
    }

    /// When fills happened by it, as exact as their stamps.
    pub fn fills(&self) -> Vec<i64> {
        let ledger = ledger::fetch(&self.rest);
        let ahead = ledger["clock"].as_i64().unwrap() - ledger["now"].as_i64().unwrap();
        let fills = ledger["fills"].as_array().unwrap();
        fills.iter().map(|fill| fill["timestamp"].as_i64().unwrap() * 1_000 - ahead).collect()
    }

    /// How many requests it has seen at a path, as the exchange names it: `private/order/create`.
    pub fn asked(&self, endpoint: &str) -> u64 {
        let answer = self.ask("GET", "/sim/requests", "");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let rows = body["requests"].as_array().unwrap();
        rows.iter().filter(|row| row["endpoint"] == endpoint).map(|row| row["count"].as_u64().unwrap()).sum()
    }

    /// What another client of the same account asks, signed.
    pub fn by_hand(&self, path: &str, body: &Value) -> Value {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let time = (i64::try_from(since).unwrap() + super::child::exchange_clock::ahead_ms()).to_string();
        let body = body.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(format!("{}{time}{body}", self.key).as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let headers = format!("ApiKey: {}\r\nRequest-Time: {time}\r\nSignature: {signature}\r\n", self.key);
        let answer = self.ask_with("POST", path, &headers, &body);
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// A request to its switches, without a signature; the answer, whole.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        self.ask_with(method, path, "", body)
    }

    fn ask_with(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let address = self.rest.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).expect("the exchange listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

/// A market entry or exit as a line.
pub fn signal(id: &str, kind: &str, symbol: &str, side: &str, quantity: &str) -> String {
    json!({"id": id, "signal": {"signal_id": id, "signal_type": kind, "symbol": symbol, "side": side,
        "quantity": quantity}})
    .to_string()
}
