//! Where QuestDB is: the connection string of its own clients,
//! `http::addr=HOST:PORT;username=U;password=P;`.

use std::fmt;

use secrecy::SecretString;

/// The port of a QuestDB that names none.
const PORT: u16 = 9000;
/// What a connection string looks like, for errors.
const EXAMPLE: &str = "write it like http::addr=127.0.0.1:9000; or http::addr=HOST:9000;username=U;password=P;";

/// How a server wants to know who asks.
#[derive(Clone)]
pub enum Access {
    /// Anybody may.
    Open,
    /// A name and a password (HTTP Basic).
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// A token (Bearer).
    Token(SecretString),
}

/// Where a QuestDB is and how it is reached. What it prints never holds a secret.
#[derive(Clone)]
pub struct Conf {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Host name or address; an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who asks.
    pub access: Access,
}

/// Why a text is no connection string. Values are not repeated: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfError {
    /// No scheme, or one that is not spoken here.
    #[error("the QuestDB connection begins with neither http:: nor https::; {EXAMPLE}")]
    Scheme,
    /// A part without `=`.
    #[error("part {0} of the QuestDB connection is not KEY=VALUE; {EXAMPLE}")]
    Part(usize),
    /// A key that is not known.
    #[error("the QuestDB connection has an unknown key \"{0}\": addr, username, password and token are known")]
    Key(String),
    /// A key that stands there twice.
    #[error("the QuestDB connection has {0} twice")]
    Twice(&'static str),
    /// No address.
    #[error("the QuestDB connection has no addr; {EXAMPLE}")]
    NoAddress,
    /// An address that is none.
    #[error("the QuestDB address {0} is not HOST:PORT with a port from 1 to 65535")]
    Address(String),
    /// Only one of name and password, or both ways at once.
    #[error("the QuestDB connection needs username and password together, or token alone, or none of them")]
    Access,
}

impl Conf {
    /// Reads a connection string. A `;` within a value is written `;;`.
    ///
    /// # Errors
    /// When it is none; the error names the key and never a value that may be secret.
    pub fn parse(text: &str) -> Result<Self, ConfError> {
        let text = text.trim();
        let (tls, rest) = if let Some(rest) = text.strip_prefix("http::") {
            (false, rest)
        } else if let Some(rest) = text.strip_prefix("https::") {
            (true, rest)
        } else {
            return Err(ConfError::Scheme);
        };
        let (mut address, mut username, mut password, mut token) = (None, None, None, None);
        for (place, part) in parts(rest).into_iter().enumerate() {
            let Some((key, value)) = part.split_once('=') else {
                return Err(ConfError::Part(place.saturating_add(1)));
            };
            let (slot, name) = match key.trim() {
                "addr" => (&mut address, "addr"),
                "username" => (&mut username, "username"),
                "password" => (&mut password, "password"),
                "token" => (&mut token, "token"),
                other => {
                    let shown: String = other.chars().take(40).collect();
                    return Err(ConfError::Key(crate::model::escape_controls(&shown).into_owned()));
                }
            };
            if slot.replace(value.to_owned()).is_some() {
                return Err(ConfError::Twice(name));
            }
        }
        let (host, port) = address_of(&address.ok_or(ConfError::NoAddress)?)?;
        let access = match (username, password, token) {
            (None, None, None) => Access::Open,
            (Some(username), Some(password), None) => Access::Basic { username, password: password.into() },
            (None, None, Some(token)) => Access::Token(token.into()),
            _ => return Err(ConfError::Access),
        };
        Ok(Self { tls, host, port, access })
    }

    /// The address as a URL without a path.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.host, self.port)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

impl fmt::Debug for Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conf({})", self.url())
    }
}

/// The parts between single `;`; a doubled one stands for itself.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ';' && chars.next_if_eq(&';').is_none() {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn address_of(text: &str) -> Result<(String, u16), ConfError> {
    let bad = || ConfError::Address(crate::model::escape_controls(text).into_owned());
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
        (host, rest.strip_prefix(':'))
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = port.map_or(Ok(PORT), |port| port.parse().map_err(|_| bad()))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if host.is_empty() || port == 0 || !host.chars().all(fits) {
        return Err(bad());
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_usual_forms_are_read() {
        let conf = Conf::parse("http::addr=127.0.0.1:9000;").unwrap();
        assert_eq!((conf.url().as_str(), conf.tls), ("http://127.0.0.1:9000", false));
        assert!(matches!(conf.access, Access::Open));
        assert_eq!(Conf::parse("https::addr=db.example.org").unwrap().url(), "https://db.example.org:9000");
        assert_eq!(Conf::parse("http::addr=[::1]:9001;").unwrap().url(), "http://[::1]:9001");
        let conf = Conf::parse("http::addr=h:1;username=joe;password=a;;b=c;").unwrap();
        let Access::Basic { username, password } = &conf.access else { panic!("{conf:?}") };
        assert_eq!((username.as_str(), password.expose_secret()), ("joe", "a;b=c"));
        let conf = Conf::parse("http::addr=h:1;token=t0ken;").unwrap();
        assert!(matches!(&conf.access, Access::Token(token) if token.expose_secret() == "t0ken"));
    }

    #[test]
    fn mistakes_are_named_and_secrets_are_not() {
        for (text, named) in [
            ("tcp::addr=h:1;", "neither http:: nor https::"),
            ("http::addr=h:1;hunter2;", "part 2"),
            ("http::addr=h:1;pasword=hunter2;", "\"pasword\""),
            ("http::password=hunter2;username=u;", "no addr"),
            ("http::addr=h:99999;", "h:99999"),
            ("http::addr=h:1;addr=h:2;", "addr twice"),
            ("http::addr=h:1;password=hunter2;", "username and password together"),
            ("http::addr=h:1;username=u;password=hunter2;token=hunter2", "token alone"),
            ("", "write it like"),
        ] {
            let error = Conf::parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let conf = Conf::parse("http::addr=h:1;username=u;password=hunter2;").unwrap();
        assert!(!format!("{conf:?} {conf}").contains("hunter2"));
    }
}
