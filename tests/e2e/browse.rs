//! `ownkey snapshots` and `ownkey ls`

use crate::home::Home;

#[test]
fn ls_lists_what_was_backed_up() {
    let home = Home::with_snapshot();
    let listed = home.run(&["ls", "latest"]).ok().out;
    for path in ["src", "src/deep/er/file", "src/link", "src/notes.txt"] {
        assert!(
            listed.lines().any(|line| line == home.text(path)),
            "{path}: {listed}"
        );
    }
    let part = home
        .run(&["ls", "-l", &format!("latest:{}", home.text("src/deep"))])
        .ok()
        .out;
    assert!(
        part.contains("100000") && !part.contains("notes.txt"),
        "{part}"
    );
}

#[test]
fn ls_in_json_has_restics_words() {
    let home = Home::with_snapshot();
    let lines = home.run(&["ls", "latest", "--json"]).ok().json();
    assert_eq!(lines[0]["message_type"], "snapshot");
    let link = lines
        .iter()
        .find(|line| line["type"] == "symlink")
        .expect("the link");
    assert_eq!(
        (&link["name"], &link["linktarget"]),
        (&"link".into(), &"notes.txt".into())
    );
    assert_eq!(link["path"], home.text("src/link"));
}

#[test]
fn a_wrong_snapshot_name_suggests_the_right_ones() {
    let home = Home::with_snapshot();
    let listed = home.run(&["snapshots", "--json"]).ok().json();
    let short = listed[0]["short_id"].as_str().expect("an id");
    home.run(&["ls", "lastet"])
        .ended(1)
        .says(short)
        .says("latest~1")
        .is_well_said();
    home.run(&["ls", "latest~1"])
        .ended(1)
        .says(short)
        .is_well_said();
    home.run(&["ls", &short[..4]]).ok();
}

#[test]
fn a_repository_without_snapshots_says_how_to_make_one() {
    let home = Home::with_repository();
    assert!(home.run(&["snapshots"]).ok().out.contains("ownkey backup"));
    home.run(&["ls", "latest"])
        .ended(1)
        .says("ownkey backup")
        .is_well_said();
}
