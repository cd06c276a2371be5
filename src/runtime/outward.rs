//! Events as the outside sees them: one JSON object a line, with the names and fields that the
//! predecessor's consumers know, decimals as strings, and ids added. Each transition is told once.

mod line;
mod orders;
mod positions;

pub use line::Line;

use crate::model::{AlertId, Event, Record, SessionState, Severity};

/// Turns events into outward lines; folds the session for what an event alone does not say.
#[derive(Debug, Default)]
pub struct Outward {
    state: SessionState,
}

impl Outward {
    /// From a state on.
    pub fn new(state: SessionState) -> Self {
        Self { state }
    }

    /// The session as told so far.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// Replaces the state, after events were missed.
    pub fn reset(&mut self, state: SessionState) {
        self.state = state;
    }

    /// Applies an event of which nothing is told.
    pub fn follow(&mut self, record: &Record) {
        self.state.apply(record);
    }

    /// Applies an event and says what the outside is told of it.
    pub fn tell(&mut self, record: &Record) -> Vec<Line> {
        let order_before = record.event.order().and_then(|no| self.state.orders.get(no)).map(|order| order.state);
        let leaving = positions::leaving(&self.state, &record.event);
        self.state.apply(record);
        let mut lines = match &record.event {
            Event::OrderCreated { order } => vec![orders::created(record, order)],
            Event::OrderSent { no, .. }
            | Event::OrderAccepted { no, .. }
            | Event::OrderRetrying { no, .. }
            | Event::OrderReturned { no, .. }
            | Event::OrderLost { no, .. }
            | Event::OrderReported { no, .. }
            | Event::OrderSettled { no, .. }
            | Event::OrderCancelWanted { no, .. }
            | Event::OrderCancelSent { no, .. }
            | Event::OrderCancelFailed { no, .. }
            | Event::OrderCancelled { no, .. }
            | Event::OrderFailed { no, .. } => {
                self.state.orders.get(*no).map(|order| orders::moved(record, order, order_before)).into_iter().collect()
            }
            Event::Filled { fill } => {
                let order = fill.order.and_then(|no| self.state.orders.get(no));
                let mut lines = orders::filled(record, fill, order, order_before);
                lines.extend(positions::after_fill(record, fill, &self.state));
                lines
            }
            Event::PositionOpened { .. }
            | Event::PositionAdjusted { .. }
            | Event::PositionSnapshot { .. }
            | Event::PositionClosed { .. }
            | Event::FundingSettled { .. }
            | Event::PositionExplained { .. } => positions::told(record, &self.state, leaving.as_ref()),
            Event::SignalDecided { signal, outcome, risk_score, price } => {
                vec![
                    Line::of("signal_generated", record)
                        .with("signal_id", &signal.id)
                        .with("signal_type", &signal.kind)
                        .with("strategy_id", &signal.strategy)
                        .with("symbol", &signal.symbol)
                        .with("side", &signal.side)
                        .with("quantity", &signal.amount)
                        .with("price", &signal.price)
                        .with("stop_loss", &signal.stop_loss)
                        .with("take_profit", &signal.take_profit)
                        .with("made_at", &signal.made_at.millis())
                        .with("metadata", &signal.indicator_values)
                        .with("outcome", outcome)
                        .with("risk_score", risk_score)
                        .with("decision_price", price),
                ]
            }
            Event::AlertRaised { alert } => vec![self.alert(record, alert.id, "raised")],
            Event::AlertRepeated { id, .. } => vec![self.alert(record, *id, "repeated")],
            Event::AlertChanged { id, .. } => vec![self.alert(record, *id, "changed")],
            Event::AlertCleared { id } => vec![self.alert(record, *id, "cleared")],
            Event::OrderLeft { no, .. } => {
                self.state.orders.get(*no).map(|order| orders::moved(record, order, order_before)).into_iter().collect()
            }
            Event::Quoted { quote } => vec![
                Line::of("market_data", record)
                    .with("symbol", &quote.symbol)
                    .with("price", &quote.last)
                    .with("mark_price", &quote.mark)
                    .with("bid", &quote.bid)
                    .with("ask", &quote.ask)
                    .with("funding_rate", &quote.funding_rate),
            ],
            event if event.is_fact() => vec![Line::plain(record)],
            _ => Vec::new(),
        };
        if let Some(info) = &self.state.info {
            for line in &mut lines {
                line.add("session_id", &info.id);
            }
        }
        lines
    }

    fn alert(&self, record: &Record, id: AlertId, status: &str) -> Line {
        let line =
            Line::of("risk_alert", record).with("type", &"risk_alert").with("alert_id", &id).with("status", &status);
        match self.state.alerts.get(id) {
            Some(alert) => line
                .with("severity", &alert.severity)
                .with("alert_type", &alert.key.kind)
                .with("subject", &alert.key.subject)
                .with("symbol", &alert.symbol)
                .with("position_id", &alert.position)
                .with("message", &alert.message)
                .with("condition", &alert.standing())
                .with("count", &alert.count)
                .with("details", &alert.details),
            // Pushed out by newer ones; its end is told all the same.
            None => line.with("severity", &Severity::Info),
        }
    }
}

#[cfg(test)]
mod tests;
