//! Whose data lies in a data directory, and that no other session works on it.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::launch::Venue;
use crate::model::{ACCOUNT, Identity, SessionInfo};

/// The data belong to another environment, exchange or account.
#[derive(Debug, thiserror::Error)]
#[error(
    "the data directory {} belongs to another {what}: its data are of {known}; this start is {here}. Nothing was sent \
     and nothing changed. Use another directory with --data-dir DIR, or start with what it belongs to{}",
    dir.display(),
    self.way_in()
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

impl OtherOwner {
    /// Keys are renewed, and the positions of the account stay: a person can say that it is the same.
    fn way_in(&self) -> String {
        match &self.known.account {
            Some(known) if self.what == ACCOUNT => format!(
                ". If both are keys of the same account, because the key was renewed, confirm it: add `--adopt-key {known}` \
                 to this start, once"
            ),
            _ => String::new(),
        }
    }
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

/// Refuses a session that differs from the one whose data these are, unless only the account's key does and
/// a person has confirmed the known one, `adopted`. Says what to keep with the data: what is known already,
/// and what only this start knows.
///
/// # Errors
/// [`OtherOwner`].
pub fn check(
    dir: &Path,
    known: Option<&SessionInfo>,
    here: Identity,
    adopted: Option<&str>,
) -> Result<Identity, Box<OtherOwner>> {
    let Some(known) = known.map(|info| {
        // Facts of a program that kept none, under the present schema: the environment is known at least.
        let environment = info.environment;
        info.identity.clone().unwrap_or_else(|| Identity { environment, account: None, ..here.clone() })
    }) else {
        return Ok(here);
    };
    match known.difference(&here) {
        Some((ACCOUNT, ..)) if adopted.is_some() && adopted == known.account.as_deref() => Ok(here),
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
        assert_eq!(check(Path::new("d"), None, here.clone(), None).unwrap(), here);
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
        assert_eq!(check(Path::new("d"), Some(&info), here.clone(), None).unwrap(), here);
        info.identity = Some(Identity { account: Some("00000000".into()), ..here.clone() });
        let refused = |adopted| check(Path::new("d"), Some(&info), here.clone(), adopted).unwrap_err().to_string();
        assert!(refused(None).contains("`--adopt-key 00000000`"), "{}", refused(None));
        assert!(refused(Some("2c70e12b")).contains("another account"), "the key that is known is to be named");
        assert_eq!(check(Path::new("d"), Some(&info), here.clone(), Some("00000000")).unwrap(), here);
        info.environment = Environment::Live;
        info.identity = None;
        let error = check(Path::new("/data"), Some(&info), here, Some("2c70e12b")).unwrap_err().to_string();
        assert!(error.contains("/data belongs to another environment") && error.contains("of live"), "{error}");
        assert!(error.contains("this start is paper") && error.contains("--data-dir"), "{error}");
    }
}
