//! The pace of placements: orders leave the engine no faster than the exchange takes them, so that what
//! waits is here, where it can be taken back, and not in a queue of the adapter.

use std::time::Duration;

use super::turn::Turn;
use crate::model::{Order, OrderState, SessionTime};

/// More than the window: its ends may both count.
const MARGIN: Duration = Duration::from_millis(2);

/// Whether a placement may leave now. One place is kept for exits, where there are three or more.
pub(super) fn has_slot(turn: &Turn, reduces: bool) -> bool {
    free_at(turn, reduces).is_none_or(|at| at <= turn.now)
}

/// When a place comes free; `None` when nothing limits.
pub(super) fn free_at(turn: &Turn, reduces: bool) -> Option<SessionTime> {
    let usable = usable(turn, reduces)?;
    let sent = &turn.state().upkeep.placements;
    let blocking = sent.len().checked_sub(usable).and_then(|over| sent.get(over));
    blocking.map(|at| at.plus(turn.capabilities.placement_window.saturating_add(MARGIN)))
}

/// How long a new entry would wait for its turn, behind those that wait already.
pub(super) fn entry_wait(turn: &Turn) -> Duration {
    let Some(usable) = usable(turn, false) else { return Duration::ZERO };
    let ahead = waiting_entries(turn);
    let windows = u32::try_from(ahead / usable.max(1)).unwrap_or(u32::MAX);
    let first = free_at(turn, false).map_or(Duration::ZERO, |at| at.since(turn.now));
    first.saturating_add(turn.capabilities.placement_window.saturating_mul(windows))
}

/// Entries that wait for their turn.
pub(super) fn waiting_entries(turn: &Turn) -> usize {
    let waits = |order: &&Order| order.state == OrderState::Pending && order.attempts == 0 && !order.reduces();
    turn.state().orders.working().filter(waits).count()
}

fn usable(turn: &Turn, reduces: bool) -> Option<usize> {
    let quota = turn.capabilities.placements?;
    Some(if !reduces && quota >= 3 { quota - 1 } else { quota })
}
