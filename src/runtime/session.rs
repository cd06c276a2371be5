//! The session loop: the one task that owns the engine. It takes inputs in order of urgency, steps
//! the engine, has the facts written, tells the bus, and lets requests go when they may.

mod answers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use self::answers::{Undecided, answer_to};
use super::bus::EventBus;
use super::durable::TellDurable;
use super::gateway::Gateway;
use super::intake::{SignalAnswer, Submitted};
use super::kill::kill_point;
use super::outbox::{Held, Outbox, Release};
use super::scribe::Scribe;
use crate::clock::Clock;
use crate::engine::{Engine, Input, Out, Request};
use crate::model::{
    Command, Event, OrderNo, Phase, Push, RawSignal, Record, Refusal, SessionState, SessionTime, Severity, SinkStatus,
};
use crate::store::Projector;

/// Pushes that are taken before everything else gets its turn again.
const PUSHES_A_ROUND: usize = 64;
/// Signals that are taken in one round.
const SIGNALS_A_ROUND: usize = 16;
/// How often lossy observers are asked what they lost, in session time.
const DROP_REPORTS: std::time::Duration = std::time::Duration::from_secs(1);
/// Unjournaled requests that a message names; more are counted.
const NAMED: usize = 5;
/// Facts that may wait for the disk before new signals are not taken any more.
const MOST_WAITING: u64 = 100_000;

/// Everything that comes into a session.
#[derive(Debug)]
pub struct Ports {
    /// Commands of operators.
    pub commands: mpsc::UnboundedReceiver<Command>,
    /// Replies and failures; there is at most one for each request.
    pub internal: mpsc::UnboundedReceiver<Input>,
    /// What the exchange pushes.
    pub pushes: mpsc::Receiver<Push>,
    /// Signals.
    pub signals: mpsc::Receiver<Submitted>,
    /// The session must end now, in order or not; the reason.
    pub abandon: mpsc::UnboundedReceiver<String>,
}

/// How a session ended.
#[derive(Debug)]
pub struct Ended {
    /// The state at the end.
    pub state: SessionState,
    /// Why it ended without having been stopped in order.
    pub abandoned: Option<String>,
    /// What the journal could not be given.
    pub journal_error: Option<String>,
    /// How far the copy elsewhere came, when there is one.
    pub sink: Option<SinkStatus>,
}

/// A session that runs.
pub struct Session {
    engine: Engine,
    clock: Clock,
    bus: EventBus,
    scribe: Scribe,
    gateway: Gateway,
    outbox: Outbox,
    out: Out,
    snapshot_every: u64,
    snapshot_at: u64,
    journal_error: Option<String>,
    unjournaled: Vec<String>,
    unjournaled_count: usize,
    next_drop_report: SessionTime,
    reported_drops: u64,
    projector: Option<Projector>,
    /// Records that wait for the disk before the projections get them.
    unprojected: VecDeque<Arc<[Record]>>,
    projector_error: Option<String>,
    abandoned: Option<String>,
    undecided: Undecided,
    durable: Option<TellDurable>,
    /// Facts that may wait for the disk.
    most_waiting: u64,
    /// As many wait: no new signals until half of them are written.
    is_full: bool,
    /// The stream's sender is gone: nothing comes that way any more.
    stream_ended: bool,
}

impl Session {
    /// A session around an engine; nothing has happened yet.
    pub fn new(engine: Engine, clock: Clock, bus: EventBus, scribe: Scribe, gateway: Gateway) -> Self {
        let settings = &engine.settings().journal;
        Self {
            outbox: Outbox::new(settings.exit_delay_max),
            snapshot_every: settings.snapshot_every.max(1),
            snapshot_at: engine.state().seq,
            out: Out::default(),
            journal_error: None,
            unjournaled: Vec::new(),
            unjournaled_count: 0,
            next_drop_report: SessionTime::ZERO,
            reported_drops: 0,
            projector: None,
            unprojected: VecDeque::new(),
            projector_error: None,
            abandoned: None,
            undecided: Undecided::default(),
            durable: None,
            most_waiting: MOST_WAITING,
            is_full: false,
            stream_ended: false,
            engine,
            clock,
            bus,
            scribe,
            gateway,
        }
    }

    /// Feeds these projections too.
    #[must_use]
    pub fn with_projections(mut self, projector: Projector) -> Self {
        self.projector = Some(projector);
        self
    }

    /// Tells how far the facts are on disk.
    #[must_use]
    pub fn with_durable(mut self, tell: TellDurable) -> Self {
        self.durable = Some(tell);
        self
    }

    /// Takes no new signals while so many facts wait for the disk.
    #[must_use]
    pub fn with_most_waiting(mut self, facts: u64) -> Self {
        self.most_waiting = facts;
        self
    }

    /// Runs until the session has stopped or must be abandoned. `start` is the first input.
    pub async fn run(mut self, start: Input, mut ports: Ports) -> Ended {
        self.step(start);
        self.deliver();
        while self.engine.state().phase != Phase::Stopped && self.abandoned.is_none() {
            if !self.round(&mut ports) {
                self.wait(&mut ports).await;
            }
            // The tasks that carry requests and answers get their turn at once.
            tokio::task::yield_now().await;
        }
        self.end()
    }

    /// Takes what is there, the urgent first; says whether there was anything.
    fn round(&mut self, ports: &mut Ports) -> bool {
        let mut any = false;
        if let Ok(why) = ports.abandon.try_recv() {
            self.abandoned = Some(why);
            return true;
        }
        while let Ok(command) = ports.commands.try_recv() {
            self.step_command(command);
            any = true;
        }
        while let Ok(input) = ports.internal.try_recv() {
            self.step_reply(input);
            any = true;
        }
        for _ in 0..PUSHES_A_ROUND {
            match ports.pushes.try_recv() {
                Ok(push) => self.step_push(push),
                Err(mpsc::error::TryRecvError::Disconnected) if !self.stream_ended => self.end_stream(),
                Err(_) => break,
            }
            any = true;
        }
        if self.engine.next_wakeup().is_some_and(|at| at <= self.clock.now()) {
            self.step(Input::Tick);
            // A wake-up that stays due must not make the loop spin: it does not count as work.
        }
        for _ in 0..SIGNALS_A_ROUND {
            let Ok(submitted) = ports.signals.try_recv() else { break };
            self.step_signal(submitted);
            any = true;
        }
        self.look_after_observers();
        self.deliver();
        any
    }

    /// Waits for the next thing and takes it.
    async fn wait(&mut self, ports: &mut Ports) {
        // Not before the next millisecond, so that an engine that wants to be woken in the past is
        // a slow loop, never a busy one.
        let soon = self.clock.now().plus(std::time::Duration::from_millis(1));
        let wakeup = self.engine.next_wakeup().map(|at| at.max(soon));
        let exit_due = self.outbox.deadline();
        let clock = self.clock.clone();
        tokio::select! {
            biased;
            Some(why) = ports.abandon.recv() => self.abandoned = Some(why),
            Some(command) = ports.commands.recv() => self.step_command(command),
            () = self.scribe.progress() => {}
            Some(input) = ports.internal.recv() => self.step_reply(input),
            push = ports.pushes.recv(), if !self.stream_ended => match push {
                Some(push) => self.step_push(push),
                None => self.end_stream(),
            },
            Some(submitted) = ports.signals.recv() => self.step_signal(submitted),
            () = at_time(&clock, wakeup) => {}
            () = at_instant(exit_due) => {}
            () = self.bus.wanted() => {}
        }
        self.deliver();
    }

    fn step(&mut self, input: Input) {
        let now = self.clock.now();
        self.engine.step(now, input, &mut self.out);
        if self.out.requests.is_empty() {
            return;
        }
        let seq = self.engine.state().seq;
        let held_at = Instant::now();
        for request in self.out.requests.drain(..) {
            if let Request::Revoke { orders } = &request {
                for held in self.outbox.revoke(orders) {
                    self.gateway.refuse(&held, Refusal::Revoked, "not sent: it was taken back before it left");
                }
                self.gateway.revoke(orders);
            } else if request.changes_something() {
                self.outbox.hold(seq, held_at, Held::Request(request));
            } else {
                self.gateway.send(request);
            }
        }
    }

    fn step_command(&mut self, command: Command) {
        kill_point("before-command");
        self.step(Input::Command(Box::new(command)));
    }

    fn step_reply(&mut self, input: Input) {
        kill_point("before-reply");
        self.step(input);
        kill_point("after-reply");
    }

    fn step_push(&mut self, push: Push) {
        let fill = matches!(push, Push::Fill(_));
        match push {
            Push::Fill(_) => kill_point("before-fill-push"),
            Push::Order(_) => kill_point("before-order-push"),
            Push::Position(_) => kill_point("before-position-push"),
            _ => {}
        }
        self.step(Input::Push(Box::new(push)));
        if fill {
            kill_point("after-fill-push");
        }
    }

    /// Nobody can push any more: never a silence that looks like a quiet market.
    fn end_stream(&mut self) {
        self.stream_ended = true;
        let what =
            "the stream of the exchange ended for good; orders and positions are asked for, prices are not known";
        self.step(Input::Push(Box::new(Push::Disconnected { reason: "the stream ended".to_owned(), attempt: 0 })));
        self.step(Input::Failure { what: what.to_owned() });
    }

    fn step_signal(&mut self, submitted: Submitted) {
        kill_point("before-signal");
        let Submitted { signal, answer } = submitted;
        if self.is_full {
            let reason = self.full_text();
            // No fact explains it, so there is nothing to wait for; whoever asked may have gone.
            drop(answer.map(|answer| answer.send(SignalAnswer::Refused { reason: format!("not taken: {reason}") })));
            return;
        }
        let id = answer.as_ref().map(|_| signal.signal_id.clone());
        let before = self.out.events.len();
        self.step(Input::Signal(signal));
        kill_point("after-signal");
        if let (Some(answer), Some(id)) = (answer, id) {
            let new = self.out.events.get(before..).unwrap_or_default();
            match answer_to(&id, new, self.engine.state()) {
                Some(what) => self.hold_answer(self.engine.state().seq, answer, what),
                // The engine looks first, for a moment: the answer comes with its decision.
                None => self.undecided.keep(&id, answer),
            }
        }
    }

    fn hold_answer(&mut self, seq: u64, to: oneshot::Sender<SignalAnswer>, what: SignalAnswer) {
        self.outbox.hold(seq, Instant::now(), Held::Answer(to, what));
    }

    fn full_text(&self) -> String {
        format!("more than {} facts wait for the disk, no new signals are taken until it has them", self.most_waiting)
    }

    /// Has the facts written, tells the bus, and lets go what may leave.
    fn deliver(&mut self) {
        if !self.out.events.is_empty() {
            if !self.undecided.is_empty() {
                let outbox = &mut self.outbox;
                let now = Instant::now();
                self.undecided.settle(&self.out.events, |seq, to, what| outbox.hold(seq, now, Held::Answer(to, what)));
            }
            let batch: Arc<[Record]> = std::mem::take(&mut self.out.events).into();
            // Somebody waits for the answer to a command, and it is not given before it is on disk.
            let answers = batch.iter().any(|record| matches!(record.event, Event::CommandMoved { .. }));
            self.scribe.append(&batch, answers || !self.outbox.is_empty());
            kill_point("before-publish");
            // The bus is shut down only after the loop has ended.
            let _ = self.bus.publish(&batch);
            kill_point("after-publish");
            if self.projector.is_some() && batch.iter().any(|record| record.event.is_fact()) {
                self.unprojected.push_back(batch);
            }
        }
        if !self.outbox.is_empty() {
            self.scribe.hurry();
        }
        let trouble = self.scribe.flush();
        self.bus.serve_snapshots(self.engine.state());
        self.release(trouble.is_some());
        self.note_trouble(trouble);
        self.tell_durable(self.scribe.safe());
        self.project(self.scribe.safe());
        let seq = self.engine.state().seq;
        if seq.saturating_sub(self.snapshot_at) >= self.snapshot_every {
            self.snapshot_at = seq;
            self.scribe.snapshot(self.engine.state().facts());
        }
    }

    /// Hands facts to the projections when they are on disk: a history that knows more than the journal
    /// means that the journal has lost something.
    fn project(&mut self, safe: u64) {
        let Some(projector) = &self.projector else { return };
        let is_safe = |batch: &Arc<[Record]>| {
            batch.iter().rev().find(|record| record.event.is_fact()).is_none_or(|fact| fact.seq <= safe)
        };
        while self.unprojected.front().is_some_and(is_safe)
            && let Some(batch) = self.unprojected.pop_front()
        {
            kill_point("before-projection");
            projector.offer(batch);
            kill_point("after-projection");
        }
    }

    fn release(&mut self, broken: bool) {
        if self.outbox.is_empty() {
            return;
        }
        let (gateway, unjournaled) = (&self.gateway, &mut self.unjournaled);
        let count = &mut self.unjournaled_count;
        self.outbox.release(self.scribe.safe(), broken, Instant::now(), |release| match release {
            Release::Explained(Held::Request(request)) => gateway.send(request),
            // Whoever asked may have gone.
            Release::Explained(Held::Answer(to, answer)) => drop(to.send(answer)),
            Release::Unjournaled(request) => {
                *count = count.saturating_add(1);
                if unjournaled.len() < NAMED {
                    unjournaled.push(name_of(&request));
                }
                gateway.send(request);
            }
            Release::Refused(request) => {
                gateway.refuse(
                    &request,
                    Refusal::Journal,
                    "not sent: the journal cannot be written, and nothing new is risked until it can",
                );
            }
        });
    }

    fn tell_durable(&mut self, safe: u64) {
        if let Some(durable) = &mut self.durable {
            durable.tell(safe, self.journal_error.as_ref());
        }
    }

    /// Tells the engine when the journal breaks, when something left without it, when too much waits
    /// for it, and when it works again.
    fn note_trouble(&mut self, trouble: Option<String>) {
        let waiting = self.scribe.handed().saturating_sub(self.scribe.safe());
        let behind = waiting > 0;
        self.is_full = waiting >= if self.is_full { self.most_waiting / 2 } else { self.most_waiting };
        let trouble = match trouble {
            Some(error) if self.is_full => Some(format!("{error}; {}", self.full_text())),
            None if self.is_full => Some(self.full_text()),
            trouble => trouble,
        };
        let error = match trouble {
            Some(error) if self.unjournaled_count == 0 => Some(error),
            Some(error) => Some(format!("{error}; {}", self.unjournaled_text())),
            None if self.unjournaled_count > 0 && behind => {
                Some(format!("the disk is too slow; {}", self.unjournaled_text()))
            }
            None => {
                self.unjournaled.clear();
                self.unjournaled_count = 0;
                None
            }
        };
        if error != self.journal_error {
            self.journal_error.clone_from(&error);
            self.step(Input::Journal { error });
            self.deliver();
        }
    }

    fn unjournaled_text(&self) -> String {
        let named = self.unjournaled.join(", ");
        let more = self.unjournaled_count.saturating_sub(self.unjournaled.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("left unjournaled: {named}{more}")
    }

    fn look_after_observers(&mut self) {
        let now = self.clock.now();
        if now < self.next_drop_report {
            return;
        }
        self.next_drop_report = now.plus(DROP_REPORTS);
        self.look_after_projections();
        let dropped = self.bus.dropped();
        let total = dropped.iter().fold(0_u64, |sum, (_, lost)| sum.saturating_add(*lost));
        if total > self.reported_drops {
            self.reported_drops = total;
            let names: Vec<String> = dropped.into_iter().map(|(name, _)| name).collect();
            self.step(Input::Dropped { observer: names.join(", "), total });
        }
    }

    /// Projections that cannot be written are told; the journal has what they lack.
    fn look_after_projections(&mut self) {
        let Some(projector) = &self.projector else { return };
        let (news, error) = (projector.take_news(), projector.status().error);
        if let Some(what) = news {
            let subject = "history database".to_owned();
            self.step(Input::Found { subject, severity: Severity::Warning, what });
        }
        if error == self.projector_error {
            return;
        }
        self.projector_error.clone_from(&error);
        if let Some(error) = error {
            self.step(Input::Failure { what: format!("the projections are not up to date: {error}") });
        }
    }

    fn end(mut self) -> Ended {
        self.deliver();
        let state = self.engine.state().clone();
        self.scribe.snapshot(state.facts());
        let safe = self.scribe.safe();
        let journal_error = self.scribe.close().err();
        if let Some(durable) = &mut self.durable {
            let safe = if journal_error.is_none() { state.seq } else { safe };
            durable.tell(safe, journal_error.as_ref());
        }
        if let Some(projector) = self.projector.take() {
            for batch in self.unprojected.drain(..).filter(|_| journal_error.is_none()) {
                projector.offer(batch);
            }
            // What it did not come to is folded at the next start.
            projector.stop();
        }
        // What waited for the disk has it now; requests are not sent any more.
        self.outbox.release(state.seq, false, Instant::now(), |release| {
            if let Release::Explained(Held::Answer(to, answer)) = release
                && journal_error.is_none()
            {
                drop(to.send(answer));
            }
        });
        self.bus.shut_down();
        Ended { state, abandoned: self.abandoned, journal_error, sink: None }
    }
}

async fn at_time(clock: &Clock, at: Option<SessionTime>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn at_instant(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep(at.saturating_duration_since(Instant::now())).await,
        None => std::future::pending().await,
    }
}

fn name_of(request: &Request) -> String {
    let list =
        |orders: &mut dyn Iterator<Item = OrderNo>| orders.map(|no| no.to_string()).collect::<Vec<_>>().join(" ");
    match request {
        Request::Place { no, order, .. } => format!("{} {no}", order.intent),
        Request::Cancel { orders } => format!("cancel {}", list(&mut orders.iter().map(|order| order.no))),
        _ => "a question".to_owned(),
    }
}

/// A signal of the program itself, for tests and strategies that want no answer.
impl From<RawSignal> for Submitted {
    fn from(signal: RawSignal) -> Self {
        Self { signal: Box::new(signal), answer: None }
    }
}

#[cfg(test)]
mod tests;
