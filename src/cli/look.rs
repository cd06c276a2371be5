//! `perpdeck themes` and `perpdeck keys`: what the dashboard can wear and obey.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use super::failure::Failure;
use super::{config, screen};
use crate::tui::keymap::Keymap;
use crate::tui::theme::Theme;

/// Lists the themes that are compiled in, and those in the user's folder.
pub fn themes() {
    let mut text = String::new();
    for name in Theme::built_in() {
        let _ = writeln!(text, "{name}");
    }
    if let Some(folder) = screen::themes()
        && let Ok(items) = std::fs::read_dir(&folder)
    {
        let mut own: Vec<String> = items
            .flatten()
            .map(|item| item.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .filter_map(|path| path.file_stem().map(|name| name.to_string_lossy().into_owned()))
            .collect();
        own.sort();
        for name in own {
            let _ = writeln!(text, "{name:<16} {}", folder.join(format!("{name}.toml")).display());
        }
    }
    print(&text);
}

/// Lists the keys as they count: the built-in ones, with the user's own over them.
pub fn keys(file: Option<&Path>) -> Result<(), Failure> {
    let settings = config::of_file(file)?.settings;
    let keymap =
        Keymap::load(settings.dashboard.keymap.as_deref()).map_err(|error| Failure::usage(error.to_string()))?;
    let mut text = String::new();
    for row in keymap.rows() {
        let Some(act) = row.act else { continue };
        let keys = row.on.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let help = act.about().map_or("", |about| about.help);
        let _ = writeln!(text, "{keys:<12} {:<20} {help}", act.name());
    }
    print(&text);
    Ok(())
}

fn print(text: &str) {
    // A reader that stops reading has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
