//! Positions, told to the outside. What is not known is null, never zero.

use super::line::Line;
use crate::model::{CloseCause, ClosedPosition, Event, Fill, Position, PositionId, Record, SessionState, Usdt};

/// The position that an event is about to end.
pub fn leaving(state: &SessionState, event: &Event) -> Option<Position> {
    match event {
        Event::PositionClosed { id, .. } => state.positions.by_id(*id).cloned(),
        _ => None,
    }
}

/// `position_updated`, and `position_closed` when it ends.
pub fn told(record: &Record, state: &SessionState, left: Option<&Position>) -> Vec<Line> {
    match &record.event {
        // The empty position before its first fill is not told: the fill that follows is.
        Event::PositionOpened { position } if position.contracts.is_positive() => {
            vec![updated(record, position, state, "opened")]
        }
        Event::PositionAdjusted { id, reason, .. } => open(state, *id)
            .map(|position| updated(record, position, state, "updated").with("reason", reason))
            .into_iter()
            .collect(),
        Event::PositionSnapshot { id, .. } => {
            open(state, *id).map(|position| updated(record, position, state, "updated")).into_iter().collect()
        }
        Event::PositionClosed { id, cause, .. } => {
            let mut lines = Vec::new();
            if let Some(position) = left {
                let status = if *cause == CloseCause::Liquidated { "liquidated" } else { "closed" };
                lines.push(updated(record, position, state, status));
            }
            let closed = state.positions.closed_by_id(*id);
            lines.extend(closed.map(|closed| closed_line("position_closed", record, closed, *cause)));
            lines
        }
        // A closing is told once; what is learnt of its cause later has a line of its own.
        Event::PositionExplained { id, cause, .. } => {
            let closed = state.positions.closed_by_id(*id);
            let settled = closed.filter(|closed| closed.evidence_syncs_left == 0 || *cause == CloseCause::Unexplained);
            settled.map(|closed| closed_line("position_explained", record, closed, *cause)).into_iter().collect()
        }
        Event::FundingSettled { id, funding } => {
            let closed = state.positions.closed_by_id(*id);
            closed.map(|closed| funding_line(record, closed, *funding)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// `position_updated` after a fill.
pub fn after_fill(record: &Record, fill: &Fill, state: &SessionState) -> Option<Line> {
    let position = open(state, fill.position?)?;
    let first = position.quantity == fill.quantity && !fill.intent.reduces();
    Some(updated(record, position, state, if first { "opened" } else { "updated" }))
}

fn open(state: &SessionState, id: PositionId) -> Option<&Position> {
    state.positions.by_id(id)
}

fn updated(record: &Record, position: &Position, state: &SessionState, status: &str) -> Line {
    let (mark, unrealised, ratio) =
        if let Event::PositionSnapshot { mark, unrealised, margin_ratio_pct, .. } = &record.event {
            (*mark, *unrealised, *margin_ratio_pct)
        } else {
            let mark = state.quote(&position.key.symbol).and_then(crate::model::Quote::risk_price);
            (mark, mark.and_then(|mark| position.unrealised(mark)), None)
        };
    Line::of("position_updated", record)
        .with("position_id", &position.id)
        .with("symbol", &position.key.symbol)
        .with("status", &status)
        .with("side", &position.key.side)
        .with("quantity", &position.quantity)
        .with("contracts", &position.contracts)
        .with("entry_price", &position.entry_price)
        .with("current_price", &mark)
        .with("unrealized_pnl", &unrealised)
        .with("margin_ratio", &ratio)
        .with("liquidation_price", &position.venue.liquidation_price)
        .with("leverage", &position.venue.leverage)
        .with("origin", &position.origin)
        .with("as_of", &state.venue_positions.get(&position.key).map(|view| view.as_of.millis()))
        .with("confirmed", &state.upkeep.is_confirmed(&position.key))
}

fn closed_line(name: &'static str, record: &Record, closed: &ClosedPosition, cause: CloseCause) -> Line {
    let taken = closed.taken.as_ref();
    Line::of(name, record)
        .with("position_id", &closed.id)
        .with("symbol", &closed.key.symbol)
        .with("side", &closed.key.side)
        .with("cause", &cause)
        .with("quantity", &closed.quantity)
        .with("entry_price", &closed.entry_price)
        .with("exit_price", &closed.exit_price)
        .with("realized_pnl", &closed.realised)
        .with("commission", &closed.fees)
        .with("funding", &closed.funding)
        .with("taken_quantity", &taken.map(|taken| taken.quantity))
        .with("taken_price", &taken.and_then(|taken| taken.price))
        .with("taken_pnl", &taken.and_then(|taken| taken.realised))
        .with("opened_at", &closed.opened_at.millis())
}

/// `funding_settled`: told after the position had ended.
fn funding_line(record: &Record, closed: &ClosedPosition, funding: Usdt) -> Line {
    Line::of("funding_settled", record)
        .with("position_id", &closed.id)
        .with("symbol", &closed.key.symbol)
        .with("side", &closed.key.side)
        .with("funding", &funding)
}
