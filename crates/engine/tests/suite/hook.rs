//! A storage that does something of the test's choice just before an object is created or read: another
//! machine's step, at exactly the moment that matters.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use ownkey_storage::{
    Capabilities, DeleteOutcome, Location, ObjectName, Page, Prefix, Retention, Storage,
    StorageError, VersionId, VersionMark, VersionPage,
};

/// What happens, and where.
pub(crate) trait Before: Debug + Send + Sync + 'static {
    /// What everything goes to.
    fn inner(&self) -> &Arc<dyn Storage>;
    /// Before an object of this name is created.
    fn create(&self, name: &ObjectName);
    /// Before an object of this name is read.
    fn get(&self, _name: &ObjectName) {}
}

/// Passes everything on, after the step of the test.
#[derive(Debug)]
pub(crate) struct Hooked<B>(pub(crate) B);

#[async_trait::async_trait]
impl<B: Before> Storage for Hooked<B> {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        self.0.create(name);
        self.0.inner().create(name, body).await
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        self.0.get(name);
        self.0.inner().get(name).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.0.inner().get_range(name, range).await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.0.inner().list(prefix, after, limit).await
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        self.0.inner().delete(names).await
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        self.0.inner().versions(prefix, after, limit).await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        self.0.inner().get_version(name, version).await
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        self.0.inner().retention(name).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        self.0.inner().extend_retention(name, until).await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.inner().capabilities()
    }

    fn location(&self) -> &Location {
        self.0.inner().location()
    }
}

/// What another machine does just before the `at`th entry that this run puts into its log.
pub(crate) struct Step {
    pub(crate) at: u32,
    pub(crate) act: Act,
}

pub(crate) type Act = Box<dyn FnMut(&Arc<dyn Storage>) + Send>;

/// A storage on which others act at chosen moments of a run.
pub(crate) struct Stage {
    pub(crate) inner: Arc<dyn Storage>,
    /// Where that log lies.
    pub(crate) prefix: String,
    pub(crate) put: AtomicU64,
    pub(crate) steps: Mutex<Vec<Step>>,
}

impl Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Before for Stage {
    fn inner(&self) -> &Arc<dyn Storage> {
        &self.inner
    }

    fn create(&self, name: &ObjectName) {
        if !name.as_str().starts_with(&self.prefix) {
            return;
        }
        let nth = self.put.fetch_add(1, Ordering::SeqCst);
        for step in self
            .steps
            .lock()
            .unwrap()
            .iter_mut()
            .filter(|step| u64::from(step.at) == nth)
        {
            (step.act)(&self.inner);
        }
    }
}
