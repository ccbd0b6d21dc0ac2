//! A bucket of a service that speaks S3 as a storage.
//!
//! Promise: the contract, over plain requests that every such service knows: a conditional PUT, GET
//! with a range, ListObjectsV2, DeleteObjects, and where there are versions and Object Lock the
//! requests about those. Nothing is tried twice here and no redirect is followed; the module
//! documentation of [`http`](crate::http) says who does what.
//!
//! Read in this order: `place`, `options`, `credentials`, `wire`, `refusal`, then one file for each
//! kind of operation.

mod bucket;
mod create;
mod credentials;
mod delete;
mod discover;
mod list;
mod listing;
mod lock;
mod options;
mod place;
mod read;
mod refusal;
mod versions;
mod wire;

use std::ops::Range;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use self::bucket::Bucket;
use self::wire::Wire;
use crate::capabilities::{Capabilities, RetentionSupport, VersionSupport};
use crate::contract::Storage;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::HttpClient;
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{DeleteOutcome, Page, Retention, VersionId, VersionMark, VersionPage};

pub use self::credentials::{InstanceMetadata, S3Credentials, Search};
pub use self::discover::BucketTraits;
pub use self::options::{LockMode, ObjectLock, S3Options};
pub use self::place::{Addressing, S3Place, S3PlaceError};

/// Objects in a bucket.
#[derive(Debug)]
pub struct S3Storage {
    bucket: Bucket,
}

impl S3Storage {
    /// A bucket that nobody has asked anything yet.
    #[must_use]
    pub fn new(
        place: S3Place,
        credentials: S3Credentials,
        options: S3Options,
        http: HttpClient,
    ) -> Self {
        let wire = Wire::new(place, credentials, http);
        Self {
            bucket: Bucket::new(wire, options),
        }
    }

    /// Asks the bucket about itself: whether it keeps versions and can lock objects.
    ///
    /// # Errors
    /// Those of a service that cannot be reached or refuses us altogether.
    pub async fn discover(&self) -> Result<BucketTraits, StorageError> {
        self.bucket.discover().await
    }

    fn need_versions(&self, operation: Operation) -> Result<(), StorageError> {
        match self.capabilities().versions {
            VersionSupport::Kept => Ok(()),
            VersionSupport::None => {
                Err(self.unsupported(operation, "the bucket keeps no versions"))
            }
        }
    }

    fn need_retention(&self, operation: Operation) -> Result<(), StorageError> {
        match self.capabilities().retention {
            RetentionSupport::Kept => Ok(()),
            RetentionSupport::None => {
                Err(self.unsupported(operation, "the bucket is not known to lock objects"))
            }
        }
    }

    fn unsupported(&self, operation: Operation, why: &'static str) -> StorageError {
        let kind = StorageErrorKind::Unsupported;
        StorageError::new(kind, operation, self.location()).saying(why)
    }
}

#[async_trait]
impl Storage for S3Storage {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        self.bucket.create(name, body).await
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        self.bucket.get(name).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.bucket.get_range(name, range).await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.bucket.list(prefix, after, limit).await
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        self.bucket.delete(names).await
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        self.need_versions(Operation::Versions)?;
        self.bucket.versions(prefix, after, limit).await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        self.need_versions(Operation::GetVersion)?;
        self.bucket.get_version(name, version).await
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        self.need_retention(Operation::Retention)?;
        let call = self.bucket.call(Operation::Retention, Some(name));
        self.bucket.retention(&call, name).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        self.need_retention(Operation::ExtendRetention)?;
        self.bucket.extend_retention(name, until).await
    }

    fn capabilities(&self) -> Capabilities {
        self.bucket.options.capabilities
    }

    fn location(&self) -> &Location {
        &self.bucket.location
    }
}
