//! A data directory belongs to one environment, exchange and account: a start that differs is refused by
//! name before anything is sent, in every direction.

use std::path::Path;

use serde_json::Value;

use super::child::{Process, perpdeck};
use super::ledger;

fn exchange(home: &Path, key: &str) -> (Process, String) {
    let mut exchange = Process::start(perpdeck(&["sim", "--api-key", key, "--api-secret", "secret"], home));
    let url = exchange.event("ready").expect("the simulator starts")["rest"].as_str().unwrap().to_owned();
    (exchange, url)
}

/// A session on an exchange apart: paper, or live against the simulator that stands for the exchange.
fn session(dir: &Path, url: Option<&str>, key: &str, live: bool, kill_at: Option<&str>) -> Process {
    let home = dir.parent().unwrap();
    let text = dir.display().to_string();
    let mut arguments = vec!["run", "--headless", "--data-dir", &text];
    if let Some(url) = url {
        arguments.extend(["--exchange-url", url]);
    }
    let mut command;
    if live {
        arguments.push("--live");
        command = perpdeck(&arguments, home);
        let ws = format!("{}/edge", url.unwrap().replace("http://", "ws://"));
        command.env("PERPDECK_SESSION_MODE", "live").env("PERPDECK_EXCHANGE_WS_URL", ws);
    } else {
        command = perpdeck(&arguments, home);
    }
    if url.is_some() {
        command.env("PERPDECK_API_KEY", key).env("PERPDECK_API_SECRET", "secret");
    }
    if let Some(kill_at) = kill_at {
        command.env("PERPDECK_TEST_KILL_AT", kill_at);
    }
    Process::start(command)
}

fn refused(mut process: Process, what: &str, known: &str, here: &str) {
    let (status, errors) = process.end();
    let text = errors.join(" ");
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("belongs to another {what}")), "{text}");
    assert!(text.contains(&format!("are of {known}")) && text.contains(&format!("this start is {here}")), "{text}");
    assert!(text.contains("--data-dir"), "{text}");
    assert!(!text.contains("another-key"), "the key itself is never shown: {text}");
}

fn stopped(mut process: Process) {
    process.signal("-TERM");
    let (status, errors) = process.end();
    assert_eq!(status.code(), Some(0), "{errors:?}");
}

/// Places `side` and waits for the fill.
fn trade(process: &mut Process, id: &str, fields: &Value) {
    let mut signal = serde_json::json!({"symbol": "BTC_USDT"});
    for (key, value) in fields.as_object().unwrap() {
        signal[key] = value.clone();
    }
    assert!(process.tell(&serde_json::json!({"id": id, "signal": signal}).to_string()));
}

#[test]
fn a_paper_exit_in_flight_at_a_kill_is_never_sent_live() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("session");
    let (_paper_exchange, paper) = exchange(temp.path(), "key");
    let (_live_exchange, live) = exchange(temp.path(), "key");
    // The operator holds the same leg for real.
    let real = temp.path().join("real");
    let mut process = session(&real, Some(&live), "key", true, None);
    process.event("ready").expect("the live session starts");
    trade(
        &mut process,
        "mine",
        &serde_json::json!({"signal_type": "S1", "side": "buy", "quantity": "0.002", "stop_loss": "1000"}),
    );
    process.event("order_filled").unwrap();
    stopped(process);
    let before = ledger::fetch(&live);

    let mut process = session(&dir, Some(&paper), "key", false, Some("before-exit-sent:1"));
    process.event("ready").expect("the paper session starts");
    trade(&mut process, "in", &serde_json::json!({"signal_type": "S1", "side": "buy", "quantity": "0.002"}));
    process.event("order_filled").unwrap();
    trade(&mut process, "out", &serde_json::json!({"signal_type": "E1", "side": "long"}));
    let (status, _) = process.end();
    assert!(status.code().is_none(), "killed with the exit decided");

    let process = session(&dir, Some(&live), "key", true, None);
    refused(process, "environment", "paper, exchange 127.0.0.1, account 2c70e12b", "live, exchange 127.0.0.1:");
    let after = ledger::fetch(&live);
    assert_eq!(after["positions"][0]["holdVol"], before["positions"][0]["holdVol"]);
    assert_eq!(after["requests"], before["requests"], "nothing was asked for");
    assert_eq!(after["orders"].as_array().unwrap().len(), before["orders"].as_array().unwrap().len());
    // Where it belongs it goes on and is sent.
    let mut process = session(&dir, Some(&paper), "key", false, None);
    process.event("ready").expect("it starts again");
    assert!(process.tell(r#"{"id":"end","command":{"action":"flatten"}}"#));
    assert_eq!(process.settled("end").unwrap()["result"], "done");
    assert_eq!(ledger::fetch(&paper)["positions"].as_array().unwrap().len(), 0);
    stopped(process);
    // And the live directory is not taken for paper.
    let process = session(&real, Some(&paper), "key", false, None);
    refused(process, "environment", "live, exchange 127.0.0.1:", "paper, exchange 127.0.0.1");
    let process = session(&real, Some(&paper), "key", true, None);
    refused(process, "exchange", "live, exchange 127.0.0.1:", "live, exchange 127.0.0.1:");
}

#[test]
fn another_account_or_the_embedded_exchange_is_another_owner() {
    let temp = tempfile::tempdir().unwrap();
    let (apart, embedded) = (temp.path().join("apart"), temp.path().join("embedded"));
    let (_exchange, url) = exchange(temp.path(), "key");
    for (dir, url) in [(&apart, Some(url.as_str())), (&embedded, None)] {
        let mut process = session(dir, url, "key", false, None);
        process.event("ready").expect("it starts");
        stopped(process);
    }
    let (_other, other) = exchange(temp.path(), "another-key");
    let account = "paper, exchange 127.0.0.1, account ";
    refused(session(&apart, Some(&other), "another-key", false, None), "account", account, account);
    refused(session(&apart, None, "", false, None), "exchange", account, "paper, exchange embedded");
    refused(session(&embedded, Some(&url), "key", false, None), "exchange", "paper, exchange embedded", account);
    // The same exchange on another port, and the embedded one with its new keys, are the same owners.
    let (_moved, moved) = exchange(temp.path(), "key");
    for (dir, url) in [(&apart, Some(moved.as_str())), (&embedded, None)] {
        let mut process = session(dir, url, "key", false, None);
        process.event("ready").expect("it starts again");
        stopped(process);
    }
}

#[test]
fn a_mistyped_key_binds_no_directory() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("session");
    let (_exchange, url) = exchange(temp.path(), "key");
    let mut process = session(&dir, Some(&url), "kye", false, None);
    process.until(|line| line["event"] == "waiting" && line["for"] == "position_mode").expect("it says why");
    stopped(process);
    let mut process = session(&dir, Some(&url), "key", false, None);
    process.event("ready").expect("the right key is not refused");
    stopped(process);
    // From here on it belongs to that key.
    let account = "paper, exchange 127.0.0.1, account ";
    refused(session(&dir, Some(&url), "kye", false, None), "account", account, account);
}

/// The same exchange with the same books, which takes this key now.
fn rotated(home: &Path, key: &str) -> (Process, String) {
    let books = home.join("books").display().to_string();
    let arguments = ["sim", "--api-key", key, "--api-secret", "secret", "--data-dir", &books];
    let mut exchange = Process::start(perpdeck(&arguments, home));
    let url = exchange.event("ready").expect("the simulator starts")["rest"].as_str().unwrap().to_owned();
    (exchange, url)
}

#[test]
fn a_new_key_of_the_same_account_has_a_way_in_that_a_person_confirms() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("session");
    let (exchange, url) = rotated(temp.path(), "key");
    let mut process = session(&dir, Some(&url), "key", false, None);
    process.event("ready").expect("it starts");
    trade(&mut process, "in", &serde_json::json!({"signal_type": "S1", "side": "buy", "quantity": "0.002"}));
    process.event("order_filled").unwrap();
    stopped(process);
    stopped(exchange);
    let (_exchange, url) = rotated(temp.path(), "new-key");
    let (status, errors) = session(&dir, Some(&url), "new-key", false, None).end();
    assert_eq!(status.code(), Some(1));
    let text = errors.join(" ");
    assert!(text.contains("belongs to another account"), "{text}");
    // What is printed is what works; another value does not.
    let option = text.split_once("`--adopt-key ").expect("a way in").1.split_once('`').unwrap().0.to_owned();
    let adopting = |url: &str, key: &str, option: &str| {
        let text = dir.display().to_string();
        let arguments = ["run", "--headless", "--data-dir", &text, "--exchange-url", url, "--adopt-key", option];
        let mut command = perpdeck(&arguments, temp.path());
        command.env("PERPDECK_API_KEY", key).env("PERPDECK_API_SECRET", "secret");
        Process::start(command)
    };
    let account = "paper, exchange 127.0.0.1, account ";
    refused(adopting(&url, "new-key", "00000000"), "account", account, account);
    // A key that the exchange does not take changes nothing.
    let mut process = adopting(&url, "wrong-key", &option);
    process.until(|line| line["event"] == "waiting" && line["for"] == "position_mode").expect("it says why");
    stopped(process);
    let mut process = adopting(&url, "new-key", &option);
    process.event("ready").expect("it starts");
    trade(&mut process, "out", &serde_json::json!({"signal_type": "E1", "side": "long"}));
    process.until(|line| line["event"] == "order_filled" && line["signal_id"] == "out").unwrap();
    stopped(process);
    let mut process = session(&dir, Some(&url), "new-key", false, None);
    process.event("ready").expect("it belongs to the new key");
    stopped(process);
    // The option that stays in a script confirms nothing more.
    refused(adopting(&url, "wrong-key", &option), "account", account, account);
    refused(session(&dir, Some(&url), "key", false, None), "account", account, account);
}
