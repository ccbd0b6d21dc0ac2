//! A storage as it was at a moment: a read-only view over one that keeps versions.
//!
//! Promise: reads and listings show for each name the newest version not younger than the moment,
//! and changes are refused. It is how an owner reads behind a deletion or a ransom, so it believes
//! nothing but the storage's own times; whether what it shows is genuine is for its reader to check.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use crate::capabilities::{Capabilities, RetentionSupport, VersionSupport};
use crate::contract::{Progress, Storage, stuck, versions_all};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{
    DeleteOutcome, MAX_PAGE, ObjectMeta, Page, Retention, VersionId, VersionMark, VersionMeta,
    VersionPage, VersionState,
};

/// The state of a storage at one moment of its own clock.
#[derive(Debug)]
pub struct AsOf {
    inner: Arc<dyn Storage>,
    moment: SystemTime,
}

impl AsOf {
    /// Looks at a storage as it was.
    ///
    /// # Errors
    /// `Unsupported` when it keeps no versions.
    pub fn new(inner: Arc<dyn Storage>, moment: SystemTime) -> Result<Self, StorageError> {
        if inner.capabilities().versions == VersionSupport::None {
            let kind = StorageErrorKind::Unsupported;
            return Err(StorageError::new(kind, Operation::Open, inner.location())
                .saying("it keeps no versions, so its earlier states are gone"));
        }
        Ok(Self { inner, moment })
    }

    /// The moment that is shown.
    #[must_use]
    pub fn moment(&self) -> SystemTime {
        self.moment
    }

    /// The version of one name that stood at the moment.
    async fn standing(
        &self,
        name: &ObjectName,
        operation: Operation,
    ) -> Result<VersionMeta, StorageError> {
        let versions = versions_all(&*self.inner, &Prefix::exactly(name)).await?;
        versions
            .into_iter()
            .find(|version| version.modified <= self.moment)
            .filter(|version| matches!(version.state, VersionState::Stored { .. }))
            .ok_or_else(|| self.error(StorageErrorKind::NotFound, operation).of(name))
    }

    fn error(&self, kind: StorageErrorKind, operation: Operation) -> StorageError {
        StorageError::new(kind, operation, self.inner.location())
    }

    fn read_only(&self, operation: Operation, name: &ObjectName) -> StorageError {
        self.error(StorageErrorKind::ReadOnly, operation)
            .of(name)
            .saying("this is the view of an earlier state")
    }
}

#[async_trait]
impl Storage for AsOf {
    async fn create(&self, name: &ObjectName, _body: Bytes) -> Result<(), StorageError> {
        Err(self.read_only(Operation::Create, name))
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let version = self.standing(name, Operation::Get).await?;
        self.inner.get_version(name, &version.version).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let version = self.standing(name, Operation::GetRange).await?;
        let body = self.inner.get_version(name, &version.version).await?;
        if range.is_empty() || range.end > body.len() as u64 {
            let kind = StorageErrorKind::InvalidRange;
            return Err(self.error(kind, Operation::GetRange).of(name));
        }
        // Both ends are at most the length of a body in memory.
        Ok(body.slice(range.start as usize..range.end as usize))
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut objects: Vec<ObjectMeta> = Vec::new();
        // Versions come newest first, so the first one not younger decides about its name.
        let mut decided: Option<ObjectName> = None;
        let mut mark = after.map(|name| VersionMark {
            name: name.clone(),
            version: None,
        });
        let mut progress = Progress::default();
        loop {
            let page = self.inner.versions(prefix, mark.as_ref(), MAX_PAGE).await?;
            if !progress.accepts(&page) {
                return Err(stuck(&*self.inner, Operation::List));
            }
            for version in &page.versions {
                let known = decided.as_ref() == Some(&version.name);
                if known || version.modified > self.moment {
                    continue;
                }
                decided = Some(version.name.clone());
                objects.extend(describe(version));
                if objects.len() > limit {
                    objects.truncate(limit);
                    return Ok(Page {
                        objects,
                        more: true,
                    });
                }
            }
            if !page.more {
                return Ok(Page {
                    objects,
                    more: false,
                });
            }
            mark = page.versions.last().map(VersionMeta::mark);
        }
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        names
            .iter()
            .map(|name| {
                let error = self.read_only(Operation::Delete, name);
                (name.clone(), DeleteOutcome::Failed(error))
            })
            .collect()
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
        Err(self
            .error(StorageErrorKind::Unsupported, Operation::Retention)
            .of(name))
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        _until: SystemTime,
    ) -> Result<(), StorageError> {
        Err(self.read_only(Operation::ExtendRetention, name))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            retention: RetentionSupport::None,
            ..self.inner.capabilities()
        }
    }

    fn location(&self) -> &Location {
        self.inner.location()
    }
}

fn describe(version: &VersionMeta) -> Option<ObjectMeta> {
    match version.state {
        VersionState::Stored { size } => Some(ObjectMeta {
            name: version.name.clone(),
            size,
            modified: Some(version.modified),
            version: Some(version.version.clone()),
        }),
        VersionState::Deleted => None,
    }
}
