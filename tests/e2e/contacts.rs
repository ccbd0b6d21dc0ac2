//! Recovery contacts: people who together bring everything back.

use std::process::Command;

use crate::home::{Home, Run, assert_same_tree, run};
use crate::terminal::Terminal;

const NAMES: [&str; 3] = ["Ann", "Bob", "Eve"];

/// Somebody else's machine.
fn of(home: &Home, who: &str, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command
        .env("OWNKEY_STATE_DIR", home.path(&format!("state of {who}")))
        .env("OWNKEY_CACHE_DIR", home.path(&format!("cache of {who}")))
        .env_remove("OWNKEY_PASSWORD")
        .env_remove("OWNKEY_REPOSITORY");
    command
}

/// A snapshot, and two of three contacts who open it, with their shares in `shares`.
fn with_contacts() -> Home {
    let home = Home::with_snapshot();
    for name in NAMES {
        let code = run(&mut of(&home, name, &["contact", "new"])).ok().out;
        std::fs::write(home.path(name), code).expect("a file");
    }
    std::fs::create_dir(home.path("shares")).expect("a folder");
    set(&home, "2", "shares", &NAMES).ok();
    home
}

fn set(home: &Home, threshold: &str, folder: &str, names: &[&str]) -> Run {
    let contacts: Vec<String> = names.iter().map(|name| format!("{name}={name}")).collect();
    let mut arguments = vec!["recovery", "contacts", "set", "--threshold", threshold];
    arguments.extend(["--folder", folder, "--owner", "Ada"]);
    arguments.extend(contacts.iter().map(String::as_str));
    home.run(&arguments)
}

/// Begins a recovery on `machine`; the words that its screen shows. The code goes into a file.
fn begin(home: &Home, machine: &str) -> String {
    let repo = home.text("repo");
    let recover = ["recover", "-r", &repo, "--contacts", "--json"];
    let begun = run(&mut of(home, machine, &recover)).ended(2);
    let said = &begun.json()[0];
    let text = |key: &str| said[key].as_str().expect("a text").to_owned();
    std::fs::write(home.path("code"), text("code")).expect("a file");
    text("words")
}

fn help(home: &Home, who: &str, share: &str, words: &str) -> Run {
    let share = home.text(share);
    let arguments = ["contact", "help", "code", &share, "--words", words];
    run(&mut of(home, who, &arguments))
}

/// Everything with these answers, on `machine`.
fn recover(home: &Home, machine: &str, answers: &[&str]) -> Run {
    let repo = home.text("repo");
    let mut arguments = vec![
        "recover",
        "-r",
        &repo,
        "--contacts",
        "--yes",
        "--target",
        "back",
    ];
    for answer in answers {
        arguments.extend(["--answer", answer]);
    }
    run(&mut of(home, machine, &arguments))
}

fn keep(home: &Home, name: &str, answer: &Run) {
    std::fs::write(home.path(name), &answer.out).expect("a file");
}

#[test]
fn two_of_three_contacts_bring_everything_back_and_one_does_not() {
    let home = with_contacts();
    let words = begin(&home, "new");
    let ann = help(&home, "Ann", "shares/share-Ann.txt", &words).ok();
    keep(&home, "answer of Ann", &ann);
    let eve = help(&home, "Eve", "shares/share-Eve.txt", &words).ok();
    keep(&home, "answer of Eve", &eve);

    recover(&home, "new", &["answer of Ann"])
        .ended(12)
        .says("1 of the 2 contacts that are needed")
        .well_said();
    recover(&home, "new", &["answer of Ann", "answer of Ann"])
        .ended(12)
        .says("answer 2 is of a contact who has answered already")
        .well_said();
    recover(&home, "other", &["answer of Ann", "answer of Eve"])
        .ended(12)
        .says("made for somebody else")
        .well_said();
    assert!(!home.path("back").exists());
    recover(&home, "new", &["answer of Ann", "answer of Eve"]).ok();
    let restored = home.path(&format!("back{}", home.text("src")));
    assert_same_tree(&home.path("src"), &restored);
    let source = home.text("src");
    run(&mut of(
        &home,
        "new",
        &["-r", &home.text("repo"), "backup", &source],
    ))
    .ok();
    assert!(!home.path("state of new/recovery-in-progress").exists());
}

#[test]
fn a_contact_helps_only_who_has_read_the_words_and_only_with_the_own_share() {
    let home = with_contacts();
    let words = begin(&home, "new");
    let other = "abandon ability able about above absent";
    help(&home, "Ann", "shares/share-Ann.txt", other)
        .ended(2)
        .says("no answer was made")
        .well_said();
    help(&home, "Ann", "shares/share-Bob.txt", &words)
        .ended(12)
        .says("made for somebody else")
        .well_said();
    help(&home, "nobody", "shares/share-Ann.txt", &words)
        .ended(12)
        .says("no keys of a contact")
        .well_said();
    assert!(
        !home.path("state of nobody/contact-key").exists(),
        "no keys are made unasked"
    );
    help(&home, "Ann", "code", &words)
        .ended(2)
        .says("this is the code of a recovery, not a share")
        .well_said();
    let help = ["contact", "help", "code", "shares/share-Ann.txt"];
    run(&mut of(&home, "Ann", &help))
        .ended(2)
        .says("--words")
        .well_said();
    let (code, share) = (home.text("code"), home.text("shares/share-Ann.txt"));
    let arguments = ["contact", "help", &code, &share];
    let Some(mut terminal) = Terminal::start(&of(&home, "Ann", &arguments)) else {
        return;
    };
    let shown = terminal.wait_for("[y/N] ");
    assert!(
        shown.contains("\"Ada\"") && shown.contains("2 of 3"),
        "{shown}"
    );
    assert!(shown.contains(&words), "{shown}");
    terminal.type_in("y\n");
    let (ended, shown) = terminal.end();
    assert_eq!(ended, Some(0), "{shown}");
    assert!(shown.contains("ownkey-answer:"), "{shown}");
}

#[test]
fn shares_that_were_replaced_open_nothing_and_do_not_mix_with_newer_ones() {
    let home = with_contacts();
    std::fs::create_dir(home.path("newer")).expect("a folder");
    set(&home, "2", "newer", &["Ann", "Bob"]).ok();
    let words = begin(&home, "new");
    for (name, folder) in [
        ("Ann", "shares"),
        ("Bob", "shares"),
        ("Bob", "newer"),
        ("Ann", "newer"),
    ] {
        let share = format!("{folder}/share-{name}.txt");
        keep(
            &home,
            &format!("{folder} {name}"),
            &help(&home, name, &share, &words).ok(),
        );
    }
    recover(&home, "new", &["shares Ann", "newer Bob"])
        .ended(12)
        .says("another set of contacts")
        .well_said();
    recover(&home, "new", &["shares Ann", "shares Bob"])
        .ended(12)
        .says("these shares are old")
        .well_said();
    assert!(!home.path("back").exists());
    recover(&home, "new", &["newer Ann", "newer Bob"]).ok();
}

#[test]
fn a_rehearsal_opens_and_recovers_nothing() {
    let home = with_contacts();
    let tried = ["recovery", "contacts", "test", "--json"];
    let asked = home.run(&tried).ended(2);
    let said = &asked.json()[0];
    std::fs::write(home.path("code"), said["code"].as_str().expect("a code")).expect("a file");
    let words = said["words"].as_str().expect("words");
    for name in ["Bob", "Eve"] {
        let share = format!("shares/share-{name}.txt");
        keep(
            &home,
            &format!("answer of {name}"),
            &help(&home, name, &share, words).ok(),
        );
    }
    let tried = [
        "recovery",
        "contacts",
        "test",
        "--answer",
        "answer of Bob",
        "--answer",
        "answer of Eve",
    ];
    let works = home.run(&tried).ok();
    assert!(works.out.contains("it works"), "{}", works.out);
}

#[test]
fn numbers_and_names_that_make_no_sense_change_nothing() {
    let home = Home::with_snapshot();
    let code = run(&mut of(&home, "Ann", &["contact", "new"])).ok().out;
    for name in NAMES {
        std::fs::write(home.path(name), &code).expect("a file");
    }
    set(&home, "1", ".", &NAMES).ended(2);
    set(&home, "4", ".", &NAMES)
        .ended(12)
        .says("no more than there are")
        .well_said();
    set(&home, "2", ".", &["Ann"]).ended(2);
    let arguments = [
        "recovery",
        "contacts",
        "set",
        "--threshold",
        "2",
        "Ann",
        "../x=Ann",
    ];
    home.run(&arguments).ended(2).well_said();
    let left = std::fs::read_dir(home.path(".")).expect("a folder");
    let shares = left
        .filter_map(Result::ok)
        .filter(|file| file.file_name().to_string_lossy().starts_with("share-"));
    assert_eq!(shares.count(), 0, "no empty file is left");
    assert_eq!(home.run(&["key", "list", "--json"]).ok().json().len(), 3);
}
