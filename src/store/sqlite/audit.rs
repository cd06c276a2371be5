//! Signals, alerts and commands.

use std::sync::OnceLock;

use rusqlite::types::Value;

use super::orders::session;
use super::table::{Sent, Table, exact, maybe, maybe_exact, maybe_number, maybe_time, number, text, time, word};
use crate::model::{
    Alert, Amount, Command, CommandStatus, OrderNo, Price, RawSignal, SessionState, SessionTime, Signal, SignalOutcome,
};

/// One row for each signal that came in; its number is that of the fact.
pub static SIGNALS: Table = Table {
    name: "signals",
    key: &["signal_no"],
    columns: &[
        ("signal_no", "INTEGER NOT NULL"),
        ("session_id", "TEXT"),
        ("signal_id", "TEXT NOT NULL"),
        ("signal_type", "TEXT NOT NULL"),
        ("strategy", "TEXT"),
        ("symbol", "TEXT NOT NULL"),
        ("side", "TEXT"),
        ("quantity", "TEXT"),
        ("price", "TEXT"),
        ("stop_loss", "TEXT"),
        ("take_profit", "TEXT"),
        ("confidence", "TEXT"),
        ("market_price", "TEXT"),
        ("risk_score", "INTEGER"),
        ("outcome", "TEXT NOT NULL"),
        ("order_no", "INTEGER"),
        ("client_order_id", "TEXT"),
        ("reason", "TEXT"),
        ("failed_checks", "TEXT"),
        ("indicator_values", "TEXT NOT NULL"),
        ("made_at", "INTEGER"),
        ("created_at", "INTEGER NOT NULL"),
    ],
    sent: Sent::ByCursor,
    insert: OnceLock::new(),
};

/// One row for each alert, as it is now.
pub static ALERTS: Table = Table {
    name: "alerts",
    key: &["alert_id"],
    columns: &[
        ("alert_id", "INTEGER NOT NULL"),
        ("session_id", "TEXT"),
        ("alert_type", "TEXT NOT NULL"),
        ("subject", "TEXT NOT NULL"),
        ("severity", "TEXT NOT NULL"),
        ("symbol", "TEXT"),
        ("position_id", "INTEGER"),
        ("message", "TEXT NOT NULL"),
        ("details", "TEXT NOT NULL"),
        ("raised", "INTEGER NOT NULL"),
        ("raised_at", "INTEGER NOT NULL"),
        ("updated_at", "INTEGER NOT NULL"),
        ("cleared_at", "INTEGER"),
        ("acknowledged_by", "TEXT"),
        ("acknowledged_at", "INTEGER"),
    ],
    sent: Sent::ByRow,
    insert: OnceLock::new(),
};

/// One row for each command of an operator, as it is now.
pub static COMMANDS: Table = Table {
    name: "commands",
    key: &["command_id"],
    columns: &[
        ("command_id", "TEXT NOT NULL"),
        ("session_id", "TEXT"),
        ("asked_by", "TEXT NOT NULL"),
        ("summary", "TEXT NOT NULL"),
        ("action", "TEXT NOT NULL"),
        ("status", "TEXT NOT NULL"),
        ("note", "TEXT"),
        ("created_at", "INTEGER NOT NULL"),
        ("updated_at", "INTEGER NOT NULL"),
    ],
    sent: Sent::Never,
    insert: OnceLock::new(),
};

/// How a signal was decided.
pub struct Decision<'a> {
    /// What became of it.
    pub outcome: &'a SignalOutcome,
    /// The risk score of the gate.
    pub risk_score: Option<u32>,
    /// The mark price that the decision used.
    pub price: Option<Price>,
}

/// The row of a signal that was understood.
pub fn signal_row(
    seq: u64,
    signal: &Signal,
    decision: &Decision<'_>,
    at: SessionTime,
    state: &SessionState,
) -> Vec<Value> {
    let (outcome, order, reason, checks) = match decision.outcome {
        SignalOutcome::Ordered { order } => ("ordered", Some(order.0), None, Value::Null),
        SignalOutcome::Cancelling { order } => ("cancelling", Some(order.0), None, Value::Null),
        SignalOutcome::Closing { .. } => ("closing", None, None, Value::Null),
        SignalOutcome::Recorded => ("recorded", None, None, Value::Null),
        SignalOutcome::Rejected { reason, failed_checks } => ("rejected", None, Some(reason), word(failed_checks)),
    };
    let quantity = match signal.amount {
        Amount::Quantity(quantity) => exact(quantity),
        Amount::SharePct(share) => text(format!("{}%", share.normalize())),
        Amount::All => Value::Null,
    };
    vec![
        number(seq),
        session(state),
        text(&signal.id),
        text(signal.kind.code()),
        text(&signal.strategy),
        text(&signal.symbol),
        maybe(signal.side),
        quantity,
        maybe_exact(signal.price),
        maybe_exact(signal.stop_loss),
        maybe_exact(signal.take_profit),
        maybe_exact(signal.confidence),
        maybe_exact(decision.price),
        maybe_number(decision.risk_score),
        text(outcome),
        maybe_number(order),
        maybe(order.and_then(|no| state.client_id_of(OrderNo(no)))),
        maybe(reason),
        checks,
        word(&signal.indicator_values),
        time(signal.made_at),
        time(at),
    ]
}

/// The row of a signal that was not understood.
pub fn refused_row(seq: u64, raw: &RawSignal, reason: &str, at: SessionTime, state: &SessionState) -> Vec<Value> {
    vec![
        number(seq),
        session(state),
        text(&raw.signal_id),
        text(&raw.signal_type),
        maybe(raw.strategy.as_ref()),
        text(&raw.symbol),
        text(&raw.side),
        maybe(raw.quantity.as_ref()),
        maybe(raw.price.as_ref()),
        maybe(raw.stop_loss.as_ref()),
        maybe(raw.take_profit.as_ref()),
        maybe(raw.confidence.as_ref()),
        Value::Null,
        Value::Null,
        text("refused"),
        Value::Null,
        Value::Null,
        text(reason),
        Value::Null,
        word(&raw.indicator_values),
        maybe_time(raw.timestamp.map(SessionTime::from_millis)),
        time(at),
    ]
}

/// The row of an alert.
pub fn alert_row(alert: &Alert, state: &SessionState) -> Vec<Value> {
    vec![
        number(alert.id.0),
        session(state),
        text(alert.key.kind.word()),
        text(&alert.key.subject),
        text(alert.severity.word()),
        maybe(alert.symbol.as_ref()),
        maybe_number(alert.position.map(|position| position.0)),
        text(&alert.message),
        word(&alert.details),
        number(alert.count),
        time(alert.raised_at),
        time(alert.updated_at),
        maybe_time(alert.cleared_at),
        maybe(alert.acknowledged.as_ref().map(|by| &by.by)),
        maybe_time(alert.acknowledged.as_ref().map(|by| by.at)),
    ]
}

/// The row of a command.
pub fn command_row(
    command: &Command,
    status: &CommandStatus,
    created: SessionTime,
    at: SessionTime,
    state: &SessionState,
) -> Vec<Value> {
    let (status, note) = match status {
        CommandStatus::Accepted => ("accepted", None),
        CommandStatus::Working { step } => ("working", Some(step)),
        CommandStatus::Done { note } => ("done", Some(note)),
        CommandStatus::Rejected { why } => ("rejected", Some(why)),
        CommandStatus::Unknown { why } => ("unknown", Some(why)),
    };
    vec![
        text(&command.id),
        session(state),
        text(&command.by),
        text(command.action.summary()),
        word(&command.action),
        text(status),
        maybe(note),
        time(created),
        time(at),
    ]
}
