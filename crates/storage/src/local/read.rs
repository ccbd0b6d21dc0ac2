//! Reading whole objects and parts of them.
//!
//! Promise: exactly the bytes asked for, or an error; memory is taken only after the length was
//! found to be within bounds; and nothing but a regular file is ever read, so that a pipe planted
//! at a name blocks nobody.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

use super::fault::Fault;
use super::root::Root;
use crate::limits::MAX_OBJECT_BYTES;
use crate::name::ObjectName;

/// Reads all of an object.
pub(super) fn whole(root: &Root, name: &ObjectName) -> Result<Bytes, Fault> {
    let (file, size) = open(root, name)?;
    if size > MAX_OBJECT_BYTES {
        return Err(Fault::TooLarge);
    }
    fill(&file, 0, size)
}

/// Reads a part of an object.
pub(super) fn range(root: &Root, name: &ObjectName, range: Range<u64>) -> Result<Bytes, Fault> {
    let (file, size) = open(root, name)?;
    if range.is_empty() || range.end > size {
        return Err(Fault::InvalidRange);
    }
    let length = range.end - range.start;
    if length > MAX_OBJECT_BYTES {
        return Err(Fault::TooLarge);
    }
    fill(&file, range.start, length)
}

/// When a file was last written, if that is a time at all.
pub(super) fn modified(stat: &Stat) -> Option<SystemTime> {
    let seconds = Duration::from_secs(stat.st_mtime.unsigned_abs());
    let whole = if stat.st_mtime < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole?.checked_add(Duration::from_nanos(stat.st_mtime_nsec))
}

/// The length of a file; a negative one, which no kernel gives, counts as beyond all bounds.
pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(u64::MAX)
}

fn open(root: &Root, name: &ObjectName) -> Result<(File, u64), Fault> {
    let folder = root.open_folder(name)?;
    // NONBLOCK: opening a pipe would otherwise wait for a writer. Files do not know it.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(&folder, name.last_segment(), flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Err(root.absent()),
        Err(Errno::LOOP | Errno::NXIO) => return Err(Fault::NotAnObject),
        Err(errno) => return Err(errno.into()),
    };
    let stat = fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((File::from(file), size(&stat))),
        FileType::Directory => Err(Fault::Absent),
        _ => Err(Fault::NotAnObject),
    }
}

/// The caller has bounded the length.
fn fill(file: &File, offset: u64, length: u64) -> Result<Bytes, Fault> {
    let length = usize::try_from(length).map_err(|_| Fault::TooLarge)?;
    let mut bytes = vec![0; length];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes.into()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(Fault::LengthChanged)
        }
        Err(error) => Err(error.into()),
    }
}
