//! Who has access: enrolling, removing, replacing keys and ways back, by two machines and a storage.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ownkey_crypto::{Capabilities, DeviceId, EnrolmentCode, RecoveryKey};
use ownkey_engine::access::{self, Admin, Asked, find_request};
use ownkey_engine::format::layout;
use ownkey_engine::repository::{self, Credential, Enrolment, Repository, Way};
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Error, Result};
use ownkey_storage::{MemoryStorage, ObjectName, Storage};
use ownkey_testkit::{Dump, Fault, Faulty, Moment, tree};

use crate::attacks::forger::{names_under, ready};
use crate::attacks::scene::{fast_folder, write};
use crate::hook::{Before, Hooked};
use crate::world::{TestRandom, World};

const USUAL: Capabilities = Capabilities::READ.and(Capabilities::WRITE);

/// The owner's machine, with a tree, and the storage.
struct Case {
    desk: World,
    source: PathBuf,
    storage: Arc<dyn Storage>,
    recovery_key: RecoveryKey,
}

impl Case {
    fn new(seed: u64) -> Self {
        Self::over(seed, Arc::new(MemoryStorage::new()))
    }

    fn over(seed: u64, storage: Arc<dyn Storage>) -> Self {
        let desk = World::in_memory(seed);
        let source = desk.path("source");
        write(&source.join("letter"), b"the content of a letter");
        let founded = desk.init(&storage);
        let mut repository = founded.repository;
        desk.backup(&mut repository, &source);
        Self {
            desk,
            source,
            storage,
            recovery_key: founded.recovery_key,
        }
    }

    fn open(&self) -> Repository {
        self.desk.open(&self.storage).expect("the owner's machine")
    }

    /// What an admin does on the owner's machine.
    fn administer<T>(&self, work: impl FnOnce(Admin<'_>) -> Result<T>) -> Result<T> {
        let mut repository = self.desk.open(&self.storage)?;
        work(Admin::of(&mut repository, &self.desk.monitor)?)
    }

    /// Another machine that was let in.
    fn enrolled(&self, seed: u64, capabilities: Capabilities) -> (World, DeviceId) {
        let laptop = World::in_memory(seed);
        let Asked { code, words } = ask(&laptop, &self.storage).expect("a request");
        let request = find_request(&self.open(), &code).expect("the request");
        assert_eq!(request.identity.words(&self.open().id()), words);
        let device = self.administer(|mut admin| admin.enrol(&request, capabilities));
        (laptop, device.expect("an enrolment"))
    }

    fn remove(&self, device: &DeviceId) -> Result<()> {
        self.administer(|mut admin| {
            admin.remove(device)?;
            admin.begin_epoch().map(drop)
        })
    }

    /// Every snapshot that the repository shows restores as what was backed up.
    fn assert_restores(&self, repository: &Repository) {
        for snapshot in repository.snapshots() {
            let browser = Browser::new(repository).expect("a browser");
            let target = tempfile::tempdir_in(fast_folder()).expect("a folder");
            let options = RestoreOptions {
                subpath: Some(self.source.clone()),
                ..RestoreOptions::into_folder(target.path())
            };
            let monitor = &self.desk.monitor;
            restore::run(repository, &browser, &snapshot, &options, monitor).expect("a restore");
            let differences = tree::compare(&self.source, target.path());
            assert!(
                differences.iter().all(|one| one.path == Path::new(".")),
                "{differences:#?}"
            );
        }
    }
}

fn ask(world: &World, storage: &Arc<dyn Storage>) -> Result<Asked> {
    access::ask(&world.environment, storage, "laptop", &world.monitor)
}

fn with_recovery_key(
    world: &World,
    storage: &Arc<dyn Storage>,
    key: &RecoveryKey,
) -> Result<Repository> {
    let credential = Credential::RecoveryKey(key);
    repository::open(&world.environment, storage, credential, &world.monitor)
}

fn notes(world: &World) -> Vec<String> {
    std::mem::take(&mut *world.monitor.notes.lock().expect("no test panics here"))
}

#[test]
fn a_machine_that_is_let_in_backs_up_and_restores_without_a_password() {
    let case = Case::new(1000);
    let (laptop, device) = case.enrolled(1001, USUAL);
    let mut repository = laptop.open(&case.storage).unwrap();
    assert_eq!(repository.me(), device);
    let packs = names_under(&case.storage, "data/").len();
    laptop.backup(&mut repository, &case.source);
    assert_eq!(
        names_under(&case.storage, "data/").len(),
        packs,
        "what the owner stored is found"
    );
    case.assert_restores(&laptop.open(&case.storage).unwrap());
    case.assert_restores(&case.open());
    assert_eq!(case.open().snapshots().len(), 2);
}

#[test]
fn a_machine_that_nobody_let_in_opens_nothing_and_may_ask_again() {
    let case = Case::new(1010);
    let laptop = World::in_memory(1011);
    let first = ask(&laptop, &case.storage).unwrap();
    let refused = laptop.open(&case.storage).err();
    assert!(matches!(refused, Some(Error::NoGrant)), "{refused:?}");
    let second = ask(&laptop, &case.storage).unwrap();
    assert_ne!(first.words, second.words, "other keys");
    for (asked, opens) in [(first, false), (second, true)] {
        let request = find_request(&case.open(), &asked.code).unwrap();
        case.administer(|mut admin| admin.enrol(&request, USUAL))
            .unwrap();
        assert_eq!(laptop.open(&case.storage).is_ok(), opens);
    }
    let enrolled = ask(&laptop, &case.storage).err();
    assert!(matches!(enrolled, Some(Error::AlreadyEnrolled(_))));
}

#[test]
fn a_key_that_came_with_a_copied_disk_is_not_used_and_the_copy_enrols_anew() {
    let case = Case::new(1015);
    let mut laptop = World::in_memory(1016);
    laptop.environment.machine = Some([1; 32]);
    let asked = ask(&laptop, &case.storage).unwrap();
    let request = find_request(&case.open(), &asked.code).unwrap();
    case.administer(|mut admin| admin.enrol(&request, USUAL))
        .unwrap();
    let me = laptop.open(&case.storage).unwrap().me();
    // The same folder on another machine.
    laptop.environment.machine = Some([2; 32]);
    let refused = laptop.open(&case.storage).err();
    assert!(
        matches!(refused, Some(Error::NotEnrolled(_))),
        "{refused:?}"
    );
    let enrolment = repository::enrolment(&laptop.environment, &case.storage).unwrap();
    assert_eq!(enrolment, Enrolment::Copied);
    let asked = ask(&laptop, &case.storage).unwrap();
    let request = find_request(&case.open(), &asked.code).unwrap();
    case.administer(|mut admin| admin.enrol(&request, USUAL))
        .unwrap();
    assert_ne!(laptop.open(&case.storage).unwrap().me(), me);
    // Where nothing tells machines apart, nothing is refused.
    laptop.environment.machine = None;
    laptop.open(&case.storage).unwrap();
}

#[test]
fn no_other_code_finds_a_request_and_no_other_bytes_are_one() {
    let case = Case::new(1020);
    let laptop = World::in_memory(1021);
    let asked = ask(&laptop, &case.storage).unwrap();
    let other = EnrolmentCode::generate(&TestRandom::of(7)).unwrap();
    let missing = find_request(&case.open(), &other).err();
    assert!(matches!(missing, Some(Error::NoRequest)), "{missing:?}");
    let name = names_under(&case.storage, "keys/request/").pop().unwrap();
    let mut dump = ready(Dump::take(case.storage.as_ref())).unwrap();
    dump.insert(name, vec![0; 4096]);
    let changed: Arc<dyn Storage> = Arc::new(dump.to_memory());
    let repository = case.desk.open(&changed).unwrap();
    let refused = find_request(&repository, &asked.code).err();
    assert!(matches!(refused, Some(Error::Object { .. })), "{refused:?}");
}

#[test]
fn who_is_no_admin_lets_nobody_in_and_removes_nobody() {
    let case = Case::new(1030);
    let (laptop, _) = case.enrolled(1031, USUAL.and(Capabilities::PRUNE));
    let mut repository = laptop.open(&case.storage).unwrap();
    let refused = Admin::of(&mut repository, &laptop.monitor).err();
    assert!(matches!(refused, Some(Error::NotAllowed(_))), "{refused:?}");
}

#[test]
fn who_may_only_read_restores_and_does_not_back_up() {
    let case = Case::new(1040);
    let (laptop, _) = case.enrolled(1041, Capabilities::READ);
    let mut repository = laptop.open(&case.storage).unwrap();
    case.assert_restores(&repository);
    let refused = laptop.try_backup(&mut repository, &case.source).err();
    assert!(matches!(refused, Some(Error::NotAllowed(_))), "{refused:?}");
}

#[test]
fn a_device_admin_does_not_remove_a_way_back() {
    let case = Case::new(1050);
    let way = access::slots_of(&case.open())
        .unwrap()
        .pop()
        .unwrap()
        .device;
    let refused = case.remove(&way).err();
    assert!(matches!(refused, Some(Error::NotAllowed(_))), "{refused:?}");
    assert!(case.open().roster().standing(&way).is_some());
}

#[test]
fn after_its_removal_a_device_opens_nothing_and_the_others_notice_nothing_but_the_news() {
    let case = Case::new(1060);
    let (laptop, device) = case.enrolled(1061, USUAL);
    let (phone, _) = case.enrolled(1062, USUAL);
    laptop.backup(&mut laptop.open(&case.storage).unwrap(), &case.source);
    phone.open(&case.storage).unwrap();
    notes(&phone);
    let written = laptop.open(&case.storage).unwrap().pin().unwrap().at.seq;
    case.remove(&device).unwrap();
    let refused = laptop.open(&case.storage).err();
    assert!(matches!(refused, Some(Error::NoGrant)), "{refused:?}");

    let mut opened = phone.open(&case.storage).unwrap();
    let told = notes(&phone);
    assert!(
        told.len() == 2 && told.iter().all(|note| note.starts_with("new since")),
        "the removal and the epoch: {told:?}"
    );
    assert!(
        told[0].contains("removed the device \"laptop\""),
        "{told:?}"
    );
    phone.backup(&mut opened, &case.source);
    phone.open(&case.storage).unwrap();
    assert_eq!(notes(&phone), [""; 0], "told once");
    // What it had written stands, and so does what all others write.
    let cut = case.open().roster().member(&device).unwrap().cut;
    assert_eq!(cut.map(|(next, _)| next), Some(written + 1));
    assert_eq!(case.open().snapshots().len(), 3);
    case.assert_restores(&case.open());
    assert!(ask(&laptop, &case.storage).is_ok(), "with other keys");
}

#[test]
fn new_keys_are_taken_up_by_a_run_that_is_on_its_way() {
    let case = Case::new(1070);
    let (laptop, _) = case.enrolled(1071, USUAL);
    let mut on_its_way = laptop.open(&case.storage).unwrap();
    let epoch = case.administer(|admin| admin.begin_epoch()).unwrap();
    assert_eq!(epoch.get(), 2);
    // The owner's machine writes under the new keys before the laptop looks.
    case.desk.backup(&mut case.open(), &case.source);
    let report = laptop.try_backup(&mut on_its_way, &case.source).unwrap();
    let snapshot = report.snapshot.to_string();
    case.open().find_snapshot(&snapshot).unwrap();
    let mut after = laptop.open(&case.storage).unwrap();
    assert_eq!(after.roster().current_epoch(), epoch);
    laptop.backup(&mut after, &case.source);
    assert_eq!(case.open().snapshots().len(), 4);
    case.assert_restores(&case.open());
}

#[test]
fn new_keys_cost_grants_and_one_roster_entry_however_much_is_stored() {
    let case = Case::new(1080);
    write(&case.source.join("large"), &vec![7; 9 << 20]);
    case.desk.backup(&mut case.open(), &case.source);
    let before = ready(Dump::take(case.storage.as_ref())).unwrap();
    case.administer(|admin| admin.begin_epoch()).unwrap();
    let after = ready(Dump::take(case.storage.as_ref())).unwrap();
    let new: Vec<_> = after
        .iter()
        .filter(|(name, _)| before.get(name).is_none())
        .collect();
    let bytes: usize = new.iter().map(|(_, bytes)| bytes.len()).sum();
    let count = |folder: &str| {
        new.iter()
            .filter(|(name, _)| name.as_str().starts_with(folder))
            .count()
    };
    println!("new keys for two identities: {bytes} bytes");
    assert_eq!((new.len(), count("keys/"), count("roster/")), (3, 2, 1));
    assert!(bytes <= 3 * 8192);
}

#[test]
fn a_recovery_key_that_was_replaced_opens_nothing_any_more() {
    let case = Case::new(1090);
    let owner = World::in_memory(1091);
    let mut repository = with_recovery_key(&owner, &case.storage, &case.recovery_key).unwrap();
    let old = access::slots_of(&repository).unwrap();
    let kept = ready(Dump::take(case.storage.as_ref())).unwrap();
    let new = RecoveryKey::generate(&TestRandom::of(5)).unwrap();
    Admin::of(&mut repository, &owner.monitor)
        .unwrap()
        .add_way_back("recovery key", &Way::RecoveryKey(&new))
        .unwrap();
    let mut repository = with_recovery_key(&owner, &case.storage, &new).unwrap();
    let mut admin = Admin::of(&mut repository, &owner.monitor).unwrap();
    for slot in &old {
        admin.remove_way_back(&slot.device).unwrap();
    }
    admin.begin_epoch().unwrap();
    let stranger = World::in_memory(1092);
    let refused = with_recovery_key(&stranger, &case.storage, &case.recovery_key).err();
    assert!(
        matches!(refused, Some(Error::WrongCredential { tried: 1, .. })),
        "{refused:?}"
    );
    // A storage that kept the old slot shows it again: it leads to an identity that is out.
    let slot = layout::slot(&old[0].slot);
    let mut shown = ready(Dump::take(case.storage.as_ref())).unwrap();
    shown.insert(slot.clone(), kept.get(&slot).unwrap().clone());
    let shown: Arc<dyn Storage> = Arc::new(shown.to_memory());
    let refused = with_recovery_key(&stranger, &shown, &case.recovery_key).err();
    assert!(matches!(refused, Some(Error::NoGrant)), "{refused:?}");
    case.assert_restores(&with_recovery_key(&stranger, &case.storage, &new).unwrap());
    case.assert_restores(&case.open());
}

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
        let request = find_request(&case.desk.open(&case.storage)?, &asked.code)?;
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
        let request = find_request(&repository, &asked.code).unwrap();
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
