//! Requests whose outcome is not known. They are sent again at once, and usually that is all: the
//! same rows replace themselves. But a request that was given up here may be stored there *after*
//! the newer rows that followed it, and put older ones in their place. So what it touched is compared
//! some time later, and sent once more when it differs.

use std::time::{Duration, Instant};

use super::error::QuestDbError;
use super::server::Server;
use super::source::{Range, Source};
use super::tables::Target;
use super::verify;

/// How long comparing waits for the server to apply what it has taken.
const APPLY: Duration = Duration::from_secs(2);

/// When a doubt is looked at, counted from its last failure.
pub const LOOKS: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(600)];

/// Rows of one table that a lost request touched.
#[derive(Debug)]
struct Doubt {
    target: &'static Target,
    times: (i64, i64),
    since: Instant,
    looks: usize,
}

/// All of them.
#[derive(Debug)]
pub struct Doubts {
    open: Vec<Doubt>,
    looks: Vec<Duration>,
}

impl Doubts {
    /// None yet; these are the times at which each is looked at.
    pub fn new(looks: &[Duration]) -> Self {
        Self { open: Vec::new(), looks: looks.to_vec() }
    }

    /// A request was lost.
    pub fn add(&mut self, target: &'static Target, range: &Range) {
        if range.from_time > range.to_time {
            return;
        }
        let (times, since) = ((range.from_time, range.to_time), Instant::now());
        match self.open.iter_mut().find(|doubt| doubt.target.name == target.name) {
            Some(doubt) => {
                doubt.times = (doubt.times.0.min(times.0), doubt.times.1.max(times.1));
                (doubt.since, doubt.looks) = (since, 0);
            }
            None => self.open.push(Doubt { target, times, since, looks: 0 }),
        }
    }

    /// Compares what is due, or all of it when `all` says so, and has sent again what differs.
    ///
    /// # Errors
    /// When either side cannot be read.
    pub fn settle(&mut self, source: &mut Source, server: &Server, all: bool) -> Result<(), QuestDbError> {
        for doubt in &mut self.open {
            let due = self.looks.get(doubt.looks).is_none_or(|after| doubt.since.elapsed() >= *after);
            // What is not sent yet differs for that reason.
            if !(due || all) || source.unsent_between(doubt.target, doubt.times)? > 0 {
                continue;
            }
            if !verify::wait_applied(server, doubt.target, APPLY)? {
                continue;
            }
            if verify::agree(source, server, doubt.target, doubt.times)? {
                doubt.looks = doubt.looks.saturating_add(1);
            } else {
                source.resend_range(doubt.target, doubt.times.0, doubt.times.1)?;
                (doubt.since, doubt.looks) = (Instant::now(), 0);
            }
        }
        let looks = self.looks.len();
        self.open.retain(|doubt| doubt.looks < looks);
        Ok(())
    }
}
