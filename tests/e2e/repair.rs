//! `ownkey repair`

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

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

/// Every pack of a kind.
fn packs(home: &Home, kind: &str) -> Vec<PathBuf> {
    let read = |folder: PathBuf| std::fs::read_dir(folder).expect("a folder");
    let groups = read(home.path("repo").join(kind)).map(|group| group.expect("a group").path());
    let packs = groups.flat_map(|group| read(group).map(|pack| pack.expect("a pack").path()));
    packs.collect()
}

/// Changes every `nth` byte of a file.
fn rot(path: &Path, nth: usize) {
    let mut bytes = std::fs::read(path).expect("a pack");
    bytes.iter_mut().step_by(nth).for_each(|byte| *byte ^= 0x55);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    std::fs::write(path, bytes).expect("a pack");
}

#[test]
fn with_parity_rot_everywhere_is_healed_said_once_and_repaired() {
    let home = Home::with_repository();
    home.make_source();
    home.run(&["backup", "--parity", "15%", "src"])
        .ok()
        .well_said();
    for pack in [packs(&home, "data"), packs(&home, "meta")].concat() {
        rot(&pack, 100);
    }
    std::fs::remove_dir_all(home.path("cache")).ok();
    let restored = home
        .run(&["restore", "latest", "--target", "back"])
        .ok()
        .well_said();
    assert_eq!(
        restored.err.matches("healed").count(),
        1,
        "{}",
        restored.err
    );
    home.run(&["check", "--read-data"])
        .ended(13)
        .well_said()
        .says("ownkey repair packs");
    let repaired = home.run(&["repair", "packs"]).ok().well_said();
    assert!(
        repaired.out.contains("2 packs are damaged: 2 known again"),
        "{}",
        repaired.out
    );
    home.run(&["check", "--read-data"]).ok().well_said();
    std::fs::remove_dir_all(home.path("cache")).ok();
    comes_back(&home, "repaired");
}

#[test]
fn a_wish_for_parity_that_makes_no_sense_is_a_mistake() {
    let home = Home::with_repository();
    home.run(&["backup", "--parity", "90%", "src"])
        .ended(2)
        .says("from 3% to 34%")
        .well_said();
}

#[test]
fn what_is_lost_is_named_by_file_and_the_rest_gets_a_snapshot_of_its_own() {
    let home = Home::with_snapshot();
    let first = packs(&home, "data");
    std::fs::write(home.path("src/second.txt"), "another pack\n").expect("a file");
    home.run(&["backup", "src"]).ok();
    for pack in first {
        std::fs::remove_file(pack).expect("a pack to lose");
    }
    let found = home
        .run(&["check"])
        .ended(13)
        .well_said()
        .says("ownkey repair snapshots");
    let line = found
        .out
        .lines()
        .find(|line| line.contains("notes.txt"))
        .expect("the file");
    assert!(
        line.contains("cannot be restored from 2 snapshots"),
        "{line}"
    );
    home.run(&["repair", "packs"]).ended(13).well_said();
    let repaired = home.run(&["repair", "snapshots"]).ok();
    assert!(
        repaired.out.contains("the old ones stay"),
        "{}",
        repaired.out
    );
    assert!(repaired.err.contains("notes.txt"), "{}", repaired.err);
    let listed = home.run(&["snapshots"]).ok();
    assert!(listed.out.contains("what is left of"), "{}", listed.out);
    home.run(&["restore", "latest", "--target", "back"])
        .ok()
        .well_said();
    let lines = home.run(&["repair", "snapshots", "--json"]).ok().json();
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["snapshots_present"], 2);
}
