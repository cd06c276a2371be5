//! A real QuestDB for tests, from `tests/questdb/start`. It dies with the process that started it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use perpdeck::store::questdb::{Answer, Conf, Server};

/// A server that runs.
pub struct QuestDb {
    leash: Option<ChildStdin>,
    script: Child,
    pub port: u16,
    pub pid: u32,
    options: Vec<String>,
    /// Kept over restarts, removed at the end.
    root: Option<tempfile::TempDir>,
}

fn start_script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/questdb/start")
}

/// Whether a server can be started here. Without Java or Maven it says so aloud; where `CI=true` it
/// fails instead.
pub fn available(test: &str) -> bool {
    static KNOWN: std::sync::OnceLock<Result<(), String>> = std::sync::OnceLock::new();
    let known = KNOWN.get_or_init(|| match Command::new(start_script()).arg("--fetch").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    });
    let Err(why) = known else { return true };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "QuestDB cannot be started, and CI=true: {why}");
    // Past the capture of test output: who reads only the summary must see it too.
    let _ = writeln!(std::io::stderr().lock(), "\n*** SKIPPED {test}: no QuestDB here ({why}) ***\n");
    false
}

impl QuestDb {
    /// Starts one and waits until it answers. `options` are those of the script.
    pub fn start(options: &[&str]) -> Self {
        let root = tempfile::Builder::new().prefix("questdb").tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let options = options.iter().map(ToString::to_string).collect();
        let (script, leash, pid) = launch(port, root.path(), &options);
        let mut server = Self { leash: Some(leash), script, port, pid, options, root: Some(root) };
        server.wait();
        server
    }

    /// Its data directory.
    pub fn root(&self) -> &Path {
        self.root.as_ref().unwrap().path()
    }

    /// The connection string.
    pub fn conf_text(&self) -> String {
        format!("http::addr=127.0.0.1:{};", self.port)
    }

    /// The connection.
    pub fn conf(&self) -> Conf {
        Conf::parse(&self.conf_text()).unwrap()
    }

    /// To ask it.
    pub fn client(&self) -> Server {
        Server::new(&self.conf(), Duration::from_secs(60)).unwrap()
    }

    /// Runs a statement.
    pub fn sql(&self, statement: &str) -> Answer {
        self.client().exec(statement).unwrap()
    }

    /// The only number that a query gives.
    pub fn number(&self, query: &str) -> i64 {
        let answer = self.sql(query);
        answer.whole(0, 0).unwrap_or_else(|| panic!("{query}: {answer:?}"))
    }

    /// No file of it may grow beyond so many KiB from now on: its disk is full.
    pub fn fill_disk(&self, kib: u64) {
        let limit = format!("--fsize={}", kib * 1024);
        let done = Command::new("prlimit").args(["--pid", &self.pid.to_string(), &limit]).status().unwrap();
        assert!(done.success());
    }

    /// Ends it as a power cut of the process would: SIGKILL.
    pub fn kill(&mut self) {
        let killed = Command::new("kill").args(["-9", &self.pid.to_string()]).status().unwrap();
        assert!(killed.success());
        // The script cleans up when its leash is let go.
        self.leash = None;
        self.script.wait().unwrap();
    }

    /// Starts it again, on the same data and port.
    pub fn restart(&mut self) {
        let (script, leash, pid) = launch(self.port, self.root(), &self.options);
        (self.script, self.leash, self.pid) = (script, Some(leash), pid);
        self.wait();
    }

    fn wait(&mut self) {
        let client = Server::new(&self.conf(), Duration::from_secs(2)).unwrap();
        let give_up = Instant::now() + Duration::from_secs(120);
        while let Err(error) = client.ping() {
            // A server that wants a password is there too.
            if matches!(error, perpdeck::store::questdb::QuestDbError::Auth { .. }) {
                break;
            }
            let ended = self.script.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < give_up, "QuestDB does not start: {error}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.root().join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for QuestDb {
    fn drop(&mut self) {
        self.leash = None;
        let _ = self.script.wait();
    }
}

fn launch(port: u16, root: &Path, options: &Vec<String>) -> (Child, ChildStdin, u32) {
    let mut script = Command::new(start_script())
        .args(["--port", &port.to_string(), "--root"])
        .arg(root)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let leash = script.stdin.take().unwrap();
    let mut line = String::new();
    BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    (script, leash, u32::try_from(told["pid"].as_u64().unwrap()).unwrap())
}
