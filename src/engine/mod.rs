//! Decisions. The engine takes everything that can happen, with its time, and answers with events
//! (already applied to the session state) and requests for the outside. Pure: no clock, no I/O.

mod alerting;
mod chores;
mod circuit_breaker;
mod cross_margin_watch;
mod equity_watch;
mod exits;
mod io;
mod liquidation_watch;
mod live_order_manager;
mod pace;
mod position_sync_service;
mod price_sense;
mod risk_manager;
mod session_control;
mod signal_intake;
mod turn;
mod unanswered;

pub use io::{Input, Out, Reply, Request};

use crate::config::Settings;
use crate::model::{Chore, Event, Push, SessionState, SessionTime, VenueCapabilities};
use live_order_manager as orders;
use position_sync_service as positions;
use turn::Turn;

/// Passes of one step over what follows from what ended; each ends an order or a target, or is the last.
const PASSES: u32 = 1_000;

/// The engine: settings and the session as it is. One task owns it.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    state: SessionState,
    capabilities: VenueCapabilities,
    /// Time of the last step.
    stepped_at: SessionTime,
}

impl Engine {
    /// An engine on a session: a fresh one, or one that was recovered from the journal.
    pub fn new(settings: Settings, state: SessionState) -> Self {
        Self { settings, stepped_at: state.now, state, capabilities: VenueCapabilities::default() }
    }

    /// The same on a venue that can, and limits, this.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: VenueCapabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The session as it is.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// The settings it decides by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes one input and appends what follows from it to `out`. Total: it returns, whatever
    /// comes in; bad input becomes an event.
    pub fn step(&mut self, now: SessionTime, input: Input, out: &mut Out) {
        // Time never runs backwards for the engine, whatever the caller's clock does.
        let now = now.max(self.stepped_at);
        self.stepped_at = now;
        let mut turn = Turn::new(now, &self.settings, &self.capabilities, &mut self.state, out);
        take(&mut turn, input);
        // What follows, in this order: commands and a flatten move on by what ended, exit targets by
        // what was refused or is missing; that may end more, so again. Each pass ends orders or stops.
        // Then the questions, the cancels and the revocations leave.
        // Bounded whatever happens: what is left goes on with the next input.
        for pass in 1..=PASSES {
            debug_assert!(pass < PASSES, "the steps of one input end");
            if std::mem::take(&mut turn.order_ended) {
                session_control::on_order_ended(&mut turn);
                if turn.order_ended {
                    continue;
                }
            }
            exits::advance(&mut turn);
            if !turn.order_ended {
                break;
            }
        }
        orders::leave_look_ups(&mut turn);
        orders::leave_cancels(&mut turn);
        orders::leave_revocations(&mut turn);
    }

    /// When the engine next wants an [`Input::Tick`], if nothing else comes in before.
    pub fn next_wakeup(&self) -> Option<SessionTime> {
        let chore = chores::next_due(&self.state);
        let state = &self.state;
        let busy = state.orders.working_count() > 0 || state.flatten.is_some() || !state.targets.is_empty();
        let look_over = busy.then(|| self.stepped_at.plus(chores::LOOK_OVER));
        chore.into_iter().chain(look_over).chain(exits::wakeup(state)).min()
    }
}

fn take(turn: &mut Turn, input: Input) {
    match input {
        Input::Start { info, note } => {
            session_control::on_start(turn, &info, note.as_deref());
            chores::run(turn);
        }
        Input::Found { subject, severity, what } => session_control::on_found(turn, &subject, severity, &what),
        Input::FactsLost { which, what } => session_control::on_facts_lost(turn, &which, &what),
        Input::Tick => {
            chores::run(turn);
            equity_watch::roll_day(turn, turn.venue_now());
            liquidation_watch::remind(turn);
        }
        Input::Signal(raw) => {
            // A signal of the new day is judged by the new day, also before the first tick of it.
            equity_watch::roll_day(turn, turn.venue_now());
            signal_intake::on_signal(turn, &raw);
        }
        Input::Command(command) => session_control::on_command(turn, &command),
        Input::Push(push) => on_push(turn, *push),
        Input::Reply(reply) => on_reply(turn, &reply),
        Input::Journal { error } => session_control::on_journal(turn, error),
        Input::Failure { what } => session_control::on_failure(turn, &what),
        Input::Suspended { slept } => session_control::on_suspended(turn, slept),
        Input::Dropped { observer, total } => turn.emit(Event::ObserverDropped { observer, total }),
    }
}

fn on_push(turn: &mut Turn, push: Push) {
    match push {
        Push::Quote(quote) => {
            let symbol = quote.symbol.clone();
            price_sense::on_quote(turn, quote);
            liquidation_watch::on_quote(turn, &symbol);
            cross_margin_watch::on_quote(turn, &symbol);
        }
        Push::Order(report) => {
            let now = turn.now;
            orders::apply_report(turn, &report, now);
        }
        Push::Fill(report) => orders::apply_fill(turn, &report),
        Push::Position(report) => positions::on_position_report(turn, &report),
        // Asked for, so that pushes and answers that overtake each other leave the newest.
        Push::Mode(_) => chores::soon(turn, Chore::PositionMode),
        Push::Clock(offset) => session_control::on_clock(turn, &Ok(offset)),
        Push::Silenced { for_how_long, call, calls } => {
            let until = turn.now.plus(for_how_long);
            turn.emit(Event::SilenceMoved { until, asked_by: call, calls });
        }
        Push::Account(report) => equity_watch::on_account(turn, &report),
        // A notice is a reason to look at once; the verdict needs evidence.
        Push::LiquidationNotice { .. } => session_control::resync_soon(turn),
        Push::Skipped { total, last } => session_control::on_skipped(turn, total, &last),
        Push::Failed { what } => session_control::on_failure(turn, &what),
        Push::Connected => session_control::on_connected(turn),
        Push::Disconnected { reason, attempt } => session_control::on_disconnected(turn, &reason, attempt),
    }
}

fn on_reply(turn: &mut Turn, reply: &Reply) {
    if is_accepted(reply) {
        session_control::on_key_accepted(turn);
    }
    match reply {
        Reply::Left { no, attempt } => orders::on_left(turn, *no, *attempt),
        Reply::Placed { no, attempt, result } => orders::on_placed(turn, *no, *attempt, result),
        Reply::Cancelled { orders: asked, result } => orders::on_cancelled(turn, asked, result),
        Reply::LookedUp { no, asked_at, result } => orders::on_looked_up(turn, *no, *asked_at, result),
        Reply::OrderFills { no, result } => orders::on_order_fills(turn, *no, result),
        Reply::OpenOrders { asked_at, result } => orders::on_open_orders(turn, *asked_at, result),
        Reply::OrderHistory { asked_at, since, result } => orders::on_order_history(turn, *asked_at, *since, result),
        Reply::Fills { asked_at, result } => positions::on_fills(turn, *asked_at, result),
        Reply::Positions { asked_at, result, account } => positions::on_positions(turn, *asked_at, result, account),
        Reply::Evidence { id, result } => positions::on_evidence(turn, *id, result),
        Reply::PositionMode { result } => session_control::on_position_mode(turn, result),
        Reply::Contracts { result } => session_control::on_contracts(turn, result),
        Reply::ServerTime { result } => {
            session_control::on_clock(turn, result);
        }
    }
}

/// Whether the exchange answered what only the owner of a key may ask.
fn is_accepted(reply: &Reply) -> bool {
    match reply {
        Reply::PositionMode { result } => result.is_ok(),
        Reply::OpenOrders { result, .. } => result.is_ok(),
        Reply::Positions { result, .. } => result.is_ok(),
        Reply::Fills { result, .. } => result.is_ok(),
        _ => false,
    }
}
