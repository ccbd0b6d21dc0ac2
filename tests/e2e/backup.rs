//! `ownkey backup` and `ownkey snapshots`

use crate::home::{Home, run};

#[test]
fn a_backup_is_listed_with_its_tags_and_host() {
    let home = Home::with_repository();
    home.make_source();
    home.run(&["backup", "src", "--tag", "first", "--host", "laptop"])
        .ok();
    let listed = home.run(&["list", "--json", "--tag", "first"]).ok().json();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["hostname"], "laptop");
    assert_eq!(listed[0]["paths"][0], home.text("src"));
    assert!(
        home.run(&["snapshots", "--json", "--tag", "other"])
            .ok()
            .json()
            .is_empty()
    );
}

#[test]
fn the_summary_in_json_has_its_golden_shape() {
    let home = Home::with_repository();
    home.make_source();
    let lines = home.run(&["--json", "backup", "src"]).ok().json();
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["message_type"], "summary");
    assert_eq!(summary["schema_version"], 1);
    assert_eq!(summary["total_bytes_processed"], 100_012);
    let mut fields: Vec<&str> = summary
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "backup_end",
            "backup_start",
            "data_added",
            "data_added_packed",
            "error_count",
            "files_read",
            "locked",
            "message_type",
            "packs",
            "requests",
            "schema_version",
            "snapshot_id",
            "total_bytes_processed",
            "total_dirs_processed",
            "total_duration",
            "total_files_processed",
            "total_others_processed",
        ]
    );
}

#[test]
fn a_path_that_is_missing_is_code_3_and_the_rest_is_saved() {
    let home = Home::with_repository();
    home.make_source();
    home.run(&["backup", "src", "no such folder"])
        .ended(3)
        .says("no such folder")
        .well_said();
    assert_eq!(home.run(&["snapshots", "--json"]).ok().json().len(), 1);
}

#[test]
fn no_path_at_all_is_a_mistake() {
    let home = Home::with_repository();
    home.run(&["backup"])
        .ended(2)
        .says("what should be backed up")
        .well_said();
}

#[test]
fn excludes_leave_out_and_a_dry_run_says_why() {
    let home = Home::with_repository();
    home.make_source();
    std::fs::create_dir(home.path("src/cache")).expect("a folder");
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n";
    std::fs::write(home.path("src/cache/CACHEDIR.TAG"), tag).expect("a file");
    std::fs::write(home.path("src/cache/again"), "x").expect("a file");
    let dry = home.run(&["backup", "-n", "src", "-e", "notes.*"]).ok();
    assert!(
        dry.out.contains("leave out") && dry.out.contains("notes.*"),
        "{}",
        dry.out
    );
    assert!(
        home.run(&["snapshots", "--json"]).ok().json().is_empty(),
        "a dry run writes nothing"
    );
    home.run(&["backup", "src", "-e", "notes.*"]).ok();
    let listed = home.run(&["ls", "latest"]).ok().out;
    assert!(
        !listed.contains("notes.txt") && !listed.contains("again"),
        "{listed}"
    );
    home.run(&["backup", "src", "--exclude-caches=no"]).ok();
    assert!(home.run(&["ls", "latest"]).ok().out.contains("again"));
}

#[test]
fn a_mistyped_pattern_is_a_mistake_before_anything_is_read() {
    let home = Home::with_repository();
    home.make_source();
    home.run(&["backup", "src", "-e", "a[b"])
        .ended(2)
        .says("exclude rule")
        .well_said();
}

#[test]
fn own_keys_and_the_repository_are_never_backed_up() {
    let home = Home::with_repository();
    home.make_source();
    home.run(&["backup", "."]).ok();
    let listed = home.run(&["ls", "latest"]).ok().out;
    assert!(listed.contains("notes.txt"));
    for own in ["repo", "state", "cache"] {
        assert!(
            !listed.contains(&format!("{}/", home.text(own))),
            "{own}: {listed}"
        );
    }
}

#[test]
fn a_profile_says_what_to_back_up_and_a_misspelt_one_is_a_mistake() {
    let home = Home::with_repository();
    home.make_source();
    let config = home.path("config.toml");
    let text = format!(
        "[profile.default]\nrepository = {:?}\npaths = [{:?}]\n",
        home.text("repo"),
        home.text("src")
    );
    std::fs::write(&config, text).expect("settings");
    let with_settings = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command
            .env_remove("OWNKEY_REPOSITORY")
            .env("OWNKEY_CONFIG", &config);
        run(&mut command)
    };
    with_settings(&["backup"]).ok();
    with_settings(&["backup", "--profile", "wrok"])
        .ended(2)
        .says("default")
        .well_said();
    std::fs::write(&config, "[profile.default]\nexcluds = []\n").expect("settings");
    with_settings(&["backup"])
        .ended(2)
        .says("line 2")
        .well_said();
}
