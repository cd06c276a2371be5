//! Open positions, and the last closed ones.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::model::{
    CloseCause, ClosedPosition, Effect, Event, Fill, Origin, Position, PositionId, PositionKey, Price, Qty,
    SessionTime, Usdt, VenueFigures, VenuePositionId,
};

/// Closed positions that are kept.
pub const KEPT_CLOSED: usize = 200;

/// Positions by symbol and leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    #[serde(with = "as_list")]
    open: BTreeMap<PositionKey, Position>,
    /// The largest size that each open one had.
    largest: BTreeMap<PositionId, Qty>,
    closed: VecDeque<ClosedPosition>,
    last_id: u64,
}

impl Positions {
    /// The open position of a symbol and leg.
    pub fn get(&self, key: &PositionKey) -> Option<&Position> {
        self.open.get(key)
    }

    /// An open position by its id.
    pub fn by_id(&self, id: PositionId) -> Option<&Position> {
        self.open.values().find(|position| position.id == id)
    }

    /// Open positions, by symbol and leg.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Position> {
        self.open.values()
    }

    /// How many are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Closed positions, oldest first.
    pub fn closed(&self) -> impl DoubleEndedIterator<Item = &ClosedPosition> {
        self.closed.iter()
    }

    /// A closed position by its id.
    pub fn closed_by_id(&self, id: PositionId) -> Option<&ClosedPosition> {
        self.closed.iter().rev().find(|closed| closed.id == id)
    }

    /// The id that the next opening gets.
    pub const fn next_id(&self) -> PositionId {
        PositionId(self.last_id.saturating_add(1))
    }

    /// The last closed opening of a symbol and leg.
    pub fn last_closed(&self, key: &PositionKey) -> Option<&ClosedPosition> {
        self.closed.iter().rev().find(|closed| closed.key == *key)
    }

    /// The last liquidated opening of a symbol and leg, for the latched row.
    pub fn last_liquidated(&self, key: &PositionKey) -> Option<&ClosedPosition> {
        self.closed.iter().rev().find(|closed| closed.key == *key && closed.cause == CloseCause::Liquidated)
    }

    pub(super) fn open_mut(&mut self) -> impl Iterator<Item = &mut Position> {
        self.open.values_mut()
    }

    pub(super) fn closed_mut(&mut self) -> impl Iterator<Item = &mut ClosedPosition> {
        self.closed.iter_mut()
    }

    pub(super) fn insert(&mut self, position: &Position) {
        self.last_id = self.last_id.max(position.id.0);
        self.largest.insert(position.id, position.quantity);
        self.open.insert(position.key.clone(), position.clone());
    }

    /// Applies a fill to the position it names.
    pub(super) fn fill(&mut self, at: SessionTime, fill: &Fill) {
        let Some(id) = fill.position else { return };
        let Some(position) = self.open.values_mut().find(|position| position.id == id) else {
            return self.late_fill(id, fill);
        };
        if let Some(fee) = fill.fee {
            position.fees += fee;
        }
        if let Some(realised) = fill.realised {
            position.realised += realised;
        }
        if !fill.moves_position {
            return;
        }
        position.touched_at = at;
        if fill.order.is_some() {
            position.watch.armed_at = None;
        }
        // The exchange's figures are of the old size: unknown until it speaks of the new one.
        position.venue = VenueFigures { funding: position.venue.funding, ..VenueFigures::default() };
        match fill.intent.effect {
            Effect::Open => {
                position.entry_price = position.entry_with(fill.price, fill.quantity);
                position.contracts += fill.contracts;
                position.quantity += fill.quantity;
                let largest = self.largest.entry(id).or_default();
                *largest = position.quantity.max(*largest);
            }
            Effect::Close => {
                position.contracts -= fill.contracts;
                position.quantity -= fill.quantity;
            }
        }
    }

    /// A fill that came after its position was found gone: its result becomes known when the fill
    /// is all of what was left.
    fn late_fill(&mut self, id: PositionId, fill: &Fill) {
        let Some(closed) = self.closed.iter_mut().rev().find(|closed| closed.id == id) else { return };
        closed.fees += fill.fee.unwrap_or_default();
        if closed.realised.is_none() && fill.quantity == closed.quantity {
            closed.realised = fill.realised;
            closed.exit_price = Some(fill.price);
        }
    }

    /// Applies an event about one position.
    pub(super) fn apply(&mut self, at: SessionTime, id: PositionId, event: &Event) {
        match event {
            Event::PositionClosed { cause, exit_price, evidence_syncs, .. } => {
                self.close(at, id, *cause, *exit_price, *evidence_syncs);
            }
            Event::PositionExplained { cause, exit_price, evidence_syncs, .. } => {
                if let Some(closed) = self.closed.iter_mut().rev().find(|closed| closed.id == id) {
                    closed.cause = *cause;
                    closed.exit_price = exit_price.or(closed.exit_price);
                    closed.evidence_syncs_left = *evidence_syncs;
                }
            }
            Event::FundingSettled { funding, .. } => {
                if let Some(closed) = self.closed.iter_mut().rev().find(|closed| closed.id == id) {
                    closed.funding = Some(*funding);
                }
            }
            _ => {
                if let Some(position) = self.open.values_mut().find(|position| position.id == id) {
                    update(position, at, event);
                    let largest = self.largest.entry(id).or_default();
                    *largest = position.quantity.max(*largest);
                }
            }
        }
    }

    /// How much funding a snapshot adds to what was known.
    pub(super) fn funding_change(
        &self,
        id: PositionId,
        venue_id: &VenuePositionId,
        figures: &VenueFigures,
    ) -> Option<Usdt> {
        let (position, told) = (self.by_id(id)?, figures.funding?);
        let another = position.venue_id.as_ref().is_some_and(|known| known != venue_id);
        match position.venue.funding {
            // The exchange counts anew for another opening of its own.
            Some(_) if another => Some(told),
            Some(known) => Some(told - known),
            // What an adopted position had before is not of today.
            None if position.origin == Origin::Outside => None,
            None => Some(told),
        }
    }

    /// How much funding that is told after its end adds to what was known of a position.
    pub(super) fn late_funding(&self, id: PositionId, told: Usdt) -> Option<Usdt> {
        Some(told - self.closed_by_id(id)?.funding?)
    }

    fn close(&mut self, at: SessionTime, id: PositionId, cause: CloseCause, exit: Option<Price>, evidence_syncs: u32) {
        let Some(key) = self.by_id(id).map(|position| position.key.clone()) else { return };
        let Some(position) = self.open.remove(&key) else { return };
        let largest = self.largest.remove(&id).unwrap_or_default();
        let seen_to_zero = position.quantity.is_zero();
        self.closed.push_back(ClosedPosition {
            id,
            key,
            cause,
            quantity: if seen_to_zero { largest } else { position.quantity },
            entry_price: position.entry_price,
            exit_price: exit,
            realised: (seen_to_zero && position.entry_price.is_some()).then_some(position.realised),
            fees: position.fees,
            liquidation_price: position.venue.liquidation_price,
            opened_at: position.opened_at,
            closed_at: at,
            evidence_syncs_left: evidence_syncs,
            venue_id: position.venue_id,
            funding: position.venue.funding,
        });
        while self.closed.len() > KEPT_CLOSED {
            self.closed.pop_front();
        }
    }
}

fn update(position: &mut Position, at: SessionTime, event: &Event) {
    match event {
        Event::PositionAdjusted { contracts, quantity, entry_price, settled_to, .. } => {
            position.contracts = *contracts;
            position.quantity = *quantity;
            position.entry_price = *entry_price;
            position.settled_to = *settled_to;
            position.touched_at = at;
            position.venue = VenueFigures { funding: position.venue.funding, ..VenueFigures::default() };
        }
        Event::PositionSnapshot { figures, version, venue_id, .. } => {
            position.venue_id = Some(venue_id.clone());
            position.venue = figures.clone();
            position.venue_version = position.venue_version.max(*version);
            position.synced_at = Some(at);
        }
        Event::WatchMoved { watch, .. } => position.watch = watch.clone(),
        _ => {}
    }
}

/// JSON objects need text keys; positions travel as a list.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::{Position, PositionKey};

    pub fn serialize<S: Serializer>(map: &BTreeMap<PositionKey, Position>, out: S) -> Result<S::Ok, S::Error> {
        map.values().collect::<Vec<_>>().serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<PositionKey, Position>, D::Error> {
        let list = Vec::<Position>::deserialize(from)?;
        Ok(list.into_iter().map(|position| (position.key.clone(), position)).collect())
    }
}
