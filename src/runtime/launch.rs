//! Putting a session together: data directory, recovery, clock, exchange, engine, strategy.

mod watchers;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};

use watchers::{outlive_size_limits, stop_at_end, tell_market_over, tell_sink_end, tell_sleeps};

use super::archive::Archive;
use super::belonging::{self, OtherOwner};
use super::bus::{DEFAULT_CAPACITY, EventBus, Interest, Subscription, Subscriptions};
use super::data_dir::{DataDir, DataDirError, projections_of};
use super::durable::{Durable, TellDurable};
use super::embedded::{self, ExchangeEnd};
use super::gateway::{Gateway, panic_text};
use super::handle::{CommandSender, SessionHandle};
use super::identity::{self, IdentityError};
use super::intake::{Intake, Submitted};
use super::kill::kill_point;
use super::losses;
use super::recovery::{self, Recovered, RecoveryError};
use super::scribe::{Manner, Scribe};
use super::session::{Ended, Ports, Session};
use super::sink::{Configured, Sink, SinkView};
use super::stops::stop_deadline;
use super::strategy::{self, Momentum};
use super::watched::{self, Alarm};
use crate::clock::{Clock, Speed, wall_time};
use crate::config::{Credentials, Settings};
use crate::engine::{Engine, Input};
use crate::exchange::Exchange;
use crate::exchange::mexc::{Adapter, Options, Permit, SetupError};
use crate::model::{
    Command, Environment, Identity, PastReader, Phase, SessionInfo, SessionState, SessionTime, Symbol, escape_controls,
};
use crate::simulator::{self, InMemory, SimulatorError};
use crate::store::questdb::{Conf, PastOfQuestDb, QuestDbError};
use crate::store::witness::{self, Seen};
use crate::store::{PastOfSqlite, Projector, StoreError};

/// Where a virtual session without recorded prices begins: 2026-01-01T00:00:00Z.
const VIRTUAL_START: SessionTime = SessionTime::from_secs(1_767_225_600);
/// What the adapter is told of an exchange that is joined in memory; nothing connects there.
const MEMORY_REST: &str = "http://127.0.0.1";
const MEMORY_WS: &str = "ws://127.0.0.1/edge";

/// Events that whoever follows a session from its start on may be behind.
const FROM_START_CAPACITY: usize = 4 * DEFAULT_CAPACITY;

/// The exchange of a session.
#[derive(Debug)]
pub enum Venue {
    /// The embedded simulator.
    Embedded(Box<simulator::Settings>),
    /// An exchange that runs apart.
    Apart {
        /// REST address.
        rest_url: String,
        /// WebSocket address.
        ws_url: String,
        /// The keys.
        credentials: Credentials,
        /// What may be reached.
        permit: Permit,
        /// Paper or live.
        environment: Environment,
    },
}

/// What a session is started with.
#[derive(Debug)]
pub struct Launch {
    /// All settings.
    pub settings: Settings,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The exchange.
    pub venue: Venue,
    /// How fast session time passes.
    pub speed: Speed,
    /// Whether the built-in strategy runs.
    pub strategy: bool,
    /// For the session bar: scenario, candle file, or account.
    pub label: String,
    /// Contracts whose prices are followed and that may be traded.
    pub symbols: Vec<Symbol>,
    /// The account key that a person has confirmed to be an older key of this account.
    pub adopt_key: Option<String>,
}

/// Why a session cannot start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The journal.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The data are of another environment, exchange or account.
    #[error(transparent)]
    OtherOwner(#[from] Box<OtherOwner>),
    /// The embedded exchange.
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    /// The adapter.
    #[error(transparent)]
    Adapter(#[from] SetupError),
    /// Ids.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The projections' thread.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy in QuestDB.
    #[error(transparent)]
    QuestDb(#[from] QuestDbError),
    /// Threads and runtimes.
    #[error("the system refuses a thread or an event queue: {0}")]
    System(#[from] std::io::Error),
    /// The embedded exchange ended before it was up.
    #[error("the embedded exchange ended before it was up{0}")]
    NoExchange(String),
    /// Asked to end before it was up.
    #[error("the session was ended before it had started: {0}")]
    EndedEarly(String),
    /// A defect.
    #[error("the session ended by a defect: {0}. The journal holds everything up to it; start again to recover")]
    Defect(String),
}

/// A session that was started; its own thread works on it.
#[derive(Debug)]
pub struct Running {
    /// Where observers come in.
    pub subscriptions: Subscriptions,
    /// Takes commands.
    pub commands: CommandSender,
    /// Takes signals.
    pub intake: Intake,
    /// Ends it whatever it is doing.
    pub abandon: mpsc::UnboundedSender<String>,
    /// Tells the session of a part of the program that ended by a defect.
    pub alarm: Alarm,
    /// The session's time.
    pub clock: Clock,
    /// The recovered state, before the exchange was asked.
    pub snapshot: Arc<SessionState>,
    /// Every event from the first step on, for one who follows [`Running::snapshot`]; to be taken, or
    /// it is filled in vain.
    pub from_start: Option<Subscription>,
    /// How far the facts are on disk.
    pub durable: watch::Receiver<Durable>,
    /// The exchange, as it was named and without secrets.
    pub exchange: String,
    /// What an orderly stop may take, real time.
    pub stop_deadline: std::time::Duration,
    /// Where its data lies.
    pub data_dir: PathBuf,
    /// How far the copy in QuestDB is, when there is one.
    pub sink: SinkView,
    /// Where that copy is.
    questdb: Option<Conf>,
    thread: JoinHandle<Result<Ended, LaunchError>>,
    /// Closed when the thread is done.
    over: std::sync::mpsc::Receiver<()>,
}

impl Running {
    /// What a dashboard needs.
    pub fn handle(&self) -> SessionHandle {
        SessionHandle {
            snapshot: Arc::clone(&self.snapshot),
            updates: self.subscriptions.folding("dashboard", Interest::Everything, DEFAULT_CAPACITY),
            commands: self.commands.clone(),
            durable: self.durable.clone(),
            clock: self.clock.clone(),
            archive: self.archive(),
            sink: self.sink.clone(),
        }
    }

    fn archive(&self) -> Archive {
        let mut places: Vec<(String, Box<dyn PastReader>)> = Vec::new();
        // It holds the past of all sessions, not only of this data directory: asked first.
        if let Some(conf) = &self.questdb {
            places.push(("QuestDB".to_owned(), Box::new(PastOfQuestDb::new(conf.clone()))));
        }
        places.push(("this machine".to_owned(), Box::new(PastOfSqlite::new(&projections_of(&self.data_dir)))));
        Archive::new(places)
    }

    /// Waits for the end of a session that was asked to stop; after this much real time it is
    /// ended as it stands, and its journal is still closed in order.
    ///
    /// # Errors
    /// As [`Running::join`].
    pub fn join_within(self, deadline: std::time::Duration) -> Result<Ended, LaunchError> {
        if self.over.recv_timeout(deadline) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // Gone means that it has just ended by itself.
            let _ = self.abandon.send(format!("it did not stop within {} s", deadline.as_secs()));
        }
        self.join()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it could not start, or ended by a defect.
    pub fn join(self) -> Result<Ended, LaunchError> {
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => Err(LaunchError::Defect(panic_text(panic.as_ref()))),
        }
    }
}

/// Opens the data directory, recovers the session and starts its thread. Mistakes of people show
/// here, before any screen is taken over.
///
/// # Errors
/// When the data directory or its journal cannot be used.
pub fn start(launch: Launch) -> Result<Running, LaunchError> {
    let sink = Configured::of(&launch.settings.questdb)?;
    let view = sink.as_ref().map(Configured::view);
    let questdb = sink.as_ref().map(Configured::conf);
    let mut data_dir = DataDir::open(&launch.data_dir)?;
    let seen = witness::look(&data_dir.projections());
    let segment_bytes = launch.settings.journal.segment_bytes;
    let look_at = if let Seen::Facts(anchor) = &seen { Some(anchor.seq) } else { None };
    let mut recovered = recovery::recover_looking_at(&data_dir.journal(), segment_bytes, look_at)?;
    let here = belonging::identity_of(&launch.venue);
    let adopted = launch.adopt_key.as_deref();
    let identity = belonging::check(data_dir.root(), recovered.state.info.as_ref(), here, adopted)?;
    data_dir.take_over()?;
    recovered.note = join(data_dir.take_note(), recovered.note.take());
    let found = losses::find(&data_dir.journal(), &data_dir.projections(), &seen, &recovered, wall_time())?;
    kill_point("after-recovery");
    let bus = EventBus::new();
    let subscriptions = bus.subscriptions();
    let from_start = Some(subscriptions.from_start("the first follower", Interest::Everything, FROM_START_CAPACITY));
    let (tell_durable, durable) = TellDurable::channel();
    let exchange = named(&launch.venue);
    let call_timeout = launch.settings.exchange.call_timeout;
    let (commands, take_commands) = CommandSender::channel();
    let (intake, take_signals) = Intake::channel();
    let (abandon, take_abandon) = mpsc::unbounded_channel();
    let (tell, internal) = mpsc::unbounded_channel();
    let alarm = Alarm::new(tell.clone());
    // What was true at the last stop is not true now: the exchange has not been asked.
    let mut snapshot = recovered.state.clone();
    snapshot.phase = Phase::Starting;
    let origin = origin(&launch, recovered.last_at);
    if launch.speed == Speed::Times(1.0) && books_ahead(&launch.venue, wall_time()) {
        let told = format!(
            "the books of the paper exchange go up to a time that has not come yet: its market plays on from there \
             ({origin}), and signals that carry the present time are stale. For the present time use another data \
             directory"
        );
        recovered.note = join(recovered.note.take(), Some(told));
    }
    // Else the engine would hold on to a time that has not come.
    recovered.state.now = recovered.state.now.min(origin);
    snapshot.now = recovered.state.now;
    let (tell_clock, clock) = std::sync::mpsc::sync_channel(1);
    let (until_over, over) = std::sync::mpsc::channel::<()>();
    let root = data_dir.root().to_path_buf();
    let parts = Parts {
        launch,
        data_dir,
        recovered,
        identity,
        found,
        bus,
        subscriptions: subscriptions.clone(),
        intake: intake.clone(),
        commands: commands.clone(),
        tell_durable,
        sink,
        tell,
    };
    let waiting = Waiting { commands: take_commands, signals: take_signals, abandon: take_abandon, internal };
    let thread = std::thread::Builder::new().name("session".into()).spawn(move || {
        let paused = parts.launch.speed == Speed::Max;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(paused).build()?;
        let ended = runtime.block_on(async move {
            let _size_limit = outlive_size_limits();
            let clock = Clock::starting_at(origin, parts.launch.speed);
            // The starter waits for it.
            let _ = tell_clock.send(clock.clone());
            // On the heap: it is most of a session.
            Box::pin(parts.run(clock, waiting)).await
        });
        // Calls that are still under way have nobody to answer to.
        runtime.shutdown_background();
        drop(until_over);
        ended
    })?;
    let Ok(clock) = clock.recv() else {
        return match thread.join() {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) => Err(LaunchError::EndedEarly("it ended at once".into())),
            Err(panic) => Err(LaunchError::Defect(panic_text(panic.as_ref()))),
        };
    };
    let snapshot = Arc::new(snapshot);
    let stop_deadline = stop_deadline(clock.network_timeout(call_timeout));
    Ok(Running {
        subscriptions,
        commands,
        intake,
        abandon,
        alarm,
        clock,
        snapshot,
        from_start,
        durable,
        exchange,
        stop_deadline,
        data_dir: root,
        sink: view,
        questdb,
        thread,
        over,
    })
}

fn join(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    }
}

/// The last fact may lie so far ahead of the present before it no longer counts.
const AHEAD: std::time::Duration = std::time::Duration::from_secs(1);

/// When session time begins: with the recorded prices, or now, or at a fixed time under virtual time;
/// but not before the last fact. In real time a last fact that has not come yet was stamped by a wrong
/// clock, and the present counts.
fn origin(launch: &Launch, last_at: Option<SessionTime>) -> SessionTime {
    let recorded = match &launch.venue {
        Venue::Embedded(settings) => settings.start_time(),
        Venue::Apart { .. } => None,
    };
    let begins = match (recorded, &launch.speed, &launch.venue) {
        // Recorded prices play at their own times, however fast.
        (Some(start), _, _) => SessionTime::from_micros(start.micros()),
        (None, Speed::Max, Venue::Embedded(_)) => VIRTUAL_START,
        _ => wall_time(),
    };
    let real = recorded.is_none() && launch.speed == Speed::Times(1.0);
    let wrong = |last: SessionTime| real && last.since(begins) > AHEAD && !books_ahead(&launch.venue, begins);
    let last_at = last_at.filter(|last| !wrong(*last));
    last_at.map_or(begins, |last| begins.max(last.plus(std::time::Duration::from_micros(1))))
}

/// Whether the books of the embedded exchange end in the future: its market plays on from there, and the
/// session with it.
fn books_ahead(venue: &Venue, now: SessionTime) -> bool {
    let Venue::Embedded(settings) = venue else { return false };
    let end = simulator::session_start(settings).ok().flatten();
    end.is_some_and(|end| SessionTime::from_micros(end.micros()).since(now) > AHEAD)
}

struct Parts {
    launch: Launch,
    data_dir: DataDir,
    recovered: Recovered,
    identity: Identity,
    /// What is missing, to be told right after the start.
    found: Vec<Input>,
    bus: EventBus,
    subscriptions: Subscriptions,
    intake: Intake,
    commands: CommandSender,
    tell_durable: TellDurable,
    sink: Option<Configured>,
    tell: mpsc::UnboundedSender<Input>,
}

struct Waiting {
    commands: mpsc::UnboundedReceiver<Command>,
    signals: mpsc::Receiver<Submitted>,
    abandon: mpsc::UnboundedReceiver<String>,
    internal: mpsc::UnboundedReceiver<Input>,
}

/// An exchange that can be spoken to, and what must live as long.
struct Opened {
    exchange: Arc<dyn Exchange>,
    environment: Environment,
    shown: Option<String>,
    ended: Option<mpsc::UnboundedReceiver<ExchangeEnd>>,
    _keep: Keep,
}

enum Keep {
    Nothing,
    Thread { _stop: embedded::Stop },
    Memory { _exchange: Arc<InMemory> },
}

impl Parts {
    async fn run(self, clock: Clock, mut waiting: Waiting) -> Result<Ended, LaunchError> {
        let Self {
            launch,
            data_dir,
            recovered,
            identity,
            found,
            bus,
            subscriptions,
            intake,
            commands,
            tell_durable,
            sink,
            tell,
        } = self;
        let Launch { settings, venue, speed, strategy, label, symbols, .. } = launch;
        let alarm = Alarm::new(tell.clone());
        let seed = match (&venue, speed) {
            (Venue::Embedded(settings), Speed::Max) => Some(settings.seed),
            _ => None,
        };
        let opened = tokio::select! {
            biased;
            Some(why) = waiting.abandon.recv() => return Err(LaunchError::EndedEarly(why)),
            opened = open(venue, &settings, &clock, &alarm) => opened?,
        };
        let Opened { exchange, environment, shown, ended, _keep: keep } = opened;
        let id = match seed {
            Some(seed) => identity::seeded_session_id(seed)?,
            None => identity::random_session_id()?,
        };
        let starts = recovered.state.info.as_ref().map_or(1, |info| info.starts.saturating_add(1));
        let incarnation = match seed {
            Some(seed) => identity::seeded_incarnation(seed, starts)?,
            None => identity::random_incarnation()?,
        };
        let info = SessionInfo {
            id,
            environment,
            exchange: shown.unwrap_or_else(|| exchange.address()),
            label,
            started_at: clock.now(),
            starts: 1,
            incarnation: Some(incarnation),
            identity: Some(identity),
        };
        for input in found {
            // Taken right after the start itself.
            let _ = tell.send(input);
        }
        let inline = speed == Speed::Max || !settings.journal.sync;
        let scribe = Scribe::new(recovered.journal, if inline { Manner::InPlace } else { Manner::Durable })?;
        let symbols = with_known(symbols, &recovered.state);
        let capabilities = exchange.capabilities();
        let pushes = exchange.stream(symbols.clone());
        let gateway = Gateway::new(exchange, clock.clone(), settings.exchange.call_timeout, symbols, tell.clone());
        if strategy {
            let momentum = Momentum::new(settings.strategy.clone(), settings.risk.clone());
            let subscribe = move || subscriptions.folding("strategy", Interest::Everything, DEFAULT_CAPACITY);
            tokio::spawn(strategy::keep_up(momentum, subscribe, intake, alarm.clone()));
        }
        if let Some(ended) = ended {
            let starts = recovered.state.info.as_ref().map_or(1, |info| info.starts.saturating_add(1));
            let policy = settings.session.stop.into();
            watched::spawn(
                "the watch over the exchange",
                alarm.clone(),
                stop_at_end(ended, starts, policy, tell.clone(), commands),
            );
        }
        if speed != Speed::Max {
            watched::spawn("the watch over sleeps", alarm.clone(), tell_sleeps(clock.clone(), tell.clone()));
        }
        let engine = Engine::new(settings, recovered.state).with_capabilities(capabilities);
        let projector = Projector::start(&data_dir.journal(), &data_dir.projections())?;
        if let Some(view) = sink.as_ref().map(Configured::view) {
            watched::spawn("the watch over the copy in QuestDB", alarm, tell_sink_end(view, tell.clone()));
        }
        let sink = sink.map(|sink| sink.start(&data_dir.projections())).transpose()?;
        let session =
            Session::new(engine, clock, bus, scribe, gateway).with_projections(projector).with_durable(tell_durable);
        let ports = Ports {
            commands: waiting.commands,
            internal: waiting.internal,
            pushes,
            signals: waiting.signals,
            abandon: waiting.abandon,
        };
        let start = Input::Start { info: Box::new(info), note: recovered.note };
        let mut ended = session.run(start, ports).await;
        drop(keep);
        // Everything is over; what waits here is only the end of the process.
        ended.sink = sink.map(Sink::stop);
        drop(data_dir);
        Ok(ended)
    }
}

async fn open(venue: Venue, settings: &Settings, clock: &Clock, alarm: &Alarm) -> Result<Opened, LaunchError> {
    match venue {
        Venue::Embedded(mut exchange_settings) => {
            let (key, secret) = (identity::random_key()?, identity::random_key()?);
            exchange_settings.credentials = simulator::Credentials::new(&key, &secret);
            let credentials = Credentials::new(key, secret);
            let environment = Environment::Paper;
            if clock.speed() == Speed::Max {
                let exchange = Arc::new(InMemory::open(&exchange_settings, clock.clone())?);
                let link = embedded::link(&exchange);
                let options = options(MEMORY_REST, MEMORY_WS, credentials, settings, Permit::Loopback);
                let adapter = Adapter::new(options, clock.clone(), Some(link))?;
                let (tell, ended) = mpsc::unbounded_channel();
                let watch = tell_market_over(exchange.ended(), tell);
                watched::spawn("the watch over the recorded market", alarm.clone(), watch);
                return Ok(Opened {
                    exchange: Arc::new(adapter),
                    environment,
                    shown: Some("memory".into()),
                    ended: Some(ended),
                    _keep: Keep::Memory { _exchange: exchange },
                });
            }
            let mut loopback = embedded::start(*exchange_settings, clock.clone())?;
            let Ok(addresses) = loopback.ready.await else {
                let why = match loopback.ended.recv().await {
                    Some(ExchangeEnd::Failed(why)) => format!(": {why}"),
                    _ => String::new(),
                };
                return Err(LaunchError::NoExchange(why));
            };
            let addresses = addresses?;
            let options = options(&addresses.rest, &addresses.ws, credentials, settings, Permit::Loopback);
            Ok(Opened {
                exchange: Arc::new(Adapter::new(options, clock.clone(), None)?),
                environment,
                shown: None,
                ended: Some(loopback.ended),
                _keep: Keep::Thread { _stop: loopback.stop },
            })
        }
        Venue::Apart { rest_url, ws_url, credentials, permit, environment } => {
            let options = options(&rest_url, &ws_url, credentials, settings, permit);
            Ok(Opened {
                exchange: Arc::new(Adapter::new(options, clock.clone(), None)?),
                environment,
                shown: None,
                ended: None,
                _keep: Keep::Nothing,
            })
        }
    }
}

fn options(rest_url: &str, ws_url: &str, credentials: Credentials, settings: &Settings, permit: Permit) -> Options {
    Options {
        rest_url: rest_url.to_owned(),
        ws_url: ws_url.to_owned(),
        api_key: credentials.api_key,
        api_secret: credentials.api_secret,
        settings: settings.exchange.clone(),
        permit,
    }
}

/// How an exchange was named, without user and password.
fn named(venue: &Venue) -> String {
    match venue {
        Venue::Embedded(_) => "embedded".to_owned(),
        Venue::Apart { rest_url, .. } => match (rest_url.split_once("://"), rest_url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{}", escape_controls(host)),
            (None, Some((_, host))) => escape_controls(host).into_owned(),
            (_, None) => escape_controls(rest_url).into_owned(),
        },
    }
}

/// The configured symbols, and those that the session still has something in.
fn with_known(mut symbols: Vec<Symbol>, state: &SessionState) -> Vec<Symbol> {
    let orders = state.orders.working().map(|order| &order.symbol);
    let positions = state.positions.open().map(|position| &position.key.symbol);
    for symbol in orders.chain(positions) {
        if !symbols.contains(symbol) {
            symbols.push(symbol.clone());
        }
    }
    symbols
}
