//! `perpdeck sim`: the simulator alone.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::candles::GapRule;
use super::error::SimulatorError;
use super::json::Object;
use super::scenario::Scenario;
use super::server::Server;
use super::settings::{CandleMarket, Settings};
use super::signing::Credentials;
use crate::clock::{Clock, Speed, wall_time};
use crate::model::Timestamp;

/// What `perpdeck sim` was asked for.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// All randomness comes from it.
    pub seed: u64,
    /// A built-in scenario or the path of a `.toml` file.
    pub scenario: String,
    /// A candle file, or `SYMBOL=FILE`.
    pub candles: Option<String>,
    /// Missing candles are filled instead of refused.
    pub fill_gaps: bool,
    /// The key pair that is accepted.
    pub credentials: Credentials,
    /// How fast session time passes; [`Speed::Max`] needs a session in the same process.
    pub speed: Speed,
    /// Where the books are kept; in memory only when absent.
    pub data_dir: Option<PathBuf>,
}

/// Where the record in a directory of books ends; `None` when there is none.
///
/// # Errors
/// When the record cannot be read.
pub fn recorded_until(dir: &Path) -> Result<Option<Timestamp>, SimulatorError> {
    if !dir.exists() {
        return Ok(None);
    }
    let failed = |problem: String| SimulatorError::Journal { dir: dir.into(), problem };
    let mut last = None;
    for entry in crate::journal::read(dir).map_err(|error| failed(error.to_string()))? {
        last = Some(entry.map_err(|error| failed(error.to_string()))?.at);
    }
    Ok(last.map(Timestamp::from_micros))
}

/// Where a session's clock has to start: at the first candle, or where the record of the books
/// ends. `None` when any time will do, as for invented markets without a record.
///
/// # Errors
/// When the record cannot be read.
pub fn session_start(settings: &Settings) -> Result<Option<Timestamp>, SimulatorError> {
    let recorded = match &settings.data_dir {
        Some(dir) => recorded_until(dir)?,
        None => None,
    };
    Ok(recorded.max(settings.start_time()))
}

/// Runs the simulator until the process is told to stop. Prints one JSON line when it is ready, and
/// one when a recorded market has come to its end; it goes on answering after that.
///
/// # Errors
/// When the arguments are wrong, the address is taken, or the books cannot be opened or written.
pub async fn command(arguments: &Arguments, out: &mut (impl Write + Send)) -> Result<(), SimulatorError> {
    if arguments.speed == Speed::Max {
        let allowed = "a number such as 10; as fast as possible needs the simulator in the session's own process";
        return Err(SimulatorError::Setting { setting: "--speed", value: "max".to_owned(), allowed });
    }
    let gaps = if arguments.fill_gaps { GapRule::Fill } else { GapRule::Refuse };
    let candles = arguments.candles.as_deref().map(|file| CandleMarket::load(file, gaps)).transpose()?;
    let settings = Settings {
        candles,
        data_dir: arguments.data_dir.clone(),
        ..Settings::new(arguments.seed, Scenario::load(&arguments.scenario)?, arguments.credentials.clone())
    };
    let start = session_start(&settings)?;
    let origin = match (&settings.candles, start) {
        (Some(_), Some(start)) => start,
        // Invented markets follow the wall clock unless a faster session has run ahead of it.
        (_, start) => start.unwrap_or_default().max(wall_time()),
    };
    let clock = Clock::starting_at(origin, arguments.speed);
    let mut server = Server::start(&settings, arguments.listen, clock).await?;
    say(out, &ready_line(&server, &settings));
    let mut ended = server.ended();
    tokio::select! {
        broken = server.finished() => broken?,
        () = told_to_stop() => return Ok(()),
    }
    if *ended.borrow_and_update() {
        say(out, &Object::new().text("event", "ended").text("why", "the candle file has ended").build());
    }
    told_to_stop().await;
    Ok(())
}

/// `{"event":"ready","rest":…,"ws":…,"seed":…}`.
fn ready_line(server: &Server, settings: &Settings) -> String {
    let mut object = Object::new()
        .text("event", "ready")
        .text("rest", &server.rest_url())
        .text("ws", &server.ws_url())
        .plain("seed", settings.seed)
        .text("scenario", &settings.scenario.name);
    if let Some(market) = &settings.candles {
        object = object.text("symbol", market.symbol.as_str()).plain("filled", market.candles.filled());
    }
    object.build()
}

fn say(out: &mut impl Write, line: &str) {
    // Nobody reading is no reason to stop.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
        _ => std::future::pending().await,
    }
}
