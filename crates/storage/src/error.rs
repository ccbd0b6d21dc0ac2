//! What can go wrong at a storage, in words that say what to do next.
//!
//! The kind decides what callers do (exit codes, retries); the words are for people. Messages do
//! not repeat their source: whoever prints them walks the chain.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::MAX_OBJECT_BYTES;
use crate::location::Location;
use crate::name::ObjectName;

/// A failed operation: what was tried, on which object, where, and why it failed.
#[derive(Debug, Clone)]
pub struct StorageError {
    kind: StorageErrorKind,
    operation: Operation,
    location: Location,
    name: Option<ObjectName>,
    detail: Option<Arc<str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    wait: Option<Duration>,
}

impl StorageError {
    /// A failure of an operation at a place.
    #[must_use]
    pub fn new(kind: StorageErrorKind, operation: Operation, location: &Location) -> Self {
        Self {
            kind,
            operation,
            location: location.clone(),
            name: None,
            detail: None,
            source: None,
            wait: None,
        }
    }

    /// Adds the object that was asked for.
    #[must_use]
    pub fn of(mut self, name: &ObjectName) -> Self {
        self.name = Some(name.clone());
        self
    }

    /// Adds words that the kind alone does not say.
    #[must_use]
    pub fn saying(mut self, detail: impl Into<Arc<str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Adds how long the storage asks to be left alone.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// How long the storage asks to be left alone, where it says so.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// Adds for how long the operation was tried again and again.
    #[must_use]
    pub fn after_trying_for(self, time: Duration) -> Self {
        let tried = format!("given up after trying for {} s", time.as_secs());
        let detail = match &self.detail {
            Some(detail) => format!("{detail}; {tried}"),
            None => tried,
        };
        self.saying(detail)
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> StorageErrorKind {
        self.kind
    }

    /// What was tried.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Where it was tried.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// On which object, where there was one.
    #[must_use]
    pub fn name(&self) -> Option<&ObjectName> {
        self.name.as_ref()
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot {}", self.operation)?;
        if let Some(name) = &self.name {
            write!(out, " {name}")?;
        }
        write!(out, " at {}: ", self.location)?;
        match self.kind {
            StorageErrorKind::TooLarge => {
                write!(out, "no object has more than {MAX_OBJECT_BYTES} bytes")?;
            }
            StorageErrorKind::Full => write!(
                out,
                "the storage is full: free space at {} and run the same command again; \
                 nothing already stored is lost",
                self.location
            )?,
            kind if self.location.is_remote() => out.write_str(kind.words_of_a_service())?,
            kind => out.write_str(kind.words())?,
        }
        match &self.detail {
            Some(detail) => write!(out, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// The kinds of failure that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// There is no such object.
    NotFound,
    /// There is already an object of this name.
    AlreadyExists,
    /// The storage refuses this user.
    PermissionDenied,
    /// The object does not hold all of the asked range.
    InvalidRange,
    /// The storage takes no changes from anybody.
    ReadOnly,
    /// The storage takes no more bytes.
    Full,
    /// The place of the storage itself is missing.
    NoSuchRepositoryFolder,
    /// The storage did not answer in time; nobody knows whether it did what was asked.
    Timeout,
    /// The storage cannot be reached, or its device fails.
    Unavailable,
    /// The object is larger than any object may be.
    TooLarge,
    /// This storage cannot do that; see its capabilities.
    Unsupported,
    /// The storage answered something that the contract rules out.
    BrokenContract,
    /// The user asked to stop before the storage answered; nobody knows whether it did what was
    /// asked.
    Interrupted,
    /// Anything else; the source tells.
    Other,
}

impl StorageErrorKind {
    /// Whether the same operation may well succeed a little later.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Timeout | Self::Unavailable)
    }

    /// Where a service stands between us and the storage, owners, folders and disks are not ours to look at.
    fn words_of_a_service(self) -> &'static str {
        match self {
            Self::PermissionDenied => {
                "permission denied: check the credentials, and what they are allowed to do"
            }
            Self::ReadOnly => {
                "the storage takes no changes: ask for the right to write, or use a command that only reads"
            }
            Self::NoSuchRepositoryFolder => "there is no such place: check the URL",
            Self::Unavailable => {
                "the storage cannot be reached: check the connection, and run the same command again"
            }
            kind => kind.words(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NotFound => "there is no such object",
            Self::AlreadyExists => {
                "an object of that name is already stored, and objects are never overwritten"
            }
            Self::PermissionDenied => {
                "permission denied: check who owns it and as which user this program runs"
            }
            Self::InvalidRange => "the object does not hold the asked range of bytes",
            Self::ReadOnly => {
                "the storage is read-only: make it writable, or use a command that only reads"
            }
            Self::Full => "the storage is full",
            Self::NoSuchRepositoryFolder => {
                "there is no such folder: check the path, and that the disk is mounted"
            }
            Self::Timeout => "the storage did not answer in time: try again later",
            Self::Unavailable => {
                "the storage cannot be reached: check the connection or the disk, \
                 and run the same command again"
            }
            Self::TooLarge => "the object is too large",
            Self::Unsupported => "this storage cannot do that",
            Self::BrokenContract => "the storage gave an answer that it must not give",
            Self::Interrupted => "it was interrupted",
            Self::Other => "the storage failed",
        }
    }
}

/// What was tried; reads as the verb of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening the storage itself.
    Open,
    /// Making the place of a new storage.
    MakeRoot,
    /// [`create`](crate::Storage::create).
    Create,
    /// [`get`](crate::Storage::get).
    Get,
    /// [`get_range`](crate::Storage::get_range).
    GetRange,
    /// [`list`](crate::Storage::list).
    List,
    /// [`delete`](crate::Storage::delete).
    Delete,
    /// [`versions`](crate::Storage::versions).
    Versions,
    /// [`get_version`](crate::Storage::get_version).
    GetVersion,
    /// [`retention`](crate::Storage::retention).
    Retention,
    /// [`extend_retention`](crate::Storage::extend_retention).
    ExtendRetention,
    /// Clearing away what interrupted creations left.
    Sweep,
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Open => "open the storage",
            Self::MakeRoot => "make the folder of the storage",
            Self::Create => "store object",
            Self::Get => "read object",
            Self::GetRange => "read a part of object",
            Self::List => "list objects",
            Self::Delete => "delete object",
            Self::Versions => "list versions",
            Self::GetVersion => "read a version of object",
            Self::Retention => "read the retention of object",
            Self::ExtendRetention => "extend the retention of object",
            Self::Sweep => "clear away staging files",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_full_disk_says_where_and_what_to_do() {
        let location = Location::folder(Path::new("/srv/backup"));
        let name = ObjectName::new("data/ab/cd").expect("a name");
        let error = StorageError::new(StorageErrorKind::Full, Operation::Create, &location)
            .of(&name)
            .caused_by(std::io::Error::other("below"));
        assert_eq!(
            error.to_string(),
            "cannot store object data/ab/cd at /srv/backup: the storage is full: free space at \
             /srv/backup and run the same command again; nothing already stored is lost"
        );
        assert_eq!(error.source().expect("a source").to_string(), "below");
    }

    #[test]
    fn services_have_no_disks_and_no_owners() {
        let location = Location::remote("s3://host/bucket");
        for kind in [
            StorageErrorKind::PermissionDenied,
            StorageErrorKind::NoSuchRepositoryFolder,
            StorageErrorKind::Unavailable,
        ] {
            let text = StorageError::new(kind, Operation::Get, &location).to_string();
            for word in ["disk", "own", "folder", "mounted"] {
                assert!(!text.contains(word), "{text}");
            }
        }
    }

    #[test]
    fn only_failures_that_may_pass_are_transient() {
        assert!(StorageErrorKind::Timeout.is_transient());
        assert!(StorageErrorKind::Unavailable.is_transient());
        assert!(!StorageErrorKind::Full.is_transient());
        assert!(!StorageErrorKind::AlreadyExists.is_transient());
    }
}
