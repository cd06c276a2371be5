//! `perpdeck store`: the projections.

use std::io::Write as _;
use std::path::PathBuf;

use super::failure::Failure;
use super::run;
use crate::runtime::{DataDir, journal_of, projections_of};
use crate::store;

/// Folds the projections anew from the journal.
pub fn rebuild(data_dir: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let root = run::data_dir(data_dir, false)?;
    if !journal_of(&root).is_dir() {
        return Err(Failure::new(format!(
            "there is no journal in {}: name a session's directory with --data-dir DIR",
            root.display()
        )));
    }
    // Taken for this process, so that no session writes them at the same time.
    let dir = DataDir::open(&root).map_err(|error| Failure::new(error.to_string()))?;
    let store::Rebuilt { facts, witness } =
        store::rebuild(&dir.journal(), &dir.projections()).map_err(|error| Failure::new(error.to_string()))?;
    let database = projections_of(&root).display().to_string();
    let text = if json {
        serde_json::json!({ "database": database, "facts": facts, "witness": witness }).to_string()
    } else {
        let told = witness.map_or_else(String::new, |told| format!("\nperpdeck: {told}"));
        format!("{facts} facts folded into {database}{told}")
    };
    // A reader that stops reading has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}
