//! A storage that lies, and what two machines, a paper and a witness say about it: every lie is named, and code 14.

use std::path::Path;
use std::process::Command;

use crate::home::{Home, run};

/// The first words that the user's own machine shows.
fn words(home: &Home) -> String {
    let shown = home.run(&["fingerprint", "--json"]).ok().json();
    shown[0]["words"].as_str().expect("words").to_owned()
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.expect("cp").success());
}

fn compared(home: &Home, words: &str) -> serde_json::Value {
    let compare = ["fingerprint", "--compare", words, "--json"];
    run(&mut home.elsewhere(&compare)).ok().json().remove(0)
}

#[test]
fn two_machines_that_are_shown_the_same_have_the_same_words_and_an_older_state_is_counted() {
    let home = Home::with_snapshot();
    let before = words(&home);
    assert_eq!(compared(&home, &before)["result"], "same");
    home.run(&["backup", "src"]).ok();
    assert_ne!(words(&home), before);
    let older = compared(&home, &before);
    assert_eq!(older["result"], "older");
    assert_eq!(older["since"][0]["entries"], 2);
    let said = home.run(&["fingerprint", "--compare", &before]).ok();
    assert!(said.out.contains("behind it 2 entries of"), "{}", said.out);
}

#[test]
fn words_of_what_the_storage_hides_from_another_machine_are_code_14_there() {
    let home = Home::with_snapshot();
    copy(&home.path("repo"), &home.path("older"));
    home.run(&["backup", "src"]).ok();
    let newest = words(&home);
    let compare = ["fingerprint", "--compare", &newest];
    run(home
        .elsewhere(&compare)
        .env("OWNKEY_REPOSITORY", home.path("older")))
    .ended(14)
    .says("no log of this repository has the entry")
    .says("type there what `ownkey fingerprint` shows here")
    .well_said();
}

#[test]
fn a_word_that_was_misread_accuses_nobody() {
    let home = Home::with_snapshot();
    let right = words(&home);
    let (_, rest) = right.split_once(' ').expect("words");
    let other = if right.starts_with("zoo") {
        "able"
    } else {
        "zoo"
    };
    home.run(&["fingerprint", "--compare", &format!("{other} {rest}")])
        .ended(2)
        .says("once more")
        .well_said();
}

#[test]
fn a_change_of_who_has_access_that_no_log_has_seen_has_words_of_its_own() {
    let home = Home::with_snapshot();
    home.run(&["rotate"]).ok();
    let shown = home.run(&["fingerprint", "--json"]).ok().json();
    assert_eq!(shown.len(), 2, "{shown:?}");
    let change = &shown[1];
    assert_eq!(change["log"], "roster");
    let same = compared(&home, change["words"].as_str().expect("words"));
    assert_eq!(
        (&same["log"], &same["seq"]),
        (&change["log"], &change["seq"])
    );
    home.run(&["backup", "src"]).ok();
    assert_eq!(home.run(&["fingerprint", "--json"]).ok().json().len(), 1);
}
