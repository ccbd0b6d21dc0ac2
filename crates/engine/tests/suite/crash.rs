//! Nothing is half done: a run may end before or behind every single change of the storage, and
//! every operation may fail once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ownkey_crypto::ObjectHash;
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::format::time::{Clock, Timestamp};
use ownkey_engine::repository::{self, Founding, Guard};
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Class, Error};
use ownkey_storage::{MemoryStorage, ObjectName, Storage, StorageErrorKind};
use ownkey_testkit::{Aftermath, Fault, Faulty, Moment, SeededRandom, Step, tree};

use crate::attacks::forger::ready;
use crate::attacks::scene::{copy, fast_folder, write};
use crate::world::{Heard, World};

/// A machine, a tree, and a storage that can fail.
struct Case {
    world: World,
    source: PathBuf,
    faulty: Arc<Faulty>,
    storage: Arc<dyn Storage>,
    inner: Arc<dyn Storage>,
}

impl Case {
    fn new(seed: u64) -> Self {
        let world = World::in_memory(seed);
        let source = world.path("source");
        write(&source.join("docs/letter"), b"the content of a letter");
        write(
            &source.join("notes"),
            &b"a note, again and again; ".repeat(400),
        );
        let inner: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let faulty = Arc::new(Faulty::new(inner.clone()));
        let storage: Arc<dyn Storage> = faulty.clone();
        Self {
            world,
            source,
            faulty,
            storage,
            inner,
        }
    }

    fn init(&self) -> Result<(), Error> {
        let founding = Founding {
            device_label: "machine".to_owned(),
            guard: Guard::Nothing,
            password: None,
        };
        repository::init(
            &self.world.environment,
            &self.storage,
            &founding,
            &self.world.monitor,
        )
        .map(drop)
    }

    fn backup(&self) -> Result<ObjectHash, Error> {
        let mut repository = self.world.open(&self.storage)?;
        Ok(self
            .world
            .try_backup(&mut repository, &self.source)?
            .snapshot)
    }

    /// Another state of the tree: something new, something changed, something gone.
    fn change(&self) {
        write(
            &self.source.join("docs/letter"),
            b"the content of a longer letter",
        );
        let mut random = SeededRandom::new(9);
        write(&self.source.join("large"), &random.bytes(3 << 20));
        std::fs::remove_file(self.source.join("notes")).unwrap();
    }

    /// The snapshot comes back as `expected`, whole.
    fn assert_restores(&self, snapshot: ObjectHash, expected: &Path) {
        let repository = self.world.open(&self.storage).unwrap();
        let snapshot = repository.find_snapshot(&snapshot.to_string()).unwrap();
        let browser = Browser::new(&repository).unwrap();
        let target = tempfile::tempdir_in(fast_folder()).unwrap();
        let options = RestoreOptions {
            subpath: Some(self.source.clone()),
            ..RestoreOptions::into_folder(target.path())
        };
        let heard = Heard::default();
        restore::run(&repository, &browser, &snapshot, &options, &heard).unwrap();
        assert!(heard.problems.lock().unwrap().is_empty());
        let differences = tree::compare(expected, target.path());
        let real: Vec<_> = differences
            .iter()
            .filter(|difference| difference.path != Path::new("."))
            .collect();
        assert!(real.is_empty(), "{real:#?}");
    }

    fn assert_sound(&self) {
        let repository = self.world.open(&self.storage).unwrap();
        let report = check::run(&repository, ReadData::All, &self.world.monitor).unwrap();
        assert_eq!(report.findings, []);
    }
}

const MOMENTS: [Moment; 2] = [Moment::Before, Moment::After];

#[test]
fn an_init_that_dies_at_any_change_can_be_repeated_or_is_done() {
    let counted = Case::new(900);
    counted.init().unwrap();
    let changes = counted.faulty.changes();
    println!("init: {changes} changes, each cut off before and after");
    assert!(changes >= 6, "{changes}");
    for at in 0..changes {
        for moment in MOMENTS {
            let case = Case::new(901);
            case.faulty.arm(Fault::crash(at, moment));
            let failed = case.init().unwrap_err();
            assert_eq!(
                failed.class(),
                Class::Unreachable,
                "{at} {moment:?}: {failed:?}"
            );
            case.faulty.disarm();
            let header = ObjectName::new("ownkey").unwrap();
            if ready(case.inner.get(&header)).is_ok() {
                // It was complete but for a word to its log, and nobody makes another over it.
                assert!(
                    matches!(case.init(), Err(Error::RepositoryExists(_))),
                    "{at} {moment:?}"
                );
            } else {
                assert!(
                    matches!(case.backup(), Err(Error::NoRepository(_))),
                    "{at} {moment:?}"
                );
                case.init().unwrap();
            }
            let snapshot = case.backup().unwrap();
            case.assert_restores(snapshot, &copy(&case.source).path().join(""));
        }
    }
}

#[test]
fn a_first_backup_that_dies_at_any_change_leaves_a_repository_that_the_next_run_completes() {
    let counted = Case::new(902);
    counted.init().unwrap();
    counted.faulty.disarm();
    counted.backup().unwrap();
    let changes = counted.faulty.changes();
    println!("first backup: {changes} changes, each cut off before and after");
    assert!(changes >= 5, "{changes}");
    for at in 0..changes {
        for moment in MOMENTS {
            let case = Case::new(903);
            case.init().unwrap();
            case.faulty.arm(Fault::crash(at, moment));
            let failed = case.backup().unwrap_err();
            assert_eq!(
                failed.class(),
                Class::Unreachable,
                "{at} {moment:?}: {failed:?}"
            );
            case.faulty.disarm();
            let there = case.world.open(&case.storage).unwrap().snapshots();
            // The Confirm was stored and the answer was lost: then it counts, and is whole.
            let confirmed = at == changes - 1 && moment == Moment::After;
            assert_eq!(there.len(), usize::from(confirmed), "{at} {moment:?}");
            let copied = copy(&case.source);
            for snapshot in there {
                case.assert_restores(snapshot.id, copied.path());
            }
            let next = case.backup().unwrap();
            case.assert_restores(next, copied.path());
            case.assert_sound();
        }
    }
}

#[test]
fn a_later_backup_that_dies_at_any_change_leaves_older_snapshots_as_they_were() {
    let counted = Case::new(904);
    counted.init().unwrap();
    counted.backup().unwrap();
    counted.change();
    counted.faulty.disarm();
    counted.backup().unwrap();
    let changes = counted.faulty.changes();
    println!("second backup: {changes} changes, each cut off before and after");
    for at in 0..changes {
        for moment in MOMENTS {
            let case = Case::new(905);
            case.init().unwrap();
            let before = copy(&case.source);
            let first = case.backup().unwrap();
            case.change();
            case.faulty.arm(Fault::crash(at, moment));
            let failed = case.backup().unwrap_err();
            assert_eq!(
                failed.class(),
                Class::Unreachable,
                "{at} {moment:?}: {failed:?}"
            );
            case.faulty.disarm();
            case.assert_restores(first, before.path());
            let next = case.backup().unwrap();
            case.assert_restores(first, before.path());
            case.assert_restores(next, copy(&case.source).path());
            case.assert_sound();
        }
    }
}

/// Minutes pass between any two looks at it, so that checkpoints come all the time.
struct Rushing(AtomicU64);

impl Clock for Rushing {
    fn now(&self) -> Timestamp {
        let now = self.0.fetch_add(400, Ordering::Relaxed);
        Timestamp::new(i64::try_from(now).unwrap(), 0).unwrap()
    }
}

/// A tree with a checkpoint in nearly every folder.
fn with_checkpoints(seed: u64) -> Case {
    let mut case = Case::new(seed);
    for folder in 0..6 {
        write(
            &case.source.join(format!("folder-{folder}/file")),
            format!("content of file {folder}").as_bytes(),
        );
    }
    case.world.environment.clock = Arc::new(Rushing(AtomicU64::new(1 << 33)));
    case.init().unwrap();
    case
}

#[test]
fn a_backup_that_dies_at_any_change_between_checkpoints_is_browsable_and_goes_on() {
    let counted = with_checkpoints(906);
    counted.faulty.disarm();
    counted.backup().unwrap();
    let changes = counted.faulty.changes();
    let (mut unfinished, mut cut_off) = (0, 0);
    for at in 0..changes {
        let case = with_checkpoints(907);
        let moment = MOMENTS[(at % 2) as usize];
        case.faulty.arm(Fault::crash(at, moment));
        // How many checkpoints fit in a run depends on its threads.
        let Err(failed) = case.backup() else { continue };
        assert_eq!(failed.class(), Class::Unreachable, "{at}: {failed:?}");
        cut_off += 1;
        case.faulty.disarm();
        let repository = case.world.open(&case.storage).unwrap();
        if let Some(left) = repository.unfinished() {
            unfinished += 1;
            let browser = Browser::new(&repository).unwrap();
            browser.nodes(&left.record.root).unwrap();
        }
        drop(repository);
        let next = case.backup().unwrap();
        case.assert_restores(next, copy(&case.source).path());
        case.assert_sound();
    }
    println!(
        "with checkpoints: {changes} changes, {cut_off} runs cut off, {unfinished} left something browsable"
    );
    assert!(unfinished > 3, "{unfinished}");
}

const KINDS: [(StorageErrorKind, Class); 5] = [
    (StorageErrorKind::Full, Class::Full),
    (StorageErrorKind::Unavailable, Class::Unreachable),
    (StorageErrorKind::Timeout, Class::Unreachable),
    (StorageErrorKind::PermissionDenied, Class::Failure),
    (StorageErrorKind::ReadOnly, Class::Failure),
];

#[test]
fn every_operation_of_a_backup_may_fail_once_in_every_way() {
    let mut failed = 0;
    for (kind, class) in KINDS {
        for number in 0.. {
            let case = Case::new(908);
            case.init().unwrap();
            case.backup().unwrap();
            // Something is new, so that there is something to store.
            write(
                &case.source.join("docs/letter"),
                format!("the content of letter {number}").as_bytes(),
            );
            case.faulty.arm(Fault::once(Step::Any, number, kind));
            let ended = case.backup();
            let came = case.faulty.has_failed();
            case.faulty.disarm();
            match ended {
                Err(error) => {
                    assert!(came, "operation {number}, {kind:?}: {error:?}");
                    assert_eq!(
                        error.class(),
                        class,
                        "operation {number}, {kind:?}: {error:?}"
                    );
                    failed += 1;
                }
                Ok(snapshot) => case.assert_restores(snapshot, copy(&case.source).path()),
            }
            let snapshot = case.backup().unwrap();
            case.assert_restores(snapshot, copy(&case.source).path());
            case.assert_sound();
            if !came {
                assert!(number > 15, "{number} operations");
                break;
            }
        }
    }
    println!("{failed} backups that one failing operation ended");
}

#[test]
fn a_storage_that_fills_up_at_any_change_says_so_and_takes_the_rest_when_there_is_room() {
    for at in 0..16 {
        let case = Case::new(909);
        case.init().unwrap();
        let before = copy(&case.source);
        let first = case.backup().unwrap();
        case.change();
        case.faulty.arm(Fault::full(at));
        let ended = case.backup();
        let came = case.faulty.has_failed();
        case.faulty.disarm();
        if !came {
            assert!(at >= 5 && ended.is_ok());
            return;
        }
        assert_eq!(ended.unwrap_err().class(), Class::Full, "{at}");
        case.assert_restores(first, before.path());
        let next = case.backup().unwrap();
        case.assert_restores(next, copy(&case.source).path());
    }
    panic!("the fault came at every one of 16 changes");
}

#[test]
fn every_read_of_a_restore_may_fail_once_and_no_wrong_byte_is_written() {
    let case = Case::new(910);
    case.init().unwrap();
    case.change();
    let snapshot = case.backup().unwrap();
    let repository = case.world.open(&case.storage).unwrap();
    let snapshot = repository.find_snapshot(&snapshot.to_string()).unwrap();
    for number in 0.. {
        let target = tempfile::tempdir_in(fast_folder()).unwrap();
        // Else only the first restore would read the index.
        std::fs::remove_dir_all(&case.world.environment.cache).unwrap();
        case.faulty
            .arm(Fault::once(Step::Read, number, StorageErrorKind::Timeout));
        let options = RestoreOptions {
            subpath: Some(case.source.clone()),
            ..RestoreOptions::into_folder(target.path())
        };
        let ended = Browser::new(&repository).and_then(|browser| {
            restore::run(
                &repository,
                &browser,
                &snapshot,
                &options,
                &Heard::default(),
            )
        });
        let came = case.faulty.has_failed();
        case.faulty.disarm();
        crate::attacks::scene::assert_nothing_wrong(&case.source, target.path());
        match ended {
            Err(error) => assert!(came && error.class() == Class::Unreachable, "{error:?}"),
            Ok(report) => {
                assert!(!came, "{report:?}");
                assert!(number >= 3, "{number} reads");
                return;
            }
        }
    }
}

/// Fails the `k`th change after it happened: the answer is lost, and then all is well again.
fn lost_answer(k: u64) -> Fault {
    Fault {
        step: Step::Change,
        at: k,
        moment: Moment::After,
        kind: StorageErrorKind::Timeout,
        aftermath: Aftermath::Recovers,
    }
}

#[test]
fn an_init_that_loses_one_answer_shows_its_key_or_can_be_repeated() {
    for change in 0.. {
        let case = Case::new(41);
        case.faulty.arm(lost_answer(change));
        let made = case.init();
        let lost = case.faulty.has_failed();
        case.faulty.disarm();
        if made.is_err() {
            case.init()
                .expect("nothing stands in the way of another try");
        }
        case.world
            .open(&case.storage)
            .expect("the repository opens");
        if !lost {
            assert!(change > 5, "only {change} changes");
            return;
        }
    }
}

#[test]
fn an_entry_whose_answer_was_lost_is_not_written_twice() {
    let case = Case::new(42);
    case.init().expect("a repository");
    for change in 0.. {
        let mut repository = case.world.open(&case.storage).expect("it opens");
        let before = repository.snapshots().len();
        case.faulty.arm(lost_answer(change));
        let done = case.world.try_backup(&mut repository, &case.source);
        let lost = case.faulty.has_failed();
        case.faulty.disarm();
        let after = case
            .world
            .open(&case.storage)
            .expect("it opens")
            .snapshots()
            .len();
        assert_eq!(
            after,
            before + usize::from(done.is_ok()),
            "change {change}: {done:?}"
        );
        if !lost {
            return;
        }
    }
}
