//! The fills of one position, folded in the order in which they happened, whatever the order in which
//! they were told: a late one gives the same end as one in time.

use serde::{Deserialize, Serialize};

use crate::model::{
    Category, Contracts, Effect, Fill, FillId, Position, Price, Qty, Side, TakenOver, Usdt, VenueTime, div,
};

/// Fills that are kept one by one; older ones are kept as their sum.
const KEPT_FILLS: usize = 128;

/// The fills of a position since it last agreed with the exchange, and what they start from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fold {
    side: Side,
    base: Sum,
    fills: Vec<Step>,
    /// Up to when the base holds all fills, by the exchange.
    settled_to: VenueTime,
    /// The last closing fill, by the exchange's clock.
    last_close: Option<LastClose>,
    /// When the last fill happened.
    last_at: Option<VenueTime>,
}

/// How a position was last reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastClose {
    /// When, by the exchange.
    pub at: VenueTime,
    /// Whether an order of ours did it.
    pub own: bool,
    /// Why the exchange made the fill.
    pub category: Category,
    /// At which price.
    pub price: Price,
}

/// One fill, as far as a position needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Step {
    at: VenueTime,
    id: FillId,
    opens: bool,
    contracts: Contracts,
    quantity: Qty,
    price: Price,
    /// The result that stands whatever is folded before it: told by the exchange.
    told: Option<Usdt>,
    taken: bool,
}

/// What fills come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    /// Held; negative while a fill that opened is missing.
    pub contracts: Contracts,
    pub quantity: Qty,
    pub entry: Option<Price>,
    pub largest: Qty,
    pub realised: Usdt,
    /// Whether the result of a closing fill is not known.
    pub unknown: bool,
    pub closed: Qty,
    pub closed_value: Usdt,
    pub taken: Qty,
    pub taken_value: Usdt,
    pub taken_realised: Usdt,
}

impl Fold {
    /// From a position as it stands.
    pub fn of(position: &Position) -> Self {
        let base = Sum {
            contracts: position.contracts,
            quantity: position.quantity,
            entry: position.entry_price,
            largest: position.quantity,
            realised: position.realised,
            ..Sum::default()
        };
        let settled_to = position.settled_to;
        Self { side: position.key.side, base, fills: Vec::new(), settled_to, last_close: None, last_at: None }
    }

    /// Adds a fill at its place in time. One that a snapshot holds already moves no size.
    pub fn add(&mut self, fill: &Fill) {
        let opens = fill.intent.effect == Effect::Open;
        if !opens && self.last_close.is_none_or(|last| last.at <= fill.at) {
            let (own, category, price) = (fill.order.is_some(), fill.category, fill.price);
            self.last_close = Some(LastClose { at: fill.at, own, category, price });
        }
        self.last_at = self.last_at.max(Some(fill.at));
        let step = Step {
            at: fill.at,
            id: fill.id.clone(),
            opens,
            contracts: fill.contracts,
            quantity: fill.quantity,
            price: fill.price,
            told: fill.realised.filter(|_| !fill.estimated),
            taken: matches!(fill.category, Category::Liquidation | Category::CustodyClose),
        };
        let place = self.place_of(&step);
        self.fills.insert(place, step);
        if self.fills.len() > KEPT_FILLS {
            let oldest = self.fills.remove(0);
            oldest.apply(&mut self.base, self.side);
        }
    }

    /// Fills of one millisecond stand as they were told; but one that opens stands before those that
    /// close more than was held without it.
    fn place_of(&self, step: &Step) -> usize {
        let after = self.fills.partition_point(|known| known.at <= step.at);
        let held = self.fills.iter().take(after).fold(self.base.contracts, |held, known| {
            if known.opens { held + known.contracts } else { held - known.contracts }
        });
        if step.opens && held < Contracts::ZERO {
            self.fills.partition_point(|known| known.at < step.at)
        } else {
            after
        }
    }

    /// A fill that the size holds already: only what it cost counts.
    pub fn add_settled(&mut self, fill: &Fill) {
        self.last_at = self.last_at.max(Some(fill.at));
        self.base.realised += fill.realised.unwrap_or_default();
        self.base.unknown |= fill.realised.is_none();
    }

    /// What all fills come to.
    pub fn sum(&self) -> Sum {
        let mut sum = self.base.clone();
        for step in &self.fills {
            step.apply(&mut sum, self.side);
        }
        sum
    }

    /// Size and entry of a position are the exchange's from here on.
    pub fn rebase(&mut self, position: &Position, entry: Option<Price>) {
        let sum = self.sum();
        let (contracts, quantity) = (position.contracts, position.quantity);
        self.base = Sum { contracts, quantity, entry, largest: sum.largest.max(quantity), ..sum };
        self.settled_to = self.settled_to.max(position.settled_to);
        self.fills.clear();
    }

    /// Up to when the size that it starts from holds all fills.
    pub const fn settled_to(&self) -> VenueTime {
        self.settled_to
    }

    /// How it was last reduced.
    pub const fn last_close(&self) -> Option<LastClose> {
        self.last_close
    }

    /// When its last fill happened.
    pub const fn last_at(&self) -> Option<VenueTime> {
        self.last_at
    }
}

impl Step {
    fn apply(&self, sum: &mut Sum, side: Side) {
        if self.opens {
            sum.entry = if sum.quantity.is_positive() {
                let value = sum.entry.map(|entry| entry.notional(sum.quantity) + self.price.notional(self.quantity));
                value.and_then(|value| div(value.0, (sum.quantity + self.quantity).0)).map(Price)
            } else {
                Some(self.price)
            };
            sum.contracts += self.contracts;
            sum.quantity += self.quantity;
            sum.largest = sum.largest.max(sum.quantity);
            return;
        }
        let ours = sum.entry.map(|entry| gain(side, entry, self.price, self.quantity));
        let realised = self.told.or(ours);
        sum.realised += realised.unwrap_or_default();
        sum.unknown |= realised.is_none();
        sum.contracts -= self.contracts;
        sum.quantity -= self.quantity;
        sum.closed += self.quantity;
        sum.closed_value += self.price.notional(self.quantity);
        if self.taken {
            sum.taken += self.quantity;
            sum.taken_value += self.price.notional(self.quantity);
            sum.taken_realised += realised.unwrap_or_default();
        }
    }
}

impl Sum {
    /// Value closed / quantity closed.
    pub fn exit_price(&self) -> Option<Price> {
        div(self.closed_value.0, self.closed.0).map(Price)
    }

    /// What a liquidation took, if one did.
    pub fn taken_over(&self) -> Option<TakenOver> {
        self.taken.is_positive().then(|| TakenOver {
            quantity: self.taken,
            price: div(self.taken_value.0, self.taken.0).map(Price),
            realised: (!self.unknown).then_some(self.taken_realised),
        })
    }
}

/// Profit of closing so much at a price.
fn gain(side: Side, entry: Price, price: Price, quantity: Qty) -> Usdt {
    let moved = if side == Side::Long { price - entry } else { entry - price };
    moved.notional(quantity)
}
