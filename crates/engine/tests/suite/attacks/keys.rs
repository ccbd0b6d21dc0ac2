//! Slots and grants that the storage swaps, plants, hides or damages.

use std::sync::Arc;

use ownkey_crypto::{
    Capabilities, DedupKey, Epoch, Grant, Hedge, Identity, IdentitySeed, KdfCost, LogKey,
    ObjectHash, Password, ReadKey, ReaderKeys, RecoveryKey, Sealed, Slot, SlotContent, SlotError,
    object_hash,
};
use ownkey_engine::access;
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::format::layout;
use ownkey_engine::repository::{self, Credential, Founding, Guard, PasswordWay};
use ownkey_engine::{Class, Error, Lie as Caught};
use ownkey_storage::{MemoryStorage, ObjectName, Operation, Storage};
use ownkey_testkit::{Lie, Lying, Recording};

use super::forger::{get, names_under, put};
use super::scene::{Scene, state};
use crate::world::{TestRandom, World};

/// A grant of keys that the storage chose itself, signed by an identity of its own.
fn chosen_by_the_storage(scene: &Scene) -> (Identity, Grant, Hedge) {
    let random = TestRandom::of(77);
    let seed = IdentitySeed::from_file_bytes(&[0x66; 32]);
    let stranger = Identity::from_seed(&seed);
    let read = ReadKey::generate(&random).unwrap();
    let forger = scene.forger();
    let grant = Grant {
        epoch: Epoch::FIRST,
        read_kem: ReaderKeys::new(&read, &forger.repo, Epoch::FIRST).read_kem_public(),
        read: Some(read),
        log: LogKey::generate(&random).unwrap(),
        dedup: DedupKey::generate(&random).unwrap(),
        capabilities: Capabilities::ALL,
        roster: forger.roster_tip(),
        signer: forger.me(),
    };
    (stranger, grant, Hedge::new(&seed, Arc::new(random)))
}

fn grant_name(scene: &Scene) -> ObjectName {
    let forger = scene.forger();
    let folder = layout::grants(&forger.identity.public().grant_name(&forger.repo));
    scene.only_name(folder.as_str())
}

/// Shows this machine another grant, and not its own.
fn plant(scene: &Scene, sealed: Sealed) {
    let own = grant_name(scene);
    let (folder, _) = own.as_str().rsplit_once('-').unwrap();
    let name = ObjectName::new(format!("{folder}-{}", sealed.hash())).unwrap();
    put(&scene.storage, &name, sealed.into_bytes());
    // Beside its own it is passed over.
    scene.attempt().complete();
    scene.lying.tell(Lie::Hide(own));
}

#[test]
fn keys_that_the_storage_chose_are_not_used_though_sealed_to_this_machine() {
    let scene = Scene::new(300);
    let forger = scene.forger();
    let (stranger, grant, hedge) = chosen_by_the_storage(&scene);
    let sealed = grant
        .seal(forger.identity.public(), &forger.repo, &stranger, &hedge)
        .unwrap();
    plant(&scene, sealed);
    // Under those keys no roster entry opens, so the genesis is not found.
    assert_eq!(scene.attempt().caught(), Caught::NotGenesis);
}

#[test]
fn the_true_keys_in_a_grant_that_no_admin_signed_are_not_used() {
    let scene = Scene::new(301);
    let forger = scene.forger();
    let (stranger, _, hedge) = chosen_by_the_storage(&scene);
    let sealed = forger
        .grant
        .seal(forger.identity.public(), &forger.repo, &stranger, &hedge)
        .unwrap();
    plant(&scene, sealed);
    assert!(matches!(scene.attempt().caught(), Caught::NotByAdmin(_)));
}

#[test]
fn a_grant_that_names_a_roster_which_is_not_this_one_is_not_used() {
    let scene = Scene::new(302);
    let forger = scene.forger();
    let mut grant = scene.forger().grant;
    grant.roster.1 = ObjectHash::from_bytes([5; 32]);
    let sealed = grant
        .seal(
            forger.identity.public(),
            &forger.repo,
            &forger.identity,
            &forger.hedge,
        )
        .unwrap();
    plant(&scene, sealed);
    assert!(matches!(scene.attempt().caught(), Caught::NotByAdmin(_)));
}

#[test]
fn a_grant_by_a_member_who_is_no_admin_is_not_used() {
    let scene = Scene::new(303);
    let admin = scene.forger();
    let writer = admin.add_identity([0x31; 32], Capabilities::WRITE.and(Capabilities::READ));
    scene.open().unwrap();
    let mut grant = scene.forger().grant;
    grant.signer = writer.me();
    let sealed = grant
        .seal(
            admin.identity.public(),
            &admin.repo,
            &writer.identity,
            &writer.hedge,
        )
        .unwrap();
    plant(&scene, sealed);
    assert!(matches!(scene.attempt().caught(), Caught::NotByAdmin(_)));
}

#[test]
fn a_hidden_changed_or_foreign_grant_is_named() {
    let scene = Scene::new(304);
    let name = grant_name(&scene);
    scene.lying.tell(Lie::Hide(name.clone()));
    assert!(matches!(
        scene.attempt().refused(Class::WrongCredential),
        Error::NoGrant
    ));
    let other = names_under(&scene.storage, "keys/").into_iter();
    let other = other
        .filter(|grant| !grant.as_str().contains("slot"))
        .find(|grant| *grant != name)
        .unwrap();
    let size = get(&scene.lying.inner(), &name).len() as u64;
    for lie in [
        Lie::FlipBit(name.clone(), 8 * 90),
        Lie::FlipBit(name.clone(), 8 * 300),
        Lie::FlipBit(name.clone(), 8 * 2000),
        Lie::FlipBit(name.clone(), 8 * (size - 1)),
        Lie::Truncate(name.clone(), 1000),
        Lie::Truncate(name.clone(), 0),
        Lie::ServeAs(name.clone(), other),
    ] {
        scene.lying.repent();
        scene.lying.tell(lie.clone());
        let error = scene.attempt().refused(Class::Damage);
        assert!(
            matches!(&error, Error::Object { name: named, .. } if *named == name),
            "{lie:?}: {error:?}"
        );
    }
}

#[test]
fn a_slot_and_a_grant_that_the_storage_added_open_nothing() {
    let scene = Scene::new(305);
    let forger = scene.forger();
    let (stranger, grant, hedge) = chosen_by_the_storage(&scene);
    // A way in with the storage's own recovery key, to its own identity, with its own keys.
    let key = RecoveryKey::generate(&TestRandom::of(78)).unwrap();
    let content = SlotContent {
        seed: IdentitySeed::from_file_bytes(&[0x66; 32]),
        label: "recovery key".to_owned(),
    };
    let slot = Slot::seal_recovery_key(&content, &forger.repo, &key, &TestRandom::of(79)).unwrap();
    let planted = layout::slot(&slot.hash());
    put(&scene.storage, &planted, slot.into_bytes());
    let own = grant
        .seal(stranger.public(), &forger.repo, &stranger, &hedge)
        .unwrap();
    let of = stranger.public().grant_name(&forger.repo);
    let name = layout::grant(&of, Epoch::FIRST, &own.hash());
    put(&scene.storage, &name, own.into_bytes());

    scene.attempt().complete();
    let world = World::in_memory(9305);
    let opened = repository::open(
        &world.environment,
        &scene.storage,
        Credential::RecoveryKey(&key),
        &world.monitor,
    );
    assert!(matches!(opened.err(), Some(Error::Lie(Caught::NotGenesis))));
    assert!(
        state(&world).is_empty(),
        "a machine that was fooled would remember"
    );
    // The owner's recovery key opens as before, and no roster entry names the slot: that is said.
    let (owner, opened) = scene.newcomer(9306);
    let opened = opened.unwrap();
    let said = |world: &World, name: &ObjectName| {
        let notes = world.monitor.notes.lock().unwrap();
        let told = notes.iter().filter(|note| note.contains(name.as_str()));
        told.filter(|note| note.contains("nobody in the roster"))
            .count()
    };
    assert_eq!(said(&owner, &planted), 1);
    let mut strangers = [planted.clone(), name.clone()];
    strangers.sort();
    assert_eq!(access::strangers(&opened).unwrap(), strangers);
    let report = check::run(&opened, ReadData::No, &owner.monitor).unwrap();
    assert_eq!((report.foreign.len(), report.worst()), (2, None));
    assert_eq!((said(&owner, &planted), said(&owner, &name)), (2, 1));
    let slots: usize = opened
        .roster()
        .members()
        .map(|member| member.slots.len())
        .sum();
    assert_eq!(slots + 1, names_under(&scene.storage, "keys/slot/").len());
}

#[test]
fn a_slot_of_another_repository_is_refused_though_the_credential_is_the_same() {
    let scene = Scene::new(307);
    let other = Scene::new(308);
    let ours = scene.only_name("keys/slot/");
    let theirs = other.only_name("keys/slot/");
    let bytes = other.dump().get(&theirs).unwrap().clone();
    scene.lying.tell(Lie::Hide(ours));
    put(&scene.storage, &theirs, bytes.to_vec());
    let world = World::in_memory(9307);
    let key = Credential::RecoveryKey(&other.recovery_key);
    let opened = repository::open(&world.environment, &scene.storage, key, &world.monitor);
    let is_foreign = matches!(&opened, Err(Error::Slot { name, source: SlotError::WrongRepository }) if *name == theirs);
    assert!(is_foreign, "{:?}", opened.err());
    assert!(state(&world).is_empty());
}

/// A repository with a password, behind a recording of what is asked of it.
struct WithPassword {
    world: World,
    lying: Arc<Lying>,
    recording: Arc<Recording>,
    storage: Arc<dyn Storage>,
    slot: ObjectName,
}

fn with_password(seed: u64, password: &Password) -> WithPassword {
    let world = World::in_memory(seed);
    let lying = Arc::new(Lying::new(Arc::new(MemoryStorage::new())));
    let recording = Arc::new(Recording::new(lying.clone()));
    let storage: Arc<dyn Storage> = recording.clone();
    let way = PasswordWay {
        password,
        cost: KdfCost::FLOOR,
        kit: None,
    };
    let founding = Founding {
        device_label: "machine".to_owned(),
        guard: Guard::Nothing,
        password: Some(way),
    };
    repository::init(&world.environment, &storage, &founding, &world.monitor).unwrap();
    let repo = ownkey_engine::format::header::parse(&get(&storage, &layout::header())).unwrap();
    let slots = names_under(&storage, "keys/slot/");
    let is_password = |name: &&ObjectName| {
        let bytes = get(&storage, name);
        Slot::parse(&bytes, &object_hash(&bytes), &repo)
            .unwrap()
            .cost()
            .is_some()
    };
    let slot = slots.iter().find(is_password).unwrap().clone();
    WithPassword {
        world,
        lying,
        recording,
        storage,
        slot,
    }
}

impl WithPassword {
    /// Opens on a machine that has never been here; with what it asked of the storage.
    fn open(
        &self,
        password: &Password,
    ) -> (
        Result<ownkey_crypto::RepoId, Error>,
        Vec<(Operation, String)>,
    ) {
        let world = World::in_memory(99);
        drop(self.recording.take());
        let opened = repository::open(
            &world.environment,
            &self.storage,
            Credential::Password(password, None),
            &world.monitor,
        );
        let calls = self
            .recording
            .take()
            .into_iter()
            .map(|call| (call.operation, call.target))
            .collect();
        if opened.is_err() {
            assert!(state(&world).is_empty());
        }
        (opened.map(|repository| repository.id()), calls)
    }
}

#[test]
fn a_wrong_password_and_a_damaged_slot_differ_in_words_and_not_in_what_the_storage_sees() {
    let password = Password::new("correct horse battery staple");
    let case = with_password(309, &password);
    assert!(case.open(&password).0.is_ok());
    let (wrong, asked_wrong) = case.open(&Password::new("another horse"));
    let wrong = wrong.unwrap_err();
    assert!(
        matches!(wrong, Error::WrongCredential { tried: 1, .. })
            && wrong.class() == Class::WrongCredential
    );

    for byte in [4, 60, 120, 200, 511] {
        case.lying.repent();
        case.lying.tell(Lie::FlipBit(case.slot.clone(), 8 * byte));
        let (damaged, asked_damaged) = case.open(&password);
        let damaged = damaged.unwrap_err();
        let named = matches!(&damaged, Error::Slot { name, source: SlotError::Damaged } if *name == case.slot);
        assert!(named && damaged.class() == Class::Damage, "{damaged:?}");
        assert_eq!(asked_damaged, asked_wrong);
    }
    // Nothing is ever written by an attempt.
    assert!(
        asked_wrong
            .iter()
            .all(|(operation, _)| *operation != Operation::Create)
    );
    drop(case.world);
}

#[test]
fn a_password_cost_that_the_storage_chose_is_refused_before_any_work() {
    let password = Password::new("correct horse battery staple");
    let case = with_password(310, &password);
    let honest = get(&case.storage, &case.slot).to_vec();
    // 1 KiB once; 64 GiB; 2^31 passes; 2^20 lanes: all under the name of their own hash.
    for (at, value) in [
        (40, 1u32),
        (40, 64 << 20),
        (44, 1),
        (44, 1 << 31),
        (48, 0),
        (48, 1 << 20),
    ] {
        let mut changed = honest.clone();
        changed[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let name = layout::slot(&object_hash(&changed));
        case.lying.repent();
        case.lying.tell(Lie::Hide(case.slot.clone()));
        case.lying.tell(Lie::Plant(name.clone(), changed.into()));
        let began = std::time::Instant::now();
        let (refused, _) = case.open(&password);
        let refused = refused.unwrap_err();
        let out_of_bounds = matches!(&refused, Error::Slot { name: named, source: SlotError::CostOutOfBounds } if *named == name);
        assert!(out_of_bounds, "{refused:?}");
        assert!(began.elapsed().as_secs() < 20);
    }
}

#[test]
fn every_slot_that_was_made_stands_in_the_roster_of_everybody() {
    let password = Password::new("correct horse battery staple");
    let case = with_password(311, &password);
    let opened = case.world.open(&case.storage).unwrap();
    let mut named: Vec<String> = opened
        .roster()
        .members()
        .flat_map(|member| &member.slots)
        .map(|slot| layout::slot(slot).to_string())
        .collect();
    named.sort();
    let stored: Vec<String> = names_under(&case.storage, "keys/slot/")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(named, stored);
}

#[test]
fn with_only_the_grant_of_an_older_epoch_left_nothing_is_written() {
    let scene = Scene::new(312);
    let admin = scene.forger();
    super::devices::begin_epoch(&scene, &admin);
    scene.open().unwrap();
    scene.attempt().complete();
    let newest = names_under(&scene.storage, "keys/")
        .into_iter()
        .filter(|name| name.as_str().contains("/00000002-"));
    for grant in newest {
        scene.lying.tell(Lie::Hide(grant));
    }
    // This machine has seen the roster entry that began the epoch.
    let lie = scene.attempt().caught();
    assert!(matches!(lie, Caught::RosterRolledBack(_)), "{lie:?}");
    // A newcomer cannot know, but hears it and may not write.
    let (world, opened) = scene.newcomer(9312);
    match opened {
        Err(error) => assert!(matches!(error, Error::NoGrant | Error::Lie(_)), "{error:?}"),
        Ok(mut repository) => {
            let notes = world.monitor.notes.lock().unwrap().join(" ");
            assert!(notes.contains("hides its newest key grant"), "{notes}");
            let refused = world
                .try_backup(&mut repository, &scene.source)
                .unwrap_err();
            assert!(matches!(refused, Error::NoGrant), "{refused:?}");
        }
    }
}

#[test]
fn no_randomness_means_no_repository_and_no_backup() {
    /// Gives what it has, then fails.
    struct Failing(std::sync::atomic::AtomicI64, TestRandom);
    impl ownkey_crypto::Random for Failing {
        fn fill(&self, out: &mut [u8]) -> Result<(), ownkey_crypto::RandomFailed> {
            if self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) <= 0 {
                return Err(ownkey_crypto::RandomFailed);
            }
            self.1.fill(out)
        }
    }
    let mut refused = 0;
    for after in 0.. {
        let mut world = World::in_memory(313);
        let failing = Failing(
            std::sync::atomic::AtomicI64::new(after),
            TestRandom::of(313),
        );
        world.environment.random = Arc::new(failing);
        let source = world.path("source");
        super::scene::write(&source.join("f"), b"content");
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let founding = Founding {
            device_label: "machine".to_owned(),
            guard: Guard::Nothing,
            password: None,
        };
        let ended = repository::init(&world.environment, &storage, &founding, &world.monitor)
            .and_then(|mut founded| world.try_backup(&mut founded.repository, &source));
        let Err(error) = ended else { break };
        let of_randomness = matches!(
            error,
            Error::Random(_)
                | Error::Seal(ownkey_crypto::SealError::Random(_))
                | Error::SealSlot(SlotError::Random(_))
        );
        assert!(of_randomness, "after {after}: {error:?}");
        refused += 1;
    }
    assert!(refused > 20, "{refused}");
}
