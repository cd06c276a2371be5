//! The orders of the session and the sums that the risk gate needs of them.

mod ours;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use ours::Begun;
pub use ours::OrderOrigin;

use crate::model::event::state_after;
use crate::model::{
    CancelWish, ClientOrderId, Contracts, Event, Fill, FillId, Order, OrderNo, OrderState, PositionKey, Price, Qty,
    SessionTime, Symbol, VenueOrderId, VenueTime,
};

/// Orders by number, with the working ones indexed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Shared, so that whoever looks at an order while it changes copies nothing.
    by_no: BTreeMap<OrderNo, Arc<Order>>,
    working: BTreeSet<OrderNo>,
    unknown: BTreeSet<OrderNo>,
    #[serde(default)]
    pending: BTreeSet<OrderNo>,
    by_venue_id: BTreeMap<VenueOrderId, OrderNo>,
    /// Unfilled quantity of working entries by symbol and leg, long before short: what is reserved.
    reserved: BTreeMap<Symbol, [Qty; 2]>,
    working_exits: usize,
    last_no: u64,
    /// Ids of fills that were applied, oldest first, until they are too old to come again.
    seen_fills: BTreeSet<FillId>,
    fill_order: VecDeque<(VenueTime, FillId)>,
    fills_from: VenueTime,
    /// Since when, by the exchange's clock, fills of others are of this session; `None` before that
    /// clock was measured.
    #[serde(default)]
    session_from: Option<VenueTime>,
    /// The fills that were applied to each order: the exchange may tell one of them again by another id.
    #[serde(default)]
    applied: BTreeMap<OrderNo, Vec<(VenueTime, Contracts, Price)>>,
    /// The starts of the session, each with the first number that its orders could get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    begun: Vec<Begun>,
    /// Numbers that were skipped when an order of ours was taken back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    unused: BTreeSet<u64>,
    /// Orders that were taken back and whose id names another number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    aliases: BTreeMap<ClientOrderId, OrderNo>,
}

impl Orders {
    /// An order by its number.
    pub fn get(&self, no: OrderNo) -> Option<&Order> {
        self.by_no.get(&no).map(Arc::as_ref)
    }

    /// The same, to keep while it changes.
    pub fn shared(&self, no: OrderNo) -> Option<Arc<Order>> {
        self.by_no.get(&no).cloned()
    }

    /// The order that the exchange knows by this id.
    pub fn by_venue_id(&self, id: &VenueOrderId) -> Option<OrderNo> {
        self.by_venue_id.get(id).copied()
    }

    /// All orders that are kept, in order of number; of one symbol when given.
    pub fn all<'a>(&'a self, symbol: Option<&'a Symbol>) -> impl DoubleEndedIterator<Item = &'a Order> {
        self.by_no.values().map(Arc::as_ref).filter(move |order| symbol.is_none_or(|symbol| order.symbol == *symbol))
    }

    /// Working orders, in order of number.
    pub fn working(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.working.iter().filter_map(|no| self.by_no.get(no)).map(Arc::as_ref)
    }

    /// Working entries of a leg.
    pub fn entries_of(&self, key: &PositionKey) -> impl Iterator<Item = &Order> {
        self.working().filter(move |order| !order.reduces() && order.is_of(key))
    }

    /// Working exits of a leg.
    pub fn exits_of(&self, key: &PositionKey) -> impl Iterator<Item = &Order> {
        self.working().filter(move |order| order.reduces() && order.is_of(key))
    }

    /// Working exits of a leg that rest at their price.
    pub fn resting_exits_of(&self, key: &PositionKey) -> impl Iterator<Item = &Order> {
        self.exits_of(key).filter(|order| order.order_type.rests())
    }

    /// Orders of which it is not known whether they are at the exchange.
    pub fn unknown(&self) -> impl Iterator<Item = &Order> {
        self.unknown.iter().filter_map(|no| self.by_no.get(no)).map(Arc::as_ref)
    }

    /// Orders that wait here to be sent.
    pub fn pending(&self) -> impl Iterator<Item = &Order> {
        self.pending.iter().filter_map(|no| self.by_no.get(no)).map(Arc::as_ref)
    }

    /// How many orders work, exits included.
    pub fn working_count(&self) -> usize {
        self.working.len()
    }

    /// How many entries work.
    pub fn working_entries(&self) -> usize {
        self.working.len().saturating_sub(self.working_exits)
    }

    /// How many orders are kept in all.
    pub fn len(&self) -> usize {
        self.by_no.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.by_no.is_empty()
    }

    /// The number that the next order gets.
    pub const fn next_no(&self) -> OrderNo {
        OrderNo(self.last_no.saturating_add(1))
    }

    /// Unfilled quantity of working entries of a position.
    pub fn reserved(&self, key: &PositionKey) -> Qty {
        let legs = self.reserved.get(&key.symbol).copied().unwrap_or_default();
        leg(&legs, key)
    }

    /// All reservations that are not zero, by symbol and leg.
    pub fn reservations(&self) -> impl Iterator<Item = (PositionKey, Qty)> {
        use crate::model::Side;
        self.reserved.iter().flat_map(|(symbol, legs)| {
            let [long, short] = *legs;
            [(Side::Long, long), (Side::Short, short)]
                .into_iter()
                .filter(|(_, quantity)| quantity.is_positive())
                .map(|(side, quantity)| (PositionKey { symbol: symbol.clone(), side }, quantity))
        })
    }

    /// Since when, by the exchange's clock, fills of others are of this session.
    pub const fn session_from(&self) -> Option<VenueTime> {
        self.session_from
    }

    /// Whether a fill was applied already, or, of an order that is not known, is too old to tell.
    pub fn has_seen_fill(&self, id: &FillId, at: VenueTime, of: Option<OrderNo>) -> bool {
        (of.is_none() && at < self.fills_from) || self.seen_fills.contains(id)
    }

    /// Whether a fill of this size, price and time was applied to an order, by whichever id.
    pub fn has_applied(&self, no: OrderNo, at: VenueTime, contracts: Contracts, price: Price) -> bool {
        let same = |known: &(VenueTime, Contracts, Price)| {
            (known.0.millis(), known.1, known.2) == (at.millis(), contracts, price)
        };
        self.applied.get(&no).is_some_and(|applied| applied.iter().any(same))
    }

    /// Fills from this time on are told, whatever was said of the past by a clock that was wrong.
    pub(super) fn forgets_no_fill_after(&mut self, at: VenueTime) {
        self.fills_from = self.fills_from.min(at);
    }

    /// Fills from before this time are not applied any more, unless their order is known.
    pub const fn fills_from(&self) -> VenueTime {
        self.fills_from
    }

    /// Time of the newest fill that was applied, by the exchange.
    pub fn last_fill_at(&self) -> Option<VenueTime> {
        self.fill_order.iter().map(|(at, _)| *at).max()
    }

    /// Numbers of orders that ended at or before a time.
    pub fn ended_before(&self, time: SessionTime) -> Vec<OrderNo> {
        self.by_no
            .values()
            .filter(|order| order.state.is_terminal() && order.ended_at.is_some_and(|at| at <= time))
            .map(|order| order.no)
            .collect()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Arc<Order>> {
        self.by_no.values_mut()
    }

    pub(super) fn begin_session_at(&mut self, at: VenueTime) {
        self.session_from = self.session_from.or(Some(at));
    }

    pub(super) fn create(&mut self, order: &Order) {
        self.last_no = self.last_no.max(order.no.0);
        self.working.insert(order.no);
        if order.reduces() {
            self.working_exits = self.working_exits.saturating_add(1);
        } else {
            self.reserve(&order.position_key(), order.quantity);
        }
        if order.state == OrderState::Pending {
            self.pending.insert(order.no);
        }
        self.by_no.insert(order.no, Arc::new(order.clone()));
    }

    /// Applies an event about one order; returns the state that it came to, when it moved.
    pub(super) fn apply(&mut self, at: SessionTime, no: OrderNo, event: &Event) -> Option<OrderState> {
        let order = Arc::make_mut(self.by_no.get_mut(&no)?);
        let moved = state_after(event, order);
        let was_working = order.is_working();
        let unfilled = order.remaining();
        update(order, at, event);
        if let Some(venue_id) = &order.venue_id
            && matches!(event, Event::OrderAccepted { .. })
        {
            self.by_venue_id.insert(venue_id.clone(), no);
        }
        if let Some(state) = moved {
            for (of, index) in [(OrderState::Unknown, &mut self.unknown), (OrderState::Pending, &mut self.pending)] {
                if state == of {
                    index.insert(no)
                } else {
                    index.remove(&no)
                };
            }
            order.state = state;
            if state.is_terminal() {
                order.ended_at = Some(at);
                order.unknown_since = None;
            }
        }
        let released = match (was_working, order.is_working()) {
            (true, true) => unfilled - order.remaining(),
            (true, false) => unfilled,
            (false, _) => Qty::ZERO,
        };
        let (key, reduces, ended) = (order.position_key(), order.reduces(), was_working && !order.is_working());
        if ended {
            self.working.remove(&no);
            if reduces {
                self.working_exits = self.working_exits.saturating_sub(1);
            }
        }
        if !reduces && !released.is_zero() {
            self.reserve(&key, -released);
        }
        moved
    }

    pub(super) fn remember_fill(&mut self, fill: &Fill) {
        if self.seen_fills.insert(fill.id.clone()) {
            self.fill_order.push_back((fill.at, fill.id.clone()));
        }
        if let Some(no) = fill.order {
            self.applied.entry(no).or_default().push((fill.at, fill.contracts, fill.price));
        }
    }

    pub(super) fn forget(&mut self, orders: &[OrderNo], fills_before: VenueTime) {
        for no in orders {
            self.applied.remove(no);
            if let Some(order) = self.by_no.remove(no)
                && let Some(venue_id) = &order.venue_id
            {
                self.by_venue_id.remove(venue_id);
            }
        }
        self.fills_from = self.fills_from.max(fills_before);
        // The fills of orders that are known may come again however old they are.
        let kept: BTreeSet<VenueTime> = self.applied.values().flatten().map(|(at, _, _)| *at).collect();
        let (from, seen) = (self.fills_from, &mut self.seen_fills);
        self.fill_order.retain(|(at, id)| {
            let stays = *at >= from || kept.contains(at);
            if !stays {
                seen.remove(id);
            }
            stays
        });
    }

    fn reserve(&mut self, key: &PositionKey, change: Qty) {
        let legs = match self.reserved.get_mut(&key.symbol) {
            Some(legs) => legs,
            None => self.reserved.entry(key.symbol.clone()).or_default(),
        };
        let [long, short] = legs;
        match key.side {
            crate::model::Side::Long => *long += change,
            crate::model::Side::Short => *short += change,
        }
        if long.is_zero() && short.is_zero() {
            self.reserved.remove(&key.symbol);
        }
    }
}

fn leg(legs: &[Qty; 2], key: &PositionKey) -> Qty {
    let [long, short] = *legs;
    match key.side {
        crate::model::Side::Long => long,
        crate::model::Side::Short => short,
    }
}

/// What an event changes in its order, besides the state.
fn update(order: &mut Order, at: SessionTime, event: &Event) {
    order.updated_at = at;
    match event {
        Event::OrderSent { attempt, .. } => {
            order.attempts = *attempt;
            order.sent_at = Some(at);
            order.next_attempt_at = None;
            order.unknown_since = None;
        }
        Event::OrderAccepted { venue_id, .. } => {
            order.venue_id = Some(venue_id.clone());
            order.accepted_at = order.accepted_at.or(Some(at));
            order.unknown_since = None;
            order.note = None;
        }
        Event::OrderRetrying { next_attempt_at, error, .. } => {
            order.next_attempt_at = Some(*next_attempt_at);
            order.note = Some(error.clone());
        }
        Event::OrderReturned { next_attempt_at, error, .. } => {
            order.attempts = order.attempts.saturating_sub(1);
            order.next_attempt_at = Some(*next_attempt_at);
            order.note = Some(error.clone());
        }
        Event::OrderLost { error, .. } => {
            order.unknown_since = order.unknown_since.or(Some(at));
            order.note = Some(error.clone());
        }
        Event::OrderReported { version, venue_filled, end, .. } => {
            order.venue_version = order.venue_version.max(*version);
            if *venue_filled > order.venue_filled {
                order.venue_filled = *venue_filled;
                order.counted_at = Some(at);
            }
            if order.venue_end.is_none() {
                order.venue_end.clone_from(end);
            }
        }
        Event::OrderSettled { contracts, note, .. } => {
            order.settled = order.settled.max(*contracts);
            order.fees_incomplete |= order.settled > order.filled_contracts;
            order.note = Some(note.clone());
        }
        Event::OrderCancelWanted { by, .. } => match &mut order.cancel {
            Some(wish) => wish.by.clone_from(by),
            None => {
                order.cancel =
                    Some(CancelWish { by: by.clone(), since: at, attempts: 0, sent_at: None, last_error: None });
            }
        },
        Event::OrderCancelSent { attempt, .. } => {
            if let Some(cancel) = &mut order.cancel {
                cancel.attempts = *attempt;
                cancel.sent_at = Some(at);
            }
        }
        Event::OrderCancelFailed { error, .. } => {
            if let Some(cancel) = &mut order.cancel {
                cancel.last_error = Some(error.clone());
            }
        }
        Event::OrderCancelled { reason, .. } | Event::OrderFailed { reason, .. } => order.note = Some(reason.clone()),
        Event::Filled { fill } => {
            order.filled_contracts += fill.contracts;
            order.filled += fill.quantity;
            order.filled_value += fill.price.notional(fill.quantity);
            order.venue_filled = order.venue_filled.max(order.filled_contracts);
            order.accepted_at = order.accepted_at.or(Some(at));
            match fill.fee {
                Some(fee) => order.fees += fee,
                None => order.fees_incomplete = true,
            }
        }
        _ => {}
    }
}
