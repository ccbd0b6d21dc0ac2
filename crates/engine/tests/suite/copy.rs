//! Copies of snapshots in a repository with other keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ownkey_engine::check::{self, ReadData};
use ownkey_engine::copy::{self, CopiedFrom, CopyReport};
use ownkey_engine::format::node::{Node, NodeKind};
use ownkey_engine::monitor::{Figure, Monitor, Problem, Silent};
use ownkey_engine::repository::{Repository, Snapshot};
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::{Browser, Found};
use ownkey_engine::{Class, Error};
use ownkey_storage::{MemoryStorage, Operation, Storage};
use ownkey_testkit::{Fault, Faulty, Lie, Moment, Recording, SeededRandom, tree};

use crate::case::{Case, assert_same, write};
use crate::world::Heard;

/// A repository to copy from and one to copy to, of one machine.
struct Pair {
    from: Case,
    recording: Arc<Recording>,
    to: Arc<dyn Storage>,
}

impl Pair {
    fn new(seed: u64, fill: impl FnOnce(&Path)) -> Self {
        let from = Case::new(seed, fill);
        let recording = Arc::new(Recording::new(Arc::new(
            MemoryStorage::new().called("second"),
        )));
        let to: Arc<dyn Storage> = recording.clone();
        from.world.init(&to);
        let _founding = recording.take();
        Self {
            from,
            recording,
            to,
        }
    }

    fn source(&self) -> &PathBuf {
        &self.from.source
    }

    fn backup(&self, storage: &Arc<dyn Storage>) {
        let mut repository = self.from.world.open(storage).unwrap();
        self.from.world.clock.advance(60);
        self.from.world.backup(&mut repository, self.source());
    }

    fn second(&self) -> Repository {
        self.from.world.open(&self.to).unwrap()
    }

    fn copy_with(&self, monitor: &dyn Monitor) -> ownkey_engine::Result<CopyReport> {
        let from = self.from.repository();
        copy::run(&from, &from.snapshots(), &mut self.second(), monitor)
    }

    fn copy(&self) -> CopyReport {
        self.copy_with(&Silent).expect("a copy")
    }

    /// Restores a snapshot of the second repository, which is sound.
    fn restored(&self, snapshot: &Snapshot) -> tempfile::TempDir {
        let repository = self.second();
        let checked = check::run(&repository, ReadData::All, &Silent).unwrap();
        assert_eq!(checked.findings, [], "the copy is sound");
        let target = tempfile::tempdir().unwrap();
        let options = RestoreOptions {
            subpath: Some(self.source().clone()),
            ..RestoreOptions::into_folder(target.path())
        };
        let browser = Browser::new(&repository).unwrap();
        restore::run(&repository, &browser, snapshot, &options, &Silent).unwrap();
        target
    }
}

fn file(repository: &Repository, snapshot: &Snapshot, path: &Path) -> Node {
    let browser = Browser::new(repository).unwrap();
    match browser.find(&snapshot.record.root, path).unwrap() {
        Found::Node(node) => *node,
        Found::Root(_) => panic!("a root"),
    }
}

#[test]
fn a_copy_is_the_snapshot_byte_for_byte_and_says_where_it_comes_from() {
    let pair = Pair::new(701, |source| {
        let spec = tree::Spec::everything().without(tree::Ingredient::Sockets);
        tree::generate(source, 71, &spec);
    });
    let report = pair.copy();
    assert_eq!(
        (report.copied.len(), report.present, report.problems),
        (1, 0, 0)
    );

    let original = pair.from.repository().snapshots().remove(0);
    let copy = pair.second().snapshots().remove(0);
    assert_eq!(report.copied[0].to, copy.id);
    let said = CopiedFrom::of(&copy.record).expect("a note");
    assert_eq!(said.repository, pair.from.repository().id());
    assert_eq!(said.snapshot, original.id);
    let (copied, was) = (&copy.record, &original.record);
    assert_eq!(
        (&copied.host, &copied.user, &copied.paths),
        (&was.host, &was.user, &was.paths)
    );
    assert_eq!(
        (copied.started, copied.problems),
        (was.started, was.problems)
    );
    assert_eq!(copied.counts.files, was.counts.files);
    assert_eq!(copied.counts.bytes, was.counts.bytes);
    assert_ne!(
        copied.root, was.root,
        "other keys give other names to chunks"
    );
    let target = pair.restored(&copy);
    assert_same(pair.source(), target.path());
}

#[test]
fn what_was_copied_is_not_copied_again_and_neither_is_a_copy_of_a_copy() {
    let pair = Pair::new(702, |source| write(&source.join("file"), b"once"));
    pair.copy();
    let _first = pair.recording.take();
    let again = pair.copy();
    assert_eq!((again.copied.len(), again.present), (0, 1));
    assert_eq!(pair.recording.count(Operation::Create, ""), 0);

    // Back where it comes from, and on to a third repository by both ways.
    let second = pair.second();
    let mut first = pair.from.repository();
    let back = copy::run(&second, &second.snapshots(), &mut first, &Silent).unwrap();
    assert_eq!((back.copied.len(), back.present), (0, 1));
    let third: Arc<dyn Storage> = Arc::new(MemoryStorage::new().called("third"));
    let mut third = pair.from.world.init(&third).repository;
    let one = copy::run(&second, &second.snapshots(), &mut third, &Silent).unwrap();
    let other = copy::run(&first, &first.snapshots(), &mut third, &Silent).unwrap();
    assert_eq!((one.copied.len(), other.copied.len()), (1, 0));
}

#[test]
fn a_copy_shares_every_chunk_with_what_was_backed_up_there() {
    let pair = Pair::new(703, |source| {
        let mut random = SeededRandom::new(5);
        write(&source.join("large"), &random.bytes(9 << 20));
        write(&source.join("small"), &random.bytes(9_000));
    });
    pair.backup(&pair.to);
    let _earlier = pair.recording.take();
    let report = pair.copy();
    assert_eq!(pair.recording.count(Operation::Create, "data/"), 0);
    // The folders above the source are in both, and others at work there change their times.
    assert!(report.new_bytes < 1000, "{}", report.new_bytes);
    let (second, large) = (pair.second(), pair.source().join("large"));
    let [own, copied] = [0, 1].map(|nth| {
        let snapshot = &second.snapshots()[nth];
        (
            CopiedFrom::of(&snapshot.record).is_some(),
            file(&second, snapshot, &large),
        )
    });
    assert_ne!(own.0, copied.0);
    assert_eq!(own.1, copied.1, "cut in the same places");
    let first = pair.from.repository();
    let there = file(&first, &first.snapshots()[0], &large);
    let lengths = |repository: &Repository, node: &Node| {
        let NodeKind::File { content, .. } = &node.kind else {
            panic!("not a file")
        };
        Browser::new(repository)
            .unwrap()
            .ids(content)
            .unwrap()
            .len()
    };
    assert!(lengths(&first, &there) > 1 && lengths(&second, &copied.1) > 1);
}

#[test]
fn an_unchanged_file_of_a_later_snapshot_is_not_read_in_the_same_run_or_a_later_one() {
    let pair = Pair::new(704, |source| {
        for folder in 0..5 {
            for name in 0..4 {
                let path = source.join(format!("folder-{folder}/file-{name}"));
                write(&path, format!("{folder} {name}").as_bytes());
            }
        }
        std::fs::hard_link(
            source.join("folder-0/file-0"),
            source.join("folder-4/linked"),
        )
        .unwrap();
    });
    write(&pair.source().join("folder-1/file-1"), b"changed");
    pair.backup(&pair.from.storage);
    let both = pair.copy();
    assert_eq!(both.copied.len(), 2);
    assert_eq!(
        both.read_files, 22,
        "all of the first and one of the second"
    );

    // The folder with one name of the linked file is taken over, the other one is not.
    write(&pair.source().join("folder-4/new"), b"new");
    pair.backup(&pair.from.storage);
    let later = pair.copy();
    assert_eq!((later.copied.len(), later.present), (1, 2));
    assert_eq!(later.read_files, 1);
    let newest = pair.second().find_snapshot("latest").unwrap();
    assert_same(pair.source(), pair.restored(&newest).path());
}

#[test]
fn a_file_that_is_damaged_is_a_problem_of_its_copy_and_the_rest_is_copied() {
    let pair = Pair::new(705, |source| {
        let mut random = SeededRandom::new(6);
        for name in ["one", "two", "three", "four"] {
            write(&source.join(name), &random.bytes(14 << 20));
        }
        write(&source.join("folder/five"), b"five");
    });
    let packs = pair.from.packs("data/");
    assert!(packs.len() > 2, "{packs:?}");
    pair.from
        .lying
        .tell(Lie::FlipBit(packs[0].clone(), 8 << 20));
    let heard = Heard::default();
    let report = pair.copy_with(&heard).unwrap();
    assert!((1..4).contains(&report.problems), "{report:?}");
    assert_eq!(heard.problems.lock().unwrap().len() as u64, report.problems);
    let copy = pair.second().snapshots().remove(0);
    assert_eq!(copy.record.problems, report.problems);
    assert_eq!(copy.record.first_problems.len() as u64, report.problems);
    let target = pair.restored(&copy);
    assert_eq!(
        std::fs::read(target.path().join("folder/five")).unwrap(),
        b"five"
    );
    let whole = ["one", "two", "three", "four"]
        .iter()
        .filter(|name| target.path().join(name).exists());
    assert_eq!(whole.count() as u64, 4 - report.problems);
    for name in std::fs::read_dir(target.path()).unwrap() {
        let name = name.unwrap().file_name();
        if name != "folder" {
            let here = std::fs::read(target.path().join(&name)).unwrap();
            assert!(
                here == std::fs::read(pair.source().join(&name)).unwrap(),
                "{name:?}"
            );
        }
    }
}

/// Stops a copy after some files, with a checkpoint before every one of them.
struct Impatient<'c> {
    pair: &'c Pair,
    files_left: AtomicI64,
}

impl Monitor for Impatient<'_> {
    fn problem(&self, problem: &Problem) {
        panic!("{problem:?}");
    }

    fn count(&self, figure: Figure, _by: u64) {
        if figure == Figure::FilesDone {
            self.pair.from.world.clock.advance(400);
            self.files_left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn cancelled(&self) -> bool {
        self.files_left.load(Ordering::Relaxed) <= 0
    }
}

#[test]
fn an_interrupted_copy_goes_on_without_storing_again_what_was_stored() {
    let pair = Pair::new(706, |source| {
        let mut random = SeededRandom::new(7);
        for number in 0..60 {
            let path = source.join(format!("folder-{number:02}/file"));
            write(&path, &random.bytes(300_000));
        }
    });
    let impatient = Impatient {
        pair: &pair,
        files_left: AtomicI64::new(30),
    };
    let stopped = pair.copy_with(&impatient);
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
    assert!(pair.second().snapshots().is_empty());
    assert!(pair.second().unfinished().is_some(), "a checkpoint");
    let _first = pair.recording.take();
    let report = pair.copy();
    assert_eq!(report.copied.len(), 1);
    let stored = pair.recording.bytes(Operation::Create, "data/");
    assert!(
        stored < 33 * 300_000 + (600 << 10),
        "{stored} bytes were stored again"
    );
    let copy = pair.second().snapshots().remove(0);
    assert_same(pair.source(), pair.restored(&copy).path());
}

#[test]
fn a_copy_that_dies_at_any_change_leaves_no_half_snapshot_and_can_be_repeated() {
    let fill = |source: &Path| {
        write(&source.join("a/file"), b"one");
        write(&source.join("b/file"), b"two");
    };
    let mut died = 0;
    for at in 0.. {
        let from = Case::new(707, fill);
        let faulty = Arc::new(Faulty::new(Arc::new(MemoryStorage::new().called("second"))));
        let to: Arc<dyn Storage> = faulty.clone();
        let mut second = from.world.init(&to).repository;
        let first = from.repository();
        faulty.arm(Fault::crash(at, Moment::After));
        let ended = copy::run(&first, &first.snapshots(), &mut second, &Silent);
        drop(second);
        let is_over = !faulty.has_failed();
        faulty.disarm();
        let mut second = from.world.open(&to).unwrap();
        if let Err(error) = ended {
            assert_eq!(error.class(), Class::Unreachable, "{at}: {error:?}");
            died += 1;
            copy::run(&first, &first.snapshots(), &mut second, &Silent).unwrap();
        }
        assert_eq!(second.snapshots().len(), 1, "{at}");
        let checked = check::run(&second, ReadData::All, &Silent).unwrap();
        assert_eq!(checked.findings, [], "{at}");
        if is_over {
            break;
        }
    }
    assert!(died > 3, "{died}");
}

#[test]
fn a_repository_is_not_copied_into_itself() {
    let pair = Pair::new(708, |source| write(&source.join("file"), b"once"));
    let first = pair.from.repository();
    let mut same = pair.from.repository();
    let refused = copy::run(&first, &first.snapshots(), &mut same, &Silent);
    assert!(matches!(refused, Err(Error::SameRepository)), "{refused:?}");
}
