//! The exchange's keys. They are never printed, and a file that others can read is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// The environment variable of the key.
pub const KEY_VARIABLE: &str = "PERPDECK_API_KEY";
/// The environment variable of the secret.
pub const SECRET_VARIABLE: &str = "PERPDECK_API_SECRET";

/// An API key and its secret.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Names the account; sent with every signed request.
    pub api_key: SecretString,
    /// Signs requests; never sent.
    pub api_secret: SecretString,
}

/// Why the keys cannot be used. No part of a key is ever in it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Only one half is there.
    #[error("{present} is set, but {missing} is not; set both or none")]
    Half {
        /// What is there.
        present: String,
        /// What is not.
        missing: String,
    },
    /// A key has a character that no key has.
    #[error("{place} has a character that is not printable ASCII, or a space; copy the key again")]
    Malformed {
        /// Which.
        place: String,
    },
    /// Others can read the file.
    #[error("{} can be read by other users (mode {mode:04o}); run: chmod 600 '{}'", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file cannot be read.
    #[error("cannot read the keys in {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file has another form.
    #[error("{} must have two lines, api_key = \"...\" and api_secret = \"...\", and nothing else", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    api_key: String,
    api_secret: String,
}

impl Credentials {
    /// From two texts: the embedded simulator's, or a test's.
    pub fn new(api_key: impl Into<String>, api_secret: impl Into<String>) -> Self {
        Self { api_key: SecretString::from(api_key.into()), api_secret: SecretString::from(api_secret.into()) }
    }

    /// From the environment, or else from the file; `None` when neither has any.
    ///
    /// # Errors
    /// Half a pair, a file that others can read, a file of another form.
    pub fn find(
        variable: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Option<Self>, CredentialsError> {
        let get = |name| variable(name).filter(|text| !text.is_empty());
        let half =
            |present: &str, missing: &str| CredentialsError::Half { present: present.into(), missing: missing.into() };
        match (get(KEY_VARIABLE), get(SECRET_VARIABLE)) {
            (Some(key), Some(secret)) => {
                well_formed(&key, KEY_VARIABLE)?;
                well_formed(&secret, SECRET_VARIABLE)?;
                Ok(Some(Self::new(key, secret)))
            }
            (Some(_), None) => Err(half(KEY_VARIABLE, SECRET_VARIABLE)),
            (None, Some(_)) => Err(half(SECRET_VARIABLE, KEY_VARIABLE)),
            (None, None) => file.map(Self::read).transpose(),
        }
    }

    /// From the process's environment, or else from the file.
    ///
    /// # Errors
    /// As [`Credentials::find`].
    pub fn of_process(file: Option<&Path>) -> Result<Option<Self>, CredentialsError> {
        Self::find(|name| std::env::var(name).ok(), file)
    }

    fn read(path: &Path) -> Result<Self, CredentialsError> {
        use secrecy::ExposeSecret as _;
        let unreadable = |source| CredentialsError::Unreadable { path: path.to_path_buf(), source };
        let form = || CredentialsError::Form { path: path.to_path_buf() };
        let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(CredentialsError::Exposed { path: path.to_path_buf(), mode });
        }
        let text = SecretString::from(fs::read_to_string(path).map_err(unreadable)?);
        // The parser's own message would quote the line, and with it the key.
        let keys: KeyFile = toml::from_str(text.expose_secret()).map_err(|_| form())?;
        for (key, name) in [(&keys.api_key, "api_key"), (&keys.api_secret, "api_secret")] {
            if key.is_empty() {
                return Err(form());
            }
            well_formed(key, &format!("{name} in {}", path.display()))?;
        }
        Ok(Self::new(keys.api_key, keys.api_secret))
    }
}

/// A key goes into a header, so it must be able to.
fn well_formed(key: &str, place: &str) -> Result<(), CredentialsError> {
    if key.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(CredentialsError::Malformed { place: place.into() })
    }
}
