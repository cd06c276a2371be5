//! Row 3: what has to be seen, or that there is nothing. It is always there.

use std::time::Duration;

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;
use super::{alert_words, severity_glyph};
use crate::model::{Severity, escape_controls};
use crate::tui::format;
use crate::tui::keymap::Act;
use crate::tui::model::{BannerItem, Model};
use crate::tui::theme::Role;

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    if area.height == 0 {
        return;
    }
    // The banner speaks of the session as it is, also while the display is frozen.
    let severity = model.banner.severity(&model.state);
    if severity != Some(Severity::Critical)
        && let Some(frozen) = &model.frozen
    {
        let since = format::span(model.now.real.saturating_sub(frozen.since));
        let key = model.keymap.key_for(Act::Freeze, model.focus);
        let style = canvas.style(Role::Prompt);
        canvas.paint(area, style);
        let text = format!(" FROZEN for {since}: the session goes on, keys that command are off · [{key}] unfreeze");
        canvas.put(area.x, area.y, &text, area.width, style);
        return;
    }
    let (Some(head), Some(severity)) = (model.banner.head, severity) else {
        let style = canvas.style(Role::Muted);
        let text = format!(" {} no unacknowledged alerts", canvas.glyphs().done);
        canvas.put(area.x, area.y, &text, area.width, style);
        return;
    };
    let style = look(model, severity, canvas);
    if severity == Severity::Critical {
        canvas.paint(area, style);
    }
    let keys = keys(model, area.width);
    let keys_width = format::width(&keys);
    let room = area.width.saturating_sub(keys_width);
    canvas.put(area.x, area.y, &text(model, head, severity, area.width < 60), room, style);
    canvas.put(area.right().saturating_sub(keys_width), area.y, &keys, keys_width, style);
}

/// Reverse video; two blinks in the first second at most.
fn look(model: &Model, severity: Severity, canvas: &Canvas<'_>) -> Style {
    if severity < Severity::Critical {
        return canvas.style(Role::Warn);
    }
    let age = model.now.real.saturating_sub(model.banner.since);
    let off = !model.setup.dashboard.reduce_motion && (in_span(age, 250, 500) || in_span(age, 750, 1_000));
    canvas.style(if off { Role::Crit } else { Role::Banner })
}

fn in_span(age: Duration, from: u64, to: u64) -> bool {
    (Duration::from_millis(from)..Duration::from_millis(to)).contains(&age)
}

/// Whether the banner still blinks, and frames are needed for it.
pub fn is_blinking(model: &Model) -> bool {
    !model.setup.dashboard.reduce_motion
        && model.banner.severity(&model.state) == Some(Severity::Critical)
        && model.now.real.saturating_sub(model.banner.since) < Duration::from_millis(1_100)
}

fn text(model: &Model, head: BannerItem, severity: Severity, small: bool) -> String {
    let glyph = severity_glyph(severity);
    let place = if model.banner.total > 1 { format!(" 1/{}", model.banner.total) } else { String::new() };
    match head {
        BannerItem::Session(id) => {
            let Some(alert) = model.state.alerts.get(id) else { return String::new() };
            let message = alert_words(&model.state, alert);
            let symbol = alert.symbol.as_ref().map(|symbol| format!(" {symbol}")).unwrap_or_default();
            let word = if alert.is_liquidation() {
                // The session's own words begin with it.
                match (small, message.starts_with("LIQUIDATION")) {
                    (true, _) => format!(" LIQ{symbol}"),
                    (false, true) => String::new(),
                    (false, false) => " LIQUIDATION".to_owned(),
                }
            } else {
                String::new()
            };
            let count = if alert.count > 1 { format!(" x{}", alert.count) } else { String::new() };
            if small && alert.is_liquidation() {
                format!(" {glyph}{place}{word}{count}")
            } else {
                format!(" {glyph}{place}{word} {message}{count}")
            }
        }
        BannerItem::Local(id) => {
            let message = model.banner.local(id).map_or("", |alert| alert.message.as_str());
            format!(" {glyph}{place} {}", escape_controls(message))
        }
    }
}

fn keys(model: &Model, width: u16) -> String {
    if width < 30 {
        return String::new();
    }
    let key = |act: Act| model.keymap.key_for(act, model.focus);
    let ack = format!(" [{}] ack", key(Act::Ack));
    if width >= 110 {
        format!("{ack}  [{}] go  [{}] halt ", key(Act::Go), key(Act::Halt))
    } else if width >= 60 {
        format!("{ack}  [{}] go ", key(Act::Go))
    } else {
        format!("{ack} ")
    }
}
