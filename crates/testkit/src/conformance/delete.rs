//! C11 and C12: deletion.

use bytes::Bytes;
use ownkey_storage::StorageErrorKind;

use super::{Subject, delete_one, kind, name, names, put, read};

/// C11: `delete` answers for every name, in order; absent is done; the name is free again.
pub async fn c11_delete_answers_for_every_name(subject: &Subject) {
    let storage = &*subject.storage;
    for text in ["data/ab/1", "data/ab/2", "data/cd/3", "ownkey"] {
        put(storage, text, text.as_bytes()).await;
    }
    let batch = [
        "data/cd/3",
        "data/absent",
        "no/folder/x",
        "ownkey",
        "data/ab/1",
        "ownkey",
    ];
    let wanted: Vec<_> = batch.iter().map(|text| name(text)).collect();
    let outcomes = storage.delete(&wanted).await;
    let answered: Vec<_> = outcomes.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(answered, wanted);
    assert!(
        outcomes.iter().all(|(_, outcome)| outcome.is_done()),
        "{outcomes:?}"
    );

    for view in [subject.storage.clone(), subject.reopen()] {
        assert_eq!(names(&*view, "").await, ["data/ab/2"]);
        for text in batch {
            let gone = view.get(&name(text)).await;
            assert_eq!(kind(gone), StorageErrorKind::NotFound, "{text}");
            let gone = view.get_range(&name(text), 0..1).await;
            assert_eq!(kind(gone), StorageErrorKind::NotFound, "{text}");
        }
    }
    assert!(
        delete_one(storage, "ownkey").await.is_done(),
        "a second time"
    );
    storage
        .create(&name("ownkey"), Bytes::from_static(b"again"))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read(storage, "ownkey").await, b"again");
    assert!(storage.delete(&[]).await.is_empty());
}

/// C12: `delete` touches nothing but the names given.
pub async fn c12_delete_touches_nothing_else(subject: &Subject) {
    let storage = &*subject.storage;
    let others = [
        "data/ab/10",
        "data/ab/2",
        "data/ab-1/x",
        "data-ab/1",
        "data/ab0/1",
    ];
    put(storage, "data/ab/1", b"goes").await;
    for text in others {
        put(storage, text, text.as_bytes()).await;
    }
    assert!(delete_one(storage, "data/ab/1").await.is_done());
    // The name of a folder is the name of no object.
    assert!(delete_one(storage, "data/ab").await.is_done());
    assert!(delete_one(storage, "data").await.is_done());
    for text in others {
        assert_eq!(read(storage, text).await, text.as_bytes());
    }
    assert_eq!(names(storage, "").await.len(), others.len());
}
