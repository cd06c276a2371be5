//! The characters that carry state where colour does not. None of them is an emoji or has a width
//! that terminals disagree about.

/// The characters in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Whether only ASCII is drawn.
    pub ascii: bool,
    /// Before a long.
    pub long: &'static str,
    /// Before a short.
    pub short: &'static str,
    /// A rise.
    pub up: &'static str,
    /// A fall.
    pub down: &'static str,
    /// Before the selected row.
    pub cursor: &'static str,
    /// Before a marked row.
    pub mark: &'static str,
    /// Before an alert that nobody has seen.
    pub unseen: &'static str,
    /// A source that is well.
    pub alive: &'static str,
    /// A source that is not.
    pub dead: &'static str,
    /// Done.
    pub done: &'static str,
    /// Refused.
    pub failed: &'static str,
    /// On its way.
    pub sent: &'static str,
    /// Cut text ends in this.
    pub ellipsis: &'static str,
    /// Between facts on one line.
    pub dot: &'static str,
    /// Free part of a bar.
    pub empty: &'static str,
    /// Running.
    pub running: &'static str,
    /// Paused.
    pub paused: &'static str,
    /// Halted.
    pub halted: &'static str,
    /// A bar's cell filled by so many eighths.
    pub eighths: [&'static str; 9],
    /// A column's cell filled from below by so many eighths.
    pub columns: [&'static str; 9],
    /// Frames of the spinner.
    pub spinner: [&'static str; 4],
    /// Corners and lines of a pane: top left, top right, bottom left, bottom right, across, down.
    pub frame: [&'static str; 6],
    /// The same for the pane that has the keyboard.
    pub strong: [&'static str; 6],
    /// The same for a panel that asks something.
    pub double: [&'static str; 6],
}

/// With box and block characters.
pub const UNICODE: Glyphs = Glyphs {
    ascii: false,
    long: "▲",
    short: "▼",
    up: "▲",
    down: "▼",
    cursor: "▸",
    mark: "◆",
    unseen: "●",
    alive: "●",
    dead: "○",
    done: "✓",
    failed: "×",
    sent: "→",
    ellipsis: "…",
    dot: "·",
    empty: "·",
    running: "▸",
    paused: "‖",
    halted: "■",
    eighths: [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
    columns: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    spinner: ["◐", "◓", "◑", "◒"],
    frame: ["╭", "╮", "╰", "╯", "─", "│"],
    strong: ["┏", "┓", "┗", "┛", "━", "┃"],
    double: ["╔", "╗", "╚", "╝", "═", "║"],
};

/// With the characters that every terminal and every reader has.
pub const ASCII: Glyphs = Glyphs {
    ascii: true,
    long: "^",
    short: "v",
    up: "^",
    down: "v",
    cursor: ">",
    mark: "+",
    unseen: "*",
    alive: "*",
    dead: "o",
    done: "ok",
    failed: "x",
    sent: ">",
    ellipsis: "~",
    dot: "-",
    empty: ".",
    running: ">",
    paused: "||",
    halted: "#",
    eighths: [" ", " ", " ", " ", "=", "=", "=", "=", "="],
    columns: [" ", ".", ".", ":", ":", "|", "|", "#", "#"],
    spinner: ["|", "/", "-", "\\"],
    frame: ["+", "+", "+", "+", "-", "|"],
    strong: ["#", "#", "#", "#", "=", "#"],
    double: ["#", "#", "#", "#", "=", "#"],
};

/// Whether a locale (the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set) is one with UTF-8. With
/// none of them set the terminal is taken to be a modern one.
pub fn locale_is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty()).is_none_or(
        |value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        },
    )
}
