//! The projections: equal however they are folded, and never in the way of trading.

#![cfg(test)]

#[path = "store/facts.rs"]
mod facts;
#[path = "store/past.rs"]
mod past;
#[path = "store/projections.rs"]
mod projections;
#[path = "store/projector.rs"]
mod projector;
