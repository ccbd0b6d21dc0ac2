//! The integration tests of `ownkey-storage`: the contract against every implementation, and what
//! only some of them promise.

mod as_of;
mod cache;
mod count;
mod decorators;
mod faults;
mod faults_http;
mod hostile_folder;
mod https;
mod limit;
mod local_folder;
mod memory;
mod probe;
mod rest;
mod retry;
mod s3;
mod scripted;
mod sftp;
mod tricks;
mod webdav;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ownkey_storage::{LocalStorage, MemoryStorage, ObjectName, Prefix, Storage, list_all};
use ownkey_testkit::conformance::Subject;

mod reference {
    ownkey_testkit::conformance!(super::memory());
}

mod reference_with_versions {
    ownkey_testkit::conformance!(super::memory_with_versions());
}

mod folder {
    ownkey_testkit::conformance!(super::folder_subject().await);
}

fn memory() -> Subject {
    Subject::shared(Arc::new(MemoryStorage::new()))
}

fn memory_with_versions() -> Subject {
    Subject::shared(Arc::new(MemoryStorage::with_versions()))
}

/// A storage in a fresh folder; opened anew it is another `LocalStorage`, as in another process.
async fn folder_subject() -> Subject {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("repository");
    LocalStorage::create_root(&path).await.expect("a storage");
    let open = move || -> Arc<dyn Storage> { Arc::new(open_now(&path)) };
    Subject::reopening(open, folder)
}

/// Opens a folder from a place that cannot wait.
fn open_now(path: &Path) -> LocalStorage {
    let path = path.to_owned();
    std::thread::spawn(move || ownkey_testkit::block_on(LocalStorage::open(&path)))
        .join()
        .expect("a thread")
        .expect("a storage")
}

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).expect("the test's own name")
}

async fn put(storage: &dyn Storage, text: &str) {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let created = storage.create(&name(text), body).await;
    created.unwrap_or_else(|error| panic!("{error}"));
}

async fn names(storage: &dyn Storage) -> Vec<String> {
    list_all(storage, &Prefix::all())
        .await
        .unwrap_or_else(|error| panic!("{error}"))
        .into_iter()
        .map(|object| object.name.to_string())
        .collect()
}
