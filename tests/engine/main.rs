//! The engine's behaviour, stepped by hand against scripted answers.
#![cfg(test)]
#![allow(
    dead_code,
    missing_docs,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod adoption;
mod alerts;
mod answers;
mod breaker;
mod cancels;
mod clock;
mod control;
mod cross_margin;
mod evidence;
#[path = "../common/exchange_clock.rs"]
mod exchange_clock;
mod exit_ends;
mod exits;
mod flatten;
mod fold;
mod harness;
mod identity;
mod journal_lines;
mod liquidation;
mod loss;
mod margin_mode;
mod order_defects;
mod orderings;
mod orders;
mod position_mode;
mod position_sync;
mod priced_exits;
mod prices;
mod races;
mod random;
mod recovery;
mod risk;
mod session;
mod signals;
mod start;
mod stop;
mod truth;
mod unknown;
