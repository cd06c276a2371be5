//! The independent server as a process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::python_or_skip;

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/switched_mexc.py");

/// A server that answers; it ends with this.
#[derive(Debug)]
pub struct Independent {
    process: Child,
    port: u16,
    log: PathBuf,
    _dir: tempfile::TempDir,
}

impl Independent {
    /// A new one; `None` where the test may be skipped.
    pub fn start() -> Option<Self> {
        let python = python_or_skip("aiohttp", "3.14.5")?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.jsonl");
        let process = Command::new(python)
            .arg(SERVER)
            .arg(port.to_string())
            .arg(&log)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let server = Self { process, port, log, _dir: dir };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the independent server did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    pub fn rest_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}/edge", self.port)
    }

    /// Runs Python statements in the server; gives what they put into `out`, as JSON.
    pub fn control(&self, code: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "POST /ctl HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{code}",
            code.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{code}: {answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// This path is answered so, so many times.
    pub fn says(&self, path: &str, status: u16, body: &str, times: u32, kind: &str) {
        self.control(&format!("R['answers']['/api/v1/{path}'] = [{status}, {body:?}, {times}, '{kind}']"));
    }

    /// Every request and frame, one JSON object a line.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Independent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
