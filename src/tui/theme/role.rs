//! What a style is for. Roles are meanings, not widgets; one that a theme leaves out falls back
//! along its chain, so a theme of four lines is a whole theme.

/// A meaning that a theme gives a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Ordinary text.
    Text,
    /// Labels, hints, things at rest.
    Muted,
    /// Lines around panes.
    Border,
    /// The line around the pane that has the keyboard.
    Focus,
    /// Titles of panes.
    Title,
    /// Names of keys.
    Key,
    /// A measure that is well.
    Normal,
    /// A warning.
    Warn,
    /// Critical.
    Crit,
    /// The banner while a critical alert is not acknowledged.
    Banner,
    /// Asked for, not yet proven.
    Pending,
    /// Its fate is not known.
    Unknown,
    /// The selected row.
    Selection,
    /// A marked row.
    Mark,
    /// A prompt for a command.
    Prompt,
    /// Real money.
    EnvLive,
    /// Play money.
    EnvPaper,
    /// A past session.
    EnvReplay,
    /// A gain, a long: the same as text unless a theme says otherwise.
    Gain,
    /// A loss, a short: the same as text unless a theme says otherwise.
    Loss,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 20] = [
        Self::Text,
        Self::Muted,
        Self::Border,
        Self::Focus,
        Self::Title,
        Self::Key,
        Self::Normal,
        Self::Warn,
        Self::Crit,
        Self::Banner,
        Self::Pending,
        Self::Unknown,
        Self::Selection,
        Self::Mark,
        Self::Prompt,
        Self::EnvLive,
        Self::EnvPaper,
        Self::EnvReplay,
        Self::Gain,
        Self::Loss,
    ];

    /// Its name in a theme file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Muted => "muted",
            Self::Border => "border",
            Self::Focus => "focus",
            Self::Title => "title",
            Self::Key => "key",
            Self::Normal => "normal",
            Self::Warn => "warn",
            Self::Crit => "crit",
            Self::Banner => "banner",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
            Self::Selection => "selection",
            Self::Mark => "mark",
            Self::Prompt => "prompt",
            Self::EnvLive => "env.live",
            Self::EnvPaper => "env.paper",
            Self::EnvReplay => "env.replay",
            Self::Gain => "gain",
            Self::Loss => "loss",
        }
    }

    /// The role whose look it takes when the theme gives it none; `None` for the root.
    pub const fn fallback(self) -> Option<Self> {
        match self {
            Self::Text => None,
            Self::Border | Self::EnvReplay => Some(Self::Muted),
            Self::Focus | Self::Key | Self::Mark => Some(Self::Title),
            Self::Pending => Some(Self::Warn),
            Self::Unknown | Self::Banner => Some(Self::Crit),
            Self::Prompt => Some(Self::Banner),
            _ => Some(Self::Text),
        }
    }

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|role| *role == self).unwrap_or_default()
    }

    /// The role with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}
