//! What opens a repository, and what does not.

use std::time::{Duration, Instant};

use crate::home::{Home, PASSWORD, run, run_with_input};

#[test]
fn the_machine_that_made_it_needs_no_password() {
    let home = Home::with_snapshot();
    run(home.command(&["snapshots"]).env_remove("OWNKEY_PASSWORD")).ok();
}

#[test]
fn another_machine_opens_it_with_the_password_however_it_is_given() {
    let home = Home::with_snapshot();
    std::fs::write(home.path("password"), format!("{PASSWORD}\n")).expect("a file");
    run(&mut home.elsewhere(&["snapshots"])).ok();
    let file = home.text("password");
    run(home
        .elsewhere(&["snapshots", "--password-file", &file])
        .env_remove("OWNKEY_PASSWORD"))
    .ok();
    let command = format!("cat '{file}'");
    let arguments = ["snapshots", "--password-command", &command];
    run(home
        .elsewhere(&arguments)
        .env("OWNKEY_PASSWORD", "the flag stands above this"))
    .ok();
}

#[test]
fn nothing_of_the_programs_memory_is_written_anywhere_or_shown_to_others() {
    let home = Home::with_snapshot();
    let (limits, memory) = (home.text("limits"), home.text("memory"));
    // The command's parent is the program. Somebody else's program cannot read its environment or memory.
    let look = format!(
        "cp /proc/$PPID/limits '{limits}'; setpriv --reuid 1 --regid 1 --clear-groups cat /proc/$PPID/environ \
         >'{memory}' 2>&1; stat -c %U /proc/$PPID/mem >>'{memory}'; echo '{PASSWORD}'"
    );
    let mut command = home.elsewhere(&["snapshots", "--password-command", &look]);
    run(command.env_remove("OWNKEY_PASSWORD")).ok();
    let limits = std::fs::read_to_string(limits).expect("limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
    let memory = std::fs::read_to_string(memory).expect("an answer");
    assert!(!memory.contains("OWNKEY"), "{memory}");
}

#[test]
fn another_machine_opens_it_with_the_kit() {
    let home = Home::with_snapshot();
    let mut command = home.elsewhere(&["restore", "latest", "--target", "back"]);
    run(command
        .env_remove("OWNKEY_PASSWORD")
        .env("OWNKEY_RECOVERY_KEY_FILE", home.path("kit.txt")))
    .ok();
    let restored = std::fs::read(format!(
        "{}{}/notes.txt",
        home.text("back"),
        home.text("src")
    ));
    assert_eq!(restored.expect("the file"), b"to remember\n");
}

#[test]
fn a_wrong_password_is_code_12_and_says_what_else_opens_it() {
    let home = Home::with_snapshot();
    run(home
        .elsewhere(&["snapshots"])
        .env("OWNKEY_PASSWORD", "not the one"))
    .ended(12)
    .says("the recovery key of the kit opens it too")
    .well_said();
}

#[test]
fn a_mistyped_recovery_key_is_code_12() {
    let home = Home::with_snapshot();
    let wrong = "0000-0000-0000-0000-0000-0000-1234";
    run(home
        .elsewhere(&["snapshots"])
        .env("OWNKEY_RECOVERY_KEY", wrong))
    .ended(12)
    .well_said();
}

#[test]
fn without_a_terminal_nobody_is_asked_and_nothing_hangs() {
    let home = Home::with_snapshot();
    let begun = Instant::now();
    let mut command = home.elsewhere(&["snapshots"]);
    run_with_input(
        command.env_remove("OWNKEY_PASSWORD"),
        format!("{PASSWORD}\n").as_bytes(),
    )
    .ended(12)
    .says("--password-file")
    .well_said();
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn two_passwords_at_once_are_a_mistake() {
    let home = Home::with_snapshot();
    run(home
        .elsewhere(&["snapshots"])
        .env("OWNKEY_PASSWORD_COMMAND", "echo x"))
    .ended(2)
    .says("more than one way")
    .well_said();
}

#[test]
fn key_list_shows_this_machine_and_the_ways_back() {
    let home = Home::with_repository();
    let listed = home.run(&["key", "list", "--json"]).ok().json();
    let kinds: Vec<_> = listed
        .iter()
        .map(|key| key["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "device").count(), 1);
    assert_eq!(kinds.iter().filter(|kind| **kind == "recovery").count(), 2);
}

#[test]
fn a_machine_without_a_key_of_its_own_is_told_whose_it_writes_with() {
    let home = Home::with_snapshot();
    run(&mut home.elsewhere(&["backup", "src"]))
        .ok()
        .says("that of the password")
        .well_said();
    assert_eq!(home.run(&["snapshots", "--json"]).ok().json().len(), 2);
}
