//! Whether the tables on a server are the ones that are written here. The line protocol makes
//! columns that it does not know and casts what it can, so a difference must be seen before.

use std::collections::BTreeMap;

use super::error::QuestDbError;
use super::server::{Server, quoted};
use super::tables::{Kind, Target};

/// Differences that an error names; the rest is counted.
const NAMED: usize = 8;

/// Compares these tables.
///
/// # Errors
/// When they differ; the error names the columns. When the server cannot be asked.
pub fn check(server: &Server, targets: &[&Target]) -> Result<(), QuestDbError> {
    if targets.is_empty() {
        return Ok(());
    }
    let tables = server.exec("SELECT table_name, designatedTimestamp, partitionBy, walEnabled, dedup FROM tables()")?;
    let mut wrong = Vec::new();
    for target in targets {
        let Some(row) = (0..tables.rows.len()).find(|row| tables.text(*row, 0) == Some(target.name)) else {
            wrong.push(format!("table {} is missing", target.name));
            continue;
        };
        let flag = |column: usize| tables.rows.get(row).and_then(|row| row.get(column)?.as_bool()).unwrap_or(false);
        if tables.text(row, 1) != Some(target.time.0) {
            wrong.push(format!("{}: the designated timestamp is not {}", target.name, target.time.0));
        }
        if tables.text(row, 2) != Some("DAY") || !flag(3) {
            wrong.push(format!("{}: it is not PARTITION BY DAY WAL", target.name));
        }
        if !flag(4) {
            wrong.push(format!("{}: deduplication is off", target.name));
        }
        columns(server, target, &mut wrong)?;
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(NAMED);
    wrong.truncate(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(QuestDbError::Schema(format!("{}{more}", wrong.join("; "))))
}

fn columns(server: &Server, target: &Target, wrong: &mut Vec<String>) -> Result<(), QuestDbError> {
    let name = target.name;
    let found = server.exec(&format!("SELECT \"column\", type, upsertKey FROM table_columns({})", quoted(name)))?;
    let mut there: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    for row in 0..found.rows.len() {
        if let (Some(column), Some(kind)) = (found.text(row, 0), found.text(row, 1)) {
            let key = found.rows.get(row).and_then(|row| row.get(2)?.as_bool()).unwrap_or(false);
            there.insert(column, (kind, key));
        }
    }
    for (column, kind) in target.all_columns() {
        match there.remove(column) {
            None => wrong.push(format!("{name}.{column} is missing ({})", kind.name())),
            Some((found, _)) if !same(found, kind) => {
                wrong.push(format!("{name}.{column} is {}, not {}", super::server::shorten(found), kind.name()));
            }
            Some((_, key)) if key != target.keys.contains(&column) => {
                let (is, due) = if key { ("is", "must not be") } else { ("is not", "must be") };
                wrong.push(format!("{name}.{column} {is} a deduplication key and {due} one"));
            }
            Some(_) => {}
        }
    }
    for column in there.keys() {
        // A row is replaced as a whole, so whatever somebody put there would be lost.
        wrong.push(format!("{name}.{} is a column too many", super::server::shorten(column)));
    }
    Ok(())
}

fn same(found: &str, kind: Kind) -> bool {
    found.eq_ignore_ascii_case(kind.name())
}
