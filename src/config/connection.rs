//! A connection string: it may hold a password, so it is never printed as it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A connection string, or the empty text for "not set".
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Connection(String);

impl Connection {
    /// The string, when one is set.
    pub fn expose(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|text| !text.is_empty())
    }

    /// From what somebody typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// The string without the values that may be secret: only scheme and address stay.
pub fn redacted(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("::") else {
        return if text.is_empty() { String::new() } else { "***".into() };
    };
    let address = rest.split(';').find(|part| part.starts_with("addr="));
    let hidden = if rest.split(';').any(|part| !part.is_empty() && !part.starts_with("addr=")) { "***" } else { "" };
    let address = address.map_or_else(String::new, |address| format!("{address};"));
    format!("{scheme}::{address}{hidden}")
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", redacted(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secret() {
        for (text, shown) in [
            ("", ""),
            ("http::addr=h:9000;", "http::addr=h:9000;"),
            ("http::addr=h:9000;username=u;password=hunter2;", "http::addr=h:9000;***"),
            ("https::token=hunter2;addr=h;", "https::addr=h;***"),
            ("hunter2", "***"),
        ] {
            assert_eq!(redacted(text), shown);
            assert!(!format!("{:?}", Connection::new(text)).contains("hunter2"));
        }
    }
}
