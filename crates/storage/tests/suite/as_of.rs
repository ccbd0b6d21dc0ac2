//! Reading a storage as it was.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ownkey_storage::{AsOf, MemoryStorage, ObjectName, Prefix, Storage, StorageErrorKind};
use ownkey_testkit::block_on;

use super::{name, names, put};

fn second(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(n)
}

/// Changes happen at seconds 1, 2, 3, ... of the reference's own clock.
async fn eventful() -> Arc<dyn Storage> {
    let storage = MemoryStorage::with_versions();
    put(&storage, "data/one").await; // 1
    put(&storage, "ownkey").await; // 2
    storage.delete(&[name("data/one")]).await; // 3
    let again = Bytes::from_static(b"again");
    storage.create(&name("data/one"), again).await.expect("4");
    storage.delete(&[name("ownkey")]).await; // 5
    Arc::new(storage)
}

#[test]
fn every_earlier_state_can_be_listed_and_read() {
    block_on(async {
        let storage = eventful().await;
        let states: [&[&str]; 6] = [
            &[],
            &["data/one"],
            &["data/one", "ownkey"],
            &["ownkey"],
            &["data/one", "ownkey"],
            &["data/one"],
        ];
        for (moment, expected) in states.iter().enumerate() {
            let view = AsOf::new(storage.clone(), second(moment as u64)).expect("a view");
            assert_eq!(names(&view).await, *expected, "at {moment}");
            for text in ["data/one", "ownkey"] {
                let read = view.get(&name(text)).await;
                assert_eq!(read.is_ok(), expected.contains(&text), "{text} at {moment}");
            }
        }
        let early = AsOf::new(storage.clone(), second(2)).expect("a view");
        let late = AsOf::new(storage, second(9)).expect("a view");
        let one = name("data/one");
        assert_eq!(early.get(&one).await.expect("first"), "data/one");
        assert_eq!(late.get(&one).await.expect("second"), "again");
        assert_eq!(early.get_range(&one, 5..8).await.expect("a part"), "one");
        let beyond = late.get_range(&one, 0..8).await.expect_err("too long");
        assert_eq!(beyond.kind(), StorageErrorKind::InvalidRange);
    });
}

#[test]
fn pages_of_an_earlier_state_neither_repeat_nor_skip() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::with_versions());
        for n in 0..9 {
            put(&*storage, &format!("data/{n}")).await;
        }
        storage.delete(&[name("data/3"), name("data/7")]).await;
        let view = AsOf::new(storage, second(100)).expect("a view");
        for limit in 1..9 {
            let mut all: Vec<ObjectName> = Vec::new();
            loop {
                let page = view.list(&Prefix::all(), all.last(), limit).await;
                let page = page.expect("a page");
                all.extend(page.objects.into_iter().map(|object| object.name));
                if !page.more {
                    break;
                }
            }
            let spelled: Vec<_> = all.iter().map(ObjectName::last_segment).collect();
            assert_eq!(spelled, ["0", "1", "2", "4", "5", "6", "8"], "by {limit}");
        }
    });
}

#[test]
fn an_earlier_state_takes_no_changes() {
    block_on(async {
        let storage = eventful().await;
        let view = AsOf::new(storage.clone(), second(4)).expect("a view");
        let refused = view.create(&name("new"), Bytes::new()).await;
        assert_eq!(refused.expect_err("no").kind(), StorageErrorKind::ReadOnly);
        let outcomes = view.delete(&[name("ownkey")]).await;
        assert!(!outcomes[0].1.is_done());
        let refused = view.extend_retention(&name("ownkey"), second(9)).await;
        assert_eq!(refused.expect_err("no").kind(), StorageErrorKind::ReadOnly);
        assert_eq!(names(&*storage).await, ["data/one"]);
    });
}

#[test]
fn a_storage_without_versions_has_no_earlier_states() {
    let refused = AsOf::new(Arc::new(MemoryStorage::new()), second(1));
    let kind = refused.expect_err("no versions").kind();
    assert_eq!(kind, StorageErrorKind::Unsupported);
}
