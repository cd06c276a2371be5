//! One turn of the engine: the time, the settings, the session as it is, and what comes out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Out, Request};
use crate::config::Settings;
use crate::model::{
    ClockOffset, Contracts, Event, Order, OrderNo, PositionKey, Price, Record, Refusal, SessionState, SessionTime,
    Symbol, VenueCapabilities, VenueTime,
};

/// An order of an exit target that was refused, got lost, or ended without a fill.
#[derive(Clone, Debug)]
pub(super) struct RefusedExit {
    pub key: PositionKey,
    pub contracts: Contracts,
    pub refusal: Refusal,
    pub message: String,
}

/// What the parts of the engine work on. State changes only through [`Turn::emit`].
pub(super) struct Turn<'a> {
    pub now: SessionTime,
    pub settings: &'a Settings,
    pub capabilities: &'a VenueCapabilities,
    state: &'a mut SessionState,
    out: &'a mut Out,
    /// Cancels that this turn decided; they leave as one request at its end.
    pub(super) cancels: BTreeSet<OrderNo>,
    /// Orders whose fate this turn wants to know; the questions leave at its end.
    pub(super) look_ups: BTreeSet<OrderNo>,
    /// Placements that are to be taken back if they have not left; told at its end.
    pub(super) revocations: BTreeSet<OrderNo>,
    /// Orders of exit targets that did not get through; their targets answer at its end.
    pub(super) refused_exits: Vec<RefusedExit>,
    /// Whether an order ended in this turn, so that commands and a flatten may move on.
    pub(super) order_ended: bool,
}

impl<'a> Turn<'a> {
    pub fn new(
        now: SessionTime,
        settings: &'a Settings,
        capabilities: &'a VenueCapabilities,
        state: &'a mut SessionState,
        out: &'a mut Out,
    ) -> Self {
        Self {
            now,
            settings,
            capabilities,
            state,
            out,
            cancels: BTreeSet::new(),
            look_ups: BTreeSet::new(),
            revocations: BTreeSet::new(),
            refused_exits: Vec::new(),
            order_ended: false,
        }
    }

    /// The session as it is, events of this turn included.
    pub fn state(&self) -> &SessionState {
        self.state
    }

    /// Lets something happen: applies it and records it.
    pub fn emit(&mut self, event: Event) {
        let seq = if event.is_fact() { self.state.seq.saturating_add(1) } else { self.state.seq };
        let order = event.order();
        let record = Record { seq, at: self.now, event };
        self.state.apply(&record);
        self.out.events.push(record);
        if let Some(no) = order
            && self.state.orders.get(no).is_some_and(|order| !order.is_working())
        {
            self.order_ended = true;
        }
    }

    /// Wants to know what became of an order.
    pub fn look_up(&mut self, no: OrderNo) {
        self.look_ups.insert(no);
    }

    /// Wants a placement taken back if it has not left.
    pub fn revoke(&mut self, no: OrderNo) {
        self.revocations.insert(no);
    }

    /// Asks the outside for something.
    pub fn request(&mut self, request: Request) {
        self.out.requests.push(request);
    }

    /// An order as it is now, to look at while events are emitted; it does not follow them.
    pub fn order(&self, no: OrderNo) -> Option<Arc<Order>> {
        self.state.orders.shared(no)
    }

    /// The exchange's clock against ours. Before it was measured nothing is known of it: the uncertainty
    /// is a day.
    pub fn clock(&self) -> ClockOffset {
        const UNMEASURED: ClockOffset = ClockOffset { offset_us: 0, round_trip_us: 2 * 86_400_000_000 };
        self.state.upkeep.link.clock.unwrap_or(UNMEASURED)
    }

    /// What the exchange's clock shows now, by the last measurement.
    pub fn venue_now(&self) -> VenueTime {
        self.clock().to_venue(self.now)
    }

    /// The price at which risk in a symbol is measured now.
    pub fn mark(&self, symbol: &Symbol) -> Option<Price> {
        self.state.quote(symbol)?.risk_price()
    }
}
