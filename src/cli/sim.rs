//! `perpdeck sim`: the simulated exchange alone, and the embedded one's settings.

use std::io::Write as _;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::args::SimArgs;
use super::failure::Failure;
use crate::clock::{Clock, Speed, wall_time};
use crate::config::Pace;
use crate::model::{Decimal, Symbol};
use crate::runtime::random_key;
use crate::simulator::{
    CandleMarket, ClockError, Credentials, GapRule, Scenario, Server, Settings, SimulatorError, session_start,
};

/// The contracts of the synthetic markets.
const SYMBOLS: [&str; 5] = ["BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT", "DOGE_USDT"];

/// Runs until it is told to end.
pub fn run(args: &SimArgs) -> Result<(), Failure> {
    let speed = match speed(Pace::try_from(args.speed.clone()).map_err(|why| usage("--speed", &args.speed, &why))?) {
        Speed::Max => return Err(usage("--speed", "max", "only a session with its embedded exchange can run so")),
        Speed::Times(times) => Speed::Times(times),
    };
    let (key, secret) = match (&args.api_key, &args.api_secret) {
        (Some(key), Some(secret)) => (key.clone(), secret.clone()),
        _ => (
            random_key().map_err(|e| Failure::new(e.to_string()))?,
            random_key().map_err(|e| Failure::new(e.to_string()))?,
        ),
    };
    let mut settings = settings(args.seed, &args.scenario, args.candles.as_deref(), args.data_dir.as_deref())?;
    settings.credentials = Credentials::new(&key, &secret);
    settings.clock = ClockError { offset_ms: args.clock_offset, drift_ppm: args.clock_drift };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Recorded prices play at their own times; invented ones go on where the books end, when a
        // faster run has left them ahead of the wall clock.
        let begins = match (session_start(&settings)?, &settings.candles) {
            (Some(start), Some(_)) => start,
            (start, _) => start.unwrap_or_default().max(wall_time()),
        };
        let clock = Clock::starting_at(begins, speed);
        let mut server = Server::start(&settings, args.listen, clock).await?;
        let line = serde_json::json!({
            "event": "ready", "rest": server.rest_url(), "ws": server.ws_url(), "pid": std::process::id(),
            "seed": settings.seed, "scenario": settings.scenario.name,
            // Play money: whoever can read this may trade here.
            "api_key": key, "api_secret": secret,
        });
        let mut out = std::io::stdout();
        writeln!(out, "{line}").and_then(|()| out.flush())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let recorded = server.ended();
        tokio::select! {
            biased;
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            result = server.finished() => result?,
        }
        if !*recorded.borrow() {
            return Err(Failure::new("the simulator's market stopped by a defect"));
        }
        // The recorded market is over; it goes on answering at its last prices.
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

/// Settings of a simulator.
pub fn settings(
    seed: u64,
    scenario: &str,
    candles: Option<&str>,
    data_dir: Option<&Path>,
) -> Result<Settings, SimulatorError> {
    let mut settings = Settings::new(seed, Scenario::load(scenario)?, Credentials::new("", ""));
    settings.candles = candles.map(|argument| CandleMarket::load(argument, GapRule::Refuse)).transpose()?;
    settings.data_dir = data_dir.map(Path::to_path_buf);
    Ok(settings)
}

/// The contracts that a simulator with these settings moves.
pub fn symbols(settings: Option<&Settings>) -> Vec<Symbol> {
    match settings.and_then(|settings| settings.candles.as_ref()) {
        Some(market) => vec![market.symbol.clone()],
        None => SYMBOLS.iter().filter_map(|name| Symbol::new(name).ok()).collect(),
    }
}

/// A pace as the clock takes it.
pub fn speed(pace: Pace) -> Speed {
    use rust_decimal::prelude::ToPrimitive as _;
    match pace {
        Pace::Max => Speed::Max,
        Pace::Times(times) if times == Decimal::ONE => Speed::Times(1.0),
        Pace::Times(times) => Speed::Times(times.to_f64().unwrap_or(1.0)),
    }
}

fn usage(option: &str, value: &str, why: &str) -> Failure {
    Failure::usage(format!("{option} {value:?}: {why}"))
}
