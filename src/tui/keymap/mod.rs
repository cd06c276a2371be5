//! The key map: rows of `on`, `do`, `when`. Footer, help and palette are made from it, so they
//! cannot say anything else than what the keys do.

mod act;
mod file;
mod press;
mod when;

use std::path::Path;

pub use act::{ACTS, About, Act};
pub use file::KeymapError;
pub use press::{Press, shown};
pub use when::{Fact, When};

use super::model::Pane;

/// Where a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// In one pane.
    Pane(Pane),
    /// In every pane with rows.
    Table,
    /// Everywhere.
    Global,
    /// While a prompt asks.
    Prompt,
}

/// A row of the key map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it counts.
    pub section: Section,
    /// The keys, one or two after one another.
    pub on: Vec<Press>,
    /// What they do; `None` frees the key.
    pub act: Option<Act>,
    /// Under which condition.
    pub when: When,
    /// Its line in the file.
    pub line: usize,
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A row.
    Row(&'a Row),
    /// The beginning of a row with two keys.
    Begins,
    /// Nothing.
    Nothing,
}

/// The key map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    rows: Vec<Row>,
}

/// The key map that is compiled in.
pub const BUILT_IN: &str = include_str!("../../../config/keymap.toml");

impl Keymap {
    /// The built-in keys, with those of a file of the operator's own in their place.
    ///
    /// # Errors
    /// When a file has an error, a key twice, or leaves halt without a key.
    pub fn load(own: Option<&Path>) -> Result<Self, KeymapError> {
        let built_in = file::parse(BUILT_IN, "config/keymap.toml")?;
        let rows = match own {
            Some(path) => file::merge(built_in, &file::read(path)?),
            None => built_in,
        };
        file::check_halt(&rows, own)?;
        Ok(Self { rows })
    }

    /// A key map from text, over the built-in one.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn over_built_in(text: &str, origin: &str) -> Result<Self, KeymapError> {
        let rows = file::merge(file::parse(BUILT_IN, "config/keymap.toml")?, &file::parse(text, origin)?);
        file::check_halt(&rows, Some(Path::new(origin)))?;
        Ok(Self { rows })
    }

    /// The rows, in the order of the file.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether a row counts in a pane.
    pub fn counts(row: &Row, pane: Pane) -> bool {
        match row.section {
            Section::Pane(own) => own == pane,
            Section::Table => pane != Pane::Detail,
            Section::Global => true,
            Section::Prompt => false,
        }
    }

    /// What keys mean in a pane: the pane's own rows first, then those of tables, then the rest.
    pub fn find(&self, keys: &[Press], pane: Pane) -> Found<'_> {
        let in_pane = || self.rows.iter().filter(|row| Self::counts(row, pane) && row.act.is_some());
        if let Some(row) = in_pane().filter(|row| row.on == keys).min_by_key(|row| row.section) {
            return Found::Row(row);
        }
        if in_pane().any(|row| row.on.len() > keys.len() && row.on.starts_with(keys)) {
            return Found::Begins;
        }
        Found::Nothing
    }

    /// What a key means while a prompt asks.
    pub fn in_prompt(&self, key: Press) -> Option<Act> {
        let row = self.rows.iter().find(|row| row.section == Section::Prompt && row.on == [key])?;
        row.act
    }

    /// The first row for an action, as far as it counts in a pane; else anywhere.
    pub fn row_for(&self, act: Act, pane: Pane) -> Option<&Row> {
        let all = || self.rows.iter().filter(|row| row.act == Some(act));
        all().find(|row| Self::counts(row, pane)).or_else(|| all().next())
    }

    /// The key of an action as it is shown.
    pub fn key_for(&self, act: Act, pane: Pane) -> String {
        self.row_for(act, pane).map_or_else(String::new, |row| shown(&row.on))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in() -> Keymap {
        Keymap::load(None).unwrap()
    }

    #[test]
    fn every_action_has_a_key_and_every_name_an_action() {
        let keymap = built_in();
        for about in ACTS {
            assert!(keymap.rows().iter().any(|row| row.act == Some(about.act)), "{} has no key", about.name);
            assert_eq!(Act::named(about.name), Some(about.act));
        }
    }

    #[test]
    fn case_is_never_folded() {
        let keymap = built_in();
        let Found::Row(small) = keymap.find(&[Press::char('c')], Pane::Orders) else { panic!() };
        let Found::Row(large) = keymap.find(&[Press::char('C')], Pane::Orders) else { panic!() };
        assert_eq!((small.act, large.act), (Some(Act::CancelOrder), Some(Act::CancelSet)));
    }

    #[test]
    fn halt_cannot_be_unbound() {
        let error = Keymap::over_built_in("[[global]]\non = \"X\"\ndo = \"none\"\n", "my.toml").unwrap_err();
        assert!(error.to_string().contains("halt"), "{error}");
        let error = Keymap::over_built_in("[[global]]\non = \"X\"\ndo = \"zoom\"\n", "my.toml").unwrap_err();
        assert!(error.to_string().contains("halt"), "{error}");
        // Hidden behind a pane's own row, halt would be dead in that pane.
        let error = Keymap::over_built_in("[[orders]]\non = \"X\"\ndo = \"zoom\"\n", "my.toml").unwrap_err();
        assert!(error.to_string().contains("halt"), "{error}");
        let keymap = Keymap::over_built_in("[[global]]\non = \"f12\"\ndo = \"halt\"\n", "my.toml").unwrap();
        assert_eq!(keymap.key_for(Act::Halt, Pane::Orders), "F12");
        assert_eq!(keymap.find(&[Press::char('X')], Pane::Orders), Found::Nothing);
    }

    #[test]
    fn two_keys_after_one_another() {
        let keymap = built_in();
        assert_eq!(keymap.find(&[Press::char('g')], Pane::Orders), Found::Begins);
        let Found::Row(row) = keymap.find(&[Press::char('g'), Press::char('g')], Pane::Orders) else { panic!() };
        assert_eq!(row.act, Some(Act::First));
    }

    #[test]
    fn errors_name_file_line_and_value() {
        let cases = [
            ("[[global]]\non = \"c\"\ndo = \"cancl\"\n", "my.toml:3", "cancl"),
            ("[[global]]\non = \"strg-c\"\ndo = \"zoom\"\n", "my.toml:2", "strg-c"),
            ("[[global]]\non = \"v\"\ndo = \"zoom\"\n[[global]]\non = \"v\"\ndo = \"help\"\n", "my.toml:5", "line 2"),
            ("[[global]]\non = \"v\"\ndo = \"zoom\"\nif = \"x\"\n", "my.toml:4", "if"),
            ("[[globl]]\non = \"v\"\ndo = \"zoom\"\n", "my.toml:1", "globl"),
            ("[[global]]\non = \"v\"\ndo = \"zoom\"\nwhen = \"order.alive\"\n", "my.toml:4", "order.alive"),
            ("[[global]]\non = \"v v v\"\ndo = \"zoom\"\n", "my.toml:2", "v v v"),
            ("[[global]]\non = \"g\"\ndo = \"zoom\"\n[[global]]\non = \"g x\"\ndo = \"help\"\n", "my.toml:5", "line 2"),
            ("[[global]]\ndo = \"zoom\"\n", "my.toml:1", "on"),
        ];
        for (text, place, word) in cases {
            let error = Keymap::over_built_in(text, "my.toml").unwrap_err().to_string();
            assert!(error.contains(place) && error.contains(word), "{text}: {error}");
        }
    }
}
