//! What code of this house does not do.

use std::fs;

use super::source::{Source, blank, files, lines_with, root, sources};

/// Words that must not stand in `engine/` and `model/`: they are pure.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", "async runtime"),
    ("async", "async"),
    ("await", "async"),
    ("Instant", "a clock"),
    ("SystemTime", "a clock"),
    ("Utc::now", "a clock"),
    ("Local", "a clock"),
    ("std::fs", "files"),
    ("std::io", "input and output"),
    ("std::net", "the network"),
    ("std::env", "the environment"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("thread_local", "threads"),
    ("Mutex", "locks"),
    ("RwLock", "locks"),
    ("static mut", "global state"),
    ("OnceLock", "global state"),
    ("LazyLock", "global state"),
    ("rand", "randomness"),
    ("rand_chacha", "randomness"),
    ("RandomState", "randomness"),
    ("println", "output"),
    ("eprintln", "output"),
    ("reqwest", "the network"),
    ("rusqlite", "a database"),
];

/// Files of `engine/` and `model/` that may use a hash map, with the reason. The order of iteration
/// must not reach an output.
const HASH_MAPS: &[(&str, &str)] = &[];

/// Files of `engine/` and `model/` that may use floats, with the reason. Money is never one.
const FLOATS: &[(&str, &str)] = &[("engine/live_order_manager/send.rs", "the jitter of a wait")];

/// Files that may be longer than others, with the most lines and the reason.
const LONG: &[(&str, usize, &str)] = &[("src/model/event.rs", 700, "one list: every kind of event")];

fn is_pure(source: &Source) -> bool {
    ["engine", "model"].contains(&source.top())
}

fn report(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// Where these words stand in the product code of the sources that `which` picks.
fn places(words: &[(&str, &str)], which: impl Fn(&Source) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| which(source)) {
        for (word, what) in words {
            for line in lines_with(&source.product, word) {
                wrong.push(format!("src/{}:{line}: {word} ({what})", source.path));
            }
        }
    }
    wrong
}

#[test]
fn engine_and_model_are_pure() {
    report("engine/ and model/ are pure, but there is", &places(IMPURE, is_pure));
}

#[test]
fn no_order_of_a_hash_map_reaches_an_output() {
    let words = [("HashMap", "no order"), ("HashSet", "no order")];
    let listed = |source: &Source| HASH_MAPS.iter().any(|(path, _)| *path == source.path);
    report("use BTreeMap, or list the file with a reason", &places(&words, |s| is_pure(s) && !listed(s)));
}

#[test]
fn money_is_never_a_float() {
    let words = [("f64", "float"), ("f32", "float")];
    let listed = |source: &Source| FLOATS.iter().any(|(path, _)| *path == source.path);
    report("use a decimal, or list the file with a reason", &places(&words, |s| is_pure(s) && !listed(s)));
}

#[test]
fn product_code_does_not_panic_and_leaves_nothing_undone() {
    let words = [
        (".unwrap()", "may panic"),
        (".expect(", "may panic"),
        ("panic!", "panics"),
        ("unreachable!", "panics"),
        ("todo!", "undone"),
        ("unimplemented!", "undone"),
        ("dbg!", "debugging"),
    ];
    report("handle it", &places(&words, |_| true));
}

#[test]
fn tests_leave_nothing_undone() {
    let mut wrong = Vec::new();
    for path in files("tests", "rs").into_iter().chain(files("benches", "rs")).chain(files("src", "rs")) {
        let code = blank(&fs::read_to_string(&path).unwrap());
        for word in ["todo!", "unimplemented!", "dbg!"] {
            for line in lines_with(&code, word) {
                wrong.push(format!("{}:{line}: {word}", path.display()));
            }
        }
    }
    report("left undone", &wrong);
}

#[test]
fn lints_are_silenced_with_a_reason() {
    let mut wrong = Vec::new();
    for source in sources() {
        for line in lines_with(&source.code, "allow(") {
            wrong.push(format!("src/{}:{line}: use #[expect(..., reason = \"...\")]", source.path));
        }
        for (at, _) in source.code.match_indices("expect(clippy") {
            let end = source.code[at..].find(']').map_or(source.code.len(), |length| at + length);
            if !source.code[at..end].contains("reason") {
                wrong.push(format!("src/{}: an expectation without a reason", source.path));
            }
        }
    }
    report("silenced lints", &wrong);
}

#[test]
fn files_are_read_in_a_sitting() {
    let mut wrong = Vec::new();
    for path in files("src", "rs").into_iter().chain(files("tests", "rs")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let most = LONG.iter().find(|(long, ..)| *long == name).map_or(600, |(_, most, _)| *most);
        if lines > most {
            wrong.push(format!("{name}: {lines} lines, at most {most}"));
        }
    }
    report("files that are too long", &wrong);
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(manifest["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
}
