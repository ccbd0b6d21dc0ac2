//! A file being restored.
//!
//! Written under a partial name by as many threads as like, then given its metadata and, last,
//! its name. Dropping it before that removes it. Holes are what is never written.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, pwrite};

use super::dir::{Replace, TargetDir};
use super::error::{MetadataProblem, TargetError};
use super::inode::Inode;
use super::metadata::Applier;
use super::partial::Partials;
use crate::format::name::Name;
use crate::format::node::Metadata;
use crate::source::{FileId, Kind, LAYOUT_FLAGS, write_flags};

/// A file that is not whole yet.
#[derive(Debug)]
pub struct PendingFile {
    dir: TargetDir,
    fd: OwnedFd,
    partial: Name,
    published: bool,
}

/// A file under its final name.
#[derive(Debug)]
pub struct Restored {
    /// Its inode, for hard links and late flags.
    pub id: FileId,
    /// What of its metadata is missing.
    pub problems: Vec<MetadataProblem>,
}

impl TargetDir {
    /// Begins a file. Of `metadata`, only flags that an empty file alone takes are used now.
    pub fn create_file(
        &self,
        partials: &Partials,
        metadata: &Metadata,
    ) -> Result<PendingFile, TargetError> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (partial, fd) = self.make_partial(partials, "make the file", |name| {
            fs::openat(self, name.as_os_str(), flags, Mode::RUSR | Mode::WUSR)
        })?;
        // Tells the sweep of another restore that this one is alive.
        let _ = fs::flock(&fd, FlockOperation::NonBlockingLockExclusive);
        let wanted = metadata.flags.unwrap_or(0) & LAYOUT_FLAGS;
        if wanted != 0 {
            // A refusal is found again, and reported, with the other flags.
            let _ = write_flags(&fd, wanted, wanted);
        }
        Ok(PendingFile {
            dir: self.clone(),
            fd,
            partial,
            published: false,
        })
    }
}

impl PendingFile {
    /// Writes all of `data` at `offset`.
    pub fn write_at(&self, mut offset: u64, mut data: &[u8]) -> Result<(), TargetError> {
        while !data.is_empty() {
            match pwrite(&self.fd, data, offset) {
                Ok(0) => return Err(TargetError::new("write it", Errno::IO)),
                Ok(written) => {
                    offset = offset.saturating_add(written as u64);
                    data = data.get(written..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(TargetError::new("write it", errno)),
            }
        }
        Ok(())
    }

    /// Makes it `size` bytes long; what was not written is a hole.
    pub fn set_size(&self, size: u64) -> Result<(), TargetError> {
        fs::ftruncate(&self.fd, size).map_err(|errno| TargetError::new("set its size", errno))
    }

    /// Asks for the space of a file without holes, so that a full disk is known before the
    /// first byte and the file lies in one piece. File systems that cannot are left alone.
    pub fn preallocate(&self, size: u64) -> Result<(), TargetError> {
        if size == 0 {
            return Ok(());
        }
        match fs::fallocate(&self.fd, FallocateFlags::KEEP_SIZE, 0, size) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                Err(TargetError::new("make room for it", errno))
            }
            _ => Ok(()),
        }
    }

    /// Reads back what was written, to verify it; fewer bytes than asked for mean its end.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, TargetError> {
        Ok(crate::source::read_at(&self.fd, offset, buffer)?)
    }

    /// Sets the metadata (all but immutable and append-only) and gives the file its name.
    pub fn commit(
        mut self,
        name: &Name,
        metadata: &Metadata,
        applier: &Applier,
        replace: Replace,
    ) -> Result<Restored, TargetError> {
        let inode = Inode::Open(self.fd.as_fd());
        let problems = applier.apply(inode, Kind::File, metadata);
        let stat = inode
            .stat()
            .map_err(|errno| TargetError::new("look at it", errno))?;
        self.dir.publish(&self.partial, name, replace)?;
        self.published = true;
        Ok(Restored {
            id: stat.id,
            problems,
        })
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if !self.published {
            self.dir.discard(&self.partial);
        }
    }
}
