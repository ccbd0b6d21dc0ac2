//! Forgetting and pinning, by several machines over one storage.

use std::collections::BTreeSet;

use ownkey_crypto::{Capabilities, DeviceId};
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::forget::{self, By, Every, Policy, pin, place};
use ownkey_engine::format::entry::EntryRef;
use ownkey_engine::format::time::Clock as _;
use ownkey_engine::monitor::Silent;
use ownkey_engine::repository::Repository;
use ownkey_engine::unforget;
use ownkey_engine::{Error, Result};
use ownkey_testkit::{Fault, Moment};

use crate::access::{Case, USUAL};
use crate::attacks::scene::write;
use crate::prune::House;
use crate::world::World;

const PRUNER: Capabilities = USUAL.and(Capabilities::PRUNE);

/// So many more snapshots of a machine, a day apart.
fn days(world: &World, case: &Case, count: u32) {
    let mut repository = world.open(&case.storage).expect("a repository");
    let source = world.path("source");
    for day in 0..count {
        world.clock.advance(86_400);
        write(&source.join("diary"), format!("day {day}").as_bytes());
        world.backup(&mut repository, &source);
    }
}

fn entries(repository: &Repository) -> BTreeSet<EntryRef> {
    let snapshots = repository.snapshots().into_iter();
    snapshots.map(|snapshot| snapshot.entry()).collect()
}

fn of(device: DeviceId, entries: &BTreeSet<EntryRef>) -> BTreeSet<EntryRef> {
    let own = entries.iter().filter(|entry| entry.device == device);
    own.copied().collect()
}

/// What a policy lets go, by the clock of `world`.
fn going(world: &World, repository: &Repository, policy: &Policy) -> BTreeSet<EntryRef> {
    let placed = place(repository.snapshots(), world.clock.now());
    let by = By::USUAL.into();
    let groups = policy.plan(placed, &by, &repository.pinned(), &jiff::tz::TimeZone::UTC);
    let verdicts = groups.into_iter().flat_map(|group| group.verdicts);
    let going = verdicts.filter(|verdict| !verdict.stays());
    going
        .map(|verdict| verdict.placed.snapshot.entry())
        .collect()
}

fn daily(count: u32) -> Policy {
    Policy {
        newest: [(Every::Day, count)].into(),
        ..Policy::default()
    }
}

fn forget(world: &World, case: &Case, snapshots: &BTreeSet<EntryRef>) -> Result<u64> {
    let mut repository = world.open(&case.storage)?;
    forget::run(&mut repository, snapshots, &world.monitor)
}

#[test]
fn what_one_machine_forgets_is_gone_for_all_and_each_keeps_its_own_days() {
    let case = Case::new(6000);
    let (laptop, device) = case.enrolled(6001, PRUNER);
    days(&laptop, &case, 5);
    case.desk.clock.advance(30 * 86_400);
    days(&case.desk, &case, 3);
    let mut here = case.open();
    let going = going(&case.desk, &here, &daily(2));
    assert_eq!((going.len(), of(device, &going).len()), (5, 3));
    let forgotten = forget::run(&mut here, &going, &case.desk.monitor);
    assert_eq!(forgotten.expect("a Forget"), 5);
    let there = laptop.open(&case.storage).unwrap();
    assert_eq!(entries(&there), entries(&here));
    assert_eq!(of(device, &entries(&there)).len(), 2);
    assert!(entries(&there).is_disjoint(&going));
    // Forgotten already: nothing is said twice.
    assert_eq!(forget(&laptop, &case, &going).unwrap(), 0);
    let report = check::run(&here, ReadData::No, &case.desk.monitor).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(case.open().snapshots().len(), 4);
}

#[test]
fn only_a_device_that_may_prune_forgets_or_pins() {
    let case = Case::new(6010);
    let (laptop, _) = case.enrolled(6011, USUAL);
    let before = entries(&case.open());
    assert!(matches!(
        forget(&laptop, &case, &before),
        Err(Error::NotAllowed(_))
    ));
    let mut repository = laptop.open(&case.storage).unwrap();
    let pinned = pin::add(&mut repository, &before, &laptop.monitor);
    assert!(matches!(pinned, Err(Error::NotAllowed(_))));
    let unpinned = pin::remove(&mut repository, &before, &laptop.monitor);
    assert!(matches!(unpinned, Err(Error::NotAllowed(_))));
    assert_eq!(entries(&case.open()), before);
}

#[test]
fn a_pin_holds_against_every_machine_until_all_pins_are_ended() {
    let case = Case::new(6020);
    let (laptop, _) = case.enrolled(6021, PRUNER);
    days(&case.desk, &case, 3);
    let mut here = case.open();
    let monitor = &case.desk.monitor;
    let all: Vec<EntryRef> = entries(&here).into_iter().collect();
    let (two, one): (BTreeSet<_>, BTreeSet<_>) = ([all[0], all[1]].into(), [all[0]].into());
    assert_eq!(pin::add(&mut here, &two, monitor).unwrap(), 2);
    assert_eq!(pin::add(&mut here, &one, monitor).unwrap(), 0);
    // Elsewhere it is seen; nothing of the list goes if one of it is pinned.
    let refused = forget(&laptop, &case, &entries(&here));
    assert!(matches!(refused, Err(Error::Pinned(hash)) if two.iter().any(|it| it.at.hash == hash)));
    assert_eq!(
        going(&case.desk, &laptop.open(&case.storage).unwrap(), &daily(1)).len(),
        1
    );
    // One of the two is unpinned elsewhere, and the other one stays pinned.
    let mut there = laptop.open(&case.storage).unwrap();
    assert_eq!(pin::remove(&mut there, &one, &laptop.monitor).unwrap(), 1);
    assert_eq!(pin::remove(&mut there, &one, &laptop.monitor).unwrap(), 0);
    let here = case.open();
    assert_eq!(here.pinned(), [all[1]].into());
    assert_eq!(forget(&case.desk, &case, &one).unwrap(), 1);
    assert!(matches!(
        pin::add(&mut there, &one, &laptop.monitor),
        Err(Error::NoSnapshot(_))
    ));
}

#[test]
fn pins_and_what_was_forgotten_outlive_the_folds_of_the_log() {
    let case = Case::new(6030);
    days(&case.desk, &case, 2);
    let mut here = case.open();
    let all: Vec<EntryRef> = entries(&here).into_iter().collect();
    let monitor = &case.desk.monitor;
    pin::add(&mut here, &all.iter().copied().collect(), monitor).unwrap();
    pin::remove(&mut here, &[all[0]].into(), monitor).unwrap();
    forget::run(&mut here, &[all[0]].into(), monitor).unwrap();
    drop(here);
    days(&case.desk, &case, 40);
    let newcomer = World::in_memory(6031);
    let credential = ownkey_engine::repository::Credential::RecoveryKey(&case.recovery_key);
    let environment = &newcomer.environment;
    let repository =
        ownkey_engine::repository::open(environment, &case.storage, credential, &newcomer.monitor);
    let repository = repository.expect("the kit opens it");
    assert!(repository.newest().is_none() && case.open().newest().unwrap().at.seq > 64);
    assert_eq!(repository.pinned(), all[1..].iter().copied().collect());
    assert!(!entries(&repository).contains(&all[0]));
    assert_eq!(entries(&repository), entries(&case.open()));
    let report = check::run(&repository, ReadData::No, &newcomer.monitor).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn what_a_thief_of_a_machine_backs_up_evicts_nothing_of_another_machine() {
    let case = Case::new(6040);
    let (laptop, device) = case.enrolled(6041, USUAL);
    case.desk.clock.advance(86_400);
    days(&case.desk, &case, 4);
    let here = case.open();
    let before = going(&case.desk, &here, &daily(3));
    // A flood, half of it long ago and half of it in years to come.
    for (seconds, count) in [(-9_000 * 86_400, 4), (20_000 * 86_400, 4)] {
        laptop.clock.advance(seconds);
        days(&laptop, &case, count);
    }
    let here = case.open();
    let after = going(&case.desk, &here, &daily(3));
    assert_eq!(after.difference(&of(device, &after)).count(), before.len());
    assert!(after.is_superset(&before));
}

/// Something to say of the oldest of two snapshots.
struct Saying {
    what: &'static str,
    before: fn(&mut Repository) -> Result<()>,
    say: fn(&mut Repository) -> Result<()>,
    is_said: fn(&Repository) -> bool,
}

fn forget_oldest(repository: &mut Repository) -> Result<()> {
    let oldest = repository.snapshots()[0].entry();
    forget::run(repository, &[oldest].into(), &Silent).map(drop)
}

fn pin_oldest(repository: &mut Repository) -> Result<()> {
    let oldest = repository.snapshots()[0].entry();
    pin::add(repository, &[oldest].into(), &Silent).map(drop)
}

fn unpin_oldest(repository: &mut Repository) -> Result<()> {
    let oldest = repository.snapshots()[0].entry();
    pin::remove(repository, &[oldest].into(), &Silent).map(drop)
}

fn have_oldest_back(repository: &mut Repository) -> Result<()> {
    let forgotten = unforget::forgotten(repository)?;
    unforget::run(repository, &forgotten[0], &Silent).map(drop)
}

const SAYINGS: [Saying; 4] = [
    Saying {
        what: "forget",
        before: |_| Ok(()),
        say: forget_oldest,
        is_said: |repository| repository.snapshots().len() == 1,
    },
    Saying {
        what: "pin",
        before: |_| Ok(()),
        say: pin_oldest,
        is_said: |repository| repository.pinned().len() == 1,
    },
    Saying {
        what: "unpin",
        before: pin_oldest,
        say: unpin_oldest,
        is_said: |repository| repository.pinned().is_empty(),
    },
    Saying {
        what: "unforget",
        before: forget_oldest,
        say: have_oldest_back,
        is_said: |repository| repository.snapshots().len() == 2,
    },
];

#[test]
fn what_is_said_of_snapshots_can_die_at_any_change_and_be_said_again() {
    let ready = |saying: &Saying| {
        let mut house = House::new(1_310);
        for state in 0..2 {
            house.fill_a_little(state);
            house.backup();
        }
        (saying.before)(&mut house.world.open(&house.storage).unwrap()).unwrap();
        house.faulty.disarm();
        house
    };
    for saying in &SAYINGS {
        let house = ready(saying);
        (saying.say)(&mut house.world.open(&house.storage).unwrap()).unwrap();
        let changes = house.faulty.changes();
        assert!(changes >= 1, "{}", saying.what);
        for at in 0..changes {
            for moment in [Moment::Before, Moment::After] {
                let case = format!("{} {at} {moment:?}", saying.what);
                let mut house = ready(saying);
                let mut repository = house.world.open(&house.storage).unwrap();
                house.faulty.arm(Fault::crash(at, moment));
                (saying.say)(&mut repository).unwrap_err();
                house.faulty.disarm();
                drop(repository);
                let mut repository = house.world.open(&house.storage).unwrap();
                if !(saying.is_said)(&repository) {
                    (saying.say)(&mut repository).unwrap();
                }
                assert!((saying.is_said)(&repository), "{case}");
                let standing = repository.snapshots().len();
                drop(repository);
                house.fill_a_little(2);
                house.backup();
                let repository = house.world.open(&house.storage).unwrap();
                assert_eq!(repository.snapshots().len(), standing + 1, "{case}");
                let report = check::run(&repository, ReadData::All, &Silent).unwrap();
                assert_eq!(report.findings, [], "{case}");
            }
        }
    }
}
