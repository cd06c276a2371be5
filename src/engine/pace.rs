//! The pace of placements: orders leave the engine no faster than the exchange takes them, so that what
//! waits is here, where it can be taken back, and not in a queue of the adapter.

use std::time::Duration;

use super::turn::Turn;
use crate::model::{Order, SessionTime};

/// More than the window: its ends may both count.
const MARGIN: Duration = Duration::from_millis(2);

/// What never left is tried again so soon at the earliest.
const AGAIN: Duration = Duration::from_millis(250);

/// Whether a placement may leave now. One place is kept for exits, where there are three or more.
pub(super) fn has_slot(turn: &Turn, reduces: bool) -> bool {
    free_at(turn, reduces).is_none_or(|at| at <= turn.now)
}

/// When a place comes free; `None` when nothing limits. Silence that the exchange asked for holds back
/// entries; exits may try all the same.
fn free_at(turn: &Turn, reduces: bool) -> Option<SessionTime> {
    let silence = if reduces { None } else { turn.state().upkeep.link.no_entry_until };
    own_pace(turn, reduces).max(silence)
}

fn own_pace(turn: &Turn, reduces: bool) -> Option<SessionTime> {
    own_pace_after(turn, reduces, 0)
}

/// The same for a placement that so many go before.
fn own_pace_after(turn: &Turn, reduces: bool, before: usize) -> Option<SessionTime> {
    let usable = usable(turn, reduces)?;
    let sent = &turn.state().upkeep.placements;
    let place = sent.len().saturating_add(before.checked_rem(usable).unwrap_or(0));
    let free = place.checked_sub(usable).and_then(|blocking| sent.get(blocking)).map(|at| at.plus(window(turn)));
    let rounds = rounds(turn, usable, before);
    if rounds.is_zero() { free } else { Some(free.unwrap_or(turn.now).plus(rounds)) }
}

/// How long so many placements take one after the other, but for the last window.
fn rounds(turn: &Turn, usable: usize, placements: usize) -> Duration {
    let rounds = placements.checked_div(usable).and_then(|rounds| u32::try_from(rounds).ok());
    window(turn).saturating_mul(rounds.unwrap_or(u32::MAX))
}

fn window(turn: &Turn) -> Duration {
    turn.capabilities.placement_window.saturating_add(MARGIN)
}

/// When a placement that never left may be tried again.
pub(super) fn again_at(turn: &Turn, reduces: bool) -> SessionTime {
    let soon = turn.now.plus(AGAIN);
    free_at(turn, reduces).map_or(soon, |at| at.max(soon))
}

/// How long a new entry would wait for its turn, behind those that wait already. A window more than they
/// alone need: exits go before it, and a turn is taken when the engine is next asked.
pub(super) fn entry_wait(turn: &Turn) -> Duration {
    let before = waiting_entries(turn);
    let behind = usable(turn, false).map_or(Duration::ZERO, |usable| rounds(turn, usable, before));
    let after_silence = no_entry_until(turn).map(|until| until.plus(behind));
    let turn_comes = own_pace_after(turn, false, before).max(after_silence).filter(|at| *at > turn.now);
    turn_comes.map_or(Duration::ZERO, |at| at.plus(window(turn)).since(turn.now))
}

/// Until when the exchange wants no entry, while that is to come.
pub(super) fn no_entry_until(turn: &Turn) -> Option<SessionTime> {
    turn.state().upkeep.link.no_entry_until.filter(|until| *until > turn.now)
}

/// Entries that wait for their turn.
pub(super) fn waiting_entries(turn: &Turn) -> usize {
    let waits = |order: &&Order| order.attempts == 0 && !order.reduces();
    turn.state().orders.pending().filter(waits).count()
}

fn usable(turn: &Turn, reduces: bool) -> Option<usize> {
    let quota = turn.capabilities.placements?;
    Some(if !reduces && quota >= 3 { quota - 1 } else { quota })
}
