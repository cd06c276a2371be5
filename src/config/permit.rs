//! Trading for real needs three things at once; this type is the proof that all three were there.

use super::credentials::{Credentials, KEY_VARIABLE, SECRET_VARIABLE};
use super::{Mode, Settings};

/// The proof that the settings, the keys and the command line all say live. Only [`live_permit`] can
/// make one; without it the adapter refuses every address that is not loopback.
#[derive(Debug)]
pub struct LivePermit {
    credentials: Credentials,
}

impl LivePermit {
    /// The keys.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

/// Why a session is not live.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this session cannot trade for real: {}", missing.join("; "))]
pub struct NotLive {
    /// Every condition that is missing, and how to meet it.
    pub missing: Vec<String>,
}

/// Checks the three conditions of real trading: `session.mode = "live"`, keys, and `--live`.
///
/// # Errors
/// Every condition that is missing.
pub fn live_permit(settings: &Settings, credentials: Option<Credentials>, live: bool) -> Result<LivePermit, NotLive> {
    let mut missing = Vec::new();
    if settings.session.mode != Mode::Live {
        missing.push("the configuration does not say session.mode = \"live\"".to_string());
    }
    if credentials.is_none() {
        missing.push(format!("there are no keys (set {KEY_VARIABLE} and {SECRET_VARIABLE}, or exchange.api_key_file)"));
    }
    if !live {
        missing.push("--live is not on the command line".to_string());
    }
    match credentials {
        Some(credentials) if missing.is_empty() => Ok(LivePermit { credentials }),
        _ => Err(NotLive { missing }),
    }
}
