//! A clock that was wrong: times of facts that lie ahead of the present are brought back to it, so that
//! no wait, time-out or day lasts until the wrong time has come.

use std::sync::Arc;

use super::{Alerts, Orders, Positions, SessionState};
use crate::model::{SessionTime, VenueTime};

fn held(time: &mut SessionTime, at: SessionTime) {
    *time = (*time).min(at);
}

fn held_if_any(time: &mut Option<SessionTime>, at: SessionTime) {
    if let Some(time) = time {
        held(time, at);
    }
}

impl SessionState {
    /// The latest time that the facts speak of as past.
    pub fn latest(&self) -> Option<SessionTime> {
        let orders = self.orders.all(None).map(|order| order.updated_at).max();
        let alerts = self.alerts.all().map(|alert| alert.updated_at).max();
        let breakers = self.breakers.values().filter_map(|breaker| breaker.since).max();
        let commands = self.commands.iter().map(|command| command.updated_at).max();
        let positions = self.positions.open().map(|position| position.touched_at).max();
        let flatten = self.flatten.as_ref().map(|flatten| flatten.step_since);
        let signals = self.signals.values().map(|signal| signal.at).max();
        let started = self.info.as_ref().map(|info| info.started_at);
        [orders, alerts, breakers, commands, positions, flatten, signals, started, self.control_since]
            .into_iter()
            .chain([self.equity.told_at])
            .flatten()
            .max()
    }

    /// Brings every time ahead of `at` back to it.
    pub(super) fn set_back(&mut self, at: SessionTime) {
        held(&mut self.now, at);
        held_if_any(&mut self.control_since, at);
        if let Some(info) = &mut self.info {
            held(&mut info.started_at, at);
        }
        if let Some(flatten) = &mut self.flatten {
            held(&mut flatten.step_since, at);
        }
        for target in self.targets.values_mut() {
            held(&mut target.since, at);
            held_if_any(&mut target.next_try_at, at);
        }
        self.orders.set_back(at);
        self.positions.set_back(at);
        self.alerts.set_back(at);
        for signal in self.signals.values_mut() {
            held(&mut signal.at, at);
        }
        for breaker in self.breakers.values_mut() {
            held_if_any(&mut breaker.since, at);
        }
        for limit in self.limits.values_mut() {
            held(&mut limit.since, at);
        }
        for command in &mut self.commands {
            held(&mut command.at, at);
            held(&mut command.updated_at, at);
        }
        held_if_any(&mut self.equity.told_at, at);
        // The day is the exchange's; near midnight it may be one ahead of ours, never more.
        let today = VenueTime::from_micros(at.micros()).day();
        if self.equity.day.is_some_and(|day| day > today.saturating_add(1)) {
            self.equity.day = Some(today);
        }
    }
}

impl Orders {
    fn set_back(&mut self, at: SessionTime) {
        self.forgets_no_fill_after(VenueTime::from_micros(at.micros()));
        for order in self.all_mut() {
            let order = Arc::make_mut(order);
            held(&mut order.created_at, at);
            held(&mut order.updated_at, at);
            for time in [
                &mut order.accepted_at,
                &mut order.ended_at,
                &mut order.sent_at,
                &mut order.unknown_since,
                &mut order.next_attempt_at,
                &mut order.counted_at,
            ] {
                held_if_any(time, at);
            }
            if let Some(end) = &mut order.venue_end {
                held(&mut end.since, at);
            }
            if let Some(cancel) = &mut order.cancel {
                held(&mut cancel.since, at);
                held_if_any(&mut cancel.sent_at, at);
            }
        }
    }
}

impl Positions {
    fn set_back(&mut self, at: SessionTime) {
        for position in self.open_mut() {
            held(&mut position.opened_at, at);
            held(&mut position.touched_at, at);
            held_if_any(&mut position.synced_at, at);
            held_if_any(&mut position.watch.armed_at, at);
        }
        for closed in self.closed_mut() {
            held(&mut closed.opened_at, at);
            held(&mut closed.closed_at, at);
        }
    }
}

impl Alerts {
    fn set_back(&mut self, at: SessionTime) {
        for alert in self.all_mut() {
            held(&mut alert.raised_at, at);
            held(&mut alert.updated_at, at);
            held_if_any(&mut alert.cleared_at, at);
        }
    }
}
