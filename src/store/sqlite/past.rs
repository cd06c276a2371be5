//! Reading the projections: orders, positions, signals and alerts of past and present sessions, a
//! page at a time. It never writes, and holds no page of the database between two questions, so a
//! session that runs is not in its way nor it in the session's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params_from_iter};

use super::{APPLICATION, VERSION};
use crate::model::{
    PastCell, PastError, PastKind, PastPage, PastPlace, PastQuery, PastReader, PastRow, PastSort, PastTable,
    SessionTime, escape_controls,
};
use crate::store::past_sql::{Dialect, Shape, statement};

/// How long a reader waits for a database that is being made or repaired.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads the projections of a data directory.
#[derive(Debug)]
pub struct PastOfSqlite {
    path: PathBuf,
    connection: Option<Connection>,
}

impl PastOfSqlite {
    /// A reader of the database in this file, which is opened when it is asked first: a session that
    /// has just begun may not have made it yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), connection: None }
    }

    fn fail(&self, why: &str) -> PastError {
        PastError(format!("the history database {} cannot be read: {}", self.path.display(), escape_controls(why)))
    }

    fn open(&self) -> Result<Connection, PastError> {
        if !self.path.exists() {
            return Err(PastError(format!(
                "there is no history database {}: no session has run there, or it was deleted. Name a session's \
                 directory with --data-dir DIR, or make it anew with `perpdeck store rebuild`",
                self.path.display()
            )));
        }
        let fail = |error: rusqlite::Error| self.fail(&error.to_string());
        let (connection, application, version) = match identified(&self.path, false) {
            // In a directory that cannot be written SQLite finds no place for its shared memory; a
            // database that nobody writes does without.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !self.is_written() => {
                identified(&self.path, true)
            }
            other => other,
        }
        .map_err(fail)?;
        if application != APPLICATION {
            return Err(self.fail("it is empty or belongs to another program; `perpdeck store rebuild` makes it anew"));
        }
        if version != VERSION {
            return Err(self.fail(&format!(
                "it has version {version}, this program reads version {VERSION}; start a session on it, or run \
                 `perpdeck store rebuild`"
            )));
        }
        Ok(connection)
    }

    /// Whether somebody has it open for writing, or has not ended in order.
    fn is_written(&self) -> bool {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        Path::new(&log).exists()
    }

    fn read(connection: &Connection, query: &PastQuery) -> rusqlite::Result<PastPage> {
        let mut values = Values::default();
        let sql = statement(shape(query.table), query, &mut values).page();
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values.0), |row| self::row(query, row))?;
        let mut rows = rows.collect::<rusqlite::Result<Vec<PastRow>>>()?;
        let more = rows.len() > query.limit;
        rows.truncate(query.limit);
        if query.from.is_backward() {
            rows.reverse();
        }
        Ok(PastPage { rows, more })
    }
}

impl PastReader for PastOfSqlite {
    fn page(&mut self, query: &PastQuery) -> Result<PastPage, PastError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        match Self::read(&connection, query) {
            Ok(page) => {
                self.connection = Some(connection);
                Ok(page)
            }
            // The database may be a new one at the next question: it is opened again then.
            Err(error) => Err(self.fail(&error.to_string())),
        }
    }
}

/// Opens a database and says whose it is and of which version.
fn identified(path: &Path, unchanging: bool) -> rusqlite::Result<(Connection, i64, i64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if unchanging {
        let name = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        Connection::open_with_flags(format!("file:{name}?immutable=1"), flags | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        Connection::open_with_flags(path, flags)?
    };
    connection.busy_timeout(PATIENCE)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // The first look at the file itself is the one that fails when it cannot be read.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    Ok((connection, application, version))
}

/// Values that stand beside the statement.
#[derive(Default)]
struct Values(Vec<Value>);

impl Values {
    fn mark(&mut self, value: Value) -> String {
        self.0.push(value);
        format!("?{}", self.0.len())
    }
}

impl Dialect for Values {
    fn text(&mut self, text: &str) -> String {
        self.mark(Value::Text(text.to_owned()))
    }

    fn time(&mut self, at: SessionTime) -> String {
        self.mark(Value::Integer(at.micros()))
    }

    fn key(&mut self, key: &str) -> String {
        self.mark(Value::Integer(key.parse().unwrap_or_default()))
    }

    fn contains(&mut self, expression: &str, text: &str) -> String {
        let mark = self.mark(Value::Text(text.to_lowercase()));
        format!("instr(lower({expression}), {mark}) > 0")
    }
}

fn row(query: &PastQuery, row: &Row<'_>) -> rusqlite::Result<PastRow> {
    let columns = query.table.columns();
    let mut cells = Vec::with_capacity(columns.len());
    for (i, column) in columns.iter().enumerate() {
        cells.push(cell(column.kind, row.get_ref(i)?));
    }
    let mut next = columns.len();
    let mut sorted = String::new();
    if query.sort != PastSort::Time {
        sorted = row.get(next)?;
        next = next.saturating_add(1);
    }
    let at = SessionTime::from_micros(row.get(next)?);
    let key: i64 = row.get(next.saturating_add(1))?;
    Ok(PastRow { cells, place: PastPlace { sorted, at, key: key.to_string() } })
}

fn cell(kind: PastKind, value: ValueRef<'_>) -> PastCell {
    let text = match value {
        ValueRef::Null => return PastCell::Unknown,
        ValueRef::Integer(number) => match kind {
            PastKind::Time => return PastCell::Time(SessionTime::from_micros(number)),
            PastKind::Flag => return PastCell::Flag(number != 0),
            PastKind::Whole => return PastCell::Whole(number),
            PastKind::Text | PastKind::Number | PastKind::Json => number.to_string(),
        },
        // The tables are STRICT and have no such column.
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    };
    match kind {
        PastKind::Number => PastCell::Number(text),
        PastKind::Json => PastCell::Json(text),
        _ => PastCell::Text(text),
    }
}

const fn shape(table: PastTable) -> &'static Shape {
    match table {
        PastTable::Orders => &ORDERS,
        PastTable::Positions => &POSITIONS,
        PastTable::Signals => &SIGNALS,
        PastTable::Alerts => &ALERTS,
    }
}

static ORDERS: Shape = Shape {
    from: "orders o",
    columns: &[
        "o.created_at",
        "o.client_order_id",
        "o.symbol",
        "o.side",
        "o.order_type",
        "o.quantity",
        "o.requested_price",
        "o.filled_quantity",
        "o.average_fill_price",
        "o.status",
        "o.slippage_pct",
        "o.commission",
        "o.error_message",
        "o.exchange_order_id",
        "o.updated_at",
        "o.filled_at",
        "o.session_id",
        "o.rev",
    ],
    time: "o.created_at",
    key: "o.order_no",
    alive: "o.created_at",
    symbol: "o.symbol",
    session: "o.session_id",
    sorts: |sort| match sort {
        PastSort::Side => "o.side",
        PastSort::State | PastSort::Kind => "o.status",
        PastSort::Symbol | PastSort::Time => "o.symbol",
    },
    words: "ifnull(o.session_id, '') || ' ' || o.client_order_id || ' ' || ifnull(o.exchange_order_id, '') || ' ' || o.symbol || ' ' || o.side || ' ' || \
            o.order_type || ' ' || o.status || ' ' || ifnull(o.error_message, '')",
};

static POSITIONS: Shape = Shape {
    // What is known of its course: the last of its snapshots.
    from: "positions p LEFT JOIN position_snapshots s ON s.position_id = p.position_id AND s.updated_at = \
           (SELECT max(n.updated_at) FROM position_snapshots n WHERE n.position_id = p.position_id)",
    columns: &[
        "p.opened_at",
        "p.position_id",
        "p.symbol",
        "p.side",
        "p.quantity",
        "p.entry_price",
        "s.current_price",
        "p.liquidation_price",
        "s.margin_ratio_pct",
        "s.unrealized_pnl",
        "p.realized_pnl",
        "upper(p.status)",
        "p.closed_at",
        "s.unrealized_pnl_pct",
        "p.margin",
        "p.leverage",
        "p.fees",
        "p.cause",
        "p.updated_at",
        "p.session_id",
        "p.rev",
    ],
    time: "p.opened_at",
    key: "p.position_id",
    alive: "p.updated_at",
    symbol: "p.symbol",
    session: "p.session_id",
    sorts: |sort| match sort {
        PastSort::Side => "p.side",
        PastSort::State | PastSort::Kind => "upper(p.status)",
        PastSort::Symbol | PastSort::Time => "p.symbol",
    },
    words: "ifnull(p.session_id, '') || ' ' || p.symbol || ' ' || p.side || ' ' || p.status || ' ' || ifnull(p.cause, '')",
};

static SIGNALS: Shape = Shape {
    from: "signals g",
    columns: &[
        "g.created_at",
        "g.signal_id",
        "g.signal_type",
        // A refused signal may state none.
        "nullif(g.symbol, '')",
        "nullif(g.side, '')",
        "g.quantity",
        // Its own price, else the mark price that the decision used.
        "coalesce(g.price, g.market_price)",
        "g.strategy",
        "g.outcome NOT IN ('rejected', 'refused')",
        "g.reason",
        "g.client_order_id",
        "g.confidence",
        "g.risk_score",
        "g.indicator_values",
        "g.session_id",
        "g.rev",
    ],
    time: "g.created_at",
    key: "g.signal_no",
    alive: "g.created_at",
    symbol: "g.symbol",
    session: "g.session_id",
    sorts: |sort| match sort {
        PastSort::Kind | PastSort::Side => "g.signal_type",
        PastSort::State => "CASE WHEN g.outcome IN ('rejected', 'refused') THEN '0' ELSE '1' END",
        PastSort::Symbol | PastSort::Time => "g.symbol",
    },
    words: "ifnull(g.session_id, '') || ' ' || g.signal_id || ' ' || g.signal_type || ' ' || g.symbol || ' ' || ifnull(g.side, '') || ' ' || \
            ifnull(g.strategy, '') || ' ' || g.outcome || ' ' || ifnull(g.reason, '')",
};

static ALERTS: Shape = Shape {
    from: "alerts a",
    columns: &[
        "a.raised_at",
        "a.alert_id",
        "a.severity",
        "a.alert_type",
        "a.symbol",
        "a.message",
        "a.acknowledged_by",
        "a.acknowledged_at",
        "a.position_id",
        "a.details",
        "a.session_id",
        "a.rev",
    ],
    time: "a.raised_at",
    key: "a.alert_id",
    alive: "a.raised_at",
    symbol: "a.symbol",
    session: "a.session_id",
    sorts: |sort| match sort {
        PastSort::State | PastSort::Side => {
            "CASE a.severity WHEN 'CRITICAL' THEN '0' WHEN 'WARNING' THEN '1' ELSE '2' END"
        }
        PastSort::Kind => "a.alert_type",
        PastSort::Symbol | PastSort::Time => "ifnull(a.symbol, '')",
    },
    words: "ifnull(a.session_id, '') || ' ' || a.severity || ' ' || a.alert_type || ' ' || ifnull(a.symbol, '') || ' ' || a.message || ' ' || \
            ifnull(a.acknowledged_by, '')",
};

#[cfg(test)]
mod tests {
    use super::*;

    /// A database that nobody writes can be read where nothing can be written, whatever its name.
    #[test]
    fn an_unchanging_database_is_read_by_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a b?c#d%41.sqlite");
        let made = crate::store::Projections::open(&path).unwrap();
        made.close().unwrap();
        let (connection, application, version) = identified(&path, true).unwrap();
        assert_eq!((application, version), (APPLICATION, VERSION));
        assert!(connection.execute("DELETE FROM orders", []).is_err(), "it is read-only");
    }

    #[test]
    fn every_column_has_its_expression() {
        for table in PastTable::ALL {
            assert_eq!(shape(table).columns.len(), table.columns().len(), "{}", table.word());
        }
    }
}
