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
use super::metadata::{Applier, Origin, Subject};
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
        let subject = Subject {
            inode: Inode::Held(held.as_fd()),
            stat,
            origin: Origin::Unknown,
        };
        let problems = applier.apply(&subject, &node.metadata);
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

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::super::{Owners, SetIds};
    use super::*;
    use crate::format::node::{Device, Metadata};
    use crate::format::time::Timestamp;
    use crate::source::unprivileged::without_privileges;

    fn name(bytes: &[u8]) -> Name {
        Name::new(bytes).unwrap()
    }

    fn node(bytes: &[u8], kind: NodeKind) -> Node {
        let metadata = Metadata {
            mode: 0o4642,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            mtime: Timestamp {
                seconds: 1_234_567_890,
                nanoseconds: 5,
            },
            ..Metadata::default()
        };
        Node {
            name: name(bytes),
            metadata,
            kind,
        }
    }

    struct Target {
        dir: TargetDir,
        partials: Partials,
        applier: Applier,
    }

    impl Target {
        fn at(path: &Path) -> Self {
            Self {
                dir: TargetDir::open_root(path).unwrap(),
                partials: Partials::new([3; 16]),
                applier: Applier::new(Owners::Numeric, SetIds::Restore),
            }
        }

        fn make(&self, node: &Node, replace: Replace) -> Result<Option<Restored>, TargetError> {
            self.dir
                .make_special(node, &self.partials, &self.applier, replace)
        }
    }

    #[test]
    fn a_link_is_restored_with_its_own_time_and_replaces_what_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let target = Target::at(temp.path());
        std_fs::write(temp.path().join("link"), b"mine").unwrap();
        let link = node(
            b"link",
            NodeKind::Symlink {
                target: b"/etc/\xff".to_vec(),
            },
        );
        assert!(matches!(
            target.make(&link, Replace::Never),
            Err(TargetError::InTheWay)
        ));
        let made = target.make(&link, Replace::Allowed).unwrap().unwrap();
        assert!(made.problems.is_empty(), "{:?}", made.problems);
        let found = std_fs::symlink_metadata(temp.path().join("link")).unwrap();
        assert!(found.is_symlink());
        assert_eq!((found.mtime(), found.mtime_nsec()), (1_234_567_890, 5));
        assert_eq!(
            target.dir.dir().read_link(&name(b"link")).unwrap(),
            b"/etc/\xff"
        );
        assert_eq!(std_fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pipe_is_restored_with_its_mode() {
        let temp = tempfile::tempdir().unwrap();
        let target = Target::at(temp.path());
        let made = target
            .make(&node(b"pipe", NodeKind::Fifo), Replace::Never)
            .unwrap()
            .unwrap();
        assert!(made.problems.is_empty(), "{:?}", made.problems);
        let found = std_fs::symlink_metadata(temp.path().join("pipe")).unwrap();
        assert!(found.file_type().is_fifo());
        assert_eq!(found.mode() & 0o7777, 0o4642);
        assert_eq!(found.mtime(), 1_234_567_890);
    }

    #[test]
    fn sockets_are_counted_and_not_made() {
        let temp = tempfile::tempdir().unwrap();
        let target = Target::at(temp.path());
        assert!(
            target
                .make(&node(b"s", NodeKind::Socket), Replace::Never)
                .unwrap()
                .is_none()
        );
        assert_eq!(target.applier.shortfalls().counts().sockets, 1);
        assert_eq!(std_fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn devices_are_restored_by_root() {
        let temp = tempfile::tempdir().unwrap();
        let target = Target::at(temp.path());
        let device = Device { major: 1, minor: 3 };
        match target.make(&node(b"null", NodeKind::CharDevice(device)), Replace::Never) {
            Ok(made) => {
                assert!(made.unwrap().problems.is_empty());
                let seen = target.dir.look(&name(b"null")).unwrap().unwrap();
                assert_eq!((seen.kind, seen.device), (Kind::CharDevice, device));
            }
            Err(error) => {
                assert!(matches!(error, TargetError::NeedsRoot));
                println!("skipped: devices need root");
            }
        }
    }

    #[test]
    fn devices_of_an_ordinary_user_are_counted_and_leave_nothing() {
        let test = "devices_of_an_ordinary_user_are_counted_and_leave_nothing";
        without_privileges(module_path!(), test, || {
            let temp = tempfile::tempdir().unwrap();
            let target = Target::at(temp.path());
            let device = Device { major: 8, minor: 0 };
            let made = target.make(&node(b"sda", NodeKind::BlockDevice(device)), Replace::Never);
            assert!(matches!(made, Err(TargetError::NeedsRoot)));
            let counts = target.applier.shortfalls().counts();
            assert!(counts.devices == 1 && counts.needs_root());
            assert_eq!(std_fs::read_dir(temp.path()).unwrap().count(), 0);
        });
    }

    fn link_source(target: &Target, file: &[u8]) -> LinkSource {
        let id = target.dir.look(&name(file)).unwrap().unwrap().id;
        LinkSource {
            dir: target.dir.clone(),
            name: name(file),
            id,
        }
    }

    #[test]
    fn a_hard_link_joins_the_restored_inode_and_may_be_made_twice() {
        let temp = tempfile::tempdir().unwrap();
        let target = Target::at(temp.path());
        std_fs::write(temp.path().join("one"), b"x").unwrap();
        let source = link_source(&target, b"one");
        let sub = target
            .dir
            .make_dir(&name(b"sub"), Replace::Never)
            .unwrap()
            .0;
        for _ in 0..2 {
            sub.make_hard_link(&source, &name(b"two"), &target.partials, Replace::Allowed)
                .unwrap();
        }
        let found = std_fs::metadata(temp.path().join("sub/two")).unwrap();
        assert_eq!((found.ino(), found.nlink()), (source.id.ino, 2));
        let refused = sub.make_hard_link(&source, &name(b"two"), &target.partials, Replace::Never);
        assert!(matches!(refused, Err(TargetError::InTheWay)));
        assert_eq!(
            std_fs::read_dir(temp.path().join("sub")).unwrap().count(),
            1
        );
    }

    #[test]
    fn what_was_exchanged_under_the_first_name_is_not_linked_in() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("shadow");
        std_fs::write(&secret, b"secret").unwrap();
        let temp = tempfile::tempdir_in(outside.path()).unwrap();
        let target = Target::at(temp.path());
        let one = temp.path().join("one");
        std_fs::write(&one, b"x").unwrap();
        let source = link_source(&target, b"one");
        let plant: [&dyn Fn(); 2] = [&|| std_fs::hard_link(&secret, &one).unwrap(), &|| {
            symlink(&secret, &one).unwrap();
        }];
        for (round, plant) in plant.iter().enumerate() {
            // The restored inode lives on under another name, so its number is not used again.
            std_fs::rename(&one, outside.path().join(round.to_string())).unwrap();
            plant();
            let made = target.dir.make_hard_link(
                &source,
                &name(b"two"),
                &target.partials,
                Replace::Allowed,
            );
            assert!(matches!(made, Err(TargetError::Replaced)));
            assert_eq!(std_fs::read_dir(temp.path()).unwrap().count(), 1);
        }
        assert_eq!(
            std_fs::metadata(&secret).unwrap().permissions().mode() & 0o777,
            0o644
        );
    }

    #[test]
    fn a_file_put_in_place_of_a_partial_link_does_not_get_its_owner_and_mode() {
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("victim");
        std_fs::write(&victim, b"x").unwrap();
        let before = std_fs::metadata(&victim).unwrap();
        let temp = tempfile::tempdir_in(outside.path()).unwrap();
        let target = Target::at(temp.path());
        let partial = target.partials.next().unwrap();
        // What somebody fast would do between the making and the holding.
        std_fs::hard_link(&victim, temp.path().join(partial.as_os_str())).unwrap();
        for kind in [Kind::File, Kind::Fifo, Kind::Symlink] {
            let link = node(b"link", NodeKind::Fifo);
            let made = target
                .dir
                .finish_special(&partial, kind, &link, &target.applier);
            assert!(matches!(made, Err(TargetError::Replaced)));
        }
        let after = std_fs::metadata(&victim).unwrap();
        assert_eq!(
            (before.mode(), before.mtime()),
            (after.mode(), after.mtime())
        );
    }

    #[test]
    fn what_belongs_to_somebody_else_was_not_made_by_this_restore() {
        let temp = tempfile::tempdir().unwrap();
        let target = Target::at(temp.path());
        let partial = target.partials.next().unwrap();
        let planted = temp.path().join(partial.as_os_str());
        fs::mkfifoat(fs::CWD, &planted, Mode::RWXU).unwrap();
        let pipe = node(b"pipe", NodeKind::Fifo);
        let finish = || {
            target
                .dir
                .finish_special(&partial, Kind::Fifo, &pipe, &target.applier)
        };
        assert!(finish().is_ok());
        if std::os::unix::fs::lchown(&planted, Some(1234), None).is_err() {
            println!("skipped: giving files away needs root");
            return;
        }
        assert!(matches!(finish(), Err(TargetError::Replaced)));
    }
}
