//! A storage with a trick: whatever a test wants to go differently goes differently, the rest is passed on.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use ownkey_storage::{
    Capabilities, DeleteOutcome, Location, ObjectName, Operation, Page, Prefix, Retention, Storage,
    StorageError, StorageErrorKind, VersionId, VersionMark, VersionPage,
};

/// What goes differently. Each method passes on what it does not change.
#[async_trait]
pub(crate) trait Trick: Send + Sync + 'static {
    /// Before anything: an error instead of the operation.
    async fn before(&self, _operation: Operation) -> Result<(), StorageErrorKind> {
        Ok(())
    }

    /// After it has happened: an error instead of its answer.
    async fn after(&self, _operation: Operation) -> Result<(), StorageErrorKind> {
        Ok(())
    }

    async fn create(
        &self,
        inner: &dyn Storage,
        name: &ObjectName,
        body: Bytes,
    ) -> Result<(), StorageError> {
        inner.create(name, body).await
    }

    async fn get(&self, inner: &dyn Storage, name: &ObjectName) -> Result<Bytes, StorageError> {
        inner.get(name).await
    }

    async fn get_range(
        &self,
        inner: &dyn Storage,
        name: &ObjectName,
        range: Range<u64>,
    ) -> Result<Bytes, StorageError> {
        inner.get_range(name, range).await
    }

    async fn list(
        &self,
        inner: &dyn Storage,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        inner.list(prefix, after, limit).await
    }

    async fn delete(
        &self,
        inner: &dyn Storage,
        names: &[ObjectName],
    ) -> Vec<(ObjectName, DeleteOutcome)> {
        inner.delete(names).await
    }

    fn capabilities(&self, inner: Capabilities) -> Capabilities {
        inner
    }
}

/// A storage and its trick.
pub(crate) struct Tricked<T> {
    inner: Arc<dyn Storage>,
    pub(crate) trick: T,
}

impl<T: Trick> Tricked<T> {
    pub(crate) fn new(inner: Arc<dyn Storage>, trick: T) -> Self {
        Self { inner, trick }
    }

    fn error(&self, kind: StorageErrorKind, operation: Operation) -> StorageError {
        StorageError::new(kind, operation, self.inner.location())
    }

    async fn around<R: Send>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<R, StorageError>> + Send,
    ) -> Result<R, StorageError> {
        let fail = |kind| self.error(kind, operation);
        self.trick.before(operation).await.map_err(fail)?;
        let answer = work.await;
        self.trick.after(operation).await.map_err(fail)?;
        answer
    }
}

impl<T> Debug for Tricked<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "tricked {:?}", self.inner)
    }
}

#[async_trait]
impl<T: Trick> Storage for Tricked<T> {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let work = self.trick.create(&*self.inner, name, body);
        self.around(Operation::Create, work).await
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let work = self.trick.get(&*self.inner, name);
        self.around(Operation::Get, work).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let work = self.trick.get_range(&*self.inner, name, range);
        self.around(Operation::GetRange, work).await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let work = self.trick.list(&*self.inner, prefix, after, limit);
        self.around(Operation::List, work).await
    }

    /// Name by name, so that a batch can fail in parts.
    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let mut outcomes = Vec::new();
        for name in names {
            let one = async {
                let mut answers = self
                    .trick
                    .delete(&*self.inner, std::slice::from_ref(name))
                    .await;
                Ok(answers.remove(0).1)
            };
            let outcome = self.around(Operation::Delete, one).await;
            outcomes.push((name.clone(), outcome.unwrap_or_else(DeleteOutcome::Failed)));
        }
        outcomes
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        let work = self.inner.versions(prefix, after, limit);
        self.around(Operation::Versions, work).await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        let work = self.inner.get_version(name, version);
        self.around(Operation::GetVersion, work).await
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        let work = self.inner.retention(name);
        self.around(Operation::Retention, work).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        let work = self.inner.extend_retention(name, until);
        self.around(Operation::ExtendRetention, work).await
    }

    fn capabilities(&self) -> Capabilities {
        self.trick.capabilities(self.inner.capabilities())
    }

    fn location(&self) -> &Location {
        self.inner.location()
    }
}
