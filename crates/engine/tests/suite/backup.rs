//! Backing up: what is stored, what is not stored twice, and what is said.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ownkey_engine::backup::{self, Labels, Sources};
use ownkey_engine::format::node::NodeKind;
use ownkey_engine::monitor::{Figure, Monitor, Problem};
use ownkey_engine::source::{Excludes, Selection, WalkOptions};
use ownkey_engine::tree::{Browser, Found};
use ownkey_engine::{Class, Error};
use ownkey_storage::{MemoryStorage, Operation, Storage};
use ownkey_testkit::{Recording, SeededRandom, tree};

use crate::world::{TestClock, World};

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

#[test]
fn a_tree_is_backed_up_and_seen_again_by_a_fresh_run() {
    let world = World::new(1);
    let source = world.path("source");
    let made = tree::generate(&source, 7, &tree::Spec::everything());
    let storage = memory();
    let mut repository = world.init(&storage).repository;
    let report = world.backup(&mut repository, &source);
    assert!(
        report.counts.files > 10 && report.counts.bytes > 0,
        "{report:?} {made:?}"
    );
    drop(repository);

    let repository = world.open(&storage).unwrap();
    let snapshots = repository.snapshots();
    assert_eq!(snapshots.len(), 1);
    assert_eq!(snapshots[0].id, report.snapshot);
    let browser = Browser::new(&repository).unwrap();
    let Found::Node(node) = browser.find(&snapshots[0].record.root, &source).unwrap() else {
        panic!("not a node")
    };
    let NodeKind::Directory { content } = &node.kind else {
        panic!("not a directory")
    };
    let nodes = browser.nodes(content).unwrap();
    assert_eq!(nodes.len(), std::fs::read_dir(&source).unwrap().count());
}

#[test]
fn an_unchanged_tree_reads_no_file_and_stores_no_pack() {
    let world = World::new(2);
    let source = world.path("source");
    tree::generate(&source, 8, &tree::Spec::everything());
    let recording = Arc::new(Recording::new(memory()));
    let storage: Arc<dyn Storage> = recording.clone();
    let mut repository = world.init(&storage).repository;
    let first = world.backup(&mut repository, &source);
    let _earlier = recording.take();
    // What others do in the folders above is no change of what was asked for.
    world.path("a neighbour");
    let second = world.backup(&mut repository, &source);
    assert_eq!((second.read_files, second.packs), (0, 0));
    for folder in ["data/", "meta/", "index/"] {
        assert_eq!(recording.count(Operation::Create, folder), 0, "{folder}");
    }
    let written = recording.bytes(Operation::Create, "");
    assert!(
        written * 100 < first.stored_bytes,
        "{written} of {}",
        first.stored_bytes
    );
    let roots: Vec<_> = repository
        .snapshots()
        .into_iter()
        .map(|s| s.record.root)
        .collect();
    assert_eq!(roots[0], roots[1]);
}

/// Each of these has a kilobyte that does not compress by itself and that all of them have.
#[test]
fn small_files_share_frames_across_folders() {
    let world = World::new(41);
    let source = world.path("source");
    let mut random = SeededRandom::new(41);
    let common: Vec<u8> = (0..128)
        .flat_map(|_| random.next_u64().to_le_bytes())
        .collect();
    for folder in 0..20 {
        let folder = source.join(folder.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        for file in 0..50 {
            let mut content = common.clone();
            content.extend_from_slice(folder.as_os_str().as_encoded_bytes());
            content.push(file);
            std::fs::write(folder.join(file.to_string()), content).unwrap();
        }
    }
    let recording = Arc::new(Recording::new(memory()));
    let storage: Arc<dyn Storage> = recording.clone();
    let mut repository = world.init(&storage).repository;
    let report = world.backup(&mut repository, &source);
    assert_eq!(report.counts.files, 1_000);
    // A small session is padded by at most two steps of 256 KiB.
    let stored = recording.bytes(Operation::Create, "data/");
    assert!(stored <= 768 << 10, "{stored} of {}", report.counts.bytes);
}

#[test]
fn another_mode_of_a_folder_above_is_seen() {
    let world = World::new(11);
    let above = world.path("above");
    let source = above.join("source");
    std::fs::create_dir(&source).unwrap();
    let storage = memory();
    let mut repository = world.init(&storage).repository;
    world.backup(&mut repository, &source);
    std::fs::set_permissions(&above, std::fs::Permissions::from_mode(0o711)).unwrap();
    world.backup(&mut repository, &source);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let browser = Browser::new(&repository).unwrap();
    let Found::Node(node) = browser.find(&snapshot.record.root, &above).unwrap() else {
        panic!("not a node")
    };
    assert_eq!(node.metadata.mode, 0o711);
}

/// Stops a backup after some files, with a checkpoint before every one of them.
struct Impatient<'c> {
    clock: &'c TestClock,
    files_left: AtomicI64,
}

impl Monitor for Impatient<'_> {
    fn problem(&self, problem: &Problem) {
        panic!("{problem:?}");
    }

    fn count(&self, figure: Figure, by: u64) {
        if figure == Figure::FilesDone {
            self.clock.advance(400);
            self.files_left
                .fetch_sub(by.try_into().unwrap(), Ordering::Relaxed);
        }
    }

    fn cancelled(&self) -> bool {
        self.files_left.load(Ordering::Relaxed) <= 0
    }
}

fn sources(path: &Path) -> Sources {
    Sources {
        selection: Selection::new([path]).unwrap(),
        excludes: Excludes::builder(),
        walk: WalkOptions::default(),
    }
}

#[test]
fn an_interrupted_backup_is_browsable_and_goes_on_where_it_stopped() {
    let world = World::new(3);
    let source = world.path("source");
    let mut random = SeededRandom::new(5);
    for folder in 0..40 {
        let folder = source.join(format!("folder-{folder:02}"));
        std::fs::create_dir(&folder).unwrap();
        for file in 0..5 {
            std::fs::write(folder.join(format!("file-{file}")), random.bytes(100_000)).unwrap();
        }
    }
    let recording = Arc::new(Recording::new(memory()));
    let storage: Arc<dyn Storage> = recording.clone();
    let mut repository = world.init(&storage).repository;
    let impatient = Impatient {
        clock: &world.clock,
        files_left: AtomicI64::new(100),
    };
    let stopped = backup::run(
        &mut repository,
        &sources(&source),
        &Labels::default(),
        &impatient,
    );
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
    assert_eq!(stopped.unwrap_err().class(), Class::Cancelled);
    drop(repository);

    let mut repository = world.open(&storage).unwrap();
    assert!(
        repository.snapshots().is_empty(),
        "what was not confirmed is no snapshot"
    );
    let unfinished = repository.unfinished().expect("a checkpoint");
    let done = unfinished.record.counts.files;
    assert!((90..=200).contains(&done), "{done} files were done");
    let browser = Browser::new(&repository).unwrap();
    let first = source.join("folder-00/file-0");
    assert!(matches!(
        browser.find(&unfinished.record.root, &first).unwrap(),
        Found::Node(_)
    ));

    let _earlier = recording.take();
    let report = world.backup(&mut repository, &source);
    assert_eq!(report.counts.files, 200);
    assert!(
        report.read_files <= 200 - done,
        "{} of {done} done files were read again",
        report.read_files
    );
    let stored = recording.bytes(Operation::Create, "data/");
    assert!(
        stored < (200 - done + 5) * 100_000 + (600 << 10),
        "{stored} bytes were stored again"
    );
    assert_eq!(repository.snapshots().len(), 1);
    assert!(
        repository.unfinished().is_none(),
        "a checkpoint ends with the next confirmed backup"
    );
}

#[test]
fn a_failing_stream_leaves_no_snapshot_and_a_whole_one_does() {
    let world = World::new(4);
    let storage = memory();
    let mut repository = world.init(&storage).repository;
    let content = SeededRandom::new(6).bytes(9 << 20);
    let labels = Labels::default();
    let mut failing = || Err("mysqldump ended with exit code 2".to_owned());
    let failed = backup::run_stream(
        &mut repository,
        "dump.sql",
        &mut content.as_slice(),
        &mut failing,
        &labels,
        &world.monitor,
    );
    assert!(matches!(failed, Err(Error::Source(_))), "{failed:?}");
    assert!(world.open(&storage).unwrap().snapshots().is_empty());

    let report = backup::run_stream(
        &mut repository,
        "dump.sql",
        &mut content.as_slice(),
        &mut || Ok(()),
        &labels,
        &world.monitor,
    )
    .unwrap();
    let repository = world.open(&storage).unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    assert_eq!(snapshot.id, report.snapshot);
    let browser = Browser::new(&repository).unwrap();
    let Found::Node(node) = browser
        .find(&snapshot.record.root, Path::new("/dump.sql"))
        .unwrap()
    else {
        panic!()
    };
    let NodeKind::File {
        size,
        content: stream,
        ..
    } = &node.kind
    else {
        panic!()
    };
    assert_eq!(*size, 9 << 20);
    assert!(browser.ids(stream).unwrap().len() > 2);
}

#[test]
fn a_same_size_edit_with_its_time_put_back_is_seen() {
    let world = World::new(9);
    let source = world.path("source");
    let file = source.join("file");
    std::fs::write(&file, b"before").unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    let storage = memory();
    let mut repository = world.init(&storage).repository;
    let first = world.backup(&mut repository, &source);
    std::fs::write(&file, b"after!").unwrap();
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let second = world.backup(&mut repository, &source);
    assert_eq!((first.read_files, second.read_files), (1, 1));
    assert!(second.counts.new_bytes > 0);
}

#[test]
fn a_second_run_at_the_same_time_is_told_to_wait() {
    let world = World::new(10);
    let source = world.path("source");
    std::fs::write(source.join("file"), b"x").unwrap();
    let storage = memory();
    let mut repository = world.init(&storage).repository;
    let id = repository.id();
    let lock = world
        .environment
        .state
        .join("repositories")
        .join(id.to_string())
        .join("lock");
    world.backup(&mut repository, &source);
    let held = std::fs::File::open(lock).unwrap();
    held.lock().unwrap();
    assert!(matches!(
        world.try_backup(&mut repository, &source),
        Err(Error::Locked)
    ));
    drop(held);
    world.backup(&mut repository, &source);
}
