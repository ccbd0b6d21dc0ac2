//! Through an rclone of our own: the contract on remotes of three kinds, and what happens when it dies.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ownkey_storage::{
    CreateIfAbsent, RcloneOptions, RcloneRemote, RestStorage, Storage, StorageError,
    StorageErrorKind,
};
use ownkey_testkit::block_on;
use ownkey_testkit::conformance::Subject;
use ownkey_testkit::servers::program;
use tempfile::TempDir;

use super::super::{name, names, put};

/// A remote whose uploads appear whole, as those of clouds do.
mod memory {
    ownkey_testkit::conformance!(match super::on(":memory:ownkey").await {
        Some(subject) => subject,
        None => return,
    });
}

mod folder {
    super::super::conformance_of_a_remote_folder!(match super::on_folder(":local:").await {
        Some(subject) => subject,
        None => return,
    });
}

/// A remote that stands for a folder of another one.
mod alias {
    super::super::conformance_of_a_remote_folder!(match super::on_folder(":alias:").await {
        Some(subject) => subject,
        None => return,
    });
}

async fn open(remote: &str, more: &[&Path]) -> Option<Result<RestStorage, StorageError>> {
    let mut arguments: Vec<OsString> = vec!["--config".into(), "/dev/null".into()];
    arguments.extend(more.iter().map(|path| path.as_os_str().to_owned()));
    let options = RcloneOptions {
        program: program("rclone")?,
        arguments,
        ..RcloneOptions::default()
    };
    let remote = RcloneRemote::new(remote).expect("a remote");
    Some(RestStorage::through_rclone(&remote, &options, CreateIfAbsent::Checked).await)
}

async fn on(remote: &str) -> Option<Subject> {
    let storage = open(remote, &[])
        .await?
        .unwrap_or_else(|error| panic!("{error}"));
    Some(Subject::shared(Arc::new(storage)))
}

async fn on_folder(kind: &str) -> Option<Subject> {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = match kind {
        ":alias:" => {
            let flags = [Path::new("--alias-remote"), folder.path()];
            open(":alias:repository", &flags).await?
        }
        kind => {
            open(
                &format!("{kind}{}/repository", folder.path().display()),
                &[],
            )
            .await?
        }
    };
    let storage: Arc<dyn Storage> = Arc::new(storage.unwrap_or_else(|error| panic!("{error}")));
    Some(Subject::reopening(move || storage.clone(), folder))
}

/// All that an error says, with its causes.
fn told(error: &StorageError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The rclone that serves a folder, by its command line.
fn serving(folder: &TempDir) -> Option<u32> {
    let wanted = folder.path().display().to_string();
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let mut found = processes.filter_map(|entry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        (line.contains("--stdio") && line.contains(&wanted)).then_some(process)
    });
    found.next()
}

fn kill(process: u32) {
    let killed = Command::new("kill")
        .args(["-KILL", &process.to_string()])
        .status();
    assert!(killed.expect("kill").success());
}

#[test]
fn an_rclone_that_dies_is_an_error_and_the_next_request_starts_another() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let remote = format!(":local:{}", folder.path().display());
        let Some(storage) = open(&remote, &[]).await else {
            return;
        };
        let storage = storage.unwrap_or_else(|error| panic!("{error}"));
        put(&storage, "data/one").await;
        let first = serving(&folder).expect("an rclone");

        // In the middle of an upload that takes longer than it lives.
        let (target, body) = (name("data/large"), Bytes::from(vec![7; 64 << 20]));
        let upload = storage.create(&target, body);
        let death = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            kill(first);
        };
        let (uploaded, ()) = tokio::join!(upload, death);
        if let Err(error) = &uploaded {
            assert_eq!(
                error.kind(),
                StorageErrorKind::Unavailable,
                "{}",
                told(error)
            );
        }
        // It may take a moment until its death is seen; the first request after that finds another.
        let mut tries = 0;
        while let Err(error) = storage.get(&name("data/one")).await {
            assert_eq!(
                error.kind(),
                StorageErrorKind::Unavailable,
                "{}",
                told(&error)
            );
            tries += 1;
            assert!(tries < 3, "{}", told(&error));
        }
        put(&storage, "data/two").await;
        let second = serving(&folder).expect("an rclone");
        assert_ne!(first, second);

        drop(storage);
        for _ in 0..500 {
            if serving(&folder).is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("rclone is ended with us");
    });
}

#[test]
fn an_rclone_that_knows_no_such_remote_repeats_why() {
    block_on(async {
        let Some(opened) = open("nowhere:x", &[]).await else {
            return;
        };
        let error = opened.expect_err("no such remote");
        assert_eq!(
            error.kind(),
            StorageErrorKind::Other,
            "never tried again by itself"
        );
        let text = told(&error);
        assert!(text.contains("rclone:nowhere:x"), "{text}");
        assert!(text.contains("rclone says: "), "{text}");
        assert!(text.contains("nowhere"), "{text}");
        assert!(!text.chars().any(char::is_control), "{text}");
    });
}

#[test]
fn a_program_that_is_not_there_is_named() {
    block_on(async {
        let options = RcloneOptions {
            program: "/no/such/rclone".into(),
            ..RcloneOptions::default()
        };
        let remote = RcloneRemote::new("drive:").expect("a remote");
        let opened = RestStorage::through_rclone(&remote, &options, CreateIfAbsent::Checked).await;
        let text = told(&opened.expect_err("no program"));
        assert!(text.contains("cannot start /no/such/rclone"), "{text}");
    });
}

#[test]
fn files_on_the_remote_can_be_told_apart_by_people() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let remote = format!(":local:{}", folder.path().display());
        let Some(storage) = open(&remote, &[]).await else {
            return;
        };
        let storage = storage.unwrap_or_else(|error| panic!("{error}"));
        for text in ["ownkey", "log/device/0001", "data/ab/abcd"] {
            put(&storage, text).await;
        }
        for file in [
            "_/ownkey",
            "log/device/log.device.0001",
            "data/ab/data.ab.abcd",
        ] {
            assert!(folder.path().join(file).is_file(), "{file}");
        }
        assert_eq!(
            names(&storage).await,
            ["data/ab/abcd", "log/device/0001", "ownkey"]
        );
    });
}
