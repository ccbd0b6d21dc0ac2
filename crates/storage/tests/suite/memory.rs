//! What the reference implementation promises beyond the contract.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use ownkey_storage::{MemoryStorage, Prefix, Retention, Storage, list_all};
use ownkey_testkit::block_on;

use super::{name, put};

#[test]
fn without_a_clock_times_are_the_same_in_every_run() {
    block_on(async {
        let storage = MemoryStorage::new();
        put(&storage, "a").await;
        put(&storage, "b").await;
        let listed = list_all(&storage, &Prefix::all()).await.expect("a listing");
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(listed[0].modified, at(1));
        assert_eq!(listed[1].modified, at(2));
    });
}

#[test]
fn retention_ends_when_the_clock_says_so() {
    block_on(async {
        let seconds = Arc::new(AtomicU64::new(100));
        let hand = seconds.clone();
        let storage = MemoryStorage::with_versions().with_clock(Arc::new(move || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(hand.load(Ordering::Relaxed))
        }));
        put(&storage, "kept").await;
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(200);
        storage
            .extend_retention(&name("kept"), until)
            .await
            .expect("a longer retention");
        seconds.store(199, Ordering::Relaxed);
        assert!(storage.delete(&[name("kept")]).await[0].1.is_deferred());
        seconds.store(200, Ordering::Relaxed);
        assert!(storage.delete(&[name("kept")]).await[0].1.is_done());
        // A new object of the name does not inherit the retention of the old one.
        put(&storage, "kept").await;
        let fresh = storage.retention(&name("kept")).await.expect("a retention");
        assert_eq!(fresh, Retention::None);
    });
}
