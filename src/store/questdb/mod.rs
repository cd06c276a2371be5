//! QuestDB as a sink: the projections, drained into a server for analysis.
//!
//! At least once, and with deduplication keys and whole rows that is exactly once: every failure
//! counts as "perhaps stored" and is sent again, and a row that is there already replaces itself.
//! What is not sent stays marked in the projections. Trading waits for none of this.

mod conf;
mod deliver;
mod doubt;
mod drain;
mod encode;
mod error;
mod migrations;
mod pace;
mod past;
mod retention;
mod schema;
mod sender;
mod server;
mod source;
mod tables;
mod verify;

pub use conf::{Access, Conf, ConfError};
pub use drain::{Drain, DrainOptions, suspended, tables};
pub use encode::rounded;
pub use error::QuestDbError;
pub use migrations::{Applied, MIGRATIONS, Migration, ensure, migrate, status};
pub use past::PastOfQuestDb;
pub use retention::first_day_kept;
pub use schema::check;
pub use server::{About, Answer, Server, quoted};
pub use source::{DeadLetter, Lag, Source};
pub use tables::{Column, Kind, TARGETS, Target};
pub use verify::{Comparison, Difference, Tally, compare, wait_applied};
