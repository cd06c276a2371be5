//! A setting that nobody reads is a promise that nobody keeps.

use super::source::{Source, sources};

/// Settings that may be without a reader, with the reason.
const UNREAD: &[(&str, &str)] = &[("session.log_level", "there are no logs yet")];

#[test]
fn a_setting_without_a_reader_is_found() {
    let code: Vec<String> = sources()
        .iter()
        .filter(|source| source.top() != "config")
        .map(|source| source.product.split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", "."))
        .collect();
    let is_read = |key: &str| code.iter().any(|code| reads(code, key));
    let unread: Vec<&str> = perpdeck::config::keys().filter(|key| !is_read(key)).collect();
    let listed: Vec<&str> = UNREAD.iter().map(|(key, _)| *key).collect();
    assert_eq!(unread, listed, "settings that nothing outside src/config reads (left), and those that may (right)");
}

/// Whether code takes this field out of its section, or out of something called `settings`.
fn reads(code: &str, key: &str) -> bool {
    let (section, name) = key.split_once('.').unwrap();
    let field = format!(".{name}");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(&field).any(|(at, _)| {
        let after = &code[at + field.len()..];
        let owner = code[..at].rsplit(|c| !is_word(c)).next().unwrap_or_default();
        !after.starts_with(|c| is_word(c) || c == '(') && (owner == section || owner == "settings")
    })
}

#[test]
fn a_reader_is_told_from_a_namesake() {
    assert!(reads("let x = self.settings.stop;", "session.stop"));
    assert!(reads("match loaded.settings.session.stop { }", "session.stop"));
    assert!(!reads("settings.stop_drain", "session.stop"));
    assert!(!reads("drain.stop(patience); loopback.stop", "session.stop"));
    assert!(!reads("settings.stop()", "session.stop"));
    let source = Source::new("engine/x.rs", "// settings.stop\n");
    assert!(!reads(&source.product, "session.stop"));
}
