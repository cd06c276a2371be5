//! Open positions, and the last closed ones.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::fold::{Fold, LastClose, Sum};
use crate::model::{
    CloseCause, ClosedPosition, Contracts, Event, Fill, Origin, Position, PositionId, PositionKey, Price, Qty,
    SessionTime, TakenOver, Usdt, VenueFigures, VenuePositionId, VenueTime,
};

/// Closed positions that are kept.
pub const KEPT_CLOSED: usize = 200;

/// Closed positions whose fills are kept, so that a late one finds its place.
const KEPT_FOLDS: usize = 32;

/// Positions by symbol and leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    #[serde(with = "as_list")]
    open: BTreeMap<PositionKey, Position>,
    /// The largest size that each open one had.
    largest: BTreeMap<PositionId, Qty>,
    closed: VecDeque<ClosedPosition>,
    last_id: u64,
    /// The fills of the open ones, and of those that ended last.
    #[serde(default)]
    folds: BTreeMap<PositionId, Fold>,
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

    /// How a position was last reduced, as far as fills tell.
    pub fn last_close(&self, id: PositionId) -> Option<LastClose> {
        self.folds.get(&id)?.last_close()
    }

    /// What liquidations took of a position so far.
    pub fn taken_over(&self, id: PositionId) -> Option<TakenOver> {
        self.folds.get(&id)?.sum().taken_over()
    }

    /// Contracts that the fills of a position leave: of an ended one zero, unless a fill is missing.
    pub fn left_by_fills(&self, id: PositionId) -> Contracts {
        self.folds.get(&id).map_or(Contracts::ZERO, |fold| fold.sum().contracts)
    }

    /// When the last fill of a position happened, by the exchange.
    pub fn last_fill_at(&self, id: PositionId) -> Option<VenueTime> {
        self.folds.get(&id)?.last_at()
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
        self.folds.insert(position.id, Fold::of(position));
        self.open.insert(position.key.clone(), position.clone());
    }

    /// Applies a fill to the position it names; returns what it changes in what was realised.
    pub(super) fn fill(&mut self, at: SessionTime, fill: &Fill) -> Option<Usdt> {
        let id = fill.position?;
        let Some(position) = self.open.values_mut().find(|position| position.id == id) else {
            return self.late_fill(id, fill);
        };
        if let Some(fee) = fill.fee {
            position.fees += fee;
        }
        let fold = self.folds.entry(id).or_insert_with(|| Fold::of(position));
        let before = position.realised;
        if !fill.moves_position {
            fold.add_settled(fill);
            position.realised += fill.realised.unwrap_or_default();
            return Some(position.realised - before);
        }
        fold.add(fill);
        let sum = fold.sum();
        position.touched_at = at;
        if fill.order.is_some() {
            position.watch.armed_at = None;
        }
        // The exchange's figures are of the old size: unknown until it speaks of the new one.
        position.venue = VenueFigures { funding: position.venue.funding, ..VenueFigures::default() };
        position.contracts = sum.contracts.max(Contracts::ZERO);
        position.quantity = sum.quantity.max(Qty::ZERO);
        position.entry_price = sum.entry;
        position.realised = sum.realised;
        let largest = self.largest.entry(id).or_default();
        *largest = position.quantity.max(*largest);
        Some(position.realised - before)
    }

    /// A fill that came after its position had ended here: its result becomes known when the fills
    /// are all of what there was.
    fn late_fill(&mut self, id: PositionId, fill: &Fill) -> Option<Usdt> {
        let closed = self.closed.iter_mut().rev().find(|closed| closed.id == id)?;
        closed.fees += fill.fee.unwrap_or_default();
        let Some(fold) = self.folds.get_mut(&id) else {
            // Of a journal that kept no fills.
            if closed.realised.is_none() && fill.quantity == closed.quantity {
                closed.realised = fill.realised;
                closed.exit_price = Some(fill.price);
            }
            return fill.realised;
        };
        let before = fold.sum().realised;
        if fill.at > fold.settled_to() {
            fold.add(fill);
        } else {
            fold.add_settled(fill);
        }
        let sum = fold.sum();
        closed.last_fill_at = fold.last_at();
        closed.taken = sum.taken_over();
        closed.entry_price = sum.entry;
        if sum.contracts.is_zero() && !sum.unknown {
            closed.quantity = sum.closed;
            closed.exit_price = sum.exit_price();
            closed.realised = Some(sum.realised);
        } else {
            // A fill is missing, so the result is not known.
            closed.realised = None;
        }
        Some(sum.realised - before)
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
                    // Seen fill by fill, its price is the average of them.
                    closed.exit_price = exit_price.filter(|_| closed.realised.is_none()).or(closed.exit_price);
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
                    if let Some(&entry) = agreed(position, event) {
                        let fold = self.folds.entry(id).or_insert_with(|| Fold::of(position));
                        fold.rebase(position, entry);
                    }
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
        let sum = self.folds.get(&id).map(Fold::sum);
        let seen_to_zero = position.quantity.is_zero();
        let known = seen_to_zero
            && position.entry_price.is_some()
            && !sum.as_ref().is_some_and(|sum| sum.unknown || !sum.contracts.is_zero());
        let closed = sum.as_ref().map(|sum| sum.closed).filter(|closed| closed.is_positive());
        self.closed.push_back(ClosedPosition {
            id,
            key,
            cause,
            quantity: if seen_to_zero { closed.unwrap_or(largest) } else { position.quantity },
            entry_price: position.entry_price,
            exit_price: sum.as_ref().filter(|_| seen_to_zero && closed.is_some()).and_then(Sum::exit_price).or(exit),
            realised: known.then_some(position.realised),
            fees: position.fees,
            liquidation_price: position.venue.liquidation_price,
            opened_at: position.opened_at,
            closed_at: at,
            evidence_syncs_left: evidence_syncs,
            venue_id: position.venue_id,
            funding: position.venue.funding,
            taken: sum.as_ref().and_then(Sum::taken_over),
            last_fill_at: self.folds.get(&id).and_then(Fold::last_at),
        });
        if let Some(old) = self.closed.iter().rev().nth(KEPT_FOLDS).map(|closed| closed.id) {
            self.folds.remove(&old);
        }
        while self.closed.len() > KEPT_CLOSED {
            self.closed.pop_front();
        }
    }
}

/// The entry, as far as it is known, of an event that says that size and entry here are the exchange's.
fn agreed<'a>(position: &Position, event: &'a Event) -> Option<&'a Option<Price>> {
    match event {
        Event::PositionAdjusted { entry_price, .. } => Some(entry_price),
        Event::PositionSnapshot { entry_price: entry @ Some(_), .. } if position.contracts.is_positive() => Some(entry),
        _ => None,
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
        Event::PositionSnapshot { figures, version, venue_id, entry_price, .. } => {
            position.venue_id = Some(venue_id.clone());
            position.entry_price = entry_price.or(position.entry_price);
            position.venue = figures.clone();
            position.venue_version = position.venue_version.max(*version);
            position.synced_at = Some(at);
        }
        Event::MarginModeLearned { margin_mode, .. } => position.margin_mode = *margin_mode,
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
