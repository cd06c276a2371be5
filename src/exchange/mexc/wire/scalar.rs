//! Single values. The exchange writes ids and decimals now as numbers, now as strings; both are
//! read from the raw JSON text, so that no float ever touches an id beyond 2^53 or a price of 20
//! digits.

use std::borrow::Cow;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::model::{Decimal, in_bounds, scientific};

/// The text of a number or of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        match raw.as_bytes().first() {
            Some(b'"') => match raw.get(1..raw.len().saturating_sub(1)) {
                Some(inner) if !inner.contains('\\') => Ok(Self(Cow::Borrowed(inner))),
                _ => serde_json::from_str(raw).map(|text| Self(Cow::Owned(text))).map_err(D::Error::custom),
            },
            Some(b'0'..=b'9' | b'-') => Ok(Self(Cow::Borrowed(raw))),
            _ => Err(D::Error::custom(format_args!("expected a number or a string, found {}", cut(raw)))),
        }
    }
}

/// A decimal within the bounds that calculations allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dec(pub Decimal);

impl<'de> Deserialize<'de> for Dec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let value = decimal(&text.0)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Str(cut(&text.0)), &"a decimal of at most 1e15"))?;
        Ok(Self(value))
    }
}

/// A whole number, also when it is written `5.0` or `"5"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int(pub i64);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let whole = match text.0.parse() {
            Ok(whole) => Some(whole),
            Err(_) => decimal(&text.0).filter(Decimal::is_integer).and_then(|value| i64::try_from(value).ok()),
        };
        whole.map(Self).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(cut(&text.0)), &"a whole number"))
    }
}

/// Yes or no, also when it is written 1 or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match <&RawValue>::deserialize(deserializer)?.get().trim_matches('"') {
            "true" | "1" => Ok(Self(true)),
            "false" | "0" => Ok(Self(false)),
            other => Err(D::Error::invalid_value(Unexpected::Str(cut(other)), &"true or false")),
        }
    }
}

/// The decimal of a JSON number's text, without trailing zeros; `None` when it is none or too large.
fn decimal(text: &str) -> Option<Decimal> {
    let value = if text.contains(['e', 'E']) {
        scientific(text).ok()?
    } else if text.contains('_') {
        return None;
    } else {
        // More than 28 digits are rounded in the last one, as no decimal can hold more.
        text.parse::<Decimal>().ok()?
    };
    in_bounds(value).then(|| value.normalize())
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(json: &str) -> Result<Decimal, serde_json::Error> {
        serde_json::from_str::<Dec>(json).map(|Dec(value)| value)
    }

    #[test]
    fn ids_beyond_two_to_the_53_survive() {
        for json in ["814218083416790529", "\"814218083416790529\""] {
            assert_eq!(serde_json::from_str::<Text>(json).unwrap().0, "814218083416790529");
        }
        assert_eq!(serde_json::from_str::<Int>("814218083416790529").unwrap().0, 814_218_083_416_790_529);
    }

    #[test]
    fn numbers_of_twenty_digits_survive() {
        for json in ["64250.500000000000001234", "\"64250.500000000000001234\""] {
            assert_eq!(dec(json).unwrap().to_string(), "64250.500000000000001234");
        }
        assert_eq!(dec("0.12345678901234567890").unwrap().to_string(), "0.1234567890123456789");
    }

    #[test]
    fn decimals_have_one_form() {
        for json in ["10", "10.0", "1e1", "1.0E+1", "\"10.000\""] {
            assert_eq!(dec(json).unwrap().to_string(), "10", "{json}");
        }
        assert_eq!(dec("-2e-3").unwrap().to_string(), "-0.002");
    }

    #[test]
    fn what_is_no_number_or_too_large_is_refused() {
        for json in [
            "\"1_000\"",
            "\"1_0e2\"",
            "1e16",
            "\"abc\"",
            "\"\"",
            "null",
            "true",
            "{}",
            "[1]",
            "99999999999999999999999999999999",
            "1e400",
        ] {
            assert!(dec(json).is_err(), "{json}");
        }
    }

    #[test]
    fn escapes_in_strings_are_read() {
        assert_eq!(serde_json::from_str::<Text>(r#""a\u0062c""#).unwrap().0, "abc");
    }
}
