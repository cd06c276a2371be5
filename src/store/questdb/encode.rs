//! Rows of the projections as rows of the line protocol, whole: a row there is replaced by the one
//! that comes, and what is left out becomes NULL.
//!
//! Decimals are rounded to 18 places, half to even, before they are written: QuestDB refuses more.
//! One with more than 20 digits before the point cannot be written; its row becomes a dead letter.

use questdb::ingress::{Buffer, ColumnName, TableName, TimestampMicros};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::source::{DeadLetter, Range, Source};
use super::tables::{Kind, Target};
use crate::model::Decimal;
use crate::store::{Sent, StoreError};

/// Places of a DECIMAL(38,18).
const PLACES: u32 = 18;
/// What a DECIMAL(38,18) is always below: 10^20.
const BOUND: i128 = 100_000_000_000_000_000_000;
/// A request is not made longer than this, in bytes; about 20,000 rows.
const LONGEST: usize = 4 * 1024 * 1024;

/// Rows that wait to be flushed.
pub struct Batch {
    /// Which.
    pub range: Range,
    /// Where they lie here, in the order of the lines.
    pub rows: Vec<i64>,
    /// Rows that cannot be written at all.
    pub dead: Vec<DeadLetter>,
    /// Whether there are more rows than went in.
    pub full: bool,
}

/// The number as it is written: 18 places, half to even. `None` when it is too large.
pub fn rounded(number: Decimal) -> Option<Decimal> {
    let bound = Decimal::try_from_i128_with_scale(BOUND, 0).ok()?;
    // Half to even is rust_decimal's own rule.
    let number = number.round_dp(PLACES);
    (number.abs() < bound).then_some(number)
}

/// Fills the buffer with the next rows that were not sent, at most about so many; `None` when there
/// are none. Rows of one fact stay together. `beyond` is the `rev` of the last row that is on its way,
/// when one is.
///
/// # Errors
/// Of the database.
pub fn next_batch(
    source: &Source,
    target: &Target,
    beyond: Option<i64>,
    limit: usize,
    buffer: &mut Buffer,
) -> Result<Option<Batch>, StoreError> {
    let fail = |error: rusqlite::Error| source.fail(&error);
    let resyncs = source.resyncs()?;
    let name = target.source;
    let (first, which) = match target.sent {
        Sent::ByCursor => (source.cursor(target)?, format!("INDEXED BY {name}_rev WHERE rev > ?1 ORDER BY rev")),
        _ => (
            0,
            format!(
                "INDEXED BY {name}_unsynced WHERE (synced_rev IS NULL OR synced_rev < rev) AND rev > ?1 ORDER BY rev"
            ),
        ),
    };
    let cursor = beyond.unwrap_or(first);
    let mut statement = source.connection.prepare_cached(&format!("{} {which}", target.select())).map_err(fail)?;
    let mut found = statement.query([cursor]).map_err(fail)?;
    buffer.clear();
    let mut batch: Option<Batch> = None;
    while let Some(row) = found.next().map_err(fail)? {
        let rev: i64 = row.get(1).map_err(fail)?;
        let batch = batch.get_or_insert_with(|| Batch {
            range: Range { after: cursor, to: rev, rows: 0, from_time: i64::MAX, to_time: i64::MIN, resyncs },
            rows: Vec::with_capacity(limit.min(20_000)),
            dead: Vec::new(),
            full: false,
        });
        if rev != batch.range.to && (batch.range.rows >= limit || buffer.len() >= LONGEST) {
            batch.full = true;
            break;
        }
        batch.range.to = rev;
        batch.range.rows = batch.range.rows.saturating_add(1);
        take(row, rev, target, buffer, batch).map_err(fail)?;
    }
    Ok(batch)
}

/// Fills the buffer with these rows alone, those that are still there as they were.
///
/// # Errors
/// Of the database.
pub fn single_rows(source: &Source, target: &Target, rows: &[i64], buffer: &mut Buffer) -> Result<(), StoreError> {
    let fail = |error: rusqlite::Error| source.fail(&error);
    buffer.clear();
    let mut statement =
        source.connection.prepare_cached(&format!("{} WHERE rowid = ?1", target.select())).map_err(fail)?;
    for place in rows {
        let mut found = statement.query([place]).map_err(fail)?;
        if let Some(row) = found.next().map_err(fail)? {
            // Whole or not at all: it was whole a moment ago.
            let _ = line(row, row.get(1).map_err(fail)?, target, buffer);
        }
    }
    Ok(())
}

/// The `rev` and the label of a row.
///
/// # Errors
/// Of the database.
pub fn describe(source: &Source, target: &Target, place: i64) -> Result<(i64, String), StoreError> {
    let sql = format!("SELECT rev, CAST({} AS TEXT) FROM {} WHERE rowid = ?1", target.label, target.source);
    let read = || {
        source
            .connection
            .prepare_cached(&sql)?
            .query_row([place], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default())))
    };
    read().map_err(|error| source.fail(&error))
}

fn take(row: &Row<'_>, rev: i64, target: &Target, buffer: &mut Buffer, batch: &mut Batch) -> rusqlite::Result<()> {
    let place: i64 = row.get(0)?;
    let time: i64 = row.get(3)?;
    let written = buffer.set_marker().map_err(|error| error.msg().to_owned()).and_then(|()| {
        line(row, rev, target, buffer).inspect_err(|_| {
            // Only what belongs to this row goes.
            let _ = buffer.rewind_to_marker();
        })
    });
    buffer.clear_marker();
    match written {
        Ok(()) => {
            batch.range.from_time = batch.range.from_time.min(time);
            batch.range.to_time = batch.range.to_time.max(time);
            batch.rows.push(place);
        }
        Err(message) => {
            let key = match row.get_ref(2)? {
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                ValueRef::Integer(number) => number.to_string(),
                _ => String::new(),
            };
            batch.dead.push(DeadLetter { row: place, rev, key, message });
        }
    }
    Ok(())
}

/// Columns of [`Target::select`] before those of the target.
const BEFORE: usize = 4;

/// Appends one row; the error is for the dead letter.
fn line(row: &Row<'_>, rev: i64, target: &Target, buffer: &mut Buffer) -> Result<(), String> {
    let client = |error: questdb::Error| error.msg().to_owned();
    buffer.table(TableName::new_unchecked(target.name)).map_err(client)?;
    for (place, column) in target.columns.iter().enumerate() {
        let name = ColumnName::new_unchecked(column.name);
        let value = row.get_ref(place.saturating_add(BEFORE)).map_err(|error| error.to_string())?;
        let text = match value {
            ValueRef::Null => continue,
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_err(|error| error.to_string())?,
            _ => "",
        };
        let whole = || match value {
            ValueRef::Integer(number) => Ok(number),
            _ => Err(format!("{} is no whole number", column.name)),
        };
        match column.kind {
            Kind::Symbol if text.is_empty() => continue,
            Kind::Symbol => buffer.symbol(name, text),
            Kind::Text => buffer.column_str(name, text),
            Kind::Decimal => match text.parse::<Decimal>() {
                Ok(number) => match rounded(number) {
                    Some(number) => buffer.column_dec(name, &number),
                    None => return Err(format!("{} {number} does not fit into DECIMAL(38,18)", column.name)),
                },
                // What somebody sent in place of a number; the signal was refused for it.
                Err(_) => continue,
            },
            Kind::Double => match (value, text.parse::<f64>()) {
                (ValueRef::Integer(number), _) => match number.to_string().parse::<f64>() {
                    Ok(number) => buffer.column_f64(name, number),
                    Err(_) => continue,
                },
                (_, Ok(number)) if number.is_finite() => buffer.column_f64(name, number),
                _ => continue,
            },
            Kind::Int | Kind::Long => buffer.column_i64(name, whole()?),
            Kind::Time => buffer.column_ts(name, TimestampMicros::new(whole()?)),
            Kind::Flag => buffer.column_bool(name, whole()? != 0),
        }
        .map_err(client)?;
    }
    let time: i64 = row.get(3).map_err(|error| error.to_string())?;
    buffer
        .column_i64(ColumnName::new_unchecked("rev"), rev)
        .and_then(|buffer| buffer.at(TimestampMicros::new(time)))
        .map_err(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn decimals_are_rounded_half_to_even_at_18_places() {
        for (exact, written) in [
            ("1.0000000000000000005", "1"),
            ("1.0000000000000000015", "1.000000000000000002"),
            ("1.0000000000000000025", "1.000000000000000002"),
            ("-1.0000000000000000015", "-1.000000000000000002"),
            ("0.00000000000000000051", "0.000000000000000001"),
            ("12345678901234567890.12345", "12345678901234567890.12345"),
            ("99999999999999999999.9", "99999999999999999999.9"),
        ] {
            assert_eq!(rounded(number(exact)), Some(number(written)), "{exact}");
        }
        assert_eq!(rounded(number("100000000000000000000")), None);
        assert_eq!(rounded(number("-100000000000000000000")), None);
        assert_eq!(rounded(Decimal::MAX), None);
    }
}
