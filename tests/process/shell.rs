//! Nothing can block or mute the engine: outputs that nobody reads, starts that do not come about,
//! signals, stops, and a program that stood still.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use perpdeck::model::{CommandStatus, Event};
use serde_json::{Value, json};

use super::child::{Process, perpdeck};
use super::exchange::Exchange;
use super::kill::SPEED;
use super::ledger;

/// Far longer than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The facts that are on disk, also of a session that runs.
fn facts(data_dir: &Path) -> Vec<Event> {
    let Ok(entries) = perpdeck::journal::read(&perpdeck::runtime::journal_of(data_dir)) else { return Vec::new() };
    entries
        .map_while(Result::ok)
        .filter_map(|entry| perpdeck::model::read_event(entry.schema, &entry.body).ok())
        .collect()
}

fn is_done(data_dir: &Path, command: &str) -> bool {
    facts(data_dir).iter().any(|fact| {
        matches!(fact, Event::CommandMoved { id, status: CommandStatus::Done { .. }, .. } if id.as_str() == command)
    })
}

/// What the session's phases say of its end.
fn why_stopped(data_dir: &Path) -> String {
    let mut phases = facts(data_dir).into_iter().filter_map(|fact| match fact {
        Event::PhaseChanged { phase: perpdeck::model::Phase::Stopping, reason } => Some(reason),
        _ => None,
    });
    phases.next_back().unwrap_or_default()
}

fn kill(id: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success());
}

/// A session whose standard output nobody reads.
struct Unread {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Unread {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    /// Writes without waiting: a session that takes nothing must not hang the test.
    fn tell(&mut self, text: String) {
        let mut stdin = self.stdin.take().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // It may be dead.
            let _ = stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush());
            let _ = tell.send(stdin);
        });
        self.stdin = Some(told.recv_timeout(PATIENCE).expect("standard input is read whatever standard output does"));
    }

    fn end(&mut self, within: Duration) -> Option<i32> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end within {within:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // Gone already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_output_that_nobody_reads_costs_no_command_no_exit_and_no_signal() {
    let data = tempfile::tempdir().unwrap();
    let (dir, log) = (data.path().join("d"), data.path().join("d").display().to_string());
    let arguments = ["run", "--headless", "--data-dir", &log, "--market-data", "--speed", "20"];
    let mut command = perpdeck(&arguments, data.path());
    command.env("PERPDECK_RISK_MAX_PRICE_AGE", "10m").env("PERPDECK_ORDERS_SIGNAL_MAX_AGE", "10m");
    let mut session = Unread::start(command);
    // Enough answers to fill every pipe.
    session.tell("{\"id\":\"x\",\"command\":{\"action\":\"explode\"}}\n".repeat(12_000));
    until("ready", || {
        facts(&dir).iter().any(|fact| matches!(fact, Event::PhaseChanged { phase: perpdeck::model::Phase::Ready, .. }))
    });
    let mut n = 0;
    until("a position", || {
        n += 1;
        let signal = json!({"signal_type": "S1", "symbol": "BTC_USDT", "side": "buy", "quantity": "0.002"});
        session.tell(format!("{}\n", json!({"id": format!("in-{n}"), "signal": signal})));
        std::thread::sleep(Duration::from_millis(100));
        facts(&dir).iter().any(|fact| matches!(fact, Event::PositionOpened { .. }))
    });
    session.tell("{\"id\":\"halt-1\",\"command\":{\"action\":\"halt\"}}\n".to_owned());
    until("halt", || is_done(&dir, "halt-1"));
    session.tell("{\"id\":\"flat-1\",\"command\":{\"action\":\"flatten\"}}\n".to_owned());
    until("flatten", || is_done(&dir, "flat-1"));
    assert!(facts(&dir).iter().any(|fact| matches!(fact, Event::PositionClosed { .. })), "the exit was filled");
    // More events than are kept for a reader who does not read: notes of 900 kB each.
    for n in 0..24 {
        let seen = json!({"book": "x".repeat(900_000)});
        let signal = json!({"signal_type": "Z1", "symbol": "BTC_USDT", "side": "buy", "indicator_values": seen});
        session.tell(format!("{}\n", json!({"id": format!("note-{n}"), "signal": signal})));
    }
    let is_noted =
        |fact: &Event| matches!(fact, Event::SignalDecided { signal, .. } if signal.id.as_str() == "note-23");
    until("the notes", || facts(&dir).iter().any(is_noted));
    let mut said = BufReader::new(session.child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let lost = said.find(|line| line.contains("\"event\":\"events_lost\"")).expect("what was lost is told");
    let lost: Value = serde_json::from_str(&lost).unwrap();
    let (after, up_to) = (lost["after_seq"].as_u64().unwrap(), lost["up_to_seq"].as_u64().unwrap());
    assert!(after < up_to && lost["count"].as_u64().unwrap() > 0, "{lost}");
    // From there on everything is told again, and what was lost is in the journal.
    let next = said.find_map(|line| serde_json::from_str::<Value>(&line).ok()?["seq"].as_u64()).unwrap();
    assert!(next >= up_to, "{next} after {lost}");
    std::thread::spawn(move || said.for_each(drop));
    kill(session.child.id(), "-TERM");
    assert_eq!(session.end(Duration::from_secs(15)), Some(0));
    assert_eq!(why_stopped(&dir), "stop by SIGTERM");
}

/// An exchange apart, with the keys `key` and `secret`.
fn exchange(home: &Path) -> (Process, String) {
    let arguments = ["sim", "--api-key", "key", "--api-secret", "secret", "--speed", SPEED];
    let mut exchange = Process::start(perpdeck(&arguments, home));
    let url = exchange.event("ready").expect("the simulator starts")["rest"].as_str().unwrap().to_owned();
    (exchange, url)
}

/// A session on it.
fn session(home: &Path, dir: &Path, url: &str, more: &[(&str, &str)]) -> Process {
    let dir = dir.display().to_string();
    let arguments = ["run", "--headless", "--data-dir", &dir, "--exchange-url", url, "--speed", SPEED];
    let mut command = perpdeck(&arguments, home);
    command.env("PERPDECK_API_KEY", "key").env("PERPDECK_API_SECRET", "secret");
    command.env("PERPDECK_RISK_MAX_PRICE_AGE", "10m").env("PERPDECK_ORDERS_SIGNAL_MAX_AGE", "10m");
    command.env("PERPDECK_ORDERS_TIME_OUT", "1h");
    command.envs(more.iter().copied());
    Process::start(command)
}

#[test]
fn a_start_says_at_once_that_it_starts_and_every_fact_from_the_first_on() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("d");
    let (_exchange, url) = exchange(data.path());
    for start in 1..=2 {
        let mut session = session(data.path(), &dir, &url, &[]);
        session.event("ready").unwrap();
        let first = session.said[0].clone();
        assert_eq!((&first["event"], &first["exchange"]), (&json!("starting"), &json!(url)), "{first}");
        assert_eq!(first["data_dir"], dir.display().to_string());
        assert_eq!(first["session"].is_null(), start == 1, "{first}");
        let second = session.said.iter().find(|line| line["seq"].is_u64() && line["event"] != "starting").unwrap();
        let expected = if start == 1 { "session_started" } else { "session_resumed" };
        assert_eq!(second["event"], expected, "the first fact of the first step is told: {second}");
        assert_eq!(second["seq"].as_u64(), first["seq"].as_u64().map(|seq| seq + 1), "and none before it is missing");
        session.signal("-TERM");
        assert_eq!(session.end().0.code(), Some(0));
    }
}

#[test]
fn a_start_that_does_not_come_about_says_why_and_takes_commands_and_signals() {
    let data = tempfile::tempdir().unwrap();
    let (_exchange, url) = exchange(data.path());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases = [
        ("wrong key", url, ("PERPDECK_API_KEY", "somebody-else"), "position_mode"),
        ("nobody there", format!("http://{closed}"), ("PERPDECK_API_KEY", "key"), "contracts"),
    ];
    for (about, url, key, what) in cases {
        let dir = data.path().join(about);
        let begun = Instant::now();
        let mut session = session(data.path(), &dir, &url, &[key]);
        let line = session.event("waiting").unwrap_or_else(|| panic!("{about}: it lives"));
        // Three seconds, and as much again for a machine that is busy.
        assert!(begun.elapsed() < Duration::from_secs(6), "{about}: after {:?}", begun.elapsed());
        assert_eq!(line["for"], what, "{about}: {line}");
        assert!(!line["reason"].as_str().unwrap().is_empty() && line["since"].is_string(), "{about}: {line}");
        assert!(session.tell(r#"{"id":"h","command":{"action":"halt"}}"#));
        assert_eq!(session.settled("h").unwrap()["result"], "done", "{about}");
        assert!(!session.said.iter().any(|line| line["event"] == "ready"), "{about}");
        session.signal("-INT");
        let (status, errors) = session.end();
        assert_eq!(status.code(), Some(0), "{about}: {errors:?}");
        assert_eq!(why_stopped(&dir), "stop by SIGINT", "{about}");
    }
}

#[test]
fn every_signal_stops_in_order_is_named_and_twice_within_a_second_is_once() {
    let data = tempfile::tempdir().unwrap();
    for (signals, by) in [(vec!["-TERM", "-TERM"], "SIGTERM"), (vec!["-INT"], "SIGINT"), (vec!["-HUP"], "SIGHUP")] {
        let dir = data.path().join(by);
        let text = dir.display().to_string();
        let mut session = Process::start(perpdeck(&["run", "--headless", "--data-dir", &text], data.path()));
        session.event("ready").unwrap();
        for signal in signals {
            // It may have ended after the first.
            let _ = Command::new("kill").args([signal, &session.id().to_string()]).stderr(Stdio::null()).status();
        }
        let (status, errors) = session.end();
        assert_eq!(status.code(), Some(0), "{by}: {errors:?}");
        assert_eq!(why_stopped(&dir), format!("stop by {by}"));
        let stopping = session.said.iter().find(|line| line["event"] == "stopping").unwrap();
        assert_eq!(stopping["by"], by);
    }
}

#[test]
fn the_setting_session_stop_is_what_a_signal_does_with_the_exchanges_open_orders() {
    let data = tempfile::tempdir().unwrap();
    for (policy, signal, left) in [("leave", "-TERM", 1), ("cancel-entries", "-TERM", 0), ("cancel-entries", "-HUP", 0)]
    {
        let about = format!("{policy} {signal}");
        let dir = data.path().join(&about);
        let (_exchange, url) = exchange(data.path());
        let mut session = session(data.path(), &dir, &url, &[("PERPDECK_SESSION_STOP", policy)]);
        session.event("ready").unwrap();
        let entry = json!({"signal_type": "S1", "symbol": "SOL_USDT", "side": "buy", "quantity": "2", "price": "90"});
        assert!(session.tell(&json!({"id": "in", "signal": entry}).to_string()));
        assert_eq!(session.answer("in").unwrap()["result"], "accepted", "{about}");
        let resting = |line: &Value| line["event"] == "order_updated" && line["status"] == "submitted";
        assert!(session.said.iter().any(resting) || session.until(resting).is_some(), "{about}");
        let open = || {
            let books = ledger::fetch(&url);
            let orders = books["orders"].as_array().unwrap();
            orders.iter().filter(|order| matches!(order["state"].as_i64(), Some(1 | 2))).count()
        };
        until("the order at the exchange", || open() == 1);
        session.signal(signal);
        let (status, errors) = session.end();
        assert_eq!(status.code(), Some(0), "{about}: {errors:?}");
        assert_eq!(open(), left, "{about}");
    }
}

fn fault(url: &str, fault: &Value) {
    use std::io::Read as _;
    let address = url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let body = fault.to_string();
    let length = body.len();
    write!(
        stream,
        "POST /sim/faults HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    BufReader::new(stream).read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[test]
fn a_placement_that_hangs_does_not_make_an_orderly_stop_a_failure() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("d");
    let (_exchange, url) = exchange(data.path());
    // Longer than an orderly stop was once allowed to take.
    let slow = ("PERPDECK_EXCHANGE_CALL_TIMEOUT", "35s");
    let mut session = session(data.path(), &dir, &url, &[slow]);
    session.event("ready").unwrap();
    fault(&url, &json!({"kind": "hang", "endpoint": "place"}));
    let entry = json!({"signal_type": "S1", "symbol": "SOL_USDT", "side": "buy", "quantity": "2", "price": "90"});
    assert!(session.tell(&json!({"id": "in", "signal": entry}).to_string()));
    assert_eq!(session.answer("in").unwrap()["result"], "accepted");
    session.signal("-TERM");
    let (status, errors) = session.end();
    assert_eq!(status.code(), Some(0), "{errors:?}");
}

#[test]
fn a_program_that_stood_still_says_so_and_asks_anew() {
    let data = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(data.path(), &[]);
    let mut session = exchange.session_with(data.path(), &[], &[("PERPDECK_POSITIONS_SYNC_INTERVAL", "10m")]);
    session.event("ready").unwrap();
    session.signal("-STOP");
    std::thread::sleep(Duration::from_millis(6_500));
    let asked = ["private/position/open_positions", "private/account/asset/{}", "contract/ping"];
    let before = asked.map(|endpoint| exchange.asked(endpoint));
    session.signal("-CONT");
    let alert = session
        .until(|line| line["alert_type"] == "CLOCK_OFF" && line["subject"] == "suspend")
        .expect("it lives and says so");
    assert!(alert["message"].as_str().unwrap().contains("slept for"), "{alert}");
    // Nothing else would ask for positions within ten minutes.
    for (endpoint, before) in asked.into_iter().zip(before) {
        until(endpoint, || exchange.asked(endpoint) > before);
    }
    session.signal("-TERM");
    assert_eq!(session.end().0.code(), Some(0));
}
