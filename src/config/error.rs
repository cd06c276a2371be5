//! One error that says where, which setting, what stood there, and what is allowed.

use std::fmt;
use std::path::PathBuf;

use crate::model::escape_controls;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The built-in defaults.
    Default,
    /// A file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// The command line.
    CommandLine {
        /// The option.
        option: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::CommandLine { option } => write!(f, "command line, {option}"),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}, line {line}: {what}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// There is no such setting.
    #[error("{origin}: there is no setting {}{hint}", shown(key))]
    Unknown {
        /// Where it was named.
        origin: Origin,
        /// The name.
        key: String,
        /// What may be meant, as the end of the sentence.
        hint: String,
    },
    /// The value is not allowed.
    #[error("{origin}: {key} = {} is not allowed; it must be {allowed}", shown(value))]
    NotAllowed {
        /// Where it was set.
        origin: Origin,
        /// The setting.
        key: String,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
}

fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(100).collect();
    if cut.len() < text.len() {
        cut.push_str("...");
    }
    escape_controls(&cut).into_owned()
}
