//! How the program behaves towards scripts and people.

use std::process::Command;

use serde_json::Value;

use super::child::{Process, perpdeck};

fn run(arguments: &[&str], home: &std::path::Path) -> (Option<i32>, String, String) {
    let output = perpdeck(arguments, home).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn headless(dir: &std::path::Path, more: &[&str]) -> Process {
    let text = dir.display().to_string();
    let mut arguments = vec!["run", "--headless", "--data-dir", &text];
    arguments.extend(more);
    Process::start(perpdeck(&arguments, dir))
}

#[test]
fn i35_sigterm_leaves_working_orders_lists_them_and_ends_with_0() {
    let data = tempfile::tempdir().unwrap();
    let fast = ["--speed", super::kill::SPEED];
    let mut session = headless(&data.path().join("d"), &fast);
    let ready = session.event("ready").unwrap();
    assert!(ready["exchange"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(session.said[0]["event"], "starting", "it is the first line");
    super::kill::burst(&mut session, "before the stop");
    assert!(session.tell(r#"{"id":"clear","command":{"action":"cancel_all"}}"#));
    assert_eq!(session.settled("clear").unwrap()["result"], "done");
    assert!(
        session.tell(
            r#"{"id":1,"signal":{"signal_type":"S1","symbol":"SOL_USDT","side":"buy","quantity":2,"price":90.5}}"#
        )
    );
    let answer = session.answer("1").unwrap();
    assert_eq!(answer["result"], "accepted", "{answer}");
    assert!(session.until(|line| line["event"] == "order_updated" && line["status"] == "submitted").is_some());
    session.close_stdin();
    session.signal("-TERM");
    let stopping = session.event("stopping").unwrap();
    assert_eq!(stopping["working_orders"][0]["price"], "90.5");
    assert_eq!(stopping["working_orders"].as_array().unwrap().len(), 1);
    let (status, errors) = session.end();
    assert_eq!(status.code(), Some(0), "{errors:?}");

    let mut again = headless(&data.path().join("d"), &fast);
    let ready = again.event("ready").unwrap();
    assert_eq!(ready["starts"], 2);
    assert!(again.tell(r#"{"id":"c","command":{"action":"flatten"}}"#));
    let answer = again.settled("c").unwrap();
    assert_eq!(answer["result"], "done", "{answer}");
    let books = super::ledger::fetch(ready["exchange"].as_str().unwrap());
    again.signal("-INT");
    assert_eq!(again.end().0.code(), Some(0));
    super::ledger::agree(&books, &data.path().join("d"), "after a stop");
}

#[test]
fn bad_lines_are_answered_with_their_number_and_the_session_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let mut session = headless(&data.path().join("d"), &[]);
    session.event("ready").unwrap();
    assert!(session.tell("{not json"));
    assert_eq!(session.event("error").unwrap()["line"], 1);
    for (id, signal, expected) in [
        ("u", r#"{"signal_type":"S1","symbol":"NOPE_USDT","side":"buy","quantity":1}"#, "NOPE_USDT"),
        ("m", r#"{"signal_type":"S1","symbol":"BTC_USDT","side":"buy","quantity":"0.00000001"}"#, "minimum"),
        ("s", r#"{"signal_type":"S1","symbol":"BTC_USDT","side":"buy","quantity":"0.00005"}"#, "0.0001"),
        ("t", r#"{"signal_type":"BUY","symbol":"BTC_USDT","side":"buy","quantity":1}"#, "BUY"),
        ("n", r#"{"signal_type":"S1","symbol":"BTC_USDT","side":"buy","quantity":"1e999"}"#, "1e999"),
    ] {
        assert!(session.tell(&format!(r#"{{"id":"{id}","signal":{signal}}}"#)));
        let answer = session.answer(id).unwrap();
        assert_eq!(answer["result"], "rejected", "{answer}");
        assert!(answer["reason"].as_str().unwrap().contains(expected), "{answer}");
    }
    session.signal("-TERM");
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn the_dashboard_without_a_terminal_points_to_headless() {
    let data = tempfile::tempdir().unwrap();
    let (code, out, err) = run(&[], data.path());
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("not a terminal") && err.contains("--headless"), "{err}");
}

#[test]
fn i37_a_second_session_on_a_data_directory_is_refused_by_name() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("d");
    let mut first = headless(&dir, &[]);
    first.event("ready").unwrap();
    let (code, _, err) = run(&["run", "--headless", "--data-dir", &dir.display().to_string()], data.path());
    assert_eq!(code, Some(1));
    assert!(err.contains("in use by another perpdeck"), "{err}");
    first.signal("-TERM");
    assert_eq!(first.end().0.code(), Some(0));
}

#[test]
fn mistakes_name_the_value_and_the_way_out() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("empty.csv");
    std::fs::write(&file, "").unwrap();
    let rows = |lines: &[&str]| {
        ["time,open,high,low,close,volume"].iter().chain(lines).copied().collect::<Vec<_>>().join("\n")
    };
    let (a, b, c) = ("1636934400000,1,1,1,1,1", "1636934700000,1,1,1,1,1", "1636936500000,1,1,1,1,1");
    for (name, text) in [
        ("cut.csv", rows(&[a, b, "16369"])),
        ("unsorted.csv", rows(&[b, a])),
        ("gap.csv", rows(&[a, b, c])),
        ("words.csv", "hello\nworld\n".to_owned()),
    ] {
        std::fs::write(data.path().join(name), text).unwrap();
    }
    let config = data.path().join("typo.toml");
    std::fs::write(&config, "[risk]\nmax_positon_pct = 5\n").unwrap();
    let old = data.path().join("old");
    std::fs::create_dir(&old).unwrap();
    std::fs::write(old.join("VERSION"), "99\n").unwrap();
    let home = data.path();
    let dir = |name: &str| home.join(name).display().to_string();
    let cases: Vec<(Vec<String>, i32, &str)> = vec![
        (vec!["--speed".into(), "fast".into()], 2, "fast"),
        (vec!["--seed".into(), "x".into()], 2, "x"),
        (vec!["--scenario".into(), "calmer".into()], 1, "calmer"),
        (vec!["--candles".into(), format!("XRP_USDT={}", file.display())], 1, "empty.csv"),
        (vec!["--candles".into(), format!("XRP_USDT={}", dir("cut.csv"))], 1, "cut.csv:4: \"16369\" has 1 columns"),
        (
            vec!["--candles".into(), dir("unsorted.csv")],
            1,
            "unsorted.csv:3: time 2021-11-15T00:00:00.000Z is not after",
        ),
        (vec!["--candles".into(), dir("gap.csv")], 1, "gap.csv:4: gap: 2021-11-15T00:05:00.000Z is followed by"),
        (vec!["--candles".into(), dir("words.csv")], 1, "words.csv:1: the header has no column for time"),
        (vec!["--candles".into(), dir("nowhere.csv")], 1, "nowhere.csv"),
        (vec!["--data-dir".into(), "/dev/null".into()], 1, "/dev/null"),
        (vec!["--config".into(), config.display().to_string()], 2, "max_positon_pct"),
        (vec!["--config".into(), dir("nowhere.toml")], 2, "nowhere.toml"),
        (vec!["--data-dir".into(), old.display().to_string()], 1, "version 99"),
        (vec!["--exchange-url".into(), "https://api.mexc.com".into()], 2, "PERPDECK_API_KEY"),
        (vec!["--live".into()], 2, "session.mode"),
    ];
    for (arguments, code, expected) in cases {
        let mut all = vec!["run", "--headless"];
        all.extend(arguments.iter().map(String::as_str));
        let (found, out, err) = run(&all, home);
        assert_eq!((found, out.as_str()), (Some(code), ""), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{arguments:?}: {err}");
    }
}

#[test]
fn an_address_beyond_this_machine_is_refused_without_the_live_conditions() {
    let data = tempfile::tempdir().unwrap();
    let mut command = perpdeck(
        &[
            "run",
            "--headless",
            "--exchange-url",
            "https://api.mexc.com",
            "--data-dir",
            &data.path().join("d").display().to_string(),
        ],
        data.path(),
    );
    command.env("PERPDECK_API_KEY", "k").env("PERPDECK_API_SECRET", "s");
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("api.mexc.com") && err.contains("--live"), "{err}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run(&["sim", "--listen", &address], data.path());
    assert_eq!(code, Some(1));
    assert!(err.contains(&address) && err.contains("--listen"), "{err}");
}

#[test]
fn a_listen_address_that_is_none_says_how_one_looks() {
    let data = tempfile::tempdir().unwrap();
    let (code, _, err) = run(&["sim", "--listen", "nonsense"], data.path());
    assert_eq!(code, Some(2));
    assert!(err.contains("nonsense") && err.contains("127.0.0.1:"), "{err}");
    // An address of another machine.
    let (code, _, err) = run(&["sim", "--listen", "192.0.2.1:80"], data.path());
    assert_eq!(code, Some(1));
    assert!(err.contains("192.0.2.1:80") && err.contains("address of this machine"), "{err}");
}

#[test]
fn help_and_version_need_nothing() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(run(&["--version"], data.path()).0, Some(0));
    let (code, out, _) = run(&["run", "--help"], data.path());
    assert_eq!(code, Some(0));
    assert!(out.contains("--headless") && out.contains("--scenario"), "{out}");
    let (code, out, _) = run(&["config", "show", "--origin"], data.path());
    assert_eq!(code, Some(0));
    assert!(out.contains("[risk]"), "{out}");
}

/// Two sessions on recorded prices, one seed: the same facts, byte for byte.
#[test]
fn i36_a_session_on_virtual_time_is_the_same_every_time() {
    let data = tempfile::tempdir().unwrap();
    let candles = data.path().join("xrp_usdt_5m.csv");
    let all =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/xrp_usdt_5m_2021-11-15.csv")).unwrap();
    let some: Vec<&str> = all.lines().take(150).collect();
    std::fs::write(&candles, some.join("\n") + "\n").unwrap();
    let facts = |name: &str| -> Vec<String> {
        let dir = data.path().join(name);
        let (text, file) = (dir.display().to_string(), candles.display().to_string());
        let mut command = perpdeck(
            &["run", "--headless", "--data-dir", &text, "--candles", &file, "--speed", "max", "--seed", "7"],
            data.path(),
        );
        // All orders stay in memory, to be compared with the exchange's at the end.
        command.env("PERPDECK_STRATEGY_ENABLED", "true").env("PERPDECK_ORDERS_KEEP_TERMINAL", "48h");
        let mut session = Process::start(command);
        let (status, errors) = session.end();
        assert_eq!(status.code(), Some(0), "{errors:?}");
        let entries = perpdeck::journal::read(&perpdeck::runtime::journal_of(&dir)).unwrap();
        entries.map(|entry| entry.map(|entry| format!("{} {}", entry.at, entry.body)).unwrap()).collect()
    };
    let (one, two) = (facts("one"), facts("two"));
    let books = super::ledger::reopened(&data.path().join("one"), &candles, 7);
    super::ledger::agree(&books, &data.path().join("one"), "virtual time");
    assert_eq!(one.len(), two.len());
    for (a, b) in one.iter().zip(&two) {
        assert_eq!(a, b);
    }
    let fills = one
        .iter()
        .filter(|fact| serde_json::from_str::<Value>(fact.split_once(' ').unwrap().1).unwrap()["event"] == "filled");
    assert!(fills.count() >= 20);
}

/// The tools that these tests call are there.
#[test]
fn kill_is_there() {
    assert!(Command::new("kill").arg("-l").output().unwrap().status.success());
}
