//! What a storage is asked is counted as services bill it.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use ownkey_storage::{
    Capabilities, Count, CreateIfAbsent, MemoryStorage, Prefix, RequestCounts, Requests, Retry,
    RetryPolicy, Storage, StorageErrorKind, VersionId,
};
use ownkey_testkit::{Fault, Faulty, Step, block_on};

use super::tricks::{Trick, Tricked};
use super::{name, put};

fn counted(inner: Arc<dyn Storage>) -> (Count, Arc<Requests>) {
    let requests = Arc::new(Requests::default());
    (Count::new(inner, requests.clone()), requests)
}

#[test]
fn every_operation_is_counted_under_its_kind_with_its_bytes() {
    block_on(async {
        let (storage, requests) = counted(Arc::new(MemoryStorage::with_versions()));
        put(&storage, "data/one").await;
        storage.get(&name("data/one")).await.expect("it");
        let part = storage.get_range(&name("data/one"), 0..3).await;
        part.expect("a part");
        storage.list(&Prefix::all(), None, 9).await.expect("a page");
        let versions = storage.versions(&Prefix::all(), None, 9).await;
        versions.expect("a page");
        let version = storage
            .get_version(&name("data/one"), &VersionId::new("none"))
            .await;
        version.expect_err("no such version");
        storage.retention(&name("data/one")).await.expect("none");
        let extended = storage
            .extend_retention(&name("data/one"), SystemTime::UNIX_EPOCH)
            .await;
        extended.expect("it");
        storage.delete(&[name("data/one"), name("data/two")]).await;
        let counts = requests.counts();
        let expected = RequestCounts {
            creates: 1,
            gets: 3,
            lists: 2,
            deletes: 2,
            retention_reads: 1,
            retention_writes: 1,
            bytes_up: 8,
            bytes_down: 11,
        };
        assert_eq!(counts, expected);
        assert_eq!((counts.class_a(), counts.class_b()), (4, 4));
        assert_eq!(counts.total(), 10);
    });
}

#[test]
fn what_is_tried_again_is_counted_again() {
    block_on(async {
        let faulty = Arc::new(Faulty::new(Arc::new(MemoryStorage::new())));
        faulty.arm(Fault::once(Step::Change, 0, StorageErrorKind::Unavailable));
        let (storage, requests) = counted(faulty);
        let policy = RetryPolicy {
            first_pause: std::time::Duration::from_millis(1),
            ..RetryPolicy::default()
        };
        let storage = Retry::new(Arc::new(storage), policy, Arc::new(|_| {}));
        put(&storage, "one").await;
        let counts = requests.counts();
        assert_eq!((counts.creates, counts.bytes_up), (2, 3));
    });
}

struct LooksFirst;

impl Trick for LooksFirst {
    fn capabilities(&self, inner: Capabilities) -> Capabilities {
        Capabilities {
            create_if_absent: CreateIfAbsent::Checked,
            ..inner
        }
    }
}

#[test]
fn a_look_before_a_creation_is_a_read() {
    block_on(async {
        let (storage, requests) = counted(Arc::new(Tricked::new(
            Arc::new(MemoryStorage::new()),
            LooksFirst,
        )));
        put(&storage, "one").await;
        let again = storage.create(&name("one"), Bytes::new()).await;
        again.expect_err("taken");
        let counts = requests.counts();
        assert_eq!((counts.creates, counts.gets), (2, 2));
        assert_eq!(counts.bytes_up, 3);
    });
}

#[test]
fn counts_can_be_compared_and_summed() {
    let one = RequestCounts {
        gets: 3,
        bytes_down: 100,
        ..RequestCounts::default()
    };
    let two = RequestCounts {
        gets: 1,
        lists: 1,
        ..RequestCounts::default()
    };
    assert_eq!((one + two) - two, one);
    assert_eq!((one - two).lists, 0, "never below nothing");
}
