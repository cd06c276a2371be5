//! Projections that know of facts which the journal lacks: the journal has lost them, and what is known
//! of them here is all that is left. Such a database is kept aside under a name of its own and never
//! cleared; what it knows is told.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::model::{SessionTime, escape_controls};

/// So many orders, fills and positions are named.
const NAMED: u64 = 5;
/// Nobody waits longer for a database that another program holds.
const PATIENCE: Duration = Duration::from_millis(250);

/// The last fact that a database has rows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its number.
    pub seq: u64,
    /// Its time.
    pub at: SessionTime,
}

/// The last fact that a database knows; `None` when there is no database, none that can be read, or one
/// without facts. Any version will do.
pub fn anchor(database: &Path) -> Option<Anchor> {
    let connection = open(database).ok()?;
    let found = connection
        .query_row("SELECT seq, at FROM folded", [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional();
    let (seq, at) = found.ok()??;
    Some(Anchor { seq: u64::try_from(seq).ok()?, at: SessionTime::from_micros(at) })
}

/// Holds what a database knows against a journal that ends with fact `last` and has recorded the
/// anchor's fact at `recorded` (`None`: not looked at). When they contradict each other the database is
/// kept aside, named by the time `now`, and what it knows is said.
pub fn confront(
    database: &Path,
    anchor: Anchor,
    last: u64,
    recorded: Option<SessionTime>,
    now: SessionTime,
) -> Option<String> {
    let what = if anchor.seq > last {
        let missing = anchor.seq.saturating_sub(last);
        format!(
            "the journal ends with fact {last}, but the history database knows facts up to {} of {}: {missing} facts \
             are missing in the journal. What is known of them: {}. The exchange is asked what is true now; compare",
            anchor.seq,
            anchor.at,
            testimony(database, last)
        )
    } else if recorded.is_some_and(|recorded| recorded != anchor.at) {
        format!(
            "the history database and the journal do not agree on fact {}: the journal was replaced, or lost facts and \
             went on. What the database knew last: {}. The exchange is asked what is true now; compare",
            anchor.seq,
            testimony(database, 0)
        )
    } else {
        return None;
    };
    Some(match keep_aside(database, now) {
        Ok(aside) => format!("{what}. That database is kept as {}", aside.display()),
        Err(error) => {
            format!("{what}. It could not be kept under another name ({error}): copy it before it is used again")
        }
    })
}

/// Gives a database, with the files that belong to it, another name beside it, and says which.
///
/// # Errors
/// Those of the file system; it has its old name then.
pub fn keep_aside(database: &Path, now: SessionTime) -> std::io::Result<PathBuf> {
    // What only its log has goes into the one file; a log that stays moves along.
    if let Ok(connection) = open(database) {
        let _ = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
        let _ = connection.close();
    }
    let stem = database.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stamp: String = now.exact().chars().filter(char::is_ascii_alphanumeric).collect();
    let aside = (1_u32..10_000)
        .map(
            |count| {
                if count == 1 { format!("{stem}-{stamp}.sqlite") } else { format!("{stem}-{stamp}-{count}.sqlite") }
            },
        )
        .map(|name| database.with_file_name(name))
        .find(|path| !path.exists())
        .unwrap_or_else(|| database.with_extension("aside.sqlite"));
    fs::rename(database, &aside)?;
    for end in ["-wal", "-shm"] {
        let (from, to) = (beside(database, end), beside(&aside, end));
        // Without a log there is nothing to move.
        let _ = fs::rename(from, to);
    }
    Ok(aside)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn open(database: &Path) -> rusqlite::Result<Connection> {
    // For writing, so that what only the log of a killed process has is seen.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// What a database knows of the facts after `last`, and which positions it had open.
fn testimony(database: &Path, last: u64) -> String {
    let told = open(database).and_then(|connection| {
        let orders = rows(
            &connection,
            "SELECT client_order_id || ' ' || symbol || ' ' || side || ' ' || quantity || ' ' || status FROM orders \
             WHERE rev > ?1 ORDER BY rev DESC",
            last,
        )?;
        let fills = rows(
            &connection,
            "SELECT fill_id || ' ' || symbol || ' ' || side || ' ' || quantity || ' at ' || price FROM fills \
             WHERE rev > ?1 ORDER BY rev DESC",
            last,
        )?;
        let positions = rows(
            &connection,
            "SELECT symbol || ' ' || side || ' ' || quantity FROM positions WHERE closed_at IS NULL AND rev > ?1 * 0 \
             ORDER BY rev DESC",
            last,
        )?;
        let mut text = String::new();
        for (name, (count, first)) in [("orders", orders), ("fills", fills), ("open positions", positions)] {
            let separator = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{separator}{count} {name}");
            if !first.is_empty() {
                let _ = write!(text, " ({}{})", first.join(", "), if count > NAMED { ", ..." } else { "" });
            }
        }
        Ok(text)
    });
    match told {
        Ok(text) => text,
        Err(error) => format!("nothing that could be read ({})", escape_controls(&error.to_string())),
    }
}

/// How many rows a statement finds, and the first of them.
fn rows(connection: &Connection, sql: &str, last: u64) -> rusqlite::Result<(u64, Vec<String>)> {
    let last = i64::try_from(last).unwrap_or(i64::MAX);
    let mut statement = connection.prepare(sql)?;
    let mut found = statement.query([last])?;
    let (mut count, mut first) = (0_u64, Vec::new());
    while let Some(row) = found.next()? {
        count = count.saturating_add(1);
        if count <= NAMED {
            first.push(escape_controls(&row.get::<_, String>(0)?).into_owned());
        }
    }
    Ok((count, first))
}
