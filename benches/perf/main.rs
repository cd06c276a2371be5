//! Speed, measured side by side with a reference in the same run. `cargo bench` prints one table;
//! `cargo bench -- NAME` runs one of orders, bus, wire, frame, memory, startup, questdb.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod book;
mod bus;
mod fixture;
mod frame;
mod orders;
mod program;
mod questdb;
mod report;
mod wire;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut table = report::Table::default();
    if runs("orders") {
        orders::run(&mut table);
    }
    if runs("bus") {
        bus::run(&mut table);
    }
    if runs("wire") {
        wire::run(&mut table);
    }
    if runs("frame") {
        frame::run(&mut table);
    }
    if runs("memory") {
        program::memory(&mut table);
    }
    if runs("startup") {
        program::startup(&mut table);
    }
    if runs("questdb") {
        questdb::run(&mut table);
    }
    table.print();
}
