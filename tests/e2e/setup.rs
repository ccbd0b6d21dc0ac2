//! `ownkey setup`

use crate::home::{Home, run};

#[test]
fn one_command_makes_a_repository_backs_up_and_reads_back() {
    let home = Home::new();
    home.make_source();
    let arguments = [
        "setup",
        "--kdf-memory",
        "64",
        "--recovery-key-file",
        &home.text("kit.txt"),
        "src",
    ];
    let done = home.run(&arguments).ok();
    let sentence = done.out.lines().last().expect("a sentence");
    for words in [
        "are safe at",
        "2 files read back",
        "you would lose everything",
        "--repo",
    ] {
        assert!(sentence.contains(words), "{words}: {sentence}");
    }
    assert!(home.path("kit.txt").exists());
}

#[test]
fn again_it_opens_what_it_made_and_needs_no_kit() {
    let home = Home::with_snapshot();
    let done = run(home
        .command(&["setup", "--json", "src"])
        .env_remove("OWNKEY_PASSWORD"))
    .ok();
    let last = done.json().pop().expect("a line");
    assert_eq!(
        (&last["message_type"], &last["files_read_back"]),
        (&"setup".into(), &2.into())
    );
    assert_eq!(home.run(&["snapshots", "--json"]).ok().json().len(), 2);
}

#[test]
fn without_a_place_the_repository_goes_under_the_data_folder() {
    let home = Home::new();
    home.make_source();
    let kit = home.text("kit.txt");
    let mut command = home.command(&[
        "setup",
        "--kdf-memory",
        "64",
        "--recovery-key-file",
        &kit,
        "src",
    ]);
    command
        .env_remove("OWNKEY_REPOSITORY")
        .env("XDG_DATA_HOME", home.path("data"));
    run(&mut command).ok();
    assert!(home.path("data/ownkey/repository/ownkey").exists());
    let mut command = home.command(&["snapshots", "--json"]);
    command
        .env_remove("OWNKEY_REPOSITORY")
        .env("XDG_DATA_HOME", home.path("data"));
    let listed = run(&mut command).ok().json();
    assert_eq!(listed.len(), 1, "afterwards nobody has to say where it is");
}

#[test]
fn a_mistake_in_the_paths_makes_no_repository() {
    let home = Home::new();
    home.run(&["setup", "--recovery-key-file", &home.text("kit.txt")])
        .ended(2)
        .well_said();
    assert!(!home.path("repo").exists() && !home.path("kit.txt").exists());
}
