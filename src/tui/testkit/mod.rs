//! A stage for the dashboard: a session made of events, keys pressed at known times, frames drawn
//! into a buffer. For tests, screenshots and benchmarks.

mod about;
mod feed;
mod stage;

pub use feed::{Fact, Feed};
pub use stage::{START, Stage, lines, render_scene};
