//! `ownkey repair`

use std::path::Path;

use crate::home::{Home, assert_same_tree};

/// Removes every file below a folder of the repository.
fn lose(home: &Home, folder: &str) {
    std::fs::remove_dir_all(home.path("repo").join(folder)).expect("a folder to lose");
    std::fs::remove_dir_all(home.path("cache")).ok();
}

fn comes_back(home: &Home, target: &str) {
    home.run(&["restore", "latest", "--target", target]).ok();
    let there = home.path("src");
    let below = there.strip_prefix("/").expect("an absolute path");
    let found = [home.path(target).join(below), home.path(target).join("src")];
    let found = found.iter().find(|path| path.is_dir()).expect("a folder");
    assert_same_tree(Path::new(&there), found);
}

#[test]
fn a_lost_index_is_made_again_and_check_says_first_what_helps() {
    let home = Home::with_snapshot();
    lose(&home, "index");
    home.run(&["check"])
        .ended(13)
        .well_said()
        .says("ownkey repair index");
    let repaired = home.run(&["repair", "index"]).ok().well_said();
    assert!(repaired.out.contains("indexed again"), "{}", repaired.out);
    home.run(&["check", "--read-data"]).ok().well_said();
    comes_back(&home, "back");
    let lines = home.run(&["repair", "index", "--json"]).ok().json();
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["message_type"], "summary");
    assert_eq!(summary["packs_without_index"], 0);
}
