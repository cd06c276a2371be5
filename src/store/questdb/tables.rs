//! The tables in QuestDB: their columns, and where each comes from in the projections.
//!
//! Money is `DECIMAL(38,18)`, percentages and scores are DOUBLE, times are microseconds. What is
//! unknown here is NULL there. The tables themselves are made by the migrations; a test on a real
//! server holds the two equal.

use crate::store::Sent;

/// The type of a column in QuestDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word of which there are few; the only kind that can be indexed.
    Symbol,
    /// A text.
    Text,
    /// Money, prices and quantities.
    Decimal,
    /// A percentage or a score.
    Double,
    /// A small whole number.
    Int,
    /// A whole number.
    Long,
    /// Microseconds since 1970.
    Time,
    /// True or false.
    Flag,
}

impl Kind {
    /// Its name in QuestDB.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Symbol => "SYMBOL",
            Self::Text => "VARCHAR",
            Self::Decimal => "DECIMAL(38,18)",
            Self::Double => "DOUBLE",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Time => "TIMESTAMP",
            Self::Flag => "BOOLEAN",
        }
    }
}

/// A column: its name there, its type there, and its expression over the row here.
#[derive(Debug)]
pub struct Column {
    /// Its name in QuestDB.
    pub name: &'static str,
    /// Its type in QuestDB.
    pub kind: Kind,
    /// What it is here.
    pub from: &'static str,
}

const fn column(name: &'static str, kind: Kind, from: &'static str) -> Column {
    Column { name, kind, from }
}

/// A table in QuestDB.
#[derive(Debug)]
pub struct Target {
    /// Its name there.
    pub name: &'static str,
    /// The table of projections that it comes from.
    pub source: &'static str,
    /// How it is remembered here what was sent.
    pub sent: Sent,
    /// The designated timestamp, and what it is here.
    pub time: (&'static str, &'static str),
    /// When a row was last touched, here.
    pub touched: &'static str,
    /// The deduplication keys there.
    pub keys: &'static [&'static str],
    /// What names a row for people, here.
    pub label: &'static str,
    /// All columns but the designated timestamp and `rev`; symbols first, as the line protocol
    /// wants them.
    pub columns: &'static [Column],
}

/// All tables.
pub static TARGETS: [Target; 5] = [ORDERS, POSITIONS, SIGNALS, EVENTS, EQUITY];

const ORDERS: Target = Target {
    name: "live_orders",
    source: "orders",
    sent: Sent::ByRow,
    time: ("created_at", "created_at"),
    touched: "updated_at",
    keys: &["created_at", "session_id", "order_id"],
    label: "client_order_id",
    columns: &[
        column("session_id", Kind::Symbol, "session_id"),
        column("symbol", Kind::Symbol, "symbol"),
        column("side", Kind::Symbol, "side"),
        column("order_type", Kind::Symbol, "order_type"),
        column("status", Kind::Symbol, "status"),
        column("order_id", Kind::Text, "client_order_id"),
        column("exchange_order_id", Kind::Text, "exchange_order_id"),
        column("quantity", Kind::Decimal, "quantity"),
        column("requested_price", Kind::Decimal, "requested_price"),
        column("filled_quantity", Kind::Decimal, "filled_quantity"),
        column("average_fill_price", Kind::Decimal, "average_fill_price"),
        column("error_message", Kind::Text, "error_message"),
        column("slippage", Kind::Double, "slippage_pct"),
        column("commission", Kind::Decimal, "commission"),
        column("updated_at", Kind::Time, "updated_at"),
        column("filled_at", Kind::Time, "filled_at"),
    ],
};

const POSITIONS: Target = Target {
    name: "live_positions",
    source: "position_snapshots",
    sent: Sent::ByCursor,
    time: ("updated_at", "updated_at"),
    touched: "updated_at",
    keys: &["updated_at", "session_id", "position_id"],
    label: "position_id",
    columns: &[
        column("session_id", Kind::Symbol, "session_id"),
        column("symbol", Kind::Symbol, "symbol"),
        column("side", Kind::Symbol, "side"),
        column(
            "status",
            Kind::Symbol,
            "CASE status WHEN 'closed' THEN 'CLOSED' WHEN 'liquidated' THEN 'LIQUIDATED' ELSE 'OPEN' END",
        ),
        column("position_id", Kind::Long, "position_id"),
        column("quantity", Kind::Decimal, "quantity"),
        column("entry_price", Kind::Decimal, "entry_price"),
        column("current_price", Kind::Decimal, "current_price"),
        column("liquidation_price", Kind::Decimal, "liquidation_price"),
        column("unrealized_pnl", Kind::Decimal, "unrealized_pnl"),
        column("unrealized_pnl_pct", Kind::Double, "unrealized_pnl_pct"),
        column("margin", Kind::Decimal, "margin"),
        column("leverage", Kind::Int, "leverage"),
        column("margin_ratio", Kind::Double, "margin_ratio_pct"),
        column("opened_at", Kind::Time, "opened_at"),
        column("closed_at", Kind::Time, "closed_at"),
    ],
};

const SIGNALS: Target = Target {
    name: "signal_history",
    source: "signals",
    sent: Sent::ByCursor,
    time: ("created_at", "created_at"),
    touched: "created_at",
    // A sender may use an id twice, and both are on record.
    keys: &["created_at", "session_id", "signal_id", "rev"],
    label: "signal_id",
    columns: &[
        column("session_id", Kind::Symbol, "session_id"),
        column("signal_type", Kind::Symbol, "signal_type"),
        column("symbol", Kind::Symbol, "symbol"),
        column("side", Kind::Symbol, "side"),
        column("strategy_name", Kind::Symbol, "strategy"),
        column("signal_id", Kind::Text, "signal_id"),
        // A share ("50%") is no quantity, and a refused signal may hold anything: NULL there.
        column("quantity", Kind::Decimal, "quantity"),
        // The signal's own price, else the mark price that the decision used.
        column("price", Kind::Decimal, "coalesce(price, market_price)"),
        column("confidence", Kind::Double, "confidence"),
        column("indicator_values", Kind::Text, "indicator_values"),
        column("risk_score", Kind::Double, "risk_score"),
        column("approved", Kind::Flag, "outcome NOT IN ('rejected', 'refused')"),
        column("rejection_reason", Kind::Text, "reason"),
        column("order_id", Kind::Text, "client_order_id"),
    ],
};

const EVENTS: Target = Target {
    name: "risk_events",
    source: "alerts",
    sent: Sent::ByRow,
    time: ("created_at", "raised_at"),
    touched: "updated_at",
    keys: &["created_at", "session_id", "alert_id"],
    label: "alert_id",
    columns: &[
        column("session_id", Kind::Symbol, "session_id"),
        column("severity", Kind::Symbol, "severity"),
        column("alert_type", Kind::Symbol, "alert_type"),
        column("symbol", Kind::Symbol, "symbol"),
        column("alert_id", Kind::Long, "alert_id"),
        column("position_id", Kind::Long, "position_id"),
        column("message", Kind::Text, "message"),
        column("details", Kind::Text, "details"),
        column("acknowledged_by", Kind::Text, "acknowledged_by"),
        column("acknowledged_at", Kind::Time, "acknowledged_at"),
    ],
};

const EQUITY: Target = Target {
    name: "account_equity",
    source: "account_snapshots",
    sent: Sent::ByCursor,
    time: ("created_at", "created_at"),
    touched: "created_at",
    keys: &["created_at", "session_id", "rev"],
    label: "snapshot_no",
    columns: &[
        column("session_id", Kind::Symbol, "session_id"),
        column("equity", Kind::Decimal, "equity"),
        column("wallet", Kind::Decimal, "wallet"),
        column("available", Kind::Decimal, "available"),
        column("position_margin", Kind::Decimal, "position_margin"),
        column("order_margin", Kind::Decimal, "order_margin"),
        column("peak_equity", Kind::Decimal, "peak_equity"),
    ],
};

impl Target {
    /// Every column there: name, type.
    pub fn all_columns(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        let own = self.columns.iter().map(|column| (column.name, column.kind));
        own.chain([(self.time.0, Kind::Time), ("rev", Kind::Long)])
    }

    /// The columns as the drain reads them: row, rev, label, time, then [`Target::columns`].
    pub fn select(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.from).collect();
        let (label, time) = (self.label, self.time.1);
        format!("SELECT rowid, rev, {label}, {time}, {} FROM {}", columns.join(", "), self.source)
    }
}
