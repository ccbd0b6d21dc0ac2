//! Programs in place of `ssh` that speak nonsense, say no, or say nothing.

use std::time::Duration;

use ownkey_storage::{
    Prompts, SftpOptions, SftpPlace, SftpStorage, Storage as _, StorageError, StorageErrorKind,
};
use ownkey_testkit::block_on;

use super::super::name;

/// What reading says when this script is run as `ssh`.
fn reading_through(script: &str) -> StorageError {
    block_on(async {
        let options = SftpOptions {
            command: vec!["sh".into(), "-c".into(), script.into()],
            patience: Duration::from_millis(300),
            ..SftpOptions::default()
        };
        let place = SftpPlace::new(None, "host", None, "/srv").expect("a place");
        let storage = SftpStorage::new(place, options);
        storage.get(&name("ownkey")).await.expect_err("no server")
    })
}

#[test]
fn an_ssh_that_may_not_log_in_is_quoted_and_not_worth_waiting_for() {
    let error =
        reading_through("printf 'me@host: Permission denied (publickey).\\r\\n\\033[2J' >&2");
    assert_eq!(error.kind(), StorageErrorKind::PermissionDenied);
    let text = error.to_string();
    assert!(text.contains("Permission denied (publickey)"), "{text}");
    assert!(!text.contains(char::is_control), "{text}");
    assert!(text.contains("sftp://host/srv"), "{text}");
}

#[test]
fn a_host_that_cannot_be_reached_is_worth_waiting_for() {
    let error =
        reading_through("echo 'ssh: connect to host host port 22: No route to host' >&2; exit 255");
    assert_eq!(error.kind(), StorageErrorKind::Unavailable);
    assert!(error.to_string().contains("No route to host"), "{error}");
}

#[test]
fn a_login_script_that_prints_something_is_told_as_such() {
    let error = reading_through("echo 'Welcome to the machine'; exec sleep 60");
    assert_eq!(error.kind(), StorageErrorKind::BrokenContract);
    assert!(error.to_string().contains("login script"), "{error}");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let error = reading_through("exec sleep 60");
    assert_eq!(error.kind(), StorageErrorKind::Timeout);
    // It greets and falls silent.
    let error = reading_through("printf '\\0\\0\\0\\005\\002\\0\\0\\0\\003'; exec sleep 60");
    assert_eq!(error.kind(), StorageErrorKind::Timeout);
}

#[test]
fn answers_to_no_question_and_giant_packets_end_the_connection() {
    let greeting = "printf '\\0\\0\\0\\005\\002\\0\\0\\0\\003'";
    for packet in [
        // A status for request 77.
        "\\0\\0\\0\\011\\145\\0\\0\\0\\115\\0\\0\\0\\0",
        // Four gigabytes.
        "\\377\\377\\377\\377",
        // A handle for request 0 that is longer than its packet.
        "\\0\\0\\0\\011\\146\\0\\0\\0\\0\\377\\377\\377\\377",
        // No packet at all.
        "\\0\\0\\0\\0",
    ] {
        let script = format!("{greeting}; printf '{packet}'; exec sleep 60");
        let error = reading_through(&script);
        assert_eq!(error.kind(), StorageErrorKind::BrokenContract, "{packet}");
    }
}

#[test]
fn a_program_that_is_not_there_is_told() {
    block_on(async {
        let options = SftpOptions {
            command: vec!["/nowhere/ssh".into()],
            prompts: Prompts::Allowed,
            ..SftpOptions::default()
        };
        let place = SftpPlace::new(None, "host", None, "/srv").expect("a place");
        let error = SftpStorage::open(place, options).await.expect_err("no ssh");
        assert_eq!(error.kind(), StorageErrorKind::Other);
        assert!(error.to_string().contains("cannot start ssh"), "{error}");
    });
}
