//! Projections with rows in them, a drain on them, and the equality of both sides.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use perpdeck::model::{Record, SinkStatus};
use perpdeck::store::Projections;
use perpdeck::store::questdb::{Conf, Drain, DrainOptions, Source, TARGETS, compare, wait_applied};
use tokio::sync::watch;

use crate::server::QuestDb;

/// Servers of their own that run at a time beside the shared one: each takes half a gigabyte.
static ALONE: Mutex<()> = Mutex::new(());

/// One at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server that tests share which leave its tables alone; sessions tell their rows apart.
pub fn shared() -> &'static QuestDb {
    static SHARED: OnceLock<QuestDb> = OnceLock::new();
    SHARED.get_or_init(|| QuestDb::start(&[]))
}

/// The projections of a session.
pub struct Session {
    _dir: tempfile::TempDir,
    pub id: String,
    projections: Projections,
}

impl Session {
    /// One that folded these facts, under an id of its own.
    pub fn with(id: &str, records: &[Record]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut projections = Projections::open(&dir.path().join("history.sqlite")).unwrap();
        projections.fold(&renamed(id, records)).unwrap();
        Self { _dir: dir, id: id.to_owned(), projections }
    }

    /// Folds more.
    pub fn fold(&mut self, records: &[Record]) {
        self.projections.fold(&renamed(&self.id, records)).unwrap();
    }

    pub fn database(&self) -> PathBuf {
        self.projections.path().to_path_buf()
    }

    /// For looking and for spoiling.
    pub fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).unwrap()
    }

    /// Starts a drain.
    pub fn drain(&self, conf: &Conf) -> Draining {
        self.drain_with(conf, DrainOptions::default())
    }

    /// Starts a drain.
    pub fn drain_with(&self, conf: &Conf, options: DrainOptions) -> Draining {
        let (tell, status) = watch::channel(SinkStatus::default());
        Draining { drain: Some(Drain::start(conf, &self.database(), options, tell).unwrap()), status }
    }
}

/// The facts, of another session.
pub fn renamed(id: &str, records: &[Record]) -> Vec<Record> {
    let text = serde_json::to_string(records).unwrap().replace("k3f9a2xq", id);
    serde_json::from_str(&text).unwrap()
}

/// A drain that runs.
pub struct Draining {
    drain: Option<Drain>,
    pub status: watch::Receiver<SinkStatus>,
}

impl Draining {
    /// Waits for a status, for as long as a slow machine may need.
    pub fn until(&self, what: &str, condition: impl Fn(&SinkStatus) -> bool) -> SinkStatus {
        let give_up = Instant::now() + Duration::from_secs(90);
        loop {
            let status = self.status.borrow().clone();
            if condition(&status) {
                return status;
            }
            assert!(Instant::now() < give_up, "waited in vain for {what}: {status:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until all is sent.
    pub fn until_drained(&self) -> SinkStatus {
        self.until("everything sent", |status| {
            status.phase == perpdeck::model::SinkPhase::Up && !status.tables.is_empty() && status.rows() == 0
        })
    }

    /// Stops it.
    pub fn stop(mut self, patience: Duration) -> SinkStatus {
        self.drain.take().unwrap().stop(patience)
    }
}

/// Asserts that QuestDB holds exactly the rows of the projections: every column of every row, none
/// missing, none twice.
pub fn assert_equal(session: &Session, server: &QuestDb) {
    let source = Source::open(&session.database()).unwrap().unwrap();
    let client = server.client();
    applied(&client);
    for target in &TARGETS {
        let comparison = compare(&source, &client, target, 0).unwrap();
        assert!(comparison.differences.is_empty(), "{comparison:?}");
        assert_eq!(comparison.rows_here, comparison.rows_there);
        assert_eq!(here(&session.database(), target), there(session, server, target), "{}", target.name);
    }
}

/// Waits until the server has applied what it has taken.
pub fn applied(server: &perpdeck::store::questdb::Server) {
    for target in &TARGETS {
        assert!(wait_applied(server, target, Duration::from_secs(60)).unwrap(), "{} is not applied", target.name);
    }
}

/// Whether that holds now.
pub fn is_equal(session: &Session, server: &QuestDb) -> bool {
    TARGETS.iter().all(|target| here(&session.database(), target) == there(session, server, target))
}

/// Waits for a condition, for as long as a slow machine may need.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(90);
    while !condition() {
        assert!(Instant::now() < give_up, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

type Rows = Vec<Vec<String>>;

/// The rows as they should be there, in one form: decimals with 18 places, times in microseconds.
fn here(database: &Path, target: &'static perpdeck::store::questdb::Target) -> Rows {
    use perpdeck::store::questdb::{Kind, rounded};
    let connection = rusqlite::Connection::open(database).unwrap();
    let columns: Vec<&str> = target.columns.iter().map(|column| column.from).collect();
    let sql =
        format!("SELECT {}, {}, rev FROM {} ORDER BY rev, 1, 2", columns.join(", "), target.time.1, target.source);
    let mut statement = connection.prepare(&sql).unwrap();
    let kinds: Vec<Kind> = target.all_columns().map(|(_, kind)| kind).collect();
    let mut found = statement.query([]).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = found.next().unwrap() {
        let value = |(place, kind): (usize, &Kind)| -> String {
            use rusqlite::types::ValueRef;
            let text = match row.get_ref(place).unwrap() {
                ValueRef::Null => return "null".into(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                other => panic!("{other:?}"),
            };
            match kind {
                Kind::Decimal => match text.parse() {
                    Ok(number) => rounded(number).unwrap().normalize().to_string(),
                    Err(_) => "null".into(),
                },
                Kind::Double => format!("{:.8}", text.parse::<f64>().unwrap()),
                Kind::Flag => (text != "0").to_string(),
                Kind::Symbol if text.is_empty() => "null".into(),
                _ => text,
            }
        };
        rows.push(kinds.iter().enumerate().map(value).collect());
    }
    rows.sort();
    rows
}

fn there(session: &Session, server: &QuestDb, target: &'static perpdeck::store::questdb::Target) -> Rows {
    use perpdeck::store::questdb::Kind;
    let columns: Vec<String> = target
        .all_columns()
        .map(|(name, kind)| if kind == Kind::Time { format!("cast({name} AS LONG) {name}") } else { name.to_owned() })
        .collect();
    let mut rows = Vec::new();
    loop {
        let sql = format!(
            "SELECT {} FROM {} WHERE session_id = '{}' ORDER BY rev LIMIT {}, {}",
            columns.join(", "),
            target.name,
            session.id,
            rows.len(),
            rows.len() + 20_000
        );
        let answer = server.sql(&sql);
        if answer.rows.is_empty() {
            break;
        }
        for row in answer.rows {
            let value = |(value, (_, kind)): (serde_json::Value, (&str, Kind))| match (value, kind) {
                (serde_json::Value::Null, _) => "null".into(),
                (serde_json::Value::String(text), Kind::Decimal) => {
                    text.parse::<perpdeck::model::Decimal>().unwrap().normalize().to_string()
                }
                (serde_json::Value::String(text), _) => text,
                (number, Kind::Double) => format!("{:.8}", number.as_f64().unwrap()),
                (other, _) => other.to_string(),
            };
            rows.push(row.into_iter().zip(target.all_columns()).map(value).collect::<Vec<String>>());
        }
    }
    rows.sort();
    rows
}
