//! The two barriers on which durability rests, as an interface, so that a test can watch their
//! order and let them fail.

use std::fmt::Debug;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, Result};

/// Puts files and folders on the disk before it returns.
pub(super) trait Flush: Debug + Send + Sync {
    /// Flushes the bytes and the length of a file.
    fn file(&self, file: BorrowedFd<'_>) -> Result<()>;

    /// Flushes the names in a folder.
    fn folder(&self, folder: BorrowedFd<'_>) -> Result<()>;
}

/// The kernel's barriers.
#[derive(Debug)]
pub(super) struct KernelFlush;

impl Flush for KernelFlush {
    fn file(&self, file: BorrowedFd<'_>) -> Result<()> {
        rustix::fs::fsync(file)
    }

    fn folder(&self, folder: BorrowedFd<'_>) -> Result<()> {
        rustix::fs::fsync(folder)
    }
}

/// Whether a failed flush of a folder says that this file system flushes no folders at all (SMB,
/// some FUSE file systems), rather than that it tried and failed.
pub(super) fn is_unsupported(errno: Errno) -> bool {
    [Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS].contains(&errno)
}
