//! Whose data a data directory holds: one environment, one exchange, one account.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Environment;

/// The word for the exchange that runs inside of a paper session.
pub const EMBEDDED: &str = "embedded";

/// The word for what an API key stands for, where two identities differ in it.
pub const ACCOUNT: &str = "account";

/// Environment, exchange and account that a session belongs to, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Paper or live.
    pub environment: Environment,
    /// The exchange: [`EMBEDDED`], or its host; with its port when live. A paper exchange may come
    /// back on another port.
    pub exchange: String,
    /// The account, as a digest of its API key; `None` for the embedded exchange, whose keys are drawn
    /// anew at each start, and while it is not known (a directory of version 0.1.0).
    pub account: Option<String>,
}

impl Identity {
    /// That of a session on its embedded exchange.
    pub fn embedded() -> Self {
        Self { environment: Environment::Paper, exchange: EMBEDDED.to_owned(), account: None }
    }

    /// That of a session on an exchange that runs apart, at this address.
    pub fn apart(environment: Environment, rest_url: &str, account: Option<String>) -> Self {
        let (host, port) = place(rest_url);
        let exchange = match port {
            Some(port) if environment == Environment::Live => format!("{host}:{port}"),
            _ => host,
        };
        Self { environment, exchange, account }
    }

    /// What differs, as (what it is, here, there); `None` when both may work on the same data. What is
    /// not known on one side does not differ.
    pub fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let word = |identity: &Self| identity.environment.word().to_lowercase();
        if self.environment != other.environment {
            return Some(("environment", word(self), word(other)));
        }
        if self.exchange != other.exchange {
            return Some(("exchange", self.exchange.clone(), other.exchange.clone()));
        }
        match (&self.account, &other.account) {
            (Some(here), Some(there)) if here != there => Some((ACCOUNT, here.clone(), there.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, exchange {}", self.environment.word().to_lowercase(), self.exchange)?;
        match &self.account {
            Some(account) => write!(f, ", account {account}"),
            None => Ok(()),
        }
    }
}

/// Host, in lower case, and port of an address; the loopback has one name.
fn place(url: &str) -> (String, Option<String>) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (rest, None),
    };
    let host = host.to_ascii_lowercase();
    let host = if matches!(host.as_str(), "localhost" | "[::1]") { "127.0.0.1".to_owned() } else { host };
    (host, port.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_names_host_and_account_and_no_secret() {
        let live = Identity::apart(Environment::Live, "https://user:secret@API.mexc.com/x?y", Some("a1b2c3d4".into()));
        assert_eq!(live.to_string(), "live, exchange api.mexc.com, account a1b2c3d4");
        let other = Identity::apart(Environment::Live, "https://api.mexc.com:8443", Some("a1b2c3d4".into()));
        assert_eq!(live.difference(&other).unwrap().0, "exchange");
    }

    #[test]
    fn a_paper_exchange_may_change_its_port_and_nothing_else() {
        let of = |url: &str, key: &str| Identity::apart(Environment::Paper, url, Some(key.into()));
        assert_eq!(of("http://127.0.0.1:4000", "k").difference(&of("http://localhost:5000", "k")), None);
        assert_eq!(
            of("http://127.0.0.1:4000", "k").difference(&of("http://127.0.0.1:4000", "l")).unwrap().0,
            "account"
        );
        assert_eq!(of("http://127.0.0.1:4000", "k").difference(&Identity::embedded()).unwrap().0, "exchange");
        let live = Identity::apart(Environment::Live, "http://127.0.0.1:4000", Some("k".into()));
        assert_eq!(of("http://127.0.0.1:4000", "k").difference(&live).unwrap().0, "environment");
        let unknown = Identity { account: None, ..of("http://127.0.0.1", "k") };
        assert_eq!(unknown.difference(&of("http://127.0.0.1", "k")), None);
    }
}
