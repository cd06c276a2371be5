//! JSON as the exchange writes it: numbers keep every digit, keys keep their order.
//!
//! Bodies are written straight to text, because a decimal must become a JSON *number* without ever
//! being a float, and read through raw values for the same reason.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::value::RawValue;

use super::refusal::Refusal;
use crate::model::{Decimal, exact, in_bounds, scientific};

/// A JSON object under construction.
#[derive(Debug, Default)]
pub struct Object(String);

impl Object {
    pub fn new() -> Self {
        Self(String::with_capacity(256))
    }

    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    /// A string value.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.0.push_str(&quoted(value));
        self
    }

    /// A decimal as a JSON number.
    pub fn number(mut self, key: &str, value: Decimal) -> Self {
        self.key(key);
        self.0.push_str(&number(value));
        self
    }

    /// An integer or a boolean.
    pub fn plain(mut self, key: &str, value: impl Display) -> Self {
        self.key(key);
        self.0.push_str(&value.to_string());
        self
    }

    /// A value that is JSON already.
    pub fn raw(mut self, key: &str, json: &str) -> Self {
        self.key(key);
        self.0.push_str(json);
        self
    }

    /// A decimal when there is one; no key otherwise.
    pub fn maybe(self, key: &str, value: Option<Decimal>) -> Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// The finished text.
    pub fn build(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

/// A JSON array of values that are JSON already.
pub fn array<I: IntoIterator<Item = String>>(items: I) -> String {
    let mut out = String::from("[");
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&item);
    }
    out.push(']');
    out
}

/// A string with its quotes and escapes.
pub fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// A decimal as a JSON number, without trailing zeros.
pub fn number(value: Decimal) -> String {
    value.normalize().to_string()
}

/// The fields of a received JSON object, numbers still as they were written.
#[derive(Debug, Default)]
pub struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// Reads an object; nothing at all counts as an empty one.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        serde_json::from_slice(body).map(Self).map_err(|_| Refusal::new(601, "Data decode error"))
    }

    /// Reads an array of objects, or one object as an array of one.
    pub fn parse_many(body: &[u8]) -> Result<Vec<Self>, Refusal> {
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            let rows: Vec<BTreeMap<String, Box<RawValue>>> =
                serde_json::from_slice(body).map_err(|_| Refusal::new(601, "Data decode error"))?;
            return Ok(rows.into_iter().map(Self).collect());
        }
        Ok(vec![Self::parse(body)?])
    }

    /// The raw JSON of a field that is there and is not null.
    pub fn raw(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|raw| raw.get()).filter(|text| *text != "null")
    }

    /// A string, or the text of a number.
    pub fn text(&self, key: &str) -> Option<String> {
        self.raw(key).map(unquoted)
    }

    /// A decimal, written as a number or as a string.
    pub fn decimal(&self, key: &str) -> Result<Option<Decimal>, Refusal> {
        match self.text(key) {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => decimal(&text).map(Some).ok_or_else(|| bad(key)),
        }
    }

    /// A whole number, written as `2`, `2.0` or `"2"`.
    pub fn integer(&self, key: &str) -> Result<Option<i64>, Refusal> {
        // Ids are whole numbers beyond the bound of amounts.
        if let Some(Ok(whole)) = self.text(key).map(|text| text.parse()) {
            return Ok(Some(whole));
        }
        match self.decimal(key)? {
            None => Ok(None),
            Some(value) if value.fract().is_zero() => i64::try_from(value.trunc()).map(Some).map_err(|_| bad(key)),
            Some(_) => Err(bad(key)),
        }
    }

    /// A boolean, written as such, as a string, or as 0 and 1.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, Refusal> {
        match self.text(key).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(bad(key)),
        }
    }
}

fn bad(key: &str) -> Refusal {
    Refusal::new(600, format!("Parameter error: {key}"))
}

/// The text of a JSON string, or the value's own text when it is no string.
pub fn unquoted(raw: &str) -> String {
    serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.trim().to_owned())
}

/// A decimal from text, plain or with an exponent; `None` when it is no number or beyond 1e15.
pub fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    exact(text).or_else(|_| scientific(text)).ok().filter(|value| in_bounds(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_both_ways() {
        let fields =
            Fields::parse(br#"{"price":12345678901234.5678901234,"vol":10.0,"id":"814218083416790528"}"#).unwrap();
        let price = fields.decimal("price").unwrap().unwrap();
        assert_eq!(Object::new().number("price", price).build(), r#"{"price":12345678901234.5678901234}"#);
        assert_eq!(fields.integer("vol").unwrap(), Some(10));
        assert_eq!(fields.integer("id").unwrap(), Some(814_218_083_416_790_528));
        assert!(Fields::parse(b"{\"vol\":\"x\"}").unwrap().decimal("vol").is_err());
        assert!(Fields::parse(b"{\"vol\":1e16}").unwrap().decimal("vol").is_err());
    }
}
