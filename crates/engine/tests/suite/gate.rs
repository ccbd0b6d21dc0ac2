//! A storage behind a gate that every operation passes: to hold operations up, or to see which of them
//! wait for each other.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ownkey_storage::{
    Capabilities, DeleteOutcome, Location, ObjectName, Page, Prefix, Retention, Storage,
    StorageError, VersionId, VersionMark, VersionPage,
};

/// What happens around every operation.
#[async_trait::async_trait]
pub(crate) trait Gate: Debug + Send + Sync + 'static {
    /// Before one; what it returns is given back after it.
    async fn enter(&self) -> u64;
    /// After it.
    fn leave(&self, entered: u64);
}

/// Passes everything on, through the gate.
#[derive(Debug)]
pub(crate) struct Gated<G> {
    pub(crate) inner: Arc<dyn Storage>,
    pub(crate) gate: Arc<G>,
}

impl<G: Gate> Gated<G> {
    async fn through<T>(&self, operation: impl Future<Output = T> + Send) -> T {
        let entered = self.gate.enter().await;
        let outcome = operation.await;
        self.gate.leave(entered);
        outcome
    }
}

/// Counts how often in a row somebody had to wait for an answer before asking for the next. An
/// operation ends only when no other has begun for a while, so those that do not wait for each other
/// are under way together.
#[derive(Debug, Default)]
pub(crate) struct Waves {
    ended: AtomicU64,
    newest: Mutex<Option<Instant>>,
}

impl Waves {
    const QUIET: Duration = Duration::from_millis(60);

    /// How many so far; counts from zero afterwards.
    pub(crate) fn take(&self) -> u64 {
        self.ended.swap(0, Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl Gate for Waves {
    async fn enter(&self) -> u64 {
        let wave = self.ended.load(Ordering::SeqCst) + 1;
        *self.newest.lock().unwrap() = Some(Instant::now());
        loop {
            tokio::time::sleep(Self::QUIET / 4).await;
            let newest = *self.newest.lock().unwrap();
            if newest.is_none_or(|newest| newest.elapsed() >= Self::QUIET) {
                return wave;
            }
        }
    }

    fn leave(&self, entered: u64) {
        self.ended.fetch_max(entered, Ordering::SeqCst);
    }
}

/// Answers nothing while it is shut.
#[derive(Debug, Default)]
pub(crate) struct Door {
    pub(crate) shut: AtomicBool,
    pub(crate) waiting: AtomicU64,
}

#[async_trait::async_trait]
impl Gate for Door {
    async fn enter(&self) -> u64 {
        while self.shut.load(Ordering::SeqCst) {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        0
    }

    fn leave(&self, _entered: u64) {}
}

#[async_trait::async_trait]
impl<G: Gate> Storage for Gated<G> {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        self.through(self.inner.create(name, body)).await
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        self.through(self.inner.get(name)).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.through(self.inner.get_range(name, range)).await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.through(self.inner.list(prefix, after, limit)).await
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        self.through(self.inner.delete(names)).await
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        self.through(self.inner.versions(prefix, after, limit))
            .await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        self.through(self.inner.get_version(name, version)).await
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        self.through(self.inner.retention(name)).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        self.through(self.inner.extend_retention(name, until)).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> &Location {
        self.inner.location()
    }
}
