//! The project speaks of itself alone: of no machine it was made on, no service it was fetched from, no tool of a
//! workshop. And it uses the glossary's words.

use crate::sources::{files, read, word_starts};

/// Written in halves, so that this page does not say them either.
const STRANGE: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("shared", "/research"),
    ("DESIGN", ".md"),
    ("ATTACKS", ".md"),
    ("crates", ".io"),
    ("docs", ".rs"),
    ("pypi", ".org"),
    ("npmjs", ".com"),
    ("language", " model"),
    ("Anth", "ropic"),
    ("Clau", "de"),
    ("Open", "AI"),
    ("Chat", "GPT"),
    ("Copi", "lot"),
    ("issue", " #"),
    ("Co-authored", "-by"),
    ("TO", "DO"),
    ("FIX", "ME"),
];

/// Words of other programs for what has a name here (docs/glossary.md).
const OTHER_NAMES: &[&str] = &[
    "passphrases",
    "keyfile",
    "keyfiles",
    "backends",
    "blob",
    "blobs",
    "tombstone",
    "tombstones",
    "fossil",
];

fn papers_and_sources() -> Vec<String> {
    let mut all = files(&["docs", "crates", "tests", "benches", "fuzz"], "md");
    all.extend(files(&["crates", "tests", "benches", "fuzz"], "rs"));
    all.extend(files(&["crates", "fuzz"], "toml"));
    for path in [
        "README.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "Cargo.toml",
        "deny.toml",
        ".ci/run",
    ] {
        all.push(path.to_owned());
    }
    all
}

#[test]
fn nothing_speaks_of_a_machine_a_service_or_a_workshop() {
    let mut found = Vec::new();
    for path in papers_and_sources() {
        let text = read(&path);
        for (first, second) in STRANGE {
            let word = format!("{first}{second}");
            if word_starts(&text, &word).next().is_some() {
                found.push(format!("{path}: {word}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn things_are_called_what_the_glossary_calls_them() {
    let glossary = read("docs/glossary.md").to_lowercase();
    let mut found = Vec::new();
    for path in papers_and_sources() {
        if path == "docs/glossary.md" || path.starts_with("tests/invariants/") {
            continue;
        }
        let text = read(&path).to_lowercase();
        for word in OTHER_NAMES {
            if word_starts(&text, word).next().is_some() {
                found.push(format!("{path}: {word}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    for word in [
        "repository",
        "storage",
        "snapshot",
        "chunk",
        "pack",
        "segment",
        "key slot",
        "condemn",
    ] {
        assert!(glossary.contains(&format!("| {word}")), "{word}");
    }
}
