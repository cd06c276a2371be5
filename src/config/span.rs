//! Time spans as people write them: `250ms`, `60s`, `2m`, `1h`.

use std::time::Duration;

/// Reads `250ms`, `60s`, `2m`, `1h`, `1d`.
///
/// # Errors
/// What is wrong with the text, and the forms that are allowed. A bare number is refused, because
/// its unit would be a guess.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("write a time with its unit, such as \"250ms\", \"60s\", \"2m\" or \"1h\"".into());
    }
    let millis_each: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err(format!("a time needs its unit: write \"{number}s\" or \"{number}ms\"")),
        _ => return Err("the unit of a time is one of ms, s, m, h, d".into()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(millis_each))
        .map(Duration::from_millis)
        .ok_or_else(|| "that time is too long to count".into())
}

/// The shortest way to write a span of whole milliseconds.
pub fn show(span: Duration) -> String {
    let millis = span.as_millis();
    for (each, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        // "60s" and "24h" read better than "1m" and "1d": larger units only from two on.
        if millis >= each * 2 && millis.is_multiple_of(each) {
            return format!("{}{unit}", millis / each);
        }
    }
    if millis > 0 && millis.is_multiple_of(1_000) { format!("{}s", millis / 1_000) } else { format!("{millis}ms") }
}

/// For `#[serde(with = "span")]`: a span as its text.
pub mod text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes `60s`.
    pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::show(*span))
    }

    /// Reads `60s`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        super::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_with_their_unit() {
        for (text, millis) in [("250ms", 250), ("60s", 60_000), ("2m", 120_000), ("1h", 3_600_000), ("0ms", 0)] {
            let span = Duration::from_millis(millis);
            assert_eq!(parse(text), Ok(span), "{text}");
            assert_eq!(parse(&show(span)), Ok(span), "{text}");
        }
        assert_eq!(show(Duration::from_mins(1)), "60s");
        assert_eq!(show(Duration::from_mins(2)), "2m");
    }

    #[test]
    fn a_bare_number_is_refused_and_says_why() {
        assert_eq!(parse("60").unwrap_err(), "a time needs its unit: write \"60s\" or \"60ms\"");
        for bad in ["", "s", "1.5s", "-1s", "1 s", "1sec", "99999999999999999999s", "18446744073709551615d"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
