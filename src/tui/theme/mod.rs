//! Themes: meanings given looks. Read from TOML, compiled in or from the user's folder; a key that
//! is not known is an error with its line.

mod colour;
mod file;
mod glyph;
mod role;

use std::path::Path;

use ratatui::style::{Color, Style};

pub use colour::{Depth, Ink};
pub use file::ThemeError;
pub use glyph::{ASCII, Glyphs, UNICODE, locale_is_utf8};
pub use role::Role;

/// The themes that are compiled in, by name.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("cockpit", include_str!("../../../themes/cockpit.toml")),
    ("cockpit-light", include_str!("../../../themes/cockpit-light.toml")),
    ("ansi16", include_str!("../../../themes/ansi16.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
    ("market", include_str!("../../../themes/market.toml")),
];

/// A theme at the depth of a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Its name.
    pub name: String,
    /// The characters.
    pub glyphs: Glyphs,
    /// Ink and paper of a picture of the screen; the terminal keeps its own.
    pub canvas: (Color, Color),
    styles: [Style; Role::ALL.len()],
}

impl Theme {
    /// The look of a meaning.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role.index()).copied().unwrap_or_default()
    }

    /// Loads a theme by name (built in, or `NAME.toml` in `folder`) for a terminal of this depth.
    /// A terminal without colour gets `mono`, whatever was asked for: leaving the colours out of
    /// another theme would leave its severities looking alike.
    ///
    /// # Errors
    /// When no such theme exists, or its file has an error.
    pub fn load(name: &str, folder: Option<&Path>, depth: Depth, glyphs: Glyphs) -> Result<Self, ThemeError> {
        let name = if depth == Depth::Mono { "mono" } else { name };
        let file = file::find(name, folder, 0)?;
        Ok(file.resolve(depth, &glyphs))
    }

    /// Reads a theme from text.
    ///
    /// # Errors
    /// When the text has an error; says which line.
    pub fn parse(text: &str, origin: &str, depth: Depth, glyphs: Glyphs) -> Result<Self, ThemeError> {
        Ok(file::parse(text, origin, None, 0)?.resolve(depth, &glyphs))
    }

    /// The names of the built-in themes.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        BUILT_IN.into_iter().map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_loads_at_every_depth() {
        for name in Theme::built_in() {
            for depth in [Depth::TrueColour, Depth::Indexed, Depth::Ansi, Depth::Mono] {
                let theme = Theme::load(name, None, depth, UNICODE).unwrap();
                assert_ne!(theme.style(Role::Crit), theme.style(Role::Normal), "{name} {depth:?}");
                assert_ne!(theme.style(Role::Crit), theme.style(Role::Warn), "{name} {depth:?}");
            }
        }
    }

    #[test]
    fn a_terminal_without_colour_gets_mono_and_its_banner_is_reversed() {
        let theme = Theme::load("cockpit", None, Depth::Mono, UNICODE).unwrap();
        assert_eq!(theme.name, "mono");
        let banner = theme.style(Role::Banner);
        assert!(banner.add_modifier.contains(ratatui::style::Modifier::REVERSED));
        for role in Role::ALL {
            let style = theme.style(role);
            for colour in [style.fg, style.bg] {
                assert!(matches!(colour, None | Some(Color::Reset)), "{role:?} sends a colour");
            }
        }
    }

    #[test]
    fn at_sixteen_colours_severities_keep_a_colour_of_their_own() {
        for name in ["cockpit", "cockpit-light", "ansi16", "market"] {
            let theme = Theme::load(name, None, Depth::Ansi, UNICODE).unwrap();
            let of = |role| theme.style(role).fg.filter(|colour| *colour != Color::Reset);
            let banner = theme.style(Role::Banner);
            assert!(of(Role::Warn).is_some() && of(Role::Crit).is_some() && of(Role::Warn) != of(Role::Crit), "{name}");
            assert!(banner.bg.is_some_and(|colour| colour != Color::Reset), "{name}: the banner has no ground");
        }
    }

    #[test]
    fn four_lines_make_a_theme() {
        let text = "name = \"x\"\n[role]\nwarn = \"yellow\"\ncrit = { fg = \"red\", bold = true }\n";
        let theme = Theme::parse(text, "x.toml", Depth::Ansi, UNICODE).unwrap();
        assert_eq!(theme.style(Role::Pending).fg, Some(Color::Yellow));
        assert_eq!(theme.style(Role::Unknown).fg, Some(Color::Red));
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let cases = [
            ("name = \"x\"\n[role]\ncrti = \"red\"\n", "x.toml:3", "role.crti"),
            ("name = \"x\"\n[role]\ncrit = { fg = \"red\", blod = true }\n", "x.toml:3", "blod"),
            ("name = \"x\"\n[role]\ncrit = \"rde\"\n", "x.toml:3", "rde"),
            ("name = \"x\"\ncolor = 1\n", "x.toml:2", "color"),
            ("name = \"x\"\n[palette]\na = \"#12345\"\n", "x.toml:3", "#12345"),
            ("name = \"x\"\ndepth = \"17\"\n", "x.toml:2", "17"),
            ("name = \"x\"\nextends = \"nothing\"\n", "x.toml", "nothing"),
            ("name = \"x\n", "x.toml:1", ""),
        ];
        for (text, place, word) in cases {
            let error = Theme::parse(text, "x.toml", Depth::TrueColour, UNICODE).unwrap_err().to_string();
            assert!(error.contains(place) && error.contains(word), "{error}");
        }
    }

    /// Contrast against the canvas, and distance of the severities from each other as people with
    /// each of the three colour deficiencies see them (Viénot 1999 for the simulation, CIE76).
    #[test]
    fn severities_can_be_told_apart_by_everybody() {
        for name in ["cockpit", "cockpit-light", "market"] {
            let theme = Theme::load(name, None, Depth::TrueColour, UNICODE).unwrap();
            let paper = rgb(theme.canvas.1);
            for role in [Role::Text, Role::Muted, Role::Normal, Role::Warn, Role::Crit, Role::Pending] {
                let ratio = contrast(rgb(theme.style(role).fg.unwrap()), paper);
                assert!(ratio >= 4.5, "{name} {role:?}: {ratio:.1}");
            }
            let banner = theme.style(Role::Banner);
            assert!(contrast(rgb(banner.fg.unwrap()), rgb(banner.bg.unwrap())) >= 4.5, "{name} banner");
            let of = |role| rgb(theme.style(role).fg.unwrap());
            for (a, b) in [(Role::Warn, Role::Crit), (Role::Normal, Role::Warn), (Role::Normal, Role::Crit)] {
                for kind in 0..3 {
                    let d = delta(simulate(of(a), kind), simulate(of(b), kind));
                    assert!(d >= 20.0, "{name} {a:?}/{b:?} deficiency {kind}: {d:.0}");
                }
            }
        }
    }

    fn rgb(colour: Color) -> [f64; 3] {
        let Color::Rgb(r, g, b) = colour else { panic!("{colour:?} is not exact") };
        [r, g, b].map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn luminance([r, g, b]: [f64; 3]) -> f64 {
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    fn simulate(colour: [f64; 3], kind: usize) -> [f64; 3] {
        const M: [[[f64; 3]; 3]; 3] = [
            [[0.1124, 0.8876, 0.0], [0.1124, 0.8876, 0.0], [0.004, -0.004, 1.0]],
            [[0.2928, 0.7072, 0.0], [0.2928, 0.7072, 0.0], [-0.0223, 0.0223, 1.0]],
            [[1.0143, 0.1464, -0.1607], [0.0, 0.8577, 0.1423], [0.0, 0.6731, 0.3269]],
        ];
        M[kind].map(|row| (row[0] * colour[0] + row[1] * colour[1] + row[2] * colour[2]).clamp(0.0, 1.0))
    }

    fn delta(a: [f64; 3], b: [f64; 3]) -> f64 {
        let (a, b) = (lab(a), lab(b));
        (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt()
    }

    fn lab([red, green, blue]: [f64; 3]) -> [f64; 3] {
        let curve = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = curve((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
        let y = curve(0.2126 * red + 0.7152 * green + 0.0722 * blue);
        let z = curve((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }
}
