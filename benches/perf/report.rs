//! The table that goes into the README.

use std::time::Duration;

#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 5]>,
}

impl Table {
    pub fn row(&mut self, what: &str, measured: String, reference: String, target: &str, reached: bool) {
        let reached = if reached { "yes" } else { "no" };
        self.rows.push([what.to_owned(), measured, reference, target.to_owned(), reached.to_owned()]);
    }

    pub fn print(&self) {
        println!("| what | measured | reference, same run | to reach | reached |");
        println!("|---|---|---|---|---|");
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let index = ((sorted.len() as f64 - 1.0) * share).round() as usize;
    sorted[index]
}

pub fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}

pub fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

pub fn per_second(rate: f64) -> String {
    if rate >= 1e6 { format!("{:.2} million/s", rate / 1e6) } else { format!("{:.0} thousand/s", rate / 1e3) }
}
