//! Dropping old days, when a setting says so. Not by TTL: QuestDB counts a TTL from the newest row,
//! and one row with a wrong clock would delete all that is older.

use std::time::Duration;

use super::error::QuestDbError;
use super::server::Server;
use super::tables::TARGETS;
use crate::model::SessionTime;

/// Time between two sweeps.
pub const EVERY: Duration = Duration::from_hours(1);

/// Drops the days that are older than so many, by the server's clock.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub fn sweep(server: &Server, days: u32) -> Result<(), QuestDbError> {
    for target in &TARGETS {
        let (table, time) = (target.name, target.time.0);
        let sql = format!("ALTER TABLE {table} DROP PARTITION WHERE {time} < dateadd('d', -{days}, now())");
        match server.exec(&sql) {
            // Nothing is that old.
            Err(QuestDbError::Answer { why, .. }) if why.contains("no partitions matched") => {}
            result => drop(result?),
        }
    }
    Ok(())
}

/// The first day (since 1970) that no sweep may have touched; 0 without retention.
pub fn first_day_kept(now: SessionTime, days: u32) -> i64 {
    if days == 0 { 0 } else { now.day().saturating_sub(i64::from(days)).saturating_add(1) }
}
