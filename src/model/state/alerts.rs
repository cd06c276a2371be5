//! Alerts: bounded, and never pushed out by lesser ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Acknowledgement, Alert, AlertId, AlertKey, Event, SessionTime, Severity};

/// Alerts that are kept.
pub const KEPT_ALERTS: usize = 1000;

/// The alerts of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alerts {
    by_id: BTreeMap<AlertId, Alert>,
    last_id: u64,
}

impl Alerts {
    /// An alert by its id.
    pub fn get(&self, id: AlertId) -> Option<&Alert> {
        self.by_id.get(&id)
    }

    /// All alerts that are kept, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Alert> {
        self.by_id.values()
    }

    /// The standing alert with this key: active, or not yet acknowledged.
    pub fn standing(&self, key: &AlertKey) -> Option<&Alert> {
        self.by_id.values().rev().find(|alert| alert.key == *key && (alert.is_active() || alert.is_unacknowledged()))
    }

    /// The active alert with this key.
    pub fn active(&self, key: &AlertKey) -> Option<&Alert> {
        self.by_id.values().rev().find(|alert| alert.key == *key && alert.is_active())
    }

    /// Alerts that nobody has seen, oldest first.
    pub fn unacknowledged(&self) -> impl DoubleEndedIterator<Item = &Alert> {
        self.by_id.values().filter(|alert| alert.is_unacknowledged())
    }

    /// The id that the next alert gets.
    pub const fn next_id(&self) -> AlertId {
        AlertId(self.last_id.saturating_add(1))
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Alert> {
        self.by_id.values_mut()
    }

    pub(super) fn apply(&mut self, at: SessionTime, event: &Event) {
        match event {
            Event::AlertRaised { alert } => {
                self.last_id = self.last_id.max(alert.id.0);
                self.by_id.insert(alert.id, (**alert).clone());
                self.make_room();
            }
            Event::AlertRepeated { id, message, holds, details } => {
                if let Some(alert) = self.by_id.get_mut(id) {
                    alert.count = alert.count.saturating_add(1);
                    alert.message.clone_from(message);
                    alert.updated_at = at;
                    if !details.is_empty() {
                        alert.details.clone_from(details);
                    }
                    if *holds {
                        alert.cleared_at = None;
                    }
                }
            }
            Event::AlertChanged { id, key, severity, message, details } => {
                if let Some(alert) = self.by_id.get_mut(id) {
                    // Worse than what was acknowledged: it has to be seen again.
                    if *severity > alert.severity {
                        alert.acknowledged = None;
                    }
                    alert.key = key.clone();
                    alert.severity = *severity;
                    alert.message.clone_from(message);
                    alert.details.clone_from(details);
                    alert.updated_at = at;
                }
            }
            Event::AlertCleared { id } => {
                if let Some(alert) = self.by_id.get_mut(id) {
                    alert.cleared_at = Some(at);
                }
            }
            Event::AlertsAcknowledged { ids, by } => {
                for id in ids {
                    if let Some(alert) = self.by_id.get_mut(id)
                        && alert.acknowledged.is_none()
                    {
                        alert.acknowledged = Some(Acknowledgement { by: by.clone(), at });
                    }
                }
            }
            _ => {}
        }
    }

    /// Drops the oldest of the least severe that can be dropped: seen or merely informative first,
    /// and never a CRITICAL that holds or that nobody has seen.
    fn make_room(&mut self) {
        while self.by_id.len() > KEPT_ALERTS {
            let rank = |alert: &&Alert| {
                let open = alert.is_active() || alert.is_unacknowledged();
                (alert.severity > Severity::Info && open, alert.severity, alert.id)
            };
            let Some(victim) = self.by_id.values().min_by_key(rank) else { return };
            if victim.severity == Severity::Critical && (victim.is_active() || victim.is_unacknowledged()) {
                return;
            }
            let victim = victim.id;
            self.by_id.remove(&victim);
        }
    }
}
