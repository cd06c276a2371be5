//! Drawing text onto the buffer, and fields that leave by priority instead of being clipped.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::format;
use crate::tui::theme::{Glyphs, Role, Theme};

/// A buffer with a theme.
pub struct Canvas<'a> {
    /// What is drawn on.
    pub buffer: &'a mut Buffer,
    /// How things look.
    pub theme: &'a Theme,
}

impl Canvas<'_> {
    /// The look of a meaning.
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// The characters.
    pub fn glyphs(&self) -> &Glyphs {
        &self.theme.glyphs
    }

    /// Writes a text, cut to so many columns with the mark of a cut; returns the column after it.
    pub fn put(&mut self, x: u16, y: u16, text: &str, columns: u16, style: Style) -> u16 {
        let area = self.buffer.area;
        if y >= area.bottom() || x >= area.right() || columns == 0 {
            return x;
        }
        let room = columns.min(area.right().saturating_sub(x));
        if format::width(text) <= room {
            self.buffer.set_stringn(x, y, text, usize::from(room), style).0
        } else {
            let text = format::cut(text, room, self.theme.glyphs.ellipsis);
            self.buffer.set_stringn(x, y, text, usize::from(room), style).0
        }
    }

    /// Writes a text to the right edge of so many columns. A number is never cut: one that does not
    /// fit shows as `#`.
    pub fn put_right(&mut self, x: u16, y: u16, text: &str, columns: u16, style: Style) {
        let width = format::width(text);
        if width > columns {
            self.put(x, y, &"#".repeat(usize::from(columns)), columns, style);
        } else {
            self.put(x.saturating_add(columns.saturating_sub(width)), y, text, columns, style);
        }
    }

    /// Gives an area a look.
    pub fn paint(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    /// Empties an area.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }

    /// A frame with a title on the left and facts on the right; returns what is inside.
    pub fn frame(
        &mut self,
        area: Rect,
        lines: [&str; 6],
        line: Style,
        title: &[(&str, Style)],
        facts: &[Span],
    ) -> Rect {
        if area.width < 2 || area.height < 2 {
            return Rect { height: 0, ..area };
        }
        let [top_left, top_right, bottom_left, bottom_right, across, down] = lines;
        let (right, bottom) = (area.right().saturating_sub(1), area.bottom().saturating_sub(1));
        let inside = usize::from(area.width.saturating_sub(2));
        let rule = across.repeat(inside);
        self.put(area.x, area.y, top_left, 1, line);
        self.put(area.x.saturating_add(1), area.y, &rule, area.width, line);
        self.put(right, area.y, top_right, 1, line);
        self.put(area.x, bottom, bottom_left, 1, line);
        self.put(area.x.saturating_add(1), bottom, &rule, area.width, line);
        self.put(right, bottom, bottom_right, 1, line);
        for y in area.y.saturating_add(1)..bottom {
            self.put(area.x, y, down, 1, line);
            self.put(right, y, down, 1, line);
        }
        let mut x = area.x.saturating_add(1);
        let end = right;
        x = self.put(x, area.y, " ", end.saturating_sub(x), line);
        for (text, style) in title {
            x = self.put(x, area.y, text, end.saturating_sub(x), *style);
        }
        x = self.put(x, area.y, " ", end.saturating_sub(x), line);
        // Facts leave from the end while they do not fit.
        let mut facts = facts;
        loop {
            let width = facts.iter().fold(0_u16, |sum, (text, _)| sum.saturating_add(format::width(text)));
            if facts.is_empty() {
                break;
            }
            if x.saturating_add(width).saturating_add(4) <= end {
                let mut at = end.saturating_sub(width).saturating_sub(3);
                at = self.put(at, area.y, " ", 1, line);
                for (text, style) in facts {
                    at = self.put(at, area.y, text, end.saturating_sub(at), *style);
                }
                self.put(at, area.y, " ", 1, line);
                break;
            }
            facts = facts.split_last().map_or(&[], |(_, rest)| rest);
            // A dot stands between facts, never after the last.
            let dot = |(text, _): &Span| text.trim() == self.theme.glyphs.dot;
            facts = facts.split_last().filter(|(last, _)| dot(last)).map_or(facts, |(_, rest)| rest);
        }
        Rect {
            x: area.x.saturating_add(1),
            y: area.y.saturating_add(1),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(2),
        }
    }
}

/// A piece of text with its look.
pub type Span = (String, Style);

/// Something on a bar: it has a short form, and leaves when there is no room.
pub struct Field {
    /// 0 leaves last.
    pub priority: u8,
    /// In full.
    pub long: Vec<Span>,
    /// In short, tried before leaving.
    pub short: Option<Vec<Span>>,
}

impl Field {
    /// A field without a short form.
    pub fn new(priority: u8, long: Vec<Span>) -> Self {
        Self { priority, long, short: None }
    }

    /// With a short form.
    pub fn or(mut self, short: Vec<Span>) -> Self {
        self.short = Some(short);
        self
    }

    fn width(&self) -> u16 {
        width(&self.long)
    }
}

/// Columns of a piece of line.
pub fn width(spans: &[Span]) -> u16 {
    spans.iter().fold(0, |sum, (text, _)| sum.saturating_add(format::width(text)))
}

/// Chooses what fits: the least important field is shortened, then leaves, until the rest fits.
pub fn fit(mut fields: Vec<Field>, gap: u16, columns: u16) -> Vec<Field> {
    loop {
        let gaps = gap.saturating_mul(u16::try_from(fields.len().saturating_sub(1)).unwrap_or(u16::MAX));
        let total = fields.iter().fold(gaps, |sum, field| sum.saturating_add(field.width()));
        if total <= columns || fields.len() <= 1 {
            return fields;
        }
        let shortest = fields.iter().enumerate().filter(|(_, field)| field.short.is_some());
        let shorten = shortest.max_by_key(|(_, field)| field.priority).map(|(i, field)| (i, field.priority));
        let leave = fields.iter().enumerate().max_by_key(|(_, field)| field.priority).map(|(i, f)| (i, f.priority));
        match (shorten, leave) {
            (Some((i, priority)), Some((_, worst))) if priority >= worst => {
                if let Some(field) = fields.get_mut(i)
                    && let Some(short) = field.short.take()
                {
                    field.long = short;
                }
            }
            (_, Some((i, _))) => {
                fields.remove(i);
            }
            _ => return fields,
        }
    }
}

/// Draws fields from the left; returns the column after the last.
pub fn draw_fields(canvas: &mut Canvas<'_>, x: u16, y: u16, end: u16, gap: u16, fields: &[Field]) -> u16 {
    let mut at = x;
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            at = at.saturating_add(gap);
        }
        for (text, style) in &field.long {
            at = canvas.put(at, y, text, end.saturating_sub(at), *style);
        }
    }
    at
}
