//! Positions as they are, and their course over time.

use std::sync::OnceLock;

use rusqlite::types::Value;

use super::orders::session;
use super::table::{Sent, Table, exact, maybe_exact, maybe_number, maybe_time, number, text, time, word};
use crate::model::{
    CloseCause, ClosedPosition, Decimal, Position, PositionKey, Price, SessionState, SessionTime, Usdt,
};

/// One row for each opening of a position, from flat to flat.
pub static POSITIONS: Table = Table {
    name: "positions",
    key: &["position_id"],
    columns: &[
        ("position_id", "INTEGER NOT NULL"),
        ("session_id", "TEXT"),
        ("symbol", "TEXT NOT NULL"),
        ("side", "TEXT NOT NULL"),
        ("status", "TEXT NOT NULL"),
        ("quantity", "TEXT NOT NULL"),
        ("entry_price", "TEXT"),
        ("exit_price", "TEXT"),
        ("liquidation_price", "TEXT"),
        ("leverage", "INTEGER"),
        ("margin", "TEXT"),
        ("funding", "TEXT"),
        ("realized_pnl", "TEXT"),
        ("fees", "TEXT NOT NULL"),
        ("stop_loss", "TEXT"),
        ("take_profit", "TEXT"),
        ("cause", "TEXT"),
        ("opened_at", "INTEGER NOT NULL"),
        ("updated_at", "INTEGER NOT NULL"),
        ("closed_at", "INTEGER"),
    ],
    sent: Sent::Never,
    insert: OnceLock::new(),
};

/// What a position was at each fact about it; of those with one time only the last is kept, and its
/// `rev` says so.
pub static POSITION_SNAPSHOTS: Table = Table {
    name: "position_snapshots",
    key: &["updated_at", "position_id"],
    columns: &[
        ("updated_at", "INTEGER NOT NULL"),
        ("position_id", "INTEGER NOT NULL"),
        ("session_id", "TEXT"),
        ("symbol", "TEXT NOT NULL"),
        ("side", "TEXT NOT NULL"),
        ("status", "TEXT NOT NULL"),
        ("quantity", "TEXT NOT NULL"),
        ("entry_price", "TEXT"),
        ("current_price", "TEXT"),
        ("liquidation_price", "TEXT"),
        ("leverage", "INTEGER"),
        ("margin", "TEXT"),
        ("margin_ratio_pct", "TEXT"),
        ("unrealized_pnl", "TEXT"),
        ("unrealized_pnl_pct", "TEXT"),
        ("realized_pnl", "TEXT"),
        ("opened_at", "INTEGER NOT NULL"),
        ("closed_at", "INTEGER"),
    ],
    sent: Sent::ByCursor,
    insert: OnceLock::new(),
};

/// The word of a position that is no more.
const fn closed_status(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::Liquidated => "liquidated",
        CloseCause::OwnExit | CloseCause::Outside | CloseCause::Adl | CloseCause::Unexplained => "closed",
    }
}

/// What a snapshot event knows beyond the position itself.
#[derive(Clone, Copy, Default)]
pub struct Figures {
    /// The mark price used.
    pub mark: Option<Price>,
    /// Unrealised profit at it.
    pub unrealised: Option<Usdt>,
    /// Margin ratio in percent.
    pub ratio: Option<Decimal>,
}

/// The row of an open position.
pub fn open_row(position: &Position, at: SessionTime, state: &SessionState) -> Vec<Value> {
    let mut row = head(position.id.0, &position.key, "open", state);
    row.extend([
        exact(position.quantity),
        maybe_exact(position.entry_price),
        Value::Null,
        maybe_exact(position.venue.liquidation_price),
        maybe_number(position.venue.leverage),
        maybe_exact(position.venue.margin),
        maybe_exact(position.venue.funding),
        exact(position.realised),
        exact(position.fees),
        maybe_exact(position.stop_loss),
        maybe_exact(position.take_profit),
        Value::Null,
        time(position.opened_at),
        time(at),
        Value::Null,
    ]);
    row
}

/// The row of a closed position; `last` is what it was before, when that is still known.
pub fn closed_row(
    closed: &ClosedPosition,
    last: Option<&Position>,
    at: SessionTime,
    state: &SessionState,
) -> Vec<Value> {
    let venue = last.map(|last| &last.venue);
    let mut row = head(closed.id.0, &closed.key, closed_status(closed.cause), state);
    row.extend([
        exact(closed.quantity),
        maybe_exact(closed.entry_price),
        maybe_exact(closed.exit_price),
        maybe_exact(closed.liquidation_price),
        maybe_number(venue.and_then(|venue| venue.leverage)),
        maybe_exact(venue.and_then(|venue| venue.margin)),
        maybe_exact(venue.and_then(|venue| venue.funding)),
        maybe_exact(closed.realised),
        exact(closed.fees),
        maybe_exact(last.and_then(|last| last.stop_loss)),
        maybe_exact(last.and_then(|last| last.take_profit)),
        word(&closed.cause),
        time(closed.opened_at),
        time(at),
        maybe_time(Some(closed.closed_at)),
    ]);
    row
}

/// A row of the course of an open position.
pub fn open_snapshot(
    position: &Position,
    status: &str,
    figures: Figures,
    at: SessionTime,
    state: &SessionState,
) -> Vec<Value> {
    let mut row = vec![time(at)];
    row.extend(head(position.id.0, &position.key, status, state));
    row.extend([
        exact(position.quantity),
        maybe_exact(position.entry_price),
        maybe_exact(figures.mark),
        maybe_exact(position.venue.liquidation_price),
        maybe_number(position.venue.leverage),
        maybe_exact(position.venue.margin),
        maybe_exact(figures.ratio),
        maybe_exact(figures.unrealised),
        maybe_exact(figures.mark.and_then(|mark| position.unrealised_pct(mark))),
        exact(position.realised),
        time(position.opened_at),
        Value::Null,
    ]);
    row
}

/// The last row of the course of a position.
pub fn closed_snapshot(closed: &ClosedPosition, at: SessionTime, state: &SessionState) -> Vec<Value> {
    let mut row = vec![time(at)];
    row.extend(head(closed.id.0, &closed.key, closed_status(closed.cause), state));
    row.extend([
        exact(closed.quantity),
        maybe_exact(closed.entry_price),
        maybe_exact(closed.exit_price),
        maybe_exact(closed.liquidation_price),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        maybe_exact(closed.realised),
        time(closed.opened_at),
        maybe_time(Some(closed.closed_at)),
    ]);
    row
}

fn head(id: u64, key: &PositionKey, status: &str, state: &SessionState) -> Vec<Value> {
    vec![number(id), session(state), text(&key.symbol), text(key.side), text(status)]
}
