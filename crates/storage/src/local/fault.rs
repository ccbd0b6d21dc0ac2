//! What can go wrong in a folder, and how it becomes an error of the contract.

use rustix::io::Errno;
use thiserror::Error;

use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::location::Location;

/// A failure below the contract. Small and `Copy`, because a batch may have to report one many
/// times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Fault {
    /// The system said no.
    #[error("{0}")]
    System(Errno),
    /// The folder of the storage is missing or is another one than was opened.
    #[error("the folder is missing or was replaced")]
    RootGone,
    /// There is no such object.
    #[error("no such object")]
    Absent,
    /// Something already has the name.
    #[error("the name is taken")]
    Taken,
    /// A name above or beneath the wanted one is an object, or the name is a folder.
    #[error("a name cannot be an object and a folder")]
    Nested,
    /// A link, a pipe, a device: something that no creation left there.
    #[error("not a regular file")]
    NotAnObject,
    /// The object is larger than any object may be.
    #[error("too large")]
    TooLarge,
    /// The object does not hold the range.
    #[error("invalid range")]
    InvalidRange,
    /// The object changed its length while it was read or written.
    #[error("changed its length")]
    LengthChanged,
    /// The file system has no way to create a name only if it is absent.
    #[error("no exclusive creation")]
    NoExclusiveCreation,
    /// A flush of a folder failed earlier.
    #[error("an earlier flush failed")]
    FlushFailed,
    /// The runtime was shut down under us.
    #[error("stopped")]
    Stopped,
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::System(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

impl Fault {
    /// The fault as an error of the contract.
    pub(super) fn explain(self, operation: Operation, location: &Location) -> StorageError {
        let error = StorageError::new(self.kind(operation), operation, location);
        let error = match self.detail() {
            Some(detail) => error.saying(detail),
            None => error,
        };
        match self {
            Self::System(errno) => error.caused_by(std::io::Error::from(errno)),
            _ => error,
        }
    }

    fn kind(self, operation: Operation) -> StorageErrorKind {
        match self {
            Self::System(errno) => kind_of(errno, operation),
            Self::RootGone => StorageErrorKind::NoSuchRepositoryFolder,
            Self::Absent => StorageErrorKind::NotFound,
            Self::Taken => StorageErrorKind::AlreadyExists,
            Self::Nested | Self::NoExclusiveCreation => StorageErrorKind::Unsupported,
            Self::NotAnObject | Self::LengthChanged => StorageErrorKind::BrokenContract,
            Self::TooLarge => StorageErrorKind::TooLarge,
            Self::InvalidRange => StorageErrorKind::InvalidRange,
            Self::FlushFailed => StorageErrorKind::Unavailable,
            Self::Stopped => StorageErrorKind::Other,
        }
    }

    fn detail(self) -> Option<&'static str> {
        match self {
            Self::Nested => Some("a name cannot be an object and a folder at once"),
            Self::NoExclusiveCreation => {
                Some("its file system can neither link files nor rename without replacing")
            }
            Self::NotAnObject => Some("a link, a pipe or a device stands at this name"),
            Self::LengthChanged => Some("the file changed its length meanwhile"),
            Self::FlushFailed => Some(
                "the disk failed to write a folder, so nothing more is written in this run; \
                 check the disk",
            ),
            Self::Stopped => Some("the program is stopping"),
            _ => None,
        }
    }
}

fn kind_of(errno: Errno, operation: Operation) -> StorageErrorKind {
    let opening = matches!(operation, Operation::Open | Operation::MakeRoot);
    match errno {
        Errno::NOTDIR | Errno::LOOP if opening => StorageErrorKind::NoSuchRepositoryFolder,
        // An absent object is `Fault::Absent`; here a folder vanished that was there before.
        Errno::NOENT => StorageErrorKind::NoSuchRepositoryFolder,
        Errno::ACCESS | Errno::PERM => StorageErrorKind::PermissionDenied,
        Errno::ROFS => StorageErrorKind::ReadOnly,
        Errno::NOSPC | Errno::DQUOT => StorageErrorKind::Full,
        Errno::TIMEDOUT => StorageErrorKind::Timeout,
        // What the kernel says of disks that fail or were pulled, and of servers that went away.
        Errno::IO
        | Errno::NODEV
        | Errno::NXIO
        | Errno::STALE
        | Errno::NOTCONN
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH => StorageErrorKind::Unavailable,
        _ => StorageErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_the_kernel_says_becomes_a_kind_that_says_what_to_do() {
        let location = Location::folder(Path::new("/srv"));
        for (errno, kind) in [
            (Errno::NOSPC, StorageErrorKind::Full),
            (Errno::DQUOT, StorageErrorKind::Full),
            (Errno::ROFS, StorageErrorKind::ReadOnly),
            (Errno::ACCESS, StorageErrorKind::PermissionDenied),
            (Errno::IO, StorageErrorKind::Unavailable),
            (Errno::STALE, StorageErrorKind::Unavailable),
            (Errno::TIMEDOUT, StorageErrorKind::Timeout),
            (Errno::MFILE, StorageErrorKind::Other),
        ] {
            let error = Fault::System(errno).explain(Operation::Create, &location);
            assert_eq!(error.kind(), kind, "{errno:?}");
            assert!(error.source().is_some());
        }
        let error = Fault::System(Errno::NOENT).explain(Operation::Open, &location);
        assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
    }
}
