//! The queries in `queries/` and the Grafana dashboard, each run on a real server, on what a real
//! session left there; what they say is held against the projections of that session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perpdeck::store::questdb::{Answer, TARGETS, wait_applied};
use rusqlite::Connection;
use serde_json::Value;

use crate::server::{QuestDb, available};
use crate::support::alone;

#[expect(dead_code, reason = "only what runs a session is used here")]
#[path = "../process/child.rs"]
mod child;

use child::{Process, perpdeck};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a session in which markets jump, until positions were taken over and orders filled; its
/// directory.
fn traded(server: &QuestDb, home: &Path) -> PathBuf {
    let dir = home.join("d");
    let (data, conf) = (dir.display().to_string(), server.conf_text());
    let arguments =
        ["run", "--headless", "--scenario", "crash", "--speed", "20", "--data-dir", &data, "--questdb", &conf];
    let mut command = perpdeck(&arguments, home);
    command.env("PERPDECK_STRATEGY_ENABLED", "true");
    let mut session = Process::start(command);
    session.event("ready").unwrap();
    for line in [
        r#"{"id":1,"signal":{"signal_type":"S1","symbol":"SOL_USDT","side":"buy","quantity":20000}}"#,
        r#"{"id":2,"signal":{"signal_type":"S9","symbol":"SOL_USDT","side":"buy","quantity":1}}"#,
    ] {
        assert!(session.tell(line));
    }
    session.answer("2").unwrap();
    let (mut taken_over, mut filled) = (false, 0);
    while !(taken_over && filled >= 8) {
        let line = session.until(|_| true).unwrap();
        taken_over |= line["event"] == "risk_alert" && line["alert_type"] == "LIQUIDATION_DETECTED";
        filled += usize::from(line["event"] == "order_filled");
    }
    session.signal("-TERM");
    let (status, errors) = session.end();
    assert_eq!(status.code(), Some(0), "{errors:?}");
    let client = server.client();
    for target in &TARGETS {
        assert!(wait_applied(&client, target, Duration::from_secs(60)).unwrap(), "{}", target.name);
    }
    dir
}

/// The projections of the session.
struct Here(Connection);

impl Here {
    fn number(&self, sql: &str) -> i64 {
        self.0.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Counts by a name.
    fn counts(&self, sql: &str) -> BTreeMap<String, i64> {
        let mut statement = self.0.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

fn rows(answer: &Answer) -> i64 {
    i64::try_from(answer.rows.len()).unwrap()
}

fn place(answer: &Answer, column: &str) -> usize {
    let found = answer.columns.iter().position(|(name, _)| name == column);
    found.unwrap_or_else(|| panic!("no column {column} among {:?}", answer.columns))
}

fn float(answer: &Answer, row: usize, column: &str) -> f64 {
    answer.rows[row][place(answer, column)].as_f64().unwrap()
}

fn close(one: f64, two: f64) {
    assert!((one - two).abs() <= 1e-6 * one.abs().max(1.0), "{one} and {two}");
}

/// One test for all, because a session takes its time.
#[test]
fn what_the_queries_and_the_dashboard_say_is_what_the_session_did() {
    if !available("what_the_queries_and_the_dashboard_say_is_what_the_session_did") {
        return;
    }
    let _one = alone();
    let server = QuestDb::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let dir = traded(&server, home.path());
    let here = Here(Connection::open(perpdeck::runtime::projections_of(&dir)).unwrap());
    let mut known = 0;
    for entry in std::fs::read_dir(file("queries")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let sql = std::fs::read_to_string(&path).unwrap();
            assert!(sql.starts_with("-- ") && sql.trim_end().ends_with(';'), "{name} says what it is");
            compared(&name, &server.sql(&sql), &here, &server);
            known += 1;
        }
    }
    assert_eq!(known, 8);
    let readme = std::fs::read_to_string(file("queries/README.md")).unwrap();
    for entry in std::fs::read_dir(file("queries")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "README.md" || readme.contains(&format!("({name})")),
            "queries/README.md does not tell of {name}"
        );
    }
    dashboard(&server);
    printed(&server, &here, home.path());
}

/// `perpdeck history --questdb` prints what is there, by the name or by the setting.
fn printed(server: &QuestDb, here: &Here, home: &Path) {
    for (table, projection) in
        [("orders", "orders"), ("positions", "positions"), ("signals", "signals"), ("alerts", "alerts")]
    {
        let conf = server.conf_text();
        let named = perpdeck(&["history", table, "--format", "json", "--questdb", &conf], home).output().unwrap();
        assert!(named.status.success(), "{}", String::from_utf8_lossy(&named.stderr));
        let lines = String::from_utf8(named.stdout).unwrap();
        let count = here.number(&format!("SELECT count(*) FROM {projection}"));
        assert_eq!(i64::try_from(lines.lines().count()).unwrap(), count, "{table}");
        assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
        let mut configured = perpdeck(&["history", table, "--format", "json", "--questdb"], home);
        let configured = configured.env("PERPDECK_QUESTDB_CONF", &conf).output().unwrap();
        assert_eq!(String::from_utf8(configured.stdout).unwrap(), lines, "{table}");
    }
    let unconfigured = perpdeck(&["history", "orders", "--questdb"], home).output().unwrap();
    assert_eq!(unconfigured.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unconfigured.stderr).contains("questdb.conf"));
}

fn compared(name: &str, answer: &Answer, here: &Here, server: &QuestDb) {
    match name {
        "open_positions" => {
            assert_eq!(rows(answer), here.number("SELECT count(*) FROM positions WHERE status = 'open'"));
            let ids = place(answer, "position_id");
            for row in &answer.rows {
                let id = &row[ids];
                assert_eq!(here.number(&format!("SELECT count(*) FROM positions WHERE position_id = {id}")), 1);
            }
        }
        "worst_margin_ratio_today" => {
            let day = server.number("SELECT cast(date_trunc('day', now()) AS LONG)");
            let when = format!("updated_at >= {day} AND margin_ratio_pct IS NOT NULL");
            let sql = format!("SELECT count(DISTINCT position_id) FROM position_snapshots WHERE {when}");
            assert!(rows(answer) > 0);
            assert_eq!(rows(answer), here.number(&sql));
            let id = &answer.rows[0][place(answer, "position_id")];
            let sql = format!(
                "SELECT min(CAST(margin_ratio_pct AS REAL)) FROM position_snapshots WHERE position_id = {id} AND {when}"
            );
            close(float(answer, 0, "margin_ratio"), here.0.query_row(&sql, [], |row| row.get(0)).unwrap());
        }
        "slippage_by_symbol" => {
            let (symbol, side, orders) = (place(answer, "symbol"), place(answer, "side"), place(answer, "orders"));
            let key = |row: &Vec<Value>| format!("{} {}", row[symbol].as_str().unwrap(), row[side].as_str().unwrap());
            let there: BTreeMap<String, i64> =
                answer.rows.iter().map(|row| (key(row), row[orders].as_i64().unwrap())).collect();
            let sql = "SELECT symbol || ' ' || side, count(*) FROM orders WHERE slippage_pct IS NOT NULL \
                       AND CAST(filled_quantity AS REAL) > 0 GROUP BY 1";
            assert!(!there.is_empty());
            assert_eq!(there, here.counts(sql));
        }
        "rejected_signals" => {
            assert!(rows(answer) >= 2);
            assert_eq!(
                rows(answer),
                here.number("SELECT count(*) FROM signals WHERE outcome IN ('rejected', 'refused')")
            );
            let why = place(answer, "rejection_reason");
            assert!(answer.rows.iter().all(|row| row[why].as_str().is_some_and(|why| !why.is_empty())));
        }
        "signal_to_fill" => {
            let orders = place(answer, "orders");
            let there: i64 = answer.rows.iter().map(|row| row[orders].as_i64().unwrap()).sum();
            let joined = "FROM signals s JOIN orders o ON o.client_order_id = s.client_order_id \
                          WHERE o.filled_at IS NOT NULL";
            assert!(there > 0);
            assert_eq!(there, here.number(&format!("SELECT count(*) {joined}")));
            let slowest = (0..answer.rows.len()).map(|row| float(answer, row, "slowest")).fold(0.0, f64::max);
            let sql = format!("SELECT max(o.filled_at - s.created_at) / 1000.0 {joined}");
            close(slowest, here.0.query_row(&sql, [], |row| row.get(0)).unwrap());
        }
        "equity_by_hour" => {
            let last: String = here
                .0
                .query_row("SELECT equity FROM account_snapshots ORDER BY rev DESC LIMIT 1", [], |row| row.get(0))
                .unwrap();
            let there = answer.text(answer.rows.len() - 1, place(answer, "equity")).unwrap();
            let number = |text: &str| text.parse::<perpdeck::model::Decimal>().unwrap();
            assert_eq!(number(there), number(&last), "to the last digit");
        }
        "liquidations" => {
            assert!(rows(answer) > 0);
            assert_eq!(rows(answer), here.number("SELECT count(*) FROM positions WHERE status = 'liquidated'"));
            let message = place(answer, "message");
            assert!(
                answer.rows.iter().any(|row| row[message].as_str().is_some_and(|text| text.contains("taken over")))
            );
        }
        "unseen_alerts" => {
            let sql = "SELECT count(*) FROM alerts WHERE severity <> 'INFO' AND acknowledged_at IS NULL";
            assert!(rows(answer) > 0);
            assert_eq!(rows(answer), here.number(sql));
            assert_eq!(answer.text(0, place(answer, "severity")), Some("CRITICAL"));
        }
        other => panic!("queries/{other}.sql is held against nothing: add what it must say"),
    }
}

/// What the Grafana plugin makes of its macros, for all of the time and all sessions, or for one.
fn expanded(sql: &str, sessions: Option<&str>) -> String {
    let mut sql = sql.replace("$__sampleByInterval", "20s");
    while let Some(at) = sql.find("$__timeFilter(") {
        let end = at + sql[at..].find(')').unwrap();
        let column = sql[at + "$__timeFilter(".len()..end].to_owned();
        let filter = format!("{column} >= cast(0 AS TIMESTAMP) AND {column} <= cast(4102444800000000 AS TIMESTAMP)");
        sql.replace_range(at..=end, &filter);
    }
    let condition = "$__conditionalAll(session_id IN ($session), $session)";
    let chosen = sessions.map_or_else(|| "1=1".to_owned(), |session| format!("session_id IN ('{session}')"));
    let sql = sql.replace(condition, &chosen);
    assert!(!sql.contains('$'), "a macro or variable is left: {sql}");
    sql
}

/// Every statement of the dashboard runs and gives what its panel can draw.
fn dashboard(server: &QuestDb) {
    let text = std::fs::read_to_string(file("config/grafana/perpdeck.json")).unwrap();
    let board: Value = serde_json::from_str(&text).unwrap();
    let session = server.sql("SELECT session_id FROM account_equity LIMIT 1").text(0, 0).unwrap().to_owned();
    let (mut ids, mut drawn) = (Vec::new(), Vec::new());
    for panel in board["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        ids.push(panel["id"].as_u64().unwrap());
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["type"], "questdb-questdb-datasource");
            // The plugin's own numbers: 0 is a time series, 1 a table; words would draw nothing.
            let series = target["format"] == 0;
            assert!(series || target["format"] == 1, "{title}");
            let sql = target["rawSql"].as_str().unwrap();
            assert!(sql.contains("$__timeFilter(") && sql.contains("$session"), "{title} obeys time and session");
            let one = server.sql(&expanded(sql, Some(&session)));
            let answer = server.sql(&expanded(sql, None));
            assert_eq!(one.rows.len(), answer.rows.len(), "{title}: there is but one session");
            assert!(!answer.rows.is_empty(), "{title} shows nothing");
            let kinds: Vec<&str> = answer.columns.iter().map(|(_, kind)| kind.as_str()).collect();
            // It has no reader for DECIMAL and LONG: they would arrive as texts, and nothing be drawn.
            let drawable = ["TIMESTAMP", "DOUBLE", "SYMBOL", "VARCHAR", "STRING", "BOOLEAN"];
            assert!(kinds.iter().all(|kind| drawable.contains(kind)), "{title}: {kinds:?}");
            if series {
                assert_eq!((answer.columns[0].0.as_str(), kinds[0]), ("time", "TIMESTAMP"), "{title}");
                assert!(kinds[1..].contains(&"DOUBLE"), "{title}: {kinds:?}");
                let times: Vec<&str> = (0..answer.rows.len()).map(|row| answer.text(row, 0).unwrap()).collect();
                assert!(times.is_sorted(), "{title}: a long table becomes lines only in the order of time");
            } else if panel["type"] == "stat" {
                assert_eq!((answer.rows.len(), kinds.as_slice()), (1, &["DOUBLE"][..]), "{title}");
            }
        }
        drawn.push(title.to_lowercase());
    }
    ids.dedup();
    assert_eq!(ids.len(), drawn.len());
    for wanted in ["equity", "margin ratio by position", "order latency", "slippage", "alerts"] {
        assert!(drawn.iter().any(|title| title.contains(wanted)), "no panel shows {wanted}");
    }
    for variable in board["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            let answer = server.sql(variable["query"].as_str().unwrap());
            assert_eq!(answer.text(0, 0), Some(session.as_str()));
        }
    }
}
