//! Faults come exactly where they were planned.

use std::sync::Arc;

use bytes::Bytes;
use ownkey_storage::{DeleteOutcome, MemoryStorage, Storage, StorageErrorKind};
use ownkey_testkit::{Dump, Fault, Faulty, Moment, Step, block_on};

use super::{name, put};

/// Four changes: three creations and a batch whose two deletions count one each.
async fn work(storage: &dyn Storage) -> Option<StorageErrorKind> {
    for text in ["a", "b", "c"] {
        let created = storage.create(&name(text), Bytes::from_static(b"x")).await;
        if let Err(error) = created {
            return Some(error.kind());
        }
    }
    for (_, outcome) in storage.delete(&[name("a"), name("b")]).await {
        if let DeleteOutcome::Failed(error) = outcome {
            return Some(error.kind());
        }
    }
    None
}

async fn left(memory: &MemoryStorage) -> String {
    let dump = Dump::take(memory).await.expect("a dump");
    dump.names_under("").map(|name| name.as_str()).collect()
}

#[test]
fn a_crash_comes_before_or_after_each_change_in_turn() {
    block_on(async {
        let expected = ["", "a", "ab", "abc", "bc", "c"];
        for at in 0..=5 {
            for moment in [Moment::Before, Moment::After] {
                let memory = Arc::new(MemoryStorage::new());
                let faulty = Faulty::new(memory.clone());
                faulty.arm(Fault::crash(at, moment));
                let outcome = work(&faulty).await;
                let changes = match moment {
                    Moment::Before => at,
                    Moment::After => at + 1,
                };
                assert_eq!(left(&memory).await, expected[changes.min(5) as usize]);
                assert_eq!(faulty.has_failed(), at < 5);
                assert_eq!(outcome.is_some(), at < 5, "at {at} {moment:?}");
                let down = faulty.get(&name("c")).await.err().map(|e| e.kind());
                let expected = (at < 5).then_some(StorageErrorKind::Unavailable);
                assert_eq!(down, expected, "at {at} {moment:?}");
                faulty.disarm();
                put(&faulty, "works-again").await;
            }
        }
    });
}

#[test]
fn a_single_fault_passes() {
    block_on(async {
        let faulty = Faulty::new(Arc::new(MemoryStorage::new()));
        put(&faulty, "one").await;
        faulty.arm(Fault::once(Step::Read, 1, StorageErrorKind::Timeout));
        let one = name("one");
        faulty.get(&one).await.expect("the first read");
        let error = faulty.get(&one).await.expect_err("the second read");
        assert_eq!(error.kind(), StorageErrorKind::Timeout);
        faulty.get(&one).await.expect("the third read");
        assert_eq!((faulty.reads(), faulty.changes()), (3, 0));
    });
}

#[test]
fn a_full_storage_reads_and_deletes() {
    block_on(async {
        let faulty = Faulty::new(Arc::new(MemoryStorage::new()));
        faulty.arm(Fault::full(1));
        put(&faulty, "one").await;
        for _ in 0..2 {
            let error = faulty.create(&name("two"), Bytes::new()).await;
            assert_eq!(error.expect_err("full").kind(), StorageErrorKind::Full);
        }
        faulty.get(&name("one")).await.expect("readable");
        assert!(faulty.delete(&[name("one")]).await[0].1.is_done());
    });
}

#[test]
fn a_seed_always_plans_the_same_crash() {
    let plans: Vec<_> = (0..40).map(|seed| Fault::seeded(seed, 10)).collect();
    let again: Vec<_> = (0..40).map(|seed| Fault::seeded(seed, 10)).collect();
    assert_eq!(plans, again);
    assert!(plans.iter().all(|fault| fault.at < 10));
    assert!(plans.iter().any(|fault| fault.moment == Moment::Before));
    assert!(plans.iter().any(|fault| fault.moment == Moment::After));
}
