//! One held inode of the target, whose metadata is about to be set.
//!
//! All changes go through the handle. A name could have been exchanged by somebody else for a
//! hard link to a file outside; a handle cannot.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{self, AtFlags, Gid, Mode, Timestamps, Uid};
use rustix::io::Errno;

use crate::source::{Attributed, Stat};

/// How the inode is held.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Inode<'a> {
    /// Open for reading or writing: a file or a directory.
    Open(BorrowedFd<'a>),
    /// Held with `O_PATH`: a link or a special file.
    Held(BorrowedFd<'a>),
}

impl<'a> Inode<'a> {
    fn fd(self) -> BorrowedFd<'a> {
        match self {
            Self::Open(fd) | Self::Held(fd) => fd,
        }
    }

    pub(crate) fn stat(self) -> Result<Stat, Errno> {
        Stat::of(self.fd())
    }

    pub(crate) fn attributed(&self) -> Attributed<'_> {
        match self {
            Self::Open(fd) => Attributed::open(fd),
            Self::Held(fd) => Attributed::held(fd),
        }
    }

    /// The open handle, where flags can be set.
    pub(crate) fn open(self) -> Option<BorrowedFd<'a>> {
        match self {
            Self::Open(fd) => Some(fd),
            Self::Held(_) => None,
        }
    }

    pub(crate) fn chown(self, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        // The all-ones number means "leave it" to the kernel and belongs to nobody.
        if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
            return Err(Errno::INVAL);
        }
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            Self::Open(fd) => fs::fchown(fd, uid, gid),
            Self::Held(fd) => fs::chownat(fd, "", uid, gid, AtFlags::EMPTY_PATH),
        }
    }

    /// Not for links, which have no mode.
    pub(crate) fn chmod(self, mode: u32) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        match self {
            Self::Open(fd) => fs::fchmod(fd, mode),
            // The kernel takes no O_PATH handle here, but resolves the magic link to the inode.
            Self::Held(fd) => fs::chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()), mode),
        }
    }

    pub(crate) fn set_times(self, times: &Timestamps) -> Result<(), Errno> {
        match self {
            Self::Open(fd) => fs::futimens(fd, times),
            Self::Held(fd) => fs::utimensat(fd, "", times, AtFlags::EMPTY_PATH),
        }
    }
}

/// Whether a freshly made entry is the one this process made: it belongs to it, unless the
/// file system gives everything an owner of its own choice.
pub(crate) fn is_ours<Fd: AsFd>(fd: Fd, stat: &Stat) -> bool {
    stat.uid == rustix::process::geteuid().as_raw() || chooses_owners(fd)
}

/// FAT, exFAT, NTFS, FUSE, CIFS, SMB2, NFS, 9P: owners come from mount options or a server.
fn chooses_owners<Fd: AsFd>(fd: Fd) -> bool {
    const MAGICS: [u32; 9] = [
        0x4d44,
        0x2011_bab0,
        0x5346_544e,
        0x7366_746e,
        0x6573_5546,
        0xff53_4d42,
        0xfe53_4d42,
        0x6969,
        0x0102_1997,
    ];
    // The type's width differs between architectures; the magic is its low 32 bits.
    fs::fstatfs(fd).is_ok_and(|found| MAGICS.contains(&(found.f_type as u32)))
}
