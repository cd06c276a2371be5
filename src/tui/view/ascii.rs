//! The last word in ASCII mode: no cell leaves with another character, wherever it came from.

use ratatui::buffer::Buffer;

/// Replaces what is not ASCII.
pub fn replace(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let twin = match cell.symbol() {
                "·" | "–" | "—" => "-",
                "…" => "~",
                "×" => "x",
                "→" => ">",
                "σ" => "s",
                _ => "?",
            };
            cell.set_symbol(twin);
        }
    }
}
