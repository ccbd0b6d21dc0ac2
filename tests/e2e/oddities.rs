//! Everything a file system can hold, there and back, compared by a tool that shares no code
//! with this project.

use std::path::Path;
use std::process::Command;

use ownkey_testkit::tree;

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

#[test]
fn every_oddity_comes_back_and_rsync_finds_nothing_to_do() {
    let home = Home::with_repository();
    let source = home.path("src");
    std::fs::create_dir(&source).expect("a folder");
    let made = tree::generate(&source, 20_261_121, &tree::Spec::everything());
    for skipped in &made.skipped {
        println!("not on this machine: {skipped:?}");
    }
    home.run(&["backup", &home.text("src")]).ok();
    let part = format!("latest:{}", home.text("src"));
    let restored = home.run(&["restore", &part, "--target", "back", "--verify"]).ok();

    // Sockets are recorded and not restored; the program says so once.
    let sockets: Vec<_> = sockets(&source);
    if !sockets.is_empty() {
        assert!(restored.out.contains("socket") || restored.err.contains("socket"), "{restored:?}");
        for socket in sockets {
            std::fs::remove_file(socket).expect("a socket is removed");
        }
        // Removing them touched their folders, so the times of those are put right.
        home.run(&["restore", &part, "--target", "back"]).ok();
        home.run(&["restore", &part, "--target", "src"]).ok();
    }
    assert_eq!(rsync_differences(&source, &home.path("back")), "");
    assert_same_tree(&source, &home.path("back"));
}

fn sockets(folder: &Path) -> Vec<std::path::PathBuf> {
    use std::os::unix::fs::FileTypeExt;
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_socket() {
                found.push(entry.path());
            }
        }
    }
    found
}
