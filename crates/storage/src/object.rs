//! What a storage says about its objects, and the bounds that hold for all of them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::StorageError;
use crate::name::ObjectName;

/// The most entries of one page, whatever was asked for: the bound of every bucket service.
pub const MAX_PAGE: usize = 1000;

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its name.
    pub name: ObjectName,
    /// Its length in bytes.
    pub size: u64,
    /// When the storage says it was created. The storage's word and clock; never decides safety.
    pub modified: Option<SystemTime>,
    /// Which version this is, where the storage keeps versions and its listings tell.
    pub version: Option<VersionId>,
}

/// A part of a listing, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The objects, sorted by the bytes of their names.
    pub objects: Vec<ObjectMeta>,
    /// Whether names after the last one remain to be listed.
    pub more: bool,
}

/// A storage's own name of one version of an object. Opaque: compare for equality only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(Arc<str>);

impl VersionId {
    /// Keeps a storage's name of a version.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The name as the storage spells it. It is hostile input: escape it before printing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.escape_debug())
    }
}

/// One version in a listing of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionMeta {
    /// The name of the object.
    pub name: ObjectName,
    /// The storage's name of this version.
    pub version: VersionId,
    /// When this version came to be, by the storage's clock.
    pub modified: SystemTime,
    /// What happened then.
    pub state: VersionState,
}

impl VersionMeta {
    /// The mark to go on after.
    #[must_use]
    pub fn mark(&self) -> VersionMark {
        VersionMark {
            name: self.name.clone(),
            version: Some(self.version.clone()),
        }
    }
}

/// What a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// Bytes were stored.
    Stored {
        /// Their number.
        size: u64,
    },
    /// The object was deleted; the versions before can still be read.
    Deleted,
}

/// Where a listing of versions goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionMark {
    /// The name of the last version seen.
    pub name: ObjectName,
    /// The last version of it seen; `None` passes over all of them.
    pub version: Option<VersionId>,
}

/// A part of a listing of versions: sorted by name, newest first within a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionPage {
    /// The versions.
    pub versions: Vec<VersionMeta>,
    /// Whether versions after the last one remain to be listed.
    pub more: bool,
}

/// What became of one name of a batch of deletions.
#[derive(Debug, Clone)]
pub enum DeleteOutcome {
    /// There is no such object any more, or there never was.
    Done,
    /// The storage is bound to keep the object. It stays whole and readable; ask again later.
    Deferred,
    /// It could not be deleted, or nobody knows.
    Failed(StorageError),
}

impl DeleteOutcome {
    /// Whether the object is gone.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Whether the object is kept until later.
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        matches!(self, Self::Deferred)
    }
}

/// How long a storage is bound to keep an object. Ordered: later is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retention {
    /// It may be deleted at once.
    None,
    /// It may not be deleted before this time of the storage's clock.
    Until(SystemTime),
    /// It may not be deleted until somebody else lifts the hold.
    Held,
}
