//! What people query: projections of the journal's facts. Trading never waits for them.

mod error;
mod past_sql;
mod sqlite;

pub use error::StoreError;
pub use sqlite::{PastOfSqlite, Projections, Projector, ProjectorStatus, TABLES, Table, rebuild, record_of};
