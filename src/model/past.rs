//! What has been: questions about the rows of past and present sessions, and pages of answers.
//! Where the rows lie is the business of whoever answers.

use super::SessionTime;

/// A table of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PastTable {
    /// One row for each order, as it was last.
    #[default]
    Orders,
    /// One row for each position from flat to flat, as it was last.
    Positions,
    /// One row for each signal and what was decided.
    Signals,
    /// One row for each alert.
    Alerts,
}

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastKind {
    /// Words and ids.
    Text,
    /// An exact decimal number.
    Number,
    /// A whole number.
    Whole,
    /// A point in time.
    Time,
    /// Yes or no.
    Flag,
    /// A JSON value.
    Json,
}

/// A column of a table of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastColumn {
    /// Its name, in every output.
    pub name: &'static str,
    /// What stands in it.
    pub kind: PastKind,
    /// Whether it is shown where there is no room for all.
    pub main: bool,
    /// Whether a value that is not stored means that there is none (an order that did not fail has
    /// no error), and not that it is unknown.
    pub optional: bool,
}

const fn main(name: &'static str, kind: PastKind) -> PastColumn {
    PastColumn { name, kind, main: true, optional: false }
}

const fn more(name: &'static str, kind: PastKind) -> PastColumn {
    PastColumn { name, kind, main: false, optional: false }
}

impl PastColumn {
    const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

const ORDERS: [PastColumn; 18] = [
    main("created_at", PastKind::Time),
    main("order_id", PastKind::Text),
    main("symbol", PastKind::Text),
    main("side", PastKind::Text),
    main("order_type", PastKind::Text),
    main("quantity", PastKind::Number),
    main("requested_price", PastKind::Number).optional(),
    main("filled_quantity", PastKind::Number),
    main("average_fill_price", PastKind::Number),
    main("status", PastKind::Text),
    main("slippage", PastKind::Number),
    main("commission", PastKind::Number),
    main("error_message", PastKind::Text).optional(),
    more("exchange_order_id", PastKind::Text),
    more("updated_at", PastKind::Time),
    more("filled_at", PastKind::Time).optional(),
    more("session_id", PastKind::Text),
    more("rev", PastKind::Whole),
];

const POSITIONS: [PastColumn; 21] = [
    main("opened_at", PastKind::Time),
    main("position_id", PastKind::Text),
    main("symbol", PastKind::Text),
    main("side", PastKind::Text),
    main("quantity", PastKind::Number),
    main("entry_price", PastKind::Number),
    main("current_price", PastKind::Number),
    main("liquidation_price", PastKind::Number),
    main("margin_ratio", PastKind::Number),
    main("unrealized_pnl", PastKind::Number),
    main("realized_pnl", PastKind::Number),
    main("status", PastKind::Text),
    main("closed_at", PastKind::Time).optional(),
    more("unrealized_pnl_pct", PastKind::Number),
    more("margin", PastKind::Number),
    more("leverage", PastKind::Whole),
    more("fees", PastKind::Number),
    more("cause", PastKind::Text).optional(),
    more("updated_at", PastKind::Time),
    more("session_id", PastKind::Text),
    more("rev", PastKind::Whole),
];

const SIGNALS: [PastColumn; 16] = [
    main("created_at", PastKind::Time),
    main("signal_id", PastKind::Text),
    main("signal_type", PastKind::Text),
    main("symbol", PastKind::Text),
    main("side", PastKind::Text).optional(),
    main("quantity", PastKind::Number).optional(),
    main("price", PastKind::Number),
    main("strategy_name", PastKind::Text).optional(),
    main("approved", PastKind::Flag),
    main("rejection_reason", PastKind::Text).optional(),
    main("order_id", PastKind::Text).optional(),
    more("confidence", PastKind::Number).optional(),
    more("risk_score", PastKind::Number),
    more("indicator_values", PastKind::Json),
    more("session_id", PastKind::Text),
    more("rev", PastKind::Whole),
];

const ALERTS: [PastColumn; 12] = [
    main("created_at", PastKind::Time),
    main("alert_id", PastKind::Text),
    main("severity", PastKind::Text),
    main("alert_type", PastKind::Text),
    main("symbol", PastKind::Text).optional(),
    main("message", PastKind::Text),
    main("acknowledged_by", PastKind::Text).optional(),
    more("acknowledged_at", PastKind::Time).optional(),
    more("position_id", PastKind::Text).optional(),
    more("details", PastKind::Json),
    more("session_id", PastKind::Text),
    more("rev", PastKind::Whole),
];

impl PastTable {
    /// All tables.
    pub const ALL: [Self; 4] = [Self::Orders, Self::Positions, Self::Signals, Self::Alerts];

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Positions => "positions",
            Self::Signals => "signals",
            Self::Alerts => "alerts",
        }
    }

    /// Its columns, in the order in which they stand.
    pub const fn columns(self) -> &'static [PastColumn] {
        match self {
            Self::Orders => &ORDERS,
            Self::Positions => &POSITIONS,
            Self::Signals => &SIGNALS,
            Self::Alerts => &ALERTS,
        }
    }

    /// What it can be sorted by; the first by default.
    pub const fn sorts(self) -> &'static [PastSort] {
        match self {
            Self::Orders | Self::Positions => &[PastSort::Time, PastSort::Symbol, PastSort::Side, PastSort::State],
            Self::Signals => &[PastSort::Time, PastSort::Symbol, PastSort::Kind, PastSort::State],
            Self::Alerts => &[PastSort::Time, PastSort::State, PastSort::Kind, PastSort::Symbol],
        }
    }

    /// Where a column stands.
    pub fn place_of(self, column: &str) -> Option<usize> {
        self.columns().iter().position(|other| other.name == column)
    }
}

/// What rows are sorted by. Rows that are equal in it stand newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PastSort {
    /// When it began (created, opened, raised): the newest first.
    #[default]
    Time,
    /// Contract.
    Symbol,
    /// Buy or sell, long or short.
    Side,
    /// State of an order or position, severity of an alert (worst first), rejected before approved.
    State,
    /// Type of a signal or alert.
    Kind,
}

/// What is asked of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastQuery {
    /// Of which table.
    pub table: PastTable,
    /// Only what began at this time or later; positions: what was still open then, too.
    pub since: Option<SessionTime>,
    /// Only what began before this time.
    pub until: Option<SessionTime>,
    /// Only this contract; `None` takes all.
    pub symbol: Option<String>,
    /// Only this session; `None` takes all.
    pub session: Option<String>,
    /// Only rows with this text in their words, in any case; empty takes all.
    pub containing: String,
    /// What rows are sorted by.
    pub sort: PastSort,
    /// Against the sort's own direction.
    pub reversed: bool,
    /// Where the page begins or ends.
    pub from: PastFrom,
    /// Rows that the page holds at most.
    pub limit: usize,
}

/// Where a page begins or ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PastFrom {
    /// The first page.
    #[default]
    Start,
    /// The page that follows a row.
    After(PastPlace),
    /// The page that comes before a row.
    Before(PastPlace),
    /// The last page.
    End,
}

impl PastFrom {
    /// Whether the page is reached from its end.
    pub const fn is_backward(&self) -> bool {
        matches!(self, Self::Before(_) | Self::End)
    }
}

/// The place of a row among all rows in one order: rows that come and go elsewhere do not move it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PastPlace {
    /// What the sort looks at; empty when that is the time.
    pub sorted: String,
    /// When it began.
    pub at: SessionTime,
    /// What tells rows of one time apart; of its source alone.
    pub key: String,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastCell {
    /// Not known: not zero and not empty.
    Unknown,
    /// Words and ids, as they are: control characters are not escaped here.
    Text(String),
    /// A number, exactly as it was stored.
    Number(String),
    /// A whole number.
    Whole(i64),
    /// A point in time.
    Time(SessionTime),
    /// Yes or no.
    Flag(bool),
    /// A JSON value.
    Json(String),
}

impl PastCell {
    /// In words; `None` when it is not known.
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::Text(text) | Self::Number(text) | Self::Json(text) => Some(text.clone()),
            Self::Whole(number) => Some(number.to_string()),
            Self::Time(at) => Some(at.exact()),
            Self::Flag(flag) => Some(if *flag { "yes" } else { "no" }.to_owned()),
        }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRow {
    /// One value for each column of the table.
    pub cells: Vec<PastCell>,
    /// Its place in the order that was asked for.
    pub place: PastPlace,
}

impl PastRow {
    /// The value in a column of a table.
    pub fn get(&self, table: PastTable, column: &str) -> &PastCell {
        table.place_of(column).and_then(|place| self.cells.get(place)).unwrap_or(&PastCell::Unknown)
    }
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastPage {
    /// Its rows, in the order that was asked for; as many as the limit at most.
    pub rows: Vec<PastRow>,
    /// Whether there are more in the direction that was read.
    pub more: bool,
}

/// Why the past cannot be read, in words for people: what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PastError(pub String);

/// Somebody who knows the past. Holds one page at a time, never more.
pub trait PastReader: Send {
    /// A page.
    ///
    /// # Errors
    /// When it cannot be read.
    fn page(&mut self, query: &PastQuery) -> Result<PastPage, PastError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_columns_apart_and_every_table_begins_with_its_time() {
        for table in PastTable::ALL {
            let names: std::collections::BTreeSet<&str> = table.columns().iter().map(|column| column.name).collect();
            assert_eq!(names.len(), table.columns().len(), "{}", table.word());
            assert_eq!(table.columns()[0].kind, PastKind::Time);
            assert_eq!(table.sorts()[0], PastSort::Time);
        }
    }
}
