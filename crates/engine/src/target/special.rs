//! Everything that is neither a file nor a directory: links, pipes, devices, sockets.
//!
//! Made under a partial name, held, given its metadata through the handle, then renamed.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::dir::{Replace, TargetDir};
use super::error::TargetError;
use super::file::Restored;
use super::inode::{Inode, is_ours};
use super::metadata::Applier;
use super::partial::Partials;
use super::shortfalls::Shortfall;
use crate::format::name::Name;
use crate::format::node::{Node, NodeKind};
use crate::source::{FileId, Kind, Stat};

/// The first restored name of a hard-link group.
#[derive(Debug, Clone)]
pub struct LinkSource {
    /// The directory it is in.
    pub dir: TargetDir,
    /// Its name there.
    pub name: Name,
    /// Its inode, as its restore reported it.
    pub id: FileId,
}

impl TargetDir {
    /// Makes a symbolic link, pipe or device from its node; `None` for a socket, which is
    /// counted and not made.
    ///
    /// Fails with [`TargetError::NeedsRoot`] for a device an ordinary user cannot make (it is
    /// counted too), and refuses files and directories, which have ways of their own.
    pub fn make_special(
        &self,
        node: &Node,
        partials: &Partials,
        applier: &Applier,
        replace: Replace,
    ) -> Result<Option<Restored>, TargetError> {
        let (kind, partial) = match &node.kind {
            NodeKind::Symlink { target } => {
                let target = target.as_slice();
                let made = self.make_partial(partials, "make the link", |name| {
                    fs::symlinkat(target, self, name.as_os_str())
                })?;
                (Kind::Symlink, made.0)
            }
            NodeKind::Fifo => (
                Kind::Fifo,
                self.make_node(partials, FileType::Fifo, 0, applier)?,
            ),
            NodeKind::CharDevice(device) => {
                let number = fs::makedev(device.major, device.minor);
                let kind = FileType::CharacterDevice;
                (
                    Kind::CharDevice,
                    self.make_node(partials, kind, number, applier)?,
                )
            }
            NodeKind::BlockDevice(device) => {
                let number = fs::makedev(device.major, device.minor);
                let kind = FileType::BlockDevice;
                (
                    Kind::BlockDevice,
                    self.make_node(partials, kind, number, applier)?,
                )
            }
            NodeKind::Socket => {
                applier.shortfalls().add(Shortfall::Socket);
                return Ok(None);
            }
            NodeKind::File { .. } | NodeKind::Directory { .. } => {
                return Err(TargetError::new("make it as a special file", Errno::INVAL));
            }
        };
        let restored = self
            .finish_special(&partial, kind, node, applier)
            .and_then(|restored| {
                self.publish(&partial, &node.name, replace)?;
                Ok(restored)
            });
        if restored.is_err() {
            self.discard(&partial);
        }
        restored.map(Some)
    }

    fn make_node(
        &self,
        partials: &Partials,
        kind: FileType,
        device: u64,
        applier: &Applier,
    ) -> Result<Name, TargetError> {
        let made = self.make_partial(partials, "make the special file", |name| {
            fs::mknodat(
                self,
                name.as_os_str(),
                kind,
                Mode::RUSR | Mode::WUSR,
                device,
            )
        });
        match made {
            Ok((name, ())) => Ok(name),
            Err(TargetError::Refused { source, .. })
                if kind != FileType::Fifo
                    && source.raw_os_error() == Some(Errno::PERM.raw_os_error()) =>
            {
                applier.shortfalls().add(Shortfall::Device);
                Err(TargetError::NeedsRoot)
            }
            Err(error) => Err(error),
        }
    }

    fn finish_special(
        &self,
        partial: &Name,
        kind: Kind,
        node: &Node,
        applier: &Applier,
    ) -> Result<Restored, TargetError> {
        let (held, stat) = self.hold(partial)?;
        // Somebody may have put another inode under the partial name, for example a hard
        // link to a file outside whose owner we would change.
        if stat.kind != kind || stat.nlink != 1 || !is_ours(&held, &stat) {
            return Err(TargetError::Replaced);
        }
        let problems = applier.apply(Inode::Held(held.as_fd()), kind, &node.metadata);
        Ok(Restored {
            id: stat.id,
            problems,
        })
    }

    /// Holds an entry of any kind without opening it.
    fn hold(&self, name: &Name) -> Result<(OwnedFd, Stat), TargetError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = fs::openat(self, name.as_os_str(), flags, Mode::empty())
            .map_err(|errno| TargetError::new("hold it", errno))?;
        let stat = Stat::of(&held).map_err(|errno| TargetError::new("look at it", errno))?;
        Ok((held, stat))
    }

    /// Makes `name` another name of what was restored as `source`.
    ///
    /// The link is made first and then looked at: only if it is the restored inode does it
    /// get its name, so nothing exchanged under the old name can be linked in.
    pub fn make_hard_link(
        &self,
        source: &LinkSource,
        name: &Name,
        partials: &Partials,
        replace: Replace,
    ) -> Result<(), TargetError> {
        let (partial, ()) = self.make_partial(partials, "make the hard link", |partial| {
            self.link(source.dir.dir(), &source.name, partial)
        })?;
        let published = match self.dir().stat(&partial) {
            Ok(stat) if stat.id == source.id => self.publish(&partial, name, replace),
            Ok(_) => Err(TargetError::Replaced),
            Err(error) => Err(error.into()),
        };
        // Renaming onto another name of the same inode does nothing and leaves both.
        self.discard(&partial);
        published
    }
}
