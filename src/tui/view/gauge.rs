//! A bar that fills as danger grows.

use ratatui::style::Style;
use rust_decimal::prelude::ToPrimitive;

use super::canvas::Canvas;
use crate::model::{Decimal, mul};
use crate::tui::theme::Role;

/// Draws a bar that is filled to a share (0 to 1); an unknown share is all question.
pub fn draw(canvas: &mut Canvas<'_>, x: u16, y: u16, columns: u16, share: Option<Decimal>, style: Style) {
    let muted = canvas.style(Role::Border);
    let Some(share) = share else {
        canvas.put(x, y, &"?".repeat(usize::from(columns.min(1))), columns, muted);
        return;
    };
    let share = share.clamp(Decimal::ZERO, Decimal::ONE);
    let eighths = mul(share, Decimal::from(columns.saturating_mul(8))).round().to_usize().unwrap_or_default();
    let glyphs = *canvas.glyphs();
    for column in 0..columns {
        let filled = eighths.saturating_sub(usize::from(column).saturating_mul(8)).min(8);
        let at = x.saturating_add(column);
        if filled == 0 {
            canvas.put(at, y, glyphs.empty, 1, muted);
        } else {
            canvas.put(at, y, glyphs.eighths.get(filled).copied().unwrap_or(" "), 1, style);
        }
    }
}
