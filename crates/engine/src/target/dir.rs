//! A held directory of the target.

use std::path::Path;
use std::sync::Arc;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{self, AtFlags, Mode, RenameFlags};
use rustix::io::Errno;

use super::error::TargetError;
use super::inode::is_ours;
use super::partial::Partials;
use crate::format::name::Name;
use crate::source::{Dir, Listing, SourceError, Stat};

/// An open directory of the target; clones share the handle.
#[derive(Debug, Clone)]
pub struct TargetDir {
    dir: Arc<Dir>,
}

/// Whether what is already there may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// By anything; a directory only if it is empty.
    Allowed,
    /// By nothing.
    Never,
}

/// How a directory came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is new and closed to everybody else until its metadata is set.
    New,
    /// It was there, as this says; its contents may be anything.
    Existing(Stat),
}

impl TargetDir {
    /// Opens the target itself, made if it is missing: the one path whose links are followed,
    /// because the user wrote it.
    pub fn open_root(path: &Path) -> Result<Self, TargetError> {
        std::fs::create_dir_all(path).map_err(|source| TargetError::Refused {
            doing: "make the target folder",
            source,
        })?;
        Ok(Self::holding(Arc::new(Dir::open_root(path)?)))
    }

    pub(crate) fn holding(dir: Arc<Dir>) -> Self {
        Self { dir }
    }

    /// Opens the directory `name`; a link in its place is [`TargetError::Replaced`].
    pub fn open_dir(&self, name: &Name) -> Result<Self, TargetError> {
        Ok(Self::holding(Arc::new(self.dir.open_child(name)?)))
    }

    /// Makes the directory `name`, or opens it if it is there. Anything else in its place, a
    /// link to a directory too, is removed or refused.
    pub fn make_dir(&self, name: &Name, replace: Replace) -> Result<(Self, Made), TargetError> {
        for _ in 0..ATTEMPTS {
            match fs::mkdirat(&self.dir, name.as_os_str(), Mode::RWXU) {
                Ok(()) => return self.open_new(name),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(TargetError::new("make the folder", errno)),
            }
            match self.dir.open_child(name) {
                Ok(dir) => return Self::existing(dir, replace),
                Err(SourceError::Vanished) => continue,
                Err(SourceError::Replaced) if replace == Replace::Allowed => {}
                Err(SourceError::Replaced) => return Err(TargetError::InTheWay),
                Err(error) => return Err(error.into()),
            }
            match fs::unlinkat(&self.dir, name.as_os_str(), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(TargetError::new("remove what is in the way", errno)),
            }
        }
        // Somebody puts something there faster than we can remove it.
        Err(TargetError::Replaced)
    }

    fn open_new(&self, name: &Name) -> Result<(Self, Made), TargetError> {
        let dir = self.dir.open_child(name)?;
        let stat = dir.stat_self()?;
        if !is_ours(&dir, &stat) {
            return Err(TargetError::Replaced);
        }
        Ok((Self::holding(Arc::new(dir)), Made::New))
    }

    fn existing(dir: Dir, replace: Replace) -> Result<(Self, Made), TargetError> {
        let stat = dir.stat_self()?;
        let lacks = stat.mode & 0o700 != 0o700;
        let ours = stat.uid == rustix::process::geteuid().as_raw();
        if lacks && ours && replace == Replace::Allowed {
            // Its own metadata comes back in the second pass; until then it must be writable.
            // A failure shows itself with the first entry.
            let _ = fs::fchmod(&dir, Mode::from_raw_mode(stat.mode | 0o700));
        }
        Ok((Self::holding(Arc::new(dir)), Made::Existing(stat)))
    }

    /// What is there under `name`, a link itself; `None` if nothing is.
    pub fn look(&self, name: &Name) -> Result<Option<Stat>, TargetError> {
        match self.dir.stat(name) {
            Ok(stat) => Ok(Some(stat)),
            Err(SourceError::Vanished) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the directory itself is.
    pub fn stat_self(&self) -> Result<Stat, TargetError> {
        Ok(self.dir.stat_self()?)
    }

    /// Its entries, as far as they can be read.
    pub fn list(&self) -> Listing {
        self.dir.list()
    }

    /// The handle, for reading what is there.
    pub fn dir(&self) -> &Arc<Dir> {
        &self.dir
    }

    /// Gives the partial entry its name. After an error it still has the partial one.
    pub(crate) fn publish(
        &self,
        partial: &Name,
        name: &Name,
        replace: Replace,
    ) -> Result<(), TargetError> {
        match replace {
            Replace::Never => self.publish_if_absent(partial, name),
            Replace::Allowed => match self.rename(partial, name, RenameFlags::empty()) {
                Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {
                    self.remove_empty(name)?;
                    self.rename(partial, name, RenameFlags::empty())
                        .map_err(|errno| TargetError::new("give it its name", errno))
                }
                other => other.map_err(|errno| TargetError::new("give it its name", errno)),
            },
        }
    }

    fn publish_if_absent(&self, partial: &Name, name: &Name) -> Result<(), TargetError> {
        let renamed = match self.rename(partial, name, RenameFlags::NOREPLACE) {
            // This file system knows no such rename; a second link is as atomic.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self
                .link(&self.dir, partial, name)
                .and_then(|()| fs::unlinkat(&self.dir, partial.as_os_str(), AtFlags::empty())),
            other => other,
        };
        renamed.map_err(|errno| match errno {
            Errno::EXIST => TargetError::InTheWay,
            errno => TargetError::new("give it its name", errno),
        })
    }

    fn remove_empty(&self, name: &Name) -> Result<(), TargetError> {
        match fs::unlinkat(&self.dir, name.as_os_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Err(TargetError::FolderInTheWay),
            Err(errno) => Err(TargetError::new("remove the folder in the way", errno)),
        }
    }

    fn rename(&self, from: &Name, to: &Name, flags: RenameFlags) -> Result<(), Errno> {
        fs::renameat_with(
            &self.dir,
            from.as_os_str(),
            &self.dir,
            to.as_os_str(),
            flags,
        )
    }

    /// A hard link to `from` in `source`, itself not followed.
    pub(crate) fn link(&self, source: &Dir, from: &Name, to: &Name) -> Result<(), Errno> {
        let flags = AtFlags::empty();
        fs::linkat(source, from.as_os_str(), &self.dir, to.as_os_str(), flags)
    }

    /// Calls `make` with partial names until one is free.
    pub(crate) fn make_partial<T, F>(
        &self,
        partials: &Partials,
        doing: &'static str,
        mut make: F,
    ) -> Result<(Name, T), TargetError>
    where
        F: FnMut(&Name) -> Result<T, Errno>,
    {
        for _ in 0..ATTEMPTS {
            let Some(name) = partials.next() else { break };
            match make(&name) {
                Ok(made) => return Ok((name, made)),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(TargetError::new(doing, errno)),
            }
        }
        Err(TargetError::Replaced)
    }

    /// Removes a partial entry; it does not matter if it is gone.
    pub(crate) fn discard(&self, partial: &Name) {
        let _ = fs::unlinkat(&self.dir, partial.as_os_str(), AtFlags::empty());
    }
}

impl AsFd for TargetDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// Against somebody who takes every name just before us.
const ATTEMPTS: u32 = 16;
