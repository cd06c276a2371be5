//! A data directory that is full or read-only: the real thing, not a fake disk.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::child::{Process, perpdeck};
use super::kill::{SPEED, burst};
use super::ledger;

/// A way to take the space away from a running session, and to give it back.
trait Disk {
    /// The data directory on it.
    fn data_dir(&self) -> PathBuf;
    fn fill(&mut self, session: &Process);
    fn free(&mut self, session: &Process);
    /// What the system says of a write that does not fit.
    fn says(&self) -> &'static str;
}

/// Files may not grow beyond what the journal has (`RLIMIT_FSIZE`, set from outside): for everybody.
struct Limited(tempfile::TempDir);

impl Limited {
    fn limit(session: &Process, bytes: &str) {
        let limit = format!("--fsize={bytes}:unlimited");
        let set = Command::new("prlimit").args(["--pid", &session.id().to_string(), &limit]).status();
        assert!(set.expect("prlimit (util-linux) runs").success());
    }
}

impl Disk for Limited {
    fn data_dir(&self) -> PathBuf {
        self.0.path().join("d")
    }

    fn fill(&mut self, session: &Process) {
        let journal = perpdeck::runtime::journal_of(&self.data_dir());
        let sizes = std::fs::read_dir(journal).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
        Self::limit(session, &(sizes.max().unwrap() + 100).to_string());
    }

    fn free(&mut self, session: &Process) {
        // A limit ends with its process.
        if !Path::new(&format!("/proc/{}", session.id())).exists() {
            return;
        }
        Self::limit(session, "unlimited");
    }

    fn says(&self) -> &'static str {
        "File too large"
    }
}

/// A file system of four megabytes in memory: for root.
struct Small(tempfile::TempDir);

impl Small {
    fn mounted() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "none"]).arg(place.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(place)),
            other => {
                println!("skipped: a tmpfs cannot be mounted here (needs root): {other:?}");
                None
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }
}

impl Disk for Small {
    fn data_dir(&self) -> PathBuf {
        self.0.path().join("d")
    }

    fn fill(&mut self, _: &Process) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }

    fn free(&mut self, _: &Process) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn says(&self) -> &'static str {
        "No space left"
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// An exchange that has all the space it wants.
fn exchange(home: &Path) -> (Process, String) {
    let arguments = ["sim", "--api-key", "key", "--api-secret", "secret", "--speed", SPEED];
    let mut exchange = Process::start(perpdeck(&arguments, home));
    let url = exchange.event("ready").expect("the simulator starts")["rest"].as_str().unwrap().to_owned();
    (exchange, url)
}

fn start(data_dir: &Path, url: &str, home: &Path) -> Process {
    let dir = data_dir.display().to_string();
    let arguments = ["run", "--headless", "--data-dir", &dir, "--exchange-url", url, "--speed", SPEED];
    let mut command = perpdeck(&arguments, home);
    command.env("PERPDECK_API_KEY", "key").env("PERPDECK_API_SECRET", "secret");
    command.env("PERPDECK_RISK_MAX_PRICE_AGE", "10m").env("PERPDECK_ORDERS_SIGNAL_MAX_AGE", "10m");
    Process::start(command)
}

fn tell(session: &mut Process, id: &str, fields: &Value) {
    assert!(session.tell(&json!({"id": id, "signal": fields}).to_string()));
}

fn journal_alert(session: &mut Process, status: &str) -> Value {
    let wanted = |line: &Value| {
        line["event"] == "risk_alert"
            && line["alert_type"] == "JOURNAL_FAILED"
            && (line["status"] == status || status == "raised" && line["status"] == "repeated")
    };
    session.until(wanted).expect("it lives")
}

fn flat_and_ended(mut session: Process, url: &str, data_dir: &Path, about: &str) {
    assert!(session.tell(r#"{"id":"end","command":{"action":"flatten"}}"#));
    assert_eq!(session.answer("end").expect("an answer")["result"], "done", "{about}");
    let books = ledger::fetch(url);
    session.signal("-TERM");
    let (status, errors) = session.end();
    assert_eq!(status.code(), Some(0), "{about}: {errors:?}");
    ledger::agree(&books, data_dir, about);
}

const ENTRY: &str = r#"{"signal_type":"S1","symbol":"ETH_USDT","side":"buy","quantity":"0.01"}"#;

/// Full: entries are not sent, exits are, and all of it is written when there is space again.
fn full_and_free_again(mut disk: impl Disk, about: &str) {
    let home = tempfile::tempdir().unwrap();
    let (_exchange, url) = exchange(home.path());
    let mut session = start(&disk.data_dir(), &url, home.path());
    session.event("ready").expect("it starts");
    burst(&mut session, about);
    let entry: Value = serde_json::from_str(ENTRY).unwrap();

    disk.fill(&session);
    // The next facts (a sync) do not fit any more.
    let alert = journal_alert(&mut session, "raised");
    let message = alert["message"].as_str().unwrap();
    assert_eq!(alert["severity"], "CRITICAL", "{about}: {alert}");
    assert!(message.contains(disk.says()) && message.contains("no new entries"), "{about}: {message}");
    tell(&mut session, "too-late", &entry);
    tell(&mut session, "out", &json!({"signal_type": "E1", "symbol": "SOL_USDT", "side": "long"}));
    let out = session.until(|line| line["event"] == "order_filled" && line["signal_id"] == "out");
    assert!(out.is_some(), "{about}: an exit leaves all the same");
    let answered = |line: &Value| line["event"] == "answer" && (line["id"] == "too-late" || line["id"] == "out");
    assert!(!session.said.iter().any(answered), "{about}: acknowledged before it is on disk");
    let at_exchange = |books: &Value, symbol: &str| {
        books["orders"].as_array().unwrap().iter().filter(|order| order["symbol"] == symbol).count()
    };
    assert_eq!(at_exchange(&ledger::fetch(&url), "ETH_USDT"), 0, "{about}: no entry leaves");

    disk.free(&session);
    let late = session.answer("too-late").expect("an answer, now that it is on disk");
    assert!(late["reason"].as_str().unwrap().contains("the journal cannot be written"), "{about}: {late}");
    if !session.said.iter().any(|line| line["alert_type"] == "JOURNAL_FAILED" && line["status"] == "cleared") {
        journal_alert(&mut session, "cleared");
    }
    tell(&mut session, "again", &entry);
    let again = session.until(|line| line["event"] == "order_filled" && line["signal_id"] == "again");
    assert!(again.is_some(), "{about}: it trades on");
    flat_and_ended(session, &url, &disk.data_dir(), about);

    let mut next = start(&disk.data_dir(), &url, home.path());
    assert_eq!(next.event("ready").expect("it starts again")["starts"], 2, "{about}");
    next.signal("-TERM");
    assert_eq!(next.end().0.code(), Some(0), "{about}");
}

/// Killed while full: what was acknowledged is there when it starts again.
fn killed_while_full(mut disk: impl Disk, about: &str) {
    let home = tempfile::tempdir().unwrap();
    let (_exchange, url) = exchange(home.path());
    let mut session = start(&disk.data_dir(), &url, home.path());
    session.event("ready").expect("it starts");
    burst(&mut session, about);
    disk.fill(&session);
    journal_alert(&mut session, "raised");
    session.signal("-KILL");
    session.end();
    disk.free(&session);
    let mut session = start(&disk.data_dir(), &url, home.path());
    session.event("ready").expect("it starts again");
    flat_and_ended(session, &url, &disk.data_dir(), about);
}

/// A halt on a full disk acts, and is not answered as done: a restart does not know of it.
fn halted_while_full(mut disk: impl Disk, about: &str) {
    let home = tempfile::tempdir().unwrap();
    let (_exchange, url) = exchange(home.path());
    let mut session = start(&disk.data_dir(), &url, home.path());
    session.event("ready").expect("it starts");
    assert!(session.tell(r#"{"id":"before","command":{"action":"pause"}}"#));
    assert_eq!(session.answer("before").expect("an answer")["result"], "done", "{about}");
    disk.fill(&session);
    journal_alert(&mut session, "raised");
    assert!(session.tell(r#"{"id":"stop-it","command":{"action":"halt"}}"#));
    let answer = session.answer("stop-it").expect("an answer");
    assert_eq!((&answer["result"], &answer["on_disk"]), (&json!("acted"), &json!(false)), "{about}: {answer}");
    assert!(answer["reason"].as_str().unwrap().contains(disk.says()), "{about}: {answer}");
    let halted = |line: &Value| line["event"] == "control_changed" && line["control"] == "halted";
    assert!(session.said.iter().any(halted), "{about}: it acts at once");
    session.signal("-KILL");
    session.end();
    let done = |line: &&Value| line["event"] == "answer" && line["result"] == "done";
    let told: Vec<&Value> = session.said.iter().filter(done).collect();
    assert_eq!(told.len(), 1, "{about}: {told:?}");
    disk.free(&session);
    let mut session = start(&disk.data_dir(), &url, home.path());
    let ready = session.event("ready").expect("it starts again");
    assert_eq!(ready["control"], "paused", "{about}: what was answered as done is there, and no more was");
    session.signal("-TERM");
    assert_eq!(session.end().0.code(), Some(0), "{about}");
}

#[test]
fn a_command_that_is_not_on_disk_is_not_answered_as_done_and_the_restart_is_as_told() {
    halted_while_full(Limited(tempfile::tempdir().unwrap()), "file size limit");
}

#[test]
fn a_command_on_a_full_file_system_is_answered_as_acted_on_and_not_on_disk() {
    if let Some(disk) = Small::mounted() {
        halted_while_full(disk, "small file system");
    }
}

#[test]
fn a_full_disk_stops_entries_loses_nothing_and_is_over_when_there_is_space() {
    full_and_free_again(Limited(tempfile::tempdir().unwrap()), "file size limit");
}

#[test]
fn a_small_file_system_that_is_full_stops_entries_and_loses_nothing() {
    if let Some(disk) = Small::mounted() {
        full_and_free_again(disk, "small file system");
    }
}

#[test]
fn killed_on_a_small_file_system_that_is_full_it_starts_again_with_all_it_said() {
    if let Some(disk) = Small::mounted() {
        killed_while_full(disk, "killed while full");
    }
}

#[test]
fn a_start_on_a_full_file_system_says_so() {
    let Some(disk) = Small::mounted() else { return };
    let mut file = std::fs::File::create(disk.filler()).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    let home = tempfile::tempdir().unwrap();
    let dir = disk.data_dir().display().to_string();
    let output = perpdeck(&["run", "--headless", "--data-dir", &dir], home.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&dir) && error.contains("No space left"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

/// The program as somebody who is not root, because root may write everywhere.
fn unprivileged(arguments: &[&str], home: &Path) -> Option<Command> {
    use std::os::unix::fs::PermissionsExt as _;
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout.trim_ascii() != b"0" {
        return Some(perpdeck(arguments, home));
    }
    // A copy where anybody may run it: the build directory may be closed to others.
    let copy = home.join("perpdeck");
    std::fs::copy(env!("CARGO_BIN_EXE_perpdeck"), &copy).unwrap();
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy).args(arguments);
    if Command::new("setpriv").arg("--version").output().is_err() {
        println!("skipped: root may write everywhere, and setpriv (util-linux) is not here to become somebody else");
        return None;
    }
    Some(command)
}

#[test]
fn a_read_only_data_directory_is_named_with_the_way_out_and_nothing_is_changed() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("read-only");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("VERSION"), "1\n").unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o555)).unwrap();
    let text = dir.display().to_string();
    let Some(mut command) = unprivileged(&["run", "--headless", "--data-dir", &text], home.path()) else { return };
    for path in [&dir, &dir.join("VERSION")] {
        // What another user owns is refused before that. Who is not root owns it already.
        let _ = std::os::unix::fs::chown(path, Some(65534), None);
    }
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&text) && error.contains("Permission denied") && error.contains("--data-dir"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    let left: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["VERSION"]);
}
