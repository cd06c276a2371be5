//! The statement for a page of the past: the same for SQLite and QuestDB, which differ in names,
//! functions and in how a value is written.
//!
//! A page is found by the place of a row (its sort value, its time and its key), never by counting
//! rows from the beginning: the thousandth page costs what the first one costs, and rows that are
//! added meanwhile move nothing.

use crate::model::{PastFrom, PastPlace, PastQuery, PastSort, Timestamp};

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
    fn time(&mut self, at: Timestamp) -> String;
    /// A key, as it stands in a place.
    fn key(&mut self, key: &str) -> String;
    /// Whether an expression contains a text, in any case.
    fn contains(&mut self, expression: &str, text: &str) -> String;
}

/// The statement for a page, and one row more, which tells whether there are more. Its columns are
/// those of the table, then the sort value (when it is not sorted by time), the time and the key.
/// A page that is reached from its end comes in reverse.
pub fn page(shape: &Shape, query: &PastQuery, dialect: &mut impl Dialect) -> String {
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
    let mut columns: Vec<&str> = shape.columns.to_vec();
    columns.extend(order.sorted);
    columns.extend([shape.time, shape.key]);
    let conditions = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    format!(
        "SELECT {} FROM {}{conditions} ORDER BY {} LIMIT {}",
        columns.join(", "),
        shape.from,
        order.words(),
        query.limit.saturating_add(1),
    )
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
        let backward = query.from.is_backward();
        let sorted = (query.sort != PastSort::Time).then(|| (shape.sorts)(query.sort));
        let time_falls = sorted.is_some() || !query.reversed;
        Self {
            sorted,
            sorted_falls: query.reversed != backward,
            time: shape.time,
            key: shape.key,
            time_falls: time_falls != backward,
        }
    }

    fn words(&self) -> String {
        let way = |falls: bool| if falls { "DESC" } else { "ASC" };
        let rest = format!("{} {}, {} {}", self.time, way(self.time_falls), self.key, way(self.time_falls));
        match self.sorted {
            Some(sorted) => format!("{sorted} {}, {rest}", way(self.sorted_falls)),
            None => rest,
        }
    }

    /// The condition that a row comes after a place.
    fn beyond(&self, place: &PastPlace, dialect: &mut impl Dialect) -> String {
        let way = |falls: bool| if falls { "<" } else { ">" };
        let Self { time, key, .. } = self;
        let (at, id, beyond) = (dialect.time(place.at), dialect.key(&place.key), way(self.time_falls));
        match self.sorted {
            // The first part alone lets an index on the time find the page.
            None => format!("{time} {beyond}= {at} AND ({time} {beyond} {at} OR {key} {beyond} {id})"),
            Some(sorted) => {
                let value = dialect.text(&place.sorted);
                let over = way(self.sorted_falls);
                format!(
                    "({sorted} {over} {value} OR ({sorted} = {value} AND ({time} {beyond} {at} OR \
                     ({time} = {at} AND {key} {beyond} {id}))))"
                )
            }
        }
    }
}
