//! Loading: defaults, file, environment, command line; the later wins.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::connection::redacted;
use super::error::{ConfigError, Origin};
use super::kind::{Kind, Written};
use super::rows::{ROWS, Row, find};
use super::{Settings, file, rules, suggest};

/// `config/default.toml`: every setting with its unit and default.
pub const DEFAULT_FILE: &str = include_str!("../../config/default.toml");

/// What the names of environment variables begin with.
const PREFIX: &str = "PERPDECK_";
/// Variables with that prefix that are no settings; those with `PERPDECK_TEST_` are not either.
const NOT_SETTINGS: [&str; 3] = ["PERPDECK_API_KEY", "PERPDECK_API_SECRET", "PERPDECK_CONFIG"];

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A file and its text.
    pub file: Option<(PathBuf, String)>,
    /// Variables of the environment; those without the prefix `PERPDECK_` are passed over.
    pub environment: Vec<(String, String)>,
    /// Options of the command line that stand for a setting.
    pub options: Vec<CommandOption>,
}

/// An option of the command line that stands for a setting.
#[derive(Clone, Debug)]
pub struct CommandOption {
    /// As people type it: `--seed`.
    pub option: String,
    /// The setting: `simulator.seed`.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Sources {
    /// The environment of this process, and a file when one is given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_process(file: Option<&Path>) -> Result<Self, ConfigError> {
        let file = match file {
            None => None,
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
                Some((path.to_path_buf(), text))
            }
        };
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        Ok(Self { file, environment, options: Vec::new() })
    }

    /// Adds an option of the command line.
    pub fn set(&mut self, option: &str, key: &str, value: impl Into<String>) {
        self.options.push(CommandOption { option: option.into(), key: key.into(), value: value.into() });
    }
}

/// Settings, and where each comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    origins: BTreeMap<&'static str, Origin>,
}

/// Reads and checks everything.
///
/// # Errors
/// The first mistake, with its place, key, value and what is allowed.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut tree = to_tree(&Settings::default());
    let mut origins = BTreeMap::new();
    if let Some((path, text)) = &sources.file {
        for item in file::parse(text, path)? {
            let origin = Origin::File { path: path.clone(), line: item.line };
            if item.value == Written::Other("an empty section") && is_section(&item.key) {
                continue;
            }
            let row = find(&item.key).ok_or_else(|| unknown(&origin, &item.key))?;
            let value = beside(path, row, item.value);
            put(&mut tree, &mut origins, row, &value, origin)?;
        }
    }
    let mut environment = sources.environment.clone();
    environment.sort();
    for (variable, text) in environment {
        if !variable.starts_with(PREFIX)
            || NOT_SETTINGS.contains(&variable.as_str())
            || variable.starts_with("PERPDECK_TEST_")
        {
            continue;
        }
        let origin = Origin::Environment { variable: variable.clone() };
        let row = ROWS.iter().find(|row| variable_of(row.key) == variable).ok_or_else(|| ConfigError::Unknown {
            hint: suggest::nearest(&variable, ROWS.iter().map(|row| variable_of(row.key)))
                .map_or_else(String::new, |name| format!("; did you mean {name}?")),
            origin: origin.clone(),
            key: variable.clone(),
        })?;
        put(&mut tree, &mut origins, row, &Written::Bare(text), origin)?;
    }
    for CommandOption { option, key, value } in &sources.options {
        let origin = Origin::CommandLine { option: option.clone() };
        let row = find(key).ok_or_else(|| unknown(&origin, key))?;
        put(&mut tree, &mut origins, row, &Written::Bare(value.clone()), origin)?;
    }
    let settings: Settings = serde_json::from_value(tree).map_err(|error| ConfigError::NotAllowed {
        origin: Origin::Default,
        key: "settings".into(),
        value: error.to_string(),
        allowed: "as config/default.toml has them".into(),
    })?;
    let loaded = Loaded { settings, origins };
    rules::check(&loaded)?;
    Ok(loaded)
}

/// The environment variable of a setting: `PERPDECK_RISK_MAX_POSITION_PCT`.
pub fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

impl Loaded {
    /// Where a setting comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// All settings as a file; with `origin`, each with where it comes from.
    pub fn show(&self, origin: bool) -> String {
        let tree = to_tree(&self.settings);
        let mut out = String::new();
        let mut section = "";
        for row in ROWS {
            let Some((head, name)) = row.key.split_once('.') else { continue };
            if head != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                let _ = writeln!(out, "{gap}[{head}]");
                section = head;
            }
            let value = tree.get(head).and_then(|section| section.get(name)).unwrap_or(&Value::Null);
            let line = format!("{name} = {}", as_toml(&row.kind, value));
            let _ =
                if origin { writeln!(out, "{line:<44} # {}", self.origin(row.key)) } else { writeln!(out, "{line}") };
        }
        out
    }
}

fn as_toml(kind: &Kind, value: &Value) -> String {
    let bare = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToString::to_string);
    match (kind, value) {
        (Kind::Percent(..) | Kind::Money(..), value) => bare(value),
        (Kind::Connection, Value::String(text)) => Value::from(redacted(text)).to_string(),
        (Kind::Pace, Value::String(text)) if text != "max" => text.clone(),
        (Kind::Tiers(..), Value::Array(items)) => {
            format!("[{}]", items.iter().map(bare).collect::<Vec<_>>().join(", "))
        }
        (_, value) => value.to_string(),
    }
}

fn to_tree(settings: &Settings) -> Value {
    serde_json::to_value(settings).unwrap_or_else(|_| Value::Object(Map::new()))
}

fn put(
    tree: &mut Value,
    origins: &mut BTreeMap<&'static str, Origin>,
    row: &'static Row,
    written: &Written,
    origin: Origin,
) -> Result<(), ConfigError> {
    let value = row.kind.read(written).ok_or_else(|| ConfigError::NotAllowed {
        origin: origin.clone(),
        key: row.key.into(),
        value: written.show(),
        allowed: row.kind.allowed(written),
    })?;
    if let Some((section, name)) = row.key.split_once('.')
        && let Some(section) = tree.get_mut(section).and_then(Value::as_object_mut)
    {
        section.insert(name.to_string(), value);
    }
    origins.insert(row.key, origin);
    Ok(())
}

/// A relative path in a file is meant from where the file lies.
fn beside(file: &Path, row: &Row, written: Written) -> Written {
    match (&row.kind, file.parent(), &written) {
        (Kind::Path, Some(folder), Written::Quoted(text)) if !text.is_empty() => {
            Written::Quoted(folder.join(text).display().to_string())
        }
        _ => written,
    }
}

fn is_section(name: &str) -> bool {
    ROWS.iter().any(|row| row.key.split_once('.').is_some_and(|(section, _)| section == name))
}

fn unknown(origin: &Origin, key: &str) -> ConfigError {
    let name = key.rsplit('.').next().unwrap_or_default();
    let hint = if ["api_key", "api_secret", "apikey", "secret"].contains(&name) {
        "; keys never stand in this file: set PERPDECK_API_KEY and PERPDECK_API_SECRET, or exchange.api_key_file".into()
    } else if let Some(row) = ROWS.iter().find(|row| row.key.rsplit('.').next() == Some(name)) {
        // The right name in the wrong section.
        format!("; did you mean {}?", row.key)
    } else {
        suggest::nearest(key, ROWS.iter().map(|row| row.key.to_string()))
            .map_or_else(String::new, |key| format!("; did you mean {key}?"))
    };
    ConfigError::Unknown { origin: origin.clone(), key: key.into(), hint }
}
