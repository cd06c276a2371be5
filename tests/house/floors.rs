//! A module uses only what is below it. The table is that of ARCHITECTURE.md.

use std::collections::BTreeSet;

use super::source::{Source, sources};

/// Each module, and what it may use of the others.
const FLOORS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("journal", &[]),
    ("clock", &["model"]),
    ("config", &["model"]),
    ("engine", &["model", "config"]),
    ("exchange", &["model", "journal", "clock", "config"]),
    ("simulator", &["model", "journal", "clock", "config"]),
    ("store", &["model", "journal", "clock", "config"]),
    ("runtime", &["model", "journal", "clock", "config", "engine", "exchange", "simulator", "store"]),
    ("tui", &["model", "clock", "config", "runtime"]),
    ("cli", &["model", "journal", "clock", "config", "engine", "exchange", "simulator", "store", "runtime", "tui"]),
];

fn is_module(name: &str) -> bool {
    FLOORS.iter().any(|(module, _)| *module == name)
}

#[test]
fn no_arrow_points_up() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.path.contains('/')) {
        let Some((_, allowed)) = FLOORS.iter().find(|(module, _)| *module == source.top()) else {
            wrong.push(format!("src/{}: the module has no floor", source.path));
            continue;
        };
        for used in uses(source) {
            if used != source.top() && !allowed.contains(&used.as_str()) {
                wrong.push(format!("src/{}: {} may not use {used}", source.path, source.top()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_crate_has_a_floor() {
    let all = sources();
    let lib = all.iter().find(|source| source.path == "lib.rs").unwrap();
    let modules: BTreeSet<&str> =
        lib.code.split(';').filter_map(|item| item.trim().strip_prefix("pub mod ")).map(str::trim).collect();
    assert_eq!(modules, FLOORS.iter().map(|(module, _)| *module).collect());
}

/// The modules of the crate that a file names, by any path: `crate::x`, `crate::{x, y::z}`,
/// `super::super::x`.
fn uses(source: &Source) -> BTreeSet<String> {
    let code: String = join_paths(&source.code);
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            names(&code[at + "crate::".len()..], &mut found);
        }
    }
    for (at, _) in code.match_indices("crate as ") {
        found.insert(format!("the crate under another name ({})", &code[at..(at + 20).min(code.len())]));
    }
    let depth = depth(&source.path);
    let mut rest = code.as_str();
    while let Some(at) = rest.find("super::") {
        rest = &rest[at..];
        let mut supers = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            supers += 1;
            rest = next;
        }
        if supers >= depth {
            let mut above = BTreeSet::new();
            names(rest, &mut above);
            // One `super` more may only leave a module inside the file; then the name is no module.
            found.extend(above.into_iter().filter(|name| is_module(name)));
        }
    }
    found
}

/// How many `super` lead from a file to the root of the crate.
fn depth(path: &str) -> usize {
    let parts = path.split('/').count();
    if path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

/// The first names of a path or of a group of paths.
fn names(path: &str, found: &mut BTreeSet<String>) {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else {
        if path.starts_with('*') {
            found.insert("everything (*)".into());
        } else {
            found.insert(word(path));
        }
        return;
    };
    let mut depth = 0_usize;
    let mut first = true;
    for (at, c) in group.char_indices() {
        if depth == 0 && first && !c.is_whitespace() && c != ',' && c != '}' {
            names(&group[at..], found);
            first = false;
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return,
            '}' => depth -= 1,
            ',' if depth == 0 => first = true,
            _ => {}
        }
    }
}

/// Paths that are broken over lines, in one piece.
fn join_paths(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    for word in code.split_whitespace() {
        if !out.is_empty() && !out.ends_with("::") && !word.starts_with("::") {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[test]
fn every_form_of_a_path_is_seen() {
    let used = |path: &str, text: &str| uses(&Source::new(path, text)).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(used("engine/x.rs", "use crate::runtime::Bus;"), "runtime");
    assert_eq!(used("engine/x.rs", "use crate::{\n  model::{A, b::C},\n  runtime,\n};"), "model runtime");
    assert_eq!(used("engine/x.rs", "fn f() { crate\n  ::store\n  ::open() }"), "store");
    assert_eq!(used("engine/x.rs", "let a: $crate::tui::X = 1;"), "tui");
    assert_eq!(used("engine/x.rs", "// use crate::tui;\nlet a = \"crate::cli\";"), "");
    assert_eq!(used("engine/x.rs", "use super::super::runtime::Bus; use super::y;"), "runtime");
    assert_eq!(used("engine/mod.rs", "use super::tui;"), "tui");
    assert_eq!(used("engine/a/b.rs", "mod t { use super::super::c; }"), "");
    assert_eq!(used("engine/x.rs", "use crate::*;"), "everything (*)");
    assert_eq!(used("engine/x.rs", "use mycrate::tui;"), "");
    assert!(used("engine/x.rs", "use crate as c;").starts_with("the crate"));
}
