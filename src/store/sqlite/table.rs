//! A table: its name, key and columns, and how a row is written.

use std::sync::OnceLock;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde::Serialize;

use crate::model::{Contracts, Decimal, Price, Qty, SessionTime, Time, Usdt};

/// How it is remembered which rows of a table were sent on elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// They are not.
    Never,
    /// Rows change: each has `synced_rev`, the `rev` that was sent last, NULL when none was.
    ByRow,
    /// Rows only come: everything up to one `rev` was sent.
    ByCursor,
}

/// A table of projections.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns that tell its rows apart.
    pub key: &'static [&'static str],
    /// All columns with their types, but `rev`, which every table has, and `synced_rev`.
    pub columns: &'static [(&'static str, &'static str)],
    /// How it is remembered which rows were sent on elsewhere.
    pub sent: Sent,
    /// The statement that writes a row, once it is made.
    pub insert: OnceLock<String>,
}

impl Table {
    /// The statement that makes it. `rev` is the number of the last fact that touched a row.
    pub fn create(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        let (columns, key, name) = (columns.join(", "), self.key.join(", "), self.name);
        let (synced, index) = match self.sent {
            Sent::Never => ("", String::new()),
            Sent::ByRow => (
                "synced_rev INTEGER, ",
                format!(
                    "CREATE INDEX IF NOT EXISTS {name}_unsynced ON {name} (rev) WHERE synced_rev IS NULL OR synced_rev < rev;"
                ),
            ),
            Sent::ByCursor => ("", format!("CREATE INDEX IF NOT EXISTS {name}_rev ON {name} (rev);")),
        };
        format!(
            "CREATE TABLE IF NOT EXISTS {name} ({columns}, rev INTEGER NOT NULL, {synced}PRIMARY KEY ({key})) STRICT;\n{index}"
        )
    }

    /// Writes a row, unless a later fact has touched it already.
    ///
    /// # Errors
    /// Of the database.
    pub fn put(&self, to: &Connection, row: Vec<Value>, rev: u64) -> rusqlite::Result<()> {
        let sql = self.insert.get_or_init(|| self.insert_statement());
        to.prepare_cached(sql)?.execute(params_from_iter(row.into_iter().chain([number(rev)])))?;
        Ok(())
    }

    fn insert_statement(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).chain(["rev"]).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let set: Vec<String> = names
            .iter()
            .filter(|name| !self.key.contains(name))
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({marks}) ON CONFLICT ({}) DO UPDATE SET {} WHERE excluded.rev >= {}.rev",
            self.name,
            names.join(", "),
            self.key.join(", "),
            set.join(", "),
            self.name
        )
    }
}

/// A text.
#[expect(clippy::needless_pass_by_value, reason = "most are numbers, and `&` before each would hide the columns")]
pub fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

/// The same, or NULL: unknown is not zero.
pub fn maybe<T: ToString>(value: Option<T>) -> Value {
    value.map_or(Value::Null, text)
}

/// An exact number, in its shortest form: equal numbers are equal texts.
pub fn exact(value: impl Exact) -> Value {
    Value::Text(value.decimal().normalize().to_string())
}

/// The same, or NULL.
pub fn maybe_exact<T: Exact>(value: Option<T>) -> Value {
    value.map_or(Value::Null, exact)
}

/// Prices, quantities and money.
pub trait Exact {
    /// The number.
    fn decimal(self) -> Decimal;
}

impl Exact for Decimal {
    fn decimal(self) -> Decimal {
        self
    }
}

macro_rules! exact {
    ($($kind:ty),*) => {
        $(impl Exact for $kind {
            fn decimal(self) -> Decimal {
                self.get()
            }
        })*
    };
}

exact!(Price, Qty, Contracts, Usdt);

/// A whole number.
pub fn number(value: impl TryInto<i64>) -> Value {
    Value::Integer(value.try_into().unwrap_or(i64::MAX))
}

/// A whole number or NULL.
pub fn maybe_number<T: TryInto<i64>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, number)
}

/// A time in microseconds since 1970.
pub fn time<Owner>(at: Time<Owner>) -> Value {
    Value::Integer(at.micros())
}

/// A time or NULL.
pub fn maybe_time(at: Option<SessionTime>) -> Value {
    at.map_or(Value::Null, time)
}

/// The word by which a value is written everywhere else, or its JSON.
pub fn word(value: &impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Value::Text(word),
        Ok(other) => Value::Text(other.to_string()),
        Err(_) => Value::Null,
    }
}
