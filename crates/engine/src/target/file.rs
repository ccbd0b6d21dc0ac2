//! A file being restored.
//!
//! Written under a partial name by as many threads as like, then given its metadata and, last,
//! its name. Dropping it before that removes it. Holes are what is never written.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, pwrite};

use super::dir::{Bequest, Replace, TargetDir};
use super::error::{MetadataProblem, TargetError};
use super::inode::Inode;
use super::metadata::{Applier, Origin, Subject};
use super::partial::Partials;
use crate::format::name::Name;
use crate::format::node::Metadata;
use crate::source::{FileId, LAYOUT_FLAGS, write_flags};

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

/// Bytes written at once. For megabytes at once the kernel takes its largest free pages, which under
/// a hypervisor are those that it gave back, and slow to have again.
const PIECE: usize = 256 << 10;

impl PendingFile {
    /// Writes all of `data` at `offset`.
    pub fn write_at(&self, mut offset: u64, mut data: &[u8]) -> Result<(), TargetError> {
        while !data.is_empty() {
            let piece = data.get(..PIECE).unwrap_or(data);
            match pwrite(&self.fd, piece, offset) {
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
        Ok(crate::source::read_at(&self.fd, offset, buffer, u64::MAX)?)
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
        let stat = inode
            .stat()
            .map_err(|errno| TargetError::new("look at it", errno))?;
        let origin = match self.dir.bequest() {
            Bequest::Nothing => Origin::Bare,
            Bequest::Unknown => Origin::Unknown,
        };
        let subject = Subject {
            inode,
            stat,
            origin,
        };
        let problems = applier.apply(&subject, metadata);
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

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::Path;

    use super::super::{Owners, SetIds};
    use super::*;
    use crate::format::time::Timestamp;

    fn name(bytes: &[u8]) -> Name {
        Name::new(bytes).unwrap()
    }

    fn metadata() -> Metadata {
        Metadata {
            mode: 0o640,
            mtime: Timestamp {
                seconds: 1_000_000_000,
                nanoseconds: 123_456_789,
            },
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            ..Metadata::default()
        }
    }

    fn restore(path: &Path, file: &[u8], replace: Replace) -> Result<Restored, TargetError> {
        let dir = TargetDir::open_root(path)?;
        let pending = dir.create_file(&Partials::new([1; 16]), &metadata())?;
        pending.write_at(0, b"restored")?;
        let applier = Applier::new(Owners::Numeric, SetIds::Restore);
        pending.commit(&name(file), &metadata(), &applier, replace)
    }

    fn entries(path: &Path) -> usize {
        std_fs::read_dir(path).unwrap().count()
    }

    #[test]
    fn a_file_appears_whole_under_its_name_and_not_before() {
        let temp = tempfile::tempdir().unwrap();
        let dir = TargetDir::open_root(temp.path()).unwrap();
        let pending = dir
            .create_file(&Partials::new([1; 16]), &metadata())
            .unwrap();
        pending.preallocate(8).unwrap();
        // In any order, from any thread.
        std::thread::scope(|scope| {
            scope.spawn(|| pending.write_at(4, b"5678").unwrap());
            scope.spawn(|| pending.write_at(0, b"1234").unwrap());
        });
        let mut back = [0; 9];
        assert_eq!(pending.read_at(0, &mut back).unwrap(), 8);
        assert!(!temp.path().join("f").exists());
        let applier = Applier::new(Owners::Numeric, SetIds::Restore);
        let restored = pending
            .commit(&name(b"f"), &metadata(), &applier, Replace::Never)
            .unwrap();
        assert!(restored.problems.is_empty(), "{:?}", restored.problems);
        let found = std_fs::metadata(temp.path().join("f")).unwrap();
        assert_eq!(std_fs::read(temp.path().join("f")).unwrap(), b"12345678");
        assert_eq!(found.mode() & 0o7777, 0o640);
        assert_eq!(
            (found.mtime(), found.mtime_nsec()),
            (1_000_000_000, 123_456_789)
        );
        assert_eq!(found.ino(), restored.id.ino);
        assert_eq!(entries(temp.path()), 1);
    }

    #[test]
    fn a_file_that_is_dropped_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = TargetDir::open_root(temp.path()).unwrap();
        let pending = dir
            .create_file(&Partials::new([1; 16]), &metadata())
            .unwrap();
        pending.write_at(0, b"half").unwrap();
        assert_eq!(entries(temp.path()), 1);
        drop(pending);
        assert_eq!(entries(temp.path()), 0);
    }

    #[test]
    fn holes_stay_holes() {
        let temp = tempfile::tempdir().unwrap();
        let dir = TargetDir::open_root(temp.path()).unwrap();
        let pending = dir
            .create_file(&Partials::new([1; 16]), &metadata())
            .unwrap();
        pending.set_size(1 << 40).unwrap();
        pending.write_at(1 << 39, b"data").unwrap();
        let applier = Applier::new(Owners::Numeric, SetIds::Restore);
        pending
            .commit(&name(b"f"), &metadata(), &applier, Replace::Never)
            .unwrap();
        let found = std_fs::metadata(temp.path().join("f")).unwrap();
        assert_eq!(found.len(), 1 << 40);
        assert!(found.blocks() * 512 < 1 << 20);
    }

    #[test]
    fn what_exists_is_kept_or_replaced_as_the_policy_says() {
        let temp = tempfile::tempdir().unwrap();
        std_fs::write(temp.path().join("f"), b"mine").unwrap();
        let kept = restore(temp.path(), b"f", Replace::Never);
        assert!(matches!(kept, Err(TargetError::InTheWay)));
        assert_eq!(std_fs::read(temp.path().join("f")).unwrap(), b"mine");
        restore(temp.path(), b"f", Replace::Allowed).unwrap();
        assert_eq!(std_fs::read(temp.path().join("f")).unwrap(), b"restored");
        assert_eq!(entries(temp.path()), 1);
    }

    #[test]
    fn a_link_or_a_hard_link_to_a_file_outside_does_not_lead_there() {
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("passwd");
        std_fs::write(&victim, b"precious").unwrap();
        let before = std_fs::metadata(&victim).unwrap();
        let temp = tempfile::tempdir_in(outside.path()).unwrap();
        symlink(&victim, temp.path().join("soft")).unwrap();
        std_fs::hard_link(&victim, temp.path().join("hard")).unwrap();
        for file in [&b"soft"[..], b"hard"] {
            restore(temp.path(), file, Replace::Allowed).unwrap();
        }
        let after = std_fs::metadata(&victim).unwrap();
        assert_eq!(std_fs::read(&victim).unwrap(), b"precious");
        assert_eq!(
            (before.mode(), before.mtime()),
            (after.mode(), after.mtime())
        );
        assert_eq!(std_fs::read(temp.path().join("soft")).unwrap(), b"restored");
        assert_eq!(after.nlink(), 1);
    }

    #[test]
    fn an_empty_folder_in_the_way_is_replaced_and_a_full_one_is_not() {
        let temp = tempfile::tempdir().unwrap();
        std_fs::create_dir_all(temp.path().join("full/of")).unwrap();
        std_fs::create_dir_all(temp.path().join("empty")).unwrap();
        restore(temp.path(), b"empty", Replace::Allowed).unwrap();
        assert!(temp.path().join("empty").is_file());
        let refused = restore(temp.path(), b"full", Replace::Allowed);
        assert!(matches!(refused, Err(TargetError::FolderInTheWay)));
        assert_eq!(entries(temp.path()), 2);
    }

    #[test]
    fn names_of_any_bytes_are_restored() {
        let temp = tempfile::tempdir().unwrap();
        for bytes in [
            &b"\x1b[2J"[..],
            b"a\nb",
            b"\xff\xfe",
            b"..a",
            b" ",
            &[b'x'; 255],
        ] {
            restore(temp.path(), bytes, Replace::Never).unwrap();
            assert!(
                temp.path()
                    .join(std::ffi::OsStr::from_bytes(bytes))
                    .is_file()
            );
        }
    }

    #[test]
    fn a_name_taken_in_advance_only_costs_another_name() {
        let temp = tempfile::tempdir().unwrap();
        let first = Partials::new([1; 16]).next().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        symlink(outside.path(), temp.path().join(first.as_os_str())).unwrap();
        restore(temp.path(), b"f", Replace::Never).unwrap();
        assert_eq!(std_fs::read(temp.path().join("f")).unwrap(), b"restored");
        assert_eq!(outside.as_file().metadata().unwrap().len(), 0);
    }

    #[test]
    fn a_sweep_removes_what_a_crash_left_and_spares_what_is_being_written() {
        let temp = tempfile::tempdir().unwrap();
        let dir = TargetDir::open_root(temp.path()).unwrap();
        let crashed = Partials::new([7; 16]);
        let leftover = crashed.next().unwrap();
        std_fs::write(temp.path().join(leftover.as_os_str()), b"half").unwrap();
        symlink("x", temp.path().join(crashed.next().unwrap().as_os_str())).unwrap();
        std_fs::write(temp.path().join(".ownkey-mine.partial"), b"user").unwrap();
        let alive = dir
            .create_file(&Partials::new([8; 16]), &metadata())
            .unwrap();
        assert_eq!(Partials::sweep(&dir), 2);
        assert_eq!(entries(temp.path()), 2);
        let applier = Applier::new(Owners::Numeric, SetIds::Restore);
        alive
            .commit(&name(b"f"), &metadata(), &applier, Replace::Never)
            .unwrap();
        assert!(temp.path().join(".ownkey-mine.partial").exists());
    }

    #[test]
    fn a_full_target_is_told_apart_from_other_failures() {
        let full = TargetError::new("write it", Errno::NOSPC);
        assert!(full.is_full() && TargetError::new("write it", Errno::DQUOT).is_full());
        assert!(!TargetError::new("write it", Errno::IO).is_full());
        assert!(full.message().starts_with("cannot write it: No space left"));
        let temp = tempfile::tempdir().unwrap();
        let dir = TargetDir::open_root(temp.path()).unwrap();
        let pending = dir
            .create_file(&Partials::new([1; 16]), &metadata())
            .unwrap();
        assert!(pending.preallocate(1 << 62).is_err());
    }
}
