//! ZE1 and E1: exits, always reduce-only, sized by the engine from what is held.

use super::cancel::{FULL_EXIT, wish_cancel};
use super::entry::{Draft, create, on_tick};
use super::send::attempt;
use crate::engine::signal_intake::{amount_words, decide, rejected};
use crate::engine::turn::Turn;
use crate::model::{
    Amount, Contracts, Decimal, Intent, OrderNo, OrderType, Position, PositionKey, Purpose, Signal, SignalId,
    SignalKind, SignalOutcome, StrategyId, div, mul, round_down,
};

/// Takes a ZE1 or E1. Pause, halt, an open breaker, a full queue or a risk limit never block it.
pub(in crate::engine) fn exit(turn: &mut Turn, signal: Signal) {
    match plan(turn, &signal) {
        Err(reason) => decide(turn, signal, rejected(reason), None, None),
        Ok(Plan::TakeBack(key, order)) => {
            decide(turn, signal, SignalOutcome::Cancelling { order }, None, None);
            take_back(turn, resting_exits(turn, &key));
        }
        Ok(Plan::Close { key, contracts, purpose, order_type }) => {
            let price = turn.mark(&signal.symbol);
            let outcome = SignalOutcome::Ordered { order: turn.state().orders.next_no() };
            let (signal_id, strategy) = (signal.id.clone(), signal.strategy.clone());
            decide(turn, signal, outcome, None, price);
            let resting = resting_exits(turn, &key);
            place_exit(turn, &key, contracts, purpose, order_type, Some(signal_id), strategy);
            if purpose == Purpose::FullExit {
                take_back(turn, resting);
            }
        }
    }
}

/// Closes what is closable of a position at market; `None` when everything is on its way already.
pub(in crate::engine) fn close_all(turn: &mut Turn, key: &PositionKey, purpose: Purpose) -> Option<OrderNo> {
    let position = turn.state().positions.get(key)?;
    let contracts = closable(turn, position);
    let strategy = StrategyId::new("operator").ok()?;
    let placed = contracts
        .is_positive()
        .then(|| place_exit(turn, key, contracts, purpose, OrderType::Market, None, strategy))
        .flatten();
    // After the order itself, so that what they give back is not closed twice.
    take_back(turn, resting_exits(turn, key));
    placed
}

/// Contracts of a position that no working exit covers.
fn closable(turn: &Turn, position: &Position) -> Contracts {
    let covered: Contracts = turn
        .state()
        .orders
        .working()
        .filter(|order| {
            order.reduces() && order.symbol == position.key.symbol && order.intent.side == position.key.side
        })
        .map(crate::model::Order::remaining_contracts)
        .sum();
    (position.contracts - covered).max(Contracts::ZERO)
}

/// What an exit comes to.
enum Plan {
    /// An order.
    Close { key: PositionKey, contracts: Contracts, purpose: Purpose, order_type: OrderType },
    /// Resting exits hold all of the position: they are cancelled, and what they give back is closed.
    TakeBack(PositionKey, OrderNo),
}

fn plan(turn: &Turn, signal: &Signal) -> Result<Plan, String> {
    let side = signal.side.ok_or_else(|| "an exit needs a side".to_owned())?;
    let key = PositionKey { symbol: signal.symbol.clone(), side };
    let position =
        turn.state().positions.get(&key).ok_or_else(|| format!("no {side} position of {} to close", signal.symbol))?;
    let spec = turn
        .state()
        .contracts
        .get(&signal.symbol)
        .ok_or_else(|| format!("contract {} is not known yet", signal.symbol))?;
    if turn.state().position_mode.is_none() {
        return Err("the account's position mode is not known yet".to_owned());
    }
    let free = closable(turn, position);
    if !free.is_positive() {
        if signal.kind == SignalKind::FullExit
            && let Some(first) = resting_exits(turn, &key).first()
        {
            return Ok(Plan::TakeBack(key, *first));
        }
        return Err(format!("all {} of {key} is being closed already", position.quantity));
    }
    let order_type = match signal.price {
        None => OrderType::Market,
        Some(limit) => OrderType::Limit(on_tick(spec, limit, Intent::close(side).buys())?),
    };
    if signal.kind == SignalKind::FullExit {
        return Ok(Plan::Close { key, contracts: free, purpose: Purpose::FullExit, order_type });
    }
    let wanted = match signal.amount {
        Amount::All => position.contracts,
        Amount::SharePct(share) => {
            Contracts(div(mul(position.contracts.0, share), Decimal::ONE_HUNDRED).unwrap_or_default())
        }
        Amount::Quantity(quantity) => Contracts(div(quantity.0, spec.contract_size).unwrap_or_default()),
    };
    let wanted = round_down(wanted.min(free).0, spec.lot).map(Contracts).unwrap_or_default();
    if wanted < spec.min_contracts || !wanted.is_positive() {
        return Err(format!(
            "{} of {} {key} is below the smallest order of {}",
            amount_words(signal.amount),
            position.quantity,
            spec.quantity(spec.min_contracts)
        ));
    }
    Ok(Plan::Close { key, contracts: wanted, purpose: Purpose::PartialExit, order_type })
}

/// Resting exits hold their quantity at the exchange; a full exit needs it. What they give back is
/// closed when their cancel is proven.
fn take_back(turn: &mut Turn, resting: Vec<OrderNo>) {
    for no in resting {
        wish_cancel(turn, no, FULL_EXIT);
    }
}

fn resting_exits(turn: &Turn, key: &PositionKey) -> Vec<OrderNo> {
    let working = turn.state().orders.working();
    working
        .filter(|order| order.reduces() && order.position_key() == *key && order.order_type.rests())
        .map(|order| order.no)
        .collect()
}

fn place_exit(
    turn: &mut Turn,
    key: &PositionKey,
    contracts: Contracts,
    purpose: Purpose,
    order_type: OrderType,
    signal_id: Option<SignalId>,
    strategy: StrategyId,
) -> Option<OrderNo> {
    let quantity = turn.state().contracts.get(&key.symbol)?.quantity(contracts);
    let draft = Draft {
        signal_id,
        strategy,
        symbol: key.symbol.clone(),
        intent: Intent::close(key.side),
        purpose,
        order_type,
        contracts,
        quantity,
        decision_price: turn.mark(&key.symbol),
        stop_loss: None,
        take_profit: None,
    };
    let no = create(turn, draft);
    attempt(turn, no);
    Some(no)
}
