//! A storage that lies, and what two machines, a paper and a witness say about it: every lie is named, and code 14.

use std::path::Path;
use std::process::Command;

use crate::access::{approve, machine};
use crate::home::{Home, Run, run};

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

/// The owner's machine and a laptop that was let in, both of which have written, and the storage as it was before their
/// last backups.
fn two_machines_and_yesterday() -> Home {
    let home = Home::with_snapshot();
    approve(&home, "laptop", &["--admin"]);
    at_laptop(&home, &["backup", "src"]).ok();
    copy(&home.path("repo"), &home.path("yesterday"));
    at_laptop(&home, &["backup", "src"]).ok();
    home.run(&["backup", "src"]).ok();
    home
}

fn at_laptop(home: &Home, arguments: &[&str]) -> Run {
    run(&mut machine(home, "laptop", arguments))
}

/// The only folder of evidence that a machine has kept.
fn evidence(home: &Home, state: &str) -> Vec<String> {
    let kept = files(&home.path(state));
    let kept = kept
        .iter()
        .filter(|path| path.to_string_lossy().contains("/evidence/"));
    let mut names: Vec<String> = kept
        .map(|path| {
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_bucket_that_was_rolled_back_is_named_kept_as_evidence_and_read_only_if_somebody_says_so() {
    let home = two_machines_and_yesterday();
    exchange(&home, "repo", "yesterday");
    let caught = home
        .run(&["snapshots"])
        .ended(14)
        .says("ends before entry")
        .says("what this machine remembers and what the storage shows instead is kept in")
        .says("--despite-lies")
        .well_said();
    let kept = evidence(&home, "state");
    assert!(kept.contains(&"report".to_owned()), "{kept:?}");
    assert!(
        kept.iter().any(|name| name.starts_with("shown-log-")),
        "{kept:?}"
    );
    // The same lie is kept once.
    assert_eq!(home.run(&["snapshots"]).ended(14).err, caught.err);
    assert_eq!(evidence(&home, "state"), kept);

    let shown = home.run(&["snapshots", "--despite-lies", "--json"]).ok();
    let of_type = |wanted: &str| {
        let lines = shown.json();
        lines
            .iter()
            .filter(|line| line["message_type"] == wanted)
            .count()
    };
    assert_eq!(
        (of_type("snapshot"), of_type("doubt") > 0),
        (2, true),
        "{}",
        shown.out
    );
    home.run(&["restore", "latest", "--target", "back", "--despite-lies"])
        .ok()
        .says("read in spite of this")
        .well_said();
    let before = files(&home.path("repo")).len();
    for command in [
        &["backup", "src", "--despite-lies"][..],
        &["rotate", "--despite-lies"],
    ] {
        home.run(command).ended(14).well_said();
    }
    assert_eq!(files(&home.path("repo")).len(), before);
    // What was remembered is remembered still.
    home.run(&["snapshots"]).ended(14);
    exchange(&home, "repo", "yesterday");
    home.run(&["snapshots"]).ok();
}

#[test]
fn what_an_admin_accepts_every_machine_follows_and_says_so_once_and_a_later_rollback_is_caught_again()
 {
    let home = two_machines_and_yesterday();
    exchange(&home, "repo", "yesterday");
    at_laptop(&home, &["snapshots"]).ended(14);
    home.run(&["accept"])
        .ended(2)
        .says("nobody is here to be asked")
        .well_said();
    home.run(&["snapshots"]).ended(14);
    let accepted = home.run(&["accept", "--yes"]).ok().well_said();
    assert!(
        accepted.out.contains("is shown up to entry"),
        "{}",
        accepted.out
    );
    let quiet = home.run(&["snapshots"]).ok();
    assert!(!quiet.err.contains("accepted"), "{}", quiet.err);

    at_laptop(&home, &["snapshots"])
        .ok()
        .says("an admin has accepted that it is not shown any more")
        .says("accepted that the log of")
        .well_said();
    let quiet = at_laptop(&home, &["snapshots"]).ok();
    assert!(!quiet.err.contains("accepted"), "{}", quiet.err);
    let after_accept = home.path("after accept");
    copy(&home.path("repo"), &after_accept);
    at_laptop(&home, &["backup", "src"]).ok();
    home.run(&["backup", "src"]).ok();
    home.run(&["check"]).ok();
    run(&mut home.elsewhere(&["snapshots"])).ok();
    assert_eq!(home.run(&["accept", "--json"]).ok().json()[0]["logs"], 0);

    // To accept once is not to accept for ever.
    exchange(&home, "repo", "after accept");
    home.run(&["snapshots"]).ended(14).says("ends before entry");
    at_laptop(&home, &["snapshots"])
        .ended(14)
        .says("ends before entry");
}

#[test]
fn a_witness_says_no_more_of_what_an_admin_has_given_up() {
    let home = Home::with_snapshot();
    let place = witnessed(&home);
    copy(&home.path("repo"), &home.path("older"));
    copy(&home.path("state"), &home.path("older state"));
    home.run(&["backup", "src"]).ok();
    exchange(&home, "repo", "older");
    exchange(&home, "state", "older state");
    home.run(&["snapshots"]).ended(14).says("the witness at");
    let kept = evidence(&home, "state");
    assert!(kept.contains(&"held-by-the-witness".to_owned()), "{kept:?}");
    home.run(&["snapshots", "--despite-lies"])
        .ok()
        .says("the witness at");
    home.run(&["accept", "--yes"]).ok();
    let quiet = home.run(&["snapshots"]).ok();
    assert!(!quiet.err.contains("witness"), "{}", quiet.err);
    home.run(&["backup", "src"]).ok();
    assert_eq!(files(Path::new(&place)).len(), 2);
}

#[test]
fn a_hidden_entry_is_named_by_the_machine_that_has_seen_it_and_by_one_that_was_told() {
    let home = two_machines_and_yesterday();
    // The newest entry of the laptop, which the owner's machine has seen when it backed up last.
    let newest = |log: &Path| {
        let mut entries = files(log);
        entries.sort();
        entries.pop().expect("an entry")
    };
    let logs = std::fs::read_dir(home.path("repo/log")).expect("logs");
    let logs: Vec<_> = logs.map(|log| log.expect("a log").path()).collect();
    let shorter = logs
        .iter()
        .min_by_key(|log| files(log).len())
        .expect("a log");
    let hidden = newest(shorter);
    let away = home.path("hidden");
    std::fs::rename(&hidden, &away).expect("a rename");
    for told in [home.run(&["snapshots"]), at_laptop(&home, &["snapshots"])] {
        told.ended(14)
            .says("entry 3")
            .says("the log of device")
            .well_said();
    }
    run(&mut home.elsewhere(&["snapshots"]))
        .ended(14)
        .says("has seen entry 3 of the log of device")
        .says("which the storage does not show")
        .well_said();
    std::fs::rename(&away, &hidden).expect("a rename");
    run(&mut home.elsewhere(&["snapshots"])).ok();
}

#[test]
fn a_deleted_snapshot_is_named_by_check_and_on_a_new_machine_with_the_kit() {
    let home = Home::with_snapshot();
    home.run(&["backup", "src"]).ok();
    let kit = ["recovery", "kit", "--recovery-key-file", "newer.txt"];
    run(home
        .command(&kit)
        .env("OWNKEY_RECOVERY_KEY_FILE", home.path("kit.txt")))
    .ok();
    let mut entries = files(&home.path("repo/log"));
    entries.sort();
    // Entry 1 is the first Backup.
    std::fs::remove_file(&entries[1]).expect("it is there");
    home.run(&["check"])
        .ended(14)
        .says("before entry 4")
        .well_said();
    let recover = [
        "recover",
        "--kit",
        "newer.txt",
        "--no-device",
        "--target",
        "back",
        "--yes",
    ];
    let mut empty = home.elsewhere(&recover);
    run(empty.env("OWNKEY_CACHE_DIR", home.path("other cache")))
        .ended(14)
        .says("shows an older state")
        .well_said();
    assert!(!home.path("back").exists());
}

#[test]
fn two_machines_that_are_shown_different_histories_find_out_by_their_words_or_when_one_sees_the_others()
 {
    let home = Home::with_snapshot();
    approve(&home, "laptop", &[]);
    at_laptop(&home, &["backup", "src"]).ok();
    home.run(&["snapshots"]).ok();
    copy(&home.path("repo"), &home.path("for the laptop"));
    home.run(&["backup", "src"]).ok();
    // From here on the storage shows each machine its own half.
    exchange(&home, "repo", "for the laptop");
    at_laptop(&home, &["backup", "src"]).ok();
    let laptops = at_laptop(&home, &["fingerprint", "--json"]).ok().json();
    let laptops = laptops[0]["words"].as_str().expect("words").to_owned();
    exchange(&home, "repo", "for the laptop");
    let owners = words(&home);
    home.run(&["fingerprint", "--compare", &laptops])
        .ended(14)
        .well_said();
    exchange(&home, "repo", "for the laptop");
    at_laptop(&home, &["fingerprint", "--compare", &owners])
        .ended(14)
        .well_said();
    // And whoever is shown the other half misses what it has seen itself.
    home.run(&["snapshots"])
        .ended(14)
        .says("ends before entry 4")
        .well_said();
    exchange(&home, "repo", "for the laptop");
    at_laptop(&home, &["snapshots"])
        .ended(14)
        .says("ends before entry 3")
        .well_said();
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            // The room that a folder keeps is no object.
            false if path.ends_with(".reserve") => {}
            false => found.push(path),
        }
    }
    found
}

#[test]
fn what_the_storage_sees_is_told_without_a_key_and_names_nothing_of_the_owners() {
    let home = Home::with_snapshot();
    let mut elsewhere = home.elsewhere(&["provider-view"]);
    let told = run(elsewhere.env_remove("OWNKEY_PASSWORD"))
        .ok()
        .well_said();
    for said in [
        "packs of file contents",
        "a way back: password",
        "a way back: recovery key",
        "has written 3 entries",
        "It cannot see: contents",
    ] {
        assert!(told.out.contains(said), "{said:?} is not in: {}", told.out);
    }
    assert!(!told.out.contains("notes.txt"), "{}", told.out);
    let lines = home.run(&["provider-view", "--json"]).ok().json();
    let of_type = |wanted: &str| {
        let lines = lines.iter();
        lines.filter(|line| line["message_type"] == wanted).count()
    };
    assert_eq!(of_type("provider_log"), 1);
    assert_eq!(of_type("provider_activity"), 1);
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["objects"], files(&home.path("repo")).len());
    home.run(&["provider-view", "-r", &home.text("nowhere")])
        .ended(10)
        .well_said();
}
