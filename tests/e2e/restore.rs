//! `ownkey restore`

use crate::home::{Home, assert_same_tree};

#[test]
fn a_part_of_a_snapshot_goes_directly_into_the_target() {
    let home = Home::with_snapshot();
    home.run(&[
        "restore",
        &format!("latest:{}", home.text("src")),
        "--target",
        "back",
    ])
    .ok();
    assert_same_tree(&home.path("src"), &home.path("back"));
}

#[test]
fn a_whole_snapshot_keeps_its_absolute_paths_below_the_target() {
    let home = Home::with_snapshot();
    home.run(&["restore", "latest", "--target", "back", "--verify"])
        .ok();
    let below = format!("{}{}", home.text("back"), home.text("src"));
    assert_same_tree(&home.path("src"), below.as_ref());
}

#[test]
fn a_path_that_is_not_in_the_snapshot_says_where_to_look() {
    let home = Home::with_snapshot();
    home.run(&["restore", "latest:/no/such/path", "--target", "back"])
        .ended(1)
        .says("ownkey ls")
        .well_said();
}

#[test]
fn overwrite_never_leaves_what_exists() {
    let home = Home::with_snapshot();
    std::fs::create_dir(home.path("back")).expect("a folder");
    std::fs::write(home.path("back/notes.txt"), "newer").expect("a file");
    let part = format!("latest:{}", home.text("src"));
    home.run(&["restore", &part, "--target", "back", "--overwrite", "never"])
        .ok();
    assert_eq!(
        std::fs::read(home.path("back/notes.txt")).expect("the file"),
        b"newer"
    );
    home.run(&["restore", &part, "--target", "back"]).ok();
    assert_eq!(
        std::fs::read(home.path("back/notes.txt")).expect("the file"),
        b"to remember\n"
    );
}

#[test]
fn delete_wants_a_word_and_then_removes_only_what_is_extra() {
    let home = Home::with_snapshot();
    let part = format!("latest:{}", home.text("src"));
    home.run(&["restore", &part, "--target", "back"]).ok();
    std::fs::write(home.path("back/extra"), "x").expect("a file");
    let arguments = ["restore", &part, "--target", "back", "--delete"];
    home.run(&arguments).ended(2).says("--yes").well_said();
    assert!(home.path("back/extra").exists(), "nobody agreed");
    home.run(&[&arguments[..], &["--yes"]].concat()).ok();
    assert!(!home.path("back/extra").exists());
    assert_same_tree(&home.path("src/deep"), &home.path("back/deep"));
}

#[test]
fn a_dry_run_writes_nothing() {
    let home = Home::with_snapshot();
    let dry = home
        .run(&["restore", "latest", "--target", "back", "-n", "--json"])
        .ok()
        .json();
    assert_eq!(dry.last().expect("a summary")["dry_run"], true);
    assert!(!home.path("back").exists());
}

#[test]
fn include_and_exclude_choose_files() {
    let home = Home::with_snapshot();
    let part = format!("latest:{}", home.text("src"));
    home.run(&[
        "restore",
        &part,
        "--target",
        "only",
        "--include",
        "notes.txt",
    ])
    .ok();
    assert!(home.path("only/notes.txt").exists() && !home.path("only/deep/er/file").exists());
    home.run(&[
        "restore",
        &part,
        "--target",
        "but",
        "--exclude",
        "notes.txt",
    ])
    .ok();
    assert!(!home.path("but/notes.txt").exists() && home.path("but/deep/er/file").exists());
}
