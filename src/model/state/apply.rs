//! The one place where state changes.

use super::upkeep::{HeldExit, Silence};
use super::{KEPT_COMMANDS, SessionState};
use crate::model::{
    Breaker, BreakerState, CallGroup, CommandRecord, CommandStatus, Event, Fill, Loss, OrderState, Record, SessionTime,
    SignalOutcome, SignalRecord, TrippedLimit, Usdt,
};

impl SessionState {
    /// Applies an event. Total: an event about something that is not known changes nothing.
    #[expect(clippy::too_many_lines, reason = "one line or two for each kind of event")]
    pub fn apply(&mut self, record: &Record) {
        let at = record.at;
        self.now = self.now.max(at);
        if record.event.is_fact() {
            self.seq = record.seq;
        }
        match &record.event {
            Event::SessionStarted { .. }
            | Event::SessionResumed { .. }
            | Event::IdentityBound { .. }
            | Event::FactsLost { .. }
            | Event::ClockSetBack { .. }
            | Event::PhaseChanged { .. }
            | Event::ControlChanged { .. }
            | Event::FlattenMoved { .. }
            | Event::PositionModeLearned { .. }
            | Event::ContractLearned { .. } => self.apply_session(at, &record.event),
            Event::OrderRecovered { order } => {
                self.counters.orders = self.counters.orders.saturating_add(1);
                if let Some(info) = &self.info {
                    self.orders.recover(&info.id, order);
                }
            }
            Event::SignalDecided { .. } | Event::SignalRefused { .. } | Event::SignalsForgotten { .. } => {
                self.apply_signal(at, &record.event);
            }
            Event::OrderCreated { order } => {
                self.counters.orders = self.counters.orders.saturating_add(1);
                self.orders.create(order);
            }
            Event::OrderSent { no, .. }
            | Event::OrderAccepted { no, .. }
            | Event::OrderRetrying { no, .. }
            | Event::OrderReturned { no, .. }
            | Event::OrderLost { no, .. }
            | Event::OrderReported { no, .. }
            | Event::OrderSettled { no, .. }
            | Event::OrderCancelWanted { no, .. }
            | Event::OrderCancelSent { no, .. }
            | Event::OrderCancelFailed { no, .. }
            | Event::OrderCancelled { no, .. }
            | Event::OrderFailed { no, .. } => {
                if matches!(record.event, Event::OrderSent { .. }) {
                    self.upkeep.placed_at(at);
                    self.upkeep.left.remove(no);
                }
                // It is on its way anew, or was seen there: that it was missed before proves nothing.
                if matches!(record.event, Event::OrderSent { .. } | Event::OrderAccepted { .. }) {
                    self.upkeep.missed.remove(no);
                }
                let moved = self.orders.apply(at, *no, &record.event);
                if moved.is_some_and(OrderState::is_terminal) {
                    self.upkeep.left.remove(no);
                    self.upkeep.missed.remove(no);
                }
                self.count_order(moved);
            }
            Event::OrdersForgotten { orders, fills_before } => {
                self.orders.forget(orders, *fills_before);
                for no in orders {
                    self.upkeep.looked_up.remove(no);
                }
            }
            Event::FillsBegin { from } => self.orders.begin_session_at(*from),
            Event::TargetMoved { target } => {
                self.targets.insert(target.position, (**target).clone());
            }
            Event::TargetEnded { position, .. } => {
                self.targets.remove(position);
            }
            Event::Filled { fill } => self.apply_fill(at, fill, &record.event),
            Event::PositionOpened { position } => self.positions.insert(position),
            Event::PositionAdjusted { id, .. } | Event::MarginModeLearned { id, .. } | Event::WatchMoved { id, .. } => {
                self.positions.apply(at, *id, &record.event);
            }
            Event::PositionSnapshot { id, venue_id, figures, .. } => {
                self.equity.day_realised += self.positions.funding_change(*id, venue_id, figures).unwrap_or_default();
                self.positions.apply(at, *id, &record.event);
            }
            Event::FundingSettled { id, funding } => {
                self.equity.day_realised += self.positions.late_funding(*id, *funding).unwrap_or_default();
                self.positions.apply(at, *id, &record.event);
            }
            Event::PositionClosed { id, cause, .. } | Event::PositionExplained { id, cause, .. } => {
                if *cause == crate::model::CloseCause::Liquidated {
                    self.counters.liquidations = self.counters.liquidations.saturating_add(1);
                }
                self.positions.apply(at, *id, &record.event);
            }
            Event::AccountSnapshot { .. }
            | Event::AccountUnknown { .. }
            | Event::DayRolled { .. }
            | Event::PeakRaised { .. }
            | Event::LimitTripped { .. }
            | Event::LimitReset { .. } => self.apply_money(at, &record.event),
            Event::AlertRaised { .. }
            | Event::AlertRepeated { .. }
            | Event::AlertChanged { .. }
            | Event::AlertCleared { .. }
            | Event::AlertsAcknowledged { .. } => self.alerts.apply(at, &record.event),
            Event::BreakerMoved { .. }
            | Event::CallCounted { .. }
            | Event::CallNeverLeft { .. }
            | Event::ProbeSent { .. }
            | Event::CallHeldBack { .. } => self.apply_breaker(at, &record.event),
            Event::CommandReceived { .. }
            | Event::CommandConcerns { .. }
            | Event::CommandRefused { .. }
            | Event::CommandMoved { .. } => self.apply_command(at, &record.event),
            Event::Quoted { .. }
            | Event::VenuePositionSeen { .. }
            | Event::DoubtMoved { .. }
            | Event::ReadMoved { .. }
            | Event::ChoreMoved { .. }
            | Event::LookupMoved { .. }
            | Event::OrderMissed { .. }
            | Event::OrderLeft { .. }
            | Event::ExitHeld { .. }
            | Event::ExitReleased { .. }
            | Event::ExitReadMoved { .. }
            | Event::PriceDoubted { .. }
            | Event::BulkMoved { .. }
            | Event::LostOrderAsked { .. }
            | Event::IdentityOffered { .. }
            | Event::CopySeen { .. }
            | Event::LinkMoved { .. }
            | Event::ClockMeasured { .. }
            | Event::SilenceMoved { .. }
            | Event::JournalHealth { .. }
            | Event::ObserverDropped { .. } => self.apply_quote(at, &record.event),
        }
    }

    fn apply_session(&mut self, at: SessionTime, event: &Event) {
        match event {
            Event::SessionStarted { info } => {
                self.info = Some((**info).clone());
                self.last_start = Some(at);
                if let Some(incarnation) = &info.incarnation {
                    self.orders.begin_incarnation(incarnation);
                }
            }
            Event::SessionResumed { starts, exchange, incarnation } => {
                self.last_start = Some(at);
                if let Some(incarnation) = incarnation {
                    self.orders.begin_incarnation(incarnation);
                }
                if let Some(info) = &mut self.info {
                    info.incarnation.clone_from(incarnation);
                    info.starts = *starts;
                    info.exchange.clone_from(exchange);
                }
            }
            Event::IdentityBound { identity } => {
                if let Some(info) = &mut self.info {
                    info.identity = Some((**identity).clone());
                }
            }
            Event::ClockSetBack { .. } => self.set_back(at),
            Event::FactsLost { .. } => {
                let start = self.info.as_ref().map_or(0, |info| info.starts);
                self.loss = Some(Loss { told_at: self.seq, start });
            }
            Event::PhaseChanged { phase, .. } => self.phase = *phase,
            Event::ControlChanged { control, by, reason } => {
                self.control = *control;
                self.control_since = Some(at);
                self.control_note = Some(if reason.is_empty() { by.clone() } else { format!("{by}: {reason}") });
            }
            Event::FlattenMoved { flatten } => self.flatten = flatten.as_deref().cloned(),
            Event::PositionModeLearned { mode } => self.position_mode = Some(*mode),
            Event::ContractLearned { spec } => {
                self.contracts.insert(spec.symbol.clone(), (**spec).clone());
            }
            _ => {}
        }
    }

    fn apply_signal(&mut self, at: SessionTime, event: &Event) {
        match event {
            Event::SignalDecided { signal, outcome, .. } => {
                self.counters.signals = self.counters.signals.saturating_add(1);
                if matches!(outcome, SignalOutcome::Rejected { .. }) {
                    self.counters.signals_refused = self.counters.signals_refused.saturating_add(1);
                }
                self.known_signals.remember_signal(signal.id.as_str(), signal.content(), outcome);
                self.signals.insert(signal.id.clone(), SignalRecord { outcome: outcome.clone(), at });
            }
            Event::SignalRefused { .. } => {
                self.counters.signals = self.counters.signals.saturating_add(1);
                self.counters.signals_refused = self.counters.signals_refused.saturating_add(1);
            }
            Event::SignalsForgotten { before } => {
                let old = self.signals.values().take_while(|signal| signal.at < *before).count();
                self.signals.drain(..old);
            }
            _ => {}
        }
    }

    fn apply_fill(&mut self, at: SessionTime, fill: &Fill, event: &Event) {
        self.counters.fills = self.counters.fills.saturating_add(1);
        self.orders.remember_fill(fill);
        if let Some(no) = fill.order {
            let moved = self.orders.apply(at, no, event);
            self.count_order(moved);
        }
        // A late fill may change what later ones realised; what has no position stands for itself.
        let realised = self.positions.fill(at, fill).or(fill.realised);
        if self.equity.day == Some(fill.at.day()) {
            self.equity.day_realised += realised.unwrap_or_default() - fill.fee.unwrap_or_default();
        }
    }

    fn count_order(&mut self, moved: Option<OrderState>) {
        let counter = match moved {
            Some(OrderState::Filled) => &mut self.counters.filled,
            Some(OrderState::Cancelled) => &mut self.counters.cancelled,
            Some(OrderState::Failed) => &mut self.counters.failed,
            _ => return,
        };
        *counter = counter.saturating_add(1);
    }

    fn apply_money(&mut self, at: SessionTime, event: &Event) {
        match event {
            Event::AccountSnapshot { account, equity } => {
                self.equity.account = Some(account.clone());
                self.equity.told_at = Some(at);
                self.equity.last = Some(*equity);
            }
            Event::AccountUnknown { .. } => (self.equity.account, self.equity.last) = (None, None),
            Event::DayRolled { day, equity } => {
                self.equity.day = Some(*day);
                self.equity.day_start = Some(*equity);
                self.equity.day_realised = Usdt::ZERO;
            }
            Event::PeakRaised { equity } => self.equity.peak = Some(*equity),
            Event::LimitTripped { limit, reason } => {
                self.limits.insert(*limit, TrippedLimit { since: at, reason: reason.clone() });
            }
            Event::LimitReset { limit, .. } => {
                self.limits.remove(limit);
            }
            _ => {}
        }
    }

    fn apply_breaker(&mut self, at: SessionTime, event: &Event) {
        match event {
            Event::BreakerMoved { class, state, .. } => {
                let breaker = self.breakers.entry(*class).or_default();
                if *state == BreakerState::Open {
                    breaker.opened = breaker.opened.saturating_add(1);
                }
                *breaker = Breaker {
                    state: *state,
                    since: Some(at),
                    failures: if *state == BreakerState::Closed { 0 } else { breaker.failures },
                    successes: 0,
                    probing: false,
                    ..std::mem::take(breaker)
                };
            }
            Event::CallCounted { class, failure, same_round } => {
                let breaker = self.breakers.entry(*class).or_default();
                breaker.probing = false;
                if let Some(failure) = failure {
                    if !same_round {
                        breaker.failures = breaker.failures.saturating_add(1);
                        breaker.failed_at = Some(at);
                    }
                    breaker.successes = 0;
                    breaker.failed_calls = breaker.failed_calls.saturating_add(1);
                    breaker.last_failure = Some(failure.clone());
                } else {
                    breaker.failures = 0;
                    breaker.successes = breaker.successes.saturating_add(1);
                    breaker.succeeded_calls = breaker.succeeded_calls.saturating_add(1);
                }
            }
            Event::CallNeverLeft { class } => self.breakers.entry(*class).or_default().probing = false,
            Event::ProbeSent { class } => self.breakers.entry(*class).or_default().probing = true,
            Event::CallHeldBack { class } => {
                let breaker = self.breakers.entry(*class).or_default();
                breaker.rejected_calls = breaker.rejected_calls.saturating_add(1);
            }
            _ => {}
        }
    }

    fn apply_command(&mut self, at: SessionTime, event: &Event) {
        match event {
            Event::CommandReceived { command } => {
                self.commands.push_back(CommandRecord {
                    command: (**command).clone(),
                    at,
                    status: CommandStatus::Accepted,
                    updated_at: at,
                    waiting_for: Vec::new(),
                    orders: Vec::new(),
                });
                self.known_commands.remember_command(command.id.as_str(), command.action.content());
                while self.commands.len() > KEPT_COMMANDS
                    && self.commands.front().is_some_and(|oldest| oldest.status.is_final())
                {
                    self.commands.pop_front();
                }
            }
            Event::CommandConcerns { id, orders } => {
                if let Some(record) = self.commands.iter_mut().rev().find(|record| record.command.id == *id) {
                    record.orders.clone_from(orders);
                }
            }
            Event::CommandMoved { id, status, waiting_for } => {
                self.known_commands.end_command(id.as_str(), status);
                if let Some(record) = self.commands.iter_mut().rev().find(|record| record.command.id == *id) {
                    record.status = status.clone();
                    record.updated_at = at;
                    record.waiting_for.clone_from(waiting_for);
                }
            }
            _ => {}
        }
    }

    fn apply_quote(&mut self, at: SessionTime, event: &Event) {
        match event {
            Event::Quoted { quote } => {
                self.upkeep.link.last_quote_at = Some(at);
                // Freshness counts from our receipt; a stamp may only make it older, never younger.
                let stamped = self.upkeep.link.clock.map(|clock| clock.to_session(quote.at).plus(clock.uncertainty()));
                let as_of = stamped.map_or(at, |stamped| stamped.min(at));
                match self.upkeep.quoted_at.get_mut(&quote.symbol) {
                    Some(known) => *known = as_of,
                    None => {
                        self.upkeep.quoted_at.insert(quote.symbol.clone(), as_of);
                    }
                }
                match self.quotes.get_mut(&quote.symbol) {
                    Some(known) => known.clone_from(quote),
                    None => {
                        self.quotes.insert(quote.symbol.clone(), (**quote).clone());
                    }
                }
            }
            Event::VenuePositionSeen { view } => {
                self.venue_positions.insert(view.report.key.clone(), (**view).clone());
            }
            Event::DoubtMoved { key, doubt } => match doubt {
                Some(doubt) => {
                    self.upkeep.unconfirmed.insert(key.clone(), *doubt);
                }
                None => {
                    self.upkeep.unconfirmed.remove(key);
                }
            },
            Event::ReadMoved { chore, error } => match error {
                Some(error) => {
                    let since = self.upkeep.unanswered.get(chore).map_or(at, |known| known.since);
                    self.upkeep.unanswered.insert(*chore, super::Unanswered { since, error: error.clone() });
                }
                None => {
                    self.upkeep.unanswered.remove(chore);
                }
            },
            Event::ChoreMoved { chore, state } => {
                self.upkeep.chores.insert(*chore, state.clone());
            }
            Event::LookupMoved { no, asked_at } => match asked_at {
                Some(asked_at) => {
                    self.upkeep.lookups.insert(*no, *asked_at);
                    self.upkeep.looked_up.insert(*no, *asked_at);
                }
                None => {
                    self.upkeep.lookups.remove(no);
                }
            },
            Event::OrderMissed { no, asked_at } => {
                self.upkeep.missed.entry(*no).or_insert(*asked_at);
            }
            Event::OrderLeft { no, .. } => {
                self.upkeep.left.insert(*no, at);
            }
            Event::ExitHeld { signal, until } => {
                self.upkeep.held_exits.push(HeldExit { signal: (**signal).clone(), until: *until });
            }
            Event::ExitReleased { signal } => self.upkeep.held_exits.retain(|held| held.signal.id != *signal),
            Event::ExitReadMoved { asked } => self.upkeep.exit_read = *asked,
            Event::PriceDoubted { symbol, doubt } => match doubt {
                Some(doubt) => {
                    self.upkeep.doubts.insert(symbol.clone(), (**doubt).clone());
                }
                None => {
                    self.upkeep.doubts.remove(symbol);
                }
            },
            Event::BulkMoved { bulk } => self.upkeep.bulk.clone_from(bulk),
            Event::LostOrderAsked { client_id, asked_at } => match asked_at {
                Some(asked_at) => {
                    let asked = self.upkeep.lost_asked.entry(client_id.clone()).or_insert((*asked_at, 0));
                    *asked = (*asked_at, asked.1.saturating_add(1));
                }
                None => {
                    self.upkeep.lost_asked.remove(client_id);
                }
            },
            Event::IdentityOffered { identity } => self.upkeep.identity_offered = Some((**identity).clone()),
            Event::CopySeen { incarnation } => {
                self.upkeep.copies.insert(incarnation.clone());
            }
            Event::LinkMoved { link } => {
                self.upkeep.link.state = link.clone();
                self.upkeep.link.since = Some(at);
            }
            Event::ClockMeasured { offset } => self.upkeep.link.clock = Some(*offset),
            Event::SilenceMoved { until, asked_by, calls } => {
                if *calls == CallGroup::Placements {
                    self.upkeep.link.no_entry_until = self.upkeep.link.no_entry_until.max(Some(*until));
                }
                self.upkeep.link.silence = Some(Silence { until: *until, asked_by: asked_by.clone() });
            }
            Event::JournalHealth { error } => self.upkeep.journal_error.clone_from(error),
            Event::ObserverDropped { total, .. } => self.counters.dropped = *total,
            _ => {}
        }
    }
}
