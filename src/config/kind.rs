//! What a setting may be: how its text is read, and how the allowed values are named in an error.

use serde_json::Value;

use super::span;
use crate::model::{Decimal, exact};

/// What a setting may be.
#[derive(Debug)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A text that is not empty.
    Text,
    /// A text; empty is "not set".
    OptionalText,
    /// A connection string, which may hold a password and is not printed whole; empty is "not set".
    Connection,
    /// A path; empty is "not set".
    Path,
    /// An address with one of these schemes; empty is "not set".
    Url(&'static [&'static str]),
    /// A whole number within these bounds.
    Whole(i64, i64),
    /// A percentage within these bounds, in thousandths.
    Percent(i64, i64),
    /// An amount of USDT within these bounds, in thousandths.
    Money(i64, i64),
    /// Three falling percentages within these bounds, in thousandths.
    Tiers(i64, i64),
    /// A time within these bounds, in milliseconds.
    Span(u64, u64),
    /// A speed: a number above 0, or `max`.
    Pace,
}

/// A value as it was written somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// From a file: a text in quotes.
    Quoted(String),
    /// From a file: a number.
    Number(String),
    /// From a file: `true` or `false`.
    Flag(bool),
    /// From a file: a list.
    List(Vec<Written>),
    /// From a file: something that no setting is.
    Other(&'static str),
    /// From the environment or the command line, where everything is a text.
    Bare(String),
}

impl Written {
    /// As it is shown in an error.
    pub fn show(&self) -> String {
        match self {
            Self::Quoted(text) => format!("\"{text}\""),
            Self::Number(text) | Self::Bare(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::show).collect::<Vec<_>>().join(", ")),
            Self::Other(what) => (*what).to_string(),
        }
    }

    fn quoted(&self) -> Option<&str> {
        match self {
            Self::Quoted(text) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<&str> {
        match self {
            Self::Number(text) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }
}

impl Kind {
    /// Reads a value into the form that the settings are read from; `None` when it is not allowed.
    pub fn read(&self, written: &Written) -> Option<Value> {
        match self {
            Self::Flag => match (written, written.quoted()) {
                (Written::Flag(flag), _) => Some(Value::Bool(*flag)),
                (Written::Bare(_), Some("true")) => Some(Value::Bool(true)),
                (Written::Bare(_), Some("false")) => Some(Value::Bool(false)),
                _ => None,
            },
            Self::Choice(names) => written.quoted().filter(|text| names.contains(text)).map(Value::from),
            Self::Text => written.quoted().filter(|text| !text.trim().is_empty()).map(Value::from),
            Self::OptionalText | Self::Connection | Self::Path => written.quoted().map(Value::from),
            Self::Url(schemes) => {
                written.quoted().filter(|text| text.is_empty() || url(text, schemes)).map(Value::from)
            }
            Self::Whole(low, high) => {
                let number: i64 = written.number()?.replace('_', "").parse().ok()?;
                (*low..=*high).contains(&number).then(|| Value::from(number))
            }
            Self::Percent(low, high) | Self::Money(low, high) => decimal(written, *low, *high),
            Self::Tiers(low, high) => {
                let items = match written {
                    Written::List(items) => items.clone(),
                    Written::Bare(text) => text.split(',').map(|item| Written::Bare(item.trim().into())).collect(),
                    _ => return None,
                };
                let tiers: Vec<Value> = items.iter().map(|item| decimal(item, *low, *high)).collect::<Option<_>>()?;
                (tiers.len() == 3).then(|| Value::from(tiers))
            }
            Self::Span(low, high) => {
                let text = written.quoted()?;
                let millis = u64::try_from(span::parse(text).ok()?.as_millis()).ok()?;
                (*low..=*high).contains(&millis).then(|| Value::from(text))
            }
            Self::Pace => match written {
                Written::Quoted(text) | Written::Bare(text) if text == "max" => Some(Value::from("max")),
                _ => decimal(written, 1, 1_000_000),
            },
        }
    }

    /// What is allowed, for an error: "a time from 100ms to 60s".
    pub fn allowed(&self, written: &Written) -> String {
        match self {
            Self::Flag => "true or false".into(),
            Self::Choice(names) => {
                let (last, others) = names.split_last().unwrap_or((&"", &[]));
                let others: Vec<String> = others.iter().map(|name| format!("\"{name}\"")).collect();
                format!("{} or \"{last}\"", others.join(", "))
            }
            Self::Text => "a text in quotes that is not empty".into(),
            Self::OptionalText => "a text in quotes (\"\": not set)".into(),
            Self::Connection => "a connection string in quotes (\"\": not set)".into(),
            Self::Path => "a path in quotes (\"\": not set)".into(),
            Self::Url(schemes) => {
                let (plain, safe) = (schemes.first().unwrap_or(&""), schemes.last().unwrap_or(&""));
                format!(
                    "an address in quotes that begins with {safe}://, or with {plain}:// on this machine (\"\": not set)"
                )
            }
            Self::Whole(low, high) => format!("a whole number from {low} to {high}"),
            Self::Percent(low, high) => {
                format!("a percentage from {} to {}, without a sign", thousandths(*low), thousandths(*high))
            }
            Self::Money(low, high) => {
                format!("an amount from {} to {} USDT", thousandths(*low), thousandths(*high))
            }
            Self::Tiers(low, high) => {
                format!("a list of three percentages from {} to {}", thousandths(*low), thousandths(*high))
            }
            Self::Span(low, high) => {
                let millis = |n: u64| span::show(std::time::Duration::from_millis(n));
                let range = format!("a time from {} to {}", millis(*low), millis(*high));
                let text = match written {
                    Written::Quoted(text) | Written::Bare(text) | Written::Number(text) => text.as_str(),
                    _ => "",
                };
                match span::parse(text) {
                    Err(why) => format!("{range} ({why})"),
                    Ok(_) => range,
                }
            }
            Self::Pace => "a number from 0.001 to 1000, or \"max\"".into(),
        }
    }
}

fn decimal(written: &Written, low: i64, high: i64) -> Option<Value> {
    let number = match written {
        // The grammar of the file says where its numbers may be grouped; nobody says it of a bare text.
        Written::Number(text) => exact(&text.replace('_', "")),
        _ => exact(written.number()?),
    };
    let number = number.ok()?;
    let within = number >= Decimal::new(low, 3) && number <= Decimal::new(high, 3);
    within.then(|| Value::from(number.normalize().to_string()))
}

fn thousandths(number: i64) -> Decimal {
    Decimal::new(number, 3).normalize()
}

/// Whether this is an address with one of the schemes. Without encryption only this machine is
/// allowed: keys and orders would be readable on the way.
fn url(text: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !schemes.contains(&scheme) || authority.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return false;
    }
    if scheme.ends_with('s') && scheme != "ws" {
        return true;
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grouped_digits_are_a_number_only_where_the_grammar_of_the_file_says_so() {
        let money = Kind::Money(0, 10_000_000_000);
        assert_eq!(money.read(&Written::Number("1_000".into())), Some(Value::from("1000")));
        for text in ["1_000", "_1", "1__0"] {
            assert_eq!(money.read(&Written::Bare(text.into())), None, "{text}");
        }
        assert_eq!(money.read(&Written::Bare("1000".into())), Some(Value::from("1000")));
    }
}
