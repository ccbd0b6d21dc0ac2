//! Help, version, completions, manual pages: they need no repository and no settings.

use crate::home::{Home, run};

#[test]
fn help_groups_the_commands_and_explains_each() {
    let home = Home::new();
    let help = home.run(&["help"]).ok().out;
    for words in [
        "Be safe:",
        "Get it back:",
        "backup",
        "restore",
        "help exit-codes",
    ] {
        assert!(help.contains(words), "{words}: {help}");
    }
    assert!(home.run(&["help", "restore"]).ok().out.contains("--target"));
    assert!(home.run(&["help", "exit-codes"]).ok().out.contains("130"));
    assert!(
        home.run(&["help", "excludes"])
            .ok()
            .out
            .contains("~/.cache/")
    );
    home.run(&["help", "nonsense"]).ended(2).well_said();
}

#[test]
fn completions_and_manual_pages_are_made() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            home.run(&["completions", shell])
                .ok()
                .out
                .contains("ownkey"),
            "{shell}"
        );
    }
    std::fs::create_dir(home.path("man")).expect("a folder");
    home.run(&["man", "man"]).ok();
    let page = std::fs::read_to_string(home.path("man/ownkey-backup.1")).expect("a page");
    assert!(page.contains(".TH") && page.contains("exclude"), "{page}");
}

#[test]
fn broken_settings_do_not_stop_the_help() {
    let home = Home::new();
    run(home
        .command(&["version"])
        .env("OWNKEY_CONFIG", "/no/such/file"))
    .ok();
    run(home
        .command(&["snapshots"])
        .env("OWNKEY_CONFIG", "/no/such/file"))
    .ended(2)
    .well_said();
}
