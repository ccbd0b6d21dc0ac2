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
        .well_said();
    home.run(&["ls", "latest~1"])
        .ended(1)
        .says(short)
        .well_said();
    home.run(&["ls", &short[..4]]).ok();
}

#[test]
fn a_repository_without_snapshots_says_how_to_make_one() {
    let home = Home::with_repository();
    assert!(home.run(&["snapshots"]).ok().out.contains("ownkey backup"));
    home.run(&["ls", "latest"])
        .ended(1)
        .says("ownkey backup")
        .well_said();
}

#[test]
fn find_looks_through_all_snapshots() {
    let home = Home::with_snapshot();
    home.run(&["backup", "src"]).ok();
    let found = home.run(&["find", "notes.*", "--json"]).ok().json();
    assert_eq!(found.len(), 2, "once in each snapshot");
    assert_eq!(found[0]["path"], home.text("src/notes.txt"));
    let one = home
        .run(&["find", "-i", "NOTES.TXT", "-s", "latest"])
        .ok()
        .out;
    assert_eq!(one.matches("notes.txt").count(), 1, "{one}");
    assert!(
        home.run(&["find", "nothing like this"])
            .ok()
            .out
            .contains("nothing was found")
    );
}

#[test]
fn diff_says_what_was_added_changed_and_removed() {
    let home = Home::with_snapshot();
    std::fs::write(home.path("src/new"), "new").expect("a file");
    std::fs::write(home.path("src/notes.txt"), "something else").expect("a file");
    std::fs::remove_file(home.path("src/link")).expect("the link");
    home.run(&["backup", "src"]).ok();
    let mut marks: Vec<(String, String)> = home
        .run(&["diff", "latest~1", "latest", "--json"])
        .ok()
        .json()
        .iter()
        .filter(|line| line["message_type"] == "change")
        .map(|line| {
            let text = |field: &str| line[field].as_str().expect("text").to_owned();
            let path = text("path");
            (
                text("modifier"),
                path.rsplit('/').next().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    marks.sort();
    let wanted = [("+", "new"), ("-", "link"), ("M", "notes.txt")];
    assert_eq!(
        marks,
        wanted.map(|(mark, name)| (mark.to_owned(), name.to_owned()))
    );
}

#[test]
fn stats_counts_what_is_shared_once() {
    let home = Home::with_snapshot();
    home.run(&["backup", "src"]).ok();
    let stats = home.run(&["stats", "--json"]).ok().json().remove(0);
    assert_eq!(stats["snapshots_count"], 2);
    assert_eq!(stats["total_size"], 200_024);
    let unique = stats["unique_bytes"].as_u64().expect("a number");
    assert!((100_012..200_000).contains(&unique), "{unique}");
    assert!(
        stats["objects"]["data"]["objects"].as_u64() >= Some(1),
        "{stats}"
    );
    assert!(home.run(&["stats"]).ok().out.contains("2 snapshots"));
}
