//! Raising, worsening and clearing alerts: one for each thing, however often it is noticed.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::turn::Turn;
use crate::model::{Alert, AlertKey, AlertKind, Event, Position, PositionId, Severity, Symbol, escape_controls};

/// An alert to raise.
pub(super) struct NewAlert {
    key: AlertKey,
    severity: Severity,
    symbol: Option<Symbol>,
    position: Option<PositionId>,
    message: String,
    details: BTreeMap<String, String>,
    holds: bool,
}

impl NewAlert {
    /// Something that happened; it stands until it is acknowledged.
    pub fn happened(kind: AlertKind, subject: impl Display, severity: Severity, message: impl AsRef<str>) -> Self {
        Self {
            key: AlertKey { kind, subject: subject.to_string() },
            severity,
            symbol: None,
            position: None,
            message: escape_controls(message.as_ref()).into_owned(),
            details: BTreeMap::new(),
            holds: false,
        }
    }

    /// A condition that holds until it is cleared.
    pub fn holds(kind: AlertKind, subject: impl Display, severity: Severity, message: impl AsRef<str>) -> Self {
        Self { holds: true, ..Self::happened(kind, subject, severity, message) }
    }

    pub fn symbol(mut self, symbol: &Symbol) -> Self {
        self.symbol = Some(symbol.clone());
        self
    }

    pub fn position(mut self, position: &Position) -> Self {
        self.position = Some(position.id);
        self.symbol(&position.key.symbol)
            .detail("side", position.key.side)
            .detail("quantity", position.quantity)
            .maybe("entry_price", position.entry_price)
            .maybe("liquidation_price", position.venue.liquidation_price)
    }

    pub fn position_id(mut self, id: PositionId) -> Self {
        self.position = Some(id);
        self
    }

    pub fn detail(mut self, name: &str, value: impl Display) -> Self {
        self.details.insert(name.to_owned(), escape_controls(&value.to_string()).into_owned());
        self
    }

    pub fn details(&self) -> BTreeMap<String, String> {
        self.details.clone()
    }

    /// A number that may be unknown; unknown is left out, never zero.
    pub fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.detail(name, value),
            None => self,
        }
    }
}

/// Raises an alert, or counts it when the same one stands already.
pub(super) fn raise(turn: &mut Turn, alert: NewAlert) {
    let event = match turn.state().alerts.standing(&alert.key) {
        Some(standing) if alert.severity > standing.severity => {
            let (id, was_over) = (standing.id, !standing.is_active());
            turn.emit(Event::AlertChanged {
                id,
                key: alert.key,
                severity: alert.severity,
                message: alert.message.clone(),
                details: alert.details,
            });
            if !(alert.holds && was_over) {
                return;
            }
            // It had ended and nobody has seen it yet: now it holds again.
            Event::AlertRepeated { id, message: alert.message, holds: true, details: BTreeMap::new() }
        }
        Some(standing) => {
            Event::AlertRepeated { id: standing.id, message: alert.message, holds: alert.holds, details: alert.details }
        }
        None => Event::AlertRaised {
            alert: Box::new(Alert {
                id: turn.state().alerts.next_id(),
                key: alert.key,
                severity: alert.severity,
                symbol: alert.symbol,
                position: alert.position,
                message: alert.message,
                details: alert.details,
                raised_at: turn.now,
                updated_at: turn.now,
                count: 1,
                cleared_at: (!alert.holds).then_some(turn.now),
                acknowledged: None,
            }),
        },
    };
    turn.emit(event);
}

/// Turns the standing alert of one kind into another (evidence came in), or raises the new one.
pub(super) fn upgrade(turn: &mut Turn, from: &[AlertKind], alert: NewAlert) {
    if turn.state().alerts.standing(&alert.key).is_some() {
        return raise(turn, alert);
    }
    let is_old = |key: &AlertKey| from.contains(&key.kind) && key.subject == alert.key.subject;
    let known = turn.state().alerts.all().rev().find(|known| is_old(&known.key)).map(|known| known.id);
    match known {
        Some(id) => turn.emit(Event::AlertChanged {
            id,
            key: alert.key,
            severity: alert.severity,
            message: alert.message,
            details: alert.details,
        }),
        None => raise(turn, alert),
    }
}

/// The condition ended.
pub(super) fn clear(turn: &mut Turn, kind: AlertKind, subject: impl Display) {
    let key = AlertKey { kind, subject: subject.to_string() };
    if let Some(id) = turn.state().alerts.active(&key).map(|alert| alert.id) {
        turn.emit(Event::AlertCleared { id });
    }
}
