//! What follows when the exchange refuses an exit. An exit never ends by count: it goes on, with
//! back-off, for as long as the position stands.

use std::time::Duration;

use super::fresh;
use super::next::{closable, distance_pct};
use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::live_order_manager::wish_cancel_entries;
use crate::engine::turn::{RefusedExit, Turn};
use crate::engine::{chores, session_control};
use crate::model::{
    AlertKind, Chore, Contracts, Decimal, Event, ExitStyle, PositionKey, Refusal, Severity, Target, div, mul,
    round_down,
};

/// First wait after a refusal; it doubles with each until something is filled.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Wait when only a person can help.
const PERSONS_WAIT: Duration = Duration::from_secs(60);
/// What a probe closed shows that more is free than was thought: so many times as much is tried next. Many
/// halves are made good within one window of the exchange's limit.
const LARGER: Decimal = Decimal::from_parts(16, 0, 0, false, 0);
/// Refusals in a row after which it is told.
const TOLD_AFTER: u32 = 3;

/// An exit of a target was refused, got lost, or ended without being filled.
pub(super) fn react(turn: &mut Turn, refused: &RefusedExit) {
    let Some(target) = turn.state().target(&refused.key).cloned() else { return };
    // Orders that left side by side are one try; other reasons do not make it the first one again.
    let same_try = target.next_try_at.is_some_and(|at| at > turn.now);
    let refusals = if same_try { target.refusals } else { target.refusals.saturating_add(1) };
    let wait = wait(refused.refusal, refusals);
    let told = refusals == TOLD_AFTER && !same_try || wait == PERSONS_WAIT;
    let mut target = Target {
        refusal: Some(refused.refusal),
        refusals,
        next_try_at: target.next_try_at.max(Some(turn.now.plus(wait))),
        waits_for: Some(format!("the next try: {}", refused.message)),
        ..target
    };
    learn(turn, &mut target, refused);
    let (position, key) = (target.position, target.key.clone());
    turn.emit(Event::TargetMoved { target: Box::new(target) });
    look(turn, refused.refusal);
    if told {
        let message = format!("the exit of {key} was refused {refusals} times; it is tried on: {}", refused.message);
        let alert = NewAlert::holds(AlertKind::ExitRefused, position, Severity::Critical, message);
        raise(turn, alert.symbol(&key.symbol).position_id(position).detail("reason", &refused.message));
    }
}

/// An exit of ours filled: refusals are counted anew, and what was too much is tried larger again.
pub(in crate::engine) fn on_filled(turn: &mut Turn, key: &PositionKey) {
    let Some(target) = turn.state().target(key).cloned() else { return };
    let probes = target.refusal == Some(Refusal::ClosableTooSmall) && target.part_max.is_some();
    if target.refusals == 0 && !probes {
        return;
    }
    let larger = target.part_max.map(|most| if probes { Contracts(mul(most.0, LARGER)) } else { most });
    let position = target.position;
    let refusal = target.refusal.filter(|_| probes);
    let target = Target { refusal, refusals: 0, next_try_at: None, part_max: larger, ..target };
    turn.emit(Event::TargetMoved { target: Box::new(target) });
    clear(turn, AlertKind::ExitRefused, position);
}

fn wait(refusal: Refusal, refusals: u32) -> Duration {
    if needs_a_person(refusal) {
        return PERSONS_WAIT;
    }
    FIRST_WAIT.saturating_mul(1 << refusals.saturating_sub(1).min(8)).min(LONGEST_WAIT)
}

const fn needs_a_person(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::Access | Refusal::Malformed | Refusal::ContractUnknown)
}

/// What the next order has to look like.
fn learn(turn: &Turn, target: &mut Target, refused: &RefusedExit) {
    match refused.refusal {
        Refusal::BeyondLiquidation => {
            let position = turn.state().positions.by_id(target.position);
            let distance = position.and_then(|position| distance_pct(turn, position));
            target.style = ExitStyle::InsideLiquidation;
            target.refused_within = target.refused_within.max(distance);
        }
        Refusal::CloseInProgress | Refusal::PriceBand if target.style == ExitStyle::Market => {
            target.style = ExitStyle::ImmediateOrCancel;
        }
        // It went out and found nobody: the other way of asking is tried.
        Refusal::RestCancelled => {
            target.style = match target.style {
                ExitStyle::ImmediateOrCancel => ExitStyle::Market,
                ExitStyle::Market => ExitStyle::ImmediateOrCancel,
                // The price is made anew with each.
                ExitStyle::InsideLiquidation => ExitStyle::InsideLiquidation,
            };
        }
        Refusal::TooLarge => halve(turn, target, refused),
        // Where the exchange's word does not say how much, it is found out.
        Refusal::ClosableTooSmall if refused.contracts <= closable(turn, &target.key) => halve(turn, target, refused),
        _ => {}
    }
}

fn halve(turn: &Turn, target: &mut Target, refused: &RefusedExit) {
    let lot = turn.state().contracts.get(&target.key.symbol).map_or(Decimal::ONE, |spec| spec.lot);
    let half = div(refused.contracts.0, Decimal::TWO).and_then(|half| round_down(half, lot));
    target.part_max = Some(half.map_or(Contracts(lot), Contracts).max(Contracts(lot)));
}

/// What is asked of the exchange, because what is known here is not its truth.
fn look(turn: &mut Turn, refusal: Refusal) {
    match refusal {
        // The mode is asked for whatever was refused for it (`live_order_manager/send.rs`).
        Refusal::PositionMode | Refusal::PositionMismatch => fresh::read_positions(turn),
        Refusal::ClockWrong => chores::soon(turn, Chore::Clock),
        Refusal::OffSteps | Refusal::TooSmall | Refusal::TooLarge | Refusal::PriceBand => {
            chores::soon(turn, Chore::Contracts);
        }
        // Places are taken by entries: they make way.
        Refusal::TooManyOrders => {
            wish_cancel_entries(turn, "an exit that needs its place");
        }
        Refusal::Revoked | Refusal::NoSlot | Refusal::Journal | Refusal::RestCancelled | Refusal::TooFrequent => {}
        _ => {
            fresh::read_positions(turn);
            session_control::resync_soon(turn);
        }
    }
}
