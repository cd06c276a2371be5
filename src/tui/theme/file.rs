//! The theme file.

use std::collections::BTreeMap;
use std::path::Path;

use ratatui::style::{Color, Modifier, Style};
use toml::de::{DeTable, DeValue};

use super::colour::{self, Depth, Ink};
use super::{BUILT_IN, Glyphs, Role, Theme};
use crate::tui::toml_text::{Fault, Source};

/// Themes may stand on one another so deep.
const DEEPEST: u8 = 8;

/// Why a theme cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// Its file has an error.
    #[error("theme {0}")]
    Fault(#[from] Fault),
    /// No such theme.
    #[error("theme {name:?} does not exist; built in are {}, others are NAME.toml in the themes folder", list())]
    Missing {
        /// What was asked for.
        name: String,
    },
    /// Its file cannot be read.
    #[error("theme file {path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        why: std::io::Error,
    },
}

fn list() -> String {
    Theme::built_in().collect::<Vec<_>>().join(", ")
}

#[derive(Clone, Debug, Default)]
struct Paint {
    fg: Option<Ink>,
    bg: Option<Ink>,
    modifiers: Modifier,
    /// Looks like this role.
    like: Option<Role>,
}

/// A theme as written.
#[derive(Clone, Debug, Default)]
pub struct ThemeFile {
    name: String,
    depth: Option<Depth>,
    canvas: [Option<Ink>; 2],
    palette: BTreeMap<String, Ink>,
    roles: BTreeMap<Role, Paint>,
}

/// Finds a theme: the user's folder first, then those that are compiled in.
pub fn find(name: &str, folder: Option<&Path>, depth: u8) -> Result<ThemeFile, ThemeError> {
    if let Some(path) = folder.map(|folder| folder.join(format!("{name}.toml"))).filter(|path| path.is_file()) {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|why| ThemeError::Unreadable { path: shown.clone(), why })?;
        return parse(&text, &shown, folder, depth);
    }
    let (_, text) = BUILT_IN
        .into_iter()
        .find(|(built_in, _)| *built_in == name)
        .ok_or_else(|| ThemeError::Missing { name: name.to_owned() })?;
    parse(text, &format!("themes/{name}.toml"), folder, depth)
}

/// Reads a theme.
pub fn parse(text: &str, origin: &str, folder: Option<&Path>, depth: u8) -> Result<ThemeFile, ThemeError> {
    let source = Source::new(text, origin);
    let table = source.table()?;
    let mut file = ThemeFile::default();
    if let Some(parent) = table.get("extends") {
        let at = parent.span().start;
        let name = source.text("extends", parent)?;
        if name != "base" {
            if depth >= DEEPEST {
                return Err(source.fault(at, format!("extends = {name:?} leads in a circle")).into());
            }
            file = find(name, folder, depth.saturating_add(1)).map_err(|error| match error {
                ThemeError::Missing { .. } => {
                    source.fault(at, format!("extends = {name:?}: no such theme; use base, {}", list())).into()
                }
                other => other,
            })?;
        }
    }
    // The palette first: roles and canvas name its entries, wherever it stands.
    if let Some(palette) = table.get("palette") {
        for (key, value) in source.section("palette", palette)? {
            let ink = entry(&source, key.get_ref(), value)?;
            file.palette.insert(key.get_ref().to_string(), ink);
        }
    }
    for (key, value) in &table {
        match key.get_ref().as_ref() {
            "extends" | "palette" => {}
            "name" => source.text("name", value)?.clone_into(&mut file.name),
            "depth" => file.depth = depth_of(&source, value)?,
            "canvas" => canvas(&source, value, &mut file)?,
            "role" => roles(&source, value, &mut file)?,
            other => {
                let allowed = "name, extends, depth, canvas, palette, role";
                let at = key.span().start;
                return Err(source.fault(at, format!("unknown key {other:?}; allowed are {allowed}")).into());
            }
        }
    }
    Ok(file)
}

fn depth_of(source: &Source<'_>, value: &toml::Spanned<DeValue<'_>>) -> Result<Option<Depth>, Fault> {
    let DeValue::String(word) = value.get_ref() else {
        return Err(source.fault(value.span().start, "depth must be a text".to_owned()));
    };
    Ok(match word.as_ref() {
        "auto" => None,
        "truecolor" => Some(Depth::TrueColour),
        "256" => Some(Depth::Indexed),
        "16" => Some(Depth::Ansi),
        "none" => Some(Depth::Mono),
        other => {
            let message = format!("depth = {other:?} is unknown; use auto, truecolor, 256, 16 or none");
            return Err(source.fault(value.span().start, message));
        }
    })
}

fn canvas<'a>(source: &Source<'a>, value: &toml::Spanned<DeValue<'a>>, file: &mut ThemeFile) -> Result<(), Fault> {
    for (key, value) in source.section("canvas", value)? {
        let place = match key.get_ref().as_ref() {
            "fg" => 0,
            "bg" => 1,
            other => {
                let message = format!("unknown key canvas.{other}; allowed are fg, bg");
                return Err(source.fault(key.span().start, message));
            }
        };
        let ink = named(source, source.text("canvas", value)?, value.span().start, file)?;
        if let Some(slot) = file.canvas.get_mut(place) {
            *slot = Some(ink);
        }
    }
    Ok(())
}

fn entry<'a>(source: &Source<'a>, name: &str, value: &toml::Spanned<DeValue<'a>>) -> Result<Ink, Fault> {
    if let DeValue::Table(table) = value.get_ref() {
        let mut ink = Ink { rgb: None, ansi: None };
        for (key, value) in table {
            let at = value.span().start;
            match key.get_ref().as_ref() {
                "rgb" => ink.rgb = Some(exact(source, source.text("rgb", value)?, at)?),
                "ansi" => ink.ansi = Some(sixteen(source, source.text("ansi", value)?, at)?),
                other => {
                    let message = format!("unknown key palette.{name}.{other}; allowed are rgb, ansi");
                    return Err(source.fault(key.span().start, message));
                }
            }
        }
        return Ok(ink);
    }
    let at = value.span().start;
    let text = source.text(name, value)?;
    if text.starts_with('#') {
        return Ok(Ink { rgb: Some(exact(source, text, at)?), ansi: None });
    }
    Ok(Ink { rgb: None, ansi: Some(sixteen(source, text, at)?) })
}

fn exact(source: &Source<'_>, text: &str, at: usize) -> Result<(u8, u8, u8), Fault> {
    colour::hex(text).ok_or_else(|| source.fault(at, format!("{text:?} is not a colour; write #rrggbb")))
}

fn sixteen(source: &Source<'_>, text: &str, at: usize) -> Result<Color, Fault> {
    colour::ansi(text).ok_or_else(|| {
        let message =
            format!("{text:?} is not one of the sixteen colours; use black, red, light-red, gray, ... or default");
        source.fault(at, message)
    })
}

/// A colour by palette name, exact value or one of the sixteen.
fn named(source: &Source<'_>, text: &str, at: usize, file: &ThemeFile) -> Result<Ink, Fault> {
    if let Some(ink) = file.palette.get(text) {
        return Ok(*ink);
    }
    if text.starts_with('#') {
        return Ok(Ink { rgb: Some(exact(source, text, at)?), ansi: None });
    }
    colour::ansi(text).map(|ansi| Ink { rgb: None, ansi: Some(ansi) }).ok_or_else(|| {
        let message = format!("{text:?} is no palette entry, no #rrggbb and none of the sixteen colours");
        source.fault(at, message)
    })
}

fn roles<'a>(source: &Source<'a>, value: &toml::Spanned<DeValue<'a>>, file: &mut ThemeFile) -> Result<(), Fault> {
    for (key, value) in source.section("role", value)? {
        let name = key.get_ref().as_ref();
        if let ("env", DeValue::Table(table)) = (name, value.get_ref()) {
            for (key, value) in table {
                role(source, &format!("env.{}", key.get_ref()), key.span().start, value, file)?;
            }
        } else {
            role(source, name, key.span().start, value, file)?;
        }
    }
    Ok(())
}

fn role<'a>(
    source: &Source<'a>,
    name: &str,
    at: usize,
    value: &toml::Spanned<DeValue<'a>>,
    file: &mut ThemeFile,
) -> Result<(), Fault> {
    let Some(role) = Role::named(name) else {
        let allowed = Role::ALL.map(Role::name).join(", ");
        return Err(source.fault(at, format!("unknown key role.{name}; allowed are {allowed}")));
    };
    let paint = if let DeValue::Table(table) = value.get_ref() {
        painted(source, name, table, file)?
    } else {
        let text = source.text(name, value)?;
        if let Some(like) = Role::named(text).filter(|like| *like != role && !file.palette.contains_key(text)) {
            Paint { like: Some(like), ..Paint::default() }
        } else {
            Paint { fg: Some(named(source, text, value.span().start, file)?), ..Paint::default() }
        }
    };
    file.roles.insert(role, paint);
    Ok(())
}

fn painted<'a>(source: &Source<'a>, name: &str, table: &DeTable<'a>, file: &ThemeFile) -> Result<Paint, Fault> {
    let mut paint = Paint::default();
    for (key, value) in table {
        let word = key.get_ref().as_ref();
        let modifier = match word {
            "fg" => {
                paint.fg = Some(named(source, source.text(word, value)?, value.span().start, file)?);
                continue;
            }
            "bg" => {
                paint.bg = Some(named(source, source.text(word, value)?, value.span().start, file)?);
                continue;
            }
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "underline" => Modifier::UNDERLINED,
            "reverse" => Modifier::REVERSED,
            other => {
                let allowed = "fg, bg, bold, dim, underline, reverse";
                let message = format!("unknown key role.{name}.{other}; allowed are {allowed}");
                return Err(source.fault(key.span().start, message));
            }
        };
        if source.switch(word, value)? {
            paint.modifiers |= modifier;
        }
    }
    Ok(paint)
}

impl ThemeFile {
    /// The theme at a depth.
    pub fn resolve(&self, terminal: Depth, glyphs: &Glyphs) -> Theme {
        let depth = self.depth.map_or(terminal, |wanted| terminal.at_most(wanted));
        let [fg, bg] = self.canvas;
        let canvas =
            |ink: Option<Ink>, other: Color| ink.and_then(|ink| ink.rgb).map_or(other, |(r, g, b)| Color::Rgb(r, g, b));
        Theme {
            name: self.name.clone(),
            glyphs: *glyphs,
            canvas: (canvas(fg, Color::Rgb(0xd5, 0xd9, 0xe0)), canvas(bg, Color::Rgb(0x0f, 0x12, 0x16))),
            styles: Role::ALL.map(|role| self.style(role, depth, 0)),
        }
    }

    fn style(&self, role: Role, depth: Depth, hops: u8) -> Style {
        let next = match self.roles.get(&role) {
            Some(Paint { like: Some(like), .. }) => Some(*like),
            Some(paint) => return paint.style(depth),
            None => role.fallback(),
        };
        match next {
            Some(next) if usize::from(hops) < Role::ALL.len() => self.style(next, depth, hops.saturating_add(1)),
            _ => Style::new(),
        }
    }
}

impl Paint {
    fn style(&self, depth: Depth) -> Style {
        let mut style = Style::new().add_modifier(self.modifiers);
        if let Some(fg) = self.fg {
            style = style.fg(fg.at(depth));
        }
        if let Some(bg) = self.bg {
            style = style.bg(bg.at(depth));
        }
        style
    }
}
