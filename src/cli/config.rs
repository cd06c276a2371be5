//! `perpdeck config show`, and the settings of a run.

use std::io::Write as _;
use std::path::Path;

use super::args::RunArgs;
use super::failure::Failure;
use crate::config::{Loaded, Sources, default_file, load};

/// Prints every setting as it counts.
pub fn show(file: Option<&Path>, origin: bool) -> Result<(), Failure> {
    let loaded = of_file(file)?;
    // A reader that stops reading has seen enough.
    let _ = write!(std::io::stdout(), "{}", loaded.show(origin));
    Ok(())
}

/// The settings without any option of a run.
pub fn of_file(file: Option<&Path>) -> Result<Loaded, Failure> {
    Ok(load(&sources(file)?)?)
}

/// The settings that a run counts with: defaults, file, environment, command line.
pub fn of_run(args: &RunArgs) -> Result<Loaded, Failure> {
    let mut sources = sources(args.config.as_deref())?;
    let mut set = |option: &str, key: &str, value: Option<String>| {
        if let Some(value) = value {
            sources.set(option, key, value);
        }
    };
    set("--data-dir", "session.data_dir", args.data_dir.as_ref().map(|dir| dir.display().to_string()));
    set("--exchange-url", "exchange.rest_url", args.exchange_url.clone());
    set("--seed", "simulator.seed", args.seed.clone());
    set("--scenario", "simulator.scenario", args.scenario.clone());
    set("--candles", "simulator.candles", args.candles.clone());
    set("--questdb", "questdb.conf", args.questdb.clone());
    set("--speed", "simulator.speed", args.speed.clone());
    Ok(load(&sources)?)
}

fn sources(file: Option<&Path>) -> Result<Sources, Failure> {
    let usual = default_file().filter(|path| path.exists());
    Ok(Sources::of_process(file.or(usual.as_deref()))?)
}
