//! Errors for people: what happened, which value, what to do; and the exit code that scripts see.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::model::escape_controls;
use crate::runtime::LaunchError;
use crate::simulator::SimulatorError;

/// Why a command did not do what it should.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// What was asked for could not be done: exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// What was asked for makes no sense: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// Prints it on standard error.
    pub fn report(self) -> ExitCode {
        // Messages are one line each by construction; what came from outside is made harmless here
        // once more.
        super::stderr::say(&escape_controls(&self.message));
        ExitCode::from(self.code)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<SimulatorError> for Failure {
    fn from(error: SimulatorError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
