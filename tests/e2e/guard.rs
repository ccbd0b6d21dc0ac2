//! What the key of a machine is kept behind: a passphrase, the keychain, or nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::home::{Home, run};
use crate::terminal::Terminal;

const PASSPHRASE: &str = "walrus timber quiet oxygen garlic mesh";
const OTHER: &str = "copper violin ladder pencil winter frog";

/// The owner's machine, with nothing but its own key.
fn alone(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command.env_remove("OWNKEY_PASSWORD");
    command
}

/// The same with the passphrase of that key.
fn with(home: &Home, passphrase: &str, arguments: &[&str]) -> Command {
    let mut command = alone(home, arguments);
    command.env("OWNKEY_DEVICE_PASSPHRASE", passphrase);
    command
}

fn init(home: &Home, how: &str) -> Command {
    let kit = home.text("kit.txt");
    let arguments = [
        "init",
        "--kdf-memory",
        "64",
        "--recovery-key-file",
        &kit,
        how,
    ];
    home.command(&arguments)
}

/// A keychain of this home: a script in the place of `secret-tool`, which keeps what it is given in a file.
fn keychain(home: &Home, script: &str) -> String {
    let folder = home.path("bin");
    std::fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("secret-tool");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    format!("{}:/usr/bin:/bin", folder.display())
}

fn working(home: &Home) -> String {
    let (item, words) = (home.text("item"), home.text("words"));
    keychain(
        home,
        &format!(
            "echo \"$@\" >>'{words}'\n\
             case \"$1\" in store) cat >'{item}';; lookup) test -f '{item}' && cat '{item}';; esac"
        ),
    )
}

#[test]
fn a_key_behind_a_passphrase_opens_with_it_alone_and_never_waits_for_it() {
    let home = Home::new();
    run(init(&home, "--device-passphrase").env("OWNKEY_DEVICE_PASSPHRASE", PASSPHRASE)).ok();
    run(&mut alone(&home, &["snapshots"]))
        .ended(12)
        .says("OWNKEY_DEVICE_PASSPHRASE_FILE")
        .well_said();
    run(&mut with(&home, OTHER, &["snapshots"]))
        .ended(12)
        .says("does not open the key of this machine")
        .well_said();
    run(&mut with(&home, PASSPHRASE, &["snapshots"])).ok();
    std::fs::write(home.path("passphrase"), format!("{PASSPHRASE}\n")).expect("a file");
    run(alone(&home, &["snapshots"]).env("OWNKEY_DEVICE_PASSPHRASE_FILE", home.path("passphrase")))
        .ok();
    // The repository's password is no way around it, here: the log of another identity would be written.
    home.run(&["snapshots"]).ended(12);
    let listed = run(&mut with(&home, PASSPHRASE, &["device", "list"])).ok();
    assert!(
        listed.out.contains("its key behind a passphrase"),
        "{}",
        listed.out
    );
    let device = &run(&mut with(&home, PASSPHRASE, &["device", "list", "--json"]))
        .ok()
        .json()[0];
    assert_eq!(device["guard"], "passphrase");
    let access = run(&mut with(&home, PASSPHRASE, &["access"])).ok();
    assert!(
        access.out.contains("together with a passphrase"),
        "{}",
        access.out
    );
}

#[test]
fn what_a_key_is_kept_behind_can_be_changed_and_the_seed_is_in_no_file() {
    let home = Home::with_repository();
    let state = home.path("state/repositories");
    let folder = std::fs::read_dir(&state).expect("it").flatten().next();
    let file = folder.expect("a repository").path().join("device-key");
    let plain = std::fs::read(&file).expect("a key");
    let seed = plain.last_chunk::<32>().expect("a seed");
    let protect = |passphrase: &str, behind: &str| {
        let mut command = with(&home, passphrase, &["device", "protect", behind]);
        run(command.env("OWNKEY_NEW_DEVICE_PASSPHRASE", OTHER))
    };
    assert!(protect("", "passphrase").ok().err.contains("the old file"));
    let guarded = std::fs::read(&file).expect("a key");
    assert!(!guarded.windows(32).any(|window| window == seed));
    let mode = std::fs::metadata(&file).expect("it").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    protect(PASSPHRASE, "nothing").ended(12);
    run(&mut with(&home, OTHER, &["snapshots"])).ok();
    protect(OTHER, "nothing").ok();
    assert_eq!(std::fs::read(&file).expect("a key"), plain);
    run(&mut alone(&home, &["snapshots"])).ok();
}

#[test]
fn a_damaged_key_is_not_called_a_wrong_passphrase() {
    let home = Home::new();
    run(init(&home, "--device-passphrase").env("OWNKEY_DEVICE_PASSPHRASE", PASSPHRASE)).ok();
    let state = home.path("state/repositories");
    let folder = std::fs::read_dir(&state).expect("it").flatten().next();
    let file = folder.expect("a repository").path().join("device-key");
    let mut bytes = std::fs::read(&file).expect("a key");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("damage");
    run(&mut with(&home, PASSPHRASE, &["snapshots"]))
        .ended(1)
        .says("damaged or tampered with")
        .well_said();
}

#[test]
fn who_lost_the_passphrase_gets_a_new_key_and_loses_nothing() {
    let home = Home::new();
    run(init(&home, "--device-passphrase").env("OWNKEY_DEVICE_PASSPHRASE", PASSPHRASE)).ok();
    let request = ["device", "request", "--no-wait", "--json"];
    run(&mut alone(&home, &request)).ended(12);
    let anew = ["device", "request", "--no-wait", "--json", "--new-key"];
    let asked = run(&mut alone(&home, &anew)).ok();
    let said = &asked.json()[0];
    let (code, words) = (&said["code"], &said["words"]);
    let (code, words) = (
        code.as_str().expect("a code"),
        words.as_str().expect("words"),
    );
    let approve = ["device", "approve", code, "--words", words];
    run(home
        .elsewhere(&approve)
        .env("OWNKEY_RECOVERY_KEY_FILE", home.path("kit.txt")))
    .ok();
    run(&mut alone(&home, &["snapshots"])).ok();
}

#[test]
fn who_comes_back_may_have_the_new_key_behind_a_passphrase_and_is_asked_first() {
    let home = Home::with_snapshot();
    let recover = |target: &str| {
        let arguments = [
            "recover",
            "--kit",
            "kit.txt",
            "--target",
            target,
            "--yes",
            "--device-passphrase",
        ];
        let mut command = home.elsewhere(&arguments);
        command.env_remove("OWNKEY_PASSWORD");
        command
    };
    run(&mut recover("early"))
        .ended(2)
        .says("OWNKEY_DEVICE_PASSPHRASE")
        .well_said();
    assert!(!home.path("early").exists(), "nothing was begun");
    let back = run(recover("back").env("OWNKEY_DEVICE_PASSPHRASE", PASSPHRASE)).ok();
    assert!(
        back.out.contains("need the device passphrase"),
        "{}",
        back.out
    );
    let snapshots = || {
        let mut command = home.elsewhere(&["snapshots"]);
        command.env_remove("OWNKEY_PASSWORD");
        command
    };
    run(&mut snapshots()).ended(12);
    run(snapshots().env("OWNKEY_DEVICE_PASSPHRASE", PASSPHRASE)).ok();
}

#[test]
fn a_key_behind_the_keychain_opens_with_it_and_its_secret_is_in_no_argument() {
    let home = Home::new();
    let path = working(&home);
    run(init(&home, "--keychain").env("PATH", &path)).ok();
    let item = std::fs::read_to_string(home.path("item")).expect("it was kept");
    assert_eq!(item.split('-').count(), 7, "a key in 7 groups");
    let words = std::fs::read_to_string(home.path("words")).expect("what was called");
    assert!(!words.contains(&item) && words.contains("store"), "{words}");
    run(alone(&home, &["snapshots"]).env("PATH", &path)).ok();
    // A second repository uses the same key: the first one would be locked out by another.
    let kit = home.text("kit2.txt");
    let second = home.text("second");
    run(home
        .command(&[
            "init",
            "--kdf-memory",
            "64",
            "--recovery-key-file",
            &kit,
            "--keychain",
        ])
        .env("OWNKEY_REPOSITORY", &second)
        .env("PATH", &path))
    .ok();
    assert_eq!(
        std::fs::read_to_string(home.path("item")).expect("it"),
        item
    );
    run(alone(&home, &["snapshots"]).env("PATH", &path)).ok();
}

#[test]
fn a_keychain_that_is_missing_locked_or_empty_is_said_and_nothing_hangs() {
    let home = Home::new();
    let path = working(&home);
    run(init(&home, "--keychain").env("PATH", &path)).ok();
    let without = |script: &str| {
        let path = keychain(&home, script);
        run(alone(&home, &["snapshots"]).env("PATH", path))
            .ended(12)
            .well_said()
    };
    without("echo 'secret-tool: Cannot autolaunch D-Bus without X11 $DISPLAY' >&2; exit 1")
        .says("Cannot autolaunch D-Bus");
    without("exit 1").says("it holds no key of ownkey");
    without("printf AAAA").says("is no key");
    let locked = "test \"$1\" = search && echo '[/1]' || exit 1";
    without(locked).says("it is locked");
    // A daemon that it leaves behind holds its pipes open.
    without("sleep 100 & exit 1").says("it holds no key of ownkey");
    run(alone(&home, &["snapshots"]).env("PATH", home.path("nowhere")))
        .ended(12)
        .says("there is no secret-tool")
        .well_said();
    let missing = Home::new();
    run(init(&missing, "--keychain").env("PATH", missing.path("nowhere"))).ended(12);
    assert!(!missing.path("repo").exists() && !missing.path("kit.txt").exists());
}

#[test]
fn a_key_that_the_keychain_has_and_does_not_show_is_not_overwritten() {
    let home = Home::with_repository();
    let touched = home.text("touched");
    let path = keychain(
        &home,
        &format!(
            "case \"$1\" in search) echo '[/1]';; store) touch '{touched}';; *) exit 1;; esac"
        ),
    );
    run(home
        .command(&["device", "protect", "keychain"])
        .env("PATH", path))
    .ended(12)
    .says("it is locked")
    .well_said();
    assert!(!home.path("touched").exists());
    home.run(&["snapshots"]).ok();
}

#[test]
fn at_a_terminal_the_passphrase_is_asked_for_and_not_shown() {
    let home = Home::new();
    run(init(&home, "--device-passphrase").env("OWNKEY_DEVICE_PASSPHRASE", PASSPHRASE)).ok();
    let Some(mut terminal) = Terminal::start(&alone(&home, &["snapshots"])) else {
        return;
    };
    for answer in [OTHER, PASSPHRASE] {
        terminal.wait_for("passphrase of this machine's key: ");
        terminal.type_in(&format!("{answer}\n"));
    }
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        !shown.contains(PASSPHRASE) && shown.contains("try again"),
        "{shown}"
    );
}
