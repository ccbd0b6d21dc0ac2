//! Counts what is asked of a storage, because services bill by the request.
//!
//! Promise: every attempt counts, the failed ones and the repeated ones too; so it stands beneath
//! [`Retry`](crate::Retry), right above the service.

use std::ops::{Add, Range, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use crate::capabilities::{Capabilities, CreateIfAbsent};
use crate::contract::Storage;
use crate::error::StorageError;
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{DeleteOutcome, Page, Retention, VersionId, VersionMark, VersionPage};

/// How often each kind of operation was tried, and what it moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Creations of objects.
    pub creates: u64,
    /// Reads: of objects, of parts and of versions, and the looks before creations where the
    /// storage cannot create exclusively.
    pub gets: u64,
    /// Pages of listings, of objects and of versions.
    pub lists: u64,
    /// Names asked to be deleted. A service that takes them in batches is asked less often.
    pub deletes: u64,
    /// Questions after the retention of an object.
    pub retention_reads: u64,
    /// Extensions of the retention of an object.
    pub retention_writes: u64,
    /// Bytes of objects stored. What a failed attempt moved is not known.
    pub bytes_up: u64,
    /// Bytes of objects read.
    pub bytes_down: u64,
}

impl RequestCounts {
    /// What services bill as class A: everything that writes or lists.
    #[must_use]
    pub fn class_a(&self) -> u64 {
        self.creates + self.lists + self.retention_writes
    }

    /// What services bill as class B: everything that reads one object.
    #[must_use]
    pub fn class_b(&self) -> u64 {
        self.gets + self.retention_reads
    }

    /// All of them; deletions, which services do not bill, among them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.class_a() + self.class_b() + self.deletes
    }

    fn with(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            creates: join(self.creates, other.creates),
            gets: join(self.gets, other.gets),
            lists: join(self.lists, other.lists),
            deletes: join(self.deletes, other.deletes),
            retention_reads: join(self.retention_reads, other.retention_reads),
            retention_writes: join(self.retention_writes, other.retention_writes),
            bytes_up: join(self.bytes_up, other.bytes_up),
            bytes_down: join(self.bytes_down, other.bytes_down),
        }
    }
}

impl Add for RequestCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }
}

impl Sub for RequestCounts {
    type Output = Self;

    /// What was counted since the other ones.
    fn sub(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }
}

/// The counters, shared with whoever wants to know.
#[derive(Debug, Default)]
pub struct Requests {
    creates: AtomicU64,
    gets: AtomicU64,
    lists: AtomicU64,
    deletes: AtomicU64,
    retention_reads: AtomicU64,
    retention_writes: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

impl Requests {
    /// Everything so far.
    #[must_use]
    pub fn counts(&self) -> RequestCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RequestCounts {
            creates: read(&self.creates),
            gets: read(&self.gets),
            lists: read(&self.lists),
            deletes: read(&self.deletes),
            retention_reads: read(&self.retention_reads),
            retention_writes: read(&self.retention_writes),
            bytes_up: read(&self.bytes_up),
            bytes_down: read(&self.bytes_down),
        }
    }
}

/// A storage whose requests are counted.
#[derive(Debug)]
pub struct Count {
    inner: Arc<dyn Storage>,
    requests: Arc<Requests>,
}

impl Count {
    /// Counts what is asked of a storage from now on.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, requests: Arc<Requests>) -> Self {
        Self { inner, requests }
    }

    fn got(&self, answer: &Result<Bytes, StorageError>) {
        if let Ok(body) = answer {
            add(&self.requests.bytes_down, body.len());
        }
    }
}

fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

#[async_trait]
impl Storage for Count {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        add(&self.requests.creates, 1);
        if self.capabilities().create_if_absent == CreateIfAbsent::Checked {
            add(&self.requests.gets, 1);
        }
        let length = body.len();
        self.inner.create(name, body).await?;
        add(&self.requests.bytes_up, length);
        Ok(())
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        add(&self.requests.gets, 1);
        let answer = self.inner.get(name).await;
        self.got(&answer);
        answer
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        add(&self.requests.gets, 1);
        let answer = self.inner.get_range(name, range).await;
        self.got(&answer);
        answer
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        add(&self.requests.lists, 1);
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        add(&self.requests.deletes, names.len());
        self.inner.delete(names).await
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        add(&self.requests.lists, 1);
        self.inner.versions(prefix, after, limit).await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        add(&self.requests.gets, 1);
        let answer = self.inner.get_version(name, version).await;
        self.got(&answer);
        answer
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        add(&self.requests.retention_reads, 1);
        self.inner.retention(name).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        add(&self.requests.retention_writes, 1);
        self.inner.extend_retention(name, until).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> &Location {
        self.inner.location()
    }
}
