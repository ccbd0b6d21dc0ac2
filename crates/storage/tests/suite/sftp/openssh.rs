//! What OpenSSH's server allows beyond the contract, and what happens when it goes away.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ownkey_storage::{
    Durability, Prefix, Retry, RetryPolicy, SftpPlace, SftpStorage, Storage, StorageError,
    StorageErrorKind, list_all,
};
use ownkey_testkit::block_on;
use ownkey_testkit::servers::SshServer;
use tokio::task::JoinHandle;

use super::super::{name, names, put};
use super::way_to;

#[test]
fn files_are_flushed_private_and_staged_out_of_sight() {
    let Some(server) = SshServer::openssh() else {
        return;
    };
    block_on(async {
        let (place, options) = way_to(&server, "repository");
        let storage = SftpStorage::create_root(place, options).await.expect("it");
        assert_eq!(storage.capabilities().durable, Durability::Yes);
        put(&storage, "data/ab/one").await;
        put(&storage, "ownkey").await;
        let taken = storage.create(&name("ownkey"), Bytes::new()).await;
        taken.expect_err("taken");
        let root = server.data().join("repository");
        let mode = |inner: &str| {
            let found = fs::metadata(root.join(inner)).expect(inner);
            found.permissions().mode() & 0o7777
        };
        for inner in ["", "data", "data/ab", ".staging"] {
            assert_eq!(mode(inner), 0o700, "{inner}");
        }
        assert_eq!(mode("data/ab/one"), 0o600);
        assert_eq!(fs::read_dir(root.join(".staging")).expect("it").count(), 0);
    });
}

#[test]
fn what_dead_creators_left_is_swept_when_stale() {
    let Some(server) = SshServer::openssh() else {
        return;
    };
    block_on(async {
        let (place, options) = way_to(&server, "repository");
        let storage = SftpStorage::create_root(place, options).await.expect("it");
        let now = SystemTime::now();
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(storage.sweep_staging(now).await.expect("a sweep"), 0);
        put(&storage, "ownkey").await;
        let staging = server.data().join("repository/.staging");
        let names_of = |digit: &str| digit.repeat(32);
        for (left, age) in [(names_of("a"), 2 * day), (names_of("b"), Duration::ZERO)] {
            let file = fs::File::create(staging.join(left)).expect("a staging file");
            file.set_modified(now - age).expect("a time");
        }
        assert_eq!(names(&storage).await, ["ownkey"]);
        assert_eq!(storage.sweep_staging(now - day).await.expect("it"), 1);
        assert!(!staging.join(names_of("a")).exists());
        assert!(staging.join(names_of("b")).exists());
    });
}

#[test]
fn a_missing_folder_is_an_error_and_is_not_made() {
    let Some(server) = SshServer::openssh() else {
        return;
    };
    block_on(async {
        let (place, options) = way_to(&server, "not-mounted");
        let error = SftpStorage::open(place.clone(), options.clone()).await;
        let error = error.expect_err("nothing there");
        assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
        let storage = SftpStorage::new(place, options.clone());
        for error in [
            storage.create(&name("a/b"), Bytes::new()).await.err(),
            storage.get(&name("a/b")).await.err(),
            list_all(&storage, &Prefix::all()).await.err(),
        ] {
            let kind = error.expect("an error").kind();
            assert_eq!(kind, StorageErrorKind::NoSuchRepositoryFolder);
        }
        let (beneath, _) = way_to(&server, "not-mounted/repository");
        let error = SftpStorage::create_root(beneath, options).await;
        let kind = error.expect_err("no folder above").kind();
        assert_eq!(kind, StorageErrorKind::NoSuchRepositoryFolder);
        assert!(!server.data().join("not-mounted").exists());
    });
}

#[test]
fn a_folder_that_was_tidied_away_is_made_again() {
    let Some(server) = SshServer::openssh() else {
        return;
    };
    block_on(async {
        let (place, options) = way_to(&server, "repository");
        let storage = SftpStorage::create_root(place, options).await.expect("it");
        put(&storage, "data/ab/one").await;
        let root = server.data().join("repository");
        fs::remove_dir_all(root.join("data")).expect("removed");
        put(&storage, "data/ab/two").await;
        fs::remove_dir_all(root.join(".staging")).expect("removed");
        put(&storage, "data/ab/three").await;
        assert_eq!(names(&storage).await, ["data/ab/three", "data/ab/two"]);
    });
}

#[test]
fn a_path_in_the_home_folder_begins_there() {
    let Some(server) = SshServer::openssh() else {
        return;
    };
    block_on(async {
        let (_, options) = way_to(&server, "");
        let missing = "ownkey-test-of-a-folder-that-is-not-there";
        let place = SftpPlace::new(None, server.host(), Some(server.port()), missing);
        let place = place.expect("a place");
        assert!(place.to_string().ends_with(&format!("/~/{missing}")));
        let error = SftpStorage::open(place, options).await.expect_err("absent");
        assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
    });
}

/// A small file system in memory at a path, until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// Nothing where mounting is not allowed.
    fn try_new(path: PathBuf) -> Option<Self> {
        fs::create_dir(&path).expect("a folder");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(&path)
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        println!("skipped: mounting is not allowed here");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily, because connections of the server may still stand in it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_as_such_and_leaves_nothing_behind() {
    let Some(server) = SshServer::openssh() else {
        return;
    };
    let Some(mounted) = Mounted::try_new(server.data().join("repository")) else {
        return;
    };
    block_on(async {
        let (place, options) = way_to(&server, "repository");
        let storage = SftpStorage::open(place, options).await.expect("it");
        put(&storage, "ownkey").await;
        let large = vec![1; 4 << 20].into();
        let error = storage.create(&name("data/large"), large).await;
        let error = error.expect_err("no room");
        assert_eq!(error.kind(), StorageErrorKind::Full, "{error}");
        assert_eq!(names(&storage).await, ["ownkey"]);
        let staged = fs::read_dir(mounted.0.join(".staging")).expect("it");
        assert_eq!(staged.count(), 0);
        put(&storage, "data/small").await;
    });
}

/// Bodies of several megabytes, so that a server can be killed while they are under way.
fn body(number: u8) -> Bytes {
    vec![number; 32 << 20].into()
}

/// Starts to upload four objects and returns when some bytes of them are on the server's disk.
async fn uploads_under_way(
    storage: Arc<dyn Storage>,
    server: &SshServer,
) -> Vec<JoinHandle<Result<(), StorageError>>> {
    let uploads = (0..4).map(|number| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let wanted = name(&format!("data/{number}"));
            storage.create(&wanted, body(number)).await
        })
    });
    let uploads = uploads.collect();
    let staging = server.data().join("repository/.staging");
    let under_way = || {
        let files = fs::read_dir(&staging).into_iter().flatten().flatten();
        let mut sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
        sizes.any(|size| size > 0)
    };
    while !under_way() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    uploads
}

#[test]
fn a_server_that_dies_is_unavailable_and_works_again_when_it_is_back() {
    let Some(mut server) = SshServer::openssh() else {
        return;
    };
    block_on(async {
        let (place, options) = way_to(&server, "repository");
        let storage = SftpStorage::create_root(place, options).await.expect("it");
        put(&storage, "before").await;
        let uploads = uploads_under_way(Arc::new(storage.clone()), &server).await;
        server.kill();
        let mut stored = vec!["before".to_owned()];
        for (number, upload) in uploads.into_iter().enumerate() {
            match upload.await.expect("no panic") {
                Ok(()) => stored.push(format!("data/{number}")),
                Err(error) => assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}"),
            }
        }
        assert!(stored.len() < 5, "nothing was interrupted");
        let error = storage.get(&name("before")).await.expect_err("away");
        assert_eq!(error.kind(), StorageErrorKind::Unavailable);
        assert!(error.to_string().contains("ssh says: "), "{error}");
        server.restart();
        assert_eq!(storage.get(&name("before")).await.expect("it"), "before");
        stored.sort();
        assert_eq!(names(&storage).await, stored);
    });
}

#[test]
fn uploads_outlast_a_server_that_is_killed_and_comes_back() {
    let Some(mut server) = SshServer::openssh() else {
        return;
    };
    block_on(async {
        let (place, options) = way_to(&server, "repository");
        let storage = SftpStorage::create_root(place, options).await.expect("it");
        let policy = RetryPolicy {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_millis(500),
            ..RetryPolicy::default()
        };
        let storage = Retry::new(Arc::new(storage), policy, Arc::new(|_| {}));
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let uploads = uploads_under_way(storage.clone(), &server).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.restart();
        for (number, upload) in (0..).zip(uploads) {
            upload.await.expect("no panic").expect("stored");
            let stored = storage.get(&name(&format!("data/{number}"))).await;
            assert!(stored.expect("it") == body(number));
        }
    });
}

#[test]
fn many_folders_and_pages_are_listed_in_order() {
    let Some(server) = SshServer::openssh() else {
        return;
    };
    block_on(async {
        let (place, options) = way_to(&server, "repository");
        let storage = SftpStorage::create_root(place, options).await.expect("it");
        let root = server.data().join("repository");
        let mut expected = Vec::new();
        for folder in 0..60 {
            let path = root.join(format!("data/{folder:02x}"));
            fs::create_dir_all(&path).expect("a folder");
            for file in 0..37 {
                fs::write(path.join(format!("{file:04}")), "x").expect("a file");
                expected.push(format!("data/{folder:02x}/{file:04}"));
            }
        }
        fs::write(root.join("data/No Object.txt"), "x").expect("a file");
        std::os::unix::fs::symlink("00", root.join("data/link")).expect("a link");
        assert_eq!(names(&storage).await, expected);
    });
}
