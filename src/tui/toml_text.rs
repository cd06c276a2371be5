//! Reading hand-written TOML with the line of everything that is wrong.

use toml::de::{DeTable, DeValue};

/// What is wrong in a file of ours, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}:{line}: {message}")]
pub struct Fault {
    /// The file.
    pub origin: String,
    /// Its line, from 1 on.
    pub line: usize,
    /// What is wrong, which value, what is allowed.
    pub message: String,
}

/// A parsed text that knows its lines.
pub struct Source<'a> {
    text: &'a str,
    origin: &'a str,
}

impl<'a> Source<'a> {
    /// A text and the name of its file.
    pub const fn new(text: &'a str, origin: &'a str) -> Self {
        Self { text, origin }
    }

    /// Parses it.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn table(&self) -> Result<DeTable<'a>, Fault> {
        DeTable::parse(self.text).map(toml::Spanned::into_inner).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.fault(at, format!("not valid TOML: {}", error.message()))
        })
    }

    /// The line of a byte.
    pub fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count().saturating_add(1)
    }

    /// A fault at a byte.
    pub fn fault(&self, at: usize, message: String) -> Fault {
        Fault { origin: self.origin.to_owned(), line: self.line(at), message }
    }

    /// A value that has to be a text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text<'v>(&self, key: &str, value: &'v toml::Spanned<DeValue<'a>>) -> Result<&'v str, Fault> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text),
            other => Err(self.fault(value.span().start, format!("{key} must be a text, not {}", kind(other)))),
        }
    }

    /// A value that has to be `true` or `false`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn switch(&self, key: &str, value: &toml::Spanned<DeValue<'a>>) -> Result<bool, Fault> {
        match value.get_ref() {
            DeValue::Boolean(on) => Ok(*on),
            other => Err(self.fault(value.span().start, format!("{key} must be true or false, not {}", kind(other)))),
        }
    }

    /// A value that has to be a table.
    ///
    /// # Errors
    /// When it is something else.
    pub fn section<'v>(&self, key: &str, value: &'v toml::Spanned<DeValue<'a>>) -> Result<&'v DeTable<'a>, Fault> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            other => Err(self.fault(value.span().start, format!("{key} must be a table, not {}", kind(other)))),
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
