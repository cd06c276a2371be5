//! The banner: the oldest critical alert that nobody has acknowledged. A new one never takes the
//! place of the one that is being read, except that a liquidation replaces a lesser one; then the
//! acknowledge key is deaf for a moment.

use std::time::Duration;

use crate::model::{Alert, AlertId, SessionState, Severity};

/// How long the acknowledge key is deaf after a liquidation took the banner.
pub const DEAF: Duration = Duration::from_millis(500);
/// How long it is deaf when the next one moves up.
const DEAF_NEXT: Duration = Duration::from_millis(300);
/// Local alerts that are kept.
const KEPT: usize = 20;

/// What the banner shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BannerItem {
    /// An alert of the session.
    Session(AlertId),
    /// An alert of this dashboard: it can say what the session cannot, that it is not heard.
    Local(u64),
}

/// An alert of this dashboard alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAlert {
    /// Its number.
    pub id: u64,
    /// What makes it the same alert.
    pub key: String,
    /// How bad.
    pub severity: Severity,
    /// For people.
    pub message: String,
    /// When it was raised, in real time.
    pub raised: Duration,
    /// When it was raised, in the session's time.
    pub at: crate::model::SessionTime,
    /// Whether somebody has seen it.
    pub seen: bool,
}

/// The banner.
#[derive(Clone, Debug, Default)]
pub struct Banner {
    /// What it shows.
    pub head: Option<BannerItem>,
    /// Since when.
    pub since: Duration,
    /// Until when the acknowledge key does nothing.
    pub deaf_until: Duration,
    /// How many there are in all, of the head's severity.
    pub total: usize,
    /// Alerts of this dashboard, oldest first.
    pub local: Vec<LocalAlert>,
    last_local: u64,
}

impl Banner {
    /// Raises an alert of this dashboard, or words it anew when it stands.
    pub fn raise(&mut self, key: &str, severity: Severity, message: String, now: crate::tui::model::Now) {
        if let Some(alert) = self.local.iter_mut().find(|alert| alert.key == key && !alert.seen) {
            alert.message = message;
            return;
        }
        self.last_local = self.last_local.saturating_add(1);
        self.local.push(LocalAlert {
            id: self.last_local,
            key: key.to_owned(),
            severity,
            message,
            raised: now.real,
            at: now.session,
            seen: false,
        });
        if self.local.len() > KEPT {
            self.local.remove(0);
        }
    }

    /// Takes alerts of this dashboard back whose reason is gone.
    pub fn withdraw(&mut self, key: &str) {
        self.local.retain(|alert| alert.key != key);
    }

    /// An alert of this dashboard.
    pub fn local(&self, id: u64) -> Option<&LocalAlert> {
        self.local.iter().find(|alert| alert.id == id)
    }

    /// How bad the head is.
    pub fn severity(&self, state: &SessionState) -> Option<Severity> {
        match self.head? {
            BannerItem::Session(id) => state.alerts.get(id).map(|alert| alert.severity),
            BannerItem::Local(id) => self.local(id).map(|alert| alert.severity),
        }
    }

    /// Decides what the banner shows.
    pub fn settle(&mut self, state: &SessionState, now: Duration) {
        let mut open: Vec<(Severity, bool, BannerItem)> = state
            .alerts
            .unacknowledged()
            .filter(|alert| alert.severity > Severity::Info)
            .map(|alert| (alert.severity, is_liquidation(alert), BannerItem::Session(alert.id)))
            .collect();
        open.extend(
            self.local
                .iter()
                .filter(|alert| !alert.seen)
                .map(|alert| (alert.severity, false, BannerItem::Local(alert.id))),
        );
        let worst = open.iter().map(|(severity, _, _)| *severity).max();
        open.retain(|(severity, _, _)| Some(*severity) == worst);
        self.total = open.len();
        let current = self.head.and_then(|head| open.iter().find(|(_, _, item)| *item == head)).copied();
        let liquidation = open.iter().find(|(_, liquidation, _)| *liquidation).copied();
        let next = match (current, liquidation) {
            (Some((_, false, _)), Some(liquidation)) => Some(liquidation),
            (Some(current), _) => Some(current),
            (None, liquidation) => liquidation.or_else(|| open.first().copied()),
        };
        let head = next.map(|(_, _, item)| item);
        if head == self.head {
            return;
        }
        let took_over = self.head.is_some() && next.is_some_and(|(severity, _, _)| severity == Severity::Critical);
        let seized = took_over && next.is_some_and(|(_, liquidation, _)| liquidation);
        if seized {
            self.deaf_until = now.saturating_add(DEAF);
        } else if took_over {
            self.deaf_until = now.saturating_add(DEAF_NEXT);
        }
        self.head = head;
        self.since = now;
    }
}

fn is_liquidation(alert: &Alert) -> bool {
    alert.is_liquidation() && alert.severity == Severity::Critical
}
