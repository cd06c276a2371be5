//! Facts that the journal has lost: whether the session was halted in them is not known, so nothing opens
//! until a person resumes; exits and cancels work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::child::{Process, perpdeck};

fn session_with(dir: &Path, url: Option<&str>, kill_at: Option<&str>) -> Process {
    let text = dir.display().to_string();
    let mut arguments = vec!["run", "--headless", "--data-dir", &text];
    if let Some(url) = url {
        arguments.extend(["--exchange-url", url]);
    }
    let mut command = perpdeck(&arguments, dir.parent().unwrap());
    command.env("PERPDECK_API_KEY", "key").env("PERPDECK_API_SECRET", "secret");
    if let Some(kill_at) = kill_at {
        command.env("PERPDECK_TEST_KILL_AT", kill_at);
    }
    Process::start(command)
}

fn session(dir: &Path) -> Process {
    session_with(dir, None, None)
}

fn stopped(mut process: Process) {
    process.signal("-TERM");
    let (status, errors) = process.end();
    assert_eq!(status.code(), Some(0), "{errors:?}");
}

fn signal(process: &mut Process, id: &str, fields: &Value) -> Value {
    assert!(process.tell(&json!({"id": id, "signal": fields}).to_string()));
    process.answer(id).expect("an answer")
}

fn command(process: &mut Process, id: &str, action: &str) -> Value {
    assert!(process.tell(&json!({"id": id, "command": {"action": action}}).to_string()));
    process.settled(id).expect("an answer")
}

fn entry(symbol: &str) -> Value {
    json!({"signal_type": "S1", "symbol": symbol, "side": "buy", "quantity": if symbol == "SOL_USDT" { "1" } else { "0.01" }})
}

fn filled(process: &mut Process, id: &str) {
    process.until(|line| line["event"] == "order_filled" && line["signal_id"] == id).expect("it is filled");
}

/// A session with a position, halted in its last facts.
fn halted(dir: &Path) {
    let mut process = session(dir);
    process.event("ready").expect("it starts");
    assert_eq!(signal(&mut process, "in", &entry("ETH_USDT"))["result"], "accepted");
    filled(&mut process, "in");
    assert_eq!(command(&mut process, "stop-it", "halt")["result"], "done");
    stopped(process);
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("journal/segment-00000000000000000001.jsonl")
}

fn copied(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Says what a start after a loss must say, and does what it must and must not do.
fn nothing_opens_until_resumed(process: &mut Process, about: &str) {
    process.event("ready").expect("it starts");
    let alert = |line: &Value| line["event"] == "risk_alert" && line["subject"] == "missing facts";
    let said = process.said.iter().find(|line| alert(line)).cloned();
    let alert = said.unwrap_or_else(|| process.until(alert).expect("it is told"));
    let message = alert["message"].as_str().unwrap();
    assert_eq!(alert["severity"], "CRITICAL", "{about}: {alert}");
    for told in ["until a person resumes", "signal id"] {
        assert!(message.contains(told), "{about}: {message}");
    }
    let halted = |line: &Value| line["event"] == "control_changed" && line["control"] == "halted";
    assert!(process.said.iter().any(halted), "{about}");
    let answer = signal(process, "new", &entry("SOL_USDT"));
    assert_ne!(answer["result"], "accepted", "{about}: {answer}");
    assert!(answer["reason"].as_str().unwrap().contains("halted"), "{about}: {answer}");
}

fn goes_on_when_resumed(process: &mut Process, about: &str) {
    let out = json!({"signal_type": "E1", "symbol": "ETH_USDT", "side": "long"});
    assert_eq!(signal(process, "out", &out)["result"], "accepted", "{about}: exits work");
    filled(process, "out");
    assert_eq!(command(process, "go", "resume")["result"], "done", "{about}");
    let again = signal(process, "again", &entry("SOL_USDT"));
    assert_eq!(again["result"], "accepted", "{about}: resuming lifts it: {again}");
    filled(process, "again");
}

#[test]
fn a_halt_in_the_part_of_a_journal_that_the_printed_advice_cut_is_not_gone() {
    for database_too in [false, true] {
        let about = format!("history database lost too: {database_too}");
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("session");
        halted(&dir);
        let text = fs::read_to_string(segment(&dir)).unwrap();
        fs::write(segment(&dir), text.replacen("\"action\":\"halt\"", "\"action\":\"hald\"", 1)).unwrap();
        let (status, errors) = session(&dir).end();
        assert_eq!(status.code(), Some(1));
        let errors = errors.join(" ");
        let advice = errors.split_once("copies everything first: ").expect("an advice").1;
        let advice = advice.split_once(". The exchange").unwrap().0;
        assert!(Command::new("sh").args(["-c", advice]).status().unwrap().success(), "{advice}");
        if database_too {
            for end in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(dir.join(format!("projections.sqlite{end}")));
            }
        }
        let mut process = session(&dir);
        nothing_opens_until_resumed(&mut process, &about);
        stopped(process);
        // It is no matter of one start.
        let mut process = session(&dir);
        assert_eq!(process.event("ready").unwrap()["control"], "halted", "{about}");
        goes_on_when_resumed(&mut process, &about);
        stopped(process);
        // And it was lifted for good.
        let mut process = session(&dir);
        assert_eq!(process.event("ready").unwrap()["control"], "running", "{about}");
        stopped(process);
    }
}

#[test]
fn a_start_that_dies_after_it_found_a_loss_does_not_hide_it_from_the_next() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("session");
    halted(&dir);
    // The end is lost without a trace in the journal; the history database knows of it.
    let text = fs::read_to_string(segment(&dir)).unwrap();
    let kept: Vec<&str> = text.lines().take_while(|line| !line.contains("\"action\":\"halt\"")).collect();
    fs::write(segment(&dir), kept.join("\n") + "\n").unwrap();
    for item in fs::read_dir(dir.join("journal")).unwrap().map(Result::unwrap) {
        if item.file_name().to_str().unwrap().starts_with("snapshot-") {
            fs::remove_file(item.path()).unwrap();
        }
    }
    let (status, _) = session_with(&dir, None, Some("after-recovery:1")).end();
    assert!(status.code().is_none(), "killed");
    let mut process = session(&dir);
    nothing_opens_until_resumed(&mut process, "second start");
    goes_on_when_resumed(&mut process, "second start");
    stopped(process);
}

fn exchange(home: &Path) -> (Process, String) {
    let mut exchange = Process::start(perpdeck(&["sim", "--api-key", "key", "--api-secret", "secret"], home));
    let url = exchange.event("ready").expect("the simulator starts")["rest"].as_str().unwrap().to_owned();
    (exchange, url)
}

/// What the exchange knows of the lost part: a resting order, a fill, both.
fn restored_backup(about: &str, lost: &[(&str, Value)], then: &str) {
    let temp = tempfile::tempdir().unwrap();
    let (_exchange, url) = exchange(temp.path());
    let (dir, backup) = (temp.path().join("session"), temp.path().join("backup"));
    let start = || session_with(&dir, Some(&url), None);
    let mut process = start();
    process.event("ready").expect("it starts");
    assert_eq!(signal(&mut process, "in", &entry("ETH_USDT"))["result"], "accepted");
    filled(&mut process, "in");
    stopped(process);
    copied(&dir, &backup);
    let mut process = start();
    process.event("ready").expect("it starts again");
    for (id, fields) in lost {
        assert_eq!(signal(&mut process, id, fields)["result"], "accepted", "{about}");
        if fields["price"].is_null() {
            filled(&mut process, id);
        }
    }
    assert_eq!(command(&mut process, "stop-it", then)["result"], "done");
    stopped(process);
    fs::remove_dir_all(&dir).unwrap();
    copied(&backup, &dir);
    let mut process = start();
    nothing_opens_until_resumed(&mut process, about);
    goes_on_when_resumed(&mut process, about);
    stopped(process);
}

#[test]
fn a_halt_or_pause_that_a_restored_backup_does_not_know_is_not_gone_when_the_exchange_knows_more() {
    let resting = json!({"signal_type": "S1", "symbol": "SOL_USDT", "side": "buy", "quantity": "1", "price": "50"});
    restored_backup("a fill", &[("fills", entry("BTC_USDT"))], "halt");
    restored_backup("a resting order", &[("rests", resting.clone())], "pause");
    restored_backup("both", &[("fills", entry("BTC_USDT")), ("rests", resting)], "halt");
}
