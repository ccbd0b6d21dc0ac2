//! A folder that somebody else has written into: nothing planted there is followed, read or shown.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ownkey_storage::{LocalStorage, MAX_OBJECT_BYTES, Storage, StorageErrorKind};
use ownkey_testkit::block_on;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{name, names, put};

async fn open(path: &Path) -> LocalStorage {
    LocalStorage::open(path).await.expect("a storage")
}

#[test]
fn a_planted_link_to_a_folder_leads_nowhere() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = tempfile::tempdir().expect("another folder");
        fs::write(outside.path().join("secret"), "secret").expect("a file");
        symlink(outside.path(), folder.path().join("data")).expect("a link");
        let storage = open(folder.path()).await;

        let read = storage.get(&name("data/secret")).await.expect_err("a link");
        assert_eq!(read.kind(), StorageErrorKind::NotFound);
        let part = storage.get_range(&name("data/secret"), 0..1).await;
        assert_eq!(part.expect_err("a link").kind(), StorageErrorKind::NotFound);
        assert!(names(&storage).await.is_empty());
        let create = storage.create(&name("data/new"), Bytes::new()).await;
        let kind = create.expect_err("a link").kind();
        assert_eq!(kind, StorageErrorKind::Unsupported);
        assert!(!outside.path().join("new").exists());
        assert!(storage.delete(&[name("data/secret")]).await[0].1.is_done());
        assert!(
            outside.path().join("secret").exists(),
            "deleted through a link"
        );
    });
}

#[test]
fn a_planted_link_in_place_of_an_object_is_named_and_not_followed() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = tempfile::tempdir().expect("another folder");
        let target = outside.path().join("target");
        fs::write(&target, "untouched").expect("a file");
        symlink(&target, folder.path().join("ownkey")).expect("a link");
        symlink(
            outside.path().join("absent"),
            folder.path().join("dangling"),
        )
        .expect("a link");
        let storage = open(folder.path()).await;

        for text in ["ownkey", "dangling"] {
            let read = storage.get(&name(text)).await.expect_err("a link");
            assert_eq!(read.kind(), StorageErrorKind::BrokenContract, "{read}");
            let create = storage.create(&name(text), Bytes::from_static(b"x")).await;
            let kind = create.expect_err("a link").kind();
            assert_eq!(kind, StorageErrorKind::BrokenContract);
        }
        assert!(names(&storage).await.is_empty());
        assert!(storage.delete(&[name("ownkey")]).await[0].1.is_done());
        assert_eq!(fs::read(&target).expect("it"), b"untouched");
        assert!(!outside.path().join("absent").exists());
    });
}

#[test]
fn a_planted_link_in_place_of_staging_is_not_followed() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = tempfile::tempdir().expect("another folder");
        fs::write(outside.path().join("old"), "x").expect("a file");
        symlink(outside.path(), folder.path().join(".staging")).expect("a link");
        let storage = open(folder.path()).await;
        let create = storage.create(&name("ownkey"), Bytes::new()).await;
        create.expect_err("staging is a link");
        let future = std::time::SystemTime::now() + Duration::from_secs(1000);
        storage.sweep_staging(future).await.expect_err("a link");
        let left = fs::read_dir(outside.path()).expect("a listing").count();
        assert_eq!(left, 1);
    });
}

#[test]
fn pipes_and_sockets_block_nobody() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        for (text, kind) in [("pipe", FileType::Fifo), ("socket", FileType::Socket)] {
            mknodat(CWD, folder.path().join(text), kind, Mode::RWXU, 0).expect(text);
        }
        let storage = open(folder.path()).await;
        for text in ["pipe", "socket"] {
            let wanted = name(text);
            let read = tokio::time::timeout(Duration::from_secs(5), storage.get(&wanted)).await;
            let error = read.expect("an answer").expect_err("no object");
            assert_eq!(error.kind(), StorageErrorKind::BrokenContract, "{error}");
        }
        assert!(names(&storage).await.is_empty());
    });
}

#[test]
fn foreign_files_and_folders_are_not_shown() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = open(folder.path()).await;
        put(&storage, "data/ab/one").await;
        for foreign in [
            "Data",
            "data/ab/one.tmp",
            "data/.hidden",
            "data/ab/ü",
            "data/ab/a b",
        ] {
            fs::write(folder.path().join(foreign), "x").expect(foreign);
        }
        let deep = folder.path().join("a/b/c/d/e/f/g");
        fs::create_dir_all(&deep).expect("a deep folder");
        fs::write(deep.join("h"), "x").expect("a file");
        assert_eq!(names(&storage).await, ["data/ab/one"]);
    });
}

#[test]
fn a_giant_object_is_refused_before_memory_is_taken() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let giant = fs::File::create(folder.path().join("giant")).expect("a file");
        // Sparse: 8 TiB that no machine could allocate.
        giant.set_len(8 << 40).expect("a length");
        let storage = open(folder.path()).await;
        let error = storage.get(&name("giant")).await.expect_err("too large");
        assert_eq!(error.kind(), StorageErrorKind::TooLarge);
        let error = storage
            .get_range(&name("giant"), 0..MAX_OBJECT_BYTES + 1)
            .await;
        assert_eq!(
            error.expect_err("too large").kind(),
            StorageErrorKind::TooLarge
        );
        let part = storage
            .get_range(&name("giant"), 1 << 40..(1 << 40) + 3)
            .await;
        assert_eq!(part.expect("a part"), [0, 0, 0][..]);
    });
}
