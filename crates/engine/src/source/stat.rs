//! What one `statx` tells.
//!
//! [`Stat`] is everything about an inode that costs no further call; [`Fingerprint`] is the
//! part that decides whether a file has to be read again.

use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags, StatxTimestamp, statx};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::format::node::Device;
use crate::format::time::Timestamp;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// One inode of this machine, for as long as it exists and stays mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// The device number of the file system.
    pub dev: u64,
    /// The inode number.
    pub ino: u64,
}

/// What is known about an entry without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// The low 12 bits of `st_mode`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Apparent size in bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Last change of content or metadata; only the kernel sets it.
    pub ctime: Timestamp,
    /// Birth time, where the file system tells.
    pub btime: Option<Timestamp>,
    /// Which inode.
    pub id: FileId,
    /// Number of names of the inode.
    pub nlink: u32,
    /// Which device it is, for device nodes.
    pub device: Device,
    /// Allocated blocks of 512 bytes.
    pub blocks: u64,
    /// A file system is mounted here (Linux 5.8 and later tell).
    pub mount_root: bool,
}

/// What is remembered about a file to know it unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// Apparent size in bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Last change of content or metadata.
    pub ctime: Timestamp,
    /// Which inode.
    pub id: FileId,
}

impl Fingerprint {
    /// Whether a file with this fingerprint still has the content and the metadata of `earlier`.
    ///
    /// The device number is not compared: btrfs, overlayfs, NFS and LVM hand out another one at
    /// every mount, and after each reboot everything would be read again. A different file under
    /// the same path with the same inode number, size, mtime and ctime is not a thing that
    /// happens by itself.
    pub fn unchanged_since(&self, earlier: &Self) -> bool {
        self.size == earlier.size
            && self.mtime == earlier.mtime
            && self.ctime == earlier.ctime
            && self.id.ino == earlier.id.ino
    }

    /// Whether the file changed so shortly before `now` that a second change could have left the
    /// same times: a clock tick, or the coarse times of FAT, may hide it.
    ///
    /// A ctime in the future means that a clock was wrong, and nothing is believed. An mtime far
    /// in the future was set by hand and says nothing about the last change.
    pub fn is_fresh_at(&self, now: Timestamp) -> bool {
        let first = now.seconds.saturating_sub(FRESH_SECONDS);
        let last = now.seconds.saturating_add(FRESH_SECONDS);
        self.ctime.seconds >= first || (first..=last).contains(&self.mtime.seconds)
    }
}

/// FAT counts in 2 seconds, everything else is finer.
const FRESH_SECONDS: i64 = 2;

impl Stat {
    /// One `statx` of `path` below `dir`, symbolic links not followed unless `flags` say so.
    pub(crate) fn at<P: Arg, Fd: AsFd>(dir: Fd, path: P, follow: Follow) -> Result<Self, Errno> {
        let flags = AtFlags::NO_AUTOMOUNT
            | match follow {
                Follow::Never => AtFlags::SYMLINK_NOFOLLOW,
                Follow::Last => AtFlags::empty(),
            };
        Self::decode(&statx(dir, path, flags, WANTED)?)
    }

    /// One `statx` of an open handle.
    pub(crate) fn of<Fd: AsFd>(fd: Fd) -> Result<Self, Errno> {
        Self::decode(&statx(fd, c"", AtFlags::EMPTY_PATH, WANTED)?)
    }

    fn decode(raw: &Statx) -> Result<Self, Errno> {
        let birth_known = raw.stx_mask & StatxFlags::BTIME.bits() != 0;
        Ok(Self {
            kind: Kind::of_mode(u32::from(raw.stx_mode))?,
            mode: u32::from(raw.stx_mode) & 0o7777,
            uid: raw.stx_uid,
            gid: raw.stx_gid,
            size: raw.stx_size,
            mtime: timestamp(raw.stx_mtime),
            ctime: timestamp(raw.stx_ctime),
            btime: birth_known.then(|| timestamp(raw.stx_btime)),
            id: FileId {
                dev: rustix::fs::makedev(raw.stx_dev_major, raw.stx_dev_minor),
                ino: raw.stx_ino,
            },
            nlink: raw.stx_nlink,
            device: Device {
                major: raw.stx_rdev_major,
                minor: raw.stx_rdev_minor,
            },
            blocks: raw.stx_blocks,
            mount_root: raw.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        })
    }

    /// What change detection remembers of it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            size: self.size,
            mtime: self.mtime,
            ctime: self.ctime,
            id: self.id,
        }
    }

    /// Whether fewer bytes are allocated than the size says, so that looking for holes may pay.
    pub(crate) fn may_have_holes(&self) -> bool {
        self.blocks.saturating_mul(512) < self.size
    }
}

/// Whether a symbolic link in the last place is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// The link itself.
    Never,
    /// What it points to: only for components of the user's own argument.
    Last,
}

impl Kind {
    fn of_mode(mode: u32) -> Result<Self, Errno> {
        Ok(match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            // A file system that answers with a type Linux does not have is broken.
            FileType::Unknown => return Err(Errno::IO),
        })
    }
}

/// A kernel or FUSE server that reports 10^9 nanoseconds or more must not stop a backup.
fn timestamp(raw: StatxTimestamp) -> Timestamp {
    Timestamp {
        seconds: raw.tv_sec,
        nanoseconds: raw.tv_nsec.min(999_999_999),
    }
}

const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

impl FileId {
    /// The inode at an absolute path, links followed; `None` if there is none.
    pub(crate) fn of_path(path: &std::path::Path) -> Option<Self> {
        Stat::at(rustix::fs::CWD, path, Follow::Last)
            .ok()
            .map(|stat| stat.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp {
            seconds,
            nanoseconds: 7,
        }
    }

    fn fingerprint(mtime: i64, ctime: i64) -> Fingerprint {
        Fingerprint {
            size: 3,
            mtime: at(mtime),
            ctime: at(ctime),
            id: FileId { dev: 1, ino: 2 },
        }
    }

    #[test]
    fn any_difference_but_the_device_number_is_a_change() {
        let earlier = fingerprint(10, 20);
        let id = FileId { dev: 9, ino: 2 };
        assert!(Fingerprint { id, ..earlier }.unchanged_since(&earlier));
        let changed = [
            Fingerprint { size: 4, ..earlier },
            Fingerprint {
                mtime: at(11),
                ..earlier
            },
            Fingerprint {
                ctime: at(21),
                ..earlier
            },
            Fingerprint {
                id: FileId { dev: 1, ino: 3 },
                ..earlier
            },
        ];
        for now in changed {
            assert!(!now.unchanged_since(&earlier), "{now:?}");
        }
    }

    #[test]
    fn what_changed_within_two_seconds_is_fresh() {
        let now = at(1_000);
        for (mtime, ctime) in [(0, 998), (998, 0), (1_002, 0), (0, 5_000)] {
            assert!(
                fingerprint(mtime, ctime).is_fresh_at(now),
                "{mtime} {ctime}"
            );
        }
        for (mtime, ctime) in [(997, 997), (5_000, 10), (-5, -5)] {
            assert!(
                !fingerprint(mtime, ctime).is_fresh_at(now),
                "{mtime} {ctime}"
            );
        }
    }

    #[test]
    fn kinds_times_and_numbers_are_those_of_the_kernel() {
        use std::os::unix::fs::MetadataExt;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        std::fs::write(&path, [0; 5000]).unwrap();
        let stat = Stat::at(rustix::fs::CWD, &path, Follow::Never).unwrap();
        let std = std::fs::metadata(&path).unwrap();
        assert_eq!((stat.kind, stat.size, stat.nlink), (Kind::File, 5000, 1));
        assert_eq!((stat.id.ino, stat.id.dev), (std.ino(), std.dev()));
        assert_eq!(
            (stat.mtime.seconds, i64::from(stat.mtime.nanoseconds)),
            (std.mtime(), std.mtime_nsec())
        );
        assert_eq!(
            (stat.mode, stat.blocks),
            (std.mode() & 0o7777, std.blocks())
        );
        let null = Stat::at(rustix::fs::CWD, "/dev/null", Follow::Never).unwrap();
        assert_eq!(
            (null.kind, null.device),
            (Kind::CharDevice, Device { major: 1, minor: 3 })
        );
    }
}
