//! ZE1 and E1: exits, always reduce-only, sized by the engine from what is held. Pause, halt, an open
//! breaker, a full queue or a risk limit never block them.

use super::fresh;
use super::next::{Next, next};
use super::towards::{Wish, set};
use crate::engine::live_order_manager::{self as orders, Draft};
use crate::engine::pace;
use crate::engine::position_sync_service as positions;
use crate::engine::signal_intake::{amount_words, decide, rejected};
use crate::engine::turn::Turn;
use crate::model::{
    Amount, Chore, ContractSpec, Contracts, Decimal, Event, ExitStyle, HeldExit, Intent, OrderNo, OrderType, Position,
    PositionKey, Purpose, Signal, SignalId, SignalKind, SignalOutcome, Target, div, mul, round_down,
};

/// Takes a ZE1 or E1.
pub(in crate::engine) fn exit(turn: &mut Turn, signal: Signal) {
    let is_held = signal.side.is_none_or(|side| has_position(turn, &key_of(&signal, side)));
    // "Nothing to close" from what was told a while ago would be a guess: the exchange is asked first.
    if !is_held && !fresh::may_say_none(turn) {
        let until = turn.now.plus(fresh::ASKED_FOR_AT_MOST);
        return turn.emit(Event::ExitHeld { signal: Box::new(signal), until });
    }
    decide_exit(turn, signal);
}

/// Whether a signal waits here to be decided.
pub(in crate::engine) fn is_held(turn: &Turn, id: &SignalId) -> bool {
    turn.state().upkeep.held_exits.iter().any(|held| held.signal.id == *id)
}

/// Decides what was held, once the exchange has spoken or its time is over.
pub(super) fn release_held(turn: &mut Turn) {
    let told_of = turn.state().upkeep.chore(Chore::SyncPositions).told_of.filter(|_| !fresh::is_old(turn));
    let spoke = |held: &&HeldExit| told_of.is_some_and(|told_of| told_of.plus(fresh::ASKED_FOR_AT_MOST) >= held.until);
    let held = turn.state().upkeep.held_exits.iter();
    let due: Vec<Signal> =
        held.filter(|held| spoke(held) || held.until <= turn.now).map(|held| held.signal.clone()).collect();
    for signal in due {
        turn.emit(Event::ExitReleased { signal: signal.id.clone() });
        decide_exit(turn, signal);
    }
}

/// Whether something is held here, or at the exchange: then it is followed from now on.
fn has_position(turn: &mut Turn, key: &PositionKey) -> bool {
    turn.state().positions.get(key).is_some() || positions::claim(turn, key)
}

fn key_of(signal: &Signal, side: crate::model::Side) -> PositionKey {
    PositionKey { symbol: signal.symbol.clone(), side }
}

/// What an exit comes to.
enum Plan {
    /// A target.
    Target { key: PositionKey, to: Contracts, purpose: Purpose },
    /// An order that rests at its price.
    Rest { key: PositionKey, contracts: Contracts, purpose: Purpose, order_type: OrderType },
}

fn decide_exit(turn: &mut Turn, signal: Signal) {
    if let Some(side) = signal.side {
        positions::claim_at_last(turn, &key_of(&signal, side));
    }
    match plan(turn, &signal) {
        Err(reason) => decide(turn, signal, rejected(reason), None, None),
        Ok(Plan::Rest { key, contracts, purpose, order_type }) => {
            rest(turn, signal, &key, contracts, purpose, order_type);
        }
        Ok(Plan::Target { key, to, purpose }) => {
            let outcome = outcome(turn, &signal, &key, to, purpose);
            let price = turn.mark(&signal.symbol);
            let wish = Wish {
                purpose,
                by: format!("signal {}", signal.id),
                signal_id: Some(signal.id.clone()),
                strategy: signal.strategy.clone(),
            };
            decide(turn, signal, outcome, None, price);
            set(turn, &key, to, wish);
        }
    }
}

/// What the sender is told: the order when one leaves at once, else that the position is being closed.
fn outcome(turn: &Turn, signal: &Signal, key: &PositionKey, to: Contracts, purpose: Purpose) -> SignalOutcome {
    let Some(position) = turn.state().positions.get(key) else {
        return rejected(format!("no {} position of {} to close", key.side, key.symbol));
    };
    let known = turn.state().targets.get(&position.id);
    let target = Target {
        position: position.id,
        key: key.clone(),
        to,
        purpose,
        by: String::new(),
        since: turn.now,
        signal_id: None,
        strategy: signal.strategy.clone(),
        style: known.map_or(ExitStyle::Market, |known| known.style),
        part_max: known.and_then(|known| known.part_max),
        refused_within: known.and_then(|known| known.refused_within),
        refusal: None,
        refusals: 0,
        next_try_at: None,
        waits_for: None,
    };
    let leaves = !fresh::is_old(turn) && pace::has_slot(turn, true);
    match next(turn, &target) {
        Next::Order(..) if leaves => SignalOutcome::Ordered { order: turn.state().orders.next_no() },
        _ => match resting_exits(turn, key).first() {
            Some(first) if target.is_flat() => SignalOutcome::Cancelling { order: *first },
            _ => SignalOutcome::Closing { position: position.id },
        },
    }
}

fn plan(turn: &Turn, signal: &Signal) -> Result<Plan, String> {
    let side = signal.side.ok_or_else(|| "an exit needs a side".to_owned())?;
    let key = key_of(signal, side);
    let position =
        turn.state().positions.get(&key).ok_or_else(|| format!("no {side} position of {} to close", signal.symbol))?;
    let purpose = if signal.kind == SignalKind::FullExit { Purpose::FullExit } else { Purpose::PartialExit };
    let spec = turn.state().contracts.get(&signal.symbol);
    if let Some(limit) = signal.price {
        let spec = spec.ok_or_else(|| format!("contract {} is not known yet", signal.symbol))?;
        let order_type = OrderType::Limit(orders::on_tick(spec, limit, Intent::close(side).buys())?);
        let free = not_covered(turn, position);
        let contracts = if purpose == Purpose::FullExit { free } else { part(signal, position, spec, free)? };
        if !contracts.is_positive() {
            return Err(format!("all {} of {key} is being closed already", position.quantity));
        }
        return Ok(Plan::Rest { key, contracts, purpose, order_type });
    }
    let base = turn.state().targets.get(&position.id).map_or(position.contracts, |target| target.to);
    if !base.is_positive() {
        return Err(format!("all {} of {key} is being closed already", position.quantity));
    }
    if purpose == Purpose::FullExit {
        return Ok(Plan::Target { key, to: Contracts::ZERO, purpose });
    }
    let spec = spec.ok_or_else(|| format!("contract {} is not known yet", signal.symbol))?;
    let free = base.min(not_covered_by_resting(turn, position, base));
    if !free.is_positive() {
        return Err(format!("all {} of {key} is being closed already", position.quantity));
    }
    Ok(Plan::Target { to: base - part_of(signal, base, position, spec, free)?, key, purpose })
}

/// So much of the position as a partial exit asks for, on the lot.
fn part(signal: &Signal, position: &Position, spec: &ContractSpec, free: Contracts) -> Result<Contracts, String> {
    part_of(signal, position.contracts, position, spec, free)
}

fn part_of(
    signal: &Signal,
    base: Contracts,
    position: &Position,
    spec: &ContractSpec,
    free: Contracts,
) -> Result<Contracts, String> {
    let wanted = match signal.amount {
        Amount::All => base,
        Amount::SharePct(share) => Contracts(div(mul(base.0, share), Decimal::ONE_HUNDRED).unwrap_or_default()),
        Amount::Quantity(quantity) => Contracts(div(quantity.0, spec.contract_size).unwrap_or_default()),
    };
    let wanted = round_down(wanted.min(free).0, spec.lot).map(Contracts).unwrap_or_default();
    if wanted < spec.min_contracts || !wanted.is_positive() {
        return Err(format!(
            "{} of {} {} is below the smallest order of {}",
            amount_words(signal.amount),
            position.quantity,
            position.key,
            spec.quantity(spec.min_contracts)
        ));
    }
    Ok(wanted)
}

/// Contracts of a position that no working exit covers.
fn not_covered(turn: &Turn, position: &Position) -> Contracts {
    let exits = turn.state().orders.exits_of(&position.key);
    let covered: Contracts = exits.map(crate::model::Order::remaining_contracts).sum();
    (position.contracts - covered).max(Contracts::ZERO)
}

/// What is left of a position, or of where it is being brought, beside what resting exits hold.
fn not_covered_by_resting(turn: &Turn, position: &Position, base: Contracts) -> Contracts {
    let exits = turn.state().orders.resting_exits_of(&position.key);
    let resting: Contracts = exits.map(crate::model::Order::remaining_contracts).sum();
    (base - resting).max(Contracts::ZERO)
}

fn rest(
    turn: &mut Turn,
    signal: Signal,
    key: &PositionKey,
    contracts: Contracts,
    purpose: Purpose,
    order_type: OrderType,
) {
    let Some(quantity) = turn.state().contracts.get(&key.symbol).map(|spec| spec.quantity(contracts)) else { return };
    let price = turn.mark(&signal.symbol);
    let outcome = SignalOutcome::Ordered { order: turn.state().orders.next_no() };
    let others = if purpose == Purpose::FullExit { resting_exits(turn, key) } else { Vec::new() };
    let draft = Draft {
        signal_id: Some(signal.id.clone()),
        strategy: signal.strategy.clone(),
        symbol: key.symbol.clone(),
        intent: Intent::close(key.side),
        purpose,
        order_type,
        contracts,
        quantity,
        decision_price: price,
        stop_loss: None,
        take_profit: None,
        renews: None,
    };
    decide(turn, signal, outcome, None, price);
    let no = orders::create(turn, draft);
    orders::attempt(turn, no);
    for other in others {
        orders::wish_cancel(turn, other, orders::FULL_EXIT);
    }
}

fn resting_exits(turn: &Turn, key: &PositionKey) -> Vec<OrderNo> {
    turn.state().orders.resting_exits_of(key).map(|order| order.no).collect()
}
