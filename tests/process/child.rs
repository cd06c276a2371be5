//! A perpdeck process whose lines are read as they come.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "../common/exchange_clock.rs"]
pub mod exchange_clock;

/// No condition of a test takes longer than this, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// How `perpdeck sim` is told where its clock is.
pub const CLOCK_OPTION: &str = "--clock-offset";

/// A running process.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    errors: Receiver<String>,
    /// Everything it said so far.
    pub said: Vec<Value>,
}

/// The program with these arguments, away from the user's own settings. The exchange that it brings along,
/// apart or embedded, has its clock where this run of the tests wants it.
pub fn perpdeck(arguments: &[&str], home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perpdeck"));
    command.args(arguments);
    if arguments.first() == Some(&"sim") && !arguments.iter().any(|argument| argument.starts_with(CLOCK_OPTION)) {
        command.arg(format!("{CLOCK_OPTION}={}", exchange_clock::ahead_ms()));
    }
    at_home(&mut command, home);
    command
}

/// Nothing of the user's environment, and the embedded exchange's clock where this run wants it.
pub fn at_home(command: &mut Command, home: &Path) {
    let clock = exchange_clock::ahead_ms().to_string();
    command
        .env_clear()
        .env("HOME", home)
        .env("PERPDECK_STRATEGY_ENABLED", "false")
        .env("PERPDECK_SIMULATOR_CLOCK_OFFSET_MS", clock);
}

impl Process {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stdin = child.stdin.take();
        let (tell, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if tell.send(value).is_err() {
                    return;
                }
            }
        });
        let (tell, errors) = channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, lines, errors, said: Vec::new() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line; false when it is dead.
    pub fn tell(&mut self, line: &str) -> bool {
        self.stdin.as_mut().is_some_and(|stdin| writeln!(stdin, "{line}").and_then(|()| stdin.flush()).is_ok())
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Reads until a line is as wanted; `None` when it died before.
    pub fn until(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> Option<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "not within {PATIENCE:?}; it said {:#?}",
                self.said.iter().rev().take(12).collect::<Vec<_>>()
            );
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if wanted(&line) {
                        return Some(line);
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Reads until a line is as wanted, for this long at most.
    pub fn until_within(&mut self, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let deadline = Instant::now() + patience;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.said.push(line.clone());
            if wanted(&line) {
                return Some(line);
            }
        }
        None
    }

    /// The line with this event.
    pub fn event(&mut self, name: &str) -> Option<Value> {
        self.until(|line| line["event"] == name)
    }

    /// The answer to this id.
    pub fn answer(&mut self, id: &str) -> Option<Value> {
        self.until(|line| line["event"] == "answer" && line["id"] == id)
    }

    /// The answer to this id that is on disk: on a busy disk one that says `acted` comes before it.
    pub fn settled(&mut self, id: &str) -> Option<Value> {
        self.until(|line| line["event"] == "answer" && line["id"] == id && line["result"] != "acted")
    }

    /// Sends a signal to the process, `-TERM` or the like.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success() || signal == "-KILL");
    }

    /// Waits for its end.
    pub fn end(&mut self) -> (ExitStatus, Vec<String>) {
        while self.until(|_| false).is_some() {}
        let status = self.child.wait().expect("it ends");
        (status, self.errors.iter().collect())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
