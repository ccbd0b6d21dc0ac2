//! What is tried again, for how long, and what is not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ownkey_storage::{
    DeleteOutcome, MemoryStorage, ObjectName, Operation, Prefix, Retry, RetryPolicy, Storage,
    StorageError, StorageErrorKind, Waiting,
};
use ownkey_testkit::{Aftermath, Fault, Faulty, Moment, Step};
use tokio::time::Instant;

use super::tricks::{Trick, Tricked};
use super::{name, put};

/// What the listener heard.
type Heard = Arc<Mutex<Vec<Waiting>>>;

fn retried(inner: Arc<dyn Storage>) -> (Retry, Heard) {
    let heard = Heard::default();
    let ear = heard.clone();
    let listener = move |waiting: &Waiting| ear.lock().expect("an ear").push(waiting.clone());
    let retry = Retry::new(inner, RetryPolicy::default(), Arc::new(listener));
    (retry, heard)
}

fn pauses(heard: &Heard) -> Vec<Duration> {
    let heard = heard.lock().expect("an ear");
    let pause = |waiting: &Waiting| match waiting {
        Waiting::Paused { pause, .. } => Some(*pause),
        Waiting::Resumed { .. } => None,
    };
    heard.iter().filter_map(pause).collect()
}

/// Nothing gets through before a moment.
struct Outage {
    until: Instant,
    attempts: AtomicU64,
}

impl Outage {
    fn of(time: Duration) -> Self {
        Self {
            until: Instant::now() + time,
            attempts: AtomicU64::new(0),
        }
    }
}

#[async_trait]
impl Trick for Outage {
    async fn before(&self, _operation: Operation) -> Result<(), StorageErrorKind> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        if Instant::now() < self.until {
            return Err(StorageErrorKind::Unavailable);
        }
        Ok(())
    }
}

fn outage(time: Duration) -> Arc<Tricked<Outage>> {
    Arc::new(Tricked::new(
        Arc::new(MemoryStorage::new()),
        Outage::of(time),
    ))
}

#[tokio::test(start_paused = true)]
async fn two_minutes_without_a_network_are_survived_and_told() {
    let (storage, heard) = retried(outage(Duration::from_secs(120)));
    let begun = Instant::now();
    put(&storage, "data/one").await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(120), "{took:?}");
    // The last pause may begin just before the network is back.
    assert!(took <= Duration::from_secs(151), "{took:?}");
    let heard = heard.lock().expect("an ear");
    let Some(Waiting::Resumed { after }) = heard.last() else {
        panic!("nobody heard that it went on: {heard:?}");
    };
    assert!(took - *after < Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn pauses_are_random_and_their_bound_doubles_up_to_half_a_minute() {
    let mut first = Vec::new();
    for _ in 0..20 {
        let (storage, heard) = retried(outage(Duration::from_secs(600)));
        put(&storage, "data/one").await;
        let pauses = pauses(&heard);
        for (n, pause) in pauses.iter().enumerate() {
            let bound = Duration::from_millis(500 << n.min(10)).min(Duration::from_secs(30));
            assert!(*pause <= bound, "pause {n}: {pause:?}");
        }
        // Ten minutes in pauses of at most half a minute, and of a quarter on average.
        assert!((20..200).contains(&pauses.len()), "{} pauses", pauses.len());
        first.push(pauses[0]);
    }
    first.sort();
    first.dedup();
    assert!(first.len() > 15, "first pauses that repeat: {first:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_quarter_of_an_hour_the_last_error_says_how_long_it_was_tried() {
    let inner = outage(Duration::from_secs(3600));
    let (storage, heard) = retried(inner);
    let begun = Instant::now();
    let error = storage.get(&name("data/one")).await.expect_err("an outage");
    let took = begun.elapsed().as_secs();
    assert_eq!(took, 900);
    assert_eq!(error.kind(), StorageErrorKind::Unavailable);
    let message = error.to_string();
    assert!(
        message.ends_with("(given up after trying for 900 s)"),
        "{message}"
    );
    assert!(message.contains("data/one") == error.name().is_some());
    let heard = heard.lock().expect("an ear");
    assert!(matches!(heard.last(), Some(Waiting::Paused { .. })));
}

/// Fails so often, asking for a pause.
struct Busy {
    left: AtomicU64,
    asks: Duration,
}

#[async_trait]
impl Trick for Busy {
    async fn get(&self, inner: &dyn Storage, name: &ObjectName) -> Result<Bytes, StorageError> {
        let less = |left: u64| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if self.left.fetch_update(order, order, less).is_ok() {
            let kind = StorageErrorKind::Unavailable;
            let error = StorageError::new(kind, Operation::Get, inner.location());
            return Err(error.of(name).retry_after(self.asks));
        }
        inner.get(name).await
    }
}

async fn busy(times: u64, asks: Duration) -> (Retry, Heard) {
    let memory = Arc::new(MemoryStorage::new());
    put(&*memory, "data/one").await;
    let left = AtomicU64::new(times);
    retried(Arc::new(Tricked::new(memory, Busy { left, asks })))
}

#[tokio::test(start_paused = true)]
async fn a_storage_is_left_alone_for_as_long_as_it_asks() {
    let asks = Duration::from_secs(45);
    let (storage, heard) = busy(2, asks).await;
    storage.get(&name("data/one")).await.expect("it");
    let pauses = pauses(&heard);
    assert_eq!(pauses.len(), 2);
    for pause in pauses {
        assert!(
            (asks..=asks + Duration::from_secs(1)).contains(&pause),
            "{pause:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_asks_for_a_day_is_asked_once_more_when_the_time_is_over() {
    let (storage, heard) = busy(1, Duration::from_secs(86_400)).await;
    let begun = Instant::now();
    storage.get(&name("data/one")).await.expect("it");
    assert_eq!(begun.elapsed().as_secs(), 900);
    assert_eq!(pauses(&heard), [Duration::from_secs(900)]);
}

#[tokio::test(start_paused = true)]
async fn answers_are_not_asked_for_again() {
    for kind in [
        StorageErrorKind::NotFound,
        StorageErrorKind::PermissionDenied,
        StorageErrorKind::Full,
        StorageErrorKind::ReadOnly,
        StorageErrorKind::TooLarge,
        StorageErrorKind::Unsupported,
        StorageErrorKind::BrokenContract,
        StorageErrorKind::Other,
    ] {
        let faulty = Arc::new(Faulty::new(Arc::new(MemoryStorage::new())));
        let (storage, heard) = retried(faulty.clone());
        faulty.arm(Fault::once(Step::Any, 0, kind));
        let listed = storage.list(&Prefix::all(), None, 1).await;
        assert_eq!(listed.expect_err("a fault").kind(), kind);
        faulty.arm(Fault::once(Step::Any, 0, kind));
        let created = storage.create(&name("one"), Bytes::new()).await;
        assert_eq!(created.expect_err("a fault").kind(), kind);
        faulty.arm(Fault::once(Step::Any, 0, kind));
        let deleted = storage.delete(&[name("one")]).await;
        assert!(matches!(&deleted[0].1, DeleteOutcome::Failed(error) if error.kind() == kind));
        assert!(heard.lock().expect("an ear").is_empty(), "{kind:?}");
    }
}

/// The first creation happens and nobody is told.
fn ghost() -> Arc<Faulty> {
    let faulty = Arc::new(Faulty::new(Arc::new(MemoryStorage::new())));
    faulty.arm(Fault {
        step: Step::Change,
        at: 0,
        moment: Moment::After,
        kind: StorageErrorKind::Timeout,
        aftermath: Aftermath::Recovers,
    });
    faulty
}

#[tokio::test(start_paused = true)]
async fn a_creation_whose_answer_was_lost_is_recognised_by_its_bytes() {
    let faulty = ghost();
    let (storage, _) = retried(faulty.clone());
    let body = Bytes::from_static(b"ours");
    storage.create(&name("one"), body).await.expect("ours");
    assert_eq!((faulty.changes(), faulty.reads()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_somebody_else_took_in_between_is_taken() {
    let memory = Arc::new(MemoryStorage::new());
    put(&*memory, "one").await;
    let faulty = Arc::new(Faulty::new(memory));
    faulty.arm(Fault::once(Step::Change, 0, StorageErrorKind::Timeout));
    let (storage, _) = retried(faulty);
    let body = Bytes::from_static(b"other");
    let created = storage.create(&name("one"), body).await;
    let kind = created.expect_err("taken").kind();
    assert_eq!(kind, StorageErrorKind::AlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_taken_at_the_first_try_is_taken_even_by_the_same_bytes() {
    let (storage, _) = retried(Arc::new(MemoryStorage::new()));
    put(&storage, "one").await;
    let created = storage
        .create(&name("one"), Bytes::from_static(b"one"))
        .await;
    let kind = created.expect_err("taken").kind();
    assert_eq!(kind, StorageErrorKind::AlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_what_failed_in_passing_is_deleted_again() {
    let faulty = Arc::new(Faulty::new(Arc::new(MemoryStorage::new())));
    for text in ["a", "b", "c"] {
        put(&*faulty, text).await;
    }
    faulty.arm(Fault::once(Step::Change, 1, StorageErrorKind::Unavailable));
    let (storage, heard) = retried(faulty.clone());
    let batch = [name("c"), name("a"), name("b")];
    let outcomes = storage.delete(&batch).await;
    let answered: Vec<_> = outcomes.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(answered, batch);
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_done()));
    assert_eq!(faulty.changes(), 4, "three, and one of them again");
    assert_eq!(pauses(&heard).len(), 1);
    assert!(matches!(
        heard.lock().expect("an ear").last(),
        Some(Waiting::Resumed { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_nobody_takes_is_given_up_with_every_name_answered() {
    let (storage, _) = retried(outage(Duration::from_secs(3600)));
    let outcomes = storage.delete(&[name("a"), name("b")]).await;
    assert_eq!(outcomes.len(), 2);
    for (_, outcome) in outcomes {
        let DeleteOutcome::Failed(error) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(
            error
                .to_string()
                .contains("given up after trying for 900 s")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_operation_is_not_tried_again() {
    let inner = outage(Duration::from_secs(3600));
    let (storage, heard) = retried(inner.clone());
    let wanted = name("one");
    let create = storage.create(&wanted, Bytes::new());
    let cut = tokio::time::timeout(Duration::from_secs(60), create).await;
    cut.expect_err("still waiting");
    let before = (
        inner.trick.attempts.load(Ordering::Relaxed),
        pauses(&heard).len(),
    );
    tokio::time::sleep(Duration::from_secs(600)).await;
    let after = (
        inner.trick.attempts.load(Ordering::Relaxed),
        pauses(&heard).len(),
    );
    assert_eq!(before, after);
}
