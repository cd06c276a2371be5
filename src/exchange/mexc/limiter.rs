//! The client-side rate limiter: one gate for each endpoint group of the exchange, and in front of
//! each a queue with lanes, so that a cancel never waits behind an entry and an entry never behind
//! a poll.
//!
//! Each gate keeps the times of the last requests: no window of the exchange's length, wherever it
//! begins, holds more than the quota. It runs on the session's time.
//!
//! Silence, which the exchange asks for, holds back polls and entries, for a minute at most a time.
//! Cancels, exits and the reads that exits need may try once a second meanwhile; when one of them is
//! answered they need not wait any longer.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rust_decimal::prelude::ToPrimitive;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::model::{Decimal, SessionTime, mul};

/// Endpoints that share one limit (mexc-contract-api.md section 11). Whether the exchange counts
/// the last group together or each endpoint alone is not known; together is the careful reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// `order/create` and its kin: 4 in 2 s.
    Orders,
    /// `position/change_leverage`: 10 in 10 s.
    Leverage,
    /// `contract/detail`: 10 in 2 s.
    Details,
    /// Everything else, cancels and reads: 20 in 2 s.
    General,
}

impl Group {
    const fn limit(self) -> (usize, Duration) {
        match self {
            Self::Orders => (4, Duration::from_secs(2)),
            Self::Leverage => (10, Duration::from_secs(10)),
            Self::Details => (10, Duration::from_secs(2)),
            Self::General => (20, Duration::from_secs(2)),
        }
    }
}

/// The longest silence that is kept for one request to keep silent, whatever the exchange says.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);
/// How often a cancel or an exit, and a read that exits need, may try while a group is silent.
const URGENT_PAUSE: Duration = Duration::from_secs(1);

/// Who goes first: in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Cancels.
    Cancel,
    /// Orders that reduce a position.
    Exit,
    /// Orders that open one.
    Entry,
    /// What exits need to know: positions, balances, fills, the position mode, contract details, the time.
    Account,
    /// All other questions: lists of orders, look-ups.
    Read,
}

impl Lane {
    /// What reduces risk, and what that needs: silence does not hold it back for longer than a second.
    const fn is_urgent(self) -> bool {
        matches!(self, Self::Cancel | Self::Exit | Self::Account)
    }
}

/// No slot came free in the time that the caller would wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSlot;

/// All gates.
#[derive(Debug)]
pub struct Limiter {
    clock: Clock,
    orders: Gate,
    leverage: Gate,
    details: Gate,
    general: Gate,
}

#[derive(Debug)]
struct Gate {
    quota: usize,
    window: Duration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    recent: VecDeque<SessionTime>,
    silent_until: SessionTime,
    /// Something urgent was answered since the silence began.
    is_heard: bool,
    /// When a cancel or an exit last went.
    urgent_at: Option<SessionTime>,
    /// When a read that exits need last went: it takes no cancel's turn.
    account_at: Option<SessionTime>,
    waiting: BTreeSet<(Lane, u64)>,
    next: u64,
}

impl Limiter {
    /// Gates that let through this share (percent) of the documented limits, at least one request
    /// in a window.
    pub fn new(clock: Clock, share_pct: Decimal) -> Self {
        let gate = |group: Group| {
            let (limit, window) = group.limit();
            let share = mul(Decimal::from(limit), mul(share_pct, Decimal::new(1, 2)));
            let quota = share.floor().to_usize().unwrap_or(1).clamp(1, limit);
            Gate { quota, window, state: Mutex::default(), changed: Notify::new() }
        };
        Self {
            orders: gate(Group::Orders),
            leverage: gate(Group::Leverage),
            details: gate(Group::Details),
            general: gate(Group::General),
            clock,
        }
    }

    fn gate(&self, group: Group) -> &Gate {
        match group {
            Group::Orders => &self.orders,
            Group::Leverage => &self.leverage,
            Group::Details => &self.details,
            Group::General => &self.general,
        }
    }

    /// How many placements may leave in which window of session time.
    pub fn placements(&self) -> (usize, Duration) {
        (self.orders.quota, self.orders.window)
    }

    /// How many requests a window of this group may hold.
    #[cfg(test)]
    fn quota(&self, group: Group) -> usize {
        self.gate(group).quota
    }

    /// Waits for a slot and takes it. Cancel safe: a caller that stops waiting leaves the queue.
    ///
    /// # Errors
    /// When none can come free within `patience` of session time.
    pub async fn slot(&self, group: Group, lane: Lane, patience: Duration) -> Result<(), NoSlot> {
        let gate = self.gate(group);
        let until = self.clock.now().plus(patience);
        let mut place = Place { gate, key: None };
        loop {
            let changed = gate.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = self.clock.now();
            let wake = match gate.attempt(now, lane, &mut place) {
                Attempt::Taken => return Ok(()),
                Attempt::FirstUntil(at) if at > until => return Err(NoSlot),
                Attempt::FirstUntil(at) => at,
                Attempt::Behind => until,
            };
            if now >= until {
                return Err(NoSlot);
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = self.clock.sleep_until(wake) => {}
            }
        }
    }

    /// Keeps the reads and entries of a group silent: the exchange said that there were too many
    /// requests. Gives the length of the silence from now on.
    pub fn silence(&self, group: Group, for_how_long: Option<Duration>) -> Duration {
        let gate = self.gate(group);
        let now = self.clock.now();
        let asked = for_how_long.unwrap_or(gate.window).clamp(gate.window, LONGEST_SILENCE);
        let mut state = gate.lock();
        state.silent_until = state.silent_until.max(now.plus(asked));
        state.is_heard = false;
        state.silent_until.since(now)
    }

    /// The exchange answered a request of this group: what is urgent waits for no silence any more.
    pub fn answered(&self, group: Group) {
        let gate = self.gate(group);
        let mut state = gate.lock();
        if !state.is_heard && state.silent_until > self.clock.now() {
            state.is_heard = true;
            drop(state);
            gate.changed.notify_waiters();
        }
    }
}

enum Attempt {
    Taken,
    FirstUntil(SessionTime),
    Behind,
}

/// A place in the queue; given up when dropped.
struct Place<'a> {
    gate: &'a Gate,
    key: Option<(Lane, u64)>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.gate.lock().waiting.remove(&key);
            self.gate.changed.notify_waiters();
        }
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in the locked sections can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Slots that this lane must leave free for those before it: entries one for an exit, what exits
    /// need an eighth for cancels, other reads a quarter, and all at least one wherever there are two.
    const fn left_free(&self, lane: Lane) -> usize {
        match lane {
            Lane::Cancel | Lane::Exit => 0,
            _ if self.quota < 2 => 0,
            Lane::Entry => 1,
            Lane::Account | Lane::Read if self.quota < 8 => 1,
            Lane::Account => self.quota / 8,
            Lane::Read => self.quota / 4,
        }
    }

    fn attempt(&self, now: SessionTime, lane: Lane, place: &mut Place<'_>) -> Attempt {
        let mut state = self.lock();
        // One millisecond more than the window: its ends may both count.
        let span = self.window.saturating_add(Duration::from_millis(1));
        while state.recent.front().is_some_and(|&first| first.plus(span) <= now) {
            state.recent.pop_front();
        }
        let key = place.key.unwrap_or((lane, state.next));
        if state.waiting.first().is_some_and(|&first| first < key) {
            Self::queue(&mut state, key, place);
            return Attempt::Behind;
        }
        let usable = self.quota.saturating_sub(self.left_free(lane)).max(1);
        let free_at = match state.recent.len().checked_sub(usable) {
            None => now,
            Some(over) => state.recent.get(over).map_or(now, |&taken| taken.plus(span)),
        };
        let last = if lane == Lane::Account { state.account_at } else { state.urgent_at };
        let speaks_at = match last {
            _ if state.silent_until <= now => now,
            _ if !lane.is_urgent() => state.silent_until,
            Some(last) if !state.is_heard => last.plus(URGENT_PAUSE),
            _ => now,
        };
        let at = free_at.max(speaks_at);
        if at <= now {
            state.recent.push_back(now);
            match lane {
                Lane::Cancel | Lane::Exit => state.urgent_at = Some(now),
                Lane::Account => state.account_at = Some(now),
                Lane::Entry | Lane::Read => {}
            }
            return Attempt::Taken;
        }
        Self::queue(&mut state, key, place);
        Attempt::FirstUntil(at)
    }

    fn queue(state: &mut State, key: (Lane, u64), place: &mut Place<'_>) {
        if place.key.is_none() {
            state.next = state.next.wrapping_add(1);
            state.waiting.insert(key);
            place.key = Some(key);
        }
    }
}

#[cfg(test)]
mod tests;
