//! Colours at the depth that a terminal has.

use ratatui::style::Color;

/// How many colours are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    TrueColour,
    /// The palette of 256.
    Indexed,
    /// The terminal's own sixteen.
    Ansi,
    /// None.
    Mono,
}

impl Depth {
    /// The depth that the environment promises. `NO_COLOR` (any value but the empty one) wins.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| variable(name).unwrap_or_default();
        let term = value("TERM");
        if !value("NO_COLOR").is_empty() || term == "dumb" {
            Self::Mono
        } else if matches!(value("COLORTERM").as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
            Self::TrueColour
        } else if term.contains("256color") {
            Self::Indexed
        } else {
            Self::Ansi
        }
    }

    /// The lesser of the two.
    #[must_use]
    pub const fn at_most(self, other: Self) -> Self {
        if self.rank() < other.rank() { self } else { other }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Mono => 0,
            Self::Ansi => 1,
            Self::Indexed => 2,
            Self::TrueColour => 3,
        }
    }
}

/// A colour of a theme: exact, and its twin among the sixteen. Without a twin it is not guessed:
/// sixteen-colour terminals show their default instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    /// 24-bit value.
    pub rgb: Option<(u8, u8, u8)>,
    /// One of the sixteen.
    pub ansi: Option<Color>,
}

impl Ink {
    /// The colour to send at a depth.
    pub fn at(self, depth: Depth) -> Color {
        match (depth, self.rgb, self.ansi) {
            (Depth::Mono, _, _) => Color::Reset,
            (Depth::TrueColour, Some((r, g, b)), _) => Color::Rgb(r, g, b),
            (Depth::Indexed, Some(rgb), _) => Color::Indexed(nearest(rgb)),
            (_, _, ansi) => ansi.unwrap_or(Color::Reset),
        }
    }
}

/// Reads `#rrggbb`.
pub fn hex(text: &str) -> Option<(u8, u8, u8)> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |from: usize| u8::from_str_radix(digits.get(from..from.checked_add(2)?)?, 16).ok();
    Some((part(0)?, part(2)?, part(4)?))
}

/// Reads the name of one of the sixteen, or `default`.
pub fn ansi(name: &str) -> Option<Color> {
    Some(match name {
        "default" => Color::Reset,
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "gray" => Color::Gray,
        "dark-gray" => Color::DarkGray,
        "light-red" => Color::LightRed,
        "light-green" => Color::LightGreen,
        "light-yellow" => Color::LightYellow,
        "light-blue" => Color::LightBlue,
        "light-magenta" => Color::LightMagenta,
        "light-cyan" => Color::LightCyan,
        "white" => Color::White,
        _ => return None,
    })
}

/// The entry of xterm's colour cube or grey ramp that is nearest.
fn nearest((r, g, b): (u8, u8, u8)) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let distance = |a: (u8, u8, u8)| {
        let d = |x: u8, y: u8| u32::from(x.abs_diff(y)).pow(2);
        d(a.0, r).saturating_add(d(a.1, g)).saturating_add(d(a.2, b))
    };
    let cube =
        (0_u8..6).flat_map(|x| (0_u8..6).flat_map(move |y| (0_u8..6).map(move |z| (x, y, z)))).map(|(x, y, z)| {
            let step = |i: u8| STEPS.get(usize::from(i)).copied().unwrap_or_default();
            let index =
                16_u8.saturating_add(x.saturating_mul(36)).saturating_add(y.saturating_mul(6)).saturating_add(z);
            (index, (step(x), step(y), step(z)))
        });
    let greys = (0_u8..24).map(|i| {
        let level = 8_u8.saturating_add(i.saturating_mul(10));
        (232_u8.saturating_add(i), (level, level, level))
    });
    cube.chain(greys).min_by_key(|(_, rgb)| distance(*rgb)).map_or(15, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_wins_over_every_promise() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        assert_eq!(Depth::detect(env(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")])), Depth::Mono);
        assert_eq!(Depth::detect(env(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")])), Depth::TrueColour);
        assert_eq!(Depth::detect(env(&[("TERM", "xterm-256color")])), Depth::Indexed);
        assert_eq!(Depth::detect(env(&[("TERM", "xterm")])), Depth::Ansi);
    }

    #[test]
    fn sixteen_colours_are_named_never_guessed() {
        let amber = Ink { rgb: hex("#e6b450"), ansi: ansi("yellow") };
        assert_eq!(amber.at(Depth::Ansi), Color::Yellow);
        assert_eq!(Ink { ansi: None, ..amber }.at(Depth::Ansi), Color::Reset);
        assert_eq!(amber.at(Depth::Mono), Color::Reset);
        assert_eq!(Ink { rgb: Some((255, 0, 0)), ansi: None }.at(Depth::Indexed), Color::Indexed(196));
    }
}
