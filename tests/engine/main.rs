//! The engine's behaviour, stepped by hand against scripted answers.
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
mod evidence;
mod fold;
mod harness;
mod journal_lines;
mod liquidation;
mod position_sync;
mod risk;
mod session;
