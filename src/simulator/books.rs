//! The venue and its record: every command that changes the books is durable before anybody is told
//! of it, and a new start folds the record to the same books.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::candles::Candles;
use super::error::SimulatorError;
use super::venue::{Answer, Beginning, Command, RULES, Venue};
use crate::journal::{Journal, JournalError, Options};
use crate::model::SessionTime;

/// How often quiet markets are written down, in session time; what is lost by a kill is at most
/// this much of quiet market.
const QUIET: Duration = Duration::from_secs(1);
/// How often quiet markets are made durable, in real time, which has no effect on what is written.
const QUIET_SYNC: Duration = Duration::from_secs(1);

/// The books.
pub struct Books {
    pub venue: Venue,
    journal: Option<Journal>,
    recorded: SessionTime,
    synced: Instant,
    /// Set when the record could not be written: from then on nothing is accepted.
    failed: Option<String>,
}

impl Books {
    /// Opens the books in a directory, or in memory only. What is recorded there goes on: `beginning`
    /// then gives the scenario, while seed, balance and mode stay as they were.
    pub fn open(
        dir: Option<&Path>,
        beginning: Beginning,
        candles: Option<&Arc<Candles>>,
        now: SessionTime,
    ) -> Result<Self, SimulatorError> {
        let Some(dir) = dir else {
            return Ok(Self::with(Venue::new(beginning, candles, now), None, now));
        };
        let failed =
            |source: JournalError| SimulatorError::Journal { dir: dir.into(), problem: source.of_books().to_string() };
        let (journal, opened) = Journal::open(dir, Options::default()).map_err(failed)?;
        let mut venue: Option<Venue> = None;
        for entry in opened.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let at = SessionTime::from_micros(entry.at);
            let command: Command = serde_json::from_str(&entry.body).map_err(|error| SimulatorError::Record {
                dir: dir.into(),
                seq: entry.seq,
                problem: error.to_string(),
            })?;
            match (&mut venue, command) {
                (None, Command::Begin(recorded)) => {
                    if recorded.candles != beginning.candles {
                        return Err(SimulatorError::OtherMarket { dir: dir.into() });
                    }
                    venue = Some(Venue::new(*recorded, candles, at));
                }
                (Some(venue), Command::Resume) => {
                    venue.now = venue.now.max(at);
                    venue.apply(&Command::Resume);
                }
                (Some(venue), command) => {
                    venue.advance(at);
                    venue.apply(&command);
                }
                (None, _) => {
                    let problem = "the record does not begin with a beginning".to_owned();
                    return Err(SimulatorError::Record { dir: dir.into(), seq: entry.seq, problem });
                }
            }
            if let Some(venue) = &mut venue {
                venue.take_pushes();
                venue.take_changed();
            }
        }
        let Some(mut venue) = venue else {
            let mut books = Self::with(Venue::new(beginning.clone(), candles, now), Some(journal), now);
            books.record(now, &Command::Begin(Box::new(beginning)))?;
            books.sync()?;
            return Ok(books);
        };
        let same = venue.beginning.scenario == beginning.scenario;
        let (rules, clock) = (venue.rules, beginning.clock);
        // Candle time goes on without a pause; invented markets stand still while nobody runs them.
        let now = venue.now.max(now);
        venue.now = now;
        let mut books = Self::with(venue, Some(journal), now);
        books.venue.apply(&Command::Resume);
        books.record(now, &Command::Resume)?;
        let mut changes = Vec::new();
        if rules != RULES {
            changes.push(Command::Rules { rules: RULES });
        }
        if books.venue.clock() != clock {
            changes.push(Command::Clock { clock });
        }
        if !same {
            changes.push(Command::Rescenario { scenario: Box::new(beginning.scenario) });
        }
        for command in changes {
            books.venue.apply(&command);
            books.record(now, &command)?;
        }
        books.sync()?;
        Ok(books)
    }

    fn with(venue: Venue, journal: Option<Journal>, now: SessionTime) -> Self {
        Self { venue, journal, recorded: now, synced: Instant::now(), failed: None }
    }

    /// Brings time to `now` and carries out a command; durable when it returns.
    pub fn execute(&mut self, now: SessionTime, command: &Command) -> Result<Answer, SimulatorError> {
        self.usable()?;
        let now = now.max(self.venue.now);
        self.venue.advance(now);
        let answer = self.venue.apply(command);
        self.venue.take_changed();
        self.record(now, command)?;
        self.sync()?;
        Ok(answer)
    }

    /// Brings time to `now`; what it changed in the books is durable when it returns.
    pub fn advance(&mut self, now: SessionTime) -> Result<(), SimulatorError> {
        self.usable()?;
        self.venue.advance(now);
        if self.venue.take_changed() {
            self.record(now, &Command::Advance)?;
            return self.sync();
        }
        if now.since(self.recorded) >= QUIET && self.journal.is_some() {
            self.record(now, &Command::Advance)?;
            if self.synced.elapsed() >= QUIET_SYNC {
                self.sync()?;
            }
        }
        Ok(())
    }

    /// Writes down how far the markets have come and gives the record up: the directory is free for
    /// another, and nothing is accepted any more.
    pub fn close(&mut self) {
        let now = self.venue.now;
        // What was answered is durable already; only quiet market can be lost here.
        let _ = self.record(now, &Command::Advance).and_then(|()| self.sync());
        self.journal = None;
        self.failed = Some("it was stopped".to_owned());
    }

    fn usable(&self) -> Result<(), SimulatorError> {
        match &self.failed {
            Some(problem) => Err(SimulatorError::Unwritable { problem: problem.clone() }),
            None => Ok(()),
        }
    }

    fn record(&mut self, at: SessionTime, command: &Command) -> Result<(), SimulatorError> {
        self.recorded = at;
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let body = serde_json::to_string(command).map_err(|error| error.to_string());
        let written = body.and_then(|body| journal.append(at.micros(), &body).map_err(|error| error.to_string()));
        written.map(drop).map_err(|problem| self.give_up(problem))
    }

    fn sync(&mut self) -> Result<(), SimulatorError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let synced = journal.sync().map_err(|error| error.to_string());
        self.synced = Instant::now();
        synced.map_err(|problem| self.give_up(problem))
    }

    fn give_up(&mut self, problem: String) -> SimulatorError {
        self.failed = Some(problem.clone());
        SimulatorError::Unwritable { problem }
    }
}
