//! What everyday runs ask of a storage: how many requests, and how often they wait in a row.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ownkey_engine::Error;
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_storage::{MemoryStorage, Operation, Storage};
use ownkey_testkit::{Call, Recording, tree};

use crate::case::write;
use crate::gate::{Door, Gated, Waves};
use crate::world::World;

/// Hashes name these, so a cache on this machine serves them.
const CACHEABLE: [&str; 3] = ["roster/", "index/", "meta/"];

fn is_cacheable(call: &Call) -> bool {
    let read = matches!(call.operation, Operation::Get | Operation::GetRange);
    read && CACHEABLE
        .iter()
        .any(|folder| call.target.starts_with(folder))
}

/// What is left for the storage beside what a cache serves, one line each.
fn asked(calls: &[Call]) -> Vec<String> {
    let left = calls.iter().filter(|call| !is_cacheable(call));
    left.map(|call| format!("{} {}", call.operation, call.target))
        .collect()
}

/// A repository with a few backups, and what watches it.
struct Known {
    world: World,
    recording: Arc<Recording>,
    waves: Arc<Waves>,
    storage: Arc<dyn Storage>,
    source: std::path::PathBuf,
}

impl Known {
    fn new(seed: u64) -> Self {
        let world = World::in_memory(seed);
        let source = world.path("source");
        tree::generate(&source, seed, &tree::Spec::plain());
        let recording = Arc::new(Recording::new(Arc::new(MemoryStorage::new())));
        let waves = Arc::new(Waves::default());
        let plain: Arc<dyn Storage> = recording.clone();
        let mut repository = world.init(&plain).repository;
        for run in 0..3 {
            write(&source.join("changing"), format!("run {run}").as_bytes());
            world.clock.advance(60);
            world.backup(&mut repository, &source);
        }
        world.clock.advance(3600);
        let storage: Arc<dyn Storage> = Arc::new(Gated {
            inner: recording.clone(),
            gate: Arc::clone(&waves),
        });
        drop(recording.take());
        Self {
            world,
            recording,
            waves,
            storage,
            source,
        }
    }

    fn backup(&self) {
        let mut repository = self.world.open(&self.storage).expect("it opens");
        self.world.backup(&mut repository, &self.source);
    }
}

#[test]
fn a_backup_without_changes_is_thirteen_requests() {
    let known = Known::new(301);
    known.backup();
    let asked = asked(&known.recording.take());
    assert_eq!(asked.len(), 13, "{asked:#?}");
    let lists = asked.iter().filter(|call| call.starts_with("list"));
    assert!(
        lists.clone().all(|call| call == "list objects roster/"),
        "nothing but the roster is listed: {asked:#?}"
    );
    let waves = known.waves.take();
    // Logs, roster, grant and header at once; roster entries; index; Backup; look; Confirm; roster.
    assert!(waves <= 7, "{waves} waits in a row");
}

#[test]
fn a_backup_with_changes_stores_packs_side_by_side() {
    let known = Known::new(302);
    write(&known.source.join("new"), b"something new");
    known.backup();
    let calls = known.recording.take();
    let asked = asked(&calls);
    // Beside what a backup without changes asks: a data pack, a meta pack, a segment.
    assert_eq!(asked.len(), 16, "{asked:#?}");
    let waves = known.waves.take();
    assert!(waves <= 9, "{waves} waits in a row");
}

#[test]
fn the_list_of_snapshots_is_one_wait_and_the_roster() {
    let known = Known::new(303);
    let repository = known.world.open(&known.storage).expect("it opens");
    assert_eq!(repository.snapshots().len(), 3);
    let asked = asked(&known.recording.take());
    assert_eq!(asked.len(), 6, "{asked:#?}");
    let waves = known.waves.take();
    assert!(waves <= 2, "{waves} waits in a row");
}

#[test]
fn a_long_log_costs_a_known_machine_no_more_than_a_short_one() {
    let known = Known::new(304);
    let plain: Arc<dyn Storage> = known.recording.clone();
    let mut repository = known.world.open(&plain).expect("it opens");
    for _ in 0..20 {
        known.world.backup(&mut repository, &known.source);
    }
    drop((known.recording.take(), known.waves.take()));
    known.backup();
    let asked = asked(&known.recording.take());
    assert_eq!(asked.len(), 13, "{asked:#?}");
}

#[test]
fn a_machine_without_memory_reads_logs_in_few_waits() {
    let known = Known::new(305);
    let plain: Arc<dyn Storage> = known.recording.clone();
    let mut repository = known.world.open(&plain).expect("it opens");
    for _ in 0..25 {
        known.world.backup(&mut repository, &known.source);
    }
    // Only the key is left.
    for folder in std::fs::read_dir(known.world.environment.state.join("repositories")).unwrap() {
        std::fs::remove_dir_all(folder.unwrap().path().join("locations")).unwrap();
    }
    drop((known.recording.take(), known.waves.take()));
    let repository = known.world.open(&known.storage).expect("it opens");
    assert_eq!(repository.snapshots().len(), 28);
    let waves = known.waves.take();
    assert!(waves <= 16, "{waves} waits in a row");
}

#[test]
fn one_file_is_restored_with_a_few_requests() {
    let known = Known::new(306);
    let repository = known.world.open(&known.storage).expect("it opens");
    drop((known.recording.take(), known.waves.take()));
    let snapshot = repository.find_snapshot("latest").expect("a snapshot");
    let browser = Browser::new(&repository).expect("an index");
    let target = known.world.path("target");
    let options = RestoreOptions {
        subpath: Some(known.source.join("changing")),
        ..RestoreOptions::into_folder(&target)
    };
    let monitor = &known.world.monitor;
    restore::run(&repository, &browser, &snapshot, &options, monitor).expect("a restore");
    assert_eq!(std::fs::read(target.join("changing")).unwrap(), b"run 2");
    let calls = known.recording.take();
    let data = calls.iter().filter(|call| call.target.starts_with("data/"));
    assert_eq!(data.count(), 1, "{calls:#?}");
    assert_eq!(asked(&calls).len(), 1, "{calls:#?}");
}

#[test]
fn a_run_that_waits_for_the_storage_ends_when_the_user_asks() {
    let mut world = World::in_memory(307);
    let source = world.path("source");
    write(&source.join("file"), b"content");
    let asked = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&asked);
    world.environment.stop = Arc::new(move || stop.load(Ordering::SeqCst));
    let door = Arc::new(Door::default());
    let storage: Arc<dyn Storage> = Arc::new(Gated {
        inner: Arc::new(MemoryStorage::new()),
        gate: Arc::clone(&door),
    });
    let mut repository = world.init(&storage).repository;
    door.shut.store(true, Ordering::SeqCst);
    let ended = Mutex::new(None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            *ended.lock().unwrap() = Some(world.try_backup(&mut repository, &source));
        });
        while door.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        asked.store(true, Ordering::SeqCst);
    });
    let outcome = ended.into_inner().unwrap().expect("it ended");
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    // And what reads, too.
    let opened = world.open(&storage).map(drop);
    assert!(matches!(opened, Err(Error::Cancelled)), "{opened:?}");
    asked.store(false, Ordering::SeqCst);
    door.shut.store(false, Ordering::SeqCst);
    back_up_after_all(&world, &storage, &source);
}

fn back_up_after_all(world: &World, storage: &Arc<dyn Storage>, source: &Path) {
    let mut repository = world.open(storage).expect("nothing was harmed");
    world.backup(&mut repository, source);
    assert_eq!(repository.snapshots().len(), 1);
}
