//! Repair: what is damaged is made good from what is left, and nothing is ever worse than before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ownkey_crypto::ObjectHash;
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::prune;
use ownkey_engine::repair::{self, Named};
use ownkey_engine::restore::{self, Outcome, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Class, Parity};
use ownkey_storage::{MemoryStorage, ObjectName, Storage};
use ownkey_testkit::{Lie, SeededRandom, block_on, tree};

use crate::case::{Case, assert_same, problems, write, write_large};
use crate::world::{Heard, fast_folder};

fn large(seed: u64) -> Case {
    Case::new(seed, |source| {
        write_large(source, seed, 3);
        write(&source.join("small/f"), b"small");
    })
}

fn restored_wholly(case: &Case, name: &str) {
    let target = case.world.folder.path().join(name);
    let (restored, heard) = case.restore(&case.options(&target));
    assert_eq!(problems(&heard), Vec::<String>::new());
    assert_eq!(restored.outcome(), Outcome::Complete);
    assert_same(&case.source, &target);
}

/// Nothing that this machine has of the index is used again.
fn forget_index(case: &Case) {
    let cache = case.world.folder.path().join("cache");
    std::fs::remove_dir_all(&cache).unwrap();
}

#[test]
fn a_lost_index_is_made_again_from_the_packs() {
    for lie in [
        Lie::Hide,
        (|name| Lie::FlipBit(name, 999)) as fn(ObjectName) -> Lie,
    ] {
        let case = large(50);
        for segment in case.packs("index/") {
            case.lying.tell(lie(segment));
        }
        forget_index(&case);
        let lost = check::run(&case.repository(), ReadData::No, &Heard::default()).unwrap();
        assert!(lost.concerned_count > 0, "{lost:?}");

        let packs = (case.packs("data/").len() + case.packs("meta/").len()) as u64;
        let report = repair::index(&mut case.repository(), &Heard::default()).unwrap();
        assert_eq!(
            (report.unindexed, report.indexed),
            (packs, packs),
            "{report:?}"
        );
        assert_eq!((report.broken_segments, report.damaged), (1, 0));
        assert_eq!(report.named, Named::Told);
        restored_wholly(&case, "after");
        // Another machine, which has nothing but the storage, sees the same.
        forget_index(&case);
        restored_wholly(&case, "elsewhere");
        let checked = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
        assert_eq!(checked.findings, []);
        // Twice is as good as once.
        let again = repair::index(&mut case.repository(), &Heard::default()).unwrap();
        assert_eq!((again.unindexed, again.broken_segments), (0, 0));
    }
}

#[test]
fn a_new_snapshot_relies_on_packs_that_were_indexed_again() {
    let case = large(51);
    for segment in case.packs("index/") {
        case.lying.tell(Lie::Hide(segment));
    }
    forget_index(&case);
    repair::index(&mut case.repository(), &Heard::default()).unwrap();
    let data = case.packs("data/").len();
    write(&case.source.join("more"), b"more");
    let report = case.world.backup(&mut case.repository(), &case.source);
    assert!(report.counts.new_bytes < 1 << 20, "{report:?}");
    assert!(case.packs("data/").len() <= data + 1);
}

#[test]
fn a_damaged_pack_without_index_gives_what_is_good_in_it() {
    let case = large(52);
    for segment in case.packs("index/") {
        case.lying.tell(Lie::Hide(segment));
    }
    let pack = case.packs("data/")[0].clone();
    case.lying.tell(Lie::FlipBit(pack, 8 * 300_000));
    forget_index(&case);
    let report = repair::index(&mut case.repository(), &Heard::default()).unwrap();
    assert_eq!(report.damaged, 1);
    assert_eq!(
        report.salvaged.lost, 1,
        "one chunk has the wrong bit: {report:?}"
    );
    assert!(report.salvaged.again > 3, "{report:?}");
    let checked = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    assert_eq!(checked.concerned_count, 1, "{checked:?}");
    assert_eq!(checked.worst(), Some(Class::Damage));
}

/// A case whose large files are in packs with parity, and those packs.
fn protected(seed: u64, percent: f64) -> (Case, Vec<ObjectName>) {
    let case = Case::new(seed, |source| write(&source.join("small/f"), b"small"));
    let without = all_packs(&case);
    write_large(&case.source, seed, 2);
    let mut repository = case.repository();
    repository.protect(Parity::percent(percent).unwrap());
    case.world.backup(&mut repository, &case.source);
    drop(repository);
    let mut packs = all_packs(&case);
    packs.retain(|pack| !without.contains(pack));
    (case, packs)
}

/// Shows about one byte in `one_in` of an object as another one.
fn scatter(case: &Case, name: &ObjectName, (seed, one_in): (u64, usize)) {
    let mut bytes = block_on(case.storage.get(name)).unwrap().to_vec();
    let mut random = SeededRandom::new(seed);
    for _ in 0..bytes.len() / one_in {
        let at = random.index(bytes.len());
        bytes[at] ^= 1 + random.bytes(1)[0] % 255;
    }
    case.lying.tell(Lie::Plant(name.clone(), bytes.into()));
}

fn all_packs(case: &Case) -> Vec<ObjectName> {
    [case.packs("data/"), case.packs("meta/")].concat()
}

#[test]
fn one_wrong_byte_in_a_hundred_of_every_pack_heals_with_parity() {
    let (case, packs) = protected(54, 15.0);
    assert!(packs.len() >= 2);
    for (seed, pack) in (0..).zip(&packs) {
        scatter(&case, pack, (seed, 100));
    }
    let target = case.world.folder.path().join("healed");
    let (restored, heard) = case.restore(&case.options(&target));
    assert_eq!(problems(&heard), Vec::<String>::new());
    assert_eq!(restored.outcome(), Outcome::Complete);
    assert_same(&case.source, &target);
    let notes = heard.notes.lock().unwrap().join("\n");
    assert_eq!(notes.matches("healed").count(), 1, "{notes}");

    let checked = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    assert_eq!(checked.damaged_packs.len(), packs.len());
    assert_eq!(checked.concerned_count, 0);
    let report = repair::packs(&mut case.repository(), None, &Heard::default()).unwrap();
    assert_eq!(report.damaged, packs.len() as u64);
    assert_eq!((report.healed, report.missing), (report.damaged, 0));
    assert_eq!((report.salvaged.lost, report.named), (0, Named::Told));
    // What was damaged is needed no more, even if it goes.
    for pack in packs {
        case.lying.tell(Lie::Hide(pack));
    }
    restored_wholly(&case, "repaired");
    let after = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    assert_eq!(after.findings, []);
}

#[test]
fn without_parity_exactly_the_files_hit_are_named() {
    let case = large(55);
    let packs = case.packs("data/");
    scatter(&case, &packs[0], (1, 100));
    let checked = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    let named: BTreeSet<_> = checked.concerned.iter().map(|it| it.path.clone()).collect();
    let target = case.world.folder.path().join("target");
    let (restored, _) = case.restore(&case.options(&target));
    assert_eq!(restored.damaged, named.len() as u64);
    for file in ["large-0", "large-1", "large-2", "small/f"] {
        let is_named = named.contains(&case.source.join(file));
        assert_eq!(target.join(file).exists(), !is_named, "{file}: {named:?}");
    }
    assert!(!named.is_empty());
}

#[test]
fn a_pack_that_lost_its_end_heals_with_parity() {
    let (case, packs) = protected(56, 15.0);
    let pack = packs
        .into_iter()
        .max_by_key(|name| length(&case, name))
        .unwrap();
    let length = length(&case, &pack);
    case.lying.tell(Lie::Truncate(pack, length - length / 20));
    let report = repair::packs(&mut case.repository(), None, &Heard::default()).unwrap();
    assert_eq!(
        (report.damaged, report.healed, report.salvaged.lost),
        (1, 1, 0)
    );
    restored_wholly(&case, "target");
}

fn length(case: &Case, name: &ObjectName) -> u64 {
    block_on(case.storage.get(name)).unwrap().len() as u64
}

#[test]
fn what_is_good_in_a_damaged_pack_is_stored_again_and_a_backup_adds_the_rest() {
    let case = large(57);
    let pack = case.packs("data/")[0].clone();
    case.lying.tell(Lie::FlipBit(pack.clone(), 8 * 300_000));
    check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    let report = repair::packs(&mut case.repository(), None, &Heard::default()).unwrap();
    assert_eq!(
        (report.damaged, report.healed, report.salvaged.lost),
        (1, 0, 1)
    );
    assert!(report.salvaged.again > 3, "{report:?}");
    // Now the whole pack is lost: no more than one chunk was.
    case.lying.tell(Lie::Hide(pack));
    let checked = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    assert_eq!(checked.concerned_count, 1);
    assert_eq!(checked.worst(), Some(Class::Damage));
    let again = repair::packs(&mut case.repository(), None, &Heard::default()).unwrap();
    assert_eq!(again.salvaged.again, 0, "{again:?}");
    // The file is still there, and the Condemn told that it must be stored anew.
    case.world.backup(&mut case.repository(), &case.source);
    restored_wholly(&case, "target");
    let healed = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    assert_eq!(healed.findings, []);
}

#[test]
fn a_mirror_gives_what_is_missing_here() {
    let case = large(58);
    let mirror: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    for pack in all_packs(&case) {
        let bytes = block_on(case.storage.get(&pack)).unwrap();
        block_on(mirror.create(&pack, bytes)).unwrap();
    }
    for pack in case.packs("data/") {
        case.lying.tell(Lie::Hide(pack));
    }
    let report = repair::packs(&mut case.repository(), Some(&mirror), &Heard::default()).unwrap();
    assert_eq!((report.missing, report.salvaged.lost), (0, 0), "{report:?}");
    assert_eq!(report.healed, report.damaged);
    restored_wholly(&case, "target");
}

#[test]
fn packs_that_read_well_again_are_trusted_again() {
    let case = large(59);
    case.lying
        .tell(Lie::FlipBit(case.packs("data/")[0].clone(), 999_999));
    check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    case.lying.repent();
    let report = repair::packs(&mut case.repository(), None, &Heard::default()).unwrap();
    assert_eq!((report.damaged, report.sound), (0, 1));
    let again = repair::packs(&mut case.repository(), None, &Heard::default()).unwrap();
    assert_eq!((again.damaged, again.sound), (0, 0));
}

#[test]
fn a_snapshot_that_has_lost_a_file_gets_one_beside_it_without_that_file() {
    let case = large(60);
    let pack = case.packs("data/")[0].clone();
    write(&case.source.join("more"), b"more");
    case.world.backup(&mut case.repository(), &case.source);
    case.lying.tell(Lie::FlipBit(pack, 8 * 300_000));
    let checked = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    let lost: BTreeSet<_> = checked.concerned.iter().map(|it| it.path.clone()).collect();
    let old = case.repository().snapshots();
    assert_eq!((checked.concerned_snapshots.len(), lost.len()), (2, 1));

    let heard = Heard::default();
    let report = repair::snapshots(&mut case.repository(), ReadData::No, &heard).unwrap();
    assert_eq!(report.repaired.len(), 2, "{report:?}");
    assert!(
        report.repaired.iter().all(|it| it.problems == 1),
        "{report:?}"
    );
    assert_eq!(
        problems(&heard).len(),
        2,
        "each names the file that is left out"
    );
    let all = case.repository().snapshots();
    assert_eq!(all.len(), 4, "the old ones stay");
    assert!(old.iter().all(|old| all.contains(old)));
    let latest = case.repository().find_snapshot("latest").unwrap();
    let from = repair::RepairedFrom::of(&latest.record).unwrap();
    assert_eq!(from.0, old.last().unwrap().id);
    assert_eq!((latest.record.problems, latest.record.counts.files), (1, 4));
    // It comes back without any damage, and has all but that file.
    let target = case.world.folder.path().join("target");
    let (restored, heard) = case.restore(&case.options(&target));
    assert_eq!((problems(&heard), restored.damaged), (vec![], 0));
    let lost = lost.iter().next().unwrap();
    std::fs::remove_file(lost).unwrap();
    let mut differences = tree::compare(&case.source, &target);
    // The folder was changed just now.
    differences.retain(|difference| difference.path.as_os_str() != ".");
    assert!(differences.is_empty(), "{differences:#?}");
    // Twice is as good as once.
    let again = repair::snapshots(&mut case.repository(), ReadData::No, &Heard::default()).unwrap();
    assert_eq!((again.repaired, again.present), (vec![], 2));
}

#[test]
fn a_sound_repository_needs_no_repair() {
    let case = large(61);
    let objects = || [all_packs(&case), case.packs("index/"), case.packs("log/")].concat();
    let before = objects();
    let mut repository = case.repository();
    repair::index(&mut repository, &Heard::default()).unwrap();
    repair::packs(&mut repository, None, &Heard::default()).unwrap();
    repair::snapshots(&mut repository, ReadData::All, &Heard::default()).unwrap();
    assert_eq!(objects(), before);
}

/// Every file of every snapshot that comes back as it was, from what the storage alone says.
fn restorable(case: &Case, of: &[ObjectHash]) -> BTreeSet<(ObjectHash, PathBuf)> {
    forget_index(case);
    let mut whole = BTreeSet::new();
    let repository = case.repository();
    let browser = Browser::new(&repository).unwrap();
    for snapshot in repository
        .snapshots()
        .iter()
        .filter(|it| of.contains(&it.id))
    {
        let target = tempfile::tempdir_in(fast_folder()).unwrap();
        // One whose root is lost ends in an error, and nothing of it is there.
        let options = RestoreOptions::into_folder(target.path());
        let _ = restore::run(&repository, &browser, snapshot, &options, &Heard::default());
        let below = target.path().join(case.source.strip_prefix("/").unwrap());
        for name in (0..6).map(|nth| format!("file-{nth}")) {
            let there = std::fs::read(below.join(&name)).ok();
            if there.is_some() && there == std::fs::read(case.source.join(&name)).ok() {
                whole.insert((snapshot.id, name.into()));
            }
        }
    }
    whole
}

/// Up to four objects are damaged, lost, or full of wrong bytes.
fn damage(case: &Case, random: &mut SeededRandom) {
    for _ in 0..=random.below(3) {
        let objects = [case.packs("index/"), all_packs(case)].concat();
        let name = &objects[random.index(objects.len())];
        match random.below(3) {
            0 => scatter(case, name, (random.below(99), 100)),
            1 => case
                .lying
                .tell(Lie::FlipBit(name.clone(), random.below(1 << 24))),
            _ => case
                .lying
                .tell(Lie::seeded(random.below(99), name, length(case, name))),
        }
    }
}

#[test]
fn whatever_is_damaged_no_order_of_repairs_makes_less_restorable() {
    let mut saved = 0;
    for seed in 0..6 {
        let mut random = SeededRandom::new(700 + seed);
        let case = Case::new(700 + seed, |source| {
            for nth in 0..3 {
                let length = 1 + random.index(2 << 20);
                write(&source.join(format!("file-{nth}")), &random.bytes(length));
            }
        });
        for nth in 3..6 {
            let length = 1 + random.index(2 << 20);
            write(
                &case.source.join(format!("file-{nth}")),
                &random.bytes(length),
            );
        }
        let mut repository = case.repository();
        repository.protect(
            Parity::percent(15.0)
                .filter(|_| seed % 2 == 0)
                .unwrap_or_default(),
        );
        case.world.backup(&mut repository, &case.source);
        let of: Vec<_> = repository.snapshots().iter().map(|it| it.id).collect();
        drop(repository);
        damage(&case, &mut random);
        let mut before = restorable(&case, &of);
        for step in 0..4 {
            let mut repository = case.repository();
            let heard = Heard::default();
            let verb = random.below(4);
            // A repair may find that too much is lost for it; what it leaves is the question.
            match verb {
                0 => drop(repair::index(&mut repository, &heard)),
                1 => drop(repair::packs(&mut repository, None, &heard)),
                2 => drop(repair::snapshots(&mut repository, ReadData::All, &heard)),
                _ => drop(check::run(&repository, ReadData::All, &heard)),
            }
            drop(repository);
            let after = restorable(&case, &of);
            assert!(
                after.is_superset(&before),
                "seed {seed}, step {step}, verb {verb}: {before:?} {after:?}"
            );
            saved += after.len() - before.len();
            before = after;
        }
    }
    assert!(saved > 0, "no damage was ever repaired");
}

#[test]
fn a_prune_of_a_machine_that_knows_of_no_damage_keeps_the_good_copy() {
    let (case, packs) = protected(62, 15.0);
    for (seed, pack) in (0..).zip(&packs) {
        scatter(&case, pack, (seed, 100));
    }
    check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    repair::packs(&mut case.repository(), None, &Heard::default()).unwrap();
    // What this machine remembers of damage is gone, as on any other machine; the Condemn is not.
    let locations = case.world.folder.path().join("state/repositories");
    let mut forgotten = 0;
    for entry in walk(&locations) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("damaged-packs-") {
            std::fs::remove_file(entry).unwrap();
            forgotten += 1;
        }
    }
    assert_eq!(forgotten, 1);
    forget_index(&case);
    let thorough = prune::Options {
        max_unused: prune::Unused::Bytes(0),
        ..prune::Options::default()
    };
    let pruned = prune::run(&mut case.repository(), &thorough, &Heard::default()).unwrap();
    assert!(pruned.deleted.objects >= packs.len() as u64, "{pruned:?}");
    for pack in packs {
        // It was shown in place of what is deleted now.
        case.lying.tell(Lie::Hide(pack));
    }
    restored_wholly(&case, "target");
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => walk(&path),
            false => vec![path],
        })
        .collect()
}
