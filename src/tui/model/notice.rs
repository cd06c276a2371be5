//! A message in the footer: an answer to a key, never the only place where an error stands.

use std::time::Duration;

use crate::model::Severity;

/// How long a notice stands.
pub const STANDS: Duration = Duration::from_secs(4);

/// A message in the footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// For people.
    pub text: String,
    /// How bad.
    pub severity: Severity,
    /// When it goes.
    pub until: Duration,
}

impl Notice {
    /// A notice from now on.
    pub fn new(text: impl Into<String>, severity: Severity, now: Duration) -> Self {
        Self { text: text.into(), severity, until: now.saturating_add(STANDS) }
    }
}
