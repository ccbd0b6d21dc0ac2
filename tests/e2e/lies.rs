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

fn exchange(home: &Home, one: &str, other: &str) {
    std::fs::rename(home.path(one), home.path("aside")).expect("a rename");
    std::fs::rename(home.path(other), home.path(one)).expect("a rename");
    std::fs::rename(home.path("aside"), home.path(other)).expect("a rename");
}

/// Adds a witness; where it is.
fn witnessed(home: &Home) -> String {
    let place = home.text("usb stick");
    let added = home.run(&["witness", "add", &place]).ok().well_said();
    assert!(added.out.contains("is a witness now"), "{}", added.out);
    place
}

#[test]
fn a_witness_tells_a_machine_without_memory_that_the_bucket_was_rolled_back() {
    let home = Home::with_snapshot();
    let place = witnessed(&home);
    copy(&home.path("repo"), &home.path("older"));
    home.run(&["backup", "src"]).ok().well_said();
    exchange(&home, "repo", "older");
    // A machine that knows only the password, and the witness.
    let check = ["witness", "check", &place];
    run(&mut home.elsewhere(&check))
        .ended(14)
        .says("holds entry 4 of the log of device")
        .says("the storage does not show that entry")
        .well_said();
    exchange(&home, "repo", "older");
    let right = run(&mut home.elsewhere(&check)).ok();
    assert!(right.out.contains("has 2 entries"), "{}", right.out);
}

#[test]
fn the_witness_is_compared_at_every_open_even_when_this_machines_memory_is_gone() {
    let home = Home::with_snapshot();
    let place = witnessed(&home);
    let older_state = home.path("older state");
    copy(&home.path("state"), &older_state);
    copy(&home.path("repo"), &home.path("older"));
    home.run(&["backup", "src"]).ok();
    // Both go back to the day before: the disk image of the machine, and the bucket.
    exchange(&home, "repo", "older");
    exchange(&home, "state", "older state");
    for command in [&["snapshots"][..], &["backup", "src"], &["fingerprint"]] {
        home.run(command)
            .ended(14)
            .says(&format!("the witness at {place} holds entry 4"))
            .well_said();
    }
    exchange(&home, "repo", "older");
    home.run(&["snapshots"]).ok();
}

#[test]
fn a_witness_that_is_not_there_is_a_note_and_one_that_makes_things_up_proves_nothing() {
    let home = Home::with_snapshot();
    let place = witnessed(&home);
    std::fs::rename(&place, home.path("unplugged")).expect("a rename");
    home.run(&["backup", "src"])
        .ok()
        .says("was not asked")
        .well_said();
    std::fs::rename(home.path("unplugged"), &place).expect("a rename");
    home.run(&["snapshots"]).ok();

    // The newest copy under a later number, and with other bytes.
    let mut copies = files(Path::new(&place));
    copies.sort();
    let real = copies.pop().expect("a copy");
    let name = real.file_name().expect("a name").to_str().expect("text");
    let (_, hash) = name.split_once('-').expect("a hash");
    let later = real.with_file_name(format!("{:016x}-{hash}", 99));
    std::fs::copy(&real, &later).expect("a copy");
    home.run(&["snapshots"])
        .ok()
        .says("proves nothing")
        .well_said();
    std::fs::write(&later, "no entry at all").expect("a file");
    home.run(&["snapshots"]).ok().says("proves nothing");
    home.run(&["witness", "list", "--json"]).ok();
    home.run(&["witness", "remove", &place]).ok();
    let silent = home.run(&["snapshots"]).ok();
    assert!(!silent.err.contains("witness"), "{}", silent.err);
}

#[test]
fn a_witness_keeps_the_newest_entries_only_and_not_where_the_repository_is() {
    let home = Home::with_snapshot();
    let place = witnessed(&home);
    for _ in 0..3 {
        home.run(&["backup", "src"]).ok();
    }
    assert_eq!(
        files(Path::new(&place)).len(),
        2,
        "one of the log, one of the roster"
    );
    for wrong in [home.text("repo"), home.text("repo/beside")] {
        home.run(&["witness", "add", &wrong])
            .ended(2)
            .says("no witness of itself")
            .well_said();
    }
    home.run(&["mirror", "--to", &home.text("mirror")]).ok();
    home.run(&["witness", "add", &home.text("mirror")])
        .ended(2)
        .says("there is a repository at");
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}
