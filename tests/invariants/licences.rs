//! Every dependency may be used under a licence that `deny.toml` lists, and it lists no other.
//!
//! `cargo deny` says more; this needs nothing but cargo.

use std::collections::BTreeSet;
use std::process::Command;

use crate::layering::metadata;
use crate::sources::read;

/// A dependency and the ways in which it may be used: any one of these sets of licences.
struct Terms {
    name: String,
    ways: Vec<BTreeSet<String>>,
}

#[test]
fn every_dependency_has_a_listed_licence_and_every_listed_licence_is_needed() {
    let listed = listed();
    let terms = terms();
    assert!(
        terms.len() > 100,
        "only {} dependencies were found",
        terms.len()
    );
    for Terms { name, ways } in &terms {
        let may = ways.iter().any(|way| way.is_subset(&listed));
        assert!(may, "{name} asks for {ways:?}");
    }
    for licence in &listed {
        let mut without = listed.clone();
        without.remove(licence);
        let needed = terms
            .iter()
            .any(|terms| !terms.ways.iter().any(|way| way.is_subset(&without)));
        assert!(needed, "nothing needs {licence}");
    }
}

fn listed() -> BTreeSet<String> {
    let rules = read("deny.toml");
    let list = rules.split("\nallow = [").nth(1).expect("a list");
    let list = list.split(']').next().unwrap_or_default();
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn terms() -> Vec<Terms> {
    // What other systems would need was never fetched here.
    let metadata = metadata(&["--locked", "--filter-platform", &host()]);
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().unwrap_or_default().to_owned();
            let expression = package["license"].as_str().unwrap_or_default();
            let spaced = expression
                .replace('/', " OR ")
                .replace('(', " ( ")
                .replace(')', " ) ");
            let words: Vec<&str> = spaced.split_whitespace().collect();
            let ways = any_of(&mut words.iter().copied().peekable());
            Terms { name, ways }
        })
        .collect()
}

/// The machine's own target, as the compiler calls it.
fn host() -> String {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8(output.stdout).expect("UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("a host").to_owned()
}

type Words<'w> = std::iter::Peekable<std::iter::Copied<std::slice::Iter<'w, &'w str>>>;

fn any_of(words: &mut Words<'_>) -> Vec<BTreeSet<String>> {
    let mut ways = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        ways.extend(all_of(words));
    }
    ways
}

fn all_of(words: &mut Words<'_>) -> Vec<BTreeSet<String>> {
    let mut ways = one(words);
    while words.next_if_eq(&"AND").is_some() {
        let others = one(words);
        let both =
            |way: &BTreeSet<String>| others.iter().map(|other| way | other).collect::<Vec<_>>();
        ways = ways.iter().flat_map(both).collect();
    }
    ways
}

fn one(words: &mut Words<'_>) -> Vec<BTreeSet<String>> {
    if words.next_if_eq(&"(").is_some() {
        let ways = any_of(words);
        words.next();
        return ways;
    }
    let mut licence = words.next().unwrap_or("none").to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    vec![[licence].into()]
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let read = |text: &str| {
        let words: Vec<&str> = text.split(' ').collect();
        let ways = any_of(&mut words.iter().copied().peekable());
        ways.iter()
            .map(|way| way.iter().cloned().collect::<Vec<_>>().join("+"))
            .collect::<Vec<_>>()
    };
    assert_eq!(read("A OR B AND C"), ["A", "B+C"]);
    assert_eq!(read("( A OR B ) AND C"), ["A+C", "B+C"]);
    assert_eq!(read("A WITH X OR B"), ["A WITH X", "B"]);
}
