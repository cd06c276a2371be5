//! What lists showed a few seconds ago, for lists that lag: what was changed since is undone on a
//! copy of the books. Nothing is kept unless such a fault is on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::order::Order;
use super::position::Position;
use super::{Leg, Venue};
use crate::model::{SessionTime, Usdt};
use crate::simulator::faults::{FaultKind, MOST_LAG_MS};

/// How to undo one change.
#[derive(Debug)]
enum Undo {
    Order(u64, Option<Box<Order>>),
    Position(Leg, Option<Box<Position>>),
    Fill,
    Closed,
    Money([Usdt; 4]),
}

/// The last changes. A copy of the books has no past of its own.
#[derive(Debug, Default)]
pub struct Past {
    /// Since when changes are kept; `None` when they are not.
    since: Option<SessionTime>,
    /// The working orders and the positions as they were told last.
    orders: BTreeMap<u64, Order>,
    positions: BTreeMap<Leg, Position>,
    money: [Usdt; 4],
    log: VecDeque<(SessionTime, Undo)>,
}

impl Clone for Past {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Past {
    fn keep(&mut self, now: SessionTime, undo: Undo) {
        let oldest = now.minus(Duration::from_millis(MOST_LAG_MS));
        while self.log.front().is_some_and(|(at, _)| *at < oldest) {
            self.log.pop_front();
        }
        self.log.push_back((now, undo));
    }
}

impl Venue {
    /// Begins or ends to keep the past, as the faults that are on ask for.
    pub(super) fn remember(&mut self) {
        let wanted = self.faults.values().any(|fault| fault.spec.kind == FaultKind::ListLag);
        if !wanted {
            self.past = Past::default();
        } else if self.past.since.is_none() {
            let working = self.open.values().flatten().filter_map(|id| Some((*id, self.orders.get(id)?.clone())));
            self.past.orders = working.collect();
            self.past.positions = self.positions.clone();
            self.past.money = self.money();
            self.past.since = Some(self.now);
        }
    }

    fn money(&self) -> [Usdt; 4] {
        [self.account.wallet, self.account.realised, self.account.fees, self.account.funding]
    }

    pub(super) fn remember_order(&mut self, id: u64) {
        let Some(order) = self.orders.get(&id).filter(|_| self.past.since.is_some()) else { return };
        let before = self.past.orders.remove(&id).map(Box::new);
        if order.state.is_open() {
            self.past.orders.insert(id, order.clone());
        }
        self.past.keep(self.now, Undo::Order(id, before));
    }

    pub(super) fn remember_position(&mut self, leg: &Leg) {
        let Some(held) = self.positions.get(leg).filter(|_| self.past.since.is_some()) else { return };
        let before = self.past.positions.insert(leg.clone(), held.clone()).map(Box::new);
        self.past.keep(self.now, Undo::Position(leg.clone(), before));
    }

    pub(super) fn remember_closed(&mut self, leg: &Leg) {
        if self.past.since.is_some() {
            let before = self.past.positions.remove(leg).map(Box::new);
            self.past.keep(self.now, Undo::Position(leg.clone(), before));
            self.past.keep(self.now, Undo::Closed);
        }
    }

    pub(super) fn remember_fill(&mut self) {
        if self.past.since.is_some() {
            self.past.keep(self.now, Undo::Fill);
        }
    }

    pub(super) fn remember_money(&mut self) {
        let money = self.money();
        if self.past.since.is_some() && money != self.past.money {
            let before = std::mem::replace(&mut self.past.money, money);
            self.past.keep(self.now, Undo::Money(before));
        }
    }

    /// The books as they were at a time, or when their past began to be kept.
    pub fn as_of(&self, at: SessionTime) -> Self {
        let mut view = self.clone();
        for (_, undo) in self.past.log.iter().rev().take_while(|(time, _)| *time > at) {
            view.undo(undo);
        }
        view
    }

    fn undo(&mut self, undo: &Undo) {
        match undo {
            Undo::Order(id, before) => {
                self.forget_open(*id);
                match before {
                    Some(before) => {
                        self.orders.insert(*id, (**before).clone());
                        self.open.entry(before.request.symbol.clone()).or_default().insert(*id);
                    }
                    None => drop(self.orders.remove(id)),
                }
            }
            Undo::Position(leg, before) => match before {
                Some(before) => drop(self.positions.insert(leg.clone(), (**before).clone())),
                None => drop(self.positions.remove(leg)),
            },
            Undo::Fill => {
                if let Some(fill) = self.fills.pop()
                    && let Some(of) = self.fills_of.get_mut(&fill.order)
                {
                    of.pop();
                }
            }
            Undo::Closed => drop(self.closed.pop()),
            Undo::Money([wallet, realised, fees, funding]) => {
                self.account.wallet = *wallet;
                self.account.realised = *realised;
                self.account.fees = *fees;
                self.account.funding = *funding;
            }
        }
    }
}
