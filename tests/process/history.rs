//! `perpdeck history` on a directory that a session has worked in.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use rusqlite::Connection;
use serde_json::Value;

use super::child::{Process, perpdeck};

fn history(arguments: &[&str], home: &Path) -> (Option<i32>, String, String) {
    let mut all = vec!["history"];
    all.extend(arguments);
    let output = perpdeck(&all, home).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A session on recorded prices that has ended.
fn session(data: &Path) -> String {
    let candles = data.join("xrp_usdt_5m.csv");
    let all =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/xrp_usdt_5m_2021-11-15.csv")).unwrap();
    let some: Vec<&str> = all.lines().take(120).collect();
    std::fs::write(&candles, some.join("\n") + "\n").unwrap();
    let (dir, file) = (data.join("d").display().to_string(), candles.display().to_string());
    let mut command =
        perpdeck(&["run", "--headless", "--data-dir", &dir, "--candles", &file, "--speed", "max", "--seed", "7"], data);
    command.env("PERPDECK_STRATEGY_ENABLED", "true");
    let (status, errors) = Process::start(command).end();
    assert_eq!(status.code(), Some(0), "{errors:?}");
    dir
}

#[test]
fn the_past_of_a_session_is_printed_whole_in_every_format() {
    let data = tempfile::tempdir().unwrap();
    let dir = session(data.path());
    let database = Connection::open(perpdeck::runtime::projections_of(Path::new(&dir))).unwrap();
    for (table, rows) in
        [("orders", "orders"), ("positions", "positions"), ("signals", "signals"), ("alerts", "alerts")]
    {
        let count: usize = database
            .query_row(&format!("SELECT count(*) FROM {rows}"), [], |row| row.get::<_, i64>(0))
            .unwrap()
            .try_into()
            .unwrap();
        let (code, out, err) = history(&[table, "--data-dir", &dir, "--format", "json"], data.path());
        assert_eq!((code, out.lines().count()), (Some(0), count), "{table}: {err}");
        let objects: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let times: Vec<String> = objects
            .iter()
            .map(|row| row.get("created_at").or(row.get("opened_at")).unwrap().as_str().unwrap().to_owned())
            .collect();
        assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "newest first");
        let (_, csv, _) = history(&[table, "--data-dir", &dir, "--format", "csv"], data.path());
        assert!(csv.lines().count() > count, "a header and every row");
        let (_, table_text, _) = history(&[table, "--data-dir", &dir], data.path());
        assert!(table_text.lines().count() == count + 1 || count == 0, "{table_text}");
        if count > 2 {
            let (_, some, _) = history(&[table, "--data-dir", &dir, "--limit", "2"], data.path());
            assert_eq!(some.lines().count(), 3);
            let back = ["--oldest-first", "--limit", "1", "--format", "json"];
            let (_, last, _) = history(&[&[table, "--data-dir", &dir][..], &back].concat(), data.path());
            assert_eq!(last.lines().next(), out.lines().last());
        }
    }
    // Money is exact: what is printed is what is stored.
    let (_, out, _) = history(&["orders", "--data-dir", &dir, "--format", "json", "--symbol", "XRP_USDT"], data.path());
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    let stored: String = database
        .query_row(
            "SELECT quantity FROM orders WHERE client_order_id = ?1",
            [first["order_id"].as_str().unwrap()],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(first["quantity"], stored.as_str());
}

#[test]
fn bad_questions_are_refused_with_the_value_and_what_can_be_written() {
    let data = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 6] = [
        (&["orders", "--since", "yesterday"], "\"yesterday\" is no time"),
        (&["orders", "--since", "2h", "--until", "3h"], "is not before"),
        (&["orders", "--symbol", "BTC USDT"], "BTC USDT"),
        (&["orders", "--limit", "0"], "--limit"),
        (&["orders", "--format", "xml"], "xml"),
        (&["trades"], "trades"),
    ];
    for (arguments, word) in cases {
        let (code, out, err) = history(arguments, data.path());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains(word), "{arguments:?}: {err}");
    }
    let nothing = data.path().join("nothing").display().to_string();
    let (code, _, err) = history(&["orders", "--data-dir", &nothing], data.path());
    assert_eq!(code, Some(1));
    assert!(err.contains("no history database") && err.contains("--data-dir"), "{err}");
    assert!(!Path::new(&nothing).exists(), "asking makes nothing");
}

/// A history of so many orders, beside no journal at all.
fn many(data: &Path, orders: u64) -> String {
    let dir = data.join("many");
    let database = perpdeck::runtime::projections_of(&dir);
    std::fs::create_dir_all(database.parent().unwrap()).unwrap();
    drop(perpdeck::store::Projections::open(&database).unwrap());
    Connection::open(&database)
        .unwrap()
        .execute_batch(&format!(
            "INSERT INTO orders (order_no, client_order_id, strategy, symbol, side, position_side, reduce_only, purpose, \
             order_type, quantity, contracts, leverage, status, filled_quantity, filled_contracts, commission_complete, \
             attempts, created_at, updated_at, rev) SELECT n, 'k-' || n, 'm', 'BTC_USDT', 'BUY', 'LONG', 0, 'entry', \
             'MARKET', '1', '1', 1, 'filled', '1', '1', 1, 1, 1000000 + n, 1, n FROM (WITH RECURSIVE c(n) AS (SELECT 1 \
             UNION ALL SELECT n + 1 FROM c WHERE n < {orders}) SELECT n FROM c)"
        ))
        .unwrap();
    dir.display().to_string()
}

/// The most memory that a process has held so far, in KiB.
#[cfg(target_os = "linux")]
fn most_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// While it prints, and waits for us to read, no more than a page of it is in memory.
#[cfg(target_os = "linux")]
#[test]
fn a_long_answer_is_never_held_whole() {
    const ORDERS: u64 = 200_000;
    let data = tempfile::tempdir().unwrap();
    let dir = many(data.path(), ORDERS);
    let arguments = ["history", "orders", "--data-dir", &dir, "--format", "json"];
    let mut child = perpdeck(&arguments, data.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut bytes, mut early, mut late) = (0_usize, 0, 0);
    for n in 1..=ORDERS {
        bytes += lines.next().unwrap().unwrap().len();
        if n == 5_000 {
            early = most_memory(child.id());
        } else if n == ORDERS - 5_000 {
            // Nobody reads now, so it is alive and has the rest of a page to print.
            late = most_memory(child.id());
        }
    }
    assert!(lines.next().is_none() && child.wait().unwrap().success());
    assert!(bytes > 50_000_000, "{bytes}");
    assert!(late < early + 8_192, "{early} KiB after the first rows, {late} KiB after all of {bytes} bytes");
}

#[test]
fn a_reader_that_leaves_early_ends_it_quietly() {
    let data = tempfile::tempdir().unwrap();
    let dir = many(data.path(), 20_000);
    for format in ["table", "json", "csv"] {
        let arguments = ["history", "orders", "--data-dir", &dir, "--format", format];
        let mut child =
            perpdeck(&arguments, data.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_running_session_can_be_asked() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("d").display().to_string();
    let mut session = Process::start(perpdeck(&["run", "--headless", "--data-dir", &dir], data.path()));
    session.event("ready").unwrap();
    assert!(session.tell(
        r#"{"id":1,"signal":{"signal_type":"S1","symbol":"SOL_USDT","side":"buy","quantity":2,"price":90.5,"signal_id":"past-1"}}"#
    ));
    session.answer("1").unwrap();
    // The projections follow on their own thread.
    let found = (0..200).any(|_| {
        let (_, out, _) = history(&["signals", "--data-dir", &dir, "--format", "json"], data.path());
        out.contains("\"past-1\"") || {
            std::thread::yield_now();
            false
        }
    });
    assert!(found);
    session.signal("-TERM");
    assert_eq!(session.end().0.code(), Some(0));
}
