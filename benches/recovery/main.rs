//! How soon a session that was killed is ready again, and knows what became of what was on its way.
//!
//! `cargo bench --bench recovery` fills an exchange of its own with working orders at the pace that its
//! limits allow (9 minutes), then kills a session again and again while orders are on their way, and lets
//! the exchange fail at the start. `-- --orders 100 --kills 5` is a short run.
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
mod run;

use std::time::Duration;

use run::Run;

/// Orders that are on their way when the session is killed.
const IN_FLIGHT: usize = 45;

fn main() {
    let orders = argument("--orders").unwrap_or(900);
    let kills = argument("--kills").unwrap_or(50);
    let mut run = Run::start(orders - IN_FLIGHT);

    let healthy: Vec<_> = (0..kills).map(|kill| run.killed(kill, IN_FLIGHT)).collect();
    let mut ready: Vec<Duration> = healthy.iter().map(|seen| seen.ready).collect();
    let mut resolved: Vec<Duration> = healthy.iter().map(|seen| seen.resolved).collect();
    let on_their_way = healthy.iter().map(|seen| seen.in_flight).min().unwrap_or(0);
    let working = healthy.iter().map(|seen| seen.working).min().unwrap_or(0);
    println!("{kills} kills with at least {working} orders at work, {on_their_way} of them on their way:");
    print("ready", &mut ready, &[(0.5, 1.0), (0.99, 3.0)]);
    print("what was unknown is resolved", &mut resolved, &[(0.5, 15.0), (1.0, 15.0)]);

    let mut after: Vec<Duration> = Vec::new();
    for fault in run::FAULTS {
        for lasts in [1, 3, 10] {
            let seen = run.killed_under(fault, Duration::from_secs(lasts), IN_FLIGHT);
            println!("  {fault}, {lasts} s at the start: ready {:.2} s after its end", seen.as_secs_f64());
            after.push(seen);
        }
    }
    println!("exchange that fails at the start, {} times:", after.len());
    print("ready after it answers again", &mut after, &[(0.5, 2.0), (1.0, 2.0)]);
}

fn argument(name: &str) -> Option<usize> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1)?.parse().ok()
}

fn print(what: &str, times: &mut [Duration], targets: &[(f64, f64)]) {
    times.sort();
    for (share, target) in targets {
        let index = ((times.len() as f64 - 1.0) * share).round() as usize;
        let seconds = times.get(index).map_or(f64::NAN, Duration::as_secs_f64);
        let word = if seconds <= *target { "reached" } else { "NOT REACHED" };
        println!("  {what}, p{:.0}: {seconds:.3} s (to reach: {target} s, {word})", share * 100.0);
    }
}
