//! The contract of every storage.
//!
//! Each numbered sentence at [`Storage`] is a conformance test of the same number, run against
//! every implementation and decorator.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::Range;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use crate::capabilities::Capabilities;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{
    DeleteOutcome, MAX_PAGE, ObjectMeta, Page, Retention, VersionId, VersionMark, VersionMeta,
    VersionPage,
};

/// Where objects live.
///
/// # The contract
///
/// - **C1** `create` never overwrites: under a taken name it fails as `AlreadyExists`, and the bytes
///   stored first stay.
/// - **C2** `create` is atomic: nobody ever reads, lists or measures a part of an object.
/// - **C3** Of any number of creators racing for one name exactly one succeeds, and its bytes are
///   the ones stored.
/// - **C4** When `create` has succeeded or failed as `AlreadyExists`, the object is durable: a
///   storage opened anew has it.
/// - **C5** A read that begins after a `create` has ended sees the object, even if the same reader
///   found the name absent before.
/// - **C6** `get` returns exactly the bytes created, from none to [`MAX_OBJECT_BYTES`] of them; of
///   an absent name it fails as `NotFound`.
/// - **C7** `get_range` returns exactly the bytes asked for; an empty range, or one that the object
///   does not wholly hold, fails as `InvalidRange`. It never returns less.
/// - **C8** What is larger than [`MAX_OBJECT_BYTES`] is neither stored nor read: `TooLarge`, before
///   memory is taken.
/// - **C9** `list` is complete and sorted by the bytes of the names; pages neither repeat nor skip,
///   also while others create. What was created before the first page was asked for, and not
///   deleted, is on one of them.
/// - **C10** `list` shows nothing but objects under the prefix: no staging files, no folders, and
///   nothing whose name is not an [`ObjectName`].
/// - **C11** `delete` answers for every name of the batch, in order; an absent name is `Done`. A
///   deleted object is not found, not listed, and its name can be created again.
/// - **C12** `delete` touches nothing but the names given.
/// - **C13** Where versions are kept, what was deleted can be listed and read by its version,
///   newest first within a name; elsewhere `versions` and `get_version` fail as `Unsupported`.
/// - **C14** Where retention is kept, it can be read and extended, never shortened, and deleting a
///   retained object is `Deferred` and leaves it whole; elsewhere both fail as `Unsupported`.
/// - **C15** A folder is not an object: with `a/b` stored, `a` is not found and is not listed.
///   Creating a name above or beneath a stored name fails as `Unsupported` or works; it never
///   harms what is stored.
/// - **C16** An operation whose future is dropped either happened wholly or not at all.
/// - **C17** Every error names the operation, the place and, where there is one, the object.
///
/// After an error of `create` other than `AlreadyExists` and `TooLarge` nobody knows whether the
/// object is there; if it is, it is whole.
///
/// What not every storage has, versions and retention, is `Unsupported` unless it is implemented; a
/// decorator implements all of it, and the tests of C13 and C14 tell where one forgot.
///
/// [`MAX_OBJECT_BYTES`]: crate::MAX_OBJECT_BYTES
#[async_trait]
pub trait Storage: Debug + Send + Sync + 'static {
    /// Creates an object, atomically and durably, if there is none of this name. (C1 to C5, C8)
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError>;

    /// Reads a whole object. (C6, C8)
    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError>;

    /// Reads a part of an object: all of the bytes asked for, or an error. (C7, C8)
    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError>;

    /// Lists objects under a prefix whose names are greater than `after`, at most `limit` and at
    /// most [`MAX_PAGE`] of them; a limit of 0 counts as 1, so that paging always ends. (C9, C10)
    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError>;

    /// Deletes objects; the answers stand in the order of the names. (C11, C12, C14)
    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)>;

    /// Lists versions under a prefix that come after a mark, by name and newest first within a
    /// name, with the limits of [`list`](Storage::list). (C13)
    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        let _ = (prefix, after, limit);
        Err(lacking(self.location(), Operation::Versions))
    }

    /// Reads one version of an object. (C13)
    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        let _ = version;
        Err(lacking(self.location(), Operation::GetVersion).of(name))
    }

    /// How long the storage is bound to keep an object. (C14)
    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        Err(lacking(self.location(), Operation::Retention).of(name))
    }

    /// Binds the storage to keep an object at least until then; never shortens. (C14)
    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        let _ = until;
        Err(lacking(self.location(), Operation::ExtendRetention).of(name))
    }

    /// What this storage can do.
    fn capabilities(&self) -> Capabilities;

    /// Where it is, for messages. (C17)
    fn location(&self) -> &Location;
}

fn lacking(location: &Location, operation: Operation) -> StorageError {
    StorageError::new(StorageErrorKind::Unsupported, operation, location)
        .saying("it keeps neither versions nor retention")
}

/// All pages of a listing, one after the other.
///
/// # Errors
/// Those of [`Storage::list`], and `BrokenContract` where a page does not move on: a hostile storage
/// could otherwise keep us listing for ever.
pub async fn list_all(
    storage: &dyn Storage,
    prefix: &Prefix,
) -> Result<Vec<ObjectMeta>, StorageError> {
    let mut all: Vec<ObjectMeta> = Vec::new();
    loop {
        let after = all.last().map(|object| object.name.clone());
        let page = storage.list(prefix, after.as_ref(), MAX_PAGE).await?;
        let mut last = after;
        for object in &page.objects {
            if last.as_ref().is_some_and(|last| *last >= object.name) {
                return Err(stuck(storage, Operation::List));
            }
            last = Some(object.name.clone());
        }
        if page.more && page.objects.is_empty() {
            return Err(stuck(storage, Operation::List));
        }
        all.extend(page.objects);
        if !page.more {
            return Ok(all);
        }
    }
}

/// All pages of a listing of versions, one after the other.
///
/// # Errors
/// Those of [`Storage::versions`], and `BrokenContract` where a page does not move on.
pub async fn versions_all(
    storage: &dyn Storage,
    prefix: &Prefix,
) -> Result<Vec<VersionMeta>, StorageError> {
    let mut all: Vec<VersionMeta> = Vec::new();
    let mut progress = Progress::default();
    loop {
        let after = all.last().map(VersionMeta::mark);
        let page = storage.versions(prefix, after.as_ref(), MAX_PAGE).await?;
        if !progress.accepts(&page) {
            return Err(stuck(storage, Operation::Versions));
        }
        all.extend(page.versions);
        if !page.more {
            return Ok(all);
        }
    }
}

/// Watches that a listing of versions moves on, so that no storage can keep us listing for ever.
#[derive(Default)]
pub(crate) struct Progress {
    name: Option<ObjectName>,
    /// The versions of that name so far: a circle among them would never end.
    seen: BTreeSet<VersionId>,
}

impl Progress {
    /// Whether a page goes on where the pages before it ended.
    pub(crate) fn accepts(&mut self, page: &VersionPage) -> bool {
        let moves_on = page.versions.iter().all(|version| {
            if self.name.as_ref().is_some_and(|name| *name > version.name) {
                return false;
            }
            if self.name.as_ref() != Some(&version.name) {
                self.name = Some(version.name.clone());
                self.seen.clear();
            }
            self.seen.insert(version.version.clone())
        });
        moves_on && !(page.more && page.versions.is_empty())
    }
}

pub(crate) fn stuck(storage: &dyn Storage, operation: Operation) -> StorageError {
    StorageError::new(
        StorageErrorKind::BrokenContract,
        operation,
        storage.location(),
    )
    .saying("a listing that repeats itself or is out of order")
}
