//! Every fault, at every request of every kind: a script against the S3 storage with the retries
//! around it ends as it does on a good day, or with a clear error, and never with a wrong answer.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ownkey_storage::{
    CreateIfAbsent, DeleteOutcome, ObjectName, Prefix, Storage, StorageError, StorageErrorKind,
};
use ownkey_testkit::faults::{Asking, Fault, PageFault, Plan, opened};
use ownkey_testkit::{FaultyService, Keeping, Service};

/// The requests of a kind that are struck, one in each run.
const MOST: u64 = 30;

enum Step {
    Create(&'static str, usize),
    Get(&'static str),
    Range(&'static str, Range<u64>),
    List(&'static str, usize),
    Delete(&'static [&'static str]),
}

const SCRIPT: &[Step] = &[
    Step::Create("roster/0", 90),
    Step::Create("roster/1", 91),
    Step::List("roster/", 1000),
    Step::Create("data/aa/large", 300_000),
    Step::Create("data/aa/small", 1),
    Step::Create("data/aa/empty", 0),
    Step::Create("log/d/0", 4096),
    Step::Get("log/d/1"),
    Step::Create("log/d/1", 4096),
    Step::Create("log/d/1", 7),
    Step::Get("log/d/1"),
    Step::Get("data/aa/large"),
    Step::Get("data/aa/empty"),
    Step::Range("data/aa/large", 0..10),
    Step::Range("data/aa/large", 1000..100_000),
    Step::Range("data/aa/large", 299_999..300_000),
    Step::Range("data/aa/large", 299_999..300_001),
    Step::Range("data/aa/none", 0..1),
    Step::List("", 2),
    Step::List("data/", 1000),
    Step::Delete(&["data/aa/small", "data/aa/none", "roster/1"]),
    Step::List("", 3),
    Step::Get("data/aa/small"),
    Step::Create("data/aa/small", 2),
    Step::Get("data/aa/small"),
    Step::Delete(&["log/d/0"]),
    Step::Create("log/d/2", 8000),
    Step::Get("roster/0"),
    Step::List("log/", 1),
];

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Came {
    Done,
    Bytes(Bytes),
    Names(Vec<String>),
    Failed(StorageErrorKind),
}

impl Came {
    fn of<T>(outcome: Result<T, StorageError>, came: impl FnOnce(T) -> Self) -> Self {
        match outcome {
            Ok(answer) => came(answer),
            Err(error) => Self::Failed(error.kind()),
        }
    }
}

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).expect("a name")
}

/// A body that no other name or length has.
fn body(of: &str, length: usize) -> Bytes {
    let seed = of
        .bytes()
        .fold(7u8, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte));
    let byte = |at: usize| (at as u8).wrapping_mul(13) ^ (at >> 8) as u8 ^ seed;
    (0..length).map(byte).collect()
}

async fn list(
    storage: &dyn Storage,
    prefix: &str,
    limit: usize,
) -> Result<Vec<String>, StorageError> {
    let prefix = Prefix::new(prefix).expect("a prefix");
    let mut names: Vec<ObjectName> = Vec::new();
    // No listing of this test has more pages, whatever a page says.
    for _ in 0..100 {
        let page = storage.list(&prefix, names.last(), limit).await?;
        names.extend(page.objects.into_iter().map(|object| object.name));
        if !page.more {
            break;
        }
    }
    Ok(names.iter().map(|name| name.as_str().to_owned()).collect())
}

async fn take(storage: &dyn Storage, step: &Step) -> Came {
    match step {
        Step::Create(of, length) => {
            let created = storage.create(&name(of), body(of, *length)).await;
            Came::of(created, |()| Came::Done)
        }
        Step::Get(of) => Came::of(storage.get(&name(of)).await, Came::Bytes),
        Step::Range(of, range) => {
            let read = storage.get_range(&name(of), range.clone()).await;
            Came::of(read, Came::Bytes)
        }
        Step::List(prefix, limit) => Came::of(list(storage, prefix, *limit).await, Came::Names),
        Step::Delete(of) => {
            let names: Vec<ObjectName> = of.iter().map(|of| name(of)).collect();
            let outcomes = storage.delete(&names).await;
            assert_eq!(outcomes.len(), names.len());
            let failed = outcomes.into_iter().find_map(|(_, outcome)| match outcome {
                DeleteOutcome::Failed(error) => Some(Came::Failed(error.kind())),
                _ => None,
            });
            failed.unwrap_or(Came::Done)
        }
    }
}

type Objects = BTreeMap<String, Bytes>;

/// What a step comes to on a good day, given what is stored.
fn expected(stored: &Objects, step: &Step) -> Came {
    let missing = Came::Failed(StorageErrorKind::NotFound);
    match step {
        Step::Create(of, _) if stored.contains_key(*of) => {
            Came::Failed(StorageErrorKind::AlreadyExists)
        }
        Step::Create(..) | Step::Delete(_) => Came::Done,
        Step::Get(of) => stored.get(*of).cloned().map_or(missing, Came::Bytes),
        Step::Range(of, range) => stored.get(*of).map_or(missing, |body| {
            let range = range.start as usize..range.end as usize;
            if range.end > body.len() {
                return Came::Failed(StorageErrorKind::InvalidRange);
            }
            Came::Bytes(body.slice(range))
        }),
        Step::List(prefix, _) => {
            let names = stored.keys().filter(|name| name.starts_with(prefix));
            Came::Names(names.cloned().collect())
        }
    }
}

/// What is stored behind a step is what was stored before it, but for what the step says.
fn assert_changed(plan: &Plan, step: &Step, came: &Came, before: &Objects, after: &Objects) {
    let (mut before, mut after) = (before.clone(), after.clone());
    match step {
        Step::Create(of, length) => {
            let stored = after.remove(*of);
            let older = before.remove(*of);
            if older.is_some() {
                assert_eq!(stored, older, "{plan:?}: {of} was overwritten");
            } else if let Some(stored) = &stored {
                assert_eq!(*stored, body(of, *length), "{plan:?}: not {of} whole");
            }
            assert!(
                stored.is_some() || *came != Came::Done,
                "{plan:?}: {of} is lost"
            );
        }
        Step::Delete(of) => {
            for of in *of {
                let left = after.remove(*of).is_some();
                assert!(
                    !left || *came != Came::Done,
                    "{plan:?}: {of} is not deleted"
                );
                before.remove(*of);
            }
        }
        Step::Get(_) | Step::Range(..) | Step::List(..) => {}
    }
    assert_eq!(before, after, "{plan:?}");
}

/// Whether a single answer cannot show this fault: only who knows what the bytes mean can.
fn is_invisible(fault: Fault, step: &Step) -> bool {
    match fault {
        Fault::Flipped | Fault::LyingRange => matches!(step, Step::Get(_) | Step::Range(..)),
        Fault::Short => matches!(step, Step::Get(_)),
        Fault::Page(PageFault::Empty | PageFault::Missing | PageFault::Stale) => {
            matches!(step, Step::List(..))
        }
        _ => false,
    }
}

#[derive(Default, Debug)]
struct Tally {
    cases: u64,
    as_on_a_good_day: u64,
    failures: HashMap<StorageErrorKind, u64>,
    unnoticed: BTreeMap<String, u64>,
}

/// How a script ended under a plan.
enum Ended {
    NeverStruck,
    AsOnAGoodDay,
    Failed(StorageErrorKind),
    Unnoticed,
}

/// Runs the script; panics at the first answer that is neither right, nor an error, nor beyond what a
/// storage can know.
async fn strike(plan: Plan, create: CreateIfAbsent) -> Ended {
    let service = Arc::new(Service::new("bucket", Keeping::Newest));
    let faulty = Arc::new(FaultyService::new(Arc::clone(&service)));
    let storage = opened(&faulty, create);
    faulty.arm(plan);
    let mut ended = Ended::AsOnAGoodDay;
    for (number, step) in SCRIPT.iter().enumerate() {
        let before = service.objects();
        let came = take(storage.as_ref(), step).await;
        assert_changed(&plan, step, &came, &before, &service.objects());
        if came == expected(&before, step) {
            continue;
        }
        assert!(!plan.fault.passes(), "{plan:?}, step {number}: {came:?}");
        ended = match came {
            Came::Failed(kind) => Ended::Failed(kind),
            _ if is_invisible(plan.fault, step) => Ended::Unnoticed,
            _ => panic!("{plan:?}, step {number}: {came:?}"),
        };
    }
    match faulty.struck() {
        0 => Ended::NeverStruck,
        _ => ended,
    }
}

async fn every_fault_everywhere(create: CreateIfAbsent) {
    let mut tally = Tally::default();
    for asking in Asking::ALL {
        for fault in Fault::ALL {
            for at in (0..MOST).take_while(|_| fault.can_strike(asking)) {
                match strike(Plan::once(asking, at, fault), create).await {
                    Ended::NeverStruck => break,
                    Ended::AsOnAGoodDay => tally.as_on_a_good_day += 1,
                    Ended::Failed(kind) => *tally.failures.entry(kind).or_default() += 1,
                    Ended::Unnoticed => {
                        *tally.unnoticed.entry(format!("{fault:?}")).or_default() += 1;
                    }
                }
                tally.cases += 1;
            }
        }
    }
    println!("{create:?}: {tally:#?}");
    assert!(tally.cases > 600, "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn every_fault_at_every_request_ends_well_or_with_an_error_where_creation_is_checked() {
    every_fault_everywhere(CreateIfAbsent::Checked).await;
}

#[tokio::test(start_paused = true)]
async fn every_fault_at_every_request_ends_well_or_with_an_error_where_creation_is_atomic() {
    every_fault_everywhere(CreateIfAbsent::Atomic).await;
}

#[tokio::test(start_paused = true)]
async fn a_storm_that_passes_in_time_is_weathered_and_an_endless_one_is_said() {
    for (times, weathered) in [(20, true), (u64::MAX, false)] {
        for asking in Asking::ALL {
            let fault = Fault::overloaded(None);
            let storm = Plan {
                times,
                ..Plan::once(asking, 1, fault)
            };
            let service = Arc::new(Service::new("bucket", Keeping::Newest));
            let faulty = Arc::new(FaultyService::new(Arc::clone(&service)));
            let storage = opened(&faulty, CreateIfAbsent::Checked);
            faulty.arm(storm);
            let mut failed = 0;
            for step in SCRIPT {
                let good = expected(&service.objects(), step);
                let came = take(storage.as_ref(), step).await;
                if came != good {
                    let unavailable = Came::Failed(StorageErrorKind::Unavailable);
                    assert_eq!(came, unavailable, "{asking:?}");
                    failed += 1;
                }
            }
            assert!(faulty.struck() >= 20, "{asking:?}");
            assert_eq!(failed == 0, weathered, "{asking:?}: {failed}");
        }
    }
}
