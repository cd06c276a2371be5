//! The terminal, taken and given back. Whatever ends the dashboard, it is given back: an error, a
//! signal, a panic of this thread. A panic of another thread leaves it alone and is reported.

mod bounded;
mod input;
mod keyboard;
mod out;
mod panics;
mod pen;
mod screen;
mod shown;

pub use input::Input;
pub use keyboard::{Keyboard, Stamped};
pub use out::{copy, ring, title};
pub use panics::PanicWatch;
pub use screen::{Screen, TerminalError};
pub use shown::Shown;
