//! Equality of both sides: rows, latest `rev` and sum of all `rev` for each session and day, here
//! against there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::error::QuestDbError;
use super::server::{Server, quoted};
use super::source::Source;
use super::tables::Target;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// What a session's rows of a day amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// How many.
    pub rows: i64,
    /// The largest `rev`.
    pub latest_rev: i64,
    /// The sum of all `rev`: it tells an older row from a newer one when the count is the same.
    pub sum_rev: i64,
}

/// A day on which the sides differ.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The session.
    pub session_id: String,
    /// The day, as 2026-11-24.
    pub day: String,
    /// What is here.
    pub here: Tally,
    /// What is there.
    pub there: Tally,
}

/// One table on both sides.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Comparison {
    /// Its name there.
    pub table: &'static str,
    /// Rows here.
    pub rows_here: i64,
    /// Rows there, of the sessions that are here.
    pub rows_there: i64,
    /// Rows here that were not sent yet.
    pub unsent: u64,
    /// Rows that the server refused.
    pub dead_letters: u64,
    /// Days that differ.
    pub differences: Vec<Difference>,
}

type Tallies = BTreeMap<(String, i64), Tally>;

/// Compares a table. Days before `first_day` (days since 1970) do not count: retention has taken
/// them there.
///
/// # Errors
/// When either side cannot be read.
pub fn compare(
    source: &Source,
    server: &Server,
    target: &'static Target,
    first_day: i64,
) -> Result<Comparison, QuestDbError> {
    // First here, then there: what comes meanwhile is more there, never less.
    let lag = source.lag(target)?;
    let range = (first_day.saturating_mul(DAY), i64::MAX);
    let here = here(source, target, range, false)?;
    let sessions: Vec<&str> = sessions(&here);
    let mut there = there(server, target, &sessions, range)?;
    let sum = |tallies: &Tallies| tallies.values().fold(0_i64, |sum, tally| sum.saturating_add(tally.rows));
    let (rows_here, rows_there) = (sum(&here), sum(&there));
    let mut differences = Vec::new();
    let mut differ = |key: (String, i64), here: Tally, there: Tally| {
        if here != there {
            differences.push(Difference { session_id: key.0, day: day_text(key.1), here, there });
        }
    };
    for (key, here) in here {
        let there = there.remove(&key).unwrap_or_default();
        differ(key, here, there);
    }
    for (key, there) in there {
        differ(key, Tally::default(), there);
    }
    Ok(Comparison {
        table: target.name,
        rows_here,
        rows_there,
        unsent: lag.rows,
        dead_letters: lag.dead_letters,
        differences,
    })
}

/// Whether both sides agree on the rows with designated timestamps in a range, those aside that were
/// refused.
///
/// # Errors
/// When either side cannot be read.
pub(super) fn agree(
    source: &Source,
    server: &Server,
    target: &Target,
    range: (i64, i64),
) -> Result<bool, QuestDbError> {
    let here = here(source, target, range, true)?;
    let there = there(server, target, &sessions(&here), range)?;
    Ok(here == there)
}

/// Waits until a server has applied what it has taken, at most so long; says whether it has.
///
/// # Errors
/// When it cannot be asked.
pub fn wait_applied(server: &Server, target: &Target, patience: Duration) -> Result<bool, QuestDbError> {
    let sql = format!("SELECT sequencerTxn, writerTxn FROM wal_tables() WHERE name = {}", quoted(target.name));
    let give_up = Instant::now().checked_add(patience);
    let mut due = None;
    loop {
        let answer = server.exec(&sql)?;
        let (Some(taken), Some(applied)) = (answer.whole(0, 0), answer.whole(0, 1)) else { return Ok(true) };
        if applied >= *due.get_or_insert(taken) {
            return Ok(true);
        }
        if give_up.is_none_or(|give_up| Instant::now() >= give_up) {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn sessions(tallies: &Tallies) -> Vec<&str> {
    let mut sessions: Vec<&str> = tallies.keys().map(|(session, _)| session.as_str()).collect();
    sessions.dedup();
    sessions
}

fn here(source: &Source, target: &Target, (from, to): (i64, i64), but_dead: bool) -> Result<Tallies, QuestDbError> {
    let (table, time, name) = (target.source, target.time.1, target.name);
    let but = if but_dead {
        format!("AND rowid NOT IN (SELECT row FROM sink_dead_letters WHERE name = '{name}')")
    } else {
        String::new()
    };
    let sql = format!(
        "SELECT coalesce(session_id, ''), {time} / {DAY}, count(*), max(rev), sum(rev) FROM {table} \
         WHERE {time} BETWEEN ?1 AND ?2 {but} GROUP BY 1, 2"
    );
    let read = || -> rusqlite::Result<Tallies> {
        let mut statement = source.connection.prepare_cached(&sql)?;
        let rows = statement.query_map((from, to), |row| {
            let tally = Tally { rows: row.get(2)?, latest_rev: row.get(3)?, sum_rev: row.get(4)? };
            Ok(((row.get(0)?, row.get(1)?), tally))
        })?;
        rows.collect()
    };
    Ok(read().map_err(|error| source.fail(&error))?)
}

fn there(server: &Server, target: &Target, sessions: &[&str], (from, to): (i64, i64)) -> Result<Tallies, QuestDbError> {
    let time = target.time.0;
    let mut tallies = Tallies::new();
    for session in sessions {
        let which = if session.is_empty() { "IS NULL".to_owned() } else { format!("= {}", quoted(session)) };
        let sql = format!(
            "SELECT cast(timestamp_floor('d', {time}) AS LONG) d, count() n, max(rev) m, sum(rev) s FROM {} \
             WHERE session_id {which} AND {time} >= cast({from} AS TIMESTAMP) AND {time} <= cast({to} AS TIMESTAMP) \
             GROUP BY d",
            target.name
        );
        let answer = server.exec(&sql)?;
        for row in 0..answer.rows.len() {
            let whole = |column: usize| answer.whole(row, column).unwrap_or_default();
            let tally = Tally { rows: whole(1), latest_rev: whole(2), sum_rev: whole(3) };
            tallies.insert(((*session).to_owned(), whole(0) / DAY), tally);
        }
    }
    Ok(tallies)
}

fn day_text(day: i64) -> String {
    chrono::DateTime::from_timestamp(day.saturating_mul(DAY / 1_000_000), 0)
        .map_or_else(|| format!("day {day}"), |time| time.format("%Y-%m-%d").to_string())
}
