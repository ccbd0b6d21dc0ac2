//! What goes wrong around the program rather than in a command.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::home::{Home, run};

#[test]
fn no_repository_is_code_10_and_says_how_to_make_one() {
    let home = Home::new();
    home.run(&["snapshots"])
        .ended(10)
        .says("ownkey init")
        .well_said();
    std::fs::create_dir(home.path("repo")).expect("a folder");
    home.run(&["snapshots"])
        .ended(10)
        .says("ownkey init")
        .well_said();
}

#[test]
fn no_place_at_all_says_how_to_name_one() {
    let home = Home::new();
    run(home.command(&["snapshots"]).env_remove("OWNKEY_REPOSITORY"))
        .ended(2)
        .says("--repo")
        .well_said();
}

#[test]
fn storages_out_of_reach_are_refused_by_name() {
    let home = Home::new();
    for place in ["b2:bucket:path", "smb://nas/share", "gs:bucket:/"] {
        home.run(&["-r", place, "snapshots"])
            .ended(2)
            .says("does not say how to reach")
            .well_said();
    }
}

#[test]
fn a_misspelt_command_is_code_2_with_the_right_one() {
    let home = Home::new();
    home.run(&["backpu"]).ended(2).says("backup").well_said();
    let failed = home.run(&["--json", "backpu"]).ended(2);
    assert_eq!(failed.json()[0]["message_type"], "exit_error");
    assert_eq!(failed.json()[0]["code"], 2);
}

#[test]
fn an_error_in_json_is_the_last_line_of_standard_output() {
    let home = Home::new();
    let failed = home.run(&["--json", "snapshots"]).ended(10);
    let last = failed.json().pop().expect("a line");
    assert_eq!(
        (&last["message_type"], &last["class"]),
        (&"exit_error".into(), &"no_repository".into())
    );
    assert!(failed.err.is_empty(), "{}", failed.err);
}

#[test]
fn without_home_it_works_when_told_where_the_state_is_and_says_so_when_not() {
    let home = Home::with_snapshot();
    run(home.command(&["snapshots"]).env_remove("OWNKEY_CACHE_DIR")).ok();
    run(home.command(&["snapshots"]).env_remove("OWNKEY_STATE_DIR"))
        .ended(2)
        .says("OWNKEY_STATE_DIR")
        .well_said();
}

#[test]
fn control_characters_in_names_never_reach_the_terminal() {
    let home = Home::with_repository();
    home.make_source();
    std::fs::write(home.path("src/\x1b]0;owned\x07\x1b[2J"), "x").expect("a file");
    home.run(&["-v", "backup", "src"]).ok().harmless();
    home.run(&["ls", "-l", "latest"]).ok().harmless();
    home.run(&["ls", "--json", "latest"]).ok().harmless();
    home.run(&["ls", "latest:/\x1b[2J"]).ended(1).well_said();
    home.run(&["-v", "backup", "\x1b[31m"]).harmless();
    home.run(&["\x1b[31m"]).ended(2).well_said();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::with_repository();
    std::fs::create_dir(home.path("src")).expect("a folder");
    for number in 0..3000 {
        std::fs::write(
            home.path(&format!("src/a name long enough to fill the pipe {number}")),
            "",
        )
        .expect("a file");
    }
    home.run(&["backup", "src"]).ok();
    let mut child = home
        .command(&["ls", "latest"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = [0u8; 1];
    child
        .stdout
        .take()
        .expect("standard output")
        .read_exact(&mut first)
        .expect("a byte");
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_file_that_refuses_to_be_read_is_code_3_and_named() {
    let home = Home::with_repository();
    home.make_source();
    let secret = home.path("src/secret");
    std::fs::write(&secret, "x").expect("a file");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).expect("a mode");
    let mut command = home.command(&["backup", "src"]);
    if std::fs::read(&secret).is_ok() {
        // Root reads everything: give its capabilities away, if the machine has the tool.
        if Command::new("setpriv").arg("--version").output().is_err() {
            eprintln!("skipped: running as root, and there is no setpriv");
            return;
        }
        command = as_nobody_may(&home);
    }
    run(&mut command).ended(3).says("src/secret").well_said();
    assert!(home.run(&["ls", "latest"]).ok().out.contains("notes.txt"));
}

/// The same user id without the right to read what it may not.
fn as_nobody_may(home: &Home) -> Command {
    let plain = home.command(&["backup", "src"]);
    let mut command = Command::new("setpriv");
    command
        .args(["--bounding-set=-all", "--inh-caps=-all", "--"])
        .arg(plain.get_program());
    command
        .args(plain.get_args())
        .env_clear()
        .current_dir(home.path("."));
    for (name, value) in plain.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
}

#[test]
fn a_full_disk_is_code_16_and_what_was_stored_stays() {
    let home = Home::new();
    std::fs::create_dir(home.path("small")).expect("a folder");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "none", &home.text("small")])
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    }
    let _unmount = Unmount(home.text("small"));
    let place = home.text("small/repo");
    let kit = home.text("kit.txt");
    home.run(&[
        "init",
        "-r",
        &place,
        "--kdf-memory",
        "64",
        "--recovery-key-file",
        &kit,
    ])
    .ok();
    home.make_source();
    home.run(&["backup", "-r", &place, "src"]).ok();
    let mut noise = Vec::new();
    std::fs::File::open("/dev/urandom")
        .and_then(|file| file.take(6 << 20).read_to_end(&mut noise))
        .expect("random bytes");
    std::fs::write(home.path("src/noise"), noise).expect("a file");
    home.run(&["backup", "-r", &place, "src"])
        .ended(16)
        .says("free space")
        .well_said();
    assert_eq!(
        home.run(&["snapshots", "-r", &place, "--json"])
            .ok()
            .json()
            .len(),
        1
    );
    home.run(&["restore", "latest", "-r", &place, "--target", "back"])
        .ok();
}

#[test]
fn a_storage_that_was_rolled_back_is_code_14_and_nothing_is_written_to_it() {
    let home = Home::with_snapshot();
    let copied = Command::new("cp")
        .args(["-a", &home.text("repo"), &home.text("older")])
        .status();
    assert!(copied.expect("cp").success());
    home.run(&["backup", "src"]).ok();
    std::fs::rename(home.path("repo"), home.path("newer")).expect("a rename");
    std::fs::rename(home.path("older"), home.path("repo")).expect("a rename");
    for command in [&["snapshots"][..], &["backup", "src"], &["check"]] {
        home.run(command)
            .ended(14)
            .says("do not delete anything")
            .well_said();
    }
}

#[test]
fn another_repository_at_the_same_place_is_code_14() {
    let home = Home::with_snapshot();
    std::fs::rename(home.path("repo"), home.path("old")).expect("a rename");
    let kit = home.text("kit2.txt");
    run(&mut home.elsewhere(&["init", "--kdf-memory", "64", "--recovery-key-file", &kit])).ok();
    home.run(&["snapshots"]).ended(14).well_said();
}

struct Unmount(String);

impl Drop for Unmount {
    fn drop(&mut self) {
        // Lazily: whatever the test left open must not keep it.
        let _ = Command::new("umount").args(["-l", &self.0]).status();
    }
}
