//! The project's Rust files as text, and the same text without what is not code of the product.
//!
//! `code` has comments, the contents of literals and everything under `#[cfg(test)]` blanked out, line for
//! line, so that a word found in it is really there. No parser: the house's style is regular enough, and the
//! tests at the bottom keep the blanking honest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One Rust file.
pub(crate) struct Source {
    /// From the root of the workspace, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// What is compiled into the product.
    pub(crate) code: String,
}

impl Source {
    /// The crate's folder: `engine` of `crates/engine/src/io.rs`.
    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Places where `word` stands alone, as `path:line`.
    pub(crate) fn places(&self, word: &str) -> Vec<String> {
        let line = |at: usize| 1 + self.code[..at].matches('\n').count();
        word_starts(&self.code, word)
            .map(|at| format!("{}:{}", self.path, line(at)))
            .collect()
    }

    /// Whether `word` stands alone anywhere in the product's code.
    pub(crate) fn has(&self, word: &str) -> bool {
        word_starts(&self.code, word).next().is_some()
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the workspace.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below `folders` with this extension, sorted, as paths from the root.
pub(crate) fn files(folders: &[&str], extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), extension, &mut found);
    }
    found.sort();
    found
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let built = path.ends_with("fuzz/target");
        if path.is_dir() && !hidden && !built {
            collect(&path, extension, found);
        } else if path.is_file() && path.extension().is_some_and(|end| end == extension) {
            let below = path.strip_prefix(root()).expect("below the root");
            found.push(below.to_str().expect("UTF-8").to_owned());
        }
    }
}

/// The sources of the product: `crates/*/src` without test modules.
pub(crate) fn product() -> Vec<Source> {
    let all: Vec<Source> = files(&["crates"], "rs")
        .into_iter()
        .filter(|path| path.split('/').nth(2) == Some("src"))
        .map(load)
        .collect();
    assert!(all.len() > 100, "the sources were not found");
    let tests: BTreeSet<String> = all.iter().flat_map(test_files).collect();
    let is_test = |path: &str| {
        let below = |test: &String| {
            path == test || path.starts_with(&format!("{}/", test.trim_end_matches(".rs")))
        };
        tests.iter().any(below)
    };
    all.into_iter()
        .filter(|source| !is_test(&source.path))
        .collect()
}

/// Every Rust file of the repository.
pub(crate) fn everything() -> Vec<Source> {
    files(&["crates", "tests", "benches", "fuzz"], "rs")
        .into_iter()
        .map(load)
        .collect()
}

fn load(path: String) -> Source {
    let text = read(&path);
    let code = without_tests(&without_comments(&text));
    Source { path, text, code }
}

/// Files that a `#[cfg(test)] mod name;` declares.
fn test_files(source: &Source) -> Vec<String> {
    let plain = without_comments(&source.text);
    let folder = match source.path.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
        _ => source.path.trim_end_matches(".rs").to_owned(),
    };
    let mut found = Vec::new();
    for (at, _) in plain.match_indices("#[cfg(test)]") {
        let item = plain[at + "#[cfg(test)]".len()..].trim_start();
        let item = item.strip_prefix("pub(crate) ").unwrap_or(item);
        if let Some(name) = item
            .strip_prefix("mod ")
            .and_then(|rest| rest.split_once(';').filter(|(name, _)| !name.contains('{')))
        {
            found.push(format!("{folder}/{}.rs", name.0.trim()));
            found.push(format!("{folder}/{}/mod.rs", name.0.trim()));
        }
    }
    found
}

/// Where `word` stands without letters, digits or `_` touching it.
pub(crate) fn word_starts<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    let (first, last) = (word.chars().next(), word.chars().next_back());
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = code[..at].chars().next_back().is_some_and(joins);
            let after = code[at + word.len()..].chars().next().is_some_and(joins);
            !(before && first.is_some_and(joins) || after && last.is_some_and(joins))
        })
}

/// Comments and the contents of string and character literals become blanks; lines stay.
pub(crate) fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = match rest {
            [b'/', b'/', ..] => rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => block_comment(rest),
            [b'r', b'"' | b'#', ..] if !touches_word(&out) => raw_string(rest).unwrap_or(0),
            [b'b', b'r', b'"' | b'#', ..] if !touches_word(&out) => {
                raw_string(&rest[1..]).map_or(0, |end| end + 1)
            }
            [b'"', ..] => string(rest),
            [b'\'', ..] => character(rest),
            _ => 0,
        };
        if end == 0 {
            out.push(bytes[at]);
            at += 1;
        } else {
            let blank = |b: &u8| if *b == b'\n' { b'\n' } else { b' ' };
            out.extend(rest[..end].iter().map(blank));
            at += end;
        }
    }
    String::from_utf8(out).expect("only whole literals were blanked")
}

fn touches_word(out: &[u8]) -> bool {
    out.last()
        .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0u32, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = &rest[2 + hashes..];
    let length = body.windows(close.len()).position(|end| end == close)?;
    Some(2 + hashes + length + close.len())
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// A character literal, or 0 for a lifetime.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        let end = rest.iter().skip(3).position(|&b| b == b'\'');
        return end.map_or(0, |end| end + 4);
    }
    let text = std::str::from_utf8(&rest[1..rest.len().min(6)]);
    let valid = match text {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&rest[1..1 + error.valid_up_to()]).unwrap_or(""),
    };
    let width = valid.chars().next().map_or(0, char::len_utf8);
    if width > 0 && rest.get(1 + width) == Some(&b'\'') {
        width + 2
    } else {
        0
    }
}

/// Items under `#[cfg(test)]` or `#[cfg(any(test, …))]` become blanks; needs text without comments.
fn without_tests(plain: &str) -> String {
    let mut out = plain.to_owned();
    for start in ["#[cfg(test)]", "#[cfg(any(test", "#[cfg(all(test"] {
        let mut from = 0;
        while let Some(at) = out[from..].find(start).map(|at| from + at) {
            let end = item_end(&out, at);
            let blanks: String = out[at..end]
                .chars()
                .map(|c| if c == '\n' { '\n' } else { ' ' })
                .collect();
            out.replace_range(at..end, &blanks);
            from = at;
        }
    }
    out
}

/// The end of the item that an attribute at `at` belongs to: its `;`, or the brace that closes it.
fn item_end(code: &str, at: usize) -> usize {
    let mut depth = 0i32;
    let attribute = code[at..].find(']').map_or(code.len(), |end| at + end + 1);
    for (offset, c) in code[attribute..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth -= 1;
                if depth < 0 {
                    return attribute + offset;
                }
                if depth == 0 && c == '}' {
                    return attribute + offset + 1;
                }
            }
            ';' | ',' if depth == 0 => return attribute + offset + 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn blanking_leaves_code_and_nothing_else() {
    let text = "let a = \"unsafe // \\\" x\"; // unsafe\nlet b = 'u'; /* unsafe /* x */ */ fn f<'a>() {}\n\
                let c = r#\"unsafe \" \"#; let d = b'\\''; let e = '\\u{41}';\nlet unsafe_thing = br\"unsafe\";";
    let code = without_comments(text);
    assert_eq!(word_starts(&code, "unsafe").count(), 0, "{code}");
    assert!(code.contains("fn f<'a>() {}") && code.contains("let e ="));
    assert!(code.contains("unsafe_thing") && code.contains("let d ="));
    assert_eq!(code.matches('\n').count(), text.matches('\n').count());
}

#[test]
fn what_is_only_for_tests_is_blanked_and_what_follows_is_not() {
    let code = without_tests(
        "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { x[0]; } }\n#[cfg(test)]\nuse c::{d, e};\nfn f() {}",
    );
    assert!(code.contains("fn a()") && code.contains("fn f()"));
    assert!(!code.contains("fn b()") && !code.contains("c::"), "{code}");
}

#[test]
fn a_word_inside_a_word_is_not_that_word() {
    assert_eq!(word_starts("brand rand::x operand", "rand").count(), 1);
    assert_eq!(
        word_starts("Sealed::new x_Sealed::new", "Sealed::new").count(),
        1
    );
}
