//! The real program, killed and started again: nothing is lost, nothing is doubled.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "process/child.rs"]
mod child;
#[path = "process/clocks.rs"]
mod clocks;
#[path = "process/disk.rs"]
mod disk;
#[path = "process/exchange.rs"]
mod exchange;
#[path = "process/exits.rs"]
mod exits;
#[path = "process/formats.rs"]
mod formats;
#[path = "process/history.rs"]
mod history;
#[path = "process/identity.rs"]
mod identity;
#[path = "process/kill.rs"]
mod kill;
#[path = "process/ledger.rs"]
mod ledger;
#[path = "process/lost.rs"]
mod lost;
#[path = "process/manners.rs"]
mod manners;
#[path = "process/margin_mode.rs"]
mod margin_mode;
#[path = "process/outage.rs"]
mod outage;
#[path = "process/shell.rs"]
mod shell;
#[path = "process/verify.rs"]
mod verify;
