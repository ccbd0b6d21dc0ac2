//! Keeps some objects on a local disk, as they are stored: sealed.
//!
//! Promise: a read is answered with the bytes that the storage once gave and that their name
//! confirms, or by the storage. What is missing is asked for every time, listings come from the
//! storage alone, and the folder may be damaged, full, read-only or gone at any moment without
//! anybody noticing more than the time it takes.
//!
//! A cache hides that the storage has lost an object. Whoever looks for exactly that (a check)
//! opens the storage without one.

mod shelf;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use self::shelf::Shelf;
use crate::capabilities::Capabilities;
use crate::contract::Storage;
use crate::error::StorageError;
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{DeleteOutcome, Page, Retention, VersionId, VersionMark, VersionPage};

/// What is kept, and how much of it.
#[derive(Clone)]
pub struct CachePolicy {
    /// The most bytes on disk. Several processes at once may pass it by a tenth each.
    pub most_bytes: u64,
    /// Whether objects of this name are worth keeping. They must never change under their name.
    pub keeps: fn(&ObjectName) -> bool,
    /// Whether these bytes are what the name promises. What is not is handed on and not kept: a
    /// storage that gave something wrong once may give the right thing later.
    pub is_genuine: fn(&ObjectName, &[u8]) -> bool,
}

impl fmt::Debug for CachePolicy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "at most {} bytes", self.most_bytes)
    }
}

/// A storage of which some objects are kept at hand.
#[derive(Debug)]
pub struct Cache {
    inner: Arc<dyn Storage>,
    policy: CachePolicy,
    shelf: Arc<Shelf>,
    /// What the parts asked for so far have cost, by object.
    spent: Mutex<HashMap<ObjectName, u64>>,
}

/// When the parts of an object have cost this much, the whole is fetched instead. How long it is
/// nobody knows before, so this is the old question of renting or buying: whoever buys when the rent
/// has reached the price never pays more than twice of what a prophet would. A quarter of a usual
/// pack, because who reads so much of one mostly goes on.
const PRICE: u64 = 4 << 20;
/// What a request costs besides its bytes: 50 ms at 10 MB/s.
const PER_REQUEST: u64 = 512 << 10;
/// The most objects of which this is remembered; beyond, all of it is forgotten.
const MOST_REMEMBERED: usize = 4096;

impl Cache {
    /// Keeps objects of a storage in a folder of their own, which is made when it is needed. Two
    /// storages must not share one.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, folder: PathBuf, policy: CachePolicy) -> Self {
        Self {
            inner,
            shelf: Arc::new(Shelf::new(folder, policy.most_bytes)),
            policy,
            spent: Mutex::default(),
        }
    }

    async fn look_up(&self, name: &ObjectName, range: Option<Range<u64>>) -> Option<Bytes> {
        let (shelf, name) = (self.shelf.clone(), name.clone());
        let read = tokio::task::spawn_blocking(move || shelf.read(&name, range));
        read.await.ok().flatten()
    }

    async fn keep(&self, name: &ObjectName, body: &Bytes) {
        let (shelf, name, body) = (self.shelf.clone(), name.clone(), body.clone());
        let is_genuine = self.policy.is_genuine;
        let keep = move || {
            if is_genuine(&name, &body) {
                shelf.keep(&name, &body);
            }
        };
        // Whatever went wrong, it is not kept.
        let _ = tokio::task::spawn_blocking(keep).await;
    }

    async fn fetch(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let body = self.inner.get(name).await?;
        self.keep(name, &body).await;
        Ok(body)
    }

    /// Whether it is time to fetch the whole instead of one more part.
    fn should_buy(&self, name: &ObjectName, part: u64) -> bool {
        // A panic elsewhere leaves the map whole.
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= MOST_REMEMBERED {
            spent.clear();
        }
        let rent = spent.entry(name.clone()).or_default();
        *rent = rent.saturating_add(part).saturating_add(PER_REQUEST);
        let buys = *rent >= PRICE;
        if buys {
            spent.remove(name);
        }
        buys
    }
}

#[async_trait]
impl Storage for Cache {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        self.inner.create(name, body.clone()).await?;
        if (self.policy.keeps)(name) {
            self.keep(name, &body).await;
        }
        Ok(())
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        if !(self.policy.keeps)(name) {
            return self.inner.get(name).await;
        }
        match self.look_up(name, None).await {
            Some(body) => Ok(body),
            None => self.fetch(name).await,
        }
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        // What must be refused is for the storage to refuse.
        if !(self.policy.keeps)(name) || range.is_empty() {
            return self.inner.get_range(name, range).await;
        }
        if let Some(part) = self.look_up(name, Some(range.clone())).await {
            return Ok(part);
        }
        if self.should_buy(name, range.end - range.start) {
            let body = self.fetch(name).await?;
            if range.end <= body.len() as u64 {
                // Both ends are at most the length of a body in memory.
                return Ok(body.slice(range.start as usize..range.end as usize));
            }
        }
        self.inner.get_range(name, range).await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.inner.list(prefix, after, limit).await
    }

    /// Whatever the storage answers, nobody needs these at hand any more.
    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let outcomes = self.inner.delete(names).await;
        let kept: Vec<ObjectName> = names
            .iter()
            .filter(|name| (self.policy.keeps)(name))
            .cloned()
            .collect();
        let shelf = self.shelf.clone();
        let forget = move || kept.iter().for_each(|name| shelf.forget(name));
        let _ = tokio::task::spawn_blocking(forget).await;
        outcomes
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
        self.inner.get_version(name, version).await
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
