//! The real program, killed and started again: nothing is lost, nothing is doubled.

#[path = "process/child.rs"]
mod child;
#[path = "process/kill.rs"]
mod kill;
#[path = "process/ledger.rs"]
mod ledger;
#[path = "process/manners.rs"]
mod manners;
