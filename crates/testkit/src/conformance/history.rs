//! C13 and C14: versions and retention, or their honest absence.

use std::time::{Duration, SystemTime};

use ownkey_storage::{
    Prefix, Retention, RetentionSupport, Storage, StorageErrorKind, VersionId, VersionMark,
    VersionMeta, VersionState, VersionSupport, versions_all,
};

use super::{Subject, delete_one, kind, name, names, prefix, put, read};

/// C13: versions can be listed and read, newest first; elsewhere `Unsupported`.
pub async fn c13_versions_can_be_listed_and_read(subject: &Subject) {
    let storage = &*subject.storage;
    put(storage, "data/one", b"first").await;
    if storage.capabilities().versions == VersionSupport::None {
        let refused = storage.versions(&Prefix::all(), None, 10).await;
        assert_eq!(kind(refused), StorageErrorKind::Unsupported);
        let refused = storage
            .get_version(&name("data/one"), &VersionId::new("1"))
            .await;
        assert_eq!(kind(refused), StorageErrorKind::Unsupported);
        return;
    }
    assert!(delete_one(storage, "data/one").await.is_done());
    put(storage, "data/one", b"second!").await;
    put(storage, "data/two", b"x").await;
    put(storage, "ownkey", b"y").await;

    let all = versions_all(storage, &prefix("data/"))
        .await
        .expect("versions");
    let told: Vec<_> = all.iter().map(|v| (v.name.as_str(), v.state)).collect();
    assert_eq!(
        told,
        [
            ("data/one", VersionState::Stored { size: 7 }),
            ("data/one", VersionState::Deleted),
            ("data/one", VersionState::Stored { size: 5 }),
            ("data/two", VersionState::Stored { size: 1 }),
        ]
    );
    let get = |version: &VersionMeta| {
        let (object, id) = (version.name.clone(), version.version.clone());
        async move { storage.get_version(&object, &id).await }
    };
    assert_eq!(get(&all[0]).await.expect("newest"), "second!");
    assert_eq!(kind(get(&all[1]).await), StorageErrorKind::NotFound);
    assert_eq!(get(&all[2]).await.expect("oldest"), "first");
    let unknown = storage
        .get_version(&name("data/one"), &VersionId::new("no-such-version"))
        .await;
    assert_eq!(kind(unknown), StorageErrorKind::NotFound);
    page_borders(storage, &all).await;

    let listed = storage
        .list(&prefix("data/"), None, 10)
        .await
        .expect("a page");
    if let Some(version) = &listed.objects[0].version {
        assert_eq!(*version, all[0].version);
    }
}

/// Every page border, also within the versions of one name, goes on where the page before ended.
async fn page_borders(storage: &dyn Storage, all: &[VersionMeta]) {
    for limit in 1..=all.len() {
        let mut paged: Vec<VersionMeta> = Vec::new();
        loop {
            let after = paged.last().map(VersionMeta::mark);
            let page = storage
                .versions(&prefix("data/"), after.as_ref(), limit)
                .await
                .expect("a page");
            assert!(page.versions.len() <= limit);
            paged.extend(page.versions);
            if !page.more {
                break;
            }
        }
        assert_eq!(paged, all, "pages of {limit}");
    }
    let past = VersionMark {
        name: name("data/one"),
        version: None,
    };
    let rest = storage
        .versions(&prefix("data/"), Some(&past), 10)
        .await
        .expect("a page");
    assert_eq!(rest.versions, all[3..]);
}

/// C14: retention can be read and extended, never shortened; retained objects stay; elsewhere
/// `Unsupported`.
pub async fn c14_retained_objects_stay(subject: &Subject) {
    let storage = &*subject.storage;
    let object = name("data/kept");
    // Far beyond every clock that a storage under test may have.
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(7_000_000_000);
    let farther = far + Duration::from_secs(1000);
    put(storage, "data/kept", b"kept").await;
    put(storage, "data/free", b"free").await;
    if storage.capabilities().retention == RetentionSupport::None {
        let refused = storage.retention(&object).await;
        assert_eq!(kind(refused), StorageErrorKind::Unsupported);
        let refused = storage.extend_retention(&object, far).await;
        assert_eq!(kind(refused), StorageErrorKind::Unsupported);
        assert!(delete_one(storage, "data/kept").await.is_done());
        return;
    }
    let retention = async |wanted| storage.retention(wanted).await.expect("a retention");
    assert_eq!(retention(&object).await, Retention::None);
    for (until, then) in [(far, far), (farther, farther), (far, farther)] {
        storage
            .extend_retention(&object, until)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(retention(&object).await, Retention::Until(then));
    }
    let outcomes = storage.delete(&[object.clone(), name("data/free")]).await;
    assert!(outcomes[0].1.is_deferred(), "{outcomes:?}");
    assert!(outcomes[1].1.is_done(), "{outcomes:?}");
    assert_eq!(read(storage, "data/kept").await, b"kept");
    assert_eq!(names(storage, "").await, ["data/kept"]);
    let absent = storage.retention(&name("data/free")).await;
    assert_eq!(kind(absent), StorageErrorKind::NotFound);
    let absent = storage.extend_retention(&name("data/free"), far).await;
    assert_eq!(kind(absent), StorageErrorKind::NotFound);
}
