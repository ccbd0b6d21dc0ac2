//! Setting the metadata of what was restored.
//!
//! The order matters: the owner first, because changing it clears setuid bits and
//! capabilities; `user.` attributes before the mode, because a read-only file takes none; ACLs
//! after the mode, because the mode rewrites them; the time after all that changes it; and
//! immutable or append-only last, because they forbid the rest.

use rustix::fd::AsFd;
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::dir::TargetDir;
use super::error::{MetadataProblem, TargetError};
use super::file::Restored;
use super::inode::Inode;
use super::shortfalls::{Shortfall, Shortfalls};
use super::xattrs::{self, Turn};
use crate::format::name::Name;
use crate::format::node::Metadata;
use crate::format::time::Timestamp;
use crate::source::{
    FileId, KEPT_FLAGS, Kind, LATE_FLAGS, LAYOUT_FLAGS, OwnerNames, Stat, write_flags,
};

/// Sets metadata as the user wants it; shared by all threads of a restore.
#[derive(Debug)]
pub struct Applier {
    owners: Owners,
    set_ids: SetIds,
    names: OwnerNames,
    shortfalls: Shortfalls,
}

/// Who owns what is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// The user and group of the recorded names on this machine; of the recorded numbers
    /// where it has no such name.
    ByName,
    /// The recorded numbers.
    Numeric,
    /// Whoever runs the restore.
    Restorer,
}

/// What becomes of setuid and setgid bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetIds {
    /// Restored where the owner they stand for was restored.
    Restore,
    /// Left off everything but directories.
    Drop,
}

/// An inode whose metadata is about to be set.
pub(crate) struct Subject<'a> {
    pub(crate) inode: Inode<'a>,
    /// What it was a moment ago.
    pub(crate) stat: Stat,
    pub(crate) origin: Origin,
}

/// What an inode may carry that the snapshot does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// No attributes and no flags: it is new, from a directory that gives it none.
    Bare,
    /// Anything.
    Unknown,
}

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;

impl Applier {
    /// An applier with nothing counted yet.
    pub fn new(owners: Owners, set_ids: SetIds) -> Self {
        Self {
            owners,
            set_ids,
            names: OwnerNames::new(),
            shortfalls: Shortfalls::new(),
        }
    }

    /// What could not be restored so far, to be told once.
    pub fn shortfalls(&self) -> &Shortfalls {
        &self.shortfalls
    }

    /// The second pass over a directory, once nothing more is made or removed in it: all its
    /// metadata. Deepest directories first, or their times change again.
    pub fn finish_dir(&self, dir: &TargetDir, metadata: &Metadata) -> Vec<MetadataProblem> {
        let inode = Inode::Open(dir.as_fd());
        let stat = match inode.stat() {
            Ok(stat) => stat,
            Err(errno) => return vec![MetadataProblem::Owner(errno.into())],
        };
        let subject = Subject {
            inode,
            stat,
            origin: Origin::Unknown,
        };
        let mut problems = self.apply(&subject, metadata);
        problems.extend(self.late_flags(inode, metadata));
        problems
    }

    /// Sets the metadata of a file whose content is already right. `expected` is what the
    /// decision saw; an inode with other names is refused, they may lie outside the target.
    pub fn refresh_file(
        &self,
        dir: &TargetDir,
        name: &Name,
        expected: &Stat,
        metadata: &Metadata,
    ) -> Result<Restored, TargetError> {
        let file = dir.dir().open_file(name, expected)?;
        if file.stat().nlink > 1 {
            return Err(TargetError::Replaced);
        }
        let subject = Subject {
            inode: Inode::Open(file.as_fd()),
            stat: *file.stat(),
            origin: Origin::Unknown,
        };
        let problems = self.apply(&subject, metadata);
        Ok(Restored {
            id: file.stat().id,
            problems,
        })
    }

    /// Sets immutable and append-only on a file that has all its names and is `id`.
    pub fn finish_file(
        &self,
        dir: &TargetDir,
        name: &Name,
        id: FileId,
        metadata: &Metadata,
    ) -> Result<Vec<MetadataProblem>, TargetError> {
        if metadata.flags.unwrap_or(0) & LATE_FLAGS == 0 {
            return Ok(Vec::new());
        }
        let stat = dir.dir().stat(name)?;
        if stat.id != id {
            return Err(TargetError::Replaced);
        }
        let file = dir.dir().open_file(name, &stat)?;
        Ok(self
            .late_flags(Inode::Open(file.as_fd()), metadata)
            .into_iter()
            .collect())
    }

    /// Everything but the late flags.
    pub(crate) fn apply(&self, subject: &Subject<'_>, metadata: &Metadata) -> Vec<MetadataProblem> {
        let Subject { inode, stat, .. } = *subject;
        let mut problems = Vec::new();
        let owned = self.own(subject, metadata, &mut problems);
        let present = match subject.origin {
            Origin::Bare => Vec::new(),
            Origin::Unknown => xattrs::present(inode, &mut problems),
        };
        let xattrs =
            |turn| xattrs::apply(inode, &metadata.xattrs, (turn, &present), &self.shortfalls);
        problems.extend(xattrs(Turn::BeforeMode));
        // A link has no mode of its own.
        if stat.kind != Kind::Symlink {
            let mode = self.mode(stat.kind, metadata.mode, owned);
            let is_set = stat.mode == mode && !owned.anew;
            if !is_set && let Err(errno) = inode.chmod(mode) {
                problems.push(MetadataProblem::Mode {
                    mode,
                    source: errno.into(),
                });
            }
        }
        problems.extend(xattrs(Turn::AfterMode));
        let flags = metadata.flags.filter(|flags| flags & KEPT_FLAGS != 0);
        if subject.origin == Origin::Unknown || flags.is_some() {
            problems.extend(self.flags(inode, flags, KEPT_FLAGS & !LATE_FLAGS));
        }
        problems.extend(set_mtime(inode, metadata.mtime));
        problems
    }

    fn own(
        &self,
        subject: &Subject<'_>,
        metadata: &Metadata,
        problems: &mut Vec<MetadataProblem>,
    ) -> Owned {
        let Subject { inode, stat, .. } = *subject;
        let mine = |user, group| Owned {
            user,
            group,
            anew: false,
        };
        let (uid, gid) = match self.owners {
            // Bits that let others act as the recorded owner do not become the restorer's.
            Owners::Restorer => {
                return mine(stat.uid == metadata.uid, stat.gid == metadata.gid);
            }
            Owners::Numeric => (metadata.uid, metadata.gid),
            Owners::ByName => self.by_name(metadata),
        };
        if (stat.uid, stat.gid) == (uid, gid) {
            return mine(true, true);
        }
        match inode.chown(Some(uid), Some(gid)) {
            Ok(()) => Owned {
                user: true,
                group: true,
                anew: true,
            },
            // EINVAL: a number this user namespace does not have.
            Err(Errno::PERM | Errno::INVAL | Errno::ACCESS) => {
                self.shortfalls.add(Shortfall::Owner);
                // One's own groups need no privileges.
                let group = stat.gid == gid || inode.chown(None, Some(gid)).is_ok();
                Owned {
                    user: stat.uid == uid,
                    group,
                    anew: true,
                }
            }
            Err(errno) => {
                problems.push(MetadataProblem::Owner(errno.into()));
                mine(stat.uid == uid, stat.gid == gid)
            }
        }
    }

    fn by_name(&self, metadata: &Metadata) -> (u32, u32) {
        let user = metadata
            .user
            .as_deref()
            .and_then(|name| self.names.uid(name));
        let group = metadata
            .group
            .as_deref()
            .and_then(|name| self.names.gid(name));
        (user.unwrap_or(metadata.uid), group.unwrap_or(metadata.gid))
    }

    /// The mode without bits that would lend the rights of somebody else than recorded. On a
    /// directory setgid only says which group new files get.
    fn mode(&self, kind: Kind, mode: u32, owned: Owned) -> u32 {
        if kind == Kind::Directory {
            return mode;
        }
        let dropped = match self.set_ids {
            SetIds::Drop => SET_UID | SET_GID,
            SetIds::Restore => {
                (if owned.user { 0 } else { SET_UID }) | (if owned.group { 0 } else { SET_GID })
            }
        };
        if mode & dropped != 0 && self.set_ids == SetIds::Restore {
            self.shortfalls.add(Shortfall::SetId);
        }
        mode & !dropped
    }

    fn late_flags(&self, inode: Inode<'_>, metadata: &Metadata) -> Option<MetadataProblem> {
        self.flags(inode, metadata.flags, LATE_FLAGS)
    }

    fn flags(&self, inode: Inode<'_>, flags: Option<u32>, mask: u32) -> Option<MetadataProblem> {
        let fd = inode.open()?;
        let flags = flags.unwrap_or(0) & mask;
        let mask = mask & (!LAYOUT_FLAGS | flags);
        match write_flags(fd, flags, mask) {
            Ok(()) => None,
            Err(Errno::PERM | Errno::ACCESS) => {
                self.shortfalls.add(Shortfall::PrivilegedFlags);
                None
            }
            Err(Errno::NOTTY | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => {
                if flags != 0 {
                    self.shortfalls.add(Shortfall::UnsupportedFlags);
                }
                None
            }
            Err(errno) => Some(MetadataProblem::Flags {
                flags,
                source: errno.into(),
            }),
        }
    }
}

/// Whether the recorded owner and group own it now.
#[derive(Debug, Clone, Copy)]
struct Owned {
    user: bool,
    group: bool,
    /// Whether it may just have changed, and setuid and setgid bits with it.
    anew: bool,
}

/// Sets the time of change; the access time is not recorded and is left alone.
fn set_mtime(inode: Inode<'_>, wanted: Timestamp) -> Option<MetadataProblem> {
    let nanoseconds = i64::from(wanted.nanoseconds);
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: wanted.seconds,
            tv_nsec: nanoseconds,
        },
    };
    if let Err(errno) = inode.set_times(&times) {
        return Some(MetadataProblem::Time(errno.into()));
    }
    if (SAFE_FIRST..SAFE_END).contains(&wanted.seconds) {
        return None;
    }
    // The kernel clamps to what the file system can store and says nothing.
    let kept = inode.stat().ok()?.mtime;
    (kept.seconds != wanted.seconds).then_some(MetadataProblem::TimeRange { wanted, kept })
}

/// 1980-01-01, where FAT begins; no file system of today begins later.
const SAFE_FIRST: i64 = 315_532_800;
/// 2038-01-19, where 32-bit seconds end; no file system of today ends earlier.
const SAFE_END: i64 = 1 << 31;

#[cfg(test)]
mod tests;
