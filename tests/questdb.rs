//! The drain into QuestDB: on a real server where one can be started, and on a stub for what a real
//! server does not do on command.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![cfg(test)]

#[path = "questdb/drain.rs"]
mod drain;
#[path = "store/facts.rs"]
mod facts;
#[path = "questdb/faults.rs"]
mod faults;
#[path = "questdb/migrations.rs"]
mod migrations;
#[path = "questdb/past.rs"]
mod past;
#[path = "questdb/program.rs"]
mod program;
#[path = "questdb/proxy.rs"]
mod proxy;
#[path = "questdb/queries.rs"]
mod queries;
#[path = "questdb/refusals.rs"]
mod refusals;
#[path = "questdb/server.rs"]
mod server;
#[path = "questdb/support.rs"]
mod support;
