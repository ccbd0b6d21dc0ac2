//! Inode flags: what `chattr` sets and `lsattr` shows.
//!
//! Only flags that mean something to the owner, that a process can set on an existing inode,
//! and that do not describe how the file system happens to store it.

use rustix::fd::AsFd;
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;

/// The flags that are recorded and restored; all others are the file system's own business.
///
/// `c` compressed, `S` synchronous, `i` immutable, `a` append only, `d` no dump, `A` no atime,
/// `j` data journalling, `D` synchronous directory, `T` top of hierarchy, `C` no copy on write.
/// Left out: extents, encryption, verity and inline data (how it is stored), casefold (only an
/// empty directory takes it), project inheritance (without the project number it is wrong),
/// and secure deletion and undelete, which no file system honours.
pub const KEPT_FLAGS: u32 = IFlags::COMPRESSED
    .union(IFlags::SYNC)
    .union(IFlags::IMMUTABLE)
    .union(IFlags::APPEND)
    .union(IFlags::NODUMP)
    .union(IFlags::NOATIME)
    .union(IFlags::JOURNALING)
    .union(IFlags::DIRSYNC)
    .union(IFlags::TOPDIR)
    .union(IFlags::NOCOW)
    .bits();

/// The flags that forbid every later step of a restore, so they are set last.
pub const LATE_FLAGS: u32 = IFlags::IMMUTABLE.union(IFlags::APPEND).bits();

/// The flags that say how the file system stores it: set at the start if recorded, else left
/// as the folder it is restored into has them.
pub(crate) const LAYOUT_FLAGS: u32 = IFlags::NOCOW.union(IFlags::COMPRESSED).bits();

/// The flags of an open file or directory; `None` if it has none or its file system knows none.
pub(crate) fn read<Fd: AsFd>(fd: Fd) -> Result<Option<u32>, Errno> {
    match ioctl_getflags(fd) {
        Ok(flags) => Ok(Some(flags.bits() & KEPT_FLAGS).filter(|bits| *bits != 0)),
        Err(errno) if is_unsupported(errno) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Makes the flags within `mask` equal to `wanted` and leaves all others alone.
pub(crate) fn write<Fd: AsFd>(fd: Fd, wanted: u32, mask: u32) -> Result<(), Errno> {
    let mask = mask & KEPT_FLAGS;
    let wanted = wanted & mask;
    let present = match ioctl_getflags(&fd) {
        Ok(flags) => flags.bits(),
        // Nothing to set is nothing to complain about.
        Err(errno) if is_unsupported(errno) && wanted == 0 => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let changed = (present & !mask) | wanted;
    if changed == present {
        return Ok(());
    }
    ioctl_setflags(fd, IFlags::from_bits_retain(changed))
}

/// File systems without flags answer in several ways.
fn is_unsupported(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOTTY | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL
    )
}
