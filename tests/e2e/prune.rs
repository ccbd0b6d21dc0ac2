//! `ownkey prune` and `ownkey rotate --reencrypt`

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ownkey_testkit::SeededRandom;

use crate::access::{approve, machine};
use crate::home::{Home, assert_same_tree, run};
use crate::kill::killed_after;

/// A user with so many snapshots of `src`, and what each held in `was 0`, `was 1`, …; the ids in that order.
fn with_history(count: usize, bytes: usize) -> (Home, Vec<String>) {
    let home = Home::with_repository();
    home.make_source();
    let mut random = SeededRandom::new(31);
    let backup = |nth: usize| {
        for file in ["large", "notes.txt"] {
            std::fs::write(home.path("src").join(file), random.bytes(bytes)).expect("a file");
        }
        let kept = home.path(&format!("was {nth}"));
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([home.path("src"), kept])
            .status();
        assert!(copied.expect("cp runs").success());
        let told = home.run(&["backup", "--json", "src"]).ok().json();
        let id = &told.last().expect("a summary")["snapshot_id"];
        id.as_str().expect("an id").to_owned()
    };
    let ids = (0..count).map(backup).collect();
    (home, ids)
}

#[track_caller]
fn restores(home: &Home, id: &str, nth: usize) {
    let _ = std::fs::remove_dir_all(home.path("back"));
    let from = format!("{id}:{}", home.text("src"));
    home.run(&["restore", &from, "--target", "back"]).ok();
    assert_same_tree(&home.path(&format!("was {nth}")), &home.path("back"));
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let below = entries.map(|entry| entry.expect("an entry").path());
    below
        .flat_map(|path| match path.is_dir() {
            true => files_below(&path),
            false => vec![path],
        })
        .collect()
}

fn objects(home: &Home) -> Vec<PathBuf> {
    let mut objects = files_below(&home.path("repo"));
    objects.sort();
    objects
}

/// The epochs that the headers of packs name (docs/format.md, section 5), in ascending order.
fn epochs(home: &Home) -> Vec<u32> {
    let packs = ["repo/data", "repo/meta"].map(|folder| files_below(&home.path(folder)));
    let epoch = |path: &PathBuf| {
        let bytes = std::fs::read(path).expect("a pack");
        assert_eq!(&bytes[..4], b"OWNK");
        u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"))
    };
    let mut epochs: Vec<_> = packs.iter().flatten().map(epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    epochs
}

#[test]
fn space_comes_back_after_a_forget_and_everything_else_restores() {
    let (home, ids) = with_history(3, 300_000);
    home.run(&["forget", &ids[0], &ids[1]]).ok();

    let before = objects(&home);
    let would = home.run(&["prune", "--dry-run", "--json"]).ok().json();
    let would = would.last().expect("a summary");
    assert_eq!(would["message_type"], "would-prune");
    assert!(would["packs_dropped"].as_u64() > Some(0), "{would}");
    assert_eq!(objects(&home), before, "a dry run changes nothing");

    let pruned = home
        .run(&["prune", "--max-unused", "0", "--json"])
        .ok()
        .json();
    let pruned = pruned.last().expect("a summary");
    assert_eq!(pruned["message_type"], "pruned");
    assert_eq!(pruned["bytes_left_unused"], 0, "{pruned}");
    assert!(
        pruned["bytes_deleted"].as_u64() > Some(1_000_000),
        "{pruned}"
    );

    let listed = home.run(&["snapshots", "--json"]).ok().json();
    assert_eq!(listed.len(), 1);
    home.run(&["check", "--read-data"]).ok();
    restores(&home, &ids[2], 2);
    let again = home.run(&["prune"]).ok().well_said();
    assert!(again.out.contains("nothing to prune"), "{}", again.out);
}

#[test]
fn a_machine_that_may_not_prune_is_told_so_and_deletes_nothing() {
    let (home, ids) = with_history(2, 1_000);
    approve(&home, "laptop", &[]);
    home.run(&["forget", &ids[0]]).ok();
    let before = objects(&home);
    for refused in [
        &["prune"][..],
        &["forget", &ids[1]],
        &["rotate", "--reencrypt"],
    ] {
        run(&mut machine(&home, "laptop", refused))
            .ended(1)
            .well_said()
            .says("may not");
    }
    assert_eq!(objects(&home), before);
}

#[test]
fn rotations_killed_at_random_moments_go_on_and_leave_nothing_under_earlier_keys() {
    let (home, ids) = with_history(3, 500_000);
    let mut random = SeededRandom::new(32);
    let mut kills = 0;
    for arguments in [&["rotate"][..], &["rotate", "--reencrypt"]] {
        let begun = Instant::now();
        home.run(arguments).ok();
        let micros = u64::try_from(begun.elapsed().as_micros()).expect("a short run");
        for _ in 0..10 {
            // There is something to store anew each time.
            home.run(&["rotate"]).ok();
            let moment = Duration::from_micros(random.below(micros));
            kills += u32::from(killed_after(&mut home.command(arguments), moment));
            let listed = home.run(&["snapshots", "--json"]).ok().json();
            assert_eq!(listed.len(), ids.len());
        }
    }
    assert!(kills >= 10, "only {kills} were killed");
    let ended = home.run(&["rotate", "--reencrypt", "--json"]).ok().json();
    let epoch = ended.last().expect("a summary")["epoch"].as_u64();
    assert_eq!(
        epochs(&home).into_iter().map(u64::from).collect::<Vec<_>>(),
        epoch.into_iter().collect::<Vec<_>>()
    );
    for (nth, id) in ids.iter().enumerate() {
        restores(&home, id, nth);
    }
    home.run(&["check", "--read-data"]).ok();
}
