//! Names of things. Each is its own type, so that one cannot stand where another is meant.

use std::fmt;
use std::str::FromStr;

use compact_str::{CompactString, ToCompactString, format_compact};
use serde::{Deserialize, Serialize};

use super::text::escape_controls;

/// Why a text cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty {
        /// Which id.
        what: &'static str,
    },
    /// More characters than the limit.
    #[error("{what} {value:?} has {length} characters, at most {limit} are allowed")]
    TooLong {
        /// Which id.
        what: &'static str,
        /// The text, escaped and cut.
        value: String,
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// A character outside the allowed set.
    #[error("{what} {value:?} has a character outside {allowed}")]
    BadCharacter {
        /// Which id.
        what: &'static str,
        /// The text, escaped and cut.
        value: String,
        /// The allowed set.
        allowed: &'static str,
    },
}

fn checked(
    what: &'static str,
    text: &str,
    limit: usize,
    allowed: &'static str,
    ok: impl Fn(char) -> bool,
) -> Result<CompactString, IdError> {
    let shown = || escape_controls(&text.chars().take(64).collect::<String>()).into_owned();
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    let length = text.chars().count();
    if length > limit {
        return Err(IdError::TooLong { what, value: shown(), length, limit });
    }
    if !text.chars().all(ok) {
        return Err(IdError::BadCharacter { what, value: shown(), allowed });
    }
    Ok(text.to_compact_string())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:literal, $allowed:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(CompactString);

        impl $name {
            /// Checks the text and makes it an id.
            ///
            /// # Errors
            /// When it is empty, too long or has a character that is not allowed.
            pub fn new(text: &str) -> Result<Self, IdError> {
                checked($what, text, $limit, $allowed, $ok).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into_string()
            }
        }
    };
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

text_id!(
    /// One run of the engine on one data directory, restarts included.
    SessionId, "session id", 16, "[0-9A-Za-z_-]", plain
);
text_id!(
    /// A perpetual contract by the exchange's name: `BTC_USDT`.
    Symbol, "symbol", 32, "[0-9A-Z_]", |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
);
text_id!(
    /// The id that a signal's sender gave it; the same id again is the same signal.
    SignalId, "signal id", 128, "printable ASCII without spaces", |c| c.is_ascii_graphic()
);
text_id!(
    /// Who made a signal.
    StrategyId, "strategy", 64, "printable ASCII without spaces", |c| c.is_ascii_graphic()
);
text_id!(
    /// The id that we give an order before it is sent (the exchange's `externalOid`).
    ClientOrderId, "client order id", 32, "[0-9A-Za-z_-]", plain
);
text_id!(
    /// The id that the exchange gives an order; larger than 2^53, hence never a float.
    VenueOrderId, "exchange order id", 64, "printable ASCII without spaces", |c| c.is_ascii_graphic()
);
text_id!(
    /// The id that the exchange gives a fill.
    FillId, "fill id", 64, "printable ASCII without spaces", |c| c.is_ascii_graphic()
);
text_id!(
    /// The id that the exchange gives a position.
    VenuePositionId, "exchange position id", 64, "printable ASCII without spaces", |c| c.is_ascii_graphic()
);
text_id!(
    /// The id of an operator's command, made by its sender; the same id again is the same command.
    CommandId, "command id", 64, "printable ASCII without spaces", |c| c.is_ascii_graphic()
);

/// The number of an order within its session, from 1 on; shown as `#12`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderNo(pub u64);

impl OrderNo {
    /// The client order id of this order: session, incarnation and number, so that it is known before
    /// anything is sent and is never used twice, whatever becomes of the journal. Without an incarnation
    /// it is written as version 0.1.0 wrote it: `session-12`.
    pub fn client_id(self, session: &SessionId, incarnation: Option<&Incarnation>) -> ClientOrderId {
        ClientOrderId(match incarnation {
            Some(incarnation) => format_compact!("{}{}{}", session.as_str(), incarnation.as_str(), base36(self.0)),
            None => format_compact!("{}-{}", session.as_str(), self.0),
        })
    }
}

/// One start of the engine: six random characters that its client order ids carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Incarnation(CompactString);

impl Incarnation {
    /// How many characters it has.
    pub const LENGTH: usize = 6;

    /// Checks the text and makes it an incarnation.
    ///
    /// # Errors
    /// When it is not six characters of `[0-9a-z]`.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let checked = checked("incarnation", text, Self::LENGTH, "[0-9a-z]", fits)?;
        if checked.len() < Self::LENGTH {
            return Err(IdError::BadCharacter {
                what: "incarnation",
                value: checked.into(),
                allowed: "six of [0-9a-z]",
            });
        }
        Ok(Self(checked))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Incarnation {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(&text)
    }
}

impl From<Incarnation> for String {
    fn from(incarnation: Incarnation) -> String {
        incarnation.0.into_string()
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a client order id of a session says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdParts {
    /// Which start made it; `None` for one of version 0.1.0.
    pub incarnation: Option<Incarnation>,
    /// Which order it was made for.
    pub no: OrderNo,
}

impl ClientIdParts {
    /// Reads an id of this session; `None` when another session or a person made it.
    pub fn of(session: &SessionId, id: &ClientOrderId) -> Option<Self> {
        let rest = id.as_str().strip_prefix(session.as_str())?;
        if let Some(digits) = rest.strip_prefix('-') {
            let canonical = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
            let no = digits.parse().ok().filter(|_| canonical).map(OrderNo)?;
            return Some(Self { incarnation: None, no });
        }
        let (incarnation, counter) = rest.split_at_checked(Incarnation::LENGTH)?;
        let no = OrderNo(from_base36(counter)?);
        Some(Self { incarnation: Some(Incarnation::new(incarnation).ok()?), no })
    }
}

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A number in digits and letters: eight of them reach beyond 10^12.
fn base36(mut number: u64) -> CompactString {
    let mut digits: Vec<char> = Vec::with_capacity(8);
    loop {
        let digit = usize::try_from(number % 36).unwrap_or_default();
        digits.extend(BASE36.get(digit).map(|byte| char::from(*byte)));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// The number, when it is written as [`base36`] writes it and has at most eight digits.
fn from_base36(text: &str) -> Option<u64> {
    let canonical = (1..=8).contains(&text.len()) && !text.starts_with('0');
    if !canonical || !text.bytes().all(|byte| BASE36.contains(&byte)) {
        return None;
    }
    u64::from_str_radix(text, 36).ok()
}

impl fmt::Display for OrderNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format_compact!("#{}", self.0))
    }
}

/// One opening of a position, from flat to flat; never used again (the "epoch" of the position).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PositionId(pub u64);

impl fmt::Display for PositionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

/// One alert of the session, in order of being raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub u64);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_lead_back_to_start_and_order() {
        let session = SessionId::new("k3f9a2xq").unwrap();
        let incarnation = Incarnation::new("0a1b2c").unwrap();
        for (no, text) in [(1, "k3f9a2xq0a1b2c1"), (35, "k3f9a2xq0a1b2cz"), (4812, "k3f9a2xq0a1b2c3po")] {
            let id = OrderNo(no).client_id(&session, Some(&incarnation));
            assert_eq!(id.as_str(), text);
            let parts = ClientIdParts::of(&session, &id).unwrap();
            assert_eq!(parts, ClientIdParts { incarnation: Some(incarnation.clone()), no: OrderNo(no) });
        }
        let largest = OrderNo(36_u64.pow(8) - 1).client_id(&session, Some(&incarnation));
        assert!(largest.as_str().len() <= 32 && ClientOrderId::new(largest.as_str()).is_ok());
        for foreign in ["other-4812", "k3f9a2xq-04812", "k3f9a2xq-x", "k3f9a2xq", "k3f9a2xq0a1b2c", "k3f9a2xq0a1b2c01"]
        {
            let id = ClientOrderId::new(foreign).unwrap();
            assert_eq!(ClientIdParts::of(&session, &id), None, "{foreign}");
        }
    }

    #[test]
    fn ids_of_version_0_1_0_are_still_recognised() {
        let session = SessionId::new("k3f9a2xq").unwrap();
        let id = OrderNo(4812).client_id(&session, None);
        assert_eq!(id.as_str(), "k3f9a2xq-4812");
        assert_eq!(ClientIdParts::of(&session, &id), Some(ClientIdParts { incarnation: None, no: OrderNo(4812) }));
        assert!(Incarnation::new("abc").is_err() && Incarnation::new("ABCDEF").is_err());
    }

    #[test]
    fn ids_refuse_what_could_reach_a_terminal() {
        let error = SignalId::new("a\u{1b}[2J").unwrap_err().to_string();
        assert!(!error.contains('\u{1b}'), "{error}");
        assert!(Symbol::new("btc_usdt").is_err());
        assert!(ClientOrderId::new(&"x".repeat(33)).is_err());
    }
}
