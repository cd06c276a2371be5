//! The dashboard on a session of this process.

use std::path::PathBuf;

use super::failure::Failure;
use crate::clock::wall_time;
use crate::config::Settings;
use crate::model::{Action, Command, CommandId, StopPolicy};
use crate::runtime::headless::STOP_DEADLINE;
use crate::runtime::{Ended, Running};
use crate::tui::{self, Dressing, Exit, Limits, Setup};

/// What the dashboard is set up with; read before the session starts, so that a mistake in a theme
/// or key map is told before anything trades.
pub struct Prepared {
    setup: Setup,
    dressing: Dressing,
}

/// Reads theme and keys.
pub fn prepare(settings: &Settings) -> Result<Prepared, Failure> {
    let operator = std::env::var("USER").ok().filter(|name| CommandId::new(name).is_ok());
    let setup = Setup {
        dashboard: settings.dashboard.clone(),
        limits: Some(Limits::from(&settings.risk)),
        breaker_failures: settings.breaker.failures,
        operator: operator.unwrap_or_else(|| "operator".to_owned()),
        // Command ids must never repeat on one journal: the time of this start is in them.
        prefix: format!("ui{:x}", wall_time().micros()),
        read_only: false,
        same_process: true,
    };
    let dressing = Dressing::load(&setup, themes().as_deref()).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Prepared { setup, dressing })
}

/// The user's folder of themes.
pub fn themes() -> Option<PathBuf> {
    Some(crate::config::default_file()?.parent()?.join("themes"))
}

/// Shows the dashboard until the operator leaves it; then the session stops as he said.
pub fn show(running: Running, prepared: Prepared) -> Result<Ended, Failure> {
    let prefix = prepared.setup.prefix.clone();
    let by = prepared.setup.operator.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(tui::run(running.handle(), prepared.setup, prepared.dressing));
    // The keyboard may still be waited on; its thread ends with the process.
    runtime.shutdown_background();
    let policy = match &outcome {
        Ok(Exit::Stop(policy)) => Some(*policy),
        Ok(Exit::SessionEnded) => None,
        // Told to end by a signal, or left without a screen: nothing is cancelled that nobody named.
        Ok(Exit::Detached | Exit::Terminated) | Err(_) => Some(StopPolicy::Leave),
    };
    if let Some(policy) = policy
        && let Ok(id) = CommandId::new(&format!("{prefix}-stop"))
    {
        // Gone means that it has stopped already.
        let _ = running.commands.send(Command { id, by, action: Action::Stop { policy } });
    }
    let ended = running.join_within(STOP_DEADLINE)?;
    outcome.map_err(|error| Failure::new(error.to_string()))?;
    Ok(ended)
}
