//! `ownkey recover`: an empty machine, and what stands on the kit.

use std::process::Command;

use crate::home::{Home, assert_same_tree, run};
use crate::terminal::Terminal;

/// The program on a machine that has nothing: no settings, no state, no password.
fn empty(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.elsewhere(arguments);
    command
        .env("OWNKEY_CACHE_DIR", home.path("other cache"))
        .env_remove("OWNKEY_PASSWORD")
        .env_remove("OWNKEY_REPOSITORY");
    command
}

fn assert_came_back(home: &Home, target: &str) {
    let restored = home.path(&format!("{target}{}", home.text("src")));
    assert_same_tree(&home.path("src"), &restored);
}

/// A line of the kit.
fn on_kit(home: &Home, name: &str) -> String {
    let kit = std::fs::read_to_string(home.path("kit.txt")).expect("a kit");
    let line = kit.lines().find_map(|line| line.strip_prefix(name));
    line.expect("the line")
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

#[test]
fn the_kit_alone_brings_everything_back_and_makes_the_machine_a_device() {
    let home = Home::with_snapshot();
    let recover = ["recover", "--kit", "kit.txt", "--target", "back", "--yes"];
    let came_back = run(&mut empty(&home, &recover)).ok();
    assert!(
        came_back.out.contains("the fingerprint is right"),
        "{}",
        came_back.out
    );
    assert_came_back(&home, "back");
    let source = home.text("src");
    let backup = ["-r", &home.text("repo"), "backup", &source];
    run(&mut empty(&home, &backup)).ok();
}

#[test]
fn somebody_who_types_what_stands_on_the_paper_gets_everything_back() {
    let home = Home::with_snapshot();
    let Some(mut terminal) = Terminal::start(&empty(&home, &["recover"])) else {
        return;
    };
    let wrong = on_kit(&home, "recovery key")
        .replacen('-', " ", 2)
        .to_lowercase();
    for (question, answer) in [
        ("repository, as on the kit: ", home.text("repo")),
        ("recovery key: ", "no key".to_owned()),
        ("recovery key: ", wrong),
        ("fingerprint", on_kit(&home, "fingerprint").to_uppercase()),
        ("restore into which folder", home.text("back")),
        ("go on as", "n".to_owned()),
        ("lost or stolen", "y".to_owned()),
        ("a key of its own", "y".to_owned()),
    ] {
        terminal.wait_for(question);
        terminal.type_in(&format!("{answer}\n"));
    }
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        !shown.contains(&on_kit(&home, "recovery key")),
        "the key is not shown"
    );
    assert_came_back(&home, "back");
    // The lost machine is out, the new one is in.
    run(home.command(&["snapshots"]).env_remove("OWNKEY_PASSWORD")).ended(12);
    let snapshots = ["-r", &home.text("repo"), "snapshots"];
    run(&mut empty(&home, &snapshots)).ok();
}

/// A snapshot of a machine with a profile that holds a secret and a program.
fn with_profile() -> Home {
    let home = Home::with_repository();
    home.make_source();
    let settings = format!(
        "[profile.default]\npaths = [{:?}]\nexclude = [\"*.iso\"]\npassword-command = \"echo hunter2\"\n\
         [profile.default.storage]\nlimit-upload = \"900M\"\nsftp-command = \"evil\"\n",
        home.text("src")
    );
    std::fs::write(home.path("settings.toml"), settings).expect("settings");
    let mut backup = home.command(&["backup"]);
    run(backup
        .env("OWNKEY_CONFIG", home.path("settings.toml"))
        .env_remove("OWNKEY_PASSWORD"))
    .ok();
    home
}

/// The empty machine with a place for settings.
fn with_config(home: &Home, arguments: &[&str]) -> Command {
    let mut command = empty(home, arguments);
    command.env("XDG_CONFIG_HOME", home.path("config"));
    command
}

const AS_OLD: [&str; 7] = [
    "recover", "--kit", "kit.txt", "--target", "back", "--yes", "--as-old",
];

#[test]
fn who_goes_on_as_the_old_machine_has_its_name_and_habits_and_an_identity_of_its_own() {
    let home = with_profile();
    let listed = home.run(&["device", "list", "--json"]).ok();
    let (old, name) = (&listed.json()[0]["id"], &listed.json()[0]["name"]);
    let came_back = run(&mut with_config(&home, &AS_OLD)).ok();
    assert_came_back(&home, "back");
    let path = home.path("config/ownkey/config.toml");
    let profile = std::fs::read_to_string(&path).expect("settings");
    for kept in [&home.text("repo"), &home.text("src"), "*.iso", "900M"] {
        assert!(profile.contains(kept), "{kept}: {profile}");
    }
    assert!(
        !profile.contains("hunter2") && !profile.contains("evil"),
        "{profile}"
    );
    assert!(came_back.out.contains("config.toml"), "{}", came_back.out);
    // Its habits are used from the first backup on, and nothing else has to be told.
    run(&mut with_config(&home, &["backup"])).ok();
    let listed = run(&mut with_config(&home, &["device", "list", "--json"])).ok();
    let devices = listed.json();
    assert_eq!(devices.len(), 1, "the old one is out: {devices:?}");
    assert_eq!(&devices[0]["name"], name);
    assert_ne!(&devices[0]["id"], old, "its log is not continued");
    run(home.command(&["snapshots"]).env_remove("OWNKEY_PASSWORD")).ended(12);
}

#[test]
fn settings_that_a_machine_has_stay_and_the_old_ones_lie_beside_them() {
    let home = with_profile();
    std::fs::create_dir_all(home.path("config/ownkey")).expect("a folder");
    let own = home.path("config/ownkey/config.toml");
    std::fs::write(&own, "[profile.mine]\n").expect("settings");
    run(&mut with_config(&home, &AS_OLD)).ok().harmless();
    assert_eq!(
        std::fs::read_to_string(&own).expect("it"),
        "[profile.mine]\n"
    );
    let folder = std::fs::read_dir(home.path("config/ownkey")).expect("it");
    let names: Vec<String> = folder
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(
        names.iter().any(|name| name.starts_with("config.of-")),
        "{names:?}"
    );
}

#[test]
fn somebody_is_shown_the_profile_before_it_is_taken() {
    let home = with_profile();
    // The terminal is in a folder of its own.
    let (kit, back) = (home.text("kit.txt"), home.text("back"));
    let recover = ["recover", "--kit", &kit, "--target", &back];
    let Some(mut terminal) = Terminal::start(&with_config(&home, &recover)) else {
        return;
    };
    terminal.wait_for("exclude = [\"*.iso\"]");
    terminal.wait_for("go on as");
    terminal.type_in("y\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(home.path("config/ownkey/config.toml").exists(), "{shown}");
    assert!(shown.contains(" is out: "), "{shown}");
}

#[test]
fn a_machine_of_its_own_takes_no_habits() {
    let home = with_profile();
    let recover = [
        "recover", "--kit", "kit.txt", "--target", "back", "--yes", "--as-new",
    ];
    run(&mut with_config(&home, &recover)).ok();
    assert!(!home.path("config").exists());
    let listed = run(&mut with_config(
        &home,
        &["-r", &home.text("repo"), "device", "list", "--json"],
    ));
    assert_eq!(listed.ok().json().len(), 2, "the old one stays");
}

#[test]
fn a_storage_that_shows_an_older_state_than_the_kit_is_told() {
    let home = Home::with_snapshot();
    run(Command::new("cp").args(["-a", &home.text("repo"), &home.text("older")])).ok();
    home.run(&["backup", &home.text("src")]).ok();
    let kit = ["recovery", "kit", "--recovery-key-file", "newer.txt"];
    run(home
        .command(&kit)
        .env("OWNKEY_RECOVERY_KEY_FILE", home.path("kit.txt")))
    .ok();
    let recover = |repo: &str, kit: &str| {
        let arguments = [
            "recover",
            "-r",
            repo,
            "--kit",
            kit,
            "--target",
            "back",
            "--yes",
            "--no-device",
        ];
        let mut command = empty(&home, &arguments);
        run(command.env("OWNKEY_STATE_DIR", home.path(&format!("state of {kit}"))))
    };
    recover("older", "newer.txt")
        .ended(14)
        .says("shows an older state")
        .well_said();
    assert!(!home.path("back").exists());
    recover("repo", "kit.txt").ok();
    assert_came_back(&home, "back");
}

#[test]
fn another_key_word_or_file_brings_nothing_back() {
    let home = Home::with_snapshot();
    let kit = std::fs::read_to_string(home.path("kit.txt")).expect("a kit");
    let key = on_kit(&home, "recovery key");
    let other_key = kit.replace(&key, "0000-0000-0000-0000-0000-0000-0000");
    let words = on_kit(&home, "fingerprint");
    let other_words = kit.replace(
        &words,
        "abandon ability able about above absent absorb abstract",
    );
    let no_word = kit.replace(
        &words,
        "abandon ability able about above absent absorb xyzzy",
    );
    for (name, text, code) in [
        ("key", other_key, 12),
        ("words", other_words, 14),
        ("word", no_word, 2),
        ("nothing", "to do: buy milk\n".to_owned(), 2),
    ] {
        std::fs::write(home.path(name), text).expect("a file");
        let arguments = ["recover", "--kit", name, "--target", "back", "--yes"];
        run(&mut empty(&home, &arguments)).ended(code).well_said();
    }
    assert!(!home.path("back").exists());
}
