//! What a folder promises beyond the contract: modes, staging, and a root that must be there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ownkey_storage::{Durability, LocalStorage, Prefix, Storage, StorageErrorKind, list_all};
use ownkey_testkit::block_on;

use super::{name, names, put};

#[test]
fn a_missing_folder_is_an_error_and_is_not_made() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("not-mounted");
        let error = LocalStorage::open(&path).await.expect_err("nothing there");
        assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
        assert!(error.to_string().contains("disk is mounted"), "{error}");
        assert!(!path.exists());

        let error = LocalStorage::create_root(&path.join("inner")).await;
        let kind = error.expect_err("no folder above").kind();
        assert_eq!(kind, StorageErrorKind::NoSuchRepositoryFolder);
        assert!(!path.exists());

        fs::write(&path, "a file").expect("a file");
        for error in [
            LocalStorage::open(&path).await.expect_err("a file"),
            LocalStorage::create_root(&path).await.expect_err("a file"),
        ] {
            assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
        }
    });
}

#[test]
fn a_folder_that_goes_away_is_no_empty_storage() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("repository");
        let storage = LocalStorage::create_root(&path).await.expect("a storage");
        put(&storage, "data/one").await;
        // As when a disk is unmounted: the path leads to an empty folder.
        fs::rename(&path, folder.path().join("moved")).expect("renamed");
        fs::create_dir(&path).expect("an empty folder");
        let error = list_all(&storage, &Prefix::all()).await.expect_err("gone");
        assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
        fs::remove_dir(&path).expect("removed");
        let error = list_all(&storage, &Prefix::all()).await.expect_err("gone");
        assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
        // What was opened is still the same place.
        assert_eq!(
            storage.get(&name("data/one")).await.expect("it"),
            "data/one"
        );

        fs::remove_dir_all(folder.path().join("moved")).expect("removed");
        let error = storage.get(&name("data/one")).await.expect_err("deleted");
        assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
        let error = storage.create(&name("x"), Bytes::new()).await;
        let kind = error.expect_err("deleted").kind();
        assert_eq!(kind, StorageErrorKind::NoSuchRepositoryFolder);
        assert!(!path.exists());
    });
}

#[test]
fn files_and_folders_are_for_their_owner_alone() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("repository");
        let storage = LocalStorage::create_root(&path).await.expect("a storage");
        put(&storage, "data/ab/one").await;
        let mode = |inner: &str| {
            let found = fs::metadata(path.join(inner)).expect(inner);
            found.permissions().mode() & 0o7777
        };
        for inner in ["", "data", "data/ab", ".staging"] {
            assert_eq!(mode(inner), 0o700, "{inner}");
        }
        assert_eq!(mode("data/ab/one"), 0o600);
    });
}

#[test]
fn staging_is_empty_after_every_creation_that_ended() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = LocalStorage::open(folder.path()).await.expect("a storage");
        put(&storage, "a/b").await;
        for text in ["a/b", "a", "a/b/c"] {
            let refused = storage.create(&name(text), Bytes::from_static(b"x")).await;
            refused.expect_err(text);
        }
        let staged = fs::read_dir(folder.path().join(".staging")).expect("staging");
        assert_eq!(staged.count(), 0);
    });
}

#[test]
fn what_dead_creators_left_is_invisible_and_swept_when_stale() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = LocalStorage::open(folder.path()).await.expect("a storage");
        let now = SystemTime::now();
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(storage.sweep_staging(now).await.expect("a sweep"), 0);
        put(&storage, "ownkey").await;
        let staging = folder.path().join(".staging");
        for (left, age) in [("stale", day + day), ("fresh", Duration::ZERO)] {
            let file = fs::File::create(staging.join(left)).expect("a staging file");
            file.set_modified(now - age).expect("a time");
        }
        assert_eq!(names(&storage).await, ["ownkey"]);
        assert_eq!(storage.sweep_staging(now - day).await.expect("a sweep"), 1);
        assert!(staging.join("fresh").exists());
        assert!(!staging.join("stale").exists());
        assert_eq!(storage.sweep_staging(now - day).await.expect("a sweep"), 0);
        assert_eq!(names(&storage).await, ["ownkey"]);
    });
}

#[test]
fn an_existing_folder_is_taken_as_it_is_and_says_what_it_can_do() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("README.txt"), "foreign").expect("a file");
        fs::create_dir(folder.path().join("lost+found")).expect("a folder");
        let storage = LocalStorage::create_root(folder.path()).await.expect("it");
        assert!(names(&storage).await.is_empty());
        assert_eq!(storage.capabilities().durable, Durability::Yes);
        put(&storage, "ownkey").await;
        assert_eq!(names(&storage).await, ["ownkey"]);
        assert!(folder.path().join("README.txt").exists());
    });
}
