//! Every decorator that has nothing to do keeps the whole contract; and recording is exact.

use std::sync::Arc;

use bytes::Bytes;
use ownkey_storage::{MemoryStorage, Operation, Prefix, Storage, StorageErrorKind};
use ownkey_testkit::conformance::Subject;
use ownkey_testkit::{Call, Faulty, Lying, Outcome, Recording, block_on};

use super::{name, put};

mod recording {
    ownkey_testkit::conformance!(super::recording_subject());
}

mod faulty_without_a_fault {
    ownkey_testkit::conformance!(super::faulty_subject());
}

mod lying_without_a_lie {
    ownkey_testkit::conformance!(super::lying_subject());
}

fn recording_subject() -> Subject {
    let memory = Arc::new(MemoryStorage::with_versions());
    Subject::shared(Arc::new(Recording::new(memory)))
}

fn faulty_subject() -> Subject {
    let memory = Arc::new(MemoryStorage::with_versions());
    Subject::shared(Arc::new(Faulty::new(memory)))
}

fn lying_subject() -> Subject {
    let memory = Arc::new(MemoryStorage::with_versions());
    Subject::shared(Arc::new(Lying::new(memory)))
}

#[test]
fn a_recording_counts_operations_bytes_and_failures() {
    block_on(async {
        let recording = Recording::new(Arc::new(MemoryStorage::new()));
        put(&recording, "data/one").await;
        put(&recording, "data/two").await;
        put(&recording, "ownkey").await;
        let header = name("ownkey");
        let twice = recording.create(&header, Bytes::from_static(b"x")).await;
        twice.expect_err("taken");
        recording.get(&name("data/one")).await.expect("it");
        let part = recording.get_range(&name("data/one"), 2..5).await;
        part.expect("a part");
        let page = recording.list(&Prefix::all(), None, 10).await;
        page.expect("a page");
        let gone = [name("data/one"), name("absent")];
        recording.delete(&gone).await;

        assert_eq!(recording.count(Operation::Create, "data/"), 2);
        assert_eq!(recording.count(Operation::Create, ""), 4);
        assert_eq!(recording.bytes(Operation::Create, ""), 8 + 8 + 6);
        assert_eq!(recording.bytes(Operation::GetRange, "data/"), 3);
        assert_eq!(recording.count(Operation::List, ""), 1);
        assert_eq!(recording.count(Operation::Delete, ""), 2);
        let calls = recording.take();
        assert_eq!(
            calls[3],
            Call {
                operation: Operation::Create,
                target: String::from("ownkey"),
                bytes: 0,
                outcome: Outcome::Failed(StorageErrorKind::AlreadyExists),
            }
        );
        assert!(recording.calls().is_empty());
    });
}
