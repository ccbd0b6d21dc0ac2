//! Keeps a storage from taking the whole line: so many bytes a second up, so many down.
//!
//! Promise: all operations together keep to the rates, whoever asks, and none starves.
//!
//! An operation of this contract moves a whole object, and a pack of 16 MiB on a line of 20 kB/s is
//! a quarter of an hour: waiting a quarter of an hour and then sending it at full speed would keep
//! the average and spoil every call that the household makes. So where the transfer can be reached
//! it is slowed down from within: [`Paced`](crate::http::Paced) does it for everything that speaks
//! HTTP, and then there is nothing left for this decorator to do. [`Limit`] is for storages without
//! such a transfer (folders, SFTP). It lets an object in piece by piece of the shared [`Pace`], so
//! that small objects pass between the pieces of large ones, and only the last step goes at once.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use crate::capabilities::Capabilities;
use crate::contract::Storage;
use crate::error::StorageError;
use crate::limits::MAX_OBJECT_BYTES;
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{DeleteOutcome, Page, Retention, VersionId, VersionMark, VersionPage};
use crate::pace::Pace;

/// How fast bytes may move each way; no pace is no limit.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    /// To the storage.
    pub upload: Option<Pace>,
    /// From the storage.
    pub download: Option<Pace>,
}

/// A storage that is used slowly.
#[derive(Debug)]
pub struct Limit {
    inner: Arc<dyn Storage>,
    rates: Rates,
}

impl Limit {
    /// Wraps a storage.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, rates: Rates) -> Self {
        Self { inner, rates }
    }

    /// How long an object is shows only when it is here: it is paid for afterwards, by whoever
    /// waits for it.
    async fn pay(&self, answer: Result<Bytes, StorageError>) -> Result<Bytes, StorageError> {
        if let (Ok(body), Some(pace)) = (&answer, &self.rates.download) {
            pace.take(body.len() as u64).await;
        }
        answer
    }
}

#[async_trait]
impl Storage for Limit {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let length = body.len() as u64;
        // What is too large is refused beneath, and need not wait for it.
        if let Some(pace) = &self.rates.upload
            && length <= MAX_OBJECT_BYTES
        {
            pace.take(length).await;
        }
        self.inner.create(name, body).await
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let answer = self.inner.get(name).await;
        self.pay(answer).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let answer = self.inner.get_range(name, range).await;
        self.pay(answer).await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        self.inner.delete(names).await
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        self.inner.versions(prefix, after, limit).await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        let answer = self.inner.get_version(name, version).await;
        self.pay(answer).await
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        self.inner.retention(name).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        self.inner.extend_retention(name, until).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> &Location {
        self.inner.location()
    }
}
