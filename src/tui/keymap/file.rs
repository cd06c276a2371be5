//! The key map file.

use std::path::Path;

use toml::de::DeValue;

use super::{Act, Press, Row, Section, When, shown};
use crate::tui::model::Pane;
use crate::tui::toml_text::{Fault, Source};

/// Why a key map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeymapError {
    /// The file has an error.
    #[error("key map {0}")]
    Fault(#[from] Fault),
    /// The file cannot be read.
    #[error("key map {path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        why: std::io::Error,
    },
    /// Halt would have no key, or none that works in every pane.
    #[error(
        "key map {path} leaves \"halt\" without a key in [[{section}]]: add a row [[global]] on = ..., do = \"halt\", or leave its key alone"
    )]
    NoHalt {
        /// The file.
        path: String,
        /// Where.
        section: &'static str,
    },
}

const SECTIONS: &str = "global, table, positions, orders, breakers, alerts, detail, audit, history, prompt";

fn section(name: &str) -> Option<Section> {
    Some(match name {
        "global" => Section::Global,
        "table" => Section::Table,
        "prompt" => Section::Prompt,
        other => Section::Pane(Pane::ALL.into_iter().find(|pane| pane.section() == other)?),
    })
}

pub(super) fn read(path: &Path) -> Result<Vec<Row>, KeymapError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|why| KeymapError::Unreadable { path: shown.clone(), why })?;
    parse(&text, &shown)
}

pub(super) fn parse(text: &str, origin: &str) -> Result<Vec<Row>, KeymapError> {
    let source = Source::new(text, origin);
    let mut rows = Vec::new();
    let table = source.table()?;
    for (key, value) in &table {
        let at = key.span().start;
        let name = key.get_ref().as_ref();
        let Some(section) = section(name) else {
            return Err(source.fault(at, format!("unknown section [[{name}]]; allowed are {SECTIONS}")).into());
        };
        let DeValue::Array(list) = value.get_ref() else {
            return Err(source.fault(at, format!("write [[{name}]] with double brackets for each row")).into());
        };
        for value in list {
            rows.push(row(&source, section, value)?);
        }
    }
    rows.sort_by_key(|row| row.line);
    check_twice(&source, &rows)?;
    Ok(rows)
}

fn row<'a>(source: &Source<'a>, section: Section, value: &toml::Spanned<DeValue<'a>>) -> Result<Row, Fault> {
    let (mut on, mut act, mut when) = (None, None, When::Always);
    for (key, value) in source.section("a row", value)? {
        let at = value.span().start;
        match key.get_ref().as_ref() {
            "on" => on = Some((presses(source, source.text("on", value)?, at)?, source.line(at))),
            "do" => {
                let name = source.text("do", value)?;
                let known = (name != "none").then(|| Act::named(name).ok_or(name)).transpose().map_err(|name| {
                    source.fault(at, format!("do = {name:?} is no action; `perpdeck keys` lists them"))
                })?;
                act = Some(known);
            }
            "when" => {
                when =
                    When::parse(source.text("when", value)?).map_err(|why| source.fault(at, format!("when: {why}")))?;
            }
            other => {
                let message = format!("unknown key {other:?}; allowed are on, do, when");
                return Err(source.fault(key.span().start, message));
            }
        }
    }
    let missing = |what: &str| source.fault(value.span().start, format!("the row has no {what}"));
    let (on, line) = on.ok_or_else(|| missing("on"))?;
    Ok(Row { section, on, act: act.ok_or_else(|| missing("do"))?, when, line })
}

fn presses(source: &Source<'_>, text: &str, at: usize) -> Result<Vec<Press>, Fault> {
    let keys: Option<Vec<Press>> = text.split_whitespace().map(Press::parse).collect();
    keys.filter(|keys| (1..=2).contains(&keys.len())).ok_or_else(|| {
        let message = format!(
            "on = {text:?} is no key: write one or two of a character, enter, esc, space, tab, up, pageup, f1 to f12, with ctrl- or alt- before it"
        );
        source.fault(at, message)
    })
}

/// A key that stands twice, or that hides the first of two keys, is a mistake.
fn check_twice(source: &Source<'_>, rows: &[Row]) -> Result<(), Fault> {
    for (i, row) in rows.iter().enumerate() {
        let clash = rows.iter().take(i).find(|other| {
            other.section == row.section && (other.on.starts_with(&row.on) || row.on.starts_with(&other.on))
        });
        if let Some(other) = clash {
            let mut fault = source.fault(0, format!("key {:?} is already used in line {}", shown(&row.on), other.line));
            fault.line = row.line;
            return Err(fault);
        }
    }
    Ok(())
}

/// Rows of the operator's own take the place of built-in ones.
pub(super) fn merge(built_in: Vec<Row>, own: &[Row]) -> Vec<Row> {
    let replaced = |row: &Row| {
        own.iter().any(|mine| {
            mine.section == row.section
                && (mine.on.starts_with(&row.on)
                    || row.on.starts_with(&mine.on)
                    || (mine.act.is_some() && mine.act == row.act))
        })
    };
    let mut rows = Vec::with_capacity(built_in.len().saturating_add(own.len()));
    // A replacing row stands where the first one it replaces stood: the footer keeps its order.
    let mut left: Vec<Row> = own.to_vec();
    for row in built_in {
        if !replaced(&row) {
            rows.push(row);
            continue;
        }
        let (same, rest): (Vec<Row>, Vec<Row>) =
            left.into_iter().partition(|mine| mine.section == row.section && mine.act.is_some() && mine.act == row.act);
        rows.extend(same);
        left = rest;
    }
    rows.extend(left);
    rows
}

pub(super) fn check_halt(rows: &[Row], own: Option<&Path>) -> Result<(), KeymapError> {
    let path = || own.map_or_else(|| "config/keymap.toml".to_owned(), |path| path.display().to_string());
    let halts: Vec<&Row> =
        rows.iter().filter(|row| row.act == Some(Act::Halt) && row.section == Section::Global).collect();
    for pane in Pane::ALL {
        let hidden = |halt: &Row| {
            rows.iter().any(|row| {
                matches!(row.section, Section::Pane(_) | Section::Table)
                    && super::Keymap::counts(row, pane)
                    && row.act != Some(Act::Halt)
                    && (row.on.starts_with(&halt.on) || halt.on.starts_with(&row.on))
            })
        };
        if !halts.iter().any(|halt| !hidden(halt)) {
            let section = if halts.is_empty() { "global" } else { pane.section() };
            return Err(KeymapError::NoHalt { path: path(), section });
        }
    }
    // Behind a condition halt would be a key that sometimes does nothing.
    if halts.iter().all(|halt| halt.when != When::Always) {
        return Err(KeymapError::NoHalt { path: path(), section: "global" });
    }
    Ok(())
}
