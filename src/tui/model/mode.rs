//! What keys mean.

use tui_input::Input;

use super::Pane;
use crate::tui::confirm::Prompt;

/// What keys mean now.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// Keys are commands.
    #[default]
    Normal,
    /// A filter is being typed.
    Filter {
        /// Of which table.
        pane: Pane,
        /// As typed.
        input: Input,
        /// What it was before.
        before: String,
    },
    /// An action is being looked for.
    Palette(Palette),
    /// The help is open.
    Help(Help),
    /// A command waits for its confirmation.
    Prompt(Box<Prompt>),
    /// The end of the session is being asked about.
    Quit {
        /// Since when.
        opened: std::time::Duration,
    },
}

/// The palette.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// As typed.
    pub input: Input,
    /// The chosen line.
    pub chosen: usize,
}

/// The help.
#[derive(Clone, Debug, Default)]
pub struct Help {
    /// As typed.
    pub input: Input,
    /// Whether keys go into the filter.
    pub typing: bool,
    /// The first line in sight.
    pub offset: usize,
}
