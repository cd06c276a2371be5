//! Orders and fills.

use std::sync::OnceLock;

use rusqlite::types::Value;

use super::table::{Sent, Table, exact, maybe, maybe_exact, maybe_number, maybe_time, number, text, time, word};
use crate::model::{Effect, Fill, Order, OrderState, SessionState};

/// One row for each order, as it is now.
pub static ORDERS: Table = Table {
    name: "orders",
    key: &["order_no"],
    columns: &[
        ("order_no", "INTEGER NOT NULL"),
        ("session_id", "TEXT"),
        ("client_order_id", "TEXT NOT NULL"),
        ("exchange_order_id", "TEXT"),
        ("signal_id", "TEXT"),
        ("strategy", "TEXT NOT NULL"),
        ("symbol", "TEXT NOT NULL"),
        ("side", "TEXT NOT NULL"),
        ("position_side", "TEXT NOT NULL"),
        ("reduce_only", "INTEGER NOT NULL"),
        ("purpose", "TEXT NOT NULL"),
        ("order_type", "TEXT NOT NULL"),
        ("quantity", "TEXT NOT NULL"),
        ("contracts", "TEXT NOT NULL"),
        ("requested_price", "TEXT"),
        ("decision_price", "TEXT"),
        ("stop_loss", "TEXT"),
        ("take_profit", "TEXT"),
        ("leverage", "INTEGER NOT NULL"),
        ("status", "TEXT NOT NULL"),
        ("filled_quantity", "TEXT NOT NULL"),
        ("filled_contracts", "TEXT NOT NULL"),
        ("average_fill_price", "TEXT"),
        ("slippage_pct", "TEXT"),
        ("commission", "TEXT"),
        ("commission_complete", "INTEGER NOT NULL"),
        ("attempts", "INTEGER NOT NULL"),
        ("cancel_wanted_by", "TEXT"),
        ("error_message", "TEXT"),
        ("created_at", "INTEGER NOT NULL"),
        ("accepted_at", "INTEGER"),
        ("updated_at", "INTEGER NOT NULL"),
        ("filled_at", "INTEGER"),
        ("ended_at", "INTEGER"),
    ],
    sent: Sent::ByRow,
    insert: OnceLock::new(),
};

/// One row for each fill.
pub static FILLS: Table = Table {
    name: "fills",
    key: &["fill_id"],
    columns: &[
        ("fill_id", "TEXT NOT NULL"),
        ("session_id", "TEXT"),
        ("order_no", "INTEGER"),
        ("exchange_order_id", "TEXT"),
        ("position_id", "INTEGER"),
        ("symbol", "TEXT NOT NULL"),
        ("side", "TEXT NOT NULL"),
        ("position_side", "TEXT NOT NULL"),
        ("opens", "INTEGER NOT NULL"),
        ("quantity", "TEXT NOT NULL"),
        ("contracts", "TEXT NOT NULL"),
        ("price", "TEXT NOT NULL"),
        ("fee", "TEXT"),
        ("realized_pnl", "TEXT"),
        ("taker", "INTEGER"),
        ("category", "TEXT NOT NULL"),
        ("filled_at", "INTEGER NOT NULL"),
    ],
    sent: Sent::Never,
    insert: OnceLock::new(),
};

/// The id of the session, for every row that has one.
pub fn session(state: &SessionState) -> Value {
    maybe(state.info.as_ref().map(|info| &info.id))
}

/// The row of an order.
pub fn order_row(order: &Order, state: &SessionState) -> Vec<Value> {
    // A fee that the exchange did not name is unknown, not zero.
    let commission = (!order.fees_incomplete || !order.fees.is_zero()).then_some(order.fees);
    vec![
        number(order.no.0),
        session(state),
        text(&order.client_id),
        maybe(order.venue_id.as_ref()),
        maybe(order.signal_id.as_ref()),
        text(&order.strategy),
        text(&order.symbol),
        text(order.intent.order_word()),
        text(order.intent.side),
        number(order.reduces()),
        word(&order.purpose),
        text(order.order_type.word()),
        exact(order.quantity),
        exact(order.contracts),
        maybe_exact(order.order_type.limit()),
        maybe_exact(order.decision_price),
        maybe_exact(order.stop_loss),
        maybe_exact(order.take_profit),
        number(order.leverage),
        text(order.state.word()),
        exact(order.filled),
        exact(order.filled_contracts),
        maybe_exact(order.average_price()),
        maybe_exact(order.slippage_pct()),
        maybe_exact(commission),
        number(!order.fees_incomplete),
        number(order.attempts),
        maybe(order.cancel.as_ref().map(|cancel| &cancel.by)),
        maybe(order.note.as_ref()),
        time(order.created_at),
        maybe_time(order.accepted_at),
        time(order.updated_at),
        maybe_time(order.ended_at.filter(|_| order.state == OrderState::Filled)),
        maybe_time(order.ended_at),
    ]
}

/// The row of a fill.
pub fn fill_row(fill: &Fill, state: &SessionState) -> Vec<Value> {
    vec![
        text(&fill.id),
        session(state),
        maybe_number(fill.order.map(|order| order.0)),
        maybe(fill.venue_order.as_ref()),
        maybe_number(fill.position.map(|position| position.0)),
        text(&fill.symbol),
        text(fill.intent.order_word()),
        text(fill.intent.side),
        number(fill.intent.effect == Effect::Open),
        exact(fill.quantity),
        exact(fill.contracts),
        exact(fill.price),
        maybe_exact(fill.fee),
        maybe_exact(fill.realised),
        maybe_number(fill.taker),
        word(&fill.category),
        time(fill.at),
    ]
}
