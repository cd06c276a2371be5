//! Where a session's clock has to start, so that time goes on where the books or the candles say.

use std::path::Path;

use super::error::SimulatorError;
use super::settings::Settings;
use crate::model::SessionTime;

/// Where the record in a directory of books ends; `None` when there is none.
fn recorded_until(dir: &Path) -> Result<Option<SessionTime>, SimulatorError> {
    if !dir.exists() {
        return Ok(None);
    }
    let failed = |problem: String| SimulatorError::Journal { dir: dir.into(), problem };
    let mut last = None;
    for entry in crate::journal::read(dir).map_err(|error| failed(error.of_books().to_string()))? {
        last = Some(entry.map_err(|error| failed(error.of_books().to_string()))?.at);
    }
    Ok(last.map(SessionTime::from_micros))
}

/// Where a session's clock has to start: at the first candle, or where the record of the books
/// ends. `None` when any time will do, as for invented markets without a record.
///
/// # Errors
/// When the record cannot be read.
pub fn session_start(settings: &Settings) -> Result<Option<SessionTime>, SimulatorError> {
    let recorded = match &settings.data_dir {
        Some(dir) => recorded_until(dir)?,
        None => None,
    };
    Ok(recorded.max(settings.start_time().map(|at| SessionTime::from_micros(at.micros()))))
}
