//! A session without a screen: events go out as JSON lines, signals and commands come in as JSON
//! lines, each with an id, and each is answered.
//!
//! Nothing here waits for another: standard input and standard output have threads of their own,
//! signals have theirs (`stops`), and the desk between them never waits for a reader.

mod lines;
mod once;
mod reader;
mod replies;
mod start;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use lines::{Asked, Wish};
use replies::{Pendings, rejected, unknown};
use start::{Place, Start};
use writer::{Class, Writer};

use super::bus::Subscription;
use super::durable::Durable;
use super::handle::{CommandSender, Update};
use super::intake::{Intake, SignalAnswer};
use super::outward::{Line, Outward};
use super::watched::{Alarm, StopWithout};
use crate::clock::Clock;
use crate::model::{Command, CommandId, CommandStatus, Event, Record, SessionState, StopPolicy, WHERE_TO_LOOK};

/// Commands that may wait for their outcome.
const MOST_COMMANDS: usize = 10_000;
/// How often a start that is not ready is looked at, real time.
const LOOK: Duration = Duration::from_millis(250);
/// Who commands from standard input come from.
const BY: &str = "stdin";

/// What a headless run works with.
pub struct Headless {
    /// Everything that happens after [`Headless::snapshot`].
    pub updates: Subscription,
    /// The session before its first step.
    pub snapshot: Arc<SessionState>,
    /// Whether prices are told too.
    pub market_data: bool,
    /// Takes commands.
    pub commands: CommandSender,
    /// Takes signals.
    pub intake: Intake,
    /// Says which signal asked for a stop, when one did.
    pub stops: mpsc::UnboundedReceiver<&'static str>,
    /// How far the facts are on disk.
    pub durable: watch::Receiver<Durable>,
    /// The session's time.
    pub clock: Clock,
    /// For the first lines.
    pub data_dir: PathBuf,
    /// For the first line: the exchange, without secrets.
    pub exchange: String,
    /// Tells the session of a thread of ours that ended by a defect.
    pub alarm: Alarm,
    /// What a stop for want of standard input does with working orders.
    pub stop_policy: StopPolicy,
}

type Answer = Pin<Box<dyn Future<Output = (String, Option<SignalAnswer>)> + Send>>;

/// Runs until the session has ended. Reads standard input and writes standard output.
///
/// # Errors
/// When the system refuses a thread.
pub async fn run(headless: Headless) -> std::io::Result<()> {
    let Headless { mut updates, snapshot, market_data, commands, intake, mut stops, mut durable, .. } = headless;
    let without = StopWithout { commands: commands.clone(), policy: headless.stop_policy };
    let place = Place { data_dir: headless.data_dir.display().to_string(), exchange: headless.exchange };
    let mut desk = Desk {
        outward: Outward::new((*snapshot).clone()),
        writer: Writer::start(std::io::stdout(), headless.alarm.clone())?,
        market_data,
        start: Start::new(place, Instant::now()),
        commands,
        intake,
        waiting: BTreeMap::new(),
        pendings: Pendings::default(),
        answers: FuturesUnordered::new(),
        clock: headless.clock,
        durable: Durable::default(),
    };
    desk.say(&desk.start.starting(&snapshot));
    drop(snapshot);
    let mut input = reader::start(|| std::io::stdin().lock(), headless.alarm, without)?;
    let mut input_open = true;
    let mut look = tokio::time::interval(LOOK);
    loop {
        let starts = !desk.start.is_over(desk.outward.state());
        let due = desk.pendings.due();
        tokio::select! {
            biased;
            Some(by) = stops.recv() => desk.stopping(by),
            Some((id, answer)) = desk.answers.next() => desk.answer_signal(&id, answer),
            Ok(()) = durable.changed() => {
                desk.durable = durable.borrow_and_update().clone();
                desk.answer_commands();
            }
            _ = look.tick(), if starts => desk.tell_start(),
            () = until(due) => desk.answer_commands(),
            update = updates.next() => match update {
                Some(update) => {
                    desk.tell(&update);
                    // A flood of events starves no command.
                    if let Ok(line) = input.try_recv() {
                        desk.take(&line);
                    }
                }
                None => break,
            },
            line = input.recv(), if input_open => match line {
                Some(line) => desk.take(&line),
                None => input_open = false,
            },
        }
    }
    // Answers that the end of the session released.
    desk.durable = durable.borrow_and_update().clone();
    desk.answer_commands();
    while let Some((id, answer)) = desk.answers.next().await {
        desk.answer_signal(&id, answer);
    }
    let writer = desk.leave();
    // It waits for a reader, though not for long.
    let closed = tokio::task::spawn_blocking(move || writer.close());
    let _ = closed.await;
    Ok(())
}

struct Desk {
    outward: Outward,
    writer: Writer,
    market_data: bool,
    start: Start,
    commands: CommandSender,
    intake: Intake,
    /// Commands without an outcome, by their id.
    waiting: BTreeMap<CommandId, String>,
    /// Outcomes that are not on disk yet.
    pendings: Pendings,
    answers: FuturesUnordered<Answer>,
    clock: Clock,
    durable: Durable,
}

impl Desk {
    fn tell(&mut self, update: &Update) {
        match update {
            Update::Snapshot(state) => self.skip_to(state),
            Update::Events(records) => records.iter().for_each(|record| self.tell_record(record)),
        }
        self.tell_start();
    }

    /// More happened than is kept for us; the journal has it.
    fn skip_to(&mut self, state: &Arc<SessionState>) {
        let before = self.outward.state().seq;
        if state.seq > before {
            let line = Line::new("events_lost").with("after_seq", &before).with("up_to_seq", &state.seq);
            let line = line.with("count", &state.seq.saturating_sub(before));
            self.say(&line);
        }
        self.outward.reset((**state).clone());
        let decided: Vec<(CommandId, CommandStatus)> = self
            .waiting
            .keys()
            .filter_map(|id| state.command(id).map(|record| (id.clone(), record.status.clone())))
            .filter(|(_, status)| status.is_final())
            .collect();
        for (id, status) in decided {
            self.decided(&id, &status, state.seq);
        }
    }

    fn tell_record(&mut self, record: &Record) {
        if !self.market_data && matches!(record.event, Event::Quoted { .. }) {
            self.outward.follow(record);
            return;
        }
        for line in self.outward.tell(record) {
            self.writer.write(Class::Event(record.seq), &line);
        }
        if let Event::CommandMoved { id, status, .. } = &record.event
            && status.is_final()
        {
            self.decided(id, status, record.seq);
        }
        if let Event::CommandRefused { command, why } = &record.event
            && command.by == BY
        {
            self.say(&rejected(command.id.as_str(), why, None));
        }
    }

    fn decided(&mut self, id: &CommandId, status: &CommandStatus, seq: u64) {
        if let Some(asked) = self.waiting.remove(id) {
            self.pendings.keep(seq, Instant::now(), asked, status.clone());
            self.answer_commands();
        }
    }

    fn answer_commands(&mut self) {
        for line in self.pendings.ripe(&self.durable, Instant::now()) {
            self.say(&line);
        }
    }

    fn tell_start(&mut self) {
        if let Some(line) = self.start.tell(self.outward.state(), self.clock.now(), Instant::now()) {
            self.say(&line);
        }
    }

    fn say(&self, line: &Line) {
        self.writer.write(Class::Answer, line);
    }

    fn take(&mut self, line: &reader::InputLine) {
        let understood = lines::understand(line, &|name| self.outward.state().order_named(name));
        let asked = match understood {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(mistake) => {
                self.say(&Line::new("error").with("line", &line.number).with("message", &mistake.message));
                if let Some(id) = mistake.id {
                    self.say(&rejected(&id, &mistake.message, Some(line.number)));
                }
                return;
            }
        };
        let Asked { id, wish } = asked;
        match wish {
            Wish::Signal(signal) => match self.intake.submit(*signal) {
                Ok(receiver) => self.answers.push(Box::pin(async move { (id, receiver.await.ok()) })),
                Err(error) => self.say(&rejected(&id, &error.to_string(), None)),
            },
            Wish::Command(command_id, action) => {
                let state = self.outward.state();
                // The same wish again gets the first outcome, and is told that nothing was done anew.
                let known = state.command_answer(&command_id, &action);
                let is_same = !state.is_command_id_taken(&command_id, &action);
                if let Some(status) = known.filter(|status| is_same && status.is_final()) {
                    // Its facts are among those up to here.
                    self.pendings.keep_repeated(state.seq, Instant::now(), id, status);
                    return self.answer_commands();
                }
                if self.waiting.len().saturating_add(self.pendings.len()) >= MOST_COMMANDS {
                    let reason = format!("{MOST_COMMANDS} commands wait already; send it again later");
                    return self.say(&rejected(&id, &reason, None));
                }
                let command = Command { id: command_id.clone(), by: BY.into(), action };
                match self.commands.send(command) {
                    Ok(()) if is_same => {
                        self.waiting.insert(command_id, id);
                    }
                    // Its refusal is told when the engine has it on record.
                    Ok(()) => {}
                    Err(gone) => self.say(&rejected(&id, &gone.to_string(), None)),
                }
            }
        }
    }

    fn answer_signal(&mut self, id: &str, answer: Option<SignalAnswer>) {
        self.say(&replies::signal(id, answer, self.outward.state()));
    }

    /// A signal asked for the end: lists what works at the exchange now.
    fn stopping(&mut self, by: &str) {
        let working: Vec<_> = self
            .outward
            .state()
            .orders
            .working()
            .map(|order| {
                json!({
                    "order_id": order.client_id, "order_no": order.no, "exchange_order_id": order.venue_id,
                    "symbol": order.symbol, "side": order.intent.order_word(), "position_side": order.intent.side,
                    "status": order.state, "quantity": order.quantity, "filled_quantity": order.filled,
                    "price": order.order_type.limit(),
                })
            })
            .collect();
        self.say(&Line::new("stopping").with("by", &by).with("working_orders", &working));
    }

    /// Answers what nobody will answer any more.
    fn leave(self) -> Writer {
        let state = self.outward.state();
        let open = state.open_fates();
        if !open.is_empty() {
            let line = Line::new("stopped").with("phase", &state.phase).with("orders_of_open_fate", &open);
            self.say(&line.with("where_to_look", &WHERE_TO_LOOK));
        }
        let lost = self.pendings.lost(&self.durable);
        let undecided = self.waiting.values().map(|id| unknown(id, "the session ended before the command did"));
        for line in lost.into_iter().chain(undecided) {
            self.writer.write(Class::Answer, &line);
        }
        self.writer
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
