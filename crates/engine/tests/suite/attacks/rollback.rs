//! A storage that takes back, hides or replays what this machine has seen.

use std::sync::Arc;

use ownkey_engine::access::Admin;
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::repository::{self, Credential};
use ownkey_engine::{Class, Error, Lie as Caught};
use ownkey_storage::{MemoryStorage, ObjectName};
use ownkey_testkit::Lie;

use super::forger::{get, names_under, put};
use super::scene::{Scene, state};
use crate::world::World;

/// The entries of the only log, oldest first.
fn entries(scene: &Scene) -> Vec<ObjectName> {
    names_under(&scene.storage, "log/")
}

#[test]
fn yesterdays_bucket_is_a_rollback_that_names_the_entry_seen() {
    let scene = Scene::new(200);
    let yesterday = scene.dump();
    scene.backup();
    let newest = entries(&scene).len() as u64 - 1;
    let today = scene.dump();
    scene.serve(&yesterday);
    let me = scene.forger().me();
    assert_eq!(
        scene.attempt().caught(),
        Caught::LogRolledBack {
            device: me,
            seq: newest
        }
    );
    // Nothing is written to a storage that lied, and the truth is believed again.
    assert_eq!(scene.dump(), yesterday);
    scene.serve(&today);
    scene.attempt().complete();
}

#[test]
fn a_bucket_emptied_or_without_any_single_entry_is_caught() {
    let scene = Scene::new(201);
    scene.backup();
    scene.forget_logs();
    let me = scene.forger().me();
    let names = entries(&scene);
    let newest = names.len() as u64 - 1;
    for hidden in &names {
        scene.lying.repent();
        scene.lying.tell(Lie::Hide(hidden.clone()));
        assert_eq!(
            scene.attempt().caught(),
            Caught::LogRolledBack {
                device: me,
                seq: newest
            },
            "without {hidden}"
        );
    }
    scene.lying.repent();
    scene.lying.switch_to(Arc::new(MemoryStorage::new()));
    assert!(matches!(
        scene.attempt().refused(Class::NoRepository),
        Error::NoRepository(_)
    ));
}

#[test]
fn an_entry_before_the_one_a_machine_ended_with_is_missed_by_check() {
    let scene = Scene::new(218);
    scene.backup();
    let names = entries(&scene);
    let (newest, earlier) = names.split_last().unwrap();
    scene.lying.tell(Lie::Hide(newest.clone()));
    assert!(matches!(
        scene.attempt().caught(),
        Caught::LogRolledBack { .. }
    ));
    for hidden in earlier {
        scene.lying.repent();
        scene.lying.tell(Lie::Hide(hidden.clone()));
        // What this machine has read once it does not read again, and loses nothing.
        scene.attempt().complete();
        let repository = scene.open().unwrap();
        let report = check::run(&repository, ReadData::No, &scene.world.monitor).unwrap();
        let lies = report.findings.iter().map(|finding| finding.class);
        assert!(
            lies.into_iter().any(|class| class == Class::StorageLied),
            "without {hidden}"
        );
    }
}

#[test]
fn a_deleted_cache_takes_no_memory_with_it() {
    let scene = Scene::new(202);
    let yesterday = scene.dump();
    scene.backup();
    let _ = std::fs::remove_dir_all(&scene.world.environment.cache);
    scene.serve(&yesterday);
    assert!(matches!(
        scene.attempt().caught(),
        Caught::LogRolledBack { .. }
    ));
}

#[test]
fn a_machine_that_lost_its_memory_and_not_its_key_says_so() {
    let scene = Scene::new(217);
    let yesterday = scene.dump();
    scene.backup();
    let notes = || scene.world.monitor.notes.lock().unwrap().join(" ");
    assert!(!notes().contains("remembers nothing"), "{}", notes());
    for (path, _) in state(&scene.world) {
        if path.to_str().unwrap().contains("/tips-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    scene.serve(&yesterday);
    scene.open().unwrap();
    assert!(
        notes().contains("remembers nothing of memory"),
        "{}",
        notes()
    );
}

#[test]
fn a_storage_that_swallows_an_entry_is_caught_before_the_backup_is_acknowledged() {
    let scene = Scene::new(203);
    let mut repository = scene.open().unwrap();
    let me = scene.forger().me();
    let next = entries(&scene).len() as u64;
    for lie in [
        Lie::SwallowCreates,
        Lie::Hide(ownkey_engine::format::layout::log_entry(&me, next)),
    ] {
        scene.lying.repent();
        scene.lying.tell(lie.clone());
        let failed = scene
            .world
            .try_backup(&mut repository, &scene.source)
            .unwrap_err();
        assert!(
            matches!(failed, Error::Lie(Caught::LogRolledBack { device, seq }) if device == me && seq == next),
            "{lie:?}: {failed:?}"
        );
        scene.lying.repent();
        assert_eq!(scene.open().unwrap().snapshots().len(), 1, "{lie:?}");
    }
}

#[test]
fn an_entry_hidden_from_its_own_author_is_missed_when_read_back() {
    let scene = Scene::new(204);
    let mut repository = scene.open().unwrap();
    let me = scene.forger().me();
    let confirm = entries(&scene).len() as u64 + 1;
    scene
        .lying
        .tell(Lie::Hide(ownkey_engine::format::layout::log_entry(
            &me, confirm,
        )));
    let failed = scene
        .world
        .try_backup(&mut repository, &scene.source)
        .unwrap_err();
    assert!(
        matches!(failed, Error::Lie(Caught::LogRolledBack { device, seq }) if device == me && seq == confirm),
        "{failed:?}"
    );
}

#[test]
fn an_old_entry_under_a_new_number_is_not_signed_there() {
    let scene = Scene::new(205);
    let me = scene.forger().me();
    let names = entries(&scene);
    let next = ownkey_engine::format::layout::log_entry(&me, names.len() as u64);
    for old in &names {
        scene.lying.repent();
        scene.lying.tell(Lie::ServeAs(next.clone(), old.clone()));
        let seq = names.len() as u64;
        assert_eq!(
            scene.attempt().caught(),
            Caught::NotSigned { device: me, seq },
            "{old}"
        );
    }
}

#[test]
fn an_entry_replaced_changed_or_cut_is_not_signed_there() {
    let scene = Scene::new(206);
    scene.backup();
    scene.forget_logs();
    let me = scene.forger().me();
    let names = entries(&scene);
    for (seq, name) in names.iter().enumerate() {
        let other = &names[(seq + 1) % names.len()];
        let size = get(&scene.storage, name).len() as u64;
        let flips = [0, 4, 5, 8, 12, 44, 76, 112, size - 64, size - 1]
            .map(|byte| Lie::FlipBit(name.clone(), 8 * byte));
        let cuts =
            [0, 43, 111, size - 64, size - 1].map(|length| Lie::Truncate(name.clone(), length));
        let others = [
            Lie::ServeAs(name.clone(), other.clone()),
            Lie::Extend(name.clone(), vec![0].into()),
        ];
        for lie in flips.into_iter().chain(cuts).chain(others) {
            scene.lying.repent();
            scene.lying.tell(lie.clone());
            let seq = seq as u64;
            assert_eq!(
                scene.attempt().caught(),
                Caught::NotSigned { device: me, seq },
                "{lie:?}"
            );
        }
    }
}

#[test]
fn a_roster_cut_short_before_a_removal_is_a_rollback() {
    let scene = Scene::new(207);
    let admin = scene.forger();
    let laptop = admin.add_identity([0x5a; 32], ownkey_crypto::Capabilities::ALL);
    let before = scene.dump();
    admin.remove(&laptop.me());
    admin.cut(&laptop.me());
    scene.open().unwrap();
    let newest = admin.roster_tip().0;
    scene.serve(&before);
    assert_eq!(scene.attempt().caught(), Caught::RosterRolledBack(newest));
}

#[test]
fn a_roster_without_any_single_entry_is_caught() {
    let scene = Scene::new(208);
    let admin = scene.forger();
    for label in ["one", "two"] {
        let device = (0, super::cbor::Cbor::bytes(admin.me().as_bytes()));
        admin.roster_entry(
            10,
            &super::cbor::Cbor::Map(vec![device, (1, super::cbor::Cbor::text(label))]),
        );
    }
    scene.open().unwrap();
    let newest = admin.roster_tip().0;
    for (n, name) in names_under(&scene.storage, "roster/").iter().enumerate() {
        for lie in [Lie::Hide(name.clone()), Lie::Unlist(name.clone())] {
            scene.lying.repent();
            scene.lying.tell(lie);
            // What comes first behind the gap tells of it; behind the last one it is memory alone.
            let tells = newest.min(n as u32 + 1);
            let expected = if n == 0 {
                Caught::NotGenesis
            } else {
                Caught::RosterRolledBack(tells)
            };
            assert_eq!(scene.attempt().caught(), expected, "without {name}");
        }
    }
    // And a newcomer, who remembers nothing, sees the gap in what is left.
    scene.lying.repent();
    scene
        .lying
        .tell(Lie::Hide(names_under(&scene.storage, "roster/")[2].clone()));
    let (_, opened) = scene.newcomer(9208);
    assert!(matches!(opened.err(), Some(Error::Lie(Caught::RosterRolledBack(n))) if n == newest));
}

#[test]
fn a_changed_roster_entry_is_damage_that_is_named() {
    let scene = Scene::new(209);
    for name in names_under(&scene.storage, "roster/") {
        for lie in [
            Lie::FlipBit(name.clone(), 8 * 500),
            Lie::Truncate(name.clone(), 111),
        ] {
            scene.lying.repent();
            scene.lying.tell(lie);
            let error = scene.attempt().refused(Class::Damage);
            assert!(
                matches!(&error, Error::Object { name: named, .. } if *named == name),
                "{error:?}"
            );
        }
    }
}

#[test]
fn another_repository_in_the_old_place_is_another_repository() {
    let scene = Scene::new(210);
    let other = Scene::new(211);
    scene.serve(&other.dump());
    // Nothing of the other repository is believed: the place is remembered.
    assert!(matches!(
        scene.attempt().caught(),
        Caught::OtherRepository { .. }
    ));
    // Also when a credential opens it.
    let opened = repository::open(
        &scene.world.environment,
        &scene.storage,
        Credential::RecoveryKey(&other.recovery_key),
        &scene.world.monitor,
    );
    assert!(matches!(
        opened.err(),
        Some(Error::Lie(Caught::OtherRepository { .. }))
    ));
}

#[test]
fn a_header_of_another_repository_is_caught_by_the_roster() {
    let scene = Scene::new(212);
    let other = Scene::new(213);
    let header = ObjectName::new("ownkey").unwrap();
    let foreign = other.dump().get(&header).unwrap().clone();
    scene.lying.tell(Lie::Plant(header.clone(), foreign));
    assert!(matches!(
        scene.attempt().caught(),
        Caught::OtherRepository { .. }
    ));
    let (_, opened) = scene.newcomer(9212);
    // Every slot says which repository it is of.
    assert_eq!(opened.err().unwrap().class(), Class::Damage);
    for broken in [&b""[..], b"ownkey 2\nrepository 00\n", b"\xff\xff"] {
        scene.lying.repent();
        scene
            .lying
            .tell(Lie::Plant(header.clone(), broken.to_vec().into()));
        assert!(
            matches!(
                scene.attempt(),
                super::scene::Attempt::Refused(Error::Header(_))
            ),
            "{broken:?}"
        );
    }
}

#[test]
fn memory_that_was_tampered_with_is_refused_and_not_replaced() {
    let scene = Scene::new(214);
    let files = state(&scene.world);
    let memory = files.keys().find(|path| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("tips-")
    });
    let memory = memory.expect("the memory of what was seen");
    let good = &files[memory];
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(memory, &bad).unwrap();
        assert!(
            matches!(scene.attempt().refused(Class::Failure), Error::StateTampered(path) if path == *memory)
        );
    }
    for length in [0, 31, 32, good.len() - 1] {
        std::fs::write(memory, &good[..length]).unwrap();
        assert!(
            matches!(
                scene.attempt().refused(Class::Failure),
                Error::StateTampered(_)
            ),
            "{length}"
        );
    }
    // The memory of another machine is not this one's.
    let other = World::in_memory(9214);
    scene.open_elsewhere(&other).unwrap();
    let theirs = state(&other)
        .into_iter()
        .find(|(path, _)| path.to_str().unwrap().contains("tips-"))
        .unwrap()
        .1;
    std::fs::write(memory, theirs).unwrap();
    assert!(matches!(
        scene.attempt().refused(Class::Failure),
        Error::StateTampered(_)
    ));
    std::fs::write(memory, good).unwrap();
    scene.attempt().complete();
}

#[test]
fn a_listing_out_of_order_breaks_the_contract() {
    let scene = Scene::new(215);
    scene.lying.tell(Lie::ReverseListings);
    assert!(matches!(
        scene.attempt().refused(Class::StorageLied),
        Error::Storage(_)
    ));
}

#[test]
fn names_that_the_storage_invents_in_a_log_stop_nobody() {
    let scene = Scene::new(216);
    let me = scene.forger().me();
    // A newcomer looks for the newest fold: numbers without end must not make it search without end.
    for seq in [u64::MAX, u64::MAX - 1, 1 << 40 | 1, 6401] {
        put(
            &scene.storage,
            &ownkey_engine::format::layout::log_entry(&me, seq),
            b"nothing".to_vec(),
        );
    }
    scene.attempt().complete();
    assert_eq!(scene.newcomer(9216).1.unwrap().snapshots().len(), 1);
    // In the place of a fold it is looked at, and not signed.
    for seq in [6400, u64::MAX - 63] {
        put(
            &scene.storage,
            &ownkey_engine::format::layout::log_entry(&me, seq),
            b"nothing".to_vec(),
        );
        let caught = scene.newcomer(9217).1.err();
        let expected = Caught::NotSigned { device: me, seq };
        assert!(
            matches!(&caught, Some(Error::Lie(lie)) if *lie == expected),
            "{caught:?}"
        );
    }
    scene.attempt().complete();
}

#[test]
fn a_newcomer_is_not_shown_less_of_the_roster_than_the_logs_have_seen() {
    let scene = Scene::new(219);
    let mut repository = scene.open().unwrap();
    let mut admin = Admin::of(&mut repository, &scene.world.monitor).unwrap();
    let me = admin.repository().me();
    admin.rename(&me, "the desk").unwrap();
    drop(admin);
    scene.backup();
    let newest = names_under(&scene.storage, "roster/").pop().unwrap();
    scene.lying.tell(Lie::Hide(newest));
    let newcomer = World::in_memory(220);
    let open = || {
        let key = Credential::RecoveryKey(&scene.recovery_key);
        repository::open(
            &newcomer.environment,
            &scene.storage,
            key,
            &newcomer.monitor,
        )
    };
    let caught = open().map(drop).unwrap_err();
    assert!(
        matches!(caught, Error::Lie(Caught::RosterRolledBack(_))),
        "{caught:?}"
    );
    scene.lying.repent();
    open().unwrap();
}
