//! A picture of the screen: a buffer as SVG. Every character has an explicit place, so the grid
//! survives any viewer's font; boxes, blocks and the like are drawn as shapes.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::theme::Theme;

/// Width and height of a cell, in units of the picture.
const CELL: (u32, u32) = (9, 19);
/// Around the screen.
const MARGIN: u32 = 12;
/// Of a letter's base line below the top of its cell.
const BASE: u32 = 14;

/// A buffer as SVG, on the theme's canvas.
pub fn svg(buffer: &Buffer, theme: &Theme) -> String {
    let (columns, rows) = (u32::from(buffer.area.width), u32::from(buffer.area.height));
    let width = columns.saturating_mul(CELL.0).saturating_add(MARGIN * 2);
    let height = rows.saturating_mul(CELL.1).saturating_add(MARGIN * 2);
    let ground = hex(theme.canvas.1, theme.canvas.1);
    let mut out = String::with_capacity(200_000);
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"DejaVu Sans Mono, monospace\" font-size=\"14.5\" xml:space=\"preserve\">"
    );
    let _ = writeln!(out, "<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{ground}\"/>");
    let in_row = usize::from(buffer.area.width.max(1));
    for (row, cells) in buffer.content.chunks(in_row).enumerate() {
        let y = MARGIN.saturating_add(u32::try_from(row).unwrap_or_default().saturating_mul(CELL.1));
        grounds(&mut out, cells, y, theme);
    }
    for (row, cells) in buffer.content.chunks(in_row).enumerate() {
        let y = MARGIN.saturating_add(u32::try_from(row).unwrap_or_default().saturating_mul(CELL.1));
        letters(&mut out, cells, y, theme);
    }
    out.push_str("</svg>\n");
    out
}

fn place(column: usize) -> u32 {
    MARGIN.saturating_add(u32::try_from(column).unwrap_or_default().saturating_mul(CELL.0))
}

/// Ink and paper of a cell as they appear, reverse video done.
fn colours(cell: &Cell, theme: &Theme) -> (String, Option<String>) {
    let (ink, paper) = theme.canvas;
    let fg = hex(cell.fg, ink);
    let bg = (cell.bg != Color::Reset).then(|| hex(cell.bg, paper));
    if cell.modifier.contains(Modifier::REVERSED) {
        (bg.unwrap_or_else(|| hex(paper, paper)), Some(fg))
    } else {
        (fg, bg)
    }
}

/// Grounds of a row, one rectangle for neighbours that share one.
fn grounds(out: &mut String, cells: &[Cell], y: u32, theme: &Theme) {
    let mut column = 0;
    while let Some(cell) = cells.get(column) {
        let (_, ground) = colours(cell, theme);
        let alike = cells.iter().skip(column).take_while(|other| colours(other, theme).1 == ground).count();
        if let Some(ground) = ground {
            let wide = u32::try_from(alike).unwrap_or_default().saturating_mul(CELL.0);
            let x = place(column);
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{}\" fill=\"{ground}\" shape-rendering=\"crispEdges\"/>",
                CELL.1
            );
        }
        column = column.saturating_add(alike.max(1));
    }
}

/// Letters of a row: one `<text>` for neighbours of one look, each letter with its place.
fn letters(out: &mut String, cells: &[Cell], y: u32, theme: &Theme) {
    let mut run = String::new();
    let mut places = String::new();
    let mut look: Option<(String, Modifier)> = None;
    for (column, cell) in cells.iter().enumerate() {
        let (ink, _) = colours(cell, theme);
        let modifier = cell.modifier & (Modifier::BOLD | Modifier::DIM | Modifier::UNDERLINED);
        let symbol = cell.symbol();
        if modifier.contains(Modifier::UNDERLINED) {
            let (x, line) = (place(column), y.saturating_add(BASE).saturating_add(2));
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{line}\" width=\"{}\" height=\"1\" fill=\"{ink}\" shape-rendering=\"crispEdges\"/>",
                CELL.0
            );
        }
        if symbol.trim().is_empty() {
            continue;
        }
        if shape(out, symbol, place(column), y, &ink) {
            continue;
        }
        if look.as_ref() != Some(&(ink.clone(), modifier)) {
            flush(out, &mut run, &mut places, look.as_ref(), y);
            look = Some((ink, modifier));
        }
        let _ = write!(places, "{} ", place(column));
        for c in symbol.chars() {
            match c {
                '<' => run.push_str("&lt;"),
                '&' => run.push_str("&amp;"),
                c => run.push(c),
            }
        }
    }
    flush(out, &mut run, &mut places, look.as_ref(), y);
}

fn flush(out: &mut String, run: &mut String, places: &mut String, look: Option<&(String, Modifier)>, y: u32) {
    let Some((ink, modifier)) = look else { return };
    if run.is_empty() {
        return;
    }
    let bold = if modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let dim = if modifier.contains(Modifier::DIM) { " opacity=\"0.6\"" } else { "" };
    let line = y.saturating_add(BASE);
    let _ = writeln!(out, "<text x=\"{}\" y=\"{line}\" fill=\"{ink}\"{bold}{dim}>{run}</text>", places.trim_end());
    run.clear();
    places.clear();
}

/// Draws a character that is a shape; `false` when it is a letter.
fn shape(out: &mut String, symbol: &str, x: u32, y: u32, ink: &str) -> bool {
    let (width, height) = CELL;
    let eighth = |n: u32, of: u32| f64::from(n) * f64::from(of) / 8.0;
    let mut rect = |x: f64, y: f64, w: f64, h: f64| {
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{ink}\" shape-rendering=\"crispEdges\"/>"
        );
    };
    let (fx, fy, fw, fh) = (f64::from(x), f64::from(y), f64::from(width), f64::from(height));
    let level = |set: &str| set.chars().position(|c| symbol.starts_with(c)).and_then(|n| u32::try_from(n).ok());
    if let Some(n) = level("▏▎▍▌▋▊▉█") {
        rect(fx, fy, eighth(n.saturating_add(1), width), fh);
        return true;
    }
    if let Some(n) = level("▁▂▃▄▅▆▇") {
        let high = eighth(n.saturating_add(1), height);
        rect(fx, fy + fh - high, fw, high);
        return true;
    }
    // Lines from the middle of a cell: up, right, down, left, and how thick.
    let arms = match symbol {
        "─" => [0, 1, 0, 1],
        "│" => [1, 0, 1, 0],
        "╭" => [0, 1, 1, 0],
        "╮" => [0, 0, 1, 1],
        "╰" => [1, 1, 0, 0],
        "╯" => [1, 0, 0, 1],
        "━" => [0, 2, 0, 2],
        "┃" => [2, 0, 2, 0],
        "┏" => [0, 2, 2, 0],
        "┓" => [0, 0, 2, 2],
        "┗" => [2, 2, 0, 0],
        "┛" => [2, 0, 0, 2],
        "═" => [0, 3, 0, 3],
        "║" => [3, 0, 3, 0],
        "╔" => [0, 3, 3, 0],
        "╗" => [0, 0, 3, 3],
        "╚" => [3, 3, 0, 0],
        "╝" => [3, 0, 0, 3],
        _ => return false,
    };
    let (mid_x, mid_y) = (fx + 4.0, fy + 9.0);
    for (arm, kind) in arms.into_iter().enumerate() {
        let thick = if kind == 2 { 2.0 } else { 1.0 };
        let strokes: &[f64] = match kind {
            0 => &[],
            3 => &[-1.0, 1.0],
            _ => &[0.0],
        };
        for shift in strokes {
            match arm {
                0 => rect(mid_x + shift, fy, thick, 9.0 + 1.0),
                1 => rect(mid_x, mid_y + shift, fw - 4.0, thick),
                2 => rect(mid_x + shift, mid_y, thick, fh - 9.0),
                _ => rect(fx, mid_y + shift, 4.0 + 1.0, thick),
            }
        }
    }
    true
}

/// A colour as `#rrggbb`; the terminal's own sixteen in xterm's values.
fn hex(colour: Color, default: Color) -> String {
    let (r, g, b) = match colour {
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Black => (0, 0, 0),
        Color::Red => (205, 49, 49),
        Color::Green => (13, 188, 121),
        Color::Yellow => (229, 192, 80),
        Color::Blue => (60, 120, 230),
        Color::Magenta => (188, 63, 188),
        Color::Cyan => (17, 168, 205),
        Color::Gray => (190, 190, 190),
        Color::DarkGray => (128, 128, 128),
        Color::LightRed => (255, 85, 100),
        Color::LightGreen => (35, 209, 139),
        Color::LightYellow => (245, 245, 67),
        Color::LightBlue => (90, 150, 245),
        Color::LightMagenta => (214, 112, 214),
        Color::LightCyan => (41, 184, 219),
        Color::White => (240, 240, 240),
        Color::Indexed(index) => indexed(index),
        Color::Reset => match default {
            Color::Rgb(r, g, b) => (r, g, b),
            _ => (213, 217, 224),
        },
    };
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn indexed(index: u8) -> (u8, u8, u8) {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    if index >= 232 {
        let level = 8_u8.saturating_add(index.saturating_sub(232).saturating_mul(10));
        return (level, level, level);
    }
    let cube = index.saturating_sub(16);
    let step = |n: u8| STEPS.get(usize::from(n % 6)).copied().unwrap_or_default();
    (step(cube / 36), step(cube / 6), step(cube))
}
