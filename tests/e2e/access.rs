//! `ownkey device`, `key`, `recovery`, `rotate` and `access`: who gets in, and who no longer.

use std::path::Path;
use std::process::Command;

use crate::home::{Home, PASSWORD, Run, assert_same_tree, run};
use crate::terminal::Terminal;

const NEW_PASSWORD: &str = "tundra lemon ocean fabric noble spin";

/// A machine with a key of its own and no password: its state lies in `state` of the home folder.
pub(crate) fn machine(home: &Home, state: &str, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command
        .env("OWNKEY_STATE_DIR", home.path(state))
        .env("OWNKEY_CACHE_DIR", home.path(&format!("{state} cache")))
        .env_remove("OWNKEY_PASSWORD");
    command
}

/// Asks on one machine; the code and the six words.
fn ask(home: &Home, state: &str) -> (String, String) {
    let request = ["device", "request", "--name", state, "--no-wait", "--json"];
    let asked = run(&mut machine(home, state, &request)).ok();
    let said = &asked.json()[0];
    let text = |key: &str| said[key].as_str().expect("a text").to_owned();
    (text("code"), text("words"))
}

pub(crate) fn approve(home: &Home, state: &str, more: &[&str]) -> Run {
    let (code, words) = ask(home, state);
    let mut arguments = vec!["device", "approve", &code, "--words", &words];
    arguments.extend(more);
    home.run(&arguments).ok()
}

#[test]
fn a_machine_that_was_approved_backs_up_and_restores_without_a_password() {
    let home = Home::with_snapshot();
    let (code, words) = ask(&home, "laptop");
    run(&mut machine(&home, "laptop", &["snapshots"]))
        .ended(12)
        .says("not let in yet")
        .well_said();
    home.run(&["device", "approve", &code, "--words", &words])
        .ok();
    let restore = ["restore", "latest", "--target", "back"];
    run(&mut machine(&home, "laptop", &restore)).ok();
    let restored = home.path(&format!("back{}", home.text("src")));
    assert_same_tree(&home.path("src"), &restored);
    let source = home.text("src");
    run(&mut machine(&home, "laptop", &["backup", &source])).ok();
    let told = home.run(&["snapshots"]).ok();
    assert!(told.out.contains("2 snapshots"), "{}", told.out);
    let listed = home.run(&["device", "list"]).ok().out;
    assert!(
        listed.contains("write, read") && listed.contains("laptop"),
        "{listed}"
    );
}

#[test]
fn words_that_differ_let_nobody_in() {
    let home = Home::with_repository();
    let (code, _) = ask(&home, "laptop");
    let other = "abandon ability able about above absent";
    home.run(&["device", "approve", &code, "--words", other])
        .ended(14)
        .says("nothing was changed")
        .well_said();
    home.run(&["device", "approve", &code])
        .ended(2)
        .says("--words")
        .well_said();
    run(&mut machine(&home, "laptop", &["snapshots"])).ended(12);
    home.run(&["device", "approve", "00000-00000"])
        .ended(12)
        .says("no machine asks")
        .well_said();
    home.run(&["device", "approve", "7XK2M"])
        .ended(2)
        .says("two groups of five")
        .well_said();
}

#[test]
fn the_words_are_compared_on_a_terminal() {
    let home = Home::with_snapshot();
    let (code, words) = ask(&home, "laptop");
    for (answer, opens) in [("n", 12), ("y", 0)] {
        let command = home.command(&["device", "approve", &code]);
        let Some(mut terminal) = Terminal::start(&command) else {
            return;
        };
        let shown = terminal.wait_for("[y/N] ");
        assert!(shown.contains(&words), "{shown}");
        terminal.type_in(&format!("{answer}\n"));
        let (_, shown) = terminal.end();
        assert!(shown.contains("laptop"), "{shown}");
        run(&mut machine(&home, "laptop", &["snapshots"])).ended(opens);
    }
}

#[test]
fn who_waits_is_told_when_it_is_let_in() {
    let home = Home::with_repository();
    let request = ["device", "request", "--name", "laptop"];
    let Some(mut terminal) = Terminal::start(&machine(&home, "laptop", &request)) else {
        return;
    };
    let shown = terminal.wait_for("waiting for the approval");
    let code = shown
        .split_whitespace()
        .skip_while(|word| *word != "approve")
        .nth(1)
        .expect("a code");
    let words: Vec<&str> = shown
        .lines()
        .map(str::trim)
        .filter(|line| line.split_whitespace().count() == 6 && !line.contains(':'))
        .collect();
    let words = words.last().expect("six words");
    home.run(&["device", "approve", code, "--words", words])
        .ok();
    terminal.wait_for("approved: laptop may write, read");
    let (ended, shown) = terminal.end();
    assert_eq!(ended, Some(0), "{shown}");
}

#[test]
fn a_device_that_was_removed_is_out_and_the_others_are_told_once() {
    let home = Home::with_snapshot();
    approve(&home, "laptop", &[]);
    approve(&home, "phone", &[]);
    run(&mut machine(&home, "phone", &["snapshots"])).ok();
    let said = home.run(&["device", "remove", "laptop"]).ok();
    assert!(said.out.contains("laptop is out"), "{}", said.out);
    run(&mut machine(
        &home,
        "laptop",
        &["backup", &home.text("src")],
    ))
    .ended(12)
    .well_said();
    run(&mut machine(&home, "phone", &["snapshots"]))
        .ok()
        .says("removed the device \"laptop\"");
    let again = run(&mut machine(&home, "phone", &["backup", &home.text("src")])).ok();
    assert!(!again.err.contains("laptop"), "{}", again.err);
    home.run(&["check", "--read-data"]).ok();
}

#[test]
fn what_only_an_admin_may_do_is_refused_to_others() {
    let home = Home::with_snapshot();
    approve(&home, "laptop", &[]);
    approve(&home, "reader", &["--read-only"]);
    let desk = home.run(&["device", "list", "--json"]).ok().json();
    let desk = desk
        .iter()
        .find(|device| device["current"] == true)
        .expect("this machine");
    let desk = desk["id"].as_str().expect("an id");
    for arguments in [&["device", "remove", desk][..], &["rotate"]] {
        run(&mut machine(&home, "laptop", arguments))
            .ended(1)
            .says("may not change who has access")
            .well_said();
    }
    run(&mut machine(
        &home,
        "reader",
        &["backup", &home.text("src")],
    ))
    .ended(1)
    .says("may not")
    .well_said();
    home.run(&["device", "remove", desk])
        .ended(2)
        .says("cannot remove itself")
        .well_said();
    home.run(&["device", "remove", "password"])
        .ended(2)
        .says("a way back, not a device")
        .well_said();
    home.run(&["device", "show", "nobody"]).ended(2).well_said();
}

#[test]
fn a_new_password_opens_and_the_old_one_does_not() {
    let home = Home::with_snapshot();
    let passwd = ["key", "passwd", "--kdf-memory", "64"];
    run(machine(&home, "state", &passwd).env("OWNKEY_NEW_PASSWORD", NEW_PASSWORD))
        .ended(12)
        .says("only its owner may do this")
        .well_said();
    run(home
        .command(&passwd)
        .env("OWNKEY_NEW_PASSWORD", NEW_PASSWORD))
    .ok();
    run(&mut home.elsewhere(&["snapshots"])).ended(12);
    run(home
        .elsewhere(&["snapshots"])
        .env("OWNKEY_PASSWORD", NEW_PASSWORD))
    .ok();
    run(machine(&home, "state", &["backup", &home.text("src")]).env_remove("OWNKEY_PASSWORD")).ok();
    run(home.command(&passwd).env("OWNKEY_NEW_PASSWORD", "hunter2"))
        .ended(12)
        .well_said();
    let guessable = run(home
        .command(&passwd)
        .env("OWNKEY_PASSWORD", NEW_PASSWORD)
        .env("OWNKEY_NEW_PASSWORD", "hunter2"));
    guessable.ended(2).says("can be guessed").well_said();
}

/// Which slot is tried first is a matter of chance: each round fails every second time where that matters.
#[test]
fn a_password_may_be_taken_again_and_be_the_same_as_before() {
    let home = Home::with_snapshot();
    let mut password = None;
    for new in [NEW_PASSWORD, PASSWORD, PASSWORD, NEW_PASSWORD, PASSWORD] {
        let mut passwd = home.command(&["key", "passwd", "--kdf-memory", "64"]);
        passwd.env("OWNKEY_NEW_PASSWORD", new);
        password.map(|old| passwd.env("OWNKEY_PASSWORD", old));
        run(&mut passwd).ok();
        password = Some(new);
        run(home.elsewhere(&["snapshots"]).env("OWNKEY_PASSWORD", new)).ok();
    }
}

#[test]
fn a_new_password_costs_what_this_program_says_whatever_the_old_slot_said() {
    let home = Home::with_snapshot();
    // Bytes 40 to 44 of a slot: Argon2id's memory in KiB; 0 where no password opens it.
    let costs = || -> Vec<u32> {
        let slots = std::fs::read_dir(home.path("repo/keys/slot")).expect("slots");
        let slots =
            slots.map(|slot| std::fs::read(slot.expect("a slot").path()).expect("its bytes"));
        let mut costs: Vec<u32> = slots
            .map(|slot| u32::from_le_bytes(slot[40..44].try_into().expect("four bytes")))
            .filter(|memory| *memory > 0)
            .collect();
        costs.sort_unstable();
        costs
    };
    assert_eq!(costs(), [64 << 10]);
    run(home
        .command(&["key", "passwd"])
        .env("OWNKEY_NEW_PASSWORD", NEW_PASSWORD))
    .ok();
    // The least that this program uses by itself.
    let newest = costs().pop().expect("a cost");
    assert!(newest >= 256 << 10, "{newest} KiB");
}

#[test]
fn a_new_recovery_key_opens_and_the_old_one_does_not() {
    let home = Home::with_snapshot();
    let with = |kit: &str, arguments: &[&str]| {
        let mut command = home.elsewhere(arguments);
        command
            .env_remove("OWNKEY_PASSWORD")
            .env("OWNKEY_RECOVERY_KEY_FILE", home.path(kit));
        run(&mut command)
    };
    with("kit.txt", &["recovery", "key", "verify"]).ok();
    let new = ["recovery", "key", "new", "--recovery-key-file", "new.txt"];
    with("kit.txt", &new).ok();
    with("kit.txt", &["recovery", "key", "verify"]).ended(12);
    let verified = with("new.txt", &["recovery", "key", "verify"]).ok();
    assert!(verified.out.contains("1 snapshot"), "{}", verified.out);
    let kit = ["recovery", "kit", "--recovery-key-file", "again.txt"];
    with("new.txt", &kit).ok();
    with("again.txt", &["snapshots"]).ok();
}

#[test]
fn a_kit_that_nobody_confirms_leaves_the_old_one() {
    let home = Home::with_snapshot();
    let command = home.command(&["recovery", "key", "new"]);
    let Some(mut terminal) = Terminal::start(&command) else {
        return;
    };
    terminal.confirm_nothing();
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(1), "{shown}");
    let mut verify = home.elsewhere(&["recovery", "key", "verify"]);
    run(verify.env("OWNKEY_RECOVERY_KEY_FILE", home.path("kit.txt"))).ok();
    let ways = home.run(&["key", "list", "--json"]).ok().json();
    let keys = ways.iter().filter(|line| line["message_type"] == "key");
    assert_eq!(keys.count(), 3, "this machine, the password, the old key");
}

#[test]
fn access_names_everybody_and_nobody_else() {
    let home = Home::with_snapshot();
    approve(&home, "laptop", &["--name", "the old laptop"]);
    home.run(&["device", "rename", "the old laptop", "attic"])
        .ok();
    let told = home.run(&["access"]).ok().harmless();
    for part in [
        "device \"attic\"",
        "way back \"password\"",
        "way back \"recovery key\"",
        "which you are using now",
        "Nobody and nothing else",
        "added the device \"the old laptop\"",
    ] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    let everybody = home.run(&["access", "--json"]).ok().json();
    let count = |kind: &str| {
        let is_it = |line: &&serde_json::Value| line["message_type"] == kind;
        everybody.iter().filter(is_it).count()
    };
    assert_eq!(count("access"), 4);
    assert!(!told.out.contains(PASSWORD));
    assert!(Path::new(&home.text("repo")).is_dir());
}

#[test]
fn a_machine_that_may_only_write_backs_up_and_its_files_come_back_on_the_owners() {
    let home = Home::with_snapshot();
    approve(&home, "server", &["--write-only"]);
    let source = home.text("src");
    run(&mut machine(&home, "server", &["backup", &source])).ok();
    std::fs::write(home.path("src/notes.txt"), "something else\n").expect("a file");
    run(&mut machine(&home, "server", &["backup", &source])).ok();
    let listed = run(&mut machine(&home, "server", &["snapshots"])).ok();
    assert!(listed.out.contains("may only write"), "{}", listed.out);
    for arguments in [
        &["restore", "latest", "--target", "x"][..],
        &["ls", "latest"],
        &["check"],
        &["rotate"],
    ] {
        run(&mut machine(&home, "server", arguments))
            .ended(1)
            .says("this device may not")
            .well_said();
    }
    home.run(&["restore", "latest", "--target", "back"]).ok();
    let restored = home.path(&format!("back{source}"));
    assert_same_tree(&home.path("src"), &restored);
    home.run(&["check", "--read-data"]).ok();
}
