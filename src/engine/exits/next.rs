//! The next order of a target, derived: from the target, the position, what is on its way, and what the
//! contract allows. Pure look-up; nothing happens here.

use crate::engine::turn::Turn;
use crate::model::{
    ContractSpec, Contracts, Decimal, ExitStyle, Order, OrderState, OrderType, Position, Price, Side, Target, mul,
    round_down,
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
}

/// What the target comes to.
pub(super) fn next(turn: &Turn, target: &Target) -> Next {
    let Some(position) = turn.state().positions.by_id(target.position) else { return Next::Reached };
    let remaining = position.contracts - target.to;
    if !remaining.is_positive() {
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
    let cover = cover(turn, target);
    let free = if target.is_flat() {
        // A full close cannot turn the position: the exchange reduces at most what is there. So it need
        // not wait for the fate of an earlier one.
        remaining - cover.in_flight - cover.resting
    } else {
        let wanted = remaining - cover.in_flight - cover.unresolved;
        wanted.min(position.contracts - cover.in_flight - cover.unresolved - cover.resting)
    };
    if !free.is_positive() {
        return covered(target, &cover);
    }
    let part = part(target, spec, free);
    if !part.is_positive() {
        return Next::Waits(format!("{free} contracts of {}, less than one lot of {}", target.key, spec.lot));
    }
    match target.style {
        ExitStyle::Market => Next::Order(part, OrderType::Market),
        ExitStyle::ImmediateOrCancel => match inside_liquidation(turn, position, spec) {
            Some(price) => Next::Order(part, OrderType::ImmediateOrCancel(price)),
            None => Next::Order(part, OrderType::Market),
        },
    }
}

fn covered(target: &Target, cover: &Cover) -> Next {
    if cover.in_flight.is_positive() {
        Next::OnItsWay
    } else if cover.unresolved.is_positive() {
        Next::Waits(format!("proof of what became of {} contracts that are on their way", cover.unresolved))
    } else {
        Next::Waits(format!("the cancel of resting exits that hold {} contracts of {}", cover.resting, target.key))
    }
}

fn cover(turn: &Turn, target: &Target) -> Cover {
    let exits = turn.state().orders.working().filter(|order| order.reduces() && order.position_key() == target.key);
    exits.fold(Cover::default(), |mut cover, order: &Order| {
        let open = order.remaining_contracts();
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

/// A limit that crosses the book and stays on our side of the liquidation price, by a tick at least.
fn inside_liquidation(turn: &Turn, position: &Position, spec: &ContractSpec) -> Option<Price> {
    let reach = mul(REACH_PCT, Decimal::new(1, 2));
    let mark = turn.mark(&position.key.symbol);
    let liquidation = position.venue.liquidation_price.filter(|price| price.is_positive());
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
