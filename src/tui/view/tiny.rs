//! The tiny form: nearest to liquidation first, one line each. Nothing here can be acted on by row.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::detail::wrapped;
use super::risk_bar::ratio_words;
use super::severity_role;
use crate::model::{Position, Side};
use crate::tui::figures::{self, Danger};
use crate::tui::format;
use crate::tui::model::Model;
use crate::tui::theme::Role;

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    if area.height == 0 {
        return;
    }
    let state = model.shown();
    let mut all: Vec<(&Position, Danger)> =
        state.positions.open().map(|position| (position, figures::danger(state, position))).collect();
    all.sort_by_key(|(position, danger)| (danger.distance_pct.is_none(), danger.distance_pct, position.id));
    if all.is_empty() {
        let role = if model.positions_known().is_known() { Role::Muted } else { Role::Unknown };
        for (line, y) in wrapped(&model.no_positions(), area.width).iter().zip(area.y..area.bottom()) {
            canvas.put(area.x, y, line, area.width, canvas.style(role));
        }
        return;
    }
    let rows = usize::from(area.height);
    for (i, (position, danger)) in all.iter().take(rows).enumerate() {
        let y = area.y.saturating_add(u16::try_from(i).unwrap_or(u16::MAX));
        if i.saturating_add(1) == rows && all.len() > rows {
            let more = all.len().saturating_sub(rows).saturating_add(1);
            let style = canvas.style(Role::Muted);
            canvas.put(area.x, y, &format!("{more} more, further away"), area.width, style);
            return;
        }
        let glyph = match position.key.side {
            Side::Long => canvas.glyphs().long,
            Side::Short => canvas.glyphs().short,
        };
        let style = canvas.style(danger.severity.map_or(Role::Normal, severity_role));
        let name = format!("{glyph} {}", position.key.symbol);
        let text = canvas.style(Role::Text);
        let offset = danger.mark.and_then(|mark| figures::liquidation_offset_pct(position, mark));
        let known = model.positions_known().max(model.price_known(&position.key.symbol));
        let offset = known.figure(offset.map_or_else(|| "?".to_owned(), |offset| format::signed_percent(offset, 1)));
        let ratio = danger.ratio_pct.map_or_else(
            || "?".to_owned(),
            |ratio| ratio_words(ratio, danger.severity, model.setup.dashboard.venue_ratio),
        );
        let name_width = 14.min(area.width);
        canvas.put(area.x, y, &name, name_width, text);
        if area.width >= 24 {
            canvas.put_right(area.x.saturating_add(14), y, &offset, 8, style);
        }
        if area.width >= 34 {
            canvas.put_right(area.x.saturating_add(23), y, &ratio, 9, style);
        }
    }
}
