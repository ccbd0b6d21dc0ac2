//! Devices that were removed and go on writing, with the storage's help.

use ownkey_crypto::{Capabilities, ObjectHash};
use ownkey_engine::{Error, Lie as Caught};

use super::cbor::Cbor;
use super::devices::{STOLEN, begin_epoch, id, shown};
use super::forger::{Said, get, names_under};
use super::scene::Scene;
use crate::world::World;

#[test]
fn what_a_removed_device_writes_behind_its_cut_does_not_count_for_anybody() {
    let scene = Scene::new(401);
    let admin = scene.forger();
    let laptop = admin.add_identity(STOLEN, Capabilities::ALL);
    laptop.heartbeat();
    admin.remove(&laptop.me());
    admin.cut(&laptop.me());
    let before = shown(&scene);
    let own = scene.dump().names_under("log/").count();
    laptop.snapshot_of_tree(&super::forger::link(b"l", b"nowhere"), vec![]);
    for snapshot in scene.open().unwrap().snapshots() {
        laptop.forget(&snapshot.device, snapshot.at);
    }
    laptop.condemn(&[], &[]);
    assert!(scene.dump().names_under("log/").count() > own);
    assert_eq!(shown(&scene), before);
    scene.attempt().complete();
    let (_, newcomer) = scene.newcomer(9401);
    assert_eq!(newcomer.unwrap().snapshots().len(), before.len());
}

#[test]
fn a_fold_behind_the_cut_of_a_removed_device_is_not_believed_by_a_newcomer() {
    let scene = Scene::new(402);
    let admin = scene.forger();
    let laptop = admin.add_identity(STOLEN, Capabilities::ALL);
    laptop.heartbeat();
    admin.remove(&laptop.me());
    admin.cut(&laptop.me());
    let before = shown(&scene);
    // It goes on to the entry that carries a fold, and folds a Forget of everything.
    for _ in 1..64 {
        laptop.heartbeat();
    }
    let ours = scene.open().unwrap().snapshots();
    let forgotten = ours.iter().map(|snapshot| {
        let [device, hash] = [
            Cbor::bytes(snapshot.device.as_bytes()),
            Cbor::bytes(snapshot.at.hash.as_bytes()),
        ];
        Cbor::Array(vec![device, Cbor::Unsigned(snapshot.at.seq), hash])
    });
    let none = || Cbor::Array(vec![]);
    let fold = vec![
        (1, none()),
        (2, none()),
        (3, none()),
        (4, Cbor::Array(forgotten.collect())),
        (7, none()),
        (8, none()),
    ];
    laptop.say(Said {
        fold: Some(Cbor::Map(fold).encode()),
        ..Said::of(7, Cbor::Map(vec![]))
    });
    assert_eq!(laptop.tip(&laptop.me()).unwrap().seq, 64);
    assert_eq!(shown(&scene), before);
    let (_, newcomer) = scene.newcomer(9402);
    let seen: Vec<ObjectHash> = newcomer
        .unwrap()
        .snapshots()
        .into_iter()
        .map(|snapshot| snapshot.id)
        .collect();
    assert_eq!(seen, before);
}

#[test]
fn the_log_of_a_removed_device_is_the_one_its_cut_names_also_to_a_newcomer() {
    let scene = Scene::new(415);
    let admin = scene.forger();
    let public = admin.identity.public().clone();
    let laptop = admin.add_identity(STOLEN, Capabilities::ALL);
    let before = scene.dump();
    laptop.heartbeat();
    laptop.heartbeat();
    admin.remove(&laptop.me());
    admin.cut(&laptop.me());
    let cut = scene.dump();
    assert!(scene.newcomer(9415).1.is_ok());
    // The thief and the storage write its past anew, as long as it was.
    scene.serve(&before);
    let thief = laptop.at(&public, &scene.storage);
    thief.snapshot_of_tree(&super::forger::link(b"l", b"nowhere"), vec![]);
    let mut rewritten = cut.clone();
    for (name, bytes) in scene
        .dump()
        .iter()
        .filter(|(name, _)| name.as_str().contains(&thief.me().to_string()))
    {
        rewritten.insert(name.clone(), bytes.clone());
    }
    scene.serve(&rewritten);
    let caught = scene.newcomer(9416).1.err();
    let forked = Caught::LogForked {
        device: thief.me(),
        seq: 1,
    };
    assert!(
        matches!(&caught, Some(Error::Lie(lie)) if *lie == forked),
        "{caught:?}"
    );
    // Or the storage hides its end.
    scene.serve(&cut);
    scene.lying.tell(ownkey_testkit::Lie::Hide(
        ownkey_engine::format::layout::log_entry(&thief.me(), 1),
    ));
    let caught = scene.newcomer(9417).1.err();
    let rolled_back = Caught::LogRolledBack {
        device: thief.me(),
        seq: 1,
    };
    assert!(
        matches!(&caught, Some(Error::Lie(lie)) if *lie == rolled_back),
        "{caught:?}"
    );
}

#[test]
fn who_saw_an_entry_that_a_cut_made_void_is_no_liar() {
    let scene = Scene::new(416);
    let admin = scene.forger();
    let laptop = admin.add_identity(STOLEN, Capabilities::ALL);
    laptop.heartbeat();
    let (n, previous) = admin.roster_tip();
    let removed = Cbor::Map(vec![id(&laptop.me())]);
    let removal = admin.roster_entry_at(n + 1, previous, 2, &removed);
    let at = laptop.tip(&laptop.me()).unwrap();
    let cut = Cbor::Map(vec![
        id(&laptop.me()),
        (1, Cbor::Unsigned(at.seq + 1)),
        (2, Cbor::bytes(at.hash.as_bytes())),
    ]);
    // Between the removal and the cut it wrote once more, and both other identities saw that.
    laptop.heartbeat();
    scene.backup();
    scene
        .world
        .backup(&mut scene.open().unwrap(), &scene.source);
    admin.roster_entry_at(n + 2, removal, 3, &cut);
    scene.open().unwrap();
    scene.attempt().complete();
    assert!(scene.newcomer(9418).1.is_ok());
}

#[test]
fn a_removed_device_opens_nothing_any_more() {
    let scene = Scene::new(403);
    let admin = scene.forger();
    let thief = World::in_memory(9403);
    // The recovery key's identity is thrown out by itself here: what matters is that it is removed.
    let second = scene.second_forger();
    scene.open_elsewhere(&thief).unwrap();
    second.remove(&second.me());
    let memory = super::scene::state(&thief);
    assert!(matches!(
        scene.open_elsewhere(&thief).err(),
        Some(Error::NoGrant)
    ));
    assert_eq!(super::scene::state(&thief), memory);
    scene.open().unwrap();
    scene.attempt().complete();
    drop(admin);
}

#[test]
fn a_removed_device_cannot_change_the_roster_nor_stop_others_from_reading_it() {
    let scene = Scene::new(404);
    let admin = scene.forger();
    let laptop = admin.add_identity(STOLEN, Capabilities::ALL);
    admin.remove(&laptop.me());
    admin.cut(&laptop.me());
    let (n, previous) = admin.roster_tip();
    scene.open().unwrap();
    let again = Cbor::Map(vec![id(&laptop.me()), (1, Cbor::Unsigned(15))]);
    laptop.roster_entry_at(n + 1, previous, 4, &again);
    laptop.roster_entry_at(n + 1, previous, 2, &Cbor::Map(vec![id(&admin.me())]));
    // Far ahead: as if the storage hid what lies between.
    laptop.roster_entry_at(n + 7, previous, 7, &Cbor::Map(vec![(0, Cbor::Unsigned(9))]));
    // And what no decoder takes.
    laptop.roster_bytes(n + 1, b"\xff\xff");
    laptop.roster_entry_at(n + 1, previous, 99, &Cbor::Map(vec![]));
    let repository = scene.open().unwrap();
    assert_eq!(repository.roster().position().n, n);
    assert!(repository.roster().standing(&laptop.me()).is_none());
    assert!(repository.roster().standing(&admin.me()).is_some());
    scene.attempt().complete();
}

#[test]
fn a_new_epoch_keeps_all_history_readable_and_a_removed_device_out() {
    let scene = Scene::new(414);
    let admin = scene.forger();
    let laptop = admin.add_identity(STOLEN, Capabilities::ALL);
    scene.open().unwrap();
    admin.remove(&laptop.me());
    admin.cut(&laptop.me());
    begin_epoch(&scene, &admin);
    scene.open().unwrap();
    scene.attempt().complete();
    super::scene::write(&scene.source.join("after"), b"after the removal");
    scene.backup();
    scene.attempt().complete();
    // What was written after it is sealed under keys that the removed device was never given.
    assert!(
        names_under(&scene.storage, "keys/")
            .iter()
            .any(|name| name.as_str().contains("/00000002-"))
    );
    let old = laptop.at(admin.identity.public(), &scene.storage);
    assert_eq!(old.grant.epoch.get(), 1);
    let newest = names_under(&scene.storage, &format!("log/{}/", admin.me()))
        .pop()
        .unwrap();
    assert!(
        old.log_keys()
            .open_log(newest.as_str(), &get(&scene.storage, &newest))
            .is_err()
    );
    // And with its old keys it can neither add to the roster nor to its log.
    let (n, previous) = admin.roster_tip();
    old.roster_entry_at(n + 1, previous, 7, &Cbor::Map(vec![(0, Cbor::Unsigned(9))]));
    old.roster_entry_at(n + 3, previous, 7, &Cbor::Map(vec![(0, Cbor::Unsigned(9))]));
    old.heartbeat();
    assert_eq!(scene.open().unwrap().roster().position().n, n);
    scene.attempt().complete();
}
