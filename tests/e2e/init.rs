//! `ownkey init`

use std::os::unix::fs::PermissionsExt as _;

use crate::home::{Home, run, run_with_input};

#[test]
fn the_kit_file_is_private_complete_and_says_what_to_type() {
    let home = Home::with_repository();
    let path = home.path("kit.txt");
    let mode = std::fs::metadata(&path)
        .expect("a kit")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let kit = std::fs::read_to_string(&path).expect("a kit");
    assert!(kit.contains(&home.text("repo")), "{kit}");
    assert!(kit.contains("recover --target"), "{kit}");
}

#[test]
fn the_printable_page_stands_alone() {
    let home = Home::new();
    let (kit, page) = (home.text("kit.txt"), home.text("kit.html"));
    home.run(&[
        "init",
        "--kdf-memory",
        "64",
        "--recovery-key-file",
        &kit,
        "--kit-page",
        &page,
    ])
    .ok();
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("<svg") && page.contains("default-src 'none'"));
    assert!(
        !page
            .replace("http://www.w3.org/2000/svg", "")
            .contains("http:")
    );
}

#[test]
fn an_existing_kit_file_is_refused_before_anything_is_made() {
    let home = Home::new();
    std::fs::write(home.path("kit.txt"), "of another repository").expect("a file");
    home.run(&["init", "--recovery-key-file", &home.text("kit.txt")])
        .ended(2)
        .says("there is already a file")
        .well_said();
    assert!(!home.path("repo").exists());
    let kept = std::fs::read_to_string(home.path("kit.txt")).expect("the file");
    assert_eq!(kept, "of another repository");
}

#[test]
fn without_a_terminal_and_a_kit_file_nothing_is_made_and_nothing_hangs() {
    let home = Home::new();
    run_with_input(&mut home.command(&["init"]), b"yes\nyes\n")
        .ended(2)
        .says("--recovery-key-file")
        .well_said();
    assert!(!home.path("repo").exists());
}

#[test]
fn without_a_password_nothing_is_made_and_nothing_hangs() {
    let home = Home::new();
    let kit = home.text("kit.txt");
    let mut command = home.command(&["init", "--recovery-key-file", &kit]);
    run(command.env_remove("OWNKEY_PASSWORD"))
        .ended(2)
        .says("needs a password")
        .well_said();
    assert!(!home.path("repo").exists() && !home.path("kit.txt").exists());
}

#[test]
fn a_guessable_password_is_refused_and_not_repeated() {
    let home = Home::new();
    let kit = home.text("kit.txt");
    let mut command = home.command(&["init", "--recovery-key-file", &kit]);
    let refused = run(command.env("OWNKEY_PASSWORD", "Sommer2024!"))
        .ended(2)
        .well_said();
    assert!(refused.err.contains("--allow-weak-password") && !refused.err.contains("Sommer"));
    let arguments = [
        "init",
        "--kdf-memory",
        "64",
        "--allow-weak-password",
        "--recovery-key-file",
        &kit,
    ];
    run(home
        .command(&arguments)
        .env("OWNKEY_PASSWORD", "Sommer2024!"))
    .ok();
}

#[test]
fn a_second_repository_at_the_same_place_is_refused() {
    let home = Home::with_repository();
    home.run(&[
        "init",
        "--kdf-memory",
        "64",
        "--recovery-key-file",
        &home.text("kit2.txt"),
    ])
    .ended(1)
    .says("already")
    .well_said();
    assert!(
        !home.path("kit2.txt").exists(),
        "no kit for a repository that was not made"
    );
}

#[test]
fn a_folder_with_other_things_in_it_is_refused() {
    let home = Home::new();
    home.make_source();
    let arguments = [
        "init",
        "-r",
        &home.text("src"),
        "--recovery-key-file",
        &home.text("kit.txt"),
    ];
    home.run(&arguments)
        .ended(2)
        .says("is not empty")
        .well_said();
}

#[test]
fn a_kit_secret_makes_the_password_alone_useless() {
    let home = Home::new();
    let kit = home.text("kit.txt");
    home.run(&[
        "init",
        "--kdf-memory",
        "64",
        "--kit-secret",
        "--recovery-key-file",
        &kit,
    ])
    .ok();
    run(&mut home.elsewhere(&["snapshots"]))
        .ended(12)
        .well_said();
    run(home
        .elsewhere(&["snapshots"])
        .env("OWNKEY_KIT_SECRET_FILE", &kit))
    .ok();
}

#[test]
fn a_place_below_a_folder_that_is_missing_is_taken_for_a_disk_that_is_not_mounted() {
    let home = Home::new();
    let place = home.text("no/such/disk");
    home.run(&[
        "init",
        "-r",
        &place,
        "--recovery-key-file",
        &home.text("kit.txt"),
    ])
    .ended(2)
    .says("is mounted")
    .well_said();
    assert!(!home.path("no").exists() && !home.path("kit.txt").exists());
}
