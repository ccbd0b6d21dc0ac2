//! Logs that grow long: folds say what the entries say, and are all that a newcomer reads.

use std::sync::Arc;

use ownkey_crypto::ObjectHash;
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::repository::Repository;
use ownkey_storage::{MemoryStorage, Operation, Storage};
use ownkey_testkit::Recording;

use crate::attacks::cbor::Cbor;
use crate::attacks::forger::{Forger, Said, names_under};
use crate::attacks::scene::{Scene, write};
use crate::world::World;

fn ids(repository: &Repository) -> Vec<ObjectHash> {
    let mut ids: Vec<ObjectHash> = repository
        .snapshots()
        .into_iter()
        .map(|snapshot| snapshot.id)
        .collect();
    ids.sort();
    ids
}

#[test]
fn after_130_backups_opening_reads_a_few_entries_and_knows_every_snapshot() {
    let world = World::in_memory(800);
    let source = world.path("source");
    write(&source.join("f"), b"content");
    let recording = Arc::new(Recording::new(Arc::new(MemoryStorage::new())));
    let storage: Arc<dyn Storage> = recording.clone();
    let founded = world.init(&storage);
    let mut repository = founded.repository;
    let mut made: Vec<ObjectHash> = (0..130)
        .map(|_| world.backup(&mut repository, &source).snapshot)
        .collect();
    made.sort();
    let entries = names_under(&storage, "log/").len();
    assert_eq!(entries, 1 + 2 * 130);

    // This machine, and one that has never been here.
    drop(recording.take());
    let mut again = world.open(&storage).unwrap();
    let own = recording.count(Operation::Get, "log/");
    drop(recording.take());
    let newcomer = World::in_memory(9800);
    let credential = ownkey_engine::repository::Credential::RecoveryKey(&founded.recovery_key);
    let theirs = ownkey_engine::repository::open(
        &newcomer.environment,
        &storage,
        credential,
        &newcomer.monitor,
    )
    .unwrap();
    let new = recording.count(Operation::Get, "log/");
    println!("{entries} entries: reopening reads {own}, a newcomer {new}");
    // From the fold at 256 to the end, and once behind the end of each of two logs.
    assert!(own <= 10 && new <= 10, "{own} {new}");
    assert_eq!(ids(&again), made);
    assert_eq!(ids(&theirs), made);

    // The same as all entries from the first one say; and it goes on.
    let report = check::run(&again, ReadData::No, &world.monitor).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.log_entries, entries as u64);
    made.push(world.backup(&mut again, &source).snapshot);
    made.sort();
    assert_eq!(ids(&world.open(&storage).unwrap()), made);
}

/// Fills the log of `forger` to the entry that carries a fold, and puts that one.
fn fold_at_64(forger: &Forger, fold: Vec<(u64, Cbor)>) {
    while forger.tip(&forger.me()).is_none_or(|tip| tip.seq < 63) {
        forger.heartbeat();
    }
    forger.say(Said {
        fold: Some(Cbor::Map(fold).encode()),
        ..Said::of(7, Cbor::Map(vec![]))
    });
}

fn empty_fold() -> Vec<(u64, Cbor)> {
    [1, 2, 3, 4, 7, 8]
        .map(|key| (key, Cbor::Array(vec![])))
        .into()
}

#[test]
fn a_fold_that_leaves_something_out_is_found_by_a_check() {
    let scene = Scene::new(801);
    let forger = scene.forger();
    fold_at_64(&forger, empty_fold());
    let (world, opened) = scene.newcomer(9801);
    let repository = opened.unwrap();
    assert!(
        repository.snapshots().is_empty(),
        "the fold is its author's word"
    );
    let report = check::run(&repository, ReadData::No, &world.monitor).unwrap();
    let told: Vec<&str> = report
        .findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert!(
        told.iter()
            .any(|message| message.contains("/0000000000000040 carries a state")),
        "{told:?}"
    );
}

#[test]
fn a_fold_that_says_what_the_entries_say_is_no_finding() {
    let scene = Scene::new(802);
    let second = scene.second_forger();
    fold_at_64(&second, empty_fold());
    scene.open().unwrap();
    scene.attempt().complete();
    let report = check::run(&scene.open().unwrap(), ReadData::No, &scene.world.monitor).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn a_listing_without_entries_costs_a_newcomer_time_and_hides_nothing() {
    let scene = Scene::new(805);
    let second = scene.second_forger();
    fold_at_64(&second, empty_fold());
    let honest = ids(&scene.newcomer(9805).1.unwrap());
    for name in names_under(&scene.storage, "log/") {
        scene.lying.tell(ownkey_testkit::Lie::Unlist(name));
    }
    assert_eq!(ids(&scene.newcomer(9806).1.unwrap()), honest);
    assert_eq!(honest.len(), 1);
}

#[test]
fn a_fold_that_breaks_the_format_is_named_with_its_entry() {
    for fold in [
        vec![],
        vec![(1, Cbor::Unsigned(0))],
        vec![(9, Cbor::Unsigned(0))],
    ] {
        let scene = Scene::new(803);
        let second = scene.second_forger();
        fold_at_64(&second, fold);
        let opened = scene.newcomer(9803).1.err();
        let name = ownkey_engine::format::layout::log_entry(&second.me(), 64);
        assert!(
            matches!(&opened, Some(ownkey_engine::Error::Format { name: named, .. }) if *named == name),
            "{opened:?}"
        );
    }
}

#[test]
fn two_runs_on_one_machine_do_not_write_at_once() {
    let scene = Scene::new(804);
    let mut one = scene.open().unwrap();
    let mut other = scene.open().unwrap();
    // One after the other both go through, the second behind the first.
    scene.world.backup(&mut one, &scene.source);
    scene.world.backup(&mut other, &scene.source);
    assert_eq!(scene.open().unwrap().snapshots().len(), 3);
}
