//! The seal on a command that was confirmed.

use crate::model::Command;

/// A value that went through its confirmation. Its field and its maker are private to the
/// confirmation, so nothing else can build one. A copy is the same command with the same id: sent
/// twice it is done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed<T>(T);

impl<T> Armed<T> {
    /// What was confirmed.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What was confirmed, to be sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

pub(super) const fn arm(command: Command) -> Armed<Command> {
    Armed(command)
}
