//! No module of a crate uses another that uses it in turn.
//!
//! Modules of one crate drift into a knot unless somebody looks. Edges are `crate::module` paths in the
//! product's code, between the top-level modules of each crate.

use std::collections::{BTreeMap, BTreeSet};

use crate::exceptions::CYCLES;
use crate::sources::product;

type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn modules_of_a_crate_form_no_cycles() {
    let mut found = Vec::new();
    for (of, graph) in graphs() {
        for knot in knots(&graph) {
            let known = CYCLES.iter().any(|(owner, group, _)| {
                *owner == of && knot.iter().all(|module| group.contains(&module.as_str()))
            });
            if !known {
                let edges: Vec<String> = edges_within(&graph, &knot);
                found.push(format!("{of}: {} ({})", knot.join(" ↔ "), edges.join(", ")));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_allowed_cycle_is_still_there() {
    let graphs = graphs();
    for (of, group, _) in CYCLES {
        let is_within =
            |knot: &Vec<String>| knot.iter().all(|module| group.contains(&module.as_str()));
        let there = graphs
            .get(*of)
            .is_some_and(|graph| knots(graph).iter().any(is_within));
        assert!(there, "{of}: {group:?} is no cycle any more; strike it out");
    }
}

/// The top-level modules of every crate and whom they use.
fn graphs() -> BTreeMap<String, Graph> {
    let mut graphs: BTreeMap<String, Graph> = BTreeMap::new();
    for source in product() {
        let mut parts = source.path.split('/').skip(1);
        let (Some(of), Some(_), Some(module)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let module = module.trim_end_matches(".rs");
        let used = graphs
            .entry(of.to_owned())
            .or_default()
            .entry(module.to_owned())
            .or_default();
        used.extend(mentions(&source.code));
    }
    for graph in graphs.values_mut() {
        // The root of a crate knows everybody; `crate::Name` is a re-export of it.
        graph.retain(|module, _| module != "lib" && module != "main");
        let names: BTreeSet<String> = graph.keys().cloned().collect();
        for (module, used) in graph.iter_mut() {
            used.retain(|other| other != module && names.contains(other));
        }
    }
    graphs
}

/// First names after `crate::`, also within braces.
fn mentions(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            let mut taking = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.push(std::mem::take(&mut name));
                        taking = true;
                    }
                    c if depth == 0 && taking && (c.is_alphanumeric() || c == '_') => name.push(c),
                    c if depth == 0 && !c.is_whitespace() => taking = false,
                    _ => {}
                }
            }
            found.push(name);
        } else {
            found.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    found
}

/// Groups of two and more modules that reach each other.
fn knots(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph
        .keys()
        .map(|module| (module, reachable(graph, module)))
        .collect();
    let mut knots = BTreeSet::new();
    for (module, reached) in &reach {
        let knot: Vec<String> = reached
            .iter()
            .filter(|other| reach[**other].contains(module))
            .map(|other| (*other).clone())
            .collect();
        if knot.len() > 1 {
            knots.insert(knot);
        }
    }
    knots.into_iter().collect()
}

fn reachable<'g>(graph: &'g Graph, from: &String) -> BTreeSet<&'g String> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<&'g String> = graph[from].iter().collect();
    while let Some(module) = left.pop() {
        if reached.insert(module) {
            left.extend(&graph[module]);
        }
    }
    reached
}

fn edges_within(graph: &Graph, knot: &[String]) -> Vec<String> {
    knot.iter()
        .flat_map(|from| {
            let inside = graph[from].iter().filter(|to| knot.contains(to));
            inside.map(move |to| format!("{from}→{to}"))
        })
        .collect()
}

#[test]
fn a_cycle_would_be_found() {
    let uses = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let graph: Graph = [
        ("a".to_owned(), uses(&["b"])),
        ("b".to_owned(), uses(&["c"])),
        ("c".to_owned(), uses(&["a"])),
        ("d".to_owned(), uses(&["a"])),
    ]
    .into();
    assert_eq!(knots(&graph), [["a", "b", "c"]]);
    assert_eq!(
        mentions("use crate::{one::{x, y}, two, three::z}; crate::four::f()"),
        ["one", "two", "three", "four"]
    );
}
