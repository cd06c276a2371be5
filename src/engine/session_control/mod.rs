//! The session: how it starts, what operators may do to it, how it ends.

mod clock;
mod commands;
mod flatten;
mod link;
mod loss;
mod owner;
mod start;
mod stop;

pub(super) use super::live_order_manager::access_refused;
pub(super) use clock::{is_awaited as clock_is_awaited, measure, on_clock, on_suspended, session_from};
pub(super) use commands::{halt_by_engine, on_command, pause_by_engine, progress};
pub(super) use link::{on_connected, on_disconnected, on_failure, on_journal, on_skipped, resync_soon};
pub(super) use loss::{found_at_exchange, on_facts_lost};
pub(super) use owner::on_key_accepted;
pub(super) use start::{ask, on_contracts, on_found, on_position_mode, on_start, on_synced};

use super::turn::Turn;

/// What is due for the session as time passes.
pub(super) fn on_tick(turn: &mut Turn) {
    start::ready_when_known(turn);
    flatten::advance(turn);
    stop::advance(turn);
    link::watch(turn);
}

/// An order or a position ended: commands, a flatten and a stop may move on.
pub(super) fn on_order_ended(turn: &mut Turn) {
    progress(turn);
    flatten::advance(turn);
    stop::advance(turn);
}
