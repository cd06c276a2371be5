//! The dashboard. `update` and `view` are pure; only [`confirm`] can make an [`confirm::Armed`]
//! command and only such a command can leave; [`run()`] alone knows a terminal and a clock.

pub mod confirm;
pub mod figures;
pub mod format;
mod hook;
pub mod keymap;
pub mod model;
pub mod picture;
mod run;
mod terminal;
pub mod testkit;
pub mod theme;
mod toml_text;
pub mod update;
pub mod view;

pub use model::{Limits, Setup};
pub use run::{Dressing, Error, run};
pub use terminal::TerminalError;
pub use testkit::render_scene;
pub use update::Exit;
