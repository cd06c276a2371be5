//! How fast a session knows what is so after a kill -9, with 900 orders at work, and after an exchange that did
//! not answer. `cargo bench --bench recovery` takes half an hour: orders rest no faster than the exchange takes
//! them. `-- ORDERS KILLS` asks for other numbers than 900 and 50.
#![allow(
    missing_docs,
    dead_code,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../../tests/process/child.rs"]
mod child;
#[path = "../../tests/process/exchange.rs"]
mod exchange;
#[path = "../../tests/process/ledger.rs"]
mod ledger;
#[path = "../perf/report.rs"]
mod report;
mod run;

use std::time::Duration;

/// Sessions side by side, each with an exchange of its own.
const LANES: usize = 2;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let orders = numbers.next().unwrap_or(900);
    let kills = numbers.next().unwrap_or(50);
    let lanes: Vec<run::Measured> = std::thread::scope(|scope| {
        let lanes: Vec<_> =
            (0..LANES).map(|lane| scope.spawn(move || run::lane(lane, orders, kills.div_ceil(LANES)))).collect();
        lanes.into_iter().map(|lane| lane.join().expect("a lane ends well")).collect()
    });
    let all = |pick: fn(&run::Measured) -> &Vec<Duration>| -> Vec<Duration> {
        let mut times: Vec<Duration> = lanes.iter().flat_map(|lane| pick(lane).iter().copied()).collect();
        times.sort_unstable();
        times
    };
    let working: Vec<usize> = lanes.iter().flat_map(|lane| lane.working.iter().copied()).collect();
    let in_flight: Vec<usize> = lanes.iter().flat_map(|lane| lane.in_flight.iter().copied()).collect();
    let unknown: Vec<usize> = lanes.iter().flat_map(|lane| lane.unknown.iter().copied()).collect();
    println!("{} kills at {} working orders,", working.len(), range(&working));
    println!("{} of them in flight (not answered or not sent), {} not answered", range(&in_flight), range(&unknown));
    println!("| from the start of the process until | p50 | p99 | worst | to reach |");
    println!("|---|---|---|---|---|");
    row("ready: positions known, exits allowed", &all(|lane| &lane.ready), "p50 1 s, p99 3 s");
    row("an exit that was asked for at ready is filled", &all(|lane| &lane.exit), "-");
    row("every order that was not answered is known", &all(|lane| &lane.resolved), "15 s");
    println!("\n| from the exchange's first answer after a fault until ready | worst | to reach |");
    println!("|---|---|---|");
    let mut faults: Vec<&(String, Duration)> = lanes.iter().flat_map(|lane| &lane.after_faults).collect();
    faults.sort();
    for (fault, took) in faults {
        println!("| {fault} | {:.2} s | 2 s |", took.as_secs_f64());
    }
}

fn range(numbers: &[usize]) -> String {
    format!("{} to {}", numbers.iter().min().unwrap_or(&0), numbers.iter().max().unwrap_or(&0))
}

fn row(what: &str, sorted: &[Duration], target: &str) {
    if sorted.is_empty() {
        return println!("| {what} | - | - | - | {target} |");
    }
    let at = |share: f64| format!("{:.2} s", report::percentile(sorted, share).as_secs_f64());
    println!("| {what} | {} | {} | {} | {target} |", at(0.5), at(0.99), at(1.0));
}
