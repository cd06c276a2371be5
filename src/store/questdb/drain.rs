//! The drain: on a thread of its own it brings the projections into QuestDB, for as long as the
//! session runs. It reads the projections with its own connection, and nobody ever waits for it. It
//! knows nothing that is not in the database of the projections, so it goes on where it stopped,
//! after any end of either side.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::conf::Conf;
use super::deliver::{Delivered, Lane};
use super::doubt::{Doubts, LOOKS};
use super::error::QuestDbError;
use super::migrations;
use super::pace::Backoff;
use super::retention;
use super::schema;
use super::sender::Rows;
use super::server::Server;
use super::source::Source;
use super::tables::{TARGETS, Target};
use crate::model::{SinkPhase, SinkStatus, SinkTable};

/// Wait between two looks for new rows. Small requests cost the server as much as large ones: one in a
/// second leaves it, and a disk that it may share with the journal, at rest most of the time.
const IDLE: Duration = Duration::from_secs(1);
/// Time between two counts of what is left.
const COUNT: Duration = Duration::from_secs(1);
/// Time between two looks for suspended tables.
const HEALTH: Duration = Duration::from_secs(5);
/// Time between two comparisons of the columns: somebody may change them under a running session.
const SCHEMA: Duration = Duration::from_secs(30);
/// The longest that a question to the server may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The oldest server whose line protocol has decimals says that it takes this version of it.
const PROTOCOL: u64 = 3;

/// How a drain works.
#[derive(Clone, Debug)]
pub struct DrainOptions {
    /// Days that QuestDB keeps; 0: all.
    pub retention_days: u32,
    /// When requests of unknown outcome are looked at again.
    pub looks: Vec<Duration>,
}

impl Default for DrainOptions {
    fn default() -> Self {
        Self { retention_days: 0, looks: LOOKS.to_vec() }
    }
}

/// A drain that runs.
#[derive(Debug)]
pub struct Drain {
    database: PathBuf,
    stop: Sender<Instant>,
    over: Receiver<()>,
    status: watch::Receiver<SinkStatus>,
    thread: Option<JoinHandle<()>>,
}

impl Drain {
    /// Starts the thread. A server that is not there, or not as it should be, is in the status; it is
    /// tried until it is.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        conf: &Conf,
        database: &Path,
        options: DrainOptions,
        tell: watch::Sender<SinkStatus>,
    ) -> Result<Self, QuestDbError> {
        let (stop, asked) = channel();
        let (until_over, over) = channel::<()>();
        let status = tell.subscribe();
        let worker = Worker {
            conf: conf.clone(),
            database: database.to_path_buf(),
            doubts: Doubts::new(&options.looks),
            options,
            lanes: TARGETS.iter().map(Lane::new).collect(),
            source: None,
            link: None,
            counted: None,
            backoff: Backoff::default(),
            tell,
        };
        let thread = Builder::new()
            .name("questdb".into())
            .spawn(move || {
                worker.run(&asked);
                drop(until_over);
            })
            .map_err(|error| QuestDbError::Thread(format!("could not be started: {error}")))?;
        Ok(Self { database: database.to_path_buf(), stop, over, status, thread: Some(thread) })
    }

    /// How far it is.
    pub fn status(&self) -> SinkStatus {
        self.status.borrow().clone()
    }

    /// Lets it go on until all is sent, but no longer than this; says how far it came. What is left is
    /// sent by the next session on the same data directory.
    pub fn stop(mut self, patience: Duration) -> SinkStatus {
        let now = Instant::now();
        // Gone means that it has ended.
        let _ = self.stop.send(now.checked_add(patience).unwrap_or(now));
        // A request that hangs is not waited for; it ends with the process.
        let ended = self.over.recv_timeout(patience.saturating_add(IDLE)) != Err(RecvTimeoutError::Timeout);
        if ended && let Some(thread) = self.thread.take() {
            let _ = thread.join();
            return self.status();
        }
        let mut status = self.status();
        if let Ok(Some(source)) = Source::open(&self.database)
            && let Ok(tables) = tables(&source, &[])
        {
            status.tables = tables;
        }
        status
    }
}

struct Link {
    server: Server,
    rows: Rows,
    suspended: Vec<&'static str>,
    looked: Instant,
    compared: Instant,
    swept: Option<Instant>,
}

struct Worker {
    conf: Conf,
    database: PathBuf,
    options: DrainOptions,
    lanes: Vec<Lane>,
    doubts: Doubts,
    source: Option<Source>,
    link: Option<Link>,
    counted: Option<Instant>,
    backoff: Backoff,
    tell: watch::Sender<SinkStatus>,
}

impl Worker {
    fn run(mut self, asked: &Receiver<Instant>) {
        let mut stopping: Option<Instant> = None;
        loop {
            let wait = match self.round() {
                Ok(moved) => {
                    self.backoff.reset();
                    self.note(None);
                    // After all of it, or what the tables let through.
                    if stopping.is_some() && !moved {
                        break;
                    }
                    if moved { Duration::ZERO } else { IDLE }
                }
                Err(error) => {
                    self.note(Some(&error));
                    self.link = None;
                    // Waiting for a server that is not there helps nobody who wants to leave.
                    if stopping.is_some() {
                        break;
                    }
                    self.backoff.next()
                }
            };
            if stopping.is_some_and(|end| Instant::now() >= end) {
                break;
            }
            if stopping.is_none() {
                match asked.recv_timeout(wait) {
                    Ok(end) => stopping = Some(end),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        }
        if let (Some(source), Some(link)) = (&mut self.source, &self.link) {
            // The last chance to see that a lost request came late; `store verify` sees it too.
            let _ = self.doubts.settle(source, &link.server, true);
        }
        self.count();
    }

    /// Brings every table one batch on, and says whether anything moved.
    fn round(&mut self) -> Result<bool, QuestDbError> {
        if self.source.is_none() {
            self.source = Source::open(&self.database)?;
            self.counted = None;
        }
        if self.counted.is_none() {
            self.count();
        }
        let Some(source) = &mut self.source else { return Ok(false) };
        let link = match &mut self.link {
            Some(link) => link,
            None => {
                let (link, schema) = connect(&self.conf)?;
                self.lanes.iter_mut().for_each(Lane::forget);
                self.tell.send_modify(|status| status.schema = Some(schema));
                self.link.insert(link)
            }
        };
        if link.looked.elapsed() >= HEALTH {
            link.suspended = suspended(&link.server)?;
            link.looked = Instant::now();
        }
        if link.compared.elapsed() >= SCHEMA {
            schema::check(&link.server, &TARGETS.iter().collect::<Vec<_>>())?;
            link.compared = Instant::now();
        }
        let (mut moved, mut failed) = (false, None);
        for lane in &mut self.lanes {
            // What it is given now it would acknowledge, and apply only when somebody resumes it.
            if link.suspended.contains(&lane.target.name) {
                continue;
            }
            match lane.deliver(source, &mut link.rows) {
                Ok(Delivered::Nothing) => {}
                Ok(Delivered::Rows) => moved = true,
                Err(undelivered) => {
                    if let Some(range) = &undelivered.doubt {
                        self.doubts.add(lane.target, range);
                    }
                    let one_table = matches!(undelivered.error, QuestDbError::RefusesAll { .. });
                    failed = Some(undelivered.error);
                    if !one_table {
                        break;
                    }
                }
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if !moved {
            self.doubts.settle(source, &link.server, false)?;
            if self.options.retention_days > 0 && link.swept.is_none_or(|at| at.elapsed() >= retention::EVERY) {
                link.swept = Some(Instant::now());
                retention::sweep(&link.server, self.options.retention_days)?;
            }
        }
        // After sending: what a healthy drain finds and sends at once is no lag.
        if self.counted.is_none_or(|at| at.elapsed() >= COUNT) {
            self.count();
        }
        Ok(moved)
    }

    /// Counts what is left.
    fn count(&mut self) {
        self.counted = Some(Instant::now());
        let Some(source) = &self.source else { return };
        let suspended = self.link.as_ref().map_or(&[][..], |link| &link.suspended);
        match tables(source, suspended) {
            Ok(tables) => {
                self.tell.send_if_modified(|status| {
                    let changed = status.tables != tables;
                    status.tables = tables;
                    changed
                });
            }
            // The database was taken away, or is damaged: it is opened anew.
            Err(_) => self.source = None,
        }
    }

    fn note(&mut self, error: Option<&QuestDbError>) {
        let phase = match error {
            None if self.link.is_some() => SinkPhase::Up,
            None => SinkPhase::Starting,
            Some(error) if error.needs_somebody() => SinkPhase::Refused,
            Some(_) => SinkPhase::Down,
        };
        let problem = error.map(ToString::to_string);
        if error.is_some() {
            self.count();
        }
        self.tell.send_if_modified(|status| {
            let changed = status.phase != phase || status.problem != problem;
            status.phase = phase;
            status.problem = problem;
            changed
        });
    }
}

/// What each table lacks.
///
/// # Errors
/// Of the database.
pub fn tables(source: &Source, suspended: &[&'static str]) -> Result<Vec<SinkTable>, QuestDbError> {
    TARGETS
        .iter()
        .map(|target| {
            let lag = source.lag(target)?;
            Ok(SinkTable {
                name: target.name.to_owned(),
                rows: lag.rows,
                seconds: lag.seconds,
                suspended: suspended.contains(&target.name),
                dead_letters: lag.dead_letters,
            })
        })
        .collect()
}

fn connect(conf: &Conf) -> Result<(Link, u32), QuestDbError> {
    let server = Server::new(conf, PATIENCE)?;
    let about = server.about()?;
    if !about.protocols.contains(&PROTOCOL) {
        return Err(QuestDbError::TooOld { address: conf.url(), version: about.version });
    }
    let schema = migrations::ensure(&server)?;
    let suspended = suspended(&server)?;
    let rows = Rows::new(conf);
    let now = Instant::now();
    Ok((Link { server, rows, suspended, looked: now, compared: now, swept: None }, schema))
}

/// The tables that take rows without applying them.
///
/// # Errors
/// When the server cannot be asked.
pub fn suspended(server: &Server) -> Result<Vec<&'static str>, QuestDbError> {
    let answer = server.exec("SELECT name FROM wal_tables() WHERE suspended")?;
    let is_among = |target: &&Target| (0..answer.rows.len()).any(|row| answer.text(row, 0) == Some(target.name));
    Ok(TARGETS.iter().filter(is_among).map(|target| target.name).collect())
}
