//! The REST side: routing, faults, limits, signatures, envelopes.

mod control;
mod detail;
mod dispatch;
mod orders;
mod peer;
mod positions;
pub mod public;
mod route;
mod turned;
mod twist;

pub use dispatch::{NoAnswer, router};
pub use peer::{Doors, Peer};
