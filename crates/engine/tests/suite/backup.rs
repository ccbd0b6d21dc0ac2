//! Backing up: what is stored, what is not stored twice, and what is said.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ownkey_engine::tree::{Browser, Found};
use ownkey_engine::format::node::NodeKind;
use ownkey_storage::{MemoryStorage, Operation, Storage};
use ownkey_testkit::{Recording, tree};

use crate::world::World;

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
    assert!(report.counts.files > 10 && report.counts.bytes > 0, "{report:?} {made:?}");
    drop(repository);

    let repository = world.open(&storage).unwrap();
    let snapshots = repository.snapshots();
    assert_eq!(snapshots.len(), 1);
    assert_eq!(snapshots[0].id, report.snapshot);
    let browser = Browser::new(&repository).unwrap();
    let Found::Node(node) = browser.find(&snapshots[0].record.root, &source).unwrap() else { panic!("not a node") };
    let NodeKind::Directory { content } = &node.kind else { panic!("not a directory") };
    let nodes = browser.nodes(content).unwrap();
    assert_eq!(nodes.len(), std::fs::read_dir(&source).unwrap().count());
}

/// When each folder above `path` last changed: they are part of a snapshot, and other tests work
/// in some of them.
fn above(path: &Path) -> Vec<SystemTime> {
    path.ancestors().skip(1).map(|folder| folder.metadata().unwrap().modified().unwrap()).collect()
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
    for _ in 0..100 {
        let before = above(&source);
        world.backup(&mut repository, &source);
        recording.take();
        let second = world.backup(&mut repository, &source);
        assert_eq!(second.read_files, 0);
        assert_eq!(recording.count(Operation::Create, "data/"), 0);
        if before != above(&source) {
            continue;
        }
        assert_eq!(second.packs, 0);
        assert_eq!(recording.count(Operation::Create, "meta/"), 0);
        let written = recording.bytes(Operation::Create, "");
        assert!(written * 100 < first.stored_bytes, "{written} of {}", first.stored_bytes);
        let roots: Vec<_> = repository.snapshots().into_iter().rev().take(2).map(|s| s.record.root).collect();
        assert_eq!(roots[0], roots[1]);
        return;
    }
    panic!("something above the tree changed all the time");
}
