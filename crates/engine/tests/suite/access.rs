//! Who has access: enrolling, removing, replacing keys and ways back, by two machines and a storage.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ownkey_crypto::{Capabilities, DeviceId, EnrolmentCode, Password, RecoveryKey};
use ownkey_engine::access::{self, Admin, Asked, Before, Wish, find_request};
use ownkey_engine::format::layout;
use ownkey_engine::repository::{
    self, Credential, Enrolment, Guard, GuardKind, Repository, Way, device_key, keep_device_key,
};
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Class, Error, Result};
use ownkey_storage::{MemoryStorage, Storage};
use ownkey_testkit::{Dump, SeededRandom, tree};

use crate::attacks::forger::{names_under, ready};
use crate::attacks::scene::{fast_folder, write};
use crate::world::{TestRandom, World};

pub(crate) const USUAL: Capabilities = Capabilities::READ.and(Capabilities::WRITE);

/// The owner's machine, with a tree, and the storage.
pub(crate) struct Case {
    pub(crate) desk: World,
    pub(crate) source: PathBuf,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) recovery_key: RecoveryKey,
}

impl Case {
    pub(crate) fn new(seed: u64) -> Self {
        Self::over(seed, Arc::new(MemoryStorage::new()))
    }

    pub(crate) fn over(seed: u64, storage: Arc<dyn Storage>) -> Self {
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

    pub(crate) fn open(&self) -> Repository {
        self.desk.open(&self.storage).expect("the owner's machine")
    }

    /// What an admin does on the owner's machine.
    pub(crate) fn administer<T>(&self, work: impl FnOnce(Admin<'_>) -> Result<T>) -> Result<T> {
        let mut repository = self.desk.open(&self.storage)?;
        work(Admin::of(&mut repository, &self.desk.monitor)?)
    }

    /// Another machine that was let in.
    pub(crate) fn enrolled(&self, seed: u64, capabilities: Capabilities) -> (World, DeviceId) {
        let laptop = World::in_memory(seed);
        let Asked { code, words, .. } = ask(&laptop, &self.storage).expect("a request");
        let request = find_request(&self.open(), &code)
            .expect("the request")
            .request;
        assert_eq!(request.identity.words(&self.open().id()), words);
        let device = self.administer(|mut admin| admin.enrol(&request, capabilities));
        (laptop, device.expect("an enrolment"))
    }

    pub(crate) fn remove(&self, device: &DeviceId) -> Result<()> {
        self.administer(|mut admin| {
            admin.remove(device)?;
            admin.begin_epoch().map(drop)
        })
    }

    /// Every snapshot that the repository shows restores as what was backed up.
    pub(crate) fn assert_restores(&self, repository: &Repository) {
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

pub(crate) fn ask(world: &World, storage: &Arc<dyn Storage>) -> Result<Asked> {
    let wish = Wish {
        label: "laptop",
        guard: Guard::Nothing,
    };
    let before = Before::Tried(None);
    access::ask(&world.environment, storage, (&wish, before), &world.monitor)
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
        let request = find_request(&case.open(), &asked.code).unwrap().request;
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
    let request = find_request(&case.open(), &asked.code).unwrap().request;
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
    let request = find_request(&case.open(), &asked.code).unwrap().request;
    case.administer(|mut admin| admin.enrol(&request, USUAL))
        .unwrap();
    assert_ne!(laptop.open(&case.storage).unwrap().me(), me);
    // Where nothing tells machines apart, nothing is refused.
    laptop.environment.machine = None;
    laptop.open(&case.storage).unwrap();
}

#[test]
fn a_key_behind_a_passphrase_opens_with_it_and_with_nothing_else() {
    let case = Case::new(1018);
    let (environment, storage) = (&case.desk.environment, &case.storage);
    let passphrase = Password::new("a passphrase");
    let guard = Guard::Passphrase(&passphrase);
    let plain = device_key(environment, storage, Guard::Nothing).unwrap();
    keep_device_key(environment, storage, &plain, guard).unwrap();
    let kind = repository::enrolment(environment, storage).unwrap();
    assert_eq!(kind, Enrolment::Own(GuardKind::Passphrase));
    let refused = case.desk.open(storage).err();
    let is_guarded = |error: &Error| matches!(error, Error::DeviceKeyGuarded(_));
    assert!(refused.as_ref().is_some_and(is_guarded), "{refused:?}");
    let other = Password::new("another passphrase");
    for wrong in [
        Guard::Passphrase(&other),
        Guard::Keychain(&case.recovery_key),
        Guard::Nothing,
    ] {
        let refused = device_key(environment, storage, wrong).err();
        assert_eq!(
            refused.map(|error| error.class()),
            Some(Class::WrongCredential)
        );
    }
    let key = device_key(environment, storage, guard).unwrap();
    let open = |key| {
        let credential = Credential::DeviceKey(key);
        repository::open(environment, storage, credential, &case.desk.monitor).unwrap()
    };
    let me = open(&key).me();
    keep_device_key(environment, storage, &key, Guard::Nothing).unwrap();
    assert_eq!(case.open().me(), me, "the same identity all the time");
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
fn who_may_only_write_backs_up_dedups_against_itself_and_opens_nothing() {
    let case = Case::new(1045);
    write(
        &case.source.join("large"),
        &SeededRandom::new(1).bytes(3 << 20),
    );
    case.desk.backup(&mut case.open(), &case.source);
    let (laptop, device) = case.enrolled(1046, Capabilities::WRITE);
    let open = || laptop.open(&case.storage).unwrap();
    let stored = || -> u64 {
        let dump = ready(Dump::take(case.storage.as_ref())).unwrap();
        dump.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    };
    let before = stored();
    laptop.backup(&mut open(), &case.source);
    let first = stored();
    assert!(
        first - before > 3 << 20,
        "what others stored is not relied on"
    );
    // Nothing is read or stored again, also where only what it keeps for itself is left.
    laptop.backup(&mut open(), &case.source);
    std::fs::remove_dir_all(laptop.folder.path().join("cache")).unwrap();
    write(&case.source.join("letter"), b"another letter");
    let report = laptop.backup(&mut open(), &case.source);
    assert_eq!(report.read_files, 1);
    assert!(stored() - first < 1 << 20, "{}", stored() - first);
    // It sees no snapshot and opens no tree; the owner's machine restores what it wrote.
    assert!(open().snapshots().is_empty() && !open().may_read());
    let refused = Browser::new(&open()).err();
    assert!(matches!(refused, Some(Error::NotAllowed(_))), "{refused:?}");
    let refused = Admin::of(&mut open(), &laptop.monitor).err();
    assert!(matches!(refused, Some(Error::NotAllowed(_))), "{refused:?}");
    let owner = case.open();
    let written: Vec<_> = owner
        .snapshots()
        .into_iter()
        .filter(|one| one.device == device)
        .collect();
    assert_eq!(written.len(), 3);
    let newest = written.last().unwrap();
    let browser = Browser::new(&owner).unwrap();
    let target = tempfile::tempdir_in(fast_folder()).unwrap();
    let options = RestoreOptions {
        subpath: Some(case.source.clone()),
        ..RestoreOptions::into_folder(target.path())
    };
    restore::run(&owner, &browser, newest, &options, &case.desk.monitor).unwrap();
    let differences = tree::compare(&case.source, target.path());
    assert!(
        differences.iter().all(|one| one.path == Path::new(".")),
        "{differences:#?}"
    );
    // A new epoch reaches it, too.
    case.administer(|admin| admin.begin_epoch()).unwrap();
    laptop.backup(&mut open(), &case.source);
    assert_eq!(case.open().snapshots().len(), 6);
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
        admin.remove(&slot.device).unwrap();
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
    // That is ordinary, and nobody is warned of it.
    let witness = World::in_memory(1093);
    let opened = with_recovery_key(&witness, &shown, &new).unwrap();
    assert_eq!(access::strangers(&opened).unwrap(), []);
    assert_eq!(notes(&witness), [""; 0]);
    case.assert_restores(&with_recovery_key(&stranger, &case.storage, &new).unwrap());
    case.assert_restores(&case.open());
}
