//! A folder as a storage.
//!
//! Promise: what `create` returned survives a loss of power wherever the file system can flush at
//! all; nothing is ever half there; and a symbolic link planted in the folder leads nowhere, because
//! every path is walked from one open handle without following links.
//!
//! Layout: an object is the file at its name. Creation is staged in the folder `.staging`, whose
//! dot can stand in no object's name; a file `.reserve` keeps room for small objects. Files have mode 0600, folders 0700.

mod delete;
mod fault;
mod flush;
mod list;
mod publish;
mod read;
mod reserve;
mod root;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use self::fault::Fault;
use self::flush::KernelFlush;
use self::root::Root;
use crate::capabilities::{
    Capabilities, CreateIfAbsent, Durability, RetentionSupport, VersionSupport,
};
use crate::contract::Storage;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::limits::MAX_OBJECT_BYTES;
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{DeleteOutcome, MAX_PAGE, Page};

/// Objects as files of one folder.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    root: Arc<Root>,
    location: Location,
}

impl LocalStorage {
    /// Opens the folder of a storage. It must exist: a missing folder is far more often a disk that
    /// is not mounted than a storage to be made.
    ///
    /// # Errors
    /// `NoSuchRepositoryFolder` when the path is missing or no folder.
    pub async fn open(path: &Path) -> Result<Self, StorageError> {
        let path = path.to_owned();
        let location = Location::folder(&path);
        let opened = run(move || Root::open(&path, Arc::new(KernelFlush))).await;
        Self::finish_open(opened, &location, Operation::Open)
    }

    /// Makes the folder of a new storage, durably and readable for nobody else, and opens it. A
    /// folder that exists is taken as it is; the folder above it must exist.
    ///
    /// # Errors
    /// `NoSuchRepositoryFolder` when there is no folder above the path.
    pub async fn create_root(path: &Path) -> Result<Self, StorageError> {
        let path = path.to_owned();
        let location = Location::folder(&path);
        let opened = run(move || Root::make(&path, Arc::new(KernelFlush))).await;
        Self::finish_open(opened, &location, Operation::MakeRoot)
    }

    /// Removes staging files last written before `older_than`, which creators that died left
    /// behind, and returns how many. Choose a moment long before any creation still under way: a
    /// day is plenty.
    ///
    /// # Errors
    /// Those of reading and changing a folder.
    pub async fn sweep_staging(&self, older_than: SystemTime) -> Result<u64, StorageError> {
        let root = self.root.clone();
        run(move || publish::sweep(&root, older_than))
            .await
            .map_err(|fault| fault.explain(Operation::Sweep, &self.location))
    }

    fn finish_open(
        opened: Result<Root, Fault>,
        location: &Location,
        operation: Operation,
    ) -> Result<Self, StorageError> {
        let root = opened.map_err(|fault| fault.explain(operation, location))?;
        Ok(Self {
            location: Location::folder(root.path()),
            root: Arc::new(root),
        })
    }

    fn error(
        &self,
        kind: StorageErrorKind,
        operation: Operation,
        name: &ObjectName,
    ) -> StorageError {
        StorageError::new(kind, operation, &self.location).of(name)
    }
}

#[async_trait]
impl Storage for LocalStorage {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        if body.len() as u64 > MAX_OBJECT_BYTES {
            return Err(self.error(StorageErrorKind::TooLarge, Operation::Create, name));
        }
        let (root, wanted) = (self.root.clone(), name.clone());
        run(move || publish::create(&root, &wanted, &body))
            .await
            .map_err(|fault| fault.explain(Operation::Create, &self.location).of(name))
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let (root, wanted) = (self.root.clone(), name.clone());
        run(move || read::whole(&root, &wanted))
            .await
            .map_err(|fault| fault.explain(Operation::Get, &self.location).of(name))
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let (root, wanted) = (self.root.clone(), name.clone());
        run(move || read::range(&root, &wanted, range))
            .await
            .map_err(|fault| fault.explain(Operation::GetRange, &self.location).of(name))
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let (root, prefix, after) = (self.root.clone(), prefix.clone(), after.cloned());
        run(move || list::page(&root, &prefix, after.as_ref(), limit))
            .await
            .map_err(|fault| fault.explain(Operation::List, &self.location))
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let (root, wanted) = (self.root.clone(), names.to_vec());
        let deleted = run(move || Ok(delete::batch(&root, &wanted))).await;
        let explain = |name: &ObjectName, result: Result<(), Fault>| match result {
            Ok(()) => DeleteOutcome::Done,
            Err(fault) => {
                DeleteOutcome::Failed(fault.explain(Operation::Delete, &self.location).of(name))
            }
        };
        match deleted {
            Ok(results) => names
                .iter()
                .zip(results)
                .map(|(name, result)| (name.clone(), explain(name, result)))
                .collect(),
            Err(fault) => names
                .iter()
                .map(|name| (name.clone(), explain(name, Err(fault))))
                .collect(),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            create_if_absent: CreateIfAbsent::Atomic,
            durable: if self.root.can_flush_folders() {
                Durability::Yes
            } else {
                Durability::Unknown
            },
            read_after_write: self.root.freshness(),
            versions: VersionSupport::None,
            retention: RetentionSupport::None,
        }
    }

    fn location(&self) -> &Location {
        &self.location
    }
}

/// Runs blocking work to its end, also when the future that waits for it is dropped: this is what
/// makes a dropped creation all or nothing.
async fn run<T, W>(work: W) -> Result<T, Fault>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, Fault> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(Fault::Stopped))
}

#[cfg(test)]
mod tests;
