//! A session without a screen: events go out as JSON lines, signals and commands come in as JSON
//! lines, each with an id, and each is answered.

mod lines;
mod once;
mod reader;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::sync::mpsc;

use lines::{Asked, Wish};
use writer::Writer;

use super::bus::Subscription;
use super::handle::{CommandSender, Update};
use super::intake::{Intake, SignalAnswer};
use super::outward::{Line, Outward};
use crate::model::{Action, Command, CommandId, CommandStatus, Event, Phase, SignalOutcome, StopPolicy};

/// How long an orderly stop may take, real time.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// How long the first line waits for the first prices, real time.
const PRICES_WITHIN: Duration = Duration::from_secs(5);
/// Who commands from standard input come from.
const BY: &str = "stdin";

/// What a headless run works with.
pub struct Headless {
    /// Everything that happens.
    pub updates: Subscription,
    /// Whether prices are told too.
    pub market_data: bool,
    /// Takes commands.
    pub commands: CommandSender,
    /// Takes signals.
    pub intake: Intake,
    /// Ends the session whatever it is doing.
    pub abandon: mpsc::UnboundedSender<String>,
    /// For the first line.
    pub data_dir: PathBuf,
}

type Answer = Pin<Box<dyn Future<Output = (String, Option<SignalAnswer>)> + Send>>;

/// Runs until the session has ended. Reads standard input and writes standard output.
///
/// # Errors
/// When the system refuses a thread or a signal handler.
pub async fn run(headless: Headless) -> std::io::Result<()> {
    let Headless { mut updates, market_data, commands, intake, abandon, data_dir } = headless;
    let mut desk = Desk {
        outward: Outward::default(),
        writer: Writer::start()?,
        market_data,
        ready: false,
        priceless_until: None,
        held: Vec::new(),
        commands,
        intake,
        waiting: BTreeMap::new(),
        answers: FuturesUnordered::new(),
        data_dir,
    };
    let mut input = reader::start()?;
    let mut input_open = true;
    let mut stops = Stops::new()?;
    let mut deadline: Option<tokio::time::Instant> = None;
    loop {
        tokio::select! {
            biased;
            () = stops.next() => {
                if deadline.is_some() {
                    // Asked twice: at once. The journal is still closed in order.
                    let _ = abandon.send("interrupted twice".into());
                } else {
                    deadline = Some(tokio::time::Instant::now() + STOP_DEADLINE);
                    desk.stop().await;
                }
            }
            () = until(desk.priceless_until.filter(|_| !desk.ready)) => desk.become_ready().await,
            () = until(deadline) => {
                deadline = Some(tokio::time::Instant::now() + STOP_DEADLINE);
                let _ = abandon.send(format!("it did not stop within {} s", STOP_DEADLINE.as_secs()));
            }
            Some((id, answer)) = desk.answers.next() => desk.answer_signal(&id, answer).await,
            update = updates.next() => match update {
                Some(update) => desk.tell(&update).await,
                None => break,
            },
            line = input.recv(), if input_open => match line {
                Some(line) => desk.take(line).await,
                None => input_open = false,
            },
        }
    }
    // Answers that the end of the session released.
    while let Some((id, answer)) = desk.answers.next().await {
        desk.answer_signal(&id, answer).await;
    }
    desk.leave_commands().await;
    desk.close().await;
    Ok(())
}

struct Desk {
    outward: Outward,
    writer: Writer,
    market_data: bool,
    ready: bool,
    /// How long the first line waits for prices.
    priceless_until: Option<tokio::time::Instant>,
    /// Lines from before the first one may be written.
    held: Vec<Line>,
    commands: CommandSender,
    intake: Intake,
    /// Commands without an outcome, by their id.
    waiting: BTreeMap<CommandId, String>,
    answers: FuturesUnordered<Answer>,
    data_dir: PathBuf,
}

impl Desk {
    async fn tell(&mut self, update: &Update) {
        match update {
            Update::Snapshot(state) => {
                let before = self.outward.state().seq;
                if before > 0 && state.seq > before {
                    // Standard output was not read fast enough; the journal has them.
                    let line = Line::new("events_lost").with("after_seq", &before).with("up_to_seq", &state.seq);
                    self.say(line).await;
                }
                self.outward.reset((**state).clone());
                self.answer_commands().await;
            }
            Update::Events(records) => {
                for record in records.iter() {
                    if !self.market_data && matches!(record.event, Event::Quoted { .. }) {
                        self.outward.follow(record);
                        continue;
                    }
                    for line in self.outward.tell(record) {
                        self.say(line).await;
                    }
                    if let Event::CommandMoved { id, status, .. } = &record.event
                        && status.is_final()
                        && let Some(asked) = self.waiting.remove(id)
                    {
                        self.say(command_answer(&asked, status)).await;
                    }
                    if let Event::CommandRefused { command, why } = &record.event
                        && command.by == BY
                    {
                        self.say(rejected(command.id.as_str(), why, None)).await;
                    }
                }
            }
        }
        self.become_ready().await;
    }

    async fn become_ready(&mut self) {
        let state = self.outward.state();
        if self.ready || matches!(state.phase, Phase::Starting) {
            return;
        }
        let Some(info) = &state.info else { return };
        // Whoever reads the first line may send an entry at once, and that needs a price; but a
        // feed that is down must not keep the session from being told.
        let now = tokio::time::Instant::now();
        let until = *self.priceless_until.get_or_insert(now + PRICES_WITHIN);
        if now < until && state.contracts.keys().any(|symbol| state.quote(symbol).is_none()) {
            return;
        }
        let line = Line::new("ready")
            .with("data_dir", &self.data_dir.display().to_string())
            .with("exchange", &info.exchange)
            .with("session", &info.id)
            .with("starts", &info.starts)
            .with("seq", &state.seq)
            .with("control", &state.control)
            .with("pid", &std::process::id());
        self.ready = true;
        self.writer.write(&line).await;
        for line in std::mem::take(&mut self.held) {
            self.writer.write(&line).await;
        }
    }

    async fn say(&mut self, line: Line) {
        if self.ready {
            self.writer.write(&line).await;
        } else {
            self.held.push(line);
        }
    }

    async fn take(&mut self, line: reader::InputLine) {
        let understood = lines::understand(&line, &|name| self.outward.state().order_named(name));
        let asked = match understood {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(mistake) => {
                let error = Line::new("error").with("line", &line.number).with("message", &mistake.message);
                self.say(error).await;
                if let Some(id) = mistake.id {
                    self.say(rejected(&id, &mistake.message, Some(line.number))).await;
                }
                return;
            }
        };
        let Asked { id, wish } = asked;
        match wish {
            Wish::Signal(signal) => match self.intake.submit(*signal) {
                Ok(receiver) => self.answers.push(Box::pin(async move { (id, receiver.await.ok()) })),
                Err(error) => self.say(rejected(&id, &error.to_string(), None)).await,
            },
            Wish::Command(command_id, action) => {
                // The same wish again gets the first outcome, and is told that nothing was done anew.
                let known = self.outward.state().command_answer(&command_id, &action);
                let is_same = !self.outward.state().is_command_id_taken(&command_id, &action);
                if let Some(status) = known.filter(|status| is_same && status.is_final()) {
                    self.say(command_answer(&id, &status).with("repeated", &true)).await;
                    return;
                }
                let command = Command { id: command_id.clone(), by: BY.into(), action };
                match self.commands.send(command) {
                    Ok(()) if is_same => {
                        self.waiting.insert(command_id, id);
                    }
                    // Its refusal is told when the engine has it on record.
                    Ok(()) => {}
                    Err(gone) => self.say(rejected(&id, &gone.to_string(), None)).await,
                }
            }
        }
    }

    async fn answer_signal(&mut self, id: &str, answer: Option<SignalAnswer>) {
        let line = match answer {
            Some(SignalAnswer::Decided { id: signal_id, outcome }) => {
                let line = Line::new("answer").with("id", &id).with("signal_id", &signal_id);
                match &outcome {
                    SignalOutcome::Ordered { order } | SignalOutcome::Cancelling { order } => {
                        let client_id = self.outward.state().client_id_of(*order);
                        let what =
                            if matches!(outcome, SignalOutcome::Ordered { .. }) { "ordered" } else { "cancelling" };
                        line.with("result", &"accepted")
                            .with("outcome", &what)
                            .with("order_no", order)
                            .with("order_id", &client_id)
                    }
                    SignalOutcome::Recorded => line.with("result", &"accepted").with("outcome", &"recorded"),
                    SignalOutcome::Rejected { reason, failed_checks } => {
                        line.with("result", &"rejected").with("reason", reason).with("failed_checks", failed_checks)
                    }
                }
            }
            Some(SignalAnswer::Refused { reason }) => rejected(id, &reason, None),
            None => Line::new("answer")
                .with("id", &id)
                .with("result", &"unknown")
                .with("reason", &"the session ended before the signal was on record; send it again under the same id"),
        };
        self.say(line).await;
    }

    /// After missed events: what became of the commands that are waited for.
    async fn answer_commands(&mut self) {
        let state = self.outward.state();
        let decided: Vec<(CommandId, CommandStatus)> = self
            .waiting
            .keys()
            .filter_map(|id| state.command(id).map(|record| (id.clone(), record.status.clone())))
            .filter(|(_, status)| status.is_final())
            .collect();
        for (id, status) in decided {
            if let Some(asked) = self.waiting.remove(&id) {
                self.say(command_answer(&asked, &status)).await;
            }
        }
    }

    /// Lists what stays at the exchange and asks for the end.
    async fn stop(&mut self) {
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
        self.writer.write(&Line::new("stopping").with("working_orders", &working)).await;
        let state = self.outward.state();
        let starts = state.info.as_ref().map_or(0, |info| info.starts);
        if let Ok(id) = CommandId::new(&format!("terminated-{starts}-{}", state.seq)) {
            let stop = Command { id, by: "SIGTERM".into(), action: Action::Stop { policy: StopPolicy::Leave } };
            // The session may have ended on its own a moment ago.
            let _ = self.commands.send(stop);
        }
    }

    async fn leave_commands(&mut self) {
        for (_, id) in std::mem::take(&mut self.waiting) {
            let reason = "the session ended before the command did";
            self.say(Line::new("answer").with("id", &id).with("result", &"unknown").with("reason", &reason)).await;
        }
    }

    async fn close(self) {
        self.writer.close().await;
    }
}

fn rejected(id: &str, reason: &str, line: Option<u64>) -> Line {
    let answer = Line::new("answer").with("id", &id).with("result", &"rejected").with("reason", &reason);
    match line {
        Some(line) => answer.with("line", &line),
        None => answer,
    }
}

fn command_answer(id: &str, status: &CommandStatus) -> Line {
    let line = Line::new("answer").with("id", &id);
    match status {
        CommandStatus::Done { note } => line.with("result", &"done").with("note", note),
        CommandStatus::Rejected { why } => line.with("result", &"rejected").with("reason", why),
        CommandStatus::Unknown { why } => line.with("result", &"unknown").with("reason", why),
        CommandStatus::Accepted | CommandStatus::Working { .. } => line.with("result", &"accepted"),
    }
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The signals that ask a process to end.
struct Stops {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        let asked = tokio::select! {
            biased;
            asked = self.terminate.recv() => asked,
            asked = self.interrupt.recv() => asked,
        };
        if asked.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
