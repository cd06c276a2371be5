//! The next order of a target, derived: from the target, the position, what is on its way, and what the
//! contract allows. Pure look-up; nothing happens here.

use std::time::Duration;

use crate::engine::turn::Turn;
use crate::model::{
    ContractSpec, Contracts, Decimal, ExitStyle, Order, OrderState, OrderType, Position, PositionKey, Price, Refusal,
    Side, Target, mul, round_down,
};

/// How far from the mark price an immediate-or-cancel exit reaches into the book at most, in percent.
const REACH_PCT: Decimal = Decimal::TWO;

/// What a target comes to now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The position is where it is wanted.
    Reached,
    /// Orders on their way cover it.
    OnItsWay,
    /// Something must be known or freed first; what, for people.
    Waits(String),
    /// So much is held by orders that are not ours.
    Frozen(Contracts),
    /// This order.
    Order(Contracts, OrderType),
}

/// What is on its way for a position.
#[derive(Debug, Default)]
struct Cover {
    /// Unfilled contracts of exits that go out at once, and of which the exchange will speak.
    in_flight: Contracts,
    /// The same of those whose fate is unknown.
    unresolved: Contracts,
    /// Contracts that resting exits hold.
    resting: Contracts,
    /// Contracts that the exchange counts as closed, and whose fills are not told.
    untold: Contracts,
}

impl Cover {
    fn all(&self) -> Contracts {
        self.in_flight + self.unresolved + self.resting
    }
}

/// What the target comes to.
pub(super) fn next(turn: &Turn, target: &Target) -> Next {
    let Some(position) = turn.state().positions.by_id(target.position) else { return Next::Reached };
    let cover = cover(turn, &target.key);
    let held = position.contracts - cover.untold;
    let remaining = held - target.to;
    if !remaining.is_positive() {
        if cover.untold.is_positive() {
            return Next::Waits(format!("the fills of {} contracts that the exchange counts as closed", cover.untold));
        }
        // Nothing left of what is open: fills are missing, or the exchange's word on its end.
        return if target.is_flat() {
            Next::Waits(format!("the exchange to say that nothing is left of {}", target.key))
        } else {
            Next::Reached
        };
    }
    let Some(spec) = turn.state().contracts.get(&target.key.symbol) else {
        return Next::Waits(format!("the contract details of {}", target.key.symbol));
    };
    if turn.state().position_mode.is_none() {
        return Next::Waits("the account's position mode".to_owned());
    }
    if target.next_try_at.is_some_and(|at| turn.now < at) {
        return Next::Waits(target.waits_for.clone().unwrap_or_else(|| "the next try".to_owned()));
    }
    if cover.in_flight.is_positive() && goes_one_by_one(target) {
        return Next::OnItsWay;
    }
    let others = held_by_others(turn, &target.key);
    let free = if target.is_flat() {
        // A full close cannot turn the position: the exchange reduces at most what is there. So it need
        // not wait for the fate of an earlier one.
        remaining - others - cover.in_flight - cover.resting
    } else {
        let wanted = remaining - cover.in_flight - cover.unresolved;
        wanted.min(held - others - cover.all())
    };
    if !free.is_positive() {
        return covered(target, &cover, others);
    }
    let part = part(target, spec, free);
    if !part.is_positive() {
        return Next::Waits(format!("{free} contracts of {}, less than one lot of {}", target.key, spec.lot));
    }
    match target.style {
        ExitStyle::Market => Next::Order(part, OrderType::Market),
        ExitStyle::InsideLiquidation if market_is_allowed(turn, target, position) => {
            Next::Order(part, OrderType::Market)
        }
        ExitStyle::ImmediateOrCancel | ExitStyle::InsideLiquidation => match inside_liquidation(turn, position, spec) {
            Some(price) => Next::Order(part, OrderType::ImmediateOrCancel(price)),
            None => Next::Order(part, OrderType::Market),
        },
    }
}

/// After refusals one order at a time finds out what the exchange takes.
fn goes_one_by_one(target: &Target) -> bool {
    target.refusals > 1 || target.refusal == Some(Refusal::ClosableTooSmall)
}

/// Contracts that the exchange's last word lets us close, beside what orders of ours close or hold.
pub(in crate::engine) fn closable(turn: &Turn, key: &PositionKey) -> Contracts {
    let held = turn.state().positions.get(key).map_or(Contracts::ZERO, |position| position.contracts);
    let cover = cover(turn, key);
    held - cover.untold - held_by_others(turn, key) - cover.all()
}

/// Contracts that orders of others hold, by the exchange's last word: what is frozen beside what our own
/// closes can have held then.
fn held_by_others(turn: &Turn, key: &PositionKey) -> Contracts {
    let Some(view) = turn.state().venue_positions.get(key) else { return Contracts::ZERO };
    let Some(frozen) = view.report.frozen.filter(|frozen| frozen.is_positive()) else { return Contracts::ZERO };
    let lag = if view.listed { turn.capabilities.list_lag_max } else { Duration::ZERO };
    let closes = turn.state().orders.all(Some(&key.symbol));
    let own: Contracts = closes
        .filter(|order| order.reduces() && order.position_key() == *key)
        .map(|order| match (order.order_type.rests(), order.is_working()) {
            // It changed when that word was made, or later.
            (true, _) if order.updated_at.plus(lag) >= view.as_of => order.contracts,
            (true, true) => order.remaining_contracts(),
            (false, true) if order.sent_at.is_some_and(|sent| sent < view.as_of) => order.remaining_contracts(),
            _ => Contracts::ZERO,
        })
        .sum();
    (frozen - own).max(Contracts::ZERO)
}

fn covered(target: &Target, cover: &Cover, others: Contracts) -> Next {
    if cover.in_flight.is_positive() {
        Next::OnItsWay
    } else if cover.unresolved.is_positive() {
        Next::Waits(format!("proof of what became of {} contracts that are on their way", cover.unresolved))
    } else if others.is_positive() {
        Next::Frozen(others)
    } else {
        Next::Waits(format!("the cancel of resting exits that hold {} contracts of {}", cover.resting, target.key))
    }
}

fn cover(turn: &Turn, key: &PositionKey) -> Cover {
    turn.state().orders.exits_of(key).fold(Cover::default(), |mut cover, order: &Order| {
        let open = order.open_contracts();
        cover.untold += order.untold_contracts();
        match (order.order_type.rests(), order.state) {
            (true, _) => cover.resting += open,
            (false, OrderState::Unknown) => cover.unresolved += open,
            (false, _) => cover.in_flight += open,
        }
        cover
    })
}

/// At most what one order may hold, on the lot; "all that is left" is exact.
fn part(target: &Target, spec: &ContractSpec, free: Contracts) -> Contracts {
    let most = target.part_max.map_or(spec.max_contracts, |most| most.min(spec.max_contracts));
    if free <= most || !most.is_positive() {
        return free;
    }
    round_down(most.0, spec.lot).map_or(Contracts::ZERO, Contracts)
}

/// The price at which the exchange liquidates: of the size that we hold, else as it was last told.
fn liquidation_of(turn: &Turn, position: &Position) -> Option<Price> {
    let told = turn.state().venue_positions.get(&position.key).and_then(|view| view.report.liquidation_price);
    position.venue.liquidation_price.or(told).filter(|price| price.is_positive())
}

/// How far the liquidation price is, in percent of the mark price.
pub(super) fn distance_pct(turn: &Turn, position: &Position) -> Option<Decimal> {
    position.distance_to(liquidation_of(turn, position)?, turn.mark(&position.key.symbol)?)
}

/// Whether the liquidation price is farther than a market order reaches, and than where one was refused.
fn market_is_allowed(turn: &Turn, target: &Target, position: &Position) -> bool {
    let needed = target.refused_within.map_or(REACH_PCT, |within| within.max(REACH_PCT));
    distance_pct(turn, position).is_some_and(|distance| distance > needed)
}

/// A limit that crosses the book and stays on our side of the liquidation price, by a tick at least.
fn inside_liquidation(turn: &Turn, position: &Position, spec: &ContractSpec) -> Option<Price> {
    let reach = mul(REACH_PCT, Decimal::new(1, 2));
    let mark = turn.mark(&position.key.symbol);
    let liquidation = liquidation_of(turn, position);
    let (limit, buys) = match position.key.side {
        Side::Long => {
            let reached = mark.map(|mark| Price(mul(mark.0, Decimal::ONE - reach)));
            (reached.into_iter().chain(liquidation.map(|at| Price(at.0 + spec.tick))).max()?, false)
        }
        Side::Short => {
            let reached = mark.map(|mark| Price(mul(mark.0, Decimal::ONE + reach)));
            (reached.into_iter().chain(liquidation.map(|at| Price(at.0 - spec.tick))).min()?, true)
        }
    };
    spec.limit_price(limit, buys).filter(|price| price.is_positive())
}
