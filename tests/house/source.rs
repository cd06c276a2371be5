//! Rust source with comments, texts and test code blanked, so that rules look at code only.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of `src/`.
pub struct Source {
    /// Its path below `src/`, with `/`.
    pub path: String,
    /// Without comments and texts.
    pub code: String,
    /// Without test code, too.
    pub product: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let product = without_tests(&code);
        Self { path: path.into(), code, product }
    }

    /// The module on the first level that the file belongs to.
    pub fn top(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the repository that end like this.
pub fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root().join(folder)];
    while let Some(folder) = left.pop() {
        for item in fs::read_dir(&folder).into_iter().flatten() {
            let path = item.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|found| found == end) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files of `src/`; those that are test modules as a whole have no product.
pub fn sources() -> Vec<Source> {
    let folder = root().join("src");
    let mut sources: Vec<Source> = files("src", "rs")
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/");
            Source::new(&name, &fs::read_to_string(path).unwrap())
        })
        .collect();
    let test_modules: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let module = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
        if test_modules.iter().any(|test| module == test || module.starts_with(&format!("{test}/"))) {
            source.product = String::new();
        }
    }
    assert!(sources.len() > 20, "the source was not found");
    sources
}

/// The modules that `#[cfg(test)] mod name;` names, as paths without an end.
fn test_modules(source: &Source) -> Vec<String> {
    let home = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
    let code = source.code.split_whitespace().collect::<Vec<_>>().join(" ");
    code.split("#[cfg(test)] ")
        .skip(1)
        .filter_map(|rest| {
            let rest = rest.strip_prefix("pub(crate) ").or(rest.strip_prefix("pub ")).unwrap_or(rest);
            let (name, _) = rest.strip_prefix("mod ")?.split_once(';')?;
            (!name.contains('{')).then(|| format!("{home}/{}", name.trim()))
        })
        .collect()
}

/// Replaces comments, texts and characters by blanks; lines stay where they are.
pub fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => find(&chars, at, |i| chars[i] == '\n'),
            '/' if chars.get(at + 1) == Some(&'*') => block_comment(&chars, at),
            '"' => quoted(&chars, at),
            'r' if !is_word_before(&chars, at) && raw(&chars, at).is_some() => raw(&chars, at).unwrap(),
            'b' | 'c'
                if !is_word_before(&chars, at) && chars.get(at + 1) == Some(&'r') && raw(&chars, at + 1).is_some() =>
            {
                raw(&chars, at + 1).unwrap()
            }
            '\'' => character(&chars, at),
            _ => at,
        };
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

fn find(chars: &[char], from: usize, stop: impl Fn(usize) -> bool) -> usize {
    (from..chars.len()).find(|i| stop(*i)).unwrap_or(chars.len())
}

fn is_word_before(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn block_comment(chars: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

fn quoted(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn raw(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    let open = from + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes =
        |i: usize| chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    Some((find(chars, open + 1, closes) + 1 + hashes).min(chars.len()))
}

/// The end of a character; a lifetime is none.
fn character(chars: &[char], from: usize) -> usize {
    match (chars.get(from + 1), chars.get(from + 2)) {
        (Some('\\'), _) => (find(chars, from + 3, |i| chars[i] == '\'') + 1).min(chars.len()),
        (Some(_), Some('\'')) => from + 3,
        _ => from,
    }
}

/// Blanks what `#[cfg(test)]` stands before. Needs code without comments and texts.
fn without_tests(code: &str) -> String {
    let mut out = code.to_string();
    let mut from = 0;
    while let Some(found) = out[from..].find("#[cfg(test)]") {
        let start = from + found;
        let mut depth = 0_usize;
        let mut end = out.len();
        for (at, c) in out[start..].char_indices().skip("#[cfg(test)]".len()) {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => {
                    end = start + at + 1;
                    break;
                }
                '}' => depth = depth.saturating_sub(1),
                ';' if depth == 0 => {
                    end = start + at + 1;
                    break;
                }
                _ => {}
            }
        }
        let blanks: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blanks);
        from = start + blanks.len();
    }
    out
}

/// Where a word stands in the code, not as a part of another; as line numbers.
pub fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            !(part(word.chars().next()) && part(before) || part(word.chars().last()) && part(after))
        })
        .map(|(at, _)| code[..at].matches('\n').count() + 1)
        .collect()
}

#[test]
fn comments_texts_and_characters_are_blanked() {
    let text = r###"a // b
"c \" d" 'e' '\'' /* f /* g */ h */ i r#"j " k"# b"l" br##"m"# n"## 'life: &'a str"###;
    let code = blank(text);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "i", "b", "'life:", "&'a", "str"]);
    assert_eq!(code.matches('\n').count(), 1);
}

#[test]
fn test_code_is_blanked() {
    let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c(); } }\nfn d() {}\n#[cfg(test)]\nmod e;\nfn f() {}";
    let product = Source::new("x/mod.rs", code).product;
    assert_eq!(product.split_whitespace().collect::<String>(), "fna(){}fnd(){}fnf(){}");
    assert_eq!(test_modules(&Source::new("x/mod.rs", code)), ["x/e"]);
}

#[test]
fn words_are_whole() {
    assert_eq!(lines_with("rand\noperand rand_chacha\nx::rand::y", "rand"), [1, 3]);
}
