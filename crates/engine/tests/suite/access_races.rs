//! Changing who has access, with a storage that dies at any moment, or a second admin at the same one.

use std::sync::{Arc, Mutex};

use ownkey_crypto::Capabilities;
use ownkey_engine::Error;
use ownkey_engine::access::{Admin, Asked, find_request};
use ownkey_storage::{MemoryStorage, ObjectName, Storage};
use ownkey_testkit::{Fault, Faulty, Moment};

use crate::access::{Case, USUAL, ask};
use crate::hook::{Before, Hooked};
use crate::world::World;

/// A case whose storage can die, and another machine that was let in, or that asked.
fn frail(seed: u64) -> (Case, Arc<Faulty>) {
    let faulty = Arc::new(Faulty::new(Arc::new(MemoryStorage::new())));
    let storage: Arc<dyn Storage> = faulty.clone();
    (Case::over(seed, storage), faulty)
}

#[test]
fn a_removal_that_dies_at_any_change_can_be_repeated() {
    let begin = || {
        let (case, faulty) = frail(1100);
        let (laptop, device) = case.enrolled(1101, USUAL);
        laptop.backup(&mut laptop.open(&case.storage).unwrap(), &case.source);
        (case, faulty, laptop, device)
    };
    let (counted, faulty, _, device) = begin();
    let before = faulty.changes();
    counted.remove(&device).unwrap();
    let changes = faulty.changes() - before;
    println!("removal: {changes} changes, each cut off before and after");
    for at in 0..changes {
        for moment in [Moment::Before, Moment::After] {
            let (case, faulty, laptop, device) = begin();
            faulty.arm(Fault::crash(at, moment));
            assert!(case.remove(&device).is_err(), "{at} {moment:?}");
            faulty.disarm();
            // Whatever is there, nothing is lost, and the same command ends it.
            case.assert_restores(&case.open());
            case.desk.backup(&mut case.open(), &case.source);
            let again = case.remove(&device);
            assert!(again.is_ok(), "{at} {moment:?}: {again:?}");
            let refused = laptop.open(&case.storage).err();
            assert!(matches!(refused, Some(Error::NoGrant)), "{at}: {refused:?}");
            let repository = case.open();
            let member = repository.roster().member(&device).unwrap();
            assert!(member.removed.is_some() && member.cut.is_some());
            case.desk.backup(&mut case.open(), &case.source);
            case.assert_restores(&case.open());
        }
    }
}

#[test]
fn an_enrolment_that_dies_at_any_change_can_be_repeated() {
    let begin = || {
        let (case, faulty) = frail(1110);
        let laptop = World::in_memory(1111);
        let asked = ask(&laptop, &case.storage).unwrap();
        (case, faulty, laptop, asked)
    };
    let approve = |case: &Case, asked: &Asked| {
        let request = find_request(&case.desk.open(&case.storage)?, &asked.code)?.request;
        case.administer(|mut admin| admin.enrol(&request, USUAL))
    };
    let (counted, faulty, _, asked) = begin();
    let before = faulty.changes();
    approve(&counted, &asked).unwrap();
    let changes = faulty.changes() - before;
    println!("enrolment: {changes} changes, each cut off before and after");
    for at in 0..changes {
        for moment in [Moment::Before, Moment::After] {
            let (case, faulty, laptop, asked) = begin();
            faulty.arm(Fault::crash(at, moment));
            assert!(approve(&case, &asked).is_err(), "{at} {moment:?}");
            faulty.disarm();
            case.assert_restores(&case.open());
            let again = approve(&case, &asked);
            assert!(again.is_ok(), "{at} {moment:?}: {again:?}");
            let mut repository = laptop.open(&case.storage).unwrap();
            laptop.backup(&mut repository, &case.source);
        }
    }
}

/// Runs a step once, just before the first roster entry is stored.
struct Rival {
    inner: Arc<dyn Storage>,
    step: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl std::fmt::Debug for Rival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rival")
    }
}

impl Before for Rival {
    fn inner(&self) -> &Arc<dyn Storage> {
        &self.inner
    }

    fn create(&self, name: &ObjectName) {
        if name.as_str().starts_with("roster/")
            && let Some(step) = self.step.lock().unwrap().take()
        {
            // The engine must not run on the threads of its own storage.
            std::thread::spawn(step).join().unwrap();
        }
    }
}

/// A second admin whose work happens just before the owner's machine changes the roster.
fn beside(
    seed: u64,
    work: impl FnOnce(&World, &Arc<dyn Storage>) + Send + 'static,
) -> (Case, Arc<World>, Arc<dyn Storage>) {
    let case = Case::new(seed);
    let (other, _) = case.enrolled(seed + 1, Capabilities::ALL);
    let other = Arc::new(other);
    let (theirs, inner) = (Arc::clone(&other), case.storage.clone());
    let rival = Rival {
        inner: case.storage.clone(),
        step: Mutex::new(Some(Box::new(move || work(&theirs, &inner)))),
    };
    (case, other, Arc::new(Hooked(rival)))
}

#[test]
fn what_two_admins_change_at_once_both_holds() {
    let rename = |world: &World, storage: &Arc<dyn Storage>, name: &str| {
        let mut repository = world.open(storage).unwrap();
        let me = repository.me();
        let mut admin = Admin::of(&mut repository, &world.monitor).unwrap();
        admin.rename(&me, name).unwrap();
    };
    let (case, other, storage) = beside(1120, move |world, storage| {
        rename(world, storage, "theirs");
    });
    rename(&case.desk, &storage, "ours");
    for repository in [case.open(), other.open(&case.storage).unwrap()] {
        let mut names: Vec<_> = repository.roster().members().map(|m| &m.label).collect();
        names.sort();
        assert_eq!(names, ["ours", "recovery key", "theirs"]);
    }
}

#[test]
fn of_two_admins_who_begin_an_epoch_at_once_one_does_or_none() {
    let begin = |world: &World, storage: &Arc<dyn Storage>| {
        let mut repository = world.open(storage).unwrap();
        Admin::of(&mut repository, &world.monitor)
            .unwrap()
            .begin_epoch()
    };
    let (case, other, storage) = beside(1130, move |world, storage| {
        begin(world, storage).unwrap();
    });
    let outcome = begin(&case.desk, &storage);
    assert!(matches!(outcome, Err(Error::Contended)), "{outcome:?}");
    for world in [&case.desk, &other] {
        let mut repository = world.open(&case.storage).unwrap();
        assert_eq!(repository.roster().current_epoch().get(), 2);
        world.backup(&mut repository, &case.source);
    }
    assert_eq!(case.open().snapshots().len(), 3);
    case.assert_restores(&case.open());
}

#[test]
fn who_is_let_in_while_an_epoch_begins_gets_its_keys() {
    let laptop = Arc::new(World::in_memory(1142));
    let theirs = Arc::clone(&laptop);
    let (case, _, storage) = beside(1140, move |world, storage| {
        let asked = ask(&theirs, storage).unwrap();
        let mut repository = world.open(storage).unwrap();
        let request = find_request(&repository, &asked.code).unwrap().request;
        let mut admin = Admin::of(&mut repository, &world.monitor).unwrap();
        admin.enrol(&request, USUAL).unwrap();
    });
    let mut repository = case.desk.open(&storage).unwrap();
    let epoch = Admin::of(&mut repository, &case.desk.monitor)
        .unwrap()
        .begin_epoch()
        .unwrap();
    let mut repository = laptop.open(&case.storage).unwrap();
    assert_eq!(repository.roster().current_epoch(), epoch);
    laptop.backup(&mut repository, &case.source);
    case.desk.backup(&mut case.open(), &case.source);
    case.assert_restores(&laptop.open(&case.storage).unwrap());
}
