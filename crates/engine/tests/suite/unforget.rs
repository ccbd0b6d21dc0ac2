//! Having back what was forgotten, beside machines that prune.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use ownkey_crypto::{Capabilities, ObjectHash, PackKind};
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::forget::{self, By, Every, Policy, place};
use ownkey_engine::format::entry::PackName;
use ownkey_engine::format::time::Clock as _;
use ownkey_engine::monitor::Silent;
use ownkey_engine::repository::{Repository, Snapshot};
use ownkey_engine::{Error, Result, prune, unforget};
use ownkey_storage::{ObjectName, Storage};

use crate::access::{Case, USUAL};
use crate::attacks::cbor::Cbor;
use crate::attacks::forger::{Forger, Said, names_under, record, stream};
use crate::attacks::scene::write;
use crate::hook::{Before, Hooked};
use crate::prune::THOROUGH;

/// Three snapshots of the owner's machine, a day apart, of which the second was forgotten.
fn with_forgotten(seed: u64) -> (Case, Snapshot) {
    let case = Case::new(seed);
    let mut repository = case.open();
    for day in 1..3 {
        case.desk.clock.advance(86_400);
        write(&case.source.join("diary"), format!("day {day}").as_bytes());
        case.desk.backup(&mut repository, &case.source);
    }
    let second = repository.snapshots().swap_remove(1);
    let going = [second.entry()].into();
    assert_eq!(forget::run(&mut repository, &going, &Silent).unwrap(), 1);
    (case, second)
}

fn ids(snapshots: &[Snapshot]) -> Vec<ObjectHash> {
    snapshots.iter().map(|snapshot| snapshot.id).collect()
}

fn have_back(repository: &mut Repository) -> Result<ObjectHash> {
    let forgotten = unforget::forgotten(repository)?;
    unforget::run(repository, &forgotten[0], &Silent)
}

/// Everything that is stored, as a pruner names it.
fn packs(storage: &Arc<dyn Storage>) -> Vec<PackName> {
    let name = |name: &ObjectName, kind| PackName {
        kind,
        hash: ObjectHash::parse(&name.as_str()["data/00/".len()..]).expect("a hash"),
    };
    let of = |under, kind| {
        let names = names_under(storage, under);
        names.into_iter().map(move |it| name(&it, kind))
    };
    let all = of("data/", PackKind::Data).chain(of("meta/", PackKind::Meta));
    all.collect()
}

fn pruner(case: &Case, storage: &Arc<dyn Storage>) -> Forger {
    let founder = Forger::of_device(&case.desk, storage);
    Forger::of_recovery_key(&case.recovery_key, founder.identity.public(), storage)
}

#[test]
fn what_was_forgotten_is_had_back_as_it_was_by_any_machine_that_may_forget() {
    let (case, second) = with_forgotten(6100);
    let (laptop, device) = case.enrolled(6101, USUAL.and(Capabilities::PRUNE));
    let mut there = laptop.open(&case.storage).unwrap();
    assert_eq!(ids(&unforget::forgotten(&there).unwrap()), [second.id]);
    let made = have_back(&mut there).unwrap();
    assert!(unforget::forgotten(&there).unwrap().is_empty());

    let here = case.open();
    let back = here.find_snapshot(&made.to_string()).unwrap();
    assert_eq!((back.device, back.first), (device, second.entry()));
    let mut record = back.record.clone();
    assert_eq!(record.original.take(), Some(second.entry()));
    assert_eq!(record, second.record);
    assert_eq!(ids(&here.snapshots())[1], made);
    let report = check::run(&here, ReadData::All, &case.desk.monitor).unwrap();
    assert_eq!(report.findings, []);

    // A policy counts it where it was first: it stands for its day, among those of the machine that made it.
    let daily = Policy {
        newest: [(Every::Day, 2)].into(),
        ..Policy::default()
    };
    let placed = place(here.snapshots(), case.desk.clock.now());
    let groups = daily.plan(
        placed,
        &By::USUAL.into(),
        &BTreeSet::new(),
        &jiff::tz::TimeZone::UTC,
    );
    assert_eq!(groups.len(), 1);
    let stays: Vec<bool> = groups[0].verdicts.iter().map(|it| it.stays()).collect();
    assert_eq!(stays, [false, true, true]);
    // Forgotten once more it is still the same one, and can be had back once more.
    let mut here = here;
    forget::run(&mut here, &[back.entry()].into(), &Silent).unwrap();
    let again = unforget::forgotten(&here).unwrap();
    assert_eq!(
        again.iter().map(|it| it.first).collect::<Vec<_>>(),
        [second.entry()]
    );
    have_back(&mut here).unwrap();
    assert_eq!(case.open().snapshots().len(), 3);
    // What was had back is needed like anything else.
    prune::run(&mut here, &THOROUGH, &Silent).unwrap();
    let report = check::run(&here, ReadData::All, &case.desk.monitor).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn after_a_prune_it_is_too_late_and_nothing_is_said() {
    let (case, second) = with_forgotten(6110);
    let mut repository = case.open();
    let forgotten = unforget::forgotten(&repository).unwrap();
    prune::run(&mut repository, &THOROUGH, &Silent).unwrap();
    assert!(unforget::forgotten(&repository).unwrap().is_empty());
    let before = names_under(&case.storage, "log/");
    let late = unforget::run(&mut repository, &forgotten[0], &Silent);
    assert!(matches!(late, Err(Error::TooLate { snapshot, .. }) if snapshot == second.id));
    assert_eq!(names_under(&case.storage, "log/"), before);
}

#[test]
fn what_is_condemned_or_missing_is_not_relied_on() {
    let (case, _) = with_forgotten(6120);
    let mut repository = case.open();
    let forgotten = unforget::forgotten(&repository).unwrap();
    // Lost, and nobody has said so.
    let lost = names_under(&case.storage, "data/");
    let removed = crate::attacks::forger::ready(case.storage.delete(&lost));
    assert!(removed.iter().all(|(_, outcome)| outcome.is_done()));
    let late = unforget::run(&mut repository, &forgotten[0], &Silent);
    assert!(matches!(late, Err(Error::TooLate { .. })), "{late:?}");

    let (case, _) = with_forgotten(6121);
    pruner(&case, &case.storage).condemn(&packs(&case.storage), &[]);
    let mut repository = case.open();
    let before = names_under(&case.storage, "log/");
    let late = unforget::run(&mut repository, &forgotten[0], &Silent);
    assert!(matches!(late, Err(Error::TooLate { .. })), "{late:?}");
    assert_eq!(names_under(&case.storage, "log/"), before);
}

#[test]
fn a_machine_that_may_only_back_up_has_nothing_back() {
    let (case, _) = with_forgotten(6130);
    let (laptop, _) = case.enrolled(6131, USUAL);
    let mut repository = laptop.open(&case.storage).unwrap();
    assert!(matches!(
        have_back(&mut repository),
        Err(Error::NotAllowed(_))
    ));
}

#[test]
fn a_machine_that_may_not_forget_is_not_believed_that_its_backup_was_another_ones_first() {
    let case = Case::new(6150);
    let first = case.open().snapshots().swap_remove(0).entry();
    let thief = Forger::of_device(&case.desk, &case.storage).add_identity([61; 32], USUAL);
    let Cbor::Map(mut fields) = record(stream(&[])) else {
        panic!("a record is a map");
    };
    let original = vec![
        Cbor::bytes(first.device.as_bytes()),
        Cbor::Unsigned(first.at.seq),
        Cbor::bytes(first.at.hash.as_bytes()),
    ];
    fields.push((12, Cbor::Array(original)));
    let backup = thief.say(Said {
        record: Some(Cbor::Map(fields).encode()),
        ..Said::of(0, Cbor::Map(vec![(0, Cbor::Array(vec![]))]))
    });
    let confirm = vec![
        (0, Cbor::Unsigned(backup.seq)),
        (1, Cbor::bytes(backup.hash.as_bytes())),
    ];
    thief.say(Said::of(1, Cbor::Map(confirm)));
    let shown = case.open().find_snapshot(&backup.hash.to_string());
    let shown = shown.expect("a snapshot");
    assert_eq!(shown.record.original, Some(first));
    assert_eq!(shown.first, shown.entry());
}

/// Condemns everything just before the first entry of a log is put.
struct Condemning {
    inner: Arc<dyn Storage>,
    log: String,
    condemn: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl std::fmt::Debug for Condemning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condemning").finish_non_exhaustive()
    }
}

impl Before for Condemning {
    fn inner(&self) -> &Arc<dyn Storage> {
        &self.inner
    }

    fn create(&self, name: &ObjectName) {
        if name.as_str().starts_with(&self.log)
            && let Some(condemn) = self.condemn.lock().unwrap().take()
        {
            condemn();
        }
    }
}

#[test]
fn what_is_condemned_while_it_is_had_back_is_not_confirmed() {
    let (case, _) = with_forgotten(6140);
    let me = case.open().me();
    let (thief, doomed) = (pruner(&case, &case.storage), packs(&case.storage));
    let condemning = Condemning {
        inner: Arc::clone(&case.storage),
        log: format!("log/{me}/"),
        condemn: Mutex::new(Some(Box::new(move || {
            thief.condemn(&doomed, &[]);
        }))),
    };
    let storage: Arc<dyn Storage> = Arc::new(Hooked(condemning));
    let mut repository = case.desk.open(&storage).unwrap();
    let late = have_back(&mut repository);
    assert!(matches!(late, Err(Error::TooLate { .. })), "{late:?}");
    assert_eq!(case.open().snapshots().len(), 2);
}
