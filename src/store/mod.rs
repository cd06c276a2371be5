//! What people query: projections of the journal's facts. Trading never waits for them.

mod error;
mod past_sql;
pub mod questdb;
mod sqlite;

pub use error::StoreError;
pub use sqlite::{
    PastOfSqlite, Projections, Projector, ProjectorStatus, Rebuilt, Sent, TABLES, Table, rebuild, record_of, witness,
};
