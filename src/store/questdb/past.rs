//! Reading the past from QuestDB, a page at a time: what all sessions that drain into it have left
//! there.
//!
//! What its tables do not hold (the realised profit and the cause of a closed position) is unknown.

use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;

use super::conf::Conf;
use super::error::QuestDbError;
use super::server::{Server, quoted};
use crate::model::{
    Decimal, PastCell, PastError, PastKind, PastPage, PastPlace, PastQuery, PastReader, PastRow, PastSort, PastTable,
    SessionTime,
};
use crate::store::past_sql::{Dialect, Shape, falls, statement};

/// The longest that one page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the tables of a QuestDB.
pub struct PastOfQuestDb {
    conf: Conf,
    /// Made when it is asked first.
    server: Option<Server>,
}

impl PastOfQuestDb {
    /// A reader of the QuestDB that lies there; nothing is asked yet.
    pub const fn new(conf: Conf) -> Self {
        Self { conf, server: None }
    }

    fn read(server: &Server, query: &PastQuery) -> Result<PastPage, QuestDbError> {
        let shape = shape(query.table);
        let mut statement = statement(shape, query, &mut Literals);
        if query.sort == PastSort::Time && query.table != PastTable::Positions {
            // In the order of time alone the server stops at the end of the page. With the key in
            // it, it would sort all that is left of the table for each page: so it is told where
            // the page ends before it sorts.
            if let Some(edge) = server.exec(&statement.edge())?.text(0, 0) {
                let within = if falls(query) { ">=" } else { "<=" };
                statement.conditions.push(format!("{} {within} {}", shape.time, quoted(edge)));
            }
        }
        let answer = server.exec(&statement.page())?;
        let more = answer.rows.len() > query.limit;
        let mut rows: Vec<PastRow> = answer.rows.iter().take(query.limit).map(|values| row(query, values)).collect();
        if query.from.is_backward() {
            rows.reverse();
        }
        Ok(PastPage { rows, more })
    }
}

impl PastReader for PastOfQuestDb {
    fn page(&mut self, query: &PastQuery) -> Result<PastPage, PastError> {
        let told = |error: QuestDbError| {
            let mut text = error.to_string();
            if text.contains("table does not exist") {
                text.push_str("; run `perpdeck migrate`");
            }
            PastError(text)
        };
        let server = match &self.server {
            Some(server) => server,
            None => self.server.insert(Server::new(&self.conf, PATIENCE).map_err(told)?),
        };
        Self::read(server, query).map_err(told)
    }
}

/// Values that stand within the statement: the server takes no others.
struct Literals;

impl Dialect for Literals {
    fn text(&mut self, text: &str) -> String {
        quoted(text)
    }

    fn time(&mut self, at: SessionTime) -> String {
        quoted(&at.exact())
    }

    fn key(&mut self, key: &str) -> String {
        quoted(key)
    }

    fn contains(&mut self, expression: &str, text: &str) -> String {
        format!("strpos(lower({expression}), {}) > 0", quoted(&text.to_lowercase()))
    }
}

fn row(query: &PastQuery, values: &[Value]) -> PastRow {
    let columns = query.table.columns();
    let cells = columns.iter().zip(values).map(|(column, value)| cell(column.kind, value)).collect();
    let mut rest = values.iter().skip(columns.len());
    let mut text = || rest.next().and_then(Value::as_str).unwrap_or_default();
    let sorted = if query.sort == PastSort::Time { String::new() } else { text().to_owned() };
    let at = time(text()).unwrap_or_default();
    PastRow { cells, place: PastPlace { sorted, at, key: text().to_owned() } }
}

fn time(text: &str) -> Option<SessionTime> {
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    Some(SessionTime::from_micros(at.timestamp_micros()))
}

fn cell(kind: PastKind, value: &Value) -> PastCell {
    match (kind, value) {
        (_, Value::Null) => PastCell::Unknown,
        (PastKind::Time, Value::String(text)) => time(text).map_or(PastCell::Unknown, PastCell::Time),
        (PastKind::Whole, Value::Number(number)) => number.as_i64().map_or(PastCell::Unknown, PastCell::Whole),
        (PastKind::Flag, Value::Bool(flag)) => PastCell::Flag(*flag),
        (PastKind::Number, Value::String(text)) => PastCell::Number(short(text)),
        (PastKind::Number, Value::Number(number)) => PastCell::Number(short(&number.to_string())),
        (PastKind::Json, Value::String(text)) => PastCell::Json(text.clone()),
        (_, Value::String(text)) => PastCell::Text(text.clone()),
        (_, other) => PastCell::Text(other.to_string()),
    }
}

/// A number without the zeros that its column adds: equal numbers are equal texts, here as in the
/// projections.
fn short(text: &str) -> String {
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text)
            .map_or_else(|_| text.to_owned(), |number| number.normalize().to_string());
    }
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
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
    from: "live_orders",
    columns: &[
        "created_at",
        "order_id",
        "symbol",
        "side",
        "order_type",
        "quantity",
        "requested_price",
        "filled_quantity",
        "average_fill_price",
        "status",
        "slippage",
        "commission",
        "error_message",
        "exchange_order_id",
        "updated_at",
        "filled_at",
        "session_id",
        "rev",
    ],
    time: "created_at",
    key: "concat(session_id, '/', order_id)",
    alive: "created_at",
    symbol: "symbol",
    session: "session_id",
    sorts: |sort| match sort {
        PastSort::Side => "coalesce(side, '')",
        PastSort::State | PastSort::Kind => "coalesce(status, '')",
        PastSort::Symbol | PastSort::Time => "coalesce(symbol, '')",
    },
    words: "concat(session_id, ' ', order_id, ' ', exchange_order_id, ' ', symbol, ' ', side, ' ', order_type, ' ', status, ' ', error_message)",
};

static POSITIONS: Shape = Shape {
    // The last of the snapshots of each; by symbol a leg of a hedge would be lost.
    from: "(SELECT * FROM live_positions LATEST ON updated_at PARTITION BY session_id, position_id)",
    columns: &[
        "opened_at",
        "position_id",
        "symbol",
        "side",
        "quantity",
        "entry_price",
        "current_price",
        "liquidation_price",
        "margin_ratio",
        "unrealized_pnl",
        "null AS realized_pnl",
        "status",
        "closed_at",
        "unrealized_pnl_pct",
        "margin",
        "leverage",
        "null AS fees",
        "null AS cause",
        "updated_at",
        "session_id",
        "rev",
    ],
    time: "opened_at",
    key: "concat(session_id, '/', position_id)",
    alive: "updated_at",
    symbol: "symbol",
    session: "session_id",
    sorts: |sort| match sort {
        PastSort::Side => "coalesce(side, '')",
        PastSort::State | PastSort::Kind => "coalesce(status, '')",
        PastSort::Symbol | PastSort::Time => "coalesce(symbol, '')",
    },
    words: "concat(session_id, ' ', symbol, ' ', side, ' ', status)",
};

static SIGNALS: Shape = Shape {
    from: "signal_history",
    columns: &[
        "created_at",
        "signal_id",
        "signal_type",
        "symbol",
        "side",
        "quantity",
        "price",
        "strategy_name",
        "approved",
        "rejection_reason",
        "order_id",
        "confidence",
        "risk_score",
        "indicator_values",
        "session_id",
        "rev",
    ],
    time: "created_at",
    key: "concat(session_id, '/', signal_id, '/', rev)",
    alive: "created_at",
    symbol: "symbol",
    session: "session_id",
    sorts: |sort| match sort {
        PastSort::Kind | PastSort::Side => "coalesce(signal_type, '')",
        PastSort::State => "CASE WHEN approved THEN '1' ELSE '0' END",
        PastSort::Symbol | PastSort::Time => "coalesce(symbol, '')",
    },
    words: "concat(session_id, ' ', signal_id, ' ', signal_type, ' ', symbol, ' ', side, ' ', strategy_name, ' ', \
            CASE WHEN approved THEN 'approved ' ELSE 'rejected ' END, rejection_reason)",
};

static ALERTS: Shape = Shape {
    from: "risk_events",
    columns: &[
        "created_at",
        "alert_id",
        "severity",
        "alert_type",
        "symbol",
        "message",
        "acknowledged_by",
        "acknowledged_at",
        "position_id",
        "details",
        "session_id",
        "rev",
    ],
    time: "created_at",
    key: "concat(session_id, '/', alert_id)",
    alive: "created_at",
    symbol: "symbol",
    session: "session_id",
    sorts: |sort| match sort {
        PastSort::State | PastSort::Side => {
            "CASE WHEN severity = 'CRITICAL' THEN '0' WHEN severity = 'WARNING' THEN '1' ELSE '2' END"
        }
        PastSort::Kind => "coalesce(alert_type, '')",
        PastSort::Symbol | PastSort::Time => "coalesce(symbol, '')",
    },
    words: "concat(session_id, ' ', severity, ' ', alert_type, ' ', symbol, ' ', message, ' ', acknowledged_by)",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_expression() {
        for table in PastTable::ALL {
            assert_eq!(shape(table).columns.len(), table.columns().len(), "{}", table.word());
        }
    }

    #[test]
    fn numbers_lose_only_the_zeros_of_their_column() {
        assert_eq!(short("1234567890.123456789012345678"), "1234567890.123456789012345678");
        assert_eq!(short("12345678901234567890.123450000000000000"), "12345678901234567890.12345");
        assert_eq!(short("100.000000000000000000"), "100");
        assert_eq!(short("100"), "100");
        assert_eq!(short("1e-7"), "0.0000001");
        assert_eq!(cell(PastKind::Number, &Value::Null), PastCell::Unknown);
    }
}
