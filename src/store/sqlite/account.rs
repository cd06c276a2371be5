//! The money of the account over time.

use std::sync::OnceLock;

use rusqlite::types::Value;

use super::orders::session;
use super::table::{Sent, Table, exact, maybe_exact, number, time};
use crate::model::{Account, SessionState, SessionTime, Usdt};

/// One row for each time that the exchange told of the account.
pub static ACCOUNT_SNAPSHOTS: Table = Table {
    name: "account_snapshots",
    key: &["snapshot_no"],
    columns: &[
        ("snapshot_no", "INTEGER NOT NULL"),
        ("session_id", "TEXT"),
        ("equity", "TEXT NOT NULL"),
        ("wallet", "TEXT NOT NULL"),
        ("available", "TEXT NOT NULL"),
        ("position_margin", "TEXT NOT NULL"),
        ("order_margin", "TEXT NOT NULL"),
        ("peak_equity", "TEXT"),
        ("created_at", "INTEGER NOT NULL"),
    ],
    sent: Sent::ByCursor,
    insert: OnceLock::new(),
};

/// The row of a snapshot; its number is that of the fact.
pub fn account_row(seq: u64, account: &Account, equity: Usdt, at: SessionTime, state: &SessionState) -> Vec<Value> {
    vec![
        number(seq),
        session(state),
        exact(equity),
        exact(account.wallet),
        exact(account.available),
        exact(account.position_margin),
        exact(account.order_margin),
        maybe_exact(state.equity.peak),
        time(at),
    ]
}
