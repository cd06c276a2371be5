//! Which rows a fact touches.

use rusqlite::Connection;

use super::account::{ACCOUNT_SNAPSHOTS, account_row};
use super::audit::{ALERTS, COMMANDS, Decision, SIGNALS, alert_row, command_row, refused_row, signal_row};
use super::orders::{FILLS, ORDERS, fill_row, order_row};
use super::positions::{Figures, POSITION_SNAPSHOTS, POSITIONS, closed_row, closed_snapshot, open_row, open_snapshot};
use crate::model::{AlertId, Event, OrderNo, Position, PositionId, Record, SessionState};

/// Applies a fact to the state and writes every row that it touches, whole.
///
/// # Errors
/// Of the database.
pub fn fold(to: &Connection, state: &mut SessionState, record: &Record) -> rusqlite::Result<()> {
    // What a position was before it ended: the state forgets it then.
    let ending = match &record.event {
        Event::PositionClosed { id, .. } => state.positions.by_id(*id).cloned(),
        _ => None,
    };
    state.apply(record);
    let rows = Rows { to, state, record };
    if let Some(no) = record.event.order() {
        rows.order(no)?;
    }
    match &record.event {
        Event::Filled { fill } => {
            FILLS.put(to, fill_row(fill, state), record.seq)?;
            fill.position.map_or(Ok(()), |id| rows.position(id, "updated", Figures::default()))
        }
        Event::PositionOpened { position } => rows.position(position.id, "opened", Figures::default()),
        Event::PositionAdjusted { id, .. } => rows.position(*id, "updated", Figures::default()),
        Event::PositionSnapshot { id, mark, unrealised, margin_ratio_pct, .. } => {
            let figures = Figures { mark: *mark, unrealised: *unrealised, ratio: *margin_ratio_pct };
            rows.position(*id, "updated", figures)
        }
        Event::PositionClosed { id, .. } => rows.closed(*id, ending.as_ref()),
        Event::PositionExplained { id, .. } => rows.explained(*id),
        Event::SignalDecided { signal, outcome, risk_score, price } => {
            let decision = Decision { outcome, risk_score: *risk_score, price: *price };
            SIGNALS.put(to, signal_row(record.seq, signal, &decision, record.at, state), record.seq)
        }
        Event::SignalRefused { raw, reason } => {
            SIGNALS.put(to, refused_row(record.seq, raw, reason, record.at, state), record.seq)
        }
        Event::AlertRaised { alert } => {
            // A full list may drop it at once; it was raised all the same.
            let alert = state.alerts.get(alert.id).unwrap_or(alert);
            ALERTS.put(to, alert_row(alert, state), record.seq)
        }
        Event::AlertRepeated { id, .. } | Event::AlertChanged { id, .. } | Event::AlertCleared { id } => {
            rows.alert(*id)
        }
        Event::AlertsAcknowledged { ids, .. } => ids.iter().try_for_each(|id| rows.alert(*id)),
        Event::AccountSnapshot { account, equity } => {
            ACCOUNT_SNAPSHOTS.put(to, account_row(record.seq, account, *equity, record.at, state), record.seq)
        }
        Event::CommandReceived { command } => rows.command(&command.id),
        Event::CommandMoved { id, .. } => rows.command(id),
        _ => Ok(()),
    }
}

struct Rows<'a> {
    to: &'a Connection,
    state: &'a SessionState,
    record: &'a Record,
}

impl Rows<'_> {
    fn order(&self, no: OrderNo) -> rusqlite::Result<()> {
        let Some(order) = self.state.orders.get(no) else { return Ok(()) };
        ORDERS.put(self.to, order_row(order, self.state), self.record.seq)
    }

    fn position(&self, id: PositionId, status: &str, figures: Figures) -> rusqlite::Result<()> {
        let Some(position) = self.state.positions.by_id(id) else { return Ok(()) };
        let Record { seq, at, .. } = *self.record;
        POSITIONS.put(self.to, open_row(position, at, self.state), seq)?;
        POSITION_SNAPSHOTS.put(self.to, open_snapshot(position, status, figures, at, self.state), seq)
    }

    fn closed(&self, id: PositionId, last: Option<&Position>) -> rusqlite::Result<()> {
        let Some(closed) = self.state.positions.closed_by_id(id) else { return Ok(()) };
        let Record { seq, at, .. } = *self.record;
        POSITIONS.put(self.to, closed_row(closed, last, at, self.state), seq)?;
        POSITION_SNAPSHOTS.put(self.to, closed_snapshot(closed, at, self.state), seq)
    }

    /// The cause became known later: only what it changes is written, the rest stays.
    fn explained(&self, id: PositionId) -> rusqlite::Result<()> {
        let Some(closed) = self.state.positions.closed_by_id(id) else { return Ok(()) };
        let Record { seq, at, .. } = *self.record;
        let row = closed_row(closed, None, at, self.state);
        let value = |name: &str| {
            let place = POSITIONS.columns.iter().position(|(column, _)| *column == name);
            place.and_then(|place| row.get(place)).cloned()
        };
        self.to
            .prepare_cached(
                "UPDATE positions SET status = ?1, cause = ?2, exit_price = ?3, updated_at = ?4, rev = ?5 \
                 WHERE position_id = ?6 AND rev <= ?5",
            )?
            .execute(rusqlite::params![
                value("status"),
                value("cause"),
                value("exit_price"),
                at.micros(),
                i64::try_from(seq).unwrap_or(i64::MAX),
                value("position_id"),
            ])?;
        POSITION_SNAPSHOTS.put(self.to, closed_snapshot(closed, at, self.state), seq)
    }

    fn alert(&self, id: AlertId) -> rusqlite::Result<()> {
        let Some(alert) = self.state.alerts.get(id) else { return Ok(()) };
        ALERTS.put(self.to, alert_row(alert, self.state), self.record.seq)
    }

    fn command(&self, id: &crate::model::CommandId) -> rusqlite::Result<()> {
        let Some(known) = self.state.command(id) else { return Ok(()) };
        let row = command_row(&known.command, &known.status, known.at, known.updated_at, self.state);
        COMMANDS.put(self.to, row, self.record.seq)
    }
}
