//! What is said outside the screen: title, bell, notifications. Critical alerts only.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Effect;
use crate::model::{AlertId, AlertKind, Severity, escape_controls};
use crate::tui::model::{BannerItem, Model, Notice, Pane, RowId};

/// Time between rings while a critical alert is not acknowledged.
const RING_EVERY: Duration = Duration::from_secs(30);
/// When an alert that nobody acknowledged is told to the operator's command a second time.
const ESCALATE_AFTER: Duration = Duration::from_mins(1);

/// A notification; control characters are escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// `LIQUIDATION BTC_USDT`.
    pub title: String,
    /// The message.
    pub body: String,
    /// `raised` or `escalated`.
    pub stage: &'static str,
}

/// What has been said.
#[derive(Clone, Debug, Default)]
pub struct Outward {
    told: BTreeMap<AlertId, Told>,
    told_local: u64,
    last_ring: Option<Duration>,
    title: String,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    kind: AlertKind,
    at: Duration,
    escalated: bool,
}

/// Says what has to be said.
pub fn speak(model: &mut Model, effects: &mut Vec<Effect>) {
    news(model, effects);
    let now = model.now.real;
    let critical = model.banner.severity(&model.state) == Some(Severity::Critical);
    let due = model.outward.last_ring.is_none_or(|last| now.saturating_sub(last) >= RING_EVERY);
    if critical && due && model.outward.last_ring.is_some() {
        model.outward.last_ring = Some(now);
        if model.setup.dashboard.bell
            && let Some(notification) = head(model)
        {
            effects.push(Effect::Ring(notification));
        }
    }
    if !critical {
        model.outward.last_ring = None;
    }
    let title = title(model);
    if title != model.outward.title {
        model.outward.title.clone_from(&title);
        effects.push(Effect::Title(title));
    }
}

/// New critical alerts, and those that became something worse.
fn news(model: &mut Model, effects: &mut Vec<Effect>) {
    let now = model.now.real;
    let mut fresh: Vec<(AlertId, AlertKind, Notification)> = Vec::new();
    let mut liquidation = None;
    for alert in model.state.alerts.unacknowledged().filter(|alert| alert.severity == Severity::Critical) {
        match model.outward.told.get_mut(&alert.id) {
            Some(told) if told.kind == alert.key.kind => {
                if !told.escalated && now.saturating_sub(told.at) >= ESCALATE_AFTER {
                    told.escalated = true;
                    effects.push(Effect::Notify(notification(alert, "escalated")));
                }
            }
            _ => {
                if alert.is_liquidation() {
                    liquidation = Some(alert.id);
                }
                fresh.push((alert.id, alert.key.kind, notification(alert, "raised")));
            }
        }
    }
    let local = model.banner.local.last().filter(|alert| alert.severity == Severity::Critical && !alert.seen);
    let local = local.filter(|alert| alert.id > model.outward.told_local).map(|alert| {
        let body = escape_controls(&alert.message).into_owned();
        (alert.id, Notification { title: "perpdeck".to_owned(), body, stage: "raised" })
    });
    if let Some((id, notification)) = local {
        model.outward.told_local = id;
        announce(model, vec![notification], effects);
    }
    if fresh.is_empty() {
        return;
    }
    let notifications = fresh.iter().map(|(_, _, notification)| notification.clone()).collect();
    for (id, kind, _) in fresh {
        model.outward.told.insert(id, Told { kind, at: now, escalated: false });
    }
    let kept = &model.state.alerts;
    model.outward.told.retain(|id, _| kept.get(*id).is_some_and(crate::model::Alert::is_unacknowledged));
    announce(model, notifications, effects);
    if let Some(id) = liquidation {
        model.table_mut(Pane::Alerts).choose(RowId::Alert(id));
        model.reorder();
    }
}

fn announce(model: &mut Model, notifications: Vec<Notification>, effects: &mut Vec<Effect>) {
    if model.frozen.take().is_some() {
        model.reorder();
        model.notice = Some(Notice::new("unfrozen by a critical alert", Severity::Warning, model.now.real));
    }
    model.outward.last_ring = Some(model.now.real);
    // One ring for all that came at once, and the first of them on the terminal.
    if model.setup.dashboard.bell
        && let Some(first) = notifications.first()
    {
        effects.push(Effect::Ring(first.clone()));
    }
    effects.extend(notifications.into_iter().map(Effect::Notify));
}

fn notification(alert: &crate::model::Alert, stage: &'static str) -> Notification {
    let word = if alert.is_liquidation() { "LIQUIDATION".to_owned() } else { alert.key.kind.word() };
    let symbol = alert.symbol.as_ref().map(|symbol| format!(" {symbol}")).unwrap_or_default();
    Notification { title: format!("{word}{symbol}"), body: escape_controls(&alert.message).into_owned(), stage }
}

fn head(model: &Model) -> Option<Notification> {
    match model.banner.head? {
        BannerItem::Session(id) => model.state.alerts.get(id).map(|alert| notification(alert, "raised")),
        BannerItem::Local(id) => model.banner.local(id).map(|alert| Notification {
            title: "perpdeck".to_owned(),
            body: escape_controls(&alert.message).into_owned(),
            stage: "raised",
        }),
    }
}

fn title(model: &Model) -> String {
    if model.banner.severity(&model.state) == Some(Severity::Critical) {
        let liquidation = match model.banner.head {
            Some(BannerItem::Session(id)) => model.state.alerts.get(id).filter(|alert| alert.is_liquidation()),
            _ => None,
        };
        return match liquidation.and_then(|alert| alert.symbol.as_ref()) {
            Some(symbol) => format!("!! LIQ {symbol}"),
            None => format!("!! {} critical - perpdeck", model.banner.total),
        };
    }
    let state = &model.state;
    let environment = state.info.as_ref().map_or("", |info| info.environment.word());
    let word = if model.ended { "ended" } else { state.control.word() };
    format!("perpdeck {environment} {word}")
}
