//! `perpdeck run`: a session, with or without the dashboard.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::args::RunArgs;
use super::failure::Failure;
use super::{config, screen, sim, stderr};
use crate::config::{
    Credentials, KEY_VARIABLE, Loaded, Mode, Origin, PaperPeer, SECRET_VARIABLE, default_data_dir, live_permit,
};
use crate::exchange::mexc::Permit;
use crate::model::{Environment, StopPolicy, WHERE_TO_LOOK, count, escape_controls};
use crate::runtime::headless::{self, Headless};
use crate::runtime::{self, DataDirError, Ended, Launch, Running, StopRule, Venue};
use crate::store::questdb::Conf;

/// MEXC's addresses (mexc-contract-api.md section 1).
const LIVE_REST: &str = "https://api.mexc.com";
const LIVE_WS: &str = "wss://contract.mexc.com/edge";

/// Runs a session until it ends.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let loaded = config::of_run(args)?;
    if !args.headless && !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "standard output is not a terminal, and the dashboard needs one. For scripts and pipes use: perpdeck run --headless",
        ));
    }
    if let Some(text) = loaded.settings.questdb.conf.expose()
        && let Err(error) = Conf::parse(text)
    {
        return Err(Failure::usage(format!("questdb.conf ({}): {error}", loaded.origin("questdb.conf"))));
    }
    let prepared = if args.headless { None } else { Some(screen::prepare(&loaded.settings)?) };
    let policy = loaded.settings.session.stop.into();
    let launch = launch(args, loaded)?;
    let running = runtime::start(launch)?;
    let rule = StopRule { policy, deadline: running.stop_deadline };
    let stops = runtime::watch_signals(running.commands.clone(), running.abandon.clone(), rule, running.alarm.clone())?;
    let ended = match prepared {
        None => without_screen(args, running, stops, policy)?,
        Some(prepared) => screen::show(running, prepared, rule)?,
    };
    finish(&ended)
}

fn without_screen(
    args: &RunArgs,
    mut running: Running,
    stops: tokio::sync::mpsc::UnboundedReceiver<&'static str>,
    stop_policy: StopPolicy,
) -> Result<Ended, Failure> {
    let from_start = running.from_start.take();
    let headless = Headless {
        updates: from_start.ok_or_else(|| Failure::new("the session's first events were taken by another"))?,
        snapshot: running.snapshot.clone(),
        stops,
        durable: running.durable.clone(),
        clock: running.clock.clone(),
        exchange: running.exchange.clone(),
        market_data: args.market_data,
        commands: running.commands.clone(),
        intake: running.intake.clone(),
        data_dir: running.data_dir.clone(),
        alarm: running.alarm.clone(),
        stop_policy,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(headless::run(headless));
    // Standard input may still be waited on; its thread ends with the process.
    runtime.shutdown_background();
    let ended = running.join()?;
    outcome?;
    Ok(ended)
}

/// Says what a person should know after the end.
fn finish(ended: &Ended) -> Result<(), Failure> {
    // Whatever else is to be told: these need a person.
    let open = ended.state.open_fates();
    for fate in &open {
        stderr::say(&format!("not known of order {fate}"));
    }
    if !open.is_empty() {
        stderr::say(WHERE_TO_LOOK);
    }
    if let Some(why) = &ended.abandoned {
        return Err(Failure::new(format!("the session was ended before it had stopped in order: {why}")));
    }
    if let Some(error) = &ended.journal_error {
        return Err(Failure::new(format!("the last facts could not be written: {error}")));
    }
    if let Some(sink) = ended.sink.as_ref().filter(|sink| sink.rows() > 0 || sink.is_troubled()) {
        let why = sink.problem.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        stderr::say(&format!(
            "{} rows are not in QuestDB yet{why}; the next session on this data directory sends them",
            sink.rows()
        ));
    }
    let working = ended.state.orders.working_count();
    if working > 0 {
        let keep = if working == 1 { "keeps" } else { "keep" };
        stderr::say(&format!("{} {keep} working at the exchange", count(working, "order")));
    }
    Ok(())
}

fn launch(args: &RunArgs, loaded: Loaded) -> Result<Launch, Failure> {
    let strategy_named = loaded.origin("strategy.enabled") != Origin::Default;
    let settings = loaded.settings;
    let live = settings.session.mode == Mode::Live || args.live;
    let data_dir = data_dir(settings.session.data_dir.clone(), live)?;
    let credentials = |needed: &str| -> Result<Option<Credentials>, Failure> {
        Credentials::of_process(settings.exchange.api_key_file.as_deref())
            .map_err(|error| Failure::usage(format!("{error} ({needed})")))
    };
    let pace = sim::speed(settings.simulator.speed);
    let scenario = settings.simulator.scenario.clone();
    let (venue, label, speed) = if live {
        let permit = live_permit(&settings, credentials("a live session needs keys")?, args.live)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let rest_url = settings.exchange.rest_url.clone().unwrap_or_else(|| LIVE_REST.to_owned());
        let ws_url = settings.exchange.ws_url.clone().unwrap_or_else(|| live_stream(&rest_url));
        let credentials = permit.credentials().clone();
        let venue = Venue::Apart {
            rest_url,
            ws_url,
            credentials,
            permit: Permit::Live(permit),
            environment: Environment::Live,
        };
        (venue, "live account".to_owned(), crate::clock::Speed::Times(1.0))
    } else if let Some(rest_url) = settings.exchange.rest_url.clone() {
        if pace == crate::clock::Speed::Max {
            return Err(Failure::usage(
                "--speed max needs the embedded exchange: leave out --exchange-url, or give a number",
            ));
        }
        let credentials = credentials("an exchange that runs apart needs the keys it was started with")?.ok_or_else(|| {
            Failure::usage(format!(
                "the exchange at {} needs keys: set {KEY_VARIABLE} and {SECRET_VARIABLE} to those of `perpdeck sim`",
                escape_controls(&rest_url)
            ))
        })?;
        let ws_url = settings.exchange.ws_url.clone().unwrap_or_else(|| stream_beside(&rest_url));
        let venue =
            Venue::Apart { rest_url, ws_url, credentials, permit: Permit::Loopback, environment: Environment::Paper };
        let label = match settings.exchange.paper_peer {
            PaperPeer::Simulator => "paper, exchange apart",
            PaperPeer::Any => "paper, exchange apart, peer any",
        };
        (venue, label.to_owned(), pace)
    } else {
        let candles = settings.simulator.candles.as_ref().map(|path| path.display().to_string());
        let books = data_dir.join("sim");
        let mut market = sim::settings(settings.simulator.seed, &scenario, candles.as_deref(), Some(&books))?;
        market.balance = settings.risk.paper_capital;
        market.clock.offset_ms = settings.simulator.clock_offset_ms;
        let label = match &settings.simulator.candles {
            Some(file) => file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            None => format!("scenario {scenario}"),
        };
        (Venue::Embedded(Box::new(market)), label, pace)
    };
    let symbols = match &venue {
        Venue::Embedded(market) => sim::symbols(Some(market)),
        Venue::Apart { .. } => sim::symbols(None),
    };
    // In a live session the strategy runs only when somebody wrote that it should.
    let strategy = settings.strategy.enabled && (!live || strategy_named);
    let adopt_key = args.adopt_key.clone();
    Ok(Launch { settings, data_dir, venue, speed, strategy, label, symbols, adopt_key })
}

/// The directory that is named, or the usual one.
pub fn data_dir(named: Option<PathBuf>, live: bool) -> Result<PathBuf, Failure> {
    match named.or_else(|| default_data_dir().map(|dir| dir.join(if live { "live" } else { "paper" }))) {
        Some(dir) => Ok(dir),
        None => Err(Failure::usage(DataDirError::NoHome.to_string())),
    }
}

/// Where the stream of a live exchange lies: MEXC's own has another name than its REST address; of any
/// other address it is beside it, for the key must not go to two places.
fn live_stream(rest_url: &str) -> String {
    if rest_url.trim_end_matches('/') == LIVE_REST { LIVE_WS.to_owned() } else { stream_beside(rest_url) }
}

/// Where the stream of an exchange that speaks as MEXC does lies beside its REST address.
fn stream_beside(rest_url: &str) -> String {
    let base = rest_url.trim_end_matches('/');
    let base = match base.split_once("://") {
        Some(("https", rest)) => format!("wss://{rest}"),
        Some((_, rest)) => format!("ws://{rest}"),
        None => base.to_owned(),
    };
    format!("{base}/edge")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_not_named_never_leads_to_another_host_than_the_rest_address() {
        for (rest, stream) in [
            (LIVE_REST, LIVE_WS),
            ("https://api.mexc.com/", LIVE_WS),
            ("https://127.0.0.1:8443", "wss://127.0.0.1:8443/edge"),
            ("http://127.0.0.1:6000/", "ws://127.0.0.1:6000/edge"),
            ("https://mexc.example.org", "wss://mexc.example.org/edge"),
        ] {
            assert_eq!(live_stream(rest), stream, "{rest}");
        }
    }
}
