//! Targets: set, merged, worked towards, ended.

use std::time::Duration;

use super::fresh;
use super::next::{Next, next};
use super::reaction::react;
use super::signal::release_held;
use crate::engine::alerting::clear;
use crate::engine::live_order_manager::{self as orders, Draft};
use crate::engine::turn::Turn;
use crate::engine::{chores, pace};
use crate::model::{
    AlertKind, Chore, CloseCause, Contracts, Decimal, Event, ExitStyle, Intent, OrderNo, OrderState, OrderType,
    PositionId, PositionKey, Purpose, SessionState, SessionTime, SignalId, StrategyId, Target, TargetEnd,
};

/// How often the exchange is asked whether what another's order holds is free.
const ASKED_AGAIN: Duration = Duration::from_secs(2);

/// Who wants a target, and why.
pub(super) struct Wish {
    pub purpose: Purpose,
    pub by: String,
    pub signal_id: Option<SignalId>,
    pub strategy: StrategyId,
}

/// Wants a position flat; flat wins over everything. Its orders leave at the end of the step, after those
/// of positions nearer to liquidation.
pub(in crate::engine) fn set_flat(turn: &mut Turn, key: &PositionKey, purpose: Purpose, by: &str) {
    let Ok(strategy) = StrategyId::new("operator") else { return };
    record(turn, key, Contracts::ZERO, Wish { purpose, by: by.to_owned(), signal_id: None, strategy });
}

/// Wants a position reduced to so many contracts, and works towards it at once.
pub(super) fn set(turn: &mut Turn, key: &PositionKey, to: Contracts, wish: Wish) {
    if let Some(position) = record(turn, key, to, wish) {
        work(turn, position);
    }
}

/// One target an opening: one that leaves less replaces it.
fn record(turn: &mut Turn, key: &PositionKey, to: Contracts, wish: Wish) -> Option<PositionId> {
    let position = turn.state().positions.get(key).map(|position| position.id)?;
    let known = turn.state().targets.get(&position).cloned();
    if known.as_ref().is_some_and(|known| known.to <= to) {
        return None;
    }
    let since = known.as_ref().map_or(turn.now, |known| known.since);
    let target = Target {
        position,
        key: key.clone(),
        to,
        purpose: wish.purpose,
        by: wish.by,
        since,
        signal_id: wish.signal_id,
        strategy: wish.strategy,
        style: known.as_ref().map_or(ExitStyle::Market, |known| known.style),
        part_max: known.as_ref().and_then(|known| known.part_max),
        refused_within: known.and_then(|known| known.refused_within),
        refusal: None,
        refusals: 0,
        next_try_at: None,
        waits_for: None,
    };
    turn.emit(Event::TargetMoved { target: Box::new(target) });
    // What would open it again while it is closed has no business to leave.
    let entries = orders::entries_of(turn, key);
    orders::take_back(turn, &entries, "an exit of the position");
    Some(position)
}

/// A person takes a target back. `false`: there is none.
pub(in crate::engine) fn withdraw(turn: &mut Turn, key: &PositionKey, by: &str) -> bool {
    let Some(position) = turn.state().target(key).map(|target| target.position) else { return false };
    end(turn, position, TargetEnd::Withdrawn, format!("withdrawn by {by}"));
    true
}

/// Whether entries on a leg may be made: not while it is being closed.
pub(in crate::engine) fn leg_is_free(turn: &Turn, key: &PositionKey) -> Result<(), String> {
    match turn.state().target(key) {
        Some(target) => Err(format!("{key} is being closed (by {}): no new entry until that is done", target.by)),
        None => Ok(()),
    }
}

/// When something here is due next.
pub(in crate::engine) fn wakeup(state: &SessionState) -> Option<SessionTime> {
    let tries = state.targets.values().filter_map(|target| target.next_try_at);
    let held = state.upkeep.held_exits.iter().map(|held| held.until);
    let read = state.upkeep.exit_read.map(|asked| asked.plus(fresh::ASKED_FOR_AT_MOST));
    tries.chain(held).chain(read).filter(|at| *at > state.now).min()
}

/// Works towards every target: what was refused is answered first, then those nearest to liquidation
/// have the first turn.
pub(in crate::engine) fn advance(turn: &mut Turn) {
    for refused in std::mem::take(&mut turn.refused_exits) {
        react(turn, &refused);
    }
    release_held(turn);
    if turn.state().targets.is_empty() {
        return;
    }
    for position in by_danger(turn) {
        work(turn, position);
    }
}

fn by_danger(turn: &Turn) -> Vec<PositionId> {
    let mut targets: Vec<(bool, Option<Decimal>, PositionKey, PositionId)> = turn
        .state()
        .targets
        .values()
        .map(|target| {
            let distance = turn
                .state()
                .positions
                .by_id(target.position)
                .zip(turn.mark(&target.key.symbol))
                .and_then(|(position, mark)| position.distance_pct(mark));
            (distance.is_none(), distance, target.key.clone(), target.position)
        })
        .collect();
    targets.sort();
    targets.into_iter().map(|(.., position)| position).collect()
}

/// Places what a target needs, as far as the exchange's pace allows.
pub(super) fn work(turn: &mut Turn, position: PositionId) {
    // Each pass places one part, or ends; a part is never empty, so this is bounded by the position.
    while let Some(target) = turn.state().targets.get(&position).cloned() {
        free_resting(turn, &target);
        match next(turn, &target) {
            Next::Reached => return ended(turn, &target),
            Next::OnItsWay => return waits(turn, &target, None),
            Next::Waits(what) => return waits(turn, &target, Some(what)),
            Next::Frozen(contracts) => {
                chores::due_in(turn, Chore::SyncPositions, ASKED_AGAIN);
                let what = format!("{contracts} contracts of {} that an order which is not ours holds", target.key);
                return waits(turn, &target, Some(what));
            }
            Next::Order(..) if !fresh::may_go_on(turn) => {
                return waits(turn, &target, Some("the exchange to say what is held".to_owned()));
            }
            Next::Order(..) if !pace::has_slot(turn, true) => {
                return waits(turn, &target, Some("its turn: the exchange takes no more orders at once".to_owned()));
            }
            Next::Order(contracts, order_type) => {
                if place(turn, &target, contracts, order_type).is_none() {
                    return waits(turn, &target, Some(format!("the contract details of {}", target.key.symbol)));
                }
            }
        }
    }
}

/// Resting exits hold their quantity at the exchange; a full close needs it.
fn free_resting(turn: &mut Turn, target: &Target) {
    if !target.is_flat() {
        return;
    }
    let resting: Vec<OrderNo> = turn
        .state()
        .orders
        .resting_exits_of(&target.key)
        .filter(|order| order.cancel.is_none())
        .map(|order| order.no)
        .collect();
    for no in resting {
        orders::wish_cancel(turn, no, orders::FULL_EXIT);
    }
}

fn place(turn: &mut Turn, target: &Target, contracts: Contracts, order_type: OrderType) -> Option<OrderNo> {
    let quantity = turn.state().contracts.get(&target.key.symbol)?.quantity(contracts);
    let draft = Draft {
        signal_id: target.signal_id.clone(),
        strategy: target.strategy.clone(),
        symbol: target.key.symbol.clone(),
        intent: Intent::close(target.key.side),
        purpose: target.purpose,
        order_type,
        contracts,
        quantity,
        decision_price: turn.mark(&target.key.symbol),
        stop_loss: None,
        take_profit: None,
        renews: None,
    };
    let no = orders::create(turn, draft);
    orders::attempt(turn, no);
    // Nothing may make this loop spin: what did not go out is tried again in its time.
    turn.state().orders.get(no).filter(|order| order.state != OrderState::Failed).map(|order| order.no)
}

fn waits(turn: &mut Turn, target: &Target, what: Option<String>) {
    if target.waits_for != what {
        turn.emit(Event::TargetMoved { target: Box::new(Target { waits_for: what, ..target.clone() }) });
    }
}

fn ended(turn: &mut Turn, target: &Target) {
    let closed = turn.state().positions.closed_by_id(target.position).map(|closed| closed.cause);
    let (how, note) = match closed {
        None | Some(CloseCause::OwnExit) => (TargetEnd::Reached, "reached".to_owned()),
        Some(cause) => (TargetEnd::Gone, format!("the position ended otherwise: {}", cause_words(cause))),
    };
    end(turn, target.position, how, note);
}

const fn cause_words(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::OwnExit => "closed by our exit",
        CloseCause::Outside => "closed outside this session",
        CloseCause::Liquidated => "liquidated",
        CloseCause::Adl => "auto-deleveraged",
        CloseCause::Unexplained => "gone, cause unknown",
    }
}

fn end(turn: &mut Turn, position: PositionId, how: TargetEnd, note: String) {
    turn.emit(Event::TargetEnded { position, end: how, note });
    clear(turn, AlertKind::ExitRefused, position);
    turn.order_ended = true;
}
