//! The program itself: a session with `--questdb`, and the commands that look after the copy.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::server::{QuestDb, available};
use crate::support::alone;

fn perpdeck(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perpdeck")).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs a session until it has placed some orders, then ends it by SIGTERM; what it said last.
fn session(data_dir: &Path, conf: &str, orders: usize) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_perpdeck"))
        .args(["run", "--headless", "--scenario", "volatile", "--speed", "60", "--questdb", conf, "--data-dir"])
        .arg(data_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    while seen < orders {
        let line = lines.next().unwrap().unwrap();
        seen += usize::from(line.starts_with(r#"{"event":"order_created""#));
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    // Read on, or the session waits for its reader.
    for _ in lines {}
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_session_drains_and_the_commands_say_so() {
    if !available("a_session_drains_and_the_commands_say_so") {
        return;
    }
    let _alone = alone();
    let mut server = QuestDb::start(&[]);
    let conf = server.conf_text();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let about = ["--questdb", &conf, "--data-dir", data];
    let said = session(dir.path(), &conf, 5);
    assert!(!said.contains("not in QuestDB"), "all was sent: {said}");

    let output = perpdeck(&[&["store", "verify", "--json"][..], &about].concat());
    let verified = json(&output);
    assert!(output.status.success(), "{verified}");
    assert_eq!(verified["equal"], true);
    assert!(verified["tables"][0]["rows_there"].as_i64().unwrap() >= 5, "{verified}");

    let status = json(&perpdeck(&[&["store", "status", "--json"][..], &about].concat()));
    assert_eq!(status["reachable"], true);
    assert_eq!(status["schema_version"], 18);
    assert_eq!((&status["lag_rows"], &status["dead_letters"]), (&0.into(), &0.into()), "{status}");
    assert_eq!(status["tables"].as_array().unwrap().len(), 5);

    // Somebody drops what is there.
    server.sql("TRUNCATE TABLE live_orders");
    crate::support::eventually("the truncation", || server.number("SELECT count() FROM live_orders") == 0);
    let output = perpdeck(&[&["store", "verify"][..], &about].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("DIFFERENT") && text.contains("0 rows to rev 0 there"), "{text}");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("store resync --since"), "{error}");
    let output = perpdeck(&[&["store", "resync", "--since", "1d", "--json"][..], &about].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(json(&output)["left"], 0);
    assert!(perpdeck(&[&["store", "verify"][..], &about].concat()).status.success());

    // The projections made anew know nothing of what was sent: it is sent again and changes nothing.
    assert!(perpdeck(&["store", "rebuild", "--data-dir", data]).status.success());
    assert!(json(&perpdeck(&[&["store", "status", "--json"][..], &about].concat()))["lag_rows"].as_i64().unwrap() > 0);
    assert!(perpdeck(&[&["store", "verify"][..], &about].concat()).status.success(), "the rows are the same");

    // Without the server the session does the same, and says at its end what is left.
    server.kill();
    let said = session(dir.path(), &conf, 3);
    assert!(said.contains("rows are not in QuestDB yet"), "{said}");
    let status = json(&perpdeck(&[&["store", "status", "--json"][..], &about].concat()));
    assert_eq!(status["reachable"], false);
    assert!(status["lag_rows"].as_i64().unwrap() > 0 && status["problem"].is_string(), "{status}");
    // The next session sends it.
    server.restart();
    session(dir.path(), &conf, 3);
    let output = perpdeck(&[&["store", "verify", "--json"][..], &about].concat());
    assert!(output.status.success(), "{}", json(&output));
}

#[test]
fn migrate_says_what_the_server_has() {
    if !available("migrate_says_what_the_server_has") {
        return;
    }
    let _alone = alone();
    let server = QuestDb::start(&[]);
    let conf = server.conf_text();
    let states = |arguments: &[&str]| -> Vec<String> {
        let output = perpdeck(arguments);
        assert!(output.status.success(), "{output:?}");
        json(&output)["migrations"].as_array().unwrap().iter().map(|m| m["state"].as_str().unwrap().into()).collect()
    };
    assert_eq!(states(&["migrate", "--status", "--json", "--questdb", &conf]), ["pending"; 3]);
    assert_eq!(states(&["migrate", "--json", "--questdb", &conf]), ["applied now"; 3]);
    assert_eq!(states(&["migrate", "--json", "--questdb", &conf]), ["applied"; 3]);
}

#[test]
fn mistakes_are_named() {
    for (arguments, code, named) in [
        (&["migrate"][..], 2, "no QuestDB is configured"),
        (&["migrate", "--questdb", "http::addr=127.0.0.1:1;"], 1, "cannot be reached"),
        (&["migrate", "--questdb", "tcp::addr=h:1;"], 2, "neither http:: nor https::"),
        (&["store", "verify", "--questdb", "http::addr=h:1;pass=hunter2;"], 2, "unknown key \"pass\""),
        (&["store", "resync", "--since", "soon", "--questdb", "http::addr=h:1;"], 2, "is no time"),
        (&["store", "status", "--questdb", "http::addr=h:1;", "--data-dir", "/nowhere"], 1, "no projections"),
        (&["run", "--headless", "--questdb", "http::addr=h:1;password=hunter2;"], 2, "username and password together"),
    ] {
        let output = perpdeck(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(named) && !error.contains("hunter2"), "{arguments:?}: {error}");
    }
}
