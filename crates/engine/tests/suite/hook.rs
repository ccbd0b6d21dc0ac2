//! A storage that does something of the test's choice just before an object is created or read: another
//! machine's step, at exactly the moment that matters.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
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
