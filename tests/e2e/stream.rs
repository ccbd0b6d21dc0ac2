//! Backing up standard input and the output of commands.

use crate::home::{Home, run_with_input};

#[test]
fn standard_input_becomes_a_file() {
    let home = Home::with_repository();
    let mut command = home.command(&["backup", "--stdin-filename", "dump.sql"]);
    run_with_input(&mut command, b"create table t;\n").ok();
    home.run(&["restore", "latest", "--target", "back"]).ok();
    assert_eq!(
        std::fs::read(home.path("back/dump.sql")).expect("the file"),
        b"create table t;\n"
    );
}

#[test]
fn what_a_command_prints_becomes_a_file() {
    let home = Home::with_repository();
    let arguments = [
        "backup",
        "--stdin-from-command",
        "--stdin-filename",
        "d",
        "--",
        "printf",
        "some rows",
    ];
    home.run(&arguments).ok();
    home.run(&["restore", "latest", "--target", "back"]).ok();
    assert_eq!(
        std::fs::read(home.path("back/d")).expect("the file"),
        b"some rows"
    );
}

#[test]
fn a_failing_command_leaves_no_snapshot() {
    let home = Home::with_repository();
    let arguments = [
        "backup",
        "--stdin-from-command",
        "--",
        "sh",
        "-c",
        "echo half; exit 3",
    ];
    home.run(&arguments)
        .ended(1)
        .says("code 3")
        .says("no snapshot")
        .well_said();
    assert!(home.run(&["snapshots", "--json"]).ok().json().is_empty());
}

#[test]
fn a_command_that_does_not_exist_is_a_mistake() {
    let home = Home::with_repository();
    let arguments = ["backup", "--stdin-from-command", "--", "/no/such/program"];
    home.run(&arguments)
        .ended(2)
        .says("cannot start")
        .well_said();
}
