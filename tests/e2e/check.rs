//! `ownkey check`

use std::path::PathBuf;

use crate::home::{Home, run};

/// The one data pack of a repository with one small snapshot.
fn data_pack(home: &Home) -> PathBuf {
    let mut packs = Vec::new();
    for group in std::fs::read_dir(home.path("repo/data")).expect("packs") {
        let group = group.expect("a folder").path();
        packs.extend(
            std::fs::read_dir(group)
                .expect("packs")
                .map(|pack| pack.expect("a pack").path()),
        );
    }
    assert_eq!(packs.len(), 1, "{packs:?}");
    packs.remove(0)
}

/// Behind the header, where the frames of a small pack are; what comes later is padding.
fn damage(path: &PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut bytes = std::fs::read(path).expect("the pack");
    bytes[120..700].iter_mut().for_each(|byte| *byte ^= 1);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    std::fs::write(path, bytes).expect("the pack");
}

#[test]
fn a_sound_repository_passes_every_check() {
    let home = Home::with_snapshot();
    for how in [
        &["check"][..],
        &["check", "--read-data"],
        &["check", "--read-data-subset", "1/1"],
        &["check", "--read-data-subset=50%"],
        &["check", "--read-data-subset", "10M"],
        &["check", "--without-key"],
    ] {
        home.run(how).ok().well_said();
    }
}

#[test]
fn without_key_needs_neither_password_nor_state() {
    let home = Home::with_snapshot();
    let checked = run(home
        .elsewhere(&["check", "--without-key"])
        .env_remove("OWNKEY_PASSWORD"))
    .ok();
    assert!(
        checked.out.contains("each is what its name says"),
        "{}",
        checked.out
    );
}

#[test]
fn a_damaged_pack_is_code_13_and_the_files_are_named() {
    let home = Home::with_snapshot();
    damage(&data_pack(&home));
    let found = home.run(&["check", "--read-data"]).ended(13).well_said();
    assert!(
        found.out.contains("src/notes.txt"),
        "{}\n{}",
        found.out,
        found.err
    );
    let lines = home
        .run(&["check", "--read-data", "--json"])
        .ended(13)
        .json();
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["message_type"], "summary");
    assert_eq!(summary["broken_packs"].as_array().map(Vec::len), Some(1));
    home.run(&["check", "--without-key"]).ended(13).well_said();
    home.run(&["restore", "latest", "--target", "back"])
        .ended(13)
        .says("notes.txt")
        .well_said();
}

#[test]
fn after_damage_the_next_backup_stores_what_still_exists_anew() {
    let home = Home::with_snapshot();
    damage(&data_pack(&home));
    home.run(&["check", "--read-data"]).ended(13);
    home.run(&["backup", "src"]).ok();
    home.run(&["restore", "latest", "--target", "back"]).ok();
}

#[test]
fn a_part_that_makes_no_sense_is_a_mistake() {
    let home = Home::with_repository();
    home.run(&["check", "--read-data-subset", "3/2"])
        .ended(2)
        .says("2/5")
        .well_said();
}
