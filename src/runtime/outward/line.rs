//! One line of JSON whose fields stay in the order in which they were added.

use serde::Serialize;
use serde_json::Value;

use crate::model::Record;

/// An outward event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// A line that begins with its event.
    pub fn new(event: &str) -> Self {
        let mut line = Self(String::from("{"));
        line.push("event", &event);
        line
    }

    /// A line about a record: its event, number and time.
    pub fn of(event: &str, record: &Record) -> Self {
        Self::new(event)
            .with("seq", &record.seq)
            .with("timestamp", &record.at.millis())
            .with("time", &record.at.to_string())
    }

    /// A record as it is, under the name that it has in the journal.
    pub fn plain(record: &Record) -> Self {
        let Ok(Value::Object(fields)) = serde_json::to_value(record) else { return Self::of("unreadable", record) };
        let name = fields.get("event").and_then(Value::as_str).unwrap_or("unreadable").to_owned();
        let rest = fields.iter().filter(|(key, _)| !matches!(key.as_str(), "event" | "seq" | "at"));
        rest.fold(Self::of(&name, record), |line, (key, value)| line.with(key, value))
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, key: &str, value: &impl Serialize) -> Self {
        self.add(key, value);
        self
    }

    /// One more field.
    pub fn add(&mut self, key: &str, value: &impl Serialize) {
        self.0.push(',');
        self.push(key, value);
    }

    /// The JSON text, without a line end.
    pub fn text(&self) -> String {
        let mut text = self.0.clone();
        text.push('}');
        text
    }

    fn push(&mut self, key: &str, value: &impl Serialize) {
        // Nothing that is told here can fail to become JSON; null is what a reader would take as
        // "not known".
        let value = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
        let key = serde_json::to_string(key).unwrap_or_else(|_| "\"\"".to_owned());
        self.0.push_str(&key);
        self.0.push(':');
        self.0.push_str(&value);
    }
}
