//! A decorator that remembers everything asked of a storage.
//!
//! "A backup without changes writes no pack" is a test that counts here.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use ownkey_storage::{
    Capabilities, DeleteOutcome, Location, ObjectName, Operation, Page, Prefix, Retention, Storage,
    StorageError, StorageErrorKind, VersionId, VersionMark, VersionPage,
};

/// One operation, in the order in which they ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// The name asked for, or the prefix of a listing. A batch of deletions is a call for each.
    pub target: String,
    /// How many bytes of an object moved.
    pub bytes: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Done,
    /// A deletion that must wait.
    Deferred,
    /// With an error of this kind.
    Failed(StorageErrorKind),
}

/// A storage that passes everything on and writes it down.
#[derive(Debug)]
pub struct Recording {
    inner: Arc<dyn Storage>,
    calls: Mutex<Vec<Call>>,
}

impl Recording {
    /// Records what is asked of a storage from now on.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self {
            inner,
            calls: Mutex::default(),
        }
    }

    /// Everything so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    /// Everything so far, and begins anew.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock())
    }

    /// How often an operation was asked of targets that begin with a text.
    #[must_use]
    pub fn count(&self, operation: Operation, under: &str) -> usize {
        self.matching(operation, under, |calls| calls.count())
    }

    /// How many bytes an operation moved of targets that begin with a text.
    #[must_use]
    pub fn bytes(&self, operation: Operation, under: &str) -> u64 {
        self.matching(operation, under, |calls| calls.map(|call| call.bytes).sum())
    }

    fn matching<T>(
        &self,
        operation: Operation,
        under: &str,
        fold: impl FnOnce(&mut dyn Iterator<Item = &Call>) -> T,
    ) -> T {
        let calls = self.lock();
        fold(
            &mut calls
                .iter()
                .filter(|call| call.operation == operation && call.target.starts_with(under)),
        )
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note<T>(
        &self,
        operation: Operation,
        target: &str,
        result: Result<T, StorageError>,
        bytes: impl FnOnce(&T) -> u64,
    ) -> Result<T, StorageError> {
        let (bytes, outcome) = match &result {
            Ok(value) => (bytes(value), Outcome::Done),
            Err(error) => (0, Outcome::Failed(error.kind())),
        };
        self.lock().push(Call {
            operation,
            target: target.to_owned(),
            bytes,
            outcome,
        });
        result
    }
}

#[async_trait]
impl Storage for Recording {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let size = body.len() as u64;
        let result = self.inner.create(name, body).await;
        self.note(Operation::Create, name.as_str(), result, |()| size)
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let result = self.inner.get(name).await;
        self.note(Operation::Get, name.as_str(), result, |body| {
            body.len() as u64
        })
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let result = self.inner.get_range(name, range).await;
        self.note(Operation::GetRange, name.as_str(), result, |body| {
            body.len() as u64
        })
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let result = self.inner.list(prefix, after, limit).await;
        self.note(Operation::List, prefix.as_str(), result, |_| 0)
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let outcomes = self.inner.delete(names).await;
        let mut calls = self.lock();
        for (name, outcome) in &outcomes {
            calls.push(Call {
                operation: Operation::Delete,
                target: name.to_string(),
                bytes: 0,
                outcome: match outcome {
                    DeleteOutcome::Done => Outcome::Done,
                    DeleteOutcome::Deferred => Outcome::Deferred,
                    DeleteOutcome::Failed(error) => Outcome::Failed(error.kind()),
                },
            });
        }
        outcomes
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        let result = self.inner.versions(prefix, after, limit).await;
        self.note(Operation::Versions, prefix.as_str(), result, |_| 0)
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        let result = self.inner.get_version(name, version).await;
        self.note(Operation::GetVersion, name.as_str(), result, |body| {
            body.len() as u64
        })
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        let result = self.inner.retention(name).await;
        self.note(Operation::Retention, name.as_str(), result, |_| 0)
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        let result = self.inner.extend_retention(name, until).await;
        self.note(Operation::ExtendRetention, name.as_str(), result, |()| 0)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> &Location {
        self.inner.location()
    }
}
