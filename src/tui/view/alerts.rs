//! Alerts, newest first; equal ones folded into a line.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, Span};
use super::{alert_words, empty, joined, pane_frame, row_ground, severity_glyph, severity_role};
use crate::model::{Alert, SessionState, Severity, escape_controls};
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::{LocalAlert, Model, Pane, RowId};
use crate::tui::theme::Role;

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    let table = model.table(Pane::Alerts);
    let inner = pane_frame(model, Pane::Alerts, None, area, &facts(model, canvas), canvas);
    if table.rows.is_empty() {
        return empty(if table.filter.is_empty() { "no alerts" } else { "no alert passes the filter" }, inner, canvas);
    }
    for (i, row) in table.rows.iter().skip(table.offset).take(usize::from(inner.height)).enumerate() {
        let y = inner.y.saturating_add(u16::try_from(i).unwrap_or(u16::MAX));
        let line = Rect { y, height: 1, ..inner };
        let selected = table.selected.as_ref() == Some(row);
        let cursor = row_ground(model, Pane::Alerts, selected, line, canvas);
        canvas.put(line.x, y, cursor, 1, canvas.style(Role::Focus));
        match row {
            RowId::Alert(id) => {
                if let Some(alert) = model.shown().alerts.get(*id) {
                    session_row(model.shown(), alert, line, canvas);
                }
            }
            RowId::Local(id) => {
                if let Some(alert) = model.banner.local(*id) {
                    local_row(alert, line, canvas);
                }
            }
            _ => {}
        }
    }
}

fn facts(model: &Model, canvas: &Canvas<'_>) -> Vec<Span> {
    let table = model.table(Pane::Alerts);
    let count = |severity| {
        let session = model.shown().alerts.unacknowledged().filter(|alert| alert.severity == severity).count();
        let local = model.banner.local.iter().filter(|alert| !alert.seen && alert.severity == severity).count();
        session.saturating_add(local)
    };
    let mut parts: Vec<Span> = Vec::new();
    if !table.filter.is_empty() {
        let text = format!("filtered {} of {}", table.rows.len(), table.total);
        parts.push((text, canvas.style(Role::Pending)));
    }
    let (critical, warning) = (count(Severity::Critical), count(Severity::Warning));
    if critical > 0 {
        parts.push((format!("{critical} critical"), canvas.style(Role::Crit)));
    }
    if warning > 0 {
        parts.push((format!("{warning} warning"), canvas.style(Role::Warn)));
    }
    let unseen = critical.saturating_add(warning);
    if unseen > 0 {
        let (one, all) = (model.keymap.key_for(Act::Ack, model.focus), model.keymap.key_for(Act::AckAll, model.focus));
        parts.push((format!("{one} ack"), Style::new()));
        parts.push((format!("{all} ack all"), Style::new()));
    } else {
        parts.push(("all seen".to_owned(), Style::new()));
    }
    joined(parts, canvas)
}

/// `● 14:22:05 !! CRIT message x14 · cleared`.
fn session_row(state: &SessionState, alert: &Alert, line: Rect, canvas: &mut Canvas<'_>) {
    let folded = state.alerts.all().filter(|other| {
        other.id != alert.id
            && !alert.is_liquidation()
            && other.key.kind == alert.key.kind
            && other.symbol == alert.symbol
            && other.severity == alert.severity
            && other.is_unacknowledged() == alert.is_unacknowledged()
    });
    let count = folded.fold(alert.count, |sum, other| sum.saturating_add(other.count));
    let count = if count > 1 { format!(" x{count}") } else { String::new() };
    let mut end = String::new();
    if let Some(seen) = &alert.acknowledged {
        end = format!("  acked by {}", escape_controls(&seen.by));
    } else if alert.ended_at().is_some() && alert.severity > Severity::Info {
        end.push_str("  cleared");
    }
    let unseen = alert.is_unacknowledged() && alert.severity > Severity::Info;
    row(alert.severity, unseen, alert.updated_at, &alert_words(state, alert), &format!("{count}{end}"), line, canvas);
}

fn local_row(alert: &LocalAlert, line: Rect, canvas: &mut Canvas<'_>) {
    row(alert.severity, !alert.seen, alert.at, &escape_controls(&alert.message), "  this dashboard", line, canvas);
}

fn row(
    severity: Severity,
    unseen: bool,
    at: crate::model::SessionTime,
    message: &str,
    end: &str,
    line: Rect,
    canvas: &mut Canvas<'_>,
) {
    let style = canvas.style(severity_role(severity));
    let muted = canvas.style(Role::Muted);
    let text = canvas.style(if unseen { Role::Text } else { Role::Muted });
    let mut x = line.x.saturating_add(1);
    let right = line.right();
    x = canvas.put(x, line.y, if unseen { canvas.glyphs().unseen } else { " " }, 1, style).saturating_add(1);
    x = canvas.put(x, line.y, &format::clock(at), right.saturating_sub(x), muted).saturating_add(1);
    let word = match severity {
        Severity::Critical => "CRIT",
        Severity::Warning => "WARN",
        Severity::Info => "INFO",
    };
    let badge = if unseen || severity == Severity::Info { style } else { muted };
    x = canvas.put(x, line.y, &format!("{:<2} {word} ", severity_glyph(severity)), right.saturating_sub(x), badge);
    let end_width = format::width(end);
    let room = right.saturating_sub(x).saturating_sub(end_width);
    x = canvas.put(x, line.y, message, room, text);
    canvas.put(x, line.y, end, right.saturating_sub(x), muted);
}
