//! Everything a file system can hold, there and back, compared by a tool that shares no code
//! with this project.

use std::path::Path;
use std::process::Command;

use ownkey_testkit::tree::{self, Ingredient};

use crate::home::{Home, assert_same_tree};

/// What `rsync` would still have to do to make `copy` equal to `original`: nothing, if contents,
/// names, kinds, modes, owners, times, hard links, ACLs and extended attributes are equal.
fn rsync_differences(original: &Path, copy: &Path) -> String {
    let with_slash = |path: &Path| format!("{}/", path.display());
    let output = Command::new("rsync")
        .args(["-aHAXn", "--checksum", "--delete", "--itemize-changes"])
        .args([with_slash(original), with_slash(copy)])
        .output()
        .expect("rsync is installed (.ci/run does that)");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A tree with all that this machine can make.
fn oddities(home: &Home, spec: &tree::Spec) {
    std::fs::create_dir(home.path("src")).expect("a folder");
    let made = tree::generate(&home.path("src"), 20_261_121, spec);
    for skipped in &made.skipped {
        println!("not on this machine: {skipped:?}");
    }
    home.run(&["backup", &home.text("src")]).ok();
}

#[test]
fn every_oddity_comes_back_and_rsync_finds_nothing_to_do() {
    let home = Home::with_repository();
    // Sockets belong to a running program; they are recorded and not restored.
    oddities(
        &home,
        &tree::Spec::everything().without(Ingredient::Sockets),
    );
    let part = format!("latest:{}", home.text("src"));
    home.run(&["restore", &part, "--target", "back", "--verify"])
        .ok();
    assert_eq!(rsync_differences(&home.path("src"), &home.path("back")), "");
    assert_same_tree(&home.path("src"), &home.path("back"));
}

#[test]
fn a_socket_is_recorded_and_its_absence_after_a_restore_is_said() {
    let home = Home::with_repository();
    oddities(&home, &tree::Spec::plain().with(Ingredient::Sockets));
    home.run(&["ls", "latest", "-l"]).ok();
    let part = format!("latest:{}", home.text("src"));
    let restored = home.run(&["restore", &part, "--target", "back"]).ok();
    assert!(
        restored.out.contains("socket") || restored.err.contains("socket"),
        "{restored:?}"
    );
}
