//! What people query: projections of the journal's facts. Trading never waits for them.

mod error;
mod sqlite;

pub use error::StoreError;
pub use sqlite::{Projections, Projector, ProjectorStatus, TABLES, Table, rebuild, record_of};
