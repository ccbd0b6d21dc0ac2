//! Prune: what nobody needs goes, and nothing else, whatever happens meanwhile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ownkey_crypto::ObjectHash;
use ownkey_engine::access;
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::monitor::Silent;
use ownkey_engine::prune::{self, Options, Renew, Report, Unused};
use ownkey_engine::repository::Repository;
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Class, Result};
use ownkey_storage::{MemoryStorage, ObjectName, Storage};
use ownkey_testkit::{Dump, Fault, Faulty, Moment, SeededRandom, tree};

use crate::attacks::cbor::Cbor;
use crate::attacks::forger::{Forger, Said, names_under, ready};
use crate::attacks::records::record;
use crate::attacks::scene::{copy, fast_folder, write};
use crate::hook::{Before, Hooked};
use crate::world::{Heard, World};

/// A machine, a tree, its snapshots, and what the tree was at each of them.
pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) source: PathBuf,
    pub(crate) faulty: Arc<Faulty>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) kept: Vec<(ObjectHash, tempfile::TempDir)>,
}

/// Nothing unused is left that can be helped.
pub(crate) const THOROUGH: Options = Options {
    max_unused: Unused::Bytes(0),
    max_moved: None,
    renew: Renew::Nothing,
    fresh_reads: prune::FreshReads::Claimed,
    worth_from: 0,
};

impl House {
    pub(crate) fn new(seed: u64) -> Self {
        let world = World::in_memory(seed);
        let faulty = Arc::new(Faulty::new(Arc::new(MemoryStorage::new())));
        let storage: Arc<dyn Storage> = faulty.clone();
        world.init(&storage);
        let source = world.path("source");
        Self {
            world,
            source,
            faulty,
            storage,
            kept: Vec::new(),
        }
    }

    /// Three files of which one stays, one changes in its middle, and one is another each time.
    pub(crate) fn fill(&self, state: u64) {
        let mut random = SeededRandom::new(7);
        write(&self.source.join("stays"), &random.bytes(300_000));
        let mut large = random.bytes(9 << 20);
        let middle = (4 << 20) + usize::try_from(state).unwrap() * 1_000;
        large[middle..middle + 64].fill(u8::try_from(state).unwrap());
        write(&self.source.join("changes"), &large);
        let mut other = SeededRandom::new(1_000 + state);
        write(&self.source.join("new"), &other.bytes(2 << 20));
        for number in 0..40 {
            let name = format!("folder-{}/file-{number}", number % 5);
            let text = format!(
                "file {number} in state {}",
                state * u64::from(number % 3 == 0)
            );
            write(&self.source.join(name), text.as_bytes());
        }
    }

    /// The same with less in it.
    pub(crate) fn fill_a_little(&self, state: u64) {
        let mut random = SeededRandom::new(7);
        write(&self.source.join("stays"), &random.bytes(30_000));
        write(
            &self.source.join("new"),
            &SeededRandom::new(1_000 + state).bytes(100_000),
        );
        let text = format!("a note in state {state}");
        write(&self.source.join("folder/note"), text.as_bytes());
        write(&self.source.join("other/letter"), b"the same letter");
    }

    pub(crate) fn backup(&mut self) -> ObjectHash {
        self.world.clock.advance(3_600);
        let mut repository = self.world.open(&self.storage).unwrap();
        let report = self.world.backup(&mut repository, &self.source);
        self.kept.push((report.snapshot, copy(&self.source)));
        report.snapshot
    }

    pub(crate) fn forget(&mut self, nth: usize) {
        let (id, _) = self.kept.remove(nth);
        let repository = self.world.open(&self.storage).unwrap();
        let snapshot = repository.find_snapshot(&id.to_string()).unwrap();
        drop(repository);
        Forger::of_device(&self.world, &self.storage).forget(&snapshot.device, snapshot.at);
    }

    pub(crate) fn prune(&self, options: &Options) -> Result<Report> {
        let mut repository = self.world.open(&self.storage)?;
        prune::run(&mut repository, options, &Silent)
    }

    /// Packs, and their bytes.
    pub(crate) fn packs(&self) -> (usize, u64) {
        let dump = self.dump();
        let packs = dump.iter().filter(|(name, _)| is_pack(name.as_str()));
        packs.fold((0, 0), |(count, bytes), (_, object)| {
            (count + 1, bytes + object.len() as u64)
        })
    }

    pub(crate) fn dump(&self) -> Dump {
        ready(Dump::take(self.storage.as_ref())).unwrap()
    }

    /// Everything that was kept comes back, from this machine and from what it finds in the storage alone.
    pub(crate) fn assert_whole(&self) {
        let repository = self.world.open(&self.storage).unwrap();
        let report = check::run(&repository, ReadData::All, &self.world.monitor).unwrap();
        assert_eq!(report.findings, []);
        assert_eq!(repository.snapshots().len(), self.kept.len());
        for (id, tree) in &self.kept {
            self.assert_restores(id, tree.path());
        }
    }

    fn assert_restores(&self, id: &ObjectHash, expected: &Path) {
        let repository = self.world.open(&self.storage).unwrap();
        let browser = Browser::new(&repository).unwrap();
        self.assert_restores_with((&repository, &browser), id, expected);
    }

    fn assert_restores_with(
        &self,
        (repository, browser): (&Repository, &Browser),
        id: &ObjectHash,
        expected: &Path,
    ) {
        let snapshot = repository.find_snapshot(&id.to_string()).unwrap();
        let target = tempfile::tempdir_in(fast_folder()).unwrap();
        let options = RestoreOptions {
            subpath: Some(self.source.clone()),
            ..RestoreOptions::into_folder(target.path())
        };
        let heard = Heard::default();
        restore::run(repository, browser, &snapshot, &options, &heard).unwrap();
        assert_eq!(*heard.problems.lock().unwrap(), []);
        let differences = tree::compare(expected, target.path());
        let real: Vec<_> = differences
            .iter()
            .filter(|difference| difference.path != Path::new("."))
            .collect();
        assert!(real.is_empty(), "{real:#?}");
    }
}

fn is_pack(name: &str) -> bool {
    name.starts_with("data/") || name.starts_with("meta/")
}

pub(crate) fn three_states(seed: u64) -> House {
    let mut house = House::new(seed);
    for state in 0..3 {
        house.fill(state);
        house.backup();
    }
    house
}

#[test]
fn what_only_forgotten_snapshots_need_is_deleted_and_the_rest_comes_back() {
    let mut house = three_states(1_200);
    let (_, before) = house.packs();
    house.forget(1);
    house.forget(0);
    let report = house.prune(&THOROUGH).unwrap();
    let (_, after) = house.packs();
    println!("{report:#?}");
    assert!(before - after > 4 << 20, "{before} {after}");
    assert!(report.deleted.bytes > 4 << 20);
    assert_eq!(report.left_unused, 0);
    house.assert_whole();
    let again = house.prune(&THOROUGH).unwrap();
    assert_eq!((again.deleted.objects, again.moved), (0, 0), "{again:?}");
    house.fill(3);
    house.backup();
    house.assert_whole();
}

#[test]
fn a_prune_with_nothing_to_do_stores_nothing_and_deletes_nothing() {
    let house = three_states(1_201);
    let before = house.dump();
    let report = house.prune(&THOROUGH).unwrap();
    assert_eq!(report.unused, 0, "{report:?}");
    assert_eq!(house.dump(), before);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let mut house = three_states(1_202);
    house.forget(0);
    let before = house.dump();
    let mut repository = house.world.open(&house.storage).unwrap();
    let would = prune::dry_run(&mut repository, &THOROUGH, &Silent).unwrap();
    drop(repository);
    assert_eq!(house.dump(), before);
    let did = house.prune(&THOROUGH).unwrap();
    assert_eq!(
        (would.dropped, would.emptied, would.moved, would.unused),
        (did.dropped, did.emptied, did.moved, did.unused)
    );
    assert!(would.unused > 0);
}

#[test]
fn with_everything_forgotten_no_pack_and_no_segment_is_left() {
    let mut house = three_states(1_203);
    (0..3).for_each(|_| house.forget(0));
    house.prune(&THOROUGH).unwrap();
    assert_eq!(house.packs().0, 0);
    assert_eq!(names_under(&house.storage, "index/"), []);
    house.fill(4);
    house.backup();
    house.assert_whole();
}

#[test]
fn waste_below_the_limit_stays_and_whole_packs_go() {
    let mut house = three_states(1_204);
    house.forget(0);
    let options = Options {
        max_unused: Unused::Any,
        ..THOROUGH
    };
    let report = house.prune(&options).unwrap();
    assert_eq!((report.moved, report.emptied.objects), (0, 0));
    assert!(report.left_unused > 0);
    house.assert_whole();
}

#[test]
fn no_more_is_moved_than_was_allowed() {
    let mut house = three_states(1_205);
    house.forget(0);
    let options = Options {
        max_moved: Some(0),
        ..THOROUGH
    };
    let report = house.prune(&options).unwrap();
    assert_eq!(report.moved, 0);
    house.assert_whole();
}

#[test]
fn a_prune_that_dies_at_any_change_loses_nothing_and_the_next_one_ends_it() {
    let (counted, _) = half_dead(1_206);
    let changes = {
        counted.prune(&THOROUGH).unwrap();
        counted.faulty.changes()
    };
    println!("prune: {changes} changes, each cut off before and after");
    assert!(changes >= 8, "{changes}");
    let (ended, _) = counted.packs();
    for at in 0..changes {
        for moment in [Moment::Before, Moment::After] {
            let (mut house, _) = half_dead(1_206);
            house.faulty.arm(Fault::crash(at, moment));
            let failed = house.prune(&THOROUGH).unwrap_err();
            assert_eq!(
                failed.class(),
                Class::Unreachable,
                "{at} {moment:?}: {failed:?}"
            );
            house.faulty.disarm();
            house.assert_whole();
            house.fill_a_little(3);
            house.backup();
            house.assert_whole();
            house.forget(1);
            house.prune(&THOROUGH).unwrap();
            house.assert_whole();
            let again = house.prune(&THOROUGH).unwrap();
            assert_eq!(
                (again.unused, again.deleted.objects),
                (0, 0),
                "{at} {moment:?}"
            );
            // What was stored and never named may still be about to be, for all that anybody knows.
            assert!(house.packs().0 <= ended + 2, "{at} {moment:?}");
        }
    }
}

/// A small house of which the first of two states is forgotten.
pub(crate) fn half_dead(seed: u64) -> (House, ObjectHash) {
    let mut house = House::new(seed);
    let mut ids = Vec::new();
    for state in 0..2 {
        house.fill_a_little(state);
        ids.push(house.backup());
    }
    house.forget(0);
    house.faulty.disarm();
    (house, ids[1])
}

/// Nobody reads a pack as a whole.
#[derive(Debug)]
struct InParts(Arc<dyn Storage>);

impl Before for InParts {
    fn inner(&self) -> &Arc<dyn Storage> {
        &self.0
    }

    fn create(&self, _: &ObjectName) {}

    fn get(&self, name: &ObjectName) {
        assert!(!is_pack(name.as_str()), "{name} was read as a whole");
    }
}

#[test]
fn of_a_pack_that_is_emptied_only_what_is_needed_is_read() {
    let (mut house, _) = half_dead(1_207);
    let parts: Arc<dyn Storage> = Arc::new(Hooked(InParts(house.storage.clone())));
    let storage = std::mem::replace(&mut house.storage, parts);
    assert!(house.prune(&THOROUGH).unwrap().moved > 0);
    house.storage = storage;
    house.assert_whole();
}

/// Epochs of the objects under these prefixes.
fn epochs(house: &House, prefixes: &[&str]) -> BTreeSet<u32> {
    let dump = house.dump();
    let under = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let objects = dump.iter().filter(|(name, _)| under(name.as_str()));
    objects
        .map(|(_, object)| ownkey_crypto::peek_epoch(object).unwrap().1.get())
        .collect()
}

fn begin_epoch(house: &House) {
    let mut repository = house.world.open(&house.storage).unwrap();
    let admin = access::Admin::of(&mut repository, &Silent).unwrap();
    admin.begin_epoch().unwrap();
}

const RENEWING: Options = Options {
    renew: Renew::EarlierEpochs,
    ..THOROUGH
};

#[test]
fn what_earlier_keys_sealed_is_stored_anew_and_nothing_of_it_is_left() {
    let mut house = three_states(1_207);
    begin_epoch(&house);
    house.fill(3);
    house.backup();
    assert_eq!(epochs(&house, &["data/", "meta/", "index/"]), [1, 2].into());
    let report = house.prune(&RENEWING).unwrap();
    assert_eq!(epochs(&house, &["data/", "meta/", "index/"]), [2].into());
    assert!(report.moved > 8 << 20, "{report:?}");
    house.assert_whole();
    let before = house.dump();
    house.prune(&RENEWING).unwrap();
    assert_eq!(house.dump(), before, "there is nothing left to do");
}

#[test]
fn storing_anew_under_present_keys_can_die_at_any_change_and_goes_on_where_it_was() {
    let begin = || {
        let (mut house, _) = half_dead(1_208);
        begin_epoch(&house);
        house.fill_a_little(5);
        house.backup();
        house.faulty.disarm();
        house
    };
    let counted = begin();
    counted.prune(&RENEWING).unwrap();
    let changes = counted.faulty.changes();
    println!("under present keys: {changes} changes, each cut off before and after");
    for at in 0..changes {
        for moment in [Moment::Before, Moment::After] {
            let house = begin();
            house.faulty.arm(Fault::crash(at, moment));
            house.prune(&RENEWING).unwrap_err();
            house.faulty.disarm();
            house.assert_whole();
            house.prune(&RENEWING).unwrap();
            house.assert_whole();
            let left = epochs(&house, &["data/", "meta/", "index/"]);
            assert_eq!(left, [2].into(), "{at} {moment:?}");
        }
    }
}

#[test]
fn a_reader_that_began_before_a_prune_finds_what_was_moved_meanwhile() {
    let mut house = three_states(1_209);
    house.forget(0);
    let repository = house.world.open(&house.storage).unwrap();
    let browser = Browser::new(&repository).unwrap();
    for _ in 0..2 {
        let report = house.prune(&THOROUGH).unwrap();
        assert!(report.deleted.objects > 0);
        for (id, tree) in &house.kept {
            house.assert_restores_with((&repository, &browser), id, tree.path());
        }
        // What it learned is out of date once more.
        house.forget(0);
    }
}

#[test]
fn folds_leave_out_what_is_gone_and_a_newcomer_that_begins_at_one_goes_on() {
    let mut house = House::new(1_210);
    let (mut entries, mut ever) = (0, 0);
    for state in 0..20 {
        house.fill_a_little(state);
        house.backup();
        if house.kept.len() > 2 {
            house.forget(0);
            let report = house.prune(&THOROUGH).unwrap();
            ever += report.dropped.objects + report.emptied.objects;
        }
        entries = names_under(&house.storage, "log/").len();
    }
    assert!(entries > 80, "{entries}");
    house.assert_whole();
    std::fs::remove_dir_all(&house.world.environment.cache).unwrap();
    house.assert_whole();
    // Without any memory of the logs: its own fold is where this machine begins.
    let states = house.world.environment.state.join("repositories");
    for repository in std::fs::read_dir(&states).unwrap() {
        std::fs::remove_dir_all(repository.unwrap().path().join("locations")).unwrap();
    }
    let repository = house.world.open(&house.storage).unwrap();
    let condemned = repository.condemned();
    let still = condemned.packs.len() as u64;
    assert!(
        still * 2 < ever,
        "{still} packs are still condemned, of {ever}"
    );
    drop(repository);
    house.fill_a_little(20);
    house.backup();
    house.assert_whole();
    house.forget(0);
    house.prune(&THOROUGH).unwrap();
    house.assert_whole();
}

#[test]
fn a_backup_that_died_before_its_look_and_relied_on_what_is_gone_holds_no_prune_up() {
    let mut house = three_states(1_211);
    house.forget(0);
    let repository = house.world.open(&house.storage).unwrap();
    let gone = repository.find_snapshot("latest~1").unwrap();
    drop(repository);
    house.forget(0);
    house.prune(&THOROUGH).unwrap();
    // As if it had been put just before everything that only it needs was deleted.
    let root = &gone.record.root;
    let ids = root.ids.iter().flat_map(|id| *id.as_bytes()).collect();
    let root = vec![
        Cbor::Unsigned(root.length),
        Cbor::Unsigned(u64::from(root.depth)),
        Cbor::Bytes(ids),
    ];
    Forger::of_device(&house.world, &house.storage).say(Said {
        record: Some(record(Cbor::Array(root)).encode()),
        ..Said::of(0, Cbor::Map(vec![(0, Cbor::Array(vec![]))]))
    });
    house.prune(&THOROUGH).unwrap();
    house.assert_whole();
    house.fill(6);
    house.backup();
    house.forget(0);
    house.prune(&THOROUGH).unwrap();
    house.assert_whole();
}
