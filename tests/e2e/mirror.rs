//! `ownkey mirror`

use std::path::{Path, PathBuf};

use crate::home::{Home, assert_same_tree, run};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The program with the mirror as its repository.
fn at_mirror(home: &Home, arguments: &[&str]) -> crate::home::Run {
    run(home
        .command(arguments)
        .env("OWNKEY_REPOSITORY", home.path("mirror")))
}

#[test]
fn a_mirror_is_made_without_a_key_and_opens_with_the_old_one() {
    let home = Home::with_snapshot();
    let to = home.text("mirror");
    home.run(&["mirror", "--to", &to, "--dry-run"]).ended(10);
    run(home
        .elsewhere(&["mirror", "--to", &to])
        .env_remove("OWNKEY_PASSWORD"))
    .ok()
    .well_said();
    at_mirror(&home, &["check", "--read-data"]).ok();
    let source = format!("latest:{}", home.text("src"));
    let restored = at_mirror(&home, &["restore", &source, "--target", &home.text("back")]);
    restored.ok();
    assert_same_tree(&home.path("src"), &home.path("back"));

    home.run(&["backup", &home.text("src")]).ok();
    let planned = home
        .run(&["mirror", "--to", &to, "--dry-run", "--json"])
        .ok()
        .json();
    let summary = planned.last().expect("a summary").clone();
    assert_eq!(summary["dry_run"], true);
    let wanted = summary["objects_copied"].as_u64().expect("a number");
    assert!(wanted > 0, "{summary}");
    let done = home
        .run(&["mirror", "--to", &to, "--verify", "--delete", "--json"])
        .ok()
        .json();
    let summary = done.last().expect("a summary");
    assert_eq!(summary["objects_copied"], wanted);
    assert_eq!(summary["objects_deleted"], 0);
    assert_eq!(
        at_mirror(&home, &["snapshots", "--json"]).ok().json().len(),
        2
    );
}

#[test]
fn a_vandalised_mirror_is_found_by_reading_it_back() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::with_snapshot();
    let to = home.text("mirror");
    home.run(&["mirror", "--to", &to]).ok();
    let pack = files(&home.path("mirror/data")).remove(0);
    let mut bytes = std::fs::read(&pack).expect("the pack");
    bytes[500] ^= 1;
    std::fs::set_permissions(&pack, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    std::fs::write(&pack, bytes).expect("the pack");
    home.run(&["mirror", "--to", &to]).ok();
    home.run(&["mirror", "--to", &to, "--verify"])
        .ended(13)
        .well_said()
        .says("its bytes are not those it is named after");
}

#[test]
fn a_mirror_that_knows_more_than_the_repository_is_left_alone() {
    let home = Home::with_snapshot();
    let to = home.text("mirror");
    home.run(&["mirror", "--to", &to]).ok();
    at_mirror(&home, &["backup", &home.text("src")]).ok();
    let before = files(&home.path("mirror")).len();
    home.run(&["mirror", "--to", &to])
        .ended(14)
        .well_said()
        .says("does not show it");
    assert_eq!(files(&home.path("mirror")).len(), before);
    home.run(&["mirror", "--to", &home.text("repo")])
        .ended(2)
        .well_said();
}
