//! `ownkey copy`

use crate::home::{Home, Run, assert_same_tree, run};

const OTHER: &str = "marble canyon sunset ladder tiger eleven";

/// A snapshot in one repository and another one, of another user, without any.
fn two() -> (Home, Home) {
    let (home, other) = (Home::with_snapshot(), Home::new());
    let made = run(other
        .command(&[
            "init",
            "--kdf-memory",
            "64",
            "--recovery-key-file",
            "kit.txt",
        ])
        .env("OWNKEY_PASSWORD", OTHER));
    made.ok();
    (home, other)
}

fn copied(home: &Home, other: &Home, arguments: &[&str]) -> Run {
    let to = other.text("repo");
    let all = [&["copy", "--to", &to], arguments].concat();
    run(home.command(&all).env("OWNKEY_TO_PASSWORD", OTHER))
}

#[test]
fn a_copy_opens_with_the_other_password_and_restores_what_was_backed_up() {
    let (home, other) = two();
    let done = copied(&home, &other, &[]).ok().well_said();
    assert!(done.out.contains("copied 1 snapshot to"), "{}", done.out);
    let listed = other.run(&["snapshots"]).ok();
    assert!(listed.out.contains("(a copy of "), "{}", listed.out);
    assert!(!listed.out.contains("ownkey:copied-from"), "{}", listed.out);
    let target = other.text("back");
    let source = format!("latest:{}", home.text("src"));
    let restored = other.run(&["restore", &source, "--target", &target]);
    restored.ok();
    assert_same_tree(&home.path("src"), &other.path("back"));

    let again = copied(&home, &other, &["--json"]).ok();
    let lines = again.json();
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["snapshots_copied"], 0);
    assert_eq!(summary["snapshots_present"], 1);
    let original = &home.run(&["snapshots", "--json"]).json()[0]["id"];
    let told = other.run(&["snapshots", "--json"]).json();
    assert_eq!(told[0]["original"], *original);
    assert_eq!(told[0]["tags"], serde_json::json!([]));
}

#[test]
fn the_other_password_comes_from_a_file_or_a_command_and_a_wrong_one_is_said() {
    let (home, other) = two();
    std::fs::write(home.path("password"), format!("{OTHER}\n")).expect("a file");
    let to = other.text("repo");
    home.run(&[
        "copy",
        "--to",
        &to,
        "--to-password-file",
        &home.text("password"),
    ])
    .ok();
    let command = format!("echo {OTHER}");
    home.run(&["copy", "--to", &to, "--to-password-command", &command])
        .ok();
    let mut wrong = home.command(&["copy", "--to", &to]);
    wrong.env("OWNKEY_TO_PASSWORD", "not that one at all");
    run(&mut wrong).ended(12).well_said();
    home.run(&["copy", "--to", &to])
        .ended(12)
        .well_said()
        .says("OWNKEY_TO_PASSWORD");
}

#[test]
fn only_the_snapshots_that_were_named_are_copied() {
    let (home, other) = two();
    std::fs::write(home.path("src/notes.txt"), "changed\n").expect("a file");
    home.run(&["backup", "--tag", "second", &home.text("src")])
        .ok();
    copied(&home, &other, &["latest~1"]).ok();
    assert_eq!(other.run(&["snapshots", "--json"]).json().len(), 1);
    copied(&home, &other, &["--tag", "second"]).ok();
    assert_eq!(other.run(&["snapshots", "--json"]).json().len(), 2);
    copied(&home, &other, &["nonesuch"]).ended(1).well_said();
    copied(&home, &other, &["latest:/etc"]).ended(2).well_said();
}

#[test]
fn a_repository_is_not_copied_to_itself() {
    let home = Home::with_snapshot();
    home.run(&["copy", "--to", &home.text("repo")])
        .ended(2)
        .well_said();
    home.run(&["mirror", "--to", &home.text("twin")]).ok();
    home.run(&["copy", "--to", &home.text("twin")])
        .ended(1)
        .says("mirror");
}
