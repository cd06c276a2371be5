//! The statement for a page of the past: the same for SQLite and QuestDB, which differ in names,
//! functions and in how a value is written.
//!
//! A page is found by the place of a row (its sort value, its time and its key), never by counting
//! rows from the beginning: the thousandth page costs what the first one costs, and rows that are
//! added meanwhile move nothing.

use crate::model::{PastFrom, PastPlace, PastQuery, PastSort, SessionTime};

/// How a store names what a table of the past holds.
pub struct Shape {
    /// What follows FROM.
    pub from: &'static str,
    /// One expression for each column of the table, in its order.
    pub columns: &'static [&'static str],
    /// When a row began.
    pub time: &'static str,
    /// What tells rows of one time apart.
    pub key: &'static str,
    /// When a row was last true, for `since`.
    pub alive: &'static str,
    /// The contract.
    pub symbol: &'static str,
    /// The session.
    pub session: &'static str,
    /// An expression that is never NULL, for each sort but the time.
    pub sorts: fn(PastSort) -> &'static str,
    /// All words of a row, never NULL.
    pub words: &'static str,
}

/// How a store writes values.
pub trait Dialect {
    /// A text.
    fn text(&mut self, text: &str) -> String;
    /// A point in time.
    fn time(&mut self, at: SessionTime) -> String;
    /// A key, as it stands in a place.
    fn key(&mut self, key: &str) -> String;
    /// Whether an expression contains a text, in any case.
    fn contains(&mut self, expression: &str, text: &str) -> String;
}

/// A statement for a page, in parts: a store may add a condition of its own.
pub struct Statement {
    columns: String,
    from: &'static str,
    time: &'static str,
    /// What rows fulfil, all of them.
    pub conditions: Vec<String>,
    order: String,
    time_order: &'static str,
    limit: usize,
}

impl Statement {
    /// The page, and one row more, which tells whether there are more. Its columns are those of the
    /// table, then the sort value (when it is not sorted by time), the time and the key. A page that
    /// is reached from its end comes in reverse.
    pub fn page(&self) -> String {
        let Self { columns, from, order, .. } = self;
        format!("SELECT {columns} FROM {from}{} ORDER BY {order} LIMIT {}", self.filter(), self.limit.saturating_add(1))
    }

    /// The time of the last row of the page alone, in the order of time alone, as QuestDB counts
    /// rows; nothing when the page is not full.
    pub fn edge(&self) -> String {
        let Self { time, from, time_order, limit, .. } = self;
        let next = limit.saturating_add(1);
        format!("SELECT {time} FROM {from}{} ORDER BY {time} {time_order} LIMIT {limit}, {next}", self.filter())
    }

    fn filter(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!(" WHERE {}", self.conditions.join(" AND ")) }
    }
}

/// Whether the times of a page fall.
pub fn falls(query: &PastQuery) -> bool {
    (query.sort != PastSort::Time || !query.reversed) != query.from.is_backward()
}

/// The statement for a page.
pub fn statement(shape: &Shape, query: &PastQuery, dialect: &mut impl Dialect) -> Statement {
    let order = Order::of(shape, query);
    let mut conditions = Vec::new();
    if let Some(since) = query.since {
        conditions.push(format!("{} >= {}", shape.alive, dialect.time(since)));
    }
    if let Some(until) = query.until {
        conditions.push(format!("{} < {}", shape.time, dialect.time(until)));
    }
    if let Some(symbol) = &query.symbol {
        conditions.push(format!("{} = {}", shape.symbol, dialect.text(symbol)));
    }
    if let Some(session) = &query.session {
        conditions.push(format!("{} = {}", shape.session, dialect.text(session)));
    }
    if !query.containing.is_empty() {
        conditions.push(dialect.contains(shape.words, &query.containing));
    }
    if let PastFrom::After(place) | PastFrom::Before(place) = &query.from {
        conditions.push(order.beyond(place, dialect));
    }
    let mut columns: Vec<String> = shape.columns.iter().map(ToString::to_string).collect();
    columns.extend(order.sorted.map(|sorted| format!("{sorted} AS place_sorted")));
    columns.push(format!("{} AS place_at", shape.time));
    columns.push(format!("{} AS place_key", shape.key));
    Statement {
        columns: columns.join(", "),
        from: shape.from,
        time: shape.time,
        conditions,
        order: order.words(),
        time_order: way(order.time_falls),
        limit: query.limit,
    }
}

const fn way(falls: bool) -> &'static str {
    if falls { "DESC" } else { "ASC" }
}

/// The order in which rows are read.
struct Order<'a> {
    /// What they are sorted by, when that is not the time.
    sorted: Option<&'static str>,
    sorted_falls: bool,
    time: &'a str,
    key: &'a str,
    time_falls: bool,
}

impl<'a> Order<'a> {
    fn of(shape: &'a Shape, query: &PastQuery) -> Self {
        Self {
            sorted: (query.sort != PastSort::Time).then(|| (shape.sorts)(query.sort)),
            sorted_falls: query.reversed != query.from.is_backward(),
            time: shape.time,
            key: shape.key,
            time_falls: falls(query),
        }
    }

    fn words(&self) -> String {
        let rest = format!("place_at {0}, place_key {0}", way(self.time_falls));
        match self.sorted {
            Some(_) => format!("place_sorted {}, {rest}", way(self.sorted_falls)),
            None => rest,
        }
    }

    /// The condition that a row comes after a place.
    fn beyond(&self, place: &PastPlace, dialect: &mut impl Dialect) -> String {
        let sign = |falls: bool| if falls { "<" } else { ">" };
        let Self { time, key, .. } = self;
        let (at, id, beyond) = (dialect.time(place.at), dialect.key(&place.key), sign(self.time_falls));
        match self.sorted {
            // The first part alone lets an index on the time find the page.
            None => format!("{time} {beyond}= {at} AND ({time} {beyond} {at} OR {key} {beyond} {id})"),
            Some(sorted) => {
                let value = dialect.text(&place.sorted);
                let over = sign(self.sorted_falls);
                format!(
                    "({sorted} {over} {value} OR ({sorted} = {value} AND ({time} {beyond} {at} OR \
                     ({time} = {at} AND {key} {beyond} {id}))))"
                )
            }
        }
    }
}
