//! `LiveOrderManager`: from a decided signal to a proven end.
//!
//! An order has its client id before anything is sent. What surely failed is tried again; what may
//! have been accepted becomes UNKNOWN and is looked up by that id, and is sent again, with the same
//! id, only after proof that the exchange does not have it. Fills move an order, never a state word
//! of the exchange alone.

mod bulk;
mod cancel;
mod ending;
mod entry;
mod fills;
mod lookup;
mod lost;
mod polling;
mod reports;
mod resting;
mod send;
mod settled;

pub(super) use bulk::{on_order_history, recover, restart};
pub(super) use cancel::{
    entries_of, leave_cancels, leave_revocations, on_cancelled, take_back, take_back_entries, wish_cancel,
    wish_cancel_entries,
};
pub(super) use ending::FULL_EXIT;
pub(super) use entry::{Draft, create, enter, on_tick};
pub(super) use fills::{apply_fill, on_order_fills};
pub(super) use lookup::{leave_look_ups, look_up, on_looked_up};
pub(super) use polling::{cleanup, due_work, on_open_orders, poll};
pub(super) use reports::apply_report;
pub(super) use send::{access_refused, attempt, on_left, on_placed};
pub(super) use settled::on_size_taken;
