//! The open folder of a storage, and the walk from it to any name in it.
//!
//! Promise: nothing outside the folder is ever reached. Each segment is opened from the handle of
//! the one before it and never through a symbolic link.

use std::collections::BTreeSet;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags, fstat, mkdirat, openat, stat};
use rustix::io::Errno;

use super::fault::Fault;
use super::flush::{Flush, is_unsupported};
use crate::capabilities::ReadAfterWrite;
use crate::name::ObjectName;

/// Folders are for their owner alone.
const FOLDER_MODE: Mode = Mode::RWXU;

/// How every folder is opened: as a folder, never through a link.
const FOLDER_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The open folder of a storage.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    handle: OwnedFd,
    flush: Arc<dyn Flush>,
    flushes_folders: AtomicBool,
    flush_failed: AtomicBool,
    freshness: ReadAfterWrite,
    /// Folders whose own names this handle has flushed; see [`Root::open_or_make_folder`].
    durable_folders: Mutex<BTreeSet<Box<str>>>,
}

impl Root {
    /// Opens an existing folder. The path itself may lead through links: it is its owner's word.
    pub(super) fn open(path: &Path, flush: Arc<dyn Flush>) -> Result<Self, Fault> {
        let path = std::fs::canonicalize(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(&path, flags, Mode::empty())?;
        let freshness = freshness_of(handle.as_fd());
        let root = Self {
            path,
            handle,
            flush,
            flushes_folders: AtomicBool::new(true),
            flush_failed: AtomicBool::new(false),
            freshness,
            durable_folders: Mutex::default(),
        };
        root.probe_flush();
        Ok(root)
    }

    /// Makes the folder if it is absent, and opens it.
    pub(super) fn make(path: &Path, flush: Arc<dyn Flush>) -> Result<Self, Fault> {
        match rustix::fs::mkdir(path, FOLDER_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let root = Self::open(path, flush)?;
        if let Some(above) = root.path.parent() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            // Without the right to read the folder above there is no way to flush it.
            match rustix::fs::open(above, flags, Mode::empty()) {
                Ok(above) => root.flush_folder(above.as_fd())?,
                Err(Errno::ACCESS) => root.flushes_folders.store(false, Ordering::Relaxed),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(root)
    }

    /// The absolute path, links resolved.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The handle everything is reached from.
    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Whether names in folders can be made durable.
    pub(super) fn can_flush_folders(&self) -> bool {
        self.flushes_folders.load(Ordering::Relaxed)
    }

    /// Whether there may be a cache between us and other machines.
    pub(super) fn freshness(&self) -> ReadAfterWrite {
        self.freshness
    }

    /// Opens the folder that a name stands in.
    pub(super) fn open_folder(&self, name: &ObjectName) -> Result<OwnedFd, Fault> {
        let mut folder = self.reopen()?;
        for segment in folders_of(name) {
            folder = match openat(&folder, segment, FOLDER_FLAGS, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) => return Err(self.absent()),
                // An object or a link stands where a folder would: nothing is beneath it. (C15)
                Err(Errno::NOTDIR | Errno::LOOP) => return Err(Fault::Absent),
                Err(errno) => return Err(errno.into()),
            };
        }
        Ok(folder)
    }

    /// Opens the folder that a name stands in, and makes what is missing of the way, durably.
    ///
    /// A folder found in place may have been made a moment ago by a process that has not flushed
    /// it yet. So the first time this handle walks through a folder it flushes the one above, too.
    pub(super) fn open_or_make_folder(&self, name: &ObjectName) -> Result<OwnedFd, Fault> {
        let mut folder = self.reopen()?;
        let mut walked = 0;
        for segment in folders_of(name) {
            walked += segment.len() + 1;
            let way = name.as_str().get(..walked).unwrap_or_default();
            let (next, made) = open_or_make(&folder, segment)?;
            if made || !self.is_known_durable(way) {
                self.flush_folder(folder.as_fd())?;
                self.remember_durable(way);
            }
            folder = next;
        }
        Ok(folder)
    }

    /// Makes the names in a folder durable, as far as its file system can.
    ///
    /// After a failure the kernel counts the lost pages as written, so that a second try would
    /// succeed and mean nothing. Therefore the whole handle refuses to create from then on.
    pub(super) fn flush_folder(&self, folder: BorrowedFd<'_>) -> Result<(), Fault> {
        match self.flush.folder(folder) {
            Ok(()) => Ok(()),
            Err(errno) if is_unsupported(errno) => {
                self.flushes_folders.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(errno) => {
                self.flush_failed.store(true, Ordering::Relaxed);
                Err(errno.into())
            }
        }
    }

    /// Makes the bytes of a file durable. A failure concerns this file alone, which is given up.
    pub(super) fn flush_file(&self, file: BorrowedFd<'_>) -> Result<(), Fault> {
        Ok(self.flush.file(file)?)
    }

    /// Refuses once a folder could not be flushed.
    pub(super) fn check_trust(&self) -> Result<(), Fault> {
        if self.flush_failed.load(Ordering::Relaxed) {
            return Err(Fault::FlushFailed);
        }
        Ok(())
    }

    /// Whether the path still leads to the folder that was opened. An unmounted disk leaves an
    /// empty folder behind, which must not be taken for an empty storage.
    pub(super) fn check_path(&self) -> Result<(), Fault> {
        let (here, there) = (fstat(&self.handle)?, stat(&self.path));
        match there {
            Ok(there) if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) => Ok(()),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Err(Fault::RootGone),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Nothing of that name, or nothing at all any more?
    pub(super) fn absent(&self) -> Fault {
        match fstat(&self.handle) {
            Ok(stat) if stat.st_nlink == 0 => Fault::RootGone,
            Ok(_) => Fault::Absent,
            Err(errno) => errno.into(),
        }
    }

    fn reopen(&self) -> Result<OwnedFd, Fault> {
        Ok(openat(&self.handle, ".", FOLDER_FLAGS, Mode::empty())?)
    }

    /// A file system that cannot flush folders says so at once, and is believed before anybody
    /// relies on it. Other failures are left to the operation that meets them.
    fn probe_flush(&self) {
        if let Err(errno) = self.flush.folder(self.handle.as_fd())
            && is_unsupported(errno)
        {
            self.flushes_folders.store(false, Ordering::Relaxed);
        }
    }

    fn is_known_durable(&self, way: &str) -> bool {
        self.durable_folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(way)
    }

    fn remember_durable(&self, way: &str) {
        self.durable_folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(way.into());
    }
}

/// A folder in a folder, and whether it had to be made. Opened first: on a read-only file system
/// that works where making it does not.
fn open_or_make(above: &OwnedFd, segment: &str) -> Result<(OwnedFd, bool), Fault> {
    let open = || match openat(above, segment, FOLDER_FLAGS, Mode::empty()) {
        Ok(folder) => Ok(folder),
        Err(Errno::NOTDIR | Errno::LOOP) => Err(Fault::Nested),
        Err(errno) => Err(errno.into()),
    };
    match open() {
        Err(Fault::System(Errno::NOENT)) => {}
        other => return Ok((other?, false)),
    }
    let made = match mkdirat(above, segment, FOLDER_MODE) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno.into()),
    };
    Ok((open()?, made))
}

/// The segments of a name but the last.
fn folders_of(name: &ObjectName) -> impl Iterator<Item = &str> {
    let mut segments = name.segments();
    segments.next_back();
    segments
}

/// File systems behind which other machines, or programs, keep caches of their own.
#[cfg(target_os = "linux")]
fn freshness_of(folder: BorrowedFd<'_>) -> ReadAfterWrite {
    /// NFS, SMB1, SMB2/3, AFS, Ceph, 9P, FUSE: their magic numbers in `statfs(2)`.
    const SHARED: [u64; 7] = [
        0x6969,
        0xff53_4d42,
        0xfe53_4d42,
        0x5346_414f,
        0x00c3_6400,
        0x0102_1997,
        0x6573_5546,
    ];
    match rustix::fs::fstatfs(folder) {
        // Some of these numbers have the highest of their 32 bits set; the type of the field is
        // signed and of another width on other machines.
        Ok(found) if !SHARED.contains(&(found.f_type as u64 & 0xffff_ffff)) => {
            ReadAfterWrite::Always
        }
        _ => ReadAfterWrite::Unknown,
    }
}

/// Where the kind of file system is not known, it is not trusted.
#[cfg(not(target_os = "linux"))]
fn freshness_of(_folder: BorrowedFd<'_>) -> ReadAfterWrite {
    ReadAfterWrite::Unknown
}
