//! `ownkey forget`, `unforget`, `pin` and `unpin`

use crate::home::Home;

/// A user with so many snapshots; the first one has a tag.
fn with_snapshots(count: usize) -> Home {
    let home = Home::with_repository();
    home.make_source();
    for nth in 0..count {
        let text = format!("written {nth} times\n");
        std::fs::write(home.path("src/notes.txt"), text).expect("a file");
        let tag: &[&str] = if nth == 0 { &["--tag", "tax"] } else { &[] };
        let source = home.text("src");
        home.run(&[&["backup", &source], tag].concat()).ok();
    }
    home
}

fn ids(home: &Home) -> Vec<String> {
    let listed = home.run(&["snapshots", "--json"]).ok().json();
    let id = |line: &serde_json::Value| line["id"].as_str().expect("an id").to_owned();
    listed.iter().map(id).collect()
}

#[test]
fn a_policy_says_of_each_snapshot_why_it_stays_and_a_dry_run_forgets_nothing() {
    let home = with_snapshots(4);
    let before = ids(&home);
    let policy = [
        "forget",
        "--keep-last",
        "2",
        "--keep-tag",
        "tax",
        "--keep-weekly",
        "1",
    ];
    let shown = home
        .run(&[&policy[..], &["--dry-run"]].concat())
        .ok()
        .well_said();
    for words in [
        "last, weekly",
        "tagged tax",
        "goes",
        "would forget 1 snapshot; 3 of",
    ] {
        assert!(shown.out.contains(words), "{words}: {}", shown.out);
    }
    assert!(shown.out.contains(&home.text("src")), "{}", shown.out);
    assert_eq!(ids(&home), before);

    let done = home.run(&[&policy[..], &["--json"]].concat()).ok();
    let lines = done.json();
    let verdicts: Vec<_> = lines
        .iter()
        .filter(|it| it["message_type"] == "verdict")
        .collect();
    let kept: Vec<_> = verdicts.iter().map(|it| it["keep"] == true).collect();
    assert_eq!(kept, [true, false, true, true]);
    assert_eq!(verdicts[1]["snapshot"]["id"], before[1].as_str());
    assert_eq!(
        verdicts[3]["reasons"],
        serde_json::json!(["last", "weekly"])
    );
    let summary = lines.last().expect("a summary");
    assert_eq!(
        (&summary["snapshots_forgotten"], &summary["snapshots_kept"]),
        (&1.into(), &3.into())
    );
    assert_eq!(ids(&home), [&before[..1], &before[2..]].concat());
    let again = home.run(&policy).ok();
    assert!(again.out.contains("forgot 0 snapshots"), "{}", again.out);
}

#[test]
fn snapshots_are_forgotten_by_name() {
    let home = with_snapshots(3);
    let before = ids(&home);
    let done = home
        .run(&["forget", &before[0][..8], "latest~1"])
        .ok()
        .well_said();
    assert!(
        done.out.contains("forgot 2 snapshots; 1 of"),
        "{}",
        done.out
    );
    assert_eq!(ids(&home), before[2..]);
    home.run(&["forget", &before[0][..8]]).ended(1).well_said();
    home.run(&["forget", "latest:/etc"]).ended(2).well_said();
}

#[test]
fn what_was_forgotten_is_had_back_until_a_prune_has_run() {
    let home = with_snapshots(3);
    let before = ids(&home);
    let first = &before[0][..8];
    let none = home.run(&["snapshots", "--forgotten"]).ok();
    assert!(
        none.out.contains("nothing that was forgotten"),
        "{}",
        none.out
    );
    let done = home.run(&["forget", first]).ok();
    assert!(done.out.contains("ownkey unforget ID"), "{}", done.out);
    let listed = home.run(&["snapshots", "--forgotten"]).ok().well_said();
    assert!(listed.out.contains(first), "{}", listed.out);
    home.run(&["unforget", &before[1][..8]])
        .ended(1)
        .well_said();
    let back = home.run(&["unforget", first, "--json"]).ok().json();
    assert_eq!(back[0]["forgotten_id"], before[0].as_str());
    let now = home.run(&["snapshots", "--json"]).ok().json();
    assert_eq!(now[0]["id"], back[0]["snapshot_id"]);
    assert_eq!(now[0]["forgotten_id"], before[0].as_str());
    assert_eq!(now[0]["tags"], serde_json::json!(["tax"]));
    let listed = home.run(&["snapshots"]).ok();
    let told = format!("(forgotten as {first} and had back)");
    assert!(listed.out.contains(&told), "{}", listed.out);
    let target = home.text("back");
    let id = now[0]["id"].as_str().expect("an id");
    home.run(&["restore", id, "--target", &target, "--verify"])
        .ok();

    home.run(&["forget", id]).ok();
    home.run(&["prune"]).ok();
    home.run(&["unforget", first])
        .ended(1)
        .well_said()
        .says("once pruned");
    home.run(&["unforget"]).ended(2).well_said();
    home.run(&["check", "--read-data"]).ok();
}

#[test]
fn a_policy_that_would_leave_nothing_is_refused_and_none_at_all_is_a_mistake() {
    let home = with_snapshots(2);
    let typo = home.run(&["forget", "--keep-tag", "tacks"]);
    typo.ended(1).well_said().says("--even-the-last");
    assert_eq!(ids(&home).len(), 2);
    home.run(&["forget"])
        .ended(2)
        .well_said()
        .says("--keep-daily");
    home.run(&["forget", "--keep-last", "0"])
        .ended(2)
        .well_said();
    home.run(&["forget", "--keep-last", "1", "latest"])
        .ended(2)
        .well_said();
    home.run(&["forget", "--keep-within", "7"])
        .ended(2)
        .well_said();
    home.run(&["forget", "--keep-last", "1", "--device", "nobody"])
        .ended(2)
        .well_said();
    // What is not asked about stays.
    home.run(&["forget", "--keep-last", "1", "--host", "elsewhere"])
        .ok();
    assert_eq!(ids(&home).len(), 2);
    home.run(&["forget", "--keep-tag", "tacks", "--even-the-last"])
        .ok();
    assert!(ids(&home).is_empty());
}

#[test]
fn what_is_pinned_stays_until_it_is_unpinned() {
    let home = with_snapshots(2);
    let before = ids(&home);
    let first = &before[0][..8];
    home.run(&["pin", first]).ok().well_said();
    let listed = home.run(&["snapshots", "--json"]).ok().json();
    assert_eq!(
        (&listed[0]["pinned"], &listed[1]["pinned"]),
        (&true.into(), &false.into())
    );
    let listed = home.run(&["snapshots"]).ok();
    assert_eq!(listed.out.matches("(pinned)").count(), 1, "{}", listed.out);
    home.run(&["forget", first])
        .ended(1)
        .well_said()
        .says("ownkey unpin");
    home.run(&["forget", "--keep-tag", "tacks"])
        .ended(1)
        .says("--even-the-last");
    let kept = home.run(&["forget", "--keep-last", "1"]).ok();
    assert!(kept.out.contains("stays  pinned"), "{}", kept.out);
    assert_eq!(ids(&home), before);
    home.run(&["unpin", first]).ok().well_said();
    home.run(&["forget", "--keep-last", "1"]).ok();
    assert_eq!(ids(&home), before[1..]);
    home.run(&["pin", first]).ended(1).well_said();
    home.run(&["pin"]).ended(2).well_said();
}

#[test]
fn a_profile_says_once_what_stays_and_the_space_is_given_back() {
    let home = with_snapshots(3);
    let before = ids(&home);
    let settings = "[profile.default.retention]\nkeep-last = 1\n";
    std::fs::write(home.path("config.toml"), settings).expect("settings");
    let config = home.path("config.toml");
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        crate::home::run(command.env("OWNKEY_CONFIG", &config))
    };
    run(&["forget", "--keep-last", "3"]).ok();
    assert_eq!(ids(&home), before);
    run(&["forget", "--prune", "--dry-run"]).ended(2);
    let done = run(&["forget", "--prune"]).ok().well_said();
    assert!(!done.out.contains("unforget"), "{}", done.out);
    assert!(done.out.contains("deleted "), "{}", done.out);
    assert_eq!(ids(&home), before[2..]);
    let target = home.text("back");
    home.run(&["restore", "latest", "--target", &target]).ok();
    home.run(&["check", "--read-data"]).ok();
    std::fs::write(&config, "[profile.default.retention]\nkeep-lats = 1\n").expect("settings");
    run(&["forget"]).ended(2).well_said();
}

/// Bytes that do not compress, other ones for each seed.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(1 << 20).collect()
}

#[test]
fn a_policy_gives_back_the_space_of_what_was_forgotten_before_it_and_not_of_what_it_forgets() {
    let home = Home::with_repository();
    home.make_source();
    let source = home.text("src");
    let mut first = Vec::new();
    for seed in 1..=3 {
        std::fs::write(home.path("src/notes.txt"), noise(seed)).expect("a file");
        home.run(&["backup", &source]).ok();
        first = ids(&home);
    }
    let policy = ["forget", "--keep-last"];
    let run = |more: &[&str]| home.run(&[&policy[..], more].concat()).ok().well_said();

    let nothing_before = run(&["2"]);
    assert!(
        !nothing_before.out.contains("deleted"),
        "{}",
        nothing_before.out
    );
    home.run(&["unforget", &first[0]]).ok();
    // What was had back is the newest entry, and the oldest backup.
    run(&["2"]);

    let kept = run(&["1", "--no-prune"]);
    assert!(!kept.out.contains("deleted"), "{}", kept.out);
    home.run(&["unforget", &first[1]]).ok();
    let pruned = run(&["1"]);
    assert!(pruned.out.contains("deleted"), "{}", pruned.out);
    assert!(pruned.out.contains("forgot 1 snapshot"), "{}", pruned.out);
    home.run(&["unforget", &first[0]]).ended(1).well_said();
    // What this run forgot is still there.
    home.run(&["unforget", &first[1]]).ok();
    home.run(&["check", "--read-data"]).ok();
}
