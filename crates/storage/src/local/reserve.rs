//! Room that is kept for small objects, so that a full disk can be emptied again.
//!
//! What gives space back has to say so first, in an object of its own; on a disk that is full to the last byte nothing
//! could ever be deleted. So a file takes up room beside the objects, and is given up for a small object that finds
//! none. The dot keeps its name out of every object's.

use rustix::fs::{
    AtFlags, FallocateFlags, Mode, OFlags, fallocate, fstatvfs, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::fault::Fault;
use super::root::Root;

const NAME: &str = ".reserve";
/// Objects up to this length may use the room: what is said, not what is backed up.
const SMALL: usize = 64 << 10;
/// What is kept, and less where there is no more.
const SIZES: [u64; 5] = [1 << 20, 512 << 10, 256 << 10, 128 << 10, 64 << 10];
/// One part of the free room, as one in so many, is the most that is kept.
const PART: u64 = 16;

/// Whether an object that did not fit should be tried once more: the room that was kept for it is free now.
pub(super) fn give_up_for(root: &Root, body: &[u8], fault: &Fault) -> bool {
    let is_full = matches!(fault, Fault::System(Errno::NOSPC | Errno::DQUOT));
    is_full && body.len() <= SMALL && unlinkat(root.handle(), NAME, AtFlags::empty()).is_ok()
}

/// Keeps room for the next time, as far as there is any. What cannot be kept is no fault of the object before.
pub(super) fn keep(root: &Root) {
    let there = statat(root.handle(), NAME, AtFlags::SYMLINK_NOFOLLOW);
    if !matches!(there, Err(Errno::NOENT)) {
        return;
    }
    let free =
        fstatvfs(root.handle()).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let Some(size) = SIZES
        .into_iter()
        .find(|size| size.saturating_mul(PART) <= free)
    else {
        return;
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = openat(root.handle(), NAME, flags, Mode::RUSR | Mode::WUSR) else {
        return;
    };
    if fallocate(&file, FallocateFlags::empty(), 0, size).is_err() {
        // An empty file would keep nothing, and later there may be more room.
        let _ = unlinkat(root.handle(), NAME, AtFlags::empty());
    }
}
