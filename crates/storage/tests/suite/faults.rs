//! Real disks that are full, read-only or forbidden. What needs root is skipped without it, aloud.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use ownkey_storage::{LocalStorage, Storage, StorageErrorKind};
use ownkey_testkit::block_on;

use super::{name, names, put};

/// A file system in memory, mounted for one test.
struct Mounted {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Mounted {
    /// Nothing where mounting is not allowed.
    fn try_new(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        fs::create_dir(&path).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&path)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self {
                path,
                _folder: folder,
            }),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr);
                println!("skipped: mounting is not allowed here: {}", reason.trim());
                None
            }
            Err(error) => {
                println!("skipped: there is no mount program: {error}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.path)
            .status();
        assert!(status.expect("mount").success());
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a failed test may still have the folder open.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_is_called_full_and_loses_nothing() {
    let Some(disk) = Mounted::try_new("size=1m") else {
        return;
    };
    block_on(async {
        let storage = LocalStorage::open(disk.path()).await.expect("a storage");
        let mut stored = Vec::new();
        let error = loop {
            let text = format!("data/{:03}", stored.len());
            let body = Bytes::from(vec![7; 100_000]);
            match storage.create(&name(&text), body).await {
                Ok(()) => stored.push(text),
                Err(error) => break error,
            }
            assert!(stored.len() < 100, "a disk of 1 MiB never filled up");
        };
        assert_eq!(error.kind(), StorageErrorKind::Full, "{error}");
        assert!(error.to_string().contains("free space at"), "{error}");
        assert!(stored.len() > 5);
        assert_eq!(names(&storage).await, stored, "the failed one is not shown");
        let staged = fs::read_dir(disk.path().join(".staging")).expect("staging");
        assert_eq!(staged.count(), 0, "the failed one takes no space");
        for text in &stored {
            let body = storage.get(&name(text)).await.expect("still there");
            assert_eq!(body.len(), 100_000);
        }
        // Deleting works on a full disk, and the same command works again.
        assert!(storage.delete(&[name(&stored[0])]).await[0].1.is_done());
        let freed = name(&stored[0]);
        let again = storage.create(&freed, vec![8; 100_000].into());
        again.await.expect("there is space again");
    });
}

#[test]
fn a_disk_that_is_full_to_the_last_byte_still_takes_what_a_prune_has_to_say() {
    let Some(disk) = Mounted::try_new("size=32m") else {
        return;
    };
    block_on(async {
        let storage = LocalStorage::open(disk.path()).await.expect("a storage");
        put(&storage, "log/0").await;
        // Somebody else fills the disk, to the last byte.
        let mut piece = 1 << 20;
        let mut number = 0;
        while piece > 0 {
            let path = disk.path().join(format!(".other-{number}"));
            number += 1;
            if fs::write(&path, vec![7; piece]).is_err() {
                let _ = fs::remove_file(&path);
                piece /= 2;
            }
        }
        let large = storage
            .create(&name("data/1"), vec![1; 70_000].into())
            .await;
        assert_eq!(large.expect_err("full").kind(), StorageErrorKind::Full);
        put(&storage, "log/1").await;
        put(&storage, "log/2").await;
        assert!(storage.delete(&[name("log/0")]).await[0].1.is_done());
        assert_eq!(names(&storage).await, ["log/1", "log/2"]);
    });
}

#[test]
fn a_disk_without_free_inodes_is_called_full() {
    let Some(disk) = Mounted::try_new("size=1m,nr_inodes=12") else {
        return;
    };
    block_on(async {
        let storage = LocalStorage::open(disk.path()).await.expect("a storage");
        for n in 0..20 {
            let text = format!("data/{n}/x");
            if let Err(error) = storage.create(&name(&text), Bytes::new()).await {
                assert_eq!(error.kind(), StorageErrorKind::Full, "{error}");
                assert_eq!(names(&storage).await.len(), n);
                return;
            }
        }
        panic!("twelve inodes never ran out");
    });
}

#[test]
fn a_read_only_disk_can_be_read_and_says_what_it_is() {
    let Some(disk) = Mounted::try_new("size=1m") else {
        return;
    };
    block_on(async {
        let storage = LocalStorage::open(disk.path()).await.expect("a storage");
        put(&storage, "data/one").await;
        drop(storage);
        disk.remount("ro");
        let storage = LocalStorage::open(disk.path()).await.expect("a storage");
        assert_eq!(
            storage.get(&name("data/one")).await.expect("it"),
            "data/one"
        );
        assert_eq!(names(&storage).await, ["data/one"]);
        for text in ["data/two", "new/folder/x", "ownkey"] {
            let error = storage.create(&name(text), Bytes::new()).await;
            let error = error.expect_err("read-only");
            assert_eq!(error.kind(), StorageErrorKind::ReadOnly, "{error}");
        }
        let again = storage.create(&name("data/one"), Bytes::new()).await;
        let kind = again.expect_err("taken").kind();
        assert_eq!(kind, StorageErrorKind::AlreadyExists);
        match &storage.delete(&[name("data/one")]).await[0].1 {
            ownkey_storage::DeleteOutcome::Failed(error) => {
                assert_eq!(error.kind(), StorageErrorKind::ReadOnly);
            }
            outcome => panic!("{outcome:?}"),
        }
        let absent = storage.delete(&[name("data/absent")]).await;
        assert!(absent[0].1.is_done(), "{absent:?}");
    });
}

#[test]
fn a_forbidden_folder_is_an_error_and_no_gap_in_a_listing() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: nothing is forbidden to root");
        return;
    }
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = LocalStorage::open(folder.path()).await.expect("a storage");
        put(&storage, "data/one").await;
        put(&storage, "keys/two").await;
        let forbidden = folder.path().join("data");
        fs::set_permissions(&forbidden, fs::Permissions::from_mode(0o000)).expect("a mode");
        let listed = ownkey_storage::list_all(&storage, &ownkey_storage::Prefix::all()).await;
        let read = storage.get(&name("data/one")).await;
        fs::set_permissions(&forbidden, fs::Permissions::from_mode(0o700)).expect("a mode");
        let kinds = [listed.expect_err("no").kind(), read.expect_err("no").kind()];
        assert_eq!(kinds, [StorageErrorKind::PermissionDenied; 2]);
    });
}
