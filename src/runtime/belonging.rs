//! Whose data lies in a data directory, and that no other session works on it.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::launch::Venue;
use crate::model::{Identity, SessionInfo};

/// The data belong to another environment, exchange or account.
#[derive(Debug, thiserror::Error)]
#[error(
    "the data directory {} belongs to another {what}: its data are of {known}; this start is {here}. Nothing was sent \
     and nothing changed. Use another directory with --data-dir DIR, or start with what it belongs to",
    dir.display()
)]
pub struct OtherOwner {
    /// The directory.
    pub dir: PathBuf,
    /// What differs.
    pub what: &'static str,
    /// What the data belong to.
    pub known: Identity,
    /// What was to be started.
    pub here: Identity,
}

/// What a session on this exchange belongs to.
pub fn identity_of(venue: &Venue) -> Identity {
    match venue {
        Venue::Embedded(_) => Identity::embedded(),
        Venue::Apart { rest_url, credentials, environment, .. } => {
            Identity::apart(*environment, rest_url, Some(fingerprint(credentials.api_key.expose_secret())))
        }
    }
}

/// Refuses a session that differs from the one whose data these are. Says what to keep with the data:
/// what is known already, and what only this start knows.
///
/// # Errors
/// [`OtherOwner`].
pub fn check(dir: &Path, known: Option<&SessionInfo>, here: Identity) -> Result<Identity, Box<OtherOwner>> {
    let Some(known) = known.map(|info| {
        // Facts of a program that kept none, under the present schema: the environment is known at least.
        let environment = info.environment;
        info.identity.clone().unwrap_or_else(|| Identity { environment, account: None, ..here.clone() })
    }) else {
        return Ok(here);
    };
    match known.difference(&here) {
        Some((what, ..)) => Err(Box::new(OtherOwner { dir: dir.to_path_buf(), what, known, here })),
        None => Ok(Identity { account: known.account.or(here.account), ..known }),
    }
}

/// A key's fingerprint: tells keys apart and gives none away.
fn fingerprint(key: &str) -> String {
    hex::encode(Sha256::digest(key)).chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Environment;

    #[test]
    fn a_key_is_known_by_its_digest_alone() {
        // printf key | sha256sum
        assert_eq!(fingerprint("key"), "2c70e12b");
    }

    #[test]
    fn what_only_this_start_knows_is_kept_with_the_data() {
        let here = Identity::apart(Environment::Paper, "http://127.0.0.1:4", Some("2c70e12b".into()));
        assert_eq!(check(Path::new("d"), None, here.clone()).unwrap(), here);
        let mut info = crate::model::SessionInfo {
            id: crate::model::SessionId::new("fmv32yia").unwrap(),
            environment: Environment::Paper,
            exchange: "http://127.0.0.1:4".into(),
            label: String::new(),
            started_at: crate::model::SessionTime::ZERO,
            starts: 1,
            incarnation: None,
            identity: Some(Identity { account: None, ..here.clone() }),
        };
        assert_eq!(check(Path::new("d"), Some(&info), here.clone()).unwrap(), here);
        info.environment = Environment::Live;
        info.identity = None;
        let error = check(Path::new("/data"), Some(&info), here).unwrap_err().to_string();
        assert!(error.contains("/data belongs to another environment") && error.contains("of live"), "{error}");
        assert!(error.contains("this start is paper") && error.contains("--data-dir"), "{error}");
    }
}
