//! Where things are. It depends on the size, the focus and the zoom, never on the data: an
//! emergency moves nothing under anybody's finger.
//!
//! ```text
//!  session bar / risk bar / banner                 always
//!  positions, orders, alerts | breakers            from 60x14, in one column
//!  positions; orders | breakers; alerts            from 110x30
//!  positions, orders, alerts | detail, breakers, audit   from 160x45
//!  footer                                          always
//! ```

use ratatui::layout::Rect;

use crate::tui::model::{Model, Pane};

/// Columns and rows below which only the tiny form is drawn.
pub const TINY: (u16, u16) = (60, 14);

/// Where things are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Whether only the tiny form fits.
    pub tiny: bool,
    /// Who, where, whether it trades.
    pub session: Rect,
    /// Money and danger.
    pub risk: Rect,
    /// The banner.
    pub banner: Rect,
    /// All between banner and footer.
    pub body: Rect,
    /// Hints, or a prompt.
    pub footer: Rect,
    /// All of the selected row of the history, when that is wanted.
    pub past_detail: Option<Rect>,
    /// The panes.
    pub panes: Vec<(Pane, Rect)>,
}

impl Layout {
    /// Where a pane is, if it is on the screen.
    pub fn of(&self, pane: Pane) -> Option<Rect> {
        self.panes.iter().find(|(other, _)| *other == pane).map(|(_, area)| *area)
    }

    /// Rows of data that a pane shows.
    pub fn rows_of(&self, pane: Pane) -> u16 {
        let header = match pane {
            Pane::Positions | Pane::Orders | Pane::History => 3,
            _ => 2,
        };
        self.of(pane).map_or(1, |area| area.height.saturating_sub(header)).max(1)
    }
}

/// Whether only the tiny form fits.
pub const fn is_tiny(size: (u16, u16)) -> bool {
    size.0 < TINY.0 || size.1 < TINY.1
}

/// Whether detail and audit have places of their own at this size.
pub const fn has_side_panes(size: (u16, u16)) -> bool {
    size.0 >= 160 && size.1 >= 45
}

/// Where things are.
pub fn layout(model: &Model) -> Layout {
    let (width, height) = model.size;
    let row = |y: u16| Rect { x: 0, y: y.min(height), width, height: u16::from(y < height) };
    let tiny = is_tiny(model.size);
    let body = Rect { x: 0, y: 3.min(height), width, height: height.saturating_sub(4) };
    let mut layout = Layout {
        tiny,
        session: row(0),
        risk: row(1),
        banner: row(2),
        body,
        footer: row(height.saturating_sub(1)),
        past_detail: None,
        panes: Vec::new(),
    };
    if tiny {
        // Session word, banner, lines of danger; the risk bar has no room.
        layout.risk = Rect::default();
        layout.banner = row(1);
        layout.body = Rect { x: 0, y: 2.min(height), width, height: height.saturating_sub(3) };
        if height < 3 {
            layout.footer = Rect::default();
        }
        return layout;
    }
    layout.panes = if model.focus == Pane::History {
        let (list, detail) = past(body, model.past.detail);
        layout.past_detail = detail;
        vec![(Pane::History, list)]
    } else if model.zoom {
        vec![(model.focus, body)]
    } else if has_side_panes(model.size) {
        large(body)
    } else if width >= 110 && height >= 30 {
        medium(body, model.overlay)
    } else {
        small(body, model.overlay, model.focus)
    };
    layout
}

fn split_rows(area: Rect, heights: &[u16]) -> Vec<Rect> {
    let mut y = area.y;
    let last = heights.len().saturating_sub(1);
    heights
        .iter()
        .enumerate()
        .map(|(i, height)| {
            let left = area.bottom().saturating_sub(y);
            let height = if i == last { left } else { (*height).min(left) };
            let rect = Rect { y, height, ..area };
            y = y.saturating_add(height);
            rect
        })
        .collect()
}

fn split_columns(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    let right = Rect { x: area.x.saturating_add(left), width: area.width.saturating_sub(left), ..area };
    (Rect { width: left, ..area }, right)
}

/// So many hundredths of a length.
fn share(length: u16, hundredths: u16) -> u16 {
    u16::try_from(u32::from(length).saturating_mul(u32::from(hundredths)) / 100).unwrap_or(length)
}

fn small(body: Rect, overlay: Option<Pane>, focus: Pane) -> Vec<(Pane, Rect)> {
    if body.height < 17 {
        let second = overlay.unwrap_or(if focus == Pane::Positions { Pane::Orders } else { focus });
        let rows = split_rows(body, &[share(body.height, 50), 0]);
        return [Pane::Positions, second].into_iter().zip(rows).collect();
    }
    let rows = split_rows(body, &[share(body.height, 35), share(body.height, 35), 0]);
    let mut rows = rows.into_iter();
    let (Some(top), Some(middle), Some(bottom)) = (rows.next(), rows.next(), rows.next()) else { return Vec::new() };
    let mut panes = vec![(Pane::Positions, top), (Pane::Orders, middle)];
    if let Some(pane) = overlay {
        panes.push((pane, bottom));
    } else {
        let (left, right) = split_columns(bottom, body.width.saturating_sub(34));
        panes.extend([(Pane::Alerts, left), (Pane::Breakers, right)]);
    }
    panes
}

/// The history over all panes: its rows, and beside or below them all of one row.
fn past(body: Rect, detail: bool) -> (Rect, Option<Rect>) {
    if !detail {
        (body, None)
    } else if body.width >= 160 {
        let (list, detail) = split_columns(body, share(body.width, 66));
        (list, Some(detail))
    } else {
        let rows = split_rows(body, &[share(body.height, 50), 0]);
        (rows.first().copied().unwrap_or(body), rows.get(1).copied())
    }
}

fn medium(body: Rect, overlay: Option<Pane>) -> Vec<(Pane, Rect)> {
    let top = share(body.height, 30).max(9);
    let bottom = share(body.height, 30).max(9);
    let rows = split_rows(body, &[top, body.height.saturating_sub(top).saturating_sub(bottom), 0]);
    let mut rows = rows.into_iter();
    let (Some(top), Some(middle), Some(bottom)) = (rows.next(), rows.next(), rows.next()) else { return Vec::new() };
    let (orders, breakers) = split_columns(middle, body.width.saturating_sub(44));
    vec![
        (Pane::Positions, top),
        (Pane::Orders, orders),
        (Pane::Breakers, breakers),
        (overlay.unwrap_or(Pane::Alerts), bottom),
    ]
}

fn large(body: Rect) -> Vec<(Pane, Rect)> {
    let (left, right) = split_columns(body, share(body.width, 62));
    let left = split_rows(left, &[share(body.height, 32), share(body.height, 38), 0]);
    let right = split_rows(right, &[share(body.height, 46), 12, 0]);
    let left = [Pane::Positions, Pane::Orders, Pane::Alerts].into_iter().zip(left);
    let right = [Pane::Detail, Pane::Breakers, Pane::Audit].into_iter().zip(right);
    left.chain(right).collect()
}
