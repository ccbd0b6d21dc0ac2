//! Object Lock: months of daily backups, and at every moment what was promised is locked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ownkey_crypto::RecoveryKey;
use ownkey_engine::Class;
use ownkey_engine::backup::{Locked, lock_period};
use ownkey_engine::format::time::{Clock, Timestamp};
use ownkey_engine::repository::{self, Credential};
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_storage::{MemoryStorage, Operation, Prefix, Retention, Storage, list_all};
use ownkey_testkit::{Recording, SeededRandom};

use crate::case::{assert_same, write};
use crate::world::{TestClock, World};

const DAY: i64 = 24 * 3600;
/// What is promised.
const PERIOD_DAYS: i64 = 20;
const PERIOD: Duration = Duration::from_secs(PERIOD_DAYS as u64 * DAY as u64);

fn system_time(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.seconds).unwrap())
}

fn locking(clock: &Arc<TestClock>, period: Duration) -> Arc<dyn Storage> {
    let clock = Arc::clone(clock);
    let memory = MemoryStorage::with_versions()
        .with_clock(Arc::new(move || system_time(clock.now())))
        .with_lock(period);
    Arc::new(memory)
}

/// What nobody can delete before `until`, and nothing else.
fn left_by_a_vandal(world: &World, storage: &Arc<dyn Storage>, until: SystemTime) -> MemoryStorage {
    let left = MemoryStorage::new().called("left");
    world.block_on(async {
        for object in list_all(storage.as_ref(), &Prefix::all()).await.unwrap() {
            let retention = storage.retention(&object.name).await.unwrap();
            if retention >= Retention::Until(until) {
                let bytes = storage.get(&object.name).await.unwrap();
                left.create(&object.name, bytes).await.unwrap();
            }
        }
    });
    left
}

/// Restores the newest snapshot with nothing but the kit, on another machine.
fn comes_back(left: MemoryStorage, key: &RecoveryKey, source: &Path) {
    let world = World::in_memory(900);
    let storage: Arc<dyn Storage> = Arc::new(left);
    let repository = repository::open(
        &world.environment,
        &storage,
        Credential::RecoveryKey(key),
        &world.monitor,
    )
    .expect("what is locked opens");
    let snapshot = repository.find_snapshot("latest").expect("a snapshot");
    let browser = Browser::new(&repository).expect("an index");
    let target = world.path("target");
    let options = RestoreOptions {
        subpath: Some(source.to_owned()),
        ..RestoreOptions::into_folder(&target)
    };
    let report = restore::run(&repository, &browser, &snapshot, &options, &world.monitor);
    assert_eq!(report.expect("a restore").problems, 0);
    assert_same(source, &target);
}

/// One more day in the life of a folder: one file is new, one changes, one goes.
fn churn(source: &Path, day: i64, random: &mut SeededRandom) {
    write(&source.join(format!("day-{day}")), &random.bytes(3_000));
    write(&source.join("often"), &random.bytes(500));
    let _ = std::fs::remove_file(source.join(format!("day-{}", day - 7)));
}

#[test]
fn for_months_whatever_a_promised_snapshot_needs_is_locked() {
    let world = World::in_memory(501);
    let source = world.path("source");
    let mut random = SeededRandom::new(501);
    write(&source.join("always"), &random.bytes(20_000));
    let inner = locking(&world.clock, lock_period(PERIOD));
    let recording = Arc::new(Recording::new(inner.clone()));
    let storage: Arc<dyn Storage> = recording.clone();
    let founded = world.init(&storage);
    let key = founded.recovery_key;
    drop(founded.repository);
    let mut extended: BTreeMap<String, i64> = BTreeMap::new();
    let mut requests = 0;
    let days = 4 * PERIOD_DAYS;
    for day in 0..days {
        churn(&source, day, &mut random);
        let mut repository = world.open(&storage).expect("it opens");
        repository.keep_locked(PERIOD).expect("it can lock");
        let started = system_time(world.clock.now());
        let report = world.backup(&mut repository, &source);
        let Locked { failed, until, .. } = report.locked.expect("it was asked for");
        assert_eq!(failed, 0);
        assert!(system_time(until) >= started + PERIOD);
        // Retention is never shortened, so what holds now holds until the promise ends.
        comes_back(
            left_by_a_vandal(&world, &inner, started + PERIOD),
            &key,
            &source,
        );
        for call in recording.take() {
            match call.operation {
                Operation::ExtendRetention => {
                    requests += 1;
                    let last = extended.insert(call.target.clone(), day);
                    let gap = last.map_or(i64::MAX, |last| day - last);
                    assert!(gap >= PERIOD_DAYS / 2, "{} after {gap} days", call.target);
                }
                Operation::Retention => requests += 1,
                _ => {}
            }
        }
        world.clock.advance(DAY);
    }
    // A day makes six objects, and each is looked after for some time: no more than one
    // request a day and object, and nothing like all objects every day.
    let objects = world
        .block_on(list_all(inner.as_ref(), &Prefix::all()))
        .unwrap()
        .len();
    let bound = objects as i64 * days / PERIOD_DAYS * 2 + days;
    assert!(
        requests <= bound,
        "{requests} requests for {objects} objects"
    );
    println!("{requests} requests in {days} days for {objects} objects");
}

#[test]
fn a_storage_that_does_not_lock_by_itself_is_made_to() {
    let world = World::in_memory(502);
    let source = world.path("source");
    write(&source.join("file"), b"content");
    let clock = Arc::clone(&world.clock);
    let inner: Arc<dyn Storage> = Arc::new(
        MemoryStorage::with_versions().with_clock(Arc::new(move || system_time(clock.now()))),
    );
    let founded = world.init(&inner);
    let mut repository = founded.repository;
    repository.keep_locked(PERIOD).expect("it can lock");
    let started = system_time(world.clock.now());
    let report = world.backup(&mut repository, &source);
    let locked = report.locked.expect("it was asked for");
    let objects = world
        .block_on(list_all(inner.as_ref(), &Prefix::all()))
        .unwrap();
    assert_eq!(locked.extended, objects.len() as u64);
    comes_back(
        left_by_a_vandal(&world, &inner, started + PERIOD),
        &founded.recovery_key,
        &source,
    );
    // The next day asks for what is new only.
    world.clock.advance(DAY);
    let report = world.backup(&mut repository, &source);
    let names: BTreeSet<_> = objects.into_iter().map(|object| object.name).collect();
    let now = world
        .block_on(list_all(inner.as_ref(), &Prefix::all()))
        .unwrap();
    let new = now.iter().filter(|object| !names.contains(&object.name));
    assert_eq!(report.locked.unwrap().extended, new.count() as u64);
}

#[test]
fn what_cannot_be_locked_is_told_and_the_snapshot_stands() {
    let world = World::in_memory(503);
    let source = world.path("source");
    write(&source.join("file"), b"content");
    let inner = locking(&world.clock, PERIOD / 4);
    let mut repository = world.init(&inner).repository;
    world.backup(&mut repository, &source);
    // What locks have run out, somebody deletes: a slot, which no backup reads.
    world.clock.advance(2 * PERIOD_DAYS * DAY);
    let slots = Prefix::new("keys/slot/").unwrap();
    let slots = world.block_on(list_all(inner.as_ref(), &slots)).unwrap();
    let names: Vec<_> = slots.into_iter().map(|object| object.name).collect();
    world.block_on(inner.delete(&names));
    repository.keep_locked(PERIOD).expect("it can lock");
    let report = world.backup(&mut repository, &source);
    let locked = report.locked.expect("it was asked for");
    assert_eq!(locked.failed, names.len() as u64);
    assert!(locked.extended > 0);
    let problems = world.monitor.problems.lock().unwrap();
    assert!(
        problems[0].message.contains("could not be locked"),
        "{problems:?}"
    );
    drop(problems);
    assert_eq!(world.open(&inner).unwrap().snapshots().len(), 2);
}

#[test]
fn a_storage_without_locks_is_refused_before_anything_is_done() {
    let world = World::in_memory(504);
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let mut repository = world.init(&storage).repository;
    let error = repository.keep_locked(PERIOD).expect_err("it cannot");
    assert_eq!(error.class(), Class::Failure);
    assert!(error.to_string().contains("cannot lock objects"), "{error}");
}
