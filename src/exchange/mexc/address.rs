//! Addresses that may be connected to. Only [`Address::checked`] makes one, so no connection can be
//! opened to a place that was not judged: without a permit for live trading that is loopback alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

use crate::config::LivePermit;
use crate::model::escape_controls;

/// What the session may reach.
#[derive(Debug)]
pub enum Permit {
    /// Only this machine: 127.0.0.0/8, `::1` and `localhost`.
    Loopback,
    /// Any encrypted address too: all three conditions of live trading are met.
    Live(LivePermit),
}

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `http` or `https`.
    Rest,
    /// `ws` or `wss`.
    Stream,
}

impl Protocol {
    const fn schemes(self) -> [&'static str; 2] {
        match self {
            Self::Rest => ["http", "https"],
            Self::Stream => ["ws", "wss"],
        }
    }
}

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address at all.
    #[error("the exchange address {address:?} is not a URL: {reason}")]
    NotAUrl {
        /// As given, escaped.
        address: String,
        /// What the parser said.
        reason: String,
    },
    /// The wrong protocol.
    #[error("the exchange address {address:?} must begin with {first}:// or {second}://")]
    Scheme {
        /// As given, escaped.
        address: String,
        /// The plain scheme.
        first: &'static str,
        /// The encrypted scheme.
        second: &'static str,
    },
    /// Something in it that hides where it leads.
    #[error("the exchange address {address:?} {what}; write it as scheme://host:port")]
    Unclear {
        /// As given, escaped.
        address: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Orders and keys would cross the network in the clear.
    #[error("the exchange address {address:?} is not encrypted; beyond this machine it must begin with {second}://")]
    NotEncrypted {
        /// As given, escaped.
        address: String,
        /// The encrypted scheme.
        second: &'static str,
    },
    /// A place outside this machine.
    #[error(
        "the exchange address {address:?} is not on this machine ({host}), and the session is not permitted to trade live: \
         that needs mode = \"live\", keys and --live"
    )]
    NotLoopback {
        /// As given, escaped.
        address: String,
        /// The host it leads to.
        host: String,
    },
}

/// An address that was judged and may be connected to.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    loopback: bool,
}

impl Address {
    /// Judges an address.
    ///
    /// # Errors
    /// When it is not a plain address of that protocol, or leads to where the permit does not.
    pub fn checked(text: &str, protocol: Protocol, permit: &Permit) -> Result<Self, AddressError> {
        let address = || escape_controls(&text.chars().take(200).collect::<String>()).into_owned();
        let unclear = |what| Err(AddressError::Unclear { address: address(), what });
        let url = Url::parse(text)
            .map_err(|error| AddressError::NotAUrl { address: address(), reason: error.to_string() })?;
        let schemes @ [first, second] = protocol.schemes();
        if !schemes.contains(&url.scheme()) {
            return Err(AddressError::Scheme { address: address(), first, second });
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return unclear("carries a user name");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return unclear("holds a character that no address needs");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return unclear("carries a query or a fragment");
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        if !written_as(text, &host) {
            return unclear("writes its host in an unusual way");
        }
        let loopback = is_loopback(&host);
        match permit {
            _ if loopback => {}
            Permit::Loopback => return Err(AddressError::NotLoopback { address: address(), host }),
            Permit::Live(_) if url.scheme() != second => {
                return Err(AddressError::NotEncrypted { address: address(), second });
            }
            Permit::Live(_) => {}
        }
        Ok(Self { url, loopback })
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it is on this machine.
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.url.scheme(), "https" | "wss")
    }

    /// Its port, by the scheme when it names none.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(if self.is_encrypted() { 443 } else { 80 })
    }

    /// The host without the brackets of IPv6.
    pub fn host(&self) -> &str {
        bare(self.url.host_str().unwrap_or_default())
    }

    /// Where a loopback address leads, without asking any resolver; `None` for others.
    pub fn loopback_sockets(&self) -> Option<Vec<SocketAddr>> {
        if !self.loopback {
            return None;
        }
        let ips = match self.host().parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        };
        Some(ips.into_iter().map(|ip| SocketAddr::new(ip, self.port())).collect())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || bare(host).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the host stands in the text as the parser understood it, so that another parser (the
/// WebSocket client's) cannot understand something else: no `0x7f.1`, no `2130706433`, no
/// percent-encoding.
fn written_as(text: &str, host: &str) -> bool {
    let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let written = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    !host.is_empty() && written.eq_ignore_ascii_case(bare(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Result<Address, AddressError> {
        let protocol = if text.starts_with("ws") { Protocol::Stream } else { Protocol::Rest };
        Address::checked(text, protocol, &Permit::Loopback)
    }

    #[test]
    fn this_machine_is_permitted() {
        for text in [
            "http://127.0.0.1:8080",
            "http://127.8.9.10",
            "http://localhost:1/",
            "http://LOCALHOST:1/",
            "http://[::1]:9000",
            "https://127.0.0.1",
            "ws://127.0.0.1:1/edge",
            "wss://localhost/edge",
        ] {
            assert!(judge(text).is_ok(), "{text}: {:?}", judge(text));
        }
    }

    #[test]
    fn every_other_address_is_refused_without_a_permit() {
        for text in [
            "https://api.mexc.com",
            "wss://contract.mexc.com/edge",
            "http://127.0.0.1.evil.com",
            "http://127.0.0.1@evil.com",
            "http://evil.com@127.0.0.1",
            "http://localhost@evil.com/",
            "http://localhost.evil.com",
            "http://localhost.",
            "http://0.0.0.0:80",
            "http://[::]:80",
            "http://[::ffff:127.0.0.1]:80",
            "http://2130706433",
            "http://134744072",
            "http://0x7f.0.0.1",
            "http://0177.0.0.1",
            "http://127.1",
            "http://10.0.0.1",
            "http://128.0.0.1",
            "http://evil.com#@127.0.0.1",
            "http://evil.com\\@127.0.0.1",
            "http://127.0.0.1\\.evil.com",
            "http://%31%32%37.0.0.1",
            "http://１２７.0.0.1",
            "http:127.0.0.1",
            "ftp://127.0.0.1",
            "ws://127.0.0.1.evil.com/edge",
            "wss://127.0.0.1@evil.com/edge",
            "ws://0.0.0.0/edge",
            "127.0.0.1:8080",
            "",
        ] {
            assert!(judge(text).is_err(), "{text} was let through as {:?}", judge(text));
        }
    }

    #[test]
    fn a_live_permit_opens_encrypted_addresses_only() {
        let mut settings = crate::config::Settings::default();
        settings.session.mode = crate::config::Mode::Live;
        let keys = crate::config::Credentials::new("key", "secret");
        let permit = Permit::Live(crate::config::live_permit(&settings, Some(keys), true).unwrap());
        let judge = |text: &str, protocol| Address::checked(text, protocol, &permit);
        assert!(!judge("https://api.mexc.com", Protocol::Rest).unwrap().is_loopback());
        assert!(judge("wss://contract.mexc.com/edge", Protocol::Stream).is_ok());
        assert!(judge("http://127.0.0.1:1", Protocol::Rest).is_ok());
        for text in ["http://api.mexc.com", "https://api.mexc.com@evil.com", "https://evil.com?x=1"] {
            assert!(judge(text, Protocol::Rest).is_err(), "{text}");
        }
        assert!(judge("ws://contract.mexc.com/edge", Protocol::Stream).is_err());
    }

    #[test]
    fn the_refusal_says_what_live_trading_needs() {
        let error = judge("https://api.mexc.com").unwrap_err().to_string();
        assert!(error.contains("api.mexc.com") && error.contains("--live"), "{error}");
    }

    #[test]
    fn a_name_on_this_machine_is_never_resolved() {
        let sockets = judge("http://localhost:81").unwrap().loopback_sockets().unwrap();
        assert!(sockets.iter().all(|socket| socket.ip().is_loopback() && socket.port() == 81), "{sockets:?}");
    }
}
