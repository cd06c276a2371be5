//! A settings file, taken apart: keys with their values as written, and their lines.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::kind::Written;

/// A value of a file.
pub struct Item {
    /// `section.name`, or whatever stands there.
    pub key: String,
    /// As it is written.
    pub value: Written,
    /// The line, from 1 on.
    pub line: usize,
}

/// Takes a file apart, in the order of its lines.
///
/// # Errors
/// When it is not TOML, with the line.
pub fn parse(text: &str, path: &Path) -> Result<Vec<Item>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_path_buf(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        what: error.message().to_string(),
    })?;
    let mut items = Vec::new();
    collect(text, table.get_ref(), "", &mut items);
    items.sort_by_key(|item| item.line);
    Ok(items)
}

fn collect(text: &str, table: &DeTable<'_>, prefix: &str, items: &mut Vec<Item>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
        let line = line_of(text, name.span().start);
        match value.get_ref() {
            // An empty section sets nothing, but a name that no section has is still a mistake.
            DeValue::Table(inner) if !inner.is_empty() => collect(text, inner, &key, items),
            DeValue::Table(_) => items.push(Item { key, value: Written::Other("an empty section"), line }),
            other => items.push(Item { key, value: written(other), line }),
        }
    }
}

fn written(value: &DeValue<'_>) -> Written {
    match value {
        DeValue::String(text) => Written::Quoted(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Written::Number(number.as_str().to_string()),
        DeValue::Integer(_) => Written::Other("a number that is not decimal"),
        DeValue::Float(number) => Written::Number(number.as_str().to_string()),
        DeValue::Boolean(flag) => Written::Flag(*flag),
        DeValue::Datetime(_) => Written::Other("a date"),
        DeValue::Array(items) => Written::List(items.iter().map(|item| written(item.get_ref())).collect()),
        DeValue::Table(_) => Written::Other("a section"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count().saturating_add(1)
}
