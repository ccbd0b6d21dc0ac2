//! Devices that were stolen, compromised, removed, or may only write.

use ownkey_crypto::{
    Capabilities, ChunkType, DeviceId, Grant, LogKey, LogKeys, ObjectHash, ReadKey, ReaderKeys,
};
use ownkey_engine::repository::{self, Credential};
use ownkey_engine::{Class, Error, Lie as Caught};

use super::cbor::Cbor;
use super::forger::{Forger, Said, get, names_under};
use super::scene::Scene;
use crate::world::{TestRandom, World};

pub(super) const STOLEN: [u8; 32] = [0x51; 32];

/// Epoch e+1 with new keys, granted to everybody who stands but `without`.
pub(crate) fn begin_epoch(scene: &Scene, admin: &Forger) -> Forger {
    let random = TestRandom::of(4242);
    let old = admin.at(admin.identity.public(), &scene.storage).grant;
    let epoch = old.epoch.next().unwrap();
    let read = ReadKey::generate(&random).unwrap();
    let log = LogKey::generate(&random).unwrap();
    let readers = ReaderKeys::new(&read, &admin.repo, epoch);
    let logs = LogKeys::new(&log, &admin.repo, epoch);
    let (n, previous) = admin.roster_tip();
    let n = n + 1;
    let read_history = readers
        .seal_history(n, old.read.as_ref().unwrap(), &admin.hedge)
        .unwrap();
    let log_history = logs.seal_history(n, &old.log, &admin.hedge).unwrap();
    let body = Cbor::Map(vec![
        (0, Cbor::Unsigned(u64::from(epoch.get()))),
        (1, Cbor::bytes(readers.read_kem_public().to_bytes())),
        (2, Cbor::Bytes(read_history.into_bytes())),
        (3, Cbor::Bytes(log_history.into_bytes())),
    ]);
    let members = scene.open().unwrap();
    let standing: Vec<_> = members
        .roster()
        .members()
        .filter(|m| m.removed.is_none())
        .map(|m| m.public.clone())
        .collect();
    // The entry is sealed under the epoch it begins.
    let mut newer = admin.at(admin.identity.public(), &scene.storage);
    newer.grant = Grant {
        epoch,
        read_kem: readers.read_kem_public(),
        read: Some(read),
        log,
        ..old
    };
    let hash = newer.roster_entry_at(n, previous, 5, &body);
    newer.grant.roster = (n, hash);
    for public in standing {
        newer.put_grant(&newer.grant, &public);
    }
    newer
}

pub(super) fn id(device: &DeviceId) -> (u64, Cbor) {
    (0, Cbor::bytes(device.as_bytes()))
}

/// The ids of the snapshots that this machine shows.
pub(super) fn shown(scene: &Scene) -> Vec<ObjectHash> {
    scene
        .open()
        .unwrap()
        .snapshots()
        .into_iter()
        .map(|snapshot| snapshot.id)
        .collect()
}

#[test]
fn a_device_that_was_added_writes_and_all_see_it() {
    let scene = Scene::new(400);
    let laptop = scene.forger().add_identity(STOLEN, Capabilities::ALL);
    let at = laptop.snapshot_of_tree(&super::forger::link(b"l", b"nowhere"), vec![]);
    assert!(shown(&scene).contains(&at.hash));
}

#[test]
fn a_device_that_is_no_admin_changes_nothing_in_the_roster() {
    for capabilities in [
        Capabilities::WRITE,
        Capabilities::WRITE.and(Capabilities::READ),
        Capabilities::WRITE.and(Capabilities::PRUNE),
    ] {
        let scene = Scene::new(405);
        let admin = scene.forger();
        let member = admin.add_identity(STOLEN, capabilities);
        let (n, previous) = admin.roster_tip();
        scene.open().unwrap();
        let more = Cbor::Map(vec![id(&member.me()), (1, Cbor::Unsigned(15))]);
        member.roster_entry_at(n + 1, previous, 4, &more);
        member.roster_entry_at(n + 1, previous, 2, &Cbor::Map(vec![id(&admin.me())]));
        let slot = Cbor::Map(vec![
            id(&admin.me()),
            (1, Cbor::bytes([1; 32])),
            (2, Cbor::Unsigned(1)),
        ]);
        member.roster_entry_at(n + 1, previous, 9, &slot);
        member.roster_entry_at(n + 2, previous, 9, &slot);
        member.roster_bytes(n + 1, b"");
        let repository = scene.open().unwrap();
        assert_eq!(repository.roster().position().n, n);
        let known = repository.roster().member(&member.me()).unwrap();
        assert_eq!(known.capabilities.bits(), capabilities.bits());
    }
}

#[test]
fn a_device_admin_cannot_evict_the_owners_way_back() {
    let scene = Scene::new(406);
    let thief = scene.forger();
    let owner = scene.second_forger();
    thief.remove(&owner.me());
    assert!(
        scene
            .open()
            .unwrap()
            .roster()
            .standing(&owner.me())
            .is_some()
    );
    // The owner comes back with the recovery key and throws the thief out.
    let (_, opened) = scene.newcomer(9406);
    opened.unwrap();
    let (n, previous) = (
        scene.open().unwrap().roster().position().n,
        scene.open().unwrap().roster().position().hash,
    );
    owner.roster_entry_at(n + 1, previous, 2, &Cbor::Map(vec![id(&thief.me())]));
    let refused = scene.open().err();
    assert!(matches!(refused, Some(Error::NoGrant)), "{refused:?}");
}

#[test]
fn a_forget_by_a_device_that_may_not_forget_forgets_nothing() {
    for (capabilities, may) in [
        (Capabilities::WRITE, false),
        (Capabilities::WRITE.and(Capabilities::READ), false),
        (Capabilities::WRITE.and(Capabilities::PRUNE), true),
    ] {
        let scene = Scene::new(407);
        let member = scene.forger().add_identity(STOLEN, capabilities);
        let snapshot = scene.open().unwrap().find_snapshot("latest").unwrap();
        member.forget(&snapshot.device, snapshot.at);
        assert_eq!(shown(&scene).is_empty(), may);
    }
}

#[test]
fn a_write_only_device_holds_no_key_that_reads() {
    let scene = Scene::new(408);
    let member = scene.forger().add_identity(STOLEN, Capabilities::WRITE);
    assert!(member.grant.read.is_none());
    // What it holds opens the log's envelopes and nothing inside them, no pack and no segment.
    let bytes = get(&scene.storage, &scene.only_name("index/"));
    let hope = ReadKey::generate(&TestRandom::of(1)).unwrap();
    assert!(
        ReaderKeys::new(&hope, &member.repo, member.grant.epoch)
            .open_segment(&bytes)
            .is_err()
    );

    let thief = member.move_in(World::in_memory(9408));
    let opened = repository::open(
        &thief.environment,
        &scene.storage,
        Credential::Device,
        &thief.monitor,
    )
    .unwrap();
    assert!(
        opened.snapshots().is_empty(),
        "it cannot read what snapshots there are"
    );
    let browser = ownkey_engine::tree::Browser::new(&opened);
    assert!(matches!(browser.err(), Some(Error::NotAllowed("read"))));
}

#[test]
fn bogus_content_of_a_write_only_device_satisfies_nobody() {
    let scene = Scene::new(409);
    let member = scene.forger().add_identity(STOLEN, Capabilities::WRITE);
    let honest = b"what the owner will back up next";
    // It knows DK, so it knows the id; and it stores something else under it, before the owner.
    let mut frame = member.frame(ChunkType::Content, &[b"something else of equal length!!"]);
    frame.chunks[0].0 = member.names().chunk_id(ChunkType::Content, honest);
    let (pack, _) = member.pack(ownkey_crypto::PackKind::Data, vec![frame]);
    let bogus = pack.name;
    let segment = member.segment(&[pack]);
    member.repack(&[segment]);

    super::scene::write(&scene.source.join("next"), honest);
    let packs = names_under(&scene.storage, "data/").len();
    scene.backup();
    assert_eq!(
        names_under(&scene.storage, "data/").len(),
        packs + 1,
        "the owner stores it all the same"
    );
    scene.attempt().complete();
    // Also without the bogus pack.
    scene.lying.tell(ownkey_testkit::Lie::Hide(
        ownkey_engine::format::layout::pack(&bogus),
    ));
    scene.attempt().complete();
}

#[test]
fn honest_content_of_a_write_only_device_is_not_relied_on_either() {
    let scene = Scene::new(410);
    let member = scene.forger().add_identity(STOLEN, Capabilities::WRITE);
    let content = b"the same bytes on both machines";
    let (_, segment) = member.plant(ChunkType::Content, &[content]);
    member.repack(&[segment]);
    super::scene::write(&scene.source.join("next"), content);
    let packs = names_under(&scene.storage, "data/").len();
    scene.backup();
    assert_eq!(names_under(&scene.storage, "data/").len(), packs + 1);
}

#[test]
fn entries_that_break_the_format_are_named_with_their_device() {
    let scene = Scene::new(411);
    let laptop = scene.forger().add_identity(STOLEN, Capabilities::ALL);
    scene.open().unwrap();
    let start = scene.dump();
    let zeros = ObjectHash::from_bytes([0; 32]);
    let heartbeat = || Said::of(7, Cbor::Map(vec![]));
    let bodies = [
        ("nothing", vec![]),
        ("noise", vec![0xff; 40]),
        (
            "a tail",
            [&laptop.entry_body((0, zeros), heartbeat())[..], &[0]].concat(),
        ),
        ("an unknown kind that must be understood", {
            let mut body = laptop.entry_body((0, zeros), Said::of(9, Cbor::Map(vec![])));
            // Key 7, must understand: 0 becomes 1. It stands behind key 6 and the kind.
            let at = body
                .windows(4)
                .position(|bytes| bytes == [6, 9, 7, 0])
                .unwrap();
            body[at + 3] = 1;
            body
        }),
        (
            "a field nobody knows",
            laptop.entry_body(
                (0, zeros),
                Said::of(7, Cbor::Map(vec![(9, Cbor::Unsigned(1))])),
            ),
        ),
    ];
    for (what, body) in bodies {
        scene.serve(&start);
        laptop
            .at(scene.forger().identity.public(), &scene.storage)
            .entry_bytes(0, &body);
        let error = scene.attempt().refused(Class::Damage);
        let named = matches!(&error, Error::Format { name, .. } if name.as_str().contains(&laptop.me().to_string()));
        assert!(named, "{what}: {error:?}");
    }
    scene.serve(&start);
    let elsewhere = laptop.at(scene.forger().identity.public(), &scene.storage);
    elsewhere.say(Said {
        seq: Some(5),
        ..heartbeat()
    });
    let device = elsewhere.me();
    assert_eq!(
        scene.attempt().caught(),
        Caught::NotSigned { device, seq: 0 }
    );
    // An unknown kind that need not be understood is chained over.
    scene.serve(&start);
    let laptop = laptop.at(scene.forger().identity.public(), &scene.storage);
    laptop.say(Said::of(200, Cbor::Map(vec![])));
    laptop.heartbeat();
    scene.open().unwrap();
    scene.attempt().complete();
}

#[test]
fn a_device_cannot_write_into_the_log_of_another() {
    let scene = Scene::new(412);
    let laptop = scene.forger().add_identity(STOLEN, Capabilities::ALL);
    let owner = scene.forger();
    let at = owner.tip(&owner.me()).unwrap();
    let name = ownkey_crypto::log_name(&owner.me(), at.seq + 1);
    let body = owner.entry_body((at.seq + 1, at.hash), Said::of(7, Cbor::Map(vec![])));
    let sealed = laptop
        .log_keys()
        .seal_log(&name, &body, &laptop.identity, &laptop.hedge)
        .unwrap();
    owner.put(
        &ownkey_storage::ObjectName::new(name).unwrap(),
        sealed.into_bytes(),
    );
    assert_eq!(
        scene.attempt().caught(),
        Caught::NotSigned {
            device: owner.me(),
            seq: at.seq + 1
        }
    );
}

#[test]
fn a_log_of_nobody_in_the_roster_is_ignored() {
    let scene = Scene::new(413);
    let stranger = DeviceId::from_bytes([0xee; 16]);
    let mut copy = scene.dump();
    let entry = copy.names_under("log/").next().unwrap().clone();
    let bytes = copy.get(&entry).unwrap().clone();
    copy.insert(
        ownkey_engine::format::layout::log_entry(&stranger, 0),
        bytes,
    );
    scene.serve(&copy);
    scene.attempt().complete();
}
