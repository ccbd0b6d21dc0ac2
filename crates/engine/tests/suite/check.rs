//! Checking: what is damaged is found, named, remembered and healed by the next backup.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use ownkey_engine::Class;
use ownkey_engine::check::{self, CheckReport, ReadData};
use ownkey_engine::restore::{Outcome, RestoreOptions};
use ownkey_storage::{MemoryStorage, ObjectName, Storage};
use ownkey_testkit::{Lie, block_on, tree};

use crate::case::{Case, assert_same, problems, write, write_large};
use crate::world::{Heard, World};

fn run(case: &Case, read: ReadData) -> (CheckReport, Heard) {
    let heard = Heard::default();
    let report = check::run(&case.repository(), read, &heard).expect("the check ends");
    (report, heard)
}

fn large(seed: u64) -> Case {
    Case::new(seed, |source| {
        write_large(source, seed, 5);
        write(&source.join("small/f"), b"small");
    })
}

fn objects(case: &Case) -> check::ObjectsReport {
    check::objects(&case.world.environment, &case.storage, &Heard::default())
        .expect("the check ends")
}

fn concerned(report: &CheckReport) -> BTreeSet<PathBuf> {
    report
        .concerned
        .iter()
        .map(|concerned| concerned.path.clone())
        .collect()
}

#[test]
fn a_sound_repository_has_no_finding() {
    let case = Case::tree(20, &tree::Spec::everything());
    for read in [ReadData::No, ReadData::All] {
        let (report, heard) = run(&case, read);
        assert_eq!(report.findings, []);
        assert_eq!(report.worst(), None);
        assert!(
            report.snapshots == 1 && report.files > 10 && report.directories > 3,
            "{report:?}"
        );
        assert!(
            report.log_entries >= 3 && report.segments > 0 && report.packs > 1,
            "{report:?}"
        );
        assert_eq!((report.unreferenced, report.foreign.len()), (0, 0));
        assert_eq!(
            report.packs_read,
            if read == ReadData::All {
                report.packs
            } else {
                0
            }
        );
        assert_eq!(problems(&heard), Vec::<String>::new());
    }
    let found = objects(&case);
    assert_eq!(found.findings, []);
    assert!(found.objects > 8, "{found:?}");
    tree::unlock(&case.source);
}

#[test]
fn a_flipped_bit_is_found_where_it_is_read_and_its_files_are_named() {
    let case = large(21);
    let packs = case.packs("data/");
    assert!(packs.len() > 1);
    let pack = packs[0].clone();
    case.lying.tell(Lie::FlipBit(pack.clone(), 8 * 300_000));
    let (unread, _) = run(&case, ReadData::No);
    assert_eq!(unread.worst(), None, "nothing was read");
    let (report, heard) = run(&case, ReadData::All);
    assert_eq!(report.worst(), Some(Class::Damage));
    assert_eq!(report.damaged_packs.len(), 1);
    assert_eq!(report.packs_read, report.packs);
    let named = concerned(&report);
    assert_eq!(
        (named.len(), report.concerned_count),
        (1, 1),
        "one chunk of one file: {named:?}"
    );
    assert!(
        named.iter().all(|path| path.starts_with(&case.source)),
        "{named:?}"
    );
    assert!(
        report.concerned[0].message.contains(pack.as_str()),
        "{:?}",
        report.concerned
    );
    assert_eq!(problems(&heard).len(), 1);
    assert_eq!(objects(&case).damaged, [pack]);
    // What it names is what a restore misses.
    let target = case.world.path("target");
    let (restored, _) = case.restore(&case.options(&target));
    assert_eq!(restored.damaged, 1);
    let missing = named.iter().next().unwrap().file_name().unwrap();
    assert!(!target.join(missing).exists());
}

#[test]
fn a_missing_and_a_shortened_pack_are_found_without_reading() {
    let case = large(22);
    let packs = case.packs("data/");
    for (lie, how) in [
        (Lie::Hide(packs[0].clone()), "is missing"),
        (Lie::Truncate(packs[0].clone(), 900_000), "has 900000 bytes"),
    ] {
        case.lying.repent();
        case.lying.tell(lie);
        let (report, _) = run(&case, ReadData::No);
        assert_eq!(report.worst(), Some(Class::Damage));
        assert!(
            report.findings[0].message.contains(how),
            "{:?}",
            report.findings
        );
        assert!(report.findings[0].message.contains(packs[0].as_str()));
        assert!(!report.concerned.is_empty(), "{report:?}");
    }
}

#[test]
fn a_damaged_pack_is_stored_anew_by_the_next_backup() {
    let case = large(23);
    let pack = case.packs("data/")[0].clone();
    case.lying.tell(Lie::FlipBit(pack, 8 * 300_000));
    let (report, _) = run(&case, ReadData::All);
    assert_eq!(report.concerned_count, 1);
    let mut repository = case.repository();
    let healed = case.world.backup(&mut repository, &case.source);
    assert!(healed.packs > 0 && healed.read_files > 0, "{healed:?}");
    drop(repository);
    let target = case.world.folder.path().join("healed");
    let (restored, heard) = case.restore(&case.options(&target));
    assert_eq!(problems(&heard), Vec::<String>::new());
    assert_eq!(restored.outcome(), Outcome::Complete);
    assert_same(&case.source, &target);
    // The damaged copy is still damaged, and no snapshot needs it any more: chunks are found by
    // what they are, so the older snapshot is healed too.
    let (after, _) = run(&case, ReadData::All);
    assert_eq!(
        (after.damaged_packs.len(), after.concerned_count),
        (1, 0),
        "{after:#?}"
    );
    // Once the pack reads well again it is trusted again.
    case.lying.repent();
    assert_eq!(run(&case, ReadData::All).0.worst(), None);
    let before = case.packs("data/");
    case.world.backup(&mut case.repository(), &case.source);
    assert_eq!(case.packs("data/"), before);
}

#[test]
fn a_missing_index_segment_is_damage_that_names_its_files() {
    let case = large(24);
    let segment = case.packs("index/")[0].clone();
    for lie in [
        Lie::Hide(segment.clone()),
        Lie::FlipBit(segment.clone(), 999),
        Lie::Truncate(segment.clone(), 10),
    ] {
        case.lying.repent();
        case.lying.tell(lie);
        let (report, _) = run(&case, ReadData::No);
        assert_eq!(report.worst(), Some(Class::Damage));
        assert_eq!(report.damaged_segments.len(), 1);
        assert!(
            report
                .findings
                .iter()
                .any(|finding| finding.message.contains(segment.as_str()))
        );
        assert!(!report.concerned.is_empty());
    }
}

#[test]
fn a_damaged_directory_pack_is_found_without_reading_data() {
    let case = large(25);
    let packs = case.packs("meta/");
    let mut found = 0;
    for pack in &packs {
        case.lying.repent();
        // In the first frame, behind the header.
        case.lying.tell(Lie::FlipBit(pack.clone(), 8 * 120));
        let (report, _) = run(&case, ReadData::No);
        if report.worst() == Some(Class::Damage) {
            found += 1;
            assert_eq!(report.damaged_packs.len(), 1, "{report:?}");
            assert!(
                report
                    .findings
                    .iter()
                    .any(|finding| finding.message.contains(pack.as_str()))
            );
            assert!(report.concerned_count > 0);
        }
    }
    assert!(found > 0);
}

#[test]
fn parts_together_read_every_pack_once() {
    let case = large(26);
    let all = run(&case, ReadData::All).0.packs_read;
    let parts: Vec<u64> = (1..=3)
        .map(|n| run(&case, ReadData::Part { n, of: 3 }).0.packs_read)
        .collect();
    assert_eq!(parts.iter().sum::<u64>(), all, "{parts:?}");
    assert_eq!(run(&case, ReadData::Percent(100.0)).0.packs_read, all);
    assert_eq!(run(&case, ReadData::Percent(0.1)).0.packs_read, 1);
    assert_eq!(run(&case, ReadData::Bytes(1)).0.packs_read, 1);
    assert_eq!(run(&case, ReadData::Bytes(0)).0.packs_read, 0);
    assert_eq!(run(&case, ReadData::Bytes(u64::MAX)).0.packs_read, all);
}

#[test]
fn what_is_not_ownkeys_is_reported_and_left_alone() {
    let case = large(27);
    let foreign = ObjectName::new("data/zz/holiday").unwrap();
    block_on(case.storage.create(&foreign, "x".into())).unwrap();
    let (report, _) = run(&case, ReadData::No);
    assert_eq!(report.worst(), None);
    assert_eq!(report.foreign, objects(&case).foreign);
    assert_eq!(report.foreign, [foreign]);
}

#[test]
fn folds_of_a_long_log_are_recomputed_and_right() {
    let world = World::new(28);
    let source = world.path("source");
    write(&source.join("f"), b"f");
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let mut repository = world.init(&storage).repository;
    for _ in 0..66 {
        world.backup(&mut repository, &source);
    }
    drop(repository);
    let repository = world.open(&storage).unwrap();
    let report = check::run(&repository, ReadData::No, &Heard::default()).unwrap();
    assert_eq!(report.findings, []);
    assert!(report.log_entries > 128, "{report:?}");
    assert_eq!(report.snapshots, 66);
}

#[test]
fn a_log_entry_changed_before_the_last_fold_is_a_lie() {
    let case = Case::new(29, |source| write(&source.join("f"), b"f"));
    let mut repository = case.repository();
    for _ in 0..33 {
        case.world.backup(&mut repository, &case.source);
    }
    drop(repository);
    let entries = case.packs("log/");
    assert!(entries.len() > 65, "{}", entries.len());
    // Opening begins at the fold and does not see it; a check does.
    for lie in [
        Lie::FlipBit(entries[3].clone(), 8 * 500),
        Lie::Hide(entries[3].clone()),
    ] {
        case.lying.repent();
        case.lying.tell(lie.clone());
        let (report, _) = run(&case, ReadData::No);
        assert_eq!(
            report.worst(),
            Some(Class::StorageLied),
            "{lie:?}: {:?}",
            report.findings
        );
    }
}

#[test]
fn a_missing_slot_and_a_missing_grant_are_found() {
    let case = Case::new(30, |source| write(&source.join("f"), b"f"));
    let slot = case.packs("keys/slot/")[0].clone();
    case.lying.tell(Lie::Hide(slot.clone()));
    let (report, _) = run(&case, ReadData::No);
    assert!(
        report.findings[0].message.contains(slot.as_str()),
        "{:?}",
        report.findings
    );
}

#[test]
fn files_of_every_snapshot_are_named_with_their_snapshot() {
    let case = large(31);
    let shared = case.packs("data/")[0].clone();
    write(&case.source.join("more"), b"more");
    case.world.backup(&mut case.repository(), &case.source);
    case.lying.tell(Lie::Hide(shared));
    let (report, _) = run(&case, ReadData::No);
    let snapshots: BTreeSet<_> = report
        .concerned
        .iter()
        .map(|concerned| concerned.snapshot)
        .collect();
    assert_eq!(snapshots.len(), 2);
    assert_eq!(report.concerned.len() as u64, report.concerned_count);
    let target = case.world.folder.path().join("target");
    let options = RestoreOptions {
        subpath: Some(case.source.clone()),
        ..RestoreOptions::into_folder(&target)
    };
    let (restored, _) = case.restore(&options);
    assert_eq!(restored.damaged * 2, report.concerned_count);
}
