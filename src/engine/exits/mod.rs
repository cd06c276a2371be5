//! Exits are targets, not orders: "flat" or "reduced to so many contracts" stands until the exchange
//! shows it reached, a person withdraws it, or the position is gone otherwise.
//!
//! [`towards`] derives the next order of a target from what is held, what is on its way and what the
//! contract allows; [`reaction`] says what follows from a refusal; [`signal`] takes ZE1 and E1. Nothing
//! else places a market exit. Resting exits (with a price) are protection and stay plain orders.

mod fresh;
mod next;
mod reaction;
mod signal;
mod towards;

pub(super) use fresh::on_positions_told;
pub(super) use next::closable;
pub(super) use reaction::on_filled;
pub(super) use signal::{exit, is_held};
pub(super) use towards::{advance, leg_is_free, set_flat, wakeup, withdraw};
