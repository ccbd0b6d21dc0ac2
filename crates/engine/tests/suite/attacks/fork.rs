//! A storage that shows different histories to different machines, and machines that write at once.

use std::sync::Arc;

use ownkey_crypto::ObjectHash;
use ownkey_engine::check;
use ownkey_engine::repository::Repository;
use ownkey_engine::{Class, Error, Lie as Caught};
use ownkey_testkit::Lie;

use super::cbor::Cbor;
use super::forger::{Said, get, names_under, ready};
use super::scene::Scene;
use crate::world::World;

#[test]
fn two_machines_see_each_others_snapshots() {
    let scene = Scene::new(220);
    let (world, opened) = scene.newcomer(9220);
    let mut other = opened.unwrap();
    let report = world.backup(&mut other, &scene.source);
    assert!(
        scene
            .open()
            .unwrap()
            .snapshots()
            .iter()
            .any(|snapshot| snapshot.id == report.snapshot)
    );
    scene.backup();
    assert_eq!(scene.open_elsewhere(&world).unwrap().snapshots().len(), 3);
}

#[test]
fn a_fork_is_caught_by_whoever_is_shown_the_other_half() {
    let scene = Scene::new(221);
    let world = World::in_memory(9221);
    let mut other = scene.open_elsewhere(&world).unwrap();
    world.backup(&mut other, &scene.source);
    scene.open().unwrap();
    let common = scene.dump();
    let device = scene.forger().me();

    // One half: this machine alone. The other half: the other machine alone.
    scene.backup();
    let ours = scene.dump();
    scene.serve(&common);
    let mut other = scene.open_elsewhere(&world).unwrap();
    let witness = other.me();
    world.backup(&mut other, &scene.source);
    let theirs = scene.dump();

    // Each is shown the other's half: it lacks what each has written itself.
    let seq = names_under(&scene.storage, &format!("log/{device}/")).len() as u64 + 1;
    assert_eq!(
        scene.attempt().caught(),
        Caught::LogRolledBack { device, seq }
    );
    scene.serve(&ours);
    let caught = scene.open_elsewhere(&world).err();
    assert!(
        matches!(caught, Some(Error::Lie(Caught::LogRolledBack { device, .. })) if device == witness),
        "{caught:?}"
    );

    // Joined, both halves are one history again: nobody had replaced an entry.
    let mut joined = ours;
    for (name, bytes) in theirs.iter() {
        joined.insert(name.clone(), bytes.clone());
    }
    scene.serve(&joined);
    scene.open().unwrap();
    scene.attempt().complete();
}

#[test]
fn entries_of_one_device_that_differ_in_two_views_are_a_fork_that_names_the_place() {
    let scene = Scene::new(222);
    let common = scene.dump();
    let admin = scene.forger().identity.public().clone();
    scene.backup();
    let device = scene.forger().me();
    let ours = scene.dump();

    // The same identity wrote something else in the other view: a copied key, or a restored disk.
    scene.serve(&common);
    let copied = scene.forger().at(&admin, &scene.storage);
    let first = copied.heartbeat();
    copied.heartbeat();
    assert!(
        ours.iter()
            .any(|(name, _)| name.as_str().ends_with(&format!("{:016x}", first.seq)))
    );
    assert_eq!(
        scene.attempt().caught(),
        Caught::LogForked {
            device,
            seq: first.seq + 1
        }
    );

    // A single replaced entry breaks the chain behind it.
    let replaced = ownkey_engine::format::layout::log_entry(&device, first.seq);
    let bytes = get(&scene.storage, &replaced);
    scene.serve(&ours);
    scene.forget_logs();
    scene.lying.tell(Lie::Plant(replaced, bytes));
    assert_eq!(
        scene.attempt().caught(),
        Caught::LogForked {
            device,
            seq: first.seq + 1
        }
    );
}

#[test]
fn what_another_device_has_seen_must_be_shown_here_too() {
    let scene = Scene::new(223);
    let world = World::in_memory(9223);
    let mut other = scene.open_elsewhere(&world).unwrap();
    let witness = other.me();
    scene.backup();
    let device = scene.forger().me();
    world.backup(&mut other, &scene.source);
    let newest = names_under(&scene.storage, &format!("log/{device}/"))
        .pop()
        .unwrap();
    let seq = u64::from_str_radix(&newest.as_str()[newest.as_str().len() - 16..], 16).unwrap();
    scene.lying.tell(Lie::Hide(newest));
    // A third machine, which remembers nothing, hears it from the second.
    let third = World::in_memory(9224);
    let caught = scene.open_elsewhere(&third).err();
    let expected = Caught::SeenAhead {
        device,
        seq,
        witness,
    };
    assert!(
        matches!(&caught, Some(Error::Lie(lie)) if *lie == expected),
        "{caught:?}"
    );
    // Without the witness too it is this machine's own memory that speaks.
    assert!(matches!(
        scene.attempt().caught(),
        Caught::LogRolledBack { .. } | Caught::SeenAhead { .. }
    ));
}

#[test]
fn a_witness_of_another_entry_at_the_same_place_shows_the_fork() {
    let scene = Scene::new(224);
    let second = scene.second_forger();
    let device = scene.forger().me();
    let mut seen = scene.forger().tip(&device).unwrap();
    seen.hash = ObjectHash::from_bytes([9; 32]);
    second.say(Said {
        seen: vec![(device, seen)],
        ..Said::of(7, Cbor::Map(vec![]))
    });
    assert_eq!(
        scene.attempt().caught(),
        Caught::LogForked {
            device,
            seq: seen.seq
        }
    );
}

#[test]
fn a_witness_of_another_roster_shows_the_fork() {
    let scene = Scene::new(225);
    let second = scene.second_forger();
    let (n, _) = second.roster_tip();
    let other = ObjectHash::from_bytes([9; 32]);
    second.say(Said {
        roster: Some((n, other)),
        ..Said::of(7, Cbor::Map(vec![]))
    });
    assert_eq!(scene.attempt().caught(), Caught::RosterForked(n));
}

#[test]
fn of_two_roster_entries_at_one_number_all_follow_the_same_and_removals_hold_on_both() {
    let scene = Scene::new(226);
    let admin = scene.forger();
    let victim = admin.add_identity([0x21; 32], ownkey_crypto::Capabilities::ALL);
    let (n, previous) = admin.roster_tip();
    let label = |text: &str| {
        Cbor::Map(vec![
            (0, Cbor::bytes(admin.me().as_bytes())),
            (1, Cbor::text(text)),
        ])
    };
    let removal = Cbor::Map(vec![(0, Cbor::bytes(victim.me().as_bytes()))]);
    // Several labels, so that whichever hash is smallest the removal is not always it.
    for text in ["a", "b", "c", "d"] {
        admin.roster_entry_at(n + 1, previous, 10, &label(text));
    }
    admin.roster_entry_at(n + 1, previous, 2, &removal);
    let ours = scene.open().unwrap();
    let (_, theirs) = scene.newcomer(9226);
    let theirs = theirs.unwrap();
    assert_eq!(ours.roster().position(), theirs.roster().position());
    assert!(ours.roster().standing(&victim.me()).is_none());
    let smallest = names_under(&scene.storage, &format!("roster/{:08x}-", n + 1))[0].to_string();
    assert!(smallest.ends_with(&ours.roster().position().hash.to_string()));
}

#[test]
fn a_run_that_lost_the_race_for_its_number_goes_behind_the_winner_and_overwrites_nothing() {
    let scene = Scene::new(227);
    let mut late = scene.open().unwrap();
    let before = scene.dump();
    let copied = scene.forger();
    // Between the opening and the backup somebody wrote under the same identity.
    let theirs = copied.heartbeat();
    let report = scene.world.try_backup(&mut late, &scene.source).unwrap();
    let after = scene.dump();
    assert!(after.since(&before).changed.is_empty());
    assert_eq!(copied.tip(&copied.me()).unwrap().seq, theirs.seq + 2);
    assert!(
        scene
            .open()
            .unwrap()
            .snapshots()
            .iter()
            .any(|snapshot| snapshot.id == report.snapshot)
    );
}

/// Puts an entry of the same identity before each of the writer's own.
#[derive(Debug)]
struct Racer {
    inner: Arc<dyn ownkey_storage::Storage>,
    armed: std::sync::Mutex<Option<Rival>>,
}

struct Rival {
    forger: super::forger::Forger,
    times: u32,
}

impl std::fmt::Debug for Rival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rival")
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

impl crate::hook::Before for Racer {
    fn inner(&self) -> &Arc<dyn ownkey_storage::Storage> {
        &self.inner
    }

    fn create(&self, name: &ownkey_storage::ObjectName) {
        if name.as_str().starts_with("log/")
            && let Some(rival) = self.armed.lock().unwrap().as_mut()
            && rival.times > 0
        {
            rival.times -= 1;
            rival.forger.heartbeat();
        }
    }
}

#[test]
fn an_identity_that_writes_on_another_machine_at_the_same_time_is_found_copied() {
    for (times, gives_up) in [(1, false), (3, false), (1000, true)] {
        let scene = Scene::new(228);
        let inner = scene.lying.inner();
        let rival = Rival {
            forger: scene.forger().at(scene.forger().identity.public(), &inner),
            times,
        };
        let racer = Racer {
            inner: inner.clone(),
            armed: std::sync::Mutex::new(Some(rival)),
        };
        scene.lying.switch_to(Arc::new(crate::hook::Hooked(racer)));
        let mut repository = scene.open().unwrap();
        let before = ready(ownkey_testkit::Dump::take(inner.as_ref())).unwrap();
        let ended = scene.world.try_backup(&mut repository, &scene.source);
        let after = ready(ownkey_testkit::Dump::take(inner.as_ref())).unwrap();
        assert!(after.since(&before).changed.is_empty() && after.since(&before).removed.is_empty());
        match ended {
            Ok(_) => assert!(!gives_up, "{times}"),
            Err(error) => {
                assert!(
                    gives_up && matches!(error, Error::Lie(Caught::IdentityCopied)),
                    "{times}: {error:?}"
                );
                assert_eq!(error.class(), Class::StorageLied);
            }
        }
    }
}

#[test]
fn machines_that_back_up_at_the_same_time_accuse_nobody_and_lose_nothing() {
    const ROUNDS: usize = 12;
    let scene = Scene::new(229);
    let (second, opened) = scene.newcomer(9229);
    drop(opened.unwrap());
    let third = scene
        .forger()
        .add_identity([0x33; 32], ownkey_crypto::Capabilities::ALL);
    let third = third.move_in(World::in_memory(9230));
    let barrier = std::sync::Barrier::new(3);
    let run = |world: &World, open: &dyn Fn() -> Repository| -> Vec<ObjectHash> {
        let source = world.path("own");
        let mut made = Vec::new();
        for round in 0..ROUNDS {
            super::scene::write(
                &source.join("f"),
                format!("{round} of {source:?}").as_bytes(),
            );
            barrier.wait();
            let mut repository = open();
            made.push(world.backup(&mut repository, &source).snapshot);
        }
        made
    };
    let made: Vec<ObjectHash> = std::thread::scope(|scope| {
        let threads = [
            scope.spawn(|| run(&scene.world, &|| scene.open().unwrap())),
            scope.spawn(|| run(&second, &|| scene.open_elsewhere(&second).unwrap())),
            scope.spawn(|| run(&third, &|| third.open(&scene.storage).unwrap())),
        ];
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let shown: Vec<ObjectHash> = scene
        .open()
        .unwrap()
        .snapshots()
        .into_iter()
        .map(|snapshot| snapshot.id)
        .collect();
    assert_eq!(shown.len(), 1 + 3 * ROUNDS);
    assert!(made.iter().all(|id| shown.contains(id)));
    let report = check::run(
        &scene.open().unwrap(),
        check::ReadData::All,
        &scene.world.monitor,
    )
    .unwrap();
    assert_eq!(report.findings, []);
}
