//! perpdeck: a live-trading core for MEXC USDT-M perpetual futures, and the terminal dashboard that
//! watches and steers it.
//!
//! Every fact is an event, and every screen, store and replica is a fold of the same events. A
//! module may use only what is on a floor below its own; `ARCHITECTURE.md` has the floors, and
//! `tests/house.rs` enforces them.

pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod exchange;
pub mod journal;
pub mod model;
pub mod runtime;
pub mod simulator;
pub mod store;
pub mod tui;
