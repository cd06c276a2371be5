//! Projections that know of facts which the journal lacks: the journal has lost them, and what is known
//! of them here is all that is left. Such a database is kept aside under a name of its own and never
//! cleared; what it knows is told.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::journal::{self, JournalError, private};
use crate::model::{SessionTime, escape_controls};

/// So many orders, fills and positions are named.
const NAMED: u64 = 5;
/// Nobody waits longer for a database that another program holds.
const PATIENCE: Duration = Duration::from_millis(250);
/// No database is shorter: its smallest page.
const SHORTEST: u64 = 512;
/// A log of this length holds nothing.
const LOG_HEADER: u64 = 32;

/// The last fact that a database has rows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its number.
    pub seq: u64,
    /// Its time.
    pub at: SessionTime,
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is none, none that can be read now, or one without facts.
    Nothing,
    /// It has rows of facts up to this one.
    Facts(Anchor),
    /// It is damaged, and how.
    Damaged(String),
}

/// What a database has that a journal lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which facts, in few words.
    pub which: String,
    /// What is known of them.
    pub what: String,
}

/// Looks at a database of any version, without changing it.
pub fn look(database: &Path) -> Seen {
    // Before SQLite does: it makes an empty database of what is too short, and throws its log away.
    if let Some(why) = not_whole(database) {
        return Seen::Damaged(why);
    }
    let found = open(database).and_then(|connection| {
        connection
            .query_row("SELECT seq, at FROM folded", [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .optional()
    });
    match found {
        Ok(Some((seq, at))) => match u64::try_from(seq) {
            Ok(seq) => Seen::Facts(Anchor { seq, at: SessionTime::from_micros(at) }),
            Err(_) => Seen::Nothing,
        },
        Err(error) if is_damage(&error) => Seen::Damaged(escape_controls(&error.to_string()).into_owned()),
        Ok(None) | Err(_) => Seen::Nothing,
    }
}

/// Whether an error says that a database is damaged.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    matches!(error.sqlite_error_code(), Some(Code::NotADatabase | Code::DatabaseCorrupt))
}

/// Why a database cannot be whole, as its files look from outside.
fn not_whole(database: &Path) -> Option<String> {
    let mut start = Vec::new();
    match private::options().read(true).open(database) {
        Ok(file) => {
            file.take(SHORTEST).read_to_end(&mut start).ok()?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(_) => return None,
    }
    if start.is_empty() {
        let log = fs::metadata(beside(database, "-wal")).map_or(0, |log| log.len());
        return (log > LOG_HEADER).then(|| format!("it is empty, and {log} bytes of its log are not"));
    }
    if !start.starts_with(b"SQLite format 3\0") {
        return Some("it does not begin as a database does".to_owned());
    }
    (start.len() < usize::try_from(SHORTEST).unwrap_or_default()).then(|| "it is cut off".to_owned())
}

/// Holds what a database knows against a journal that ends with fact `last` and has recorded the
/// anchor's fact at `recorded` (`None`: not looked at).
pub fn difference(database: &Path, anchor: Anchor, last: u64, recorded: Option<SessionTime>) -> Option<Missing> {
    if anchor.seq > last {
        let missing = anchor.seq.saturating_sub(last);
        let first = last.saturating_add(1);
        let which = if missing == 1 { format!("facts ({first})") } else { format!("facts {first} to {}", anchor.seq) };
        let what = format!(
            "the journal ends with fact {last}, but the history database knows facts up to {} of {}: {missing} facts \
             are missing in the journal. What is known of them: {}. The exchange is asked what is true now; compare",
            anchor.seq,
            anchor.at,
            testimony(database, last)
        );
        Some(Missing { which, what })
    } else if recorded.is_some_and(|recorded| recorded != anchor.at) {
        let what = format!(
            "the history database and the journal do not agree on fact {}: the journal was replaced, or lost facts and \
             went on. What the database knew last: {}. The exchange is asked what is true now; compare",
            anchor.seq,
            testimony(database, 0)
        );
        Some(Missing { which: "facts".to_owned(), what })
    } else {
        None
    }
}

/// The same; what is missing is marked in the journal's folder, and the database is kept aside, named by
/// the time `now`.
///
/// # Errors
/// When the mark cannot be written: the database has its old name then.
pub fn confront(
    journal_dir: &Path,
    database: &Path,
    anchor: Anchor,
    (last, recorded): (u64, Option<SessionTime>),
    now: SessionTime,
) -> Result<Option<Missing>, JournalError> {
    let Some(Missing { which, what }) = difference(database, anchor, last, recorded) else { return Ok(None) };
    // Before the witness gets another name: whoever starts next must know too.
    journal::mark_loss(journal_dir, last, &format!("{which}\n{what}"))?;
    let what = match keep_aside(database, now) {
        Ok(aside) => format!("{what}. That database is kept as {}", aside.display()),
        Err(error) => {
            format!("{what}. It could not be kept under another name ({error}): copy it before it is used again")
        }
    };
    Ok(Some(Missing { which, what }))
}

/// Gives a damaged database another name and says so.
///
/// # Errors
/// Those of the file system, said; it has its old name then.
pub fn set_damaged_aside(database: &Path, why: &str, now: SessionTime) -> Result<String, String> {
    let damaged = format!("the history database {} is damaged ({why})", database.display());
    match rename(database, now) {
        Ok(aside) => Ok(format!(
            "{damaged}: it is kept as {} and made anew from the journal. What it knew beyond the journal, if anything, \
             cannot be told",
            aside.display()
        )),
        Err(error) => Err(format!("{damaged}, and cannot be kept under another name: {error}")),
    }
}

/// Gives a database, with the files that belong to it, another name beside it, and says which.
///
/// # Errors
/// Those of the file system; it has its old name then.
pub fn keep_aside(database: &Path, now: SessionTime) -> std::io::Result<PathBuf> {
    // What only its log has goes into the one file; a log that stays moves along.
    if let Ok(connection) = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE) {
        let _ = connection.busy_timeout(PATIENCE);
        let _ = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
        let _ = connection.close();
    }
    rename(database, now)
}

fn rename(database: &Path, now: SessionTime) -> std::io::Result<PathBuf> {
    let stem = database.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stamp: String = now.exact().chars().filter(char::is_ascii_alphanumeric).collect();
    let aside = (1_u32..10_000)
        .map(
            |count| {
                if count == 1 { format!("{stem}-{stamp}.sqlite") } else { format!("{stem}-{stamp}-{count}.sqlite") }
            },
        )
        .map(|name| database.with_file_name(name))
        .find(|path| !path.exists() && !beside(path, "-wal").exists())
        .unwrap_or_else(|| database.with_extension("aside.sqlite"));
    match fs::rename(database, &aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Never left behind: another database would take the log for its own, or throw it away.
    match fs::rename(beside(database, "-wal"), beside(&aside, "-wal")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Made anew from the log.
    let _ = fs::remove_file(beside(database, "-shm"));
    Ok(aside)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn open(database: &Path) -> rusqlite::Result<Connection> {
    // What only the log of a killed process has is seen too.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
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
