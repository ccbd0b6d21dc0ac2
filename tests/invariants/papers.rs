//! The papers say what is so: links lead somewhere, cited sections exist, and named tests are there.

use std::collections::BTreeSet;

use crate::sources::{everything, files, read, root};

const FRONT: [&str; 3] = ["README.md", "CHANGELOG.md", "SECURITY.md"];

fn papers() -> Vec<String> {
    let mut papers = files(&["docs"], "md");
    papers.extend(FRONT.iter().map(|path| (*path).to_owned()));
    papers
}

/// `[text](target)` of a Markdown page.
fn links(text: &str) -> Vec<&str> {
    text.match_indices("](")
        .filter_map(|(at, _)| text[at + 2..].split(')').next())
        .collect()
}

/// What stands in backticks, outside of code blocks.
fn quoted(text: &str) -> Vec<String> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

#[test]
fn links_between_the_papers_lead_somewhere() {
    let mut broken = Vec::new();
    for path in papers() {
        let text = read(&path);
        let folder = root().join(&path);
        let folder = folder.parent().expect("a folder");
        for link in links(&text) {
            let target = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || link.starts_with("mailto:");
            if !outside && !target.is_empty() && !folder.join(target).exists() {
                broken.push(format!("{path}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_that_the_papers_name_exist() {
    let tops = ["crates/", "docs/", "tests/", "fuzz/", "benches/", ".ci/"];
    let mut missing = Vec::new();
    for path in papers() {
        for word in quoted(&read(&path)) {
            let name = word
                .split([' ', '*', ':', '{', '<', '…'])
                .next()
                .unwrap_or_default();
            let is_path = tops.iter().any(|top| name.starts_with(top));
            if is_path && !root().join(name).exists() {
                missing.push(format!("{path}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn cited_sections_of_the_format_exist() {
    let format = read("docs/format.md");
    let sections: BTreeSet<&str> = format
        .lines()
        .filter_map(|line| line.strip_prefix("## ")?.split('.').next())
        .collect();
    assert!(sections.len() > 10);
    let mut wrong = Vec::new();
    let mut citations = 0;
    let sources = everything()
        .into_iter()
        .map(|source| (source.path, source.text));
    let pages = papers().into_iter().map(|path| {
        let text = read(&path);
        (path, text)
    });
    for (path, text) in sources.chain(pages) {
        let text = text.replace('`', "");
        for (at, start) in text.match_indices("format.md §") {
            let rest = &text[at + start.len()..];
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if number.is_empty() {
                continue;
            }
            citations += 1;
            if !sections.contains(number.as_str()) {
                wrong.push(format!("{path}: §{number}"));
            }
        }
    }
    assert!(citations > 50, "only {citations} citations were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn cited_sections_of_the_design_exist() {
    let design = read("docs/design.md");
    let mut wrong = Vec::new();
    for source in everything() {
        if source.path.starts_with("tests/invariants/papers") {
            continue;
        }
        // A citation may be broken over two lines of a comment.
        let text = source.text.replace("\n//! ", " ").replace("\n/// ", " ");
        for (at, start) in text.match_indices("docs/design.md, \"") {
            let title = text[at + start.len()..]
                .split('"')
                .next()
                .unwrap_or_default();
            if !design.contains(&format!("## {title}\n")) {
                wrong.push(format!("{}: {title:?}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tests_that_the_papers_name_exist() {
    let sources: String = everything().into_iter().map(|source| source.text).collect();
    let mut missing = Vec::new();
    let mut named = 0;
    for path in ["docs/threat-model.md", "docs/manifesto.md", "README.md"] {
        for word in quoted(&read(path)) {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if word.matches('_').count() < 2 || !word.chars().all(is_name) {
                continue;
            }
            named += 1;
            if !sources.contains(&format!("fn {word}(")) {
                missing.push(format!("{path}: {word}"));
            }
        }
    }
    assert!(named > 20, "only {named} tests are named");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn decisions_are_numbered_without_gaps_and_say_their_status() {
    let pages = files(&["docs/adr"], "md");
    for (number, path) in (1..).zip(&pages) {
        let name = path.rsplit('/').next().expect("a name");
        assert!(name.starts_with(&format!("{number:04}-")), "{path}");
        let text = read(path);
        assert!(text.starts_with(&format!("# {number:04}: ")), "{path}");
        assert!(text.contains("\nStatus: "), "{path}");
    }
}

#[test]
fn the_gate_runs_the_tests_as_the_readme_does() {
    let command = "cargo test --workspace";
    assert!(read("README.md").contains(&format!("\n{command}\n")));
    assert!(read(".ci/run").contains(command));
}

#[test]
fn the_readme_lists_as_there_what_is_there_and_nothing_else() {
    let readme = read("README.md");
    let program = read("crates/cli/src/commands/mod.rs");
    let groups = program
        .split("const GROUPS")
        .nth(1)
        .expect("the list of commands");
    let groups = groups.split("];").next().expect("its end");
    let paragraph = |start: &str| {
        let text = readme
            .split(start)
            .nth(1)
            .unwrap_or_else(|| panic!("{start}"));
        quoted(text.split("\n\n").next().unwrap_or_default())
    };
    let there = paragraph("There today:");
    assert!(there.len() > 5);
    for command in there {
        assert!(
            groups.contains(&format!("\"{command}\"")),
            "{command} is not there"
        );
    }
    let missing = paragraph("Not there yet:");
    for command in missing {
        assert!(
            !groups.contains(&format!("\"{command}\"")),
            "{command} is there; say so"
        );
    }
}
