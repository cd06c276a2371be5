//! The dashboard on a session of this process.

use std::path::PathBuf;
use std::time::Duration;

use super::failure::Failure;
use crate::clock::wall_time;
use crate::config::Settings;
use crate::model::{Action, Command, CommandId};
use crate::runtime::{Ended, Running, StopRule};
use crate::tui::{self, Dressing, Exit, Limits, Setup};

/// Polls of orders leave the way to exits and may come later: younger lists are never called old.
const ORDERS_LIMIT_MIN: Duration = Duration::from_secs(5);

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
        positions_limit: settings.positions.sync_interval.saturating_mul(2),
        orders_limit: settings.orders.poll_interval.saturating_mul(2).max(ORDERS_LIMIT_MIN),
        prices_limit: settings.risk.max_price_age,
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

/// Shows the dashboard until the operator leaves it; then the session stops as he said, or by the
/// setting `session.stop` where he could not be asked.
pub fn show(mut running: Running, prepared: Prepared, rule: StopRule) -> Result<Ended, Failure> {
    // The dashboard starts from a snapshot of its own.
    drop(running.from_start.take());
    let prefix = prepared.setup.prefix.clone();
    let operator = prepared.setup.operator.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(tui::run(running.handle(), prepared.setup, prepared.dressing));
    // The keyboard may still be waited on; its thread ends with the process.
    runtime.shutdown_background();
    let stop = match &outcome {
        Ok(Exit::Stop(policy)) => Some((operator, *policy)),
        // The thread that listens to signals has said so, with the signal's name.
        Ok(Exit::SessionEnded | Exit::Terminated) => None,
        Ok(Exit::TerminalLost) => Some(("the end of the terminal".to_owned(), rule.policy)),
        Ok(Exit::Detached) => Some((operator, rule.policy)),
        Err(_) => Some(("the end of the dashboard".to_owned(), rule.policy)),
    };
    if let Some((by, policy)) = stop
        && let Ok(id) = CommandId::new(&format!("{prefix}-stop"))
    {
        // Gone means that it has stopped already.
        let _ = running.commands.send(Command { id, by, action: Action::Stop { policy } });
    }
    let ended = running.join_within(rule.deadline)?;
    outcome.map_err(|error| Failure::new(error.to_string()))?;
    Ok(ended)
}
