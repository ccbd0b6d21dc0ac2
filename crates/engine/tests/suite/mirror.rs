//! Mirrors: the same objects at a second place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ownkey_engine::check::{self, ReadData};
use ownkey_engine::mirror::{self, MirrorReport, Mode};
use ownkey_engine::monitor::Silent;
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Class, Error, Lie as Caught};
use ownkey_storage::{MemoryStorage, ObjectName, Operation, Storage};
use ownkey_testkit::{Dump, Fault, Faulty, Lie, Lying, Moment, Recording, tree};

use crate::attacks::forger::Forger;
use crate::case::{Case, assert_same, write};
use crate::hook::{Before, Hooked};

/// A repository and a place for its mirror, which can lie.
struct Scene {
    case: Case,
    lying: Arc<Lying>,
    recording: Arc<Recording>,
    copy: Arc<dyn Storage>,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let case = Case::tree(seed, &tree::Spec::plain());
        let lying = Arc::new(Lying::new(Arc::new(MemoryStorage::new().called("mirror"))));
        let recording = Arc::new(Recording::new(lying.clone()));
        let copy: Arc<dyn Storage> = recording.clone();
        Self {
            case,
            lying,
            recording,
            copy,
        }
    }

    fn run(&self, mode: Mode) -> ownkey_engine::Result<MirrorReport> {
        let environment = &self.case.world.environment;
        mirror::run(environment, &self.case.storage, &self.copy, mode, &Silent)
    }

    fn mirror(&self) -> MirrorReport {
        self.run(Mode::Copy).expect("a mirror")
    }

    fn backup(&self, text: &str) {
        write(&self.case.source.join("changing"), text.as_bytes());
        self.case.world.clock.advance(60);
        let mut repository = self.case.repository();
        self.case.world.backup(&mut repository, &self.case.source);
    }

    fn dump(&self, storage: &Arc<dyn Storage>) -> Dump {
        self.case
            .world
            .block_on(Dump::take(storage.as_ref()))
            .unwrap()
    }

    /// The copy opens, is sound, and restores to the source.
    fn assert_good(&self) {
        let repository = self.case.world.open(&self.copy).unwrap();
        let checked = check::run(&repository, ReadData::All, &Silent).unwrap();
        assert_eq!(checked.findings, []);
        let target = tempfile::tempdir().unwrap();
        let options = RestoreOptions {
            subpath: Some(self.case.source.clone()),
            ..RestoreOptions::into_folder(target.path())
        };
        let browser = Browser::new(&repository).unwrap();
        let snapshot = repository.find_snapshot("latest").unwrap();
        restore::run(&repository, &browser, &snapshot, &options, &Silent).unwrap();
        assert_same(&self.case.source, target.path());
    }

    fn packs(&self) -> Vec<ObjectName> {
        self.case.packs("data/")
    }
}

#[test]
fn a_mirror_has_the_same_objects_opens_with_the_same_key_and_restores() {
    let scene = Scene::new(721);
    let report = scene.mirror();
    let (here, there) = (scene.dump(&scene.case.storage), scene.dump(&scene.copy));
    assert_eq!(here, there);
    assert_eq!((report.copied, report.present), (here.len() as u64, 0));
    assert_eq!(report.copied_bytes, here.total_bytes());
    assert_eq!(report.findings, []);
    scene.assert_good();
}

#[test]
fn a_later_mirror_copies_what_is_new_and_an_unchanged_one_writes_nothing() {
    let scene = Scene::new(722);
    let planned = scene.run(Mode::DryRun).unwrap();
    assert!(scene.dump(&scene.copy).is_empty());
    let first = scene.mirror();
    assert_eq!(
        (planned.copied, planned.copied_bytes),
        (first.copied, first.copied_bytes)
    );
    scene.backup("something new");
    let _earlier = scene.recording.take();
    let second = scene.mirror();
    assert_eq!(second.present, first.copied);
    assert_eq!(
        scene.recording.count(Operation::Create, "") as u64,
        second.copied
    );
    scene.assert_good();
    let _earlier = scene.recording.take();
    let third = scene.mirror();
    assert_eq!(
        (third.copied, third.present),
        (0, first.copied + second.copied)
    );
    assert_eq!(scene.recording.count(Operation::Create, ""), 0);
}

#[test]
fn a_reader_of_the_copy_never_sees_an_entry_before_what_it_relies_on() {
    let scene = Scene::new(723);
    scene.backup("more");
    scene.mirror();
    let created = scene.recording.calls().into_iter();
    let created = created.filter(|call| call.operation == Operation::Create);
    let order: Vec<usize> = created
        .map(|call| {
            let kinds = [
                "data/ meta/",
                "index/",
                "keys/",
                "roster/",
                "log/",
                "ownkey",
            ];
            let folder = call.target.split_inclusive('/').next().unwrap().to_owned();
            kinds
                .iter()
                .position(|kind| kind.contains(&folder))
                .unwrap()
        })
        .collect();
    // Packs and segments go side by side; entries come behind all of them.
    let order: Vec<usize> = order.into_iter().map(|kind| kind.max(1)).collect();
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(order.last(), Some(&5), "the header is last");
}

#[test]
fn a_vandalised_copy_is_found_by_reading_it_back_and_nothing_is_overwritten() {
    let scene = Scene::new(724);
    scene.mirror();
    let pack = scene.packs().remove(0);
    scene.lying.tell(Lie::FlipBit(pack.clone(), 9_000));
    assert_eq!(scene.mirror().findings, [], "names and lengths are right");
    let read = scene.run(Mode::CopyAndVerify).unwrap();
    assert_eq!(read.verified, scene.dump(&scene.copy).len() as u64);
    assert_eq!(read.findings.len(), 1);
    assert_eq!(read.findings[0].class, Class::Damage);
    assert!(read.findings[0].message.contains(pack.as_str()), "{read:?}");

    scene.lying.repent();
    scene.lying.tell(Lie::Truncate(pack, 9_000));
    let found = scene.mirror().findings;
    assert_eq!(
        found.len(),
        1,
        "another length is seen without reading: {found:?}"
    );

    // An entry of a log has no hash for a name; it is compared with the repository's.
    scene.lying.repent();
    let dump = scene.dump(&scene.copy);
    let entry = dump.names_under("log/").next().unwrap().clone();
    scene.lying.tell(Lie::FlipBit(entry.clone(), 9_000));
    let read = scene.run(Mode::CopyAndVerify).unwrap();
    assert_eq!(read.findings.len(), 1, "{read:?}");
    assert!(read.findings[0].message.contains(entry.as_str()));
}

#[test]
fn a_repository_that_was_rolled_back_leaves_its_mirror_as_it_was() {
    let scene = Scene::new(725);
    let before = scene.dump(&scene.case.storage);
    scene.backup("what the storage takes back");
    scene.mirror();
    let mirrored = scene.dump(&scene.copy);
    scene.case.lying.switch_to(Arc::new(before.to_memory()));
    let refused = scene.run(Mode::Copy).unwrap_err();
    assert!(
        matches!(refused, Error::Lie(Caught::MirrorAhead { .. })),
        "{refused:?}"
    );
    assert_eq!(refused.class(), Class::StorageLied);
    assert_eq!(scene.dump(&scene.copy), mirrored);
}

#[test]
fn a_repository_with_another_history_is_refused_and_nothing_is_written() {
    let scene = Scene::new(726);
    let before = scene.dump(&scene.case.storage);
    let fork: Arc<dyn Storage> = Arc::new(before.to_memory());
    scene.backup("one history");
    scene.mirror();
    let mirrored = scene.dump(&scene.copy);
    // The same machine without its memory writes another one.
    let forger = Forger::of_device(&scene.case.world, &fork);
    for _ in 0..4 {
        forger.heartbeat();
    }
    scene.case.lying.switch_to(fork);
    let refused = scene.run(Mode::Copy).unwrap_err();
    assert!(
        matches!(refused, Error::Lie(Caught::OtherHistory { .. })),
        "{refused:?}"
    );
    assert_eq!(scene.dump(&scene.copy), mirrored);

    let other: Arc<dyn Storage> = Arc::new(MemoryStorage::new().called("other"));
    scene.case.world.init(&other);
    let environment = &scene.case.world.environment;
    let refused = mirror::run(
        environment,
        &scene.case.storage,
        &other,
        Mode::Copy,
        &Silent,
    );
    assert!(matches!(refused, Err(Error::Lie(_))), "{refused:?}");
}

#[test]
fn a_damaged_object_is_not_copied_and_the_rest_is() {
    let scene = Scene::new(727);
    let pack = scene.packs().remove(0);
    scene.case.lying.tell(Lie::FlipBit(pack.clone(), 9_000));
    let report = scene.mirror();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    let there = scene.dump(&scene.copy);
    assert!(there.get(&pack).is_none());
    scene.case.lying.repent();
    assert_eq!(scene.mirror().copied, 1);
    assert_eq!(scene.dump(&scene.copy), scene.dump(&scene.case.storage));
    scene.assert_good();
}

#[test]
fn a_log_with_a_gap_is_copied_up_to_it() {
    let scene = Scene::new(728);
    let dump = scene.dump(&scene.case.storage);
    let entries: Vec<_> = dump.names_under("log/").cloned().collect();
    assert!(entries.len() > 2);
    scene.case.lying.tell(Lie::Hide(entries[1].clone()));
    let report = scene.mirror();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    let there = scene.dump(&scene.copy);
    assert_eq!(there.names_under("log/").collect::<Vec<_>>(), [&entries[0]]);
    scene.case.lying.repent();
    scene.mirror();
    scene.assert_good();
}

#[test]
fn a_mirror_that_dies_at_any_change_goes_on_and_writes_nothing_twice() {
    let case = Case::new(729, |source| write(&source.join("file"), b"content"));
    let environment = &case.world.environment;
    let here = case
        .world
        .block_on(Dump::take(case.storage.as_ref()))
        .unwrap();
    for at in 0..here.len() as u64 {
        let faulty = Arc::new(Faulty::new(Arc::new(MemoryStorage::new().called("mirror"))));
        let copy: Arc<dyn Storage> = faulty.clone();
        faulty.arm(Fault::crash(at, Moment::After));
        let died = mirror::run(environment, &case.storage, &copy, Mode::Copy, &Silent);
        assert_eq!(died.unwrap_err().class(), Class::Unreachable, "{at}");
        faulty.disarm();
        let report = mirror::run(environment, &case.storage, &copy, Mode::Copy, &Silent).unwrap();
        assert!(
            report.present > at.min(1) && report.findings.is_empty(),
            "{at}: {report:?}"
        );
        let there = case.world.block_on(Dump::take(copy.as_ref())).unwrap();
        assert_eq!(here, there, "{at}");
    }
}

/// Backs up to the repository when the first pack comes to its mirror.
struct Busy {
    mirror: Arc<dyn Storage>,
    act: Box<dyn Fn() + Send + Sync>,
    done: AtomicBool,
}

impl std::fmt::Debug for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Busy").finish_non_exhaustive()
    }
}

impl Before for Busy {
    fn inner(&self) -> &Arc<dyn Storage> {
        &self.mirror
    }

    fn create(&self, _name: &ObjectName) {
        if !self.done.swap(true, Ordering::SeqCst) {
            (self.act)();
        }
    }
}

#[test]
fn a_backup_while_the_mirror_runs_is_in_it_wholly() {
    let scene = Arc::new(Scene::new(730));
    let in_step = Arc::clone(&scene);
    let busy = Hooked(Busy {
        mirror: scene.copy.clone(),
        // The engine waits for its storage, which a storage's own thread cannot do.
        act: Box::new(move || {
            let scene = Arc::clone(&in_step);
            std::thread::spawn(move || scene.backup("meanwhile"))
                .join()
                .unwrap();
        }),
        done: AtomicBool::new(false),
    });
    let busy: Arc<dyn Storage> = Arc::new(busy);
    let environment = &scene.case.world.environment;
    mirror::run(environment, &scene.case.storage, &busy, Mode::Copy, &Silent).unwrap();
    assert_eq!(scene.dump(&scene.copy), scene.dump(&scene.case.storage));
    scene.assert_good();
}

#[test]
fn only_what_is_condemned_and_gone_is_deleted_from_a_mirror() {
    let scene = Scene::new(731);
    scene.mirror();
    let copy = || scene.case.world.open(&scene.copy).unwrap();
    let pack = scene.packs().remove(0);
    // A storage that hides a pack is no reason to delete its copy.
    scene.case.lying.tell(Lie::Hide(pack.clone()));
    assert_eq!(scene.mirror().gone, 1);
    assert_eq!(
        mirror::delete_condemned(&copy(), &scene.case.storage).unwrap(),
        0
    );

    let forger = Forger::of_device(&scene.case.world, &scene.case.storage);
    let Some(ownkey_engine::format::layout::Object::Pack(condemned)) =
        ownkey_engine::format::layout::Object::parse(&pack)
    else {
        panic!("not a pack")
    };
    scene.case.lying.repent();
    forger.condemn(&[condemned], &[]);
    scene.mirror();
    assert_eq!(
        mirror::delete_condemned(&copy(), &scene.case.storage).unwrap(),
        0,
        "it is condemned and still there"
    );
    scene.case.lying.tell(Lie::Hide(pack.clone()));
    assert_eq!(
        mirror::delete_condemned(&copy(), &scene.case.storage).unwrap(),
        1
    );
    assert!(scene.dump(&scene.copy).get(&pack).is_none());
}
