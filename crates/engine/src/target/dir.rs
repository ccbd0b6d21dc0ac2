//! A held directory of the target.

use std::ffi::CStr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::error::TargetError;
use super::inode::is_ours;
use super::partial::Partials;
use crate::format::name::Name;
use crate::source::{Attributed, Dir, Listing, SourceError, Stat, read_flags};

/// An open directory of the target; clones share the handle.
#[derive(Debug, Clone)]
pub struct TargetDir {
    dir: Arc<Dir>,
    bequest: Arc<OnceLock<Bequest>>,
}

/// What new entries get from their directory without being asked, beside an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bequest {
    /// No flags and no access list; and nobody but this user could change that.
    Nothing,
    /// Perhaps some.
    Unknown,
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
        let bequest = Arc::default();
        Self { dir, bequest }
    }

    /// What new entries get from it. Asked once, so that not every file in it has to be.
    pub(crate) fn bequest(&self) -> Bequest {
        *self.bequest.get_or_init(|| {
            let ours = self
                .stat_self()
                .is_ok_and(|stat| stat.uid == rustix::process::geteuid().as_raw());
            let no_flags = matches!(read_flags(&self.dir), Ok(None));
            let no_list = Attributed::open(&self.dir)
                .names()
                .is_ok_and(|names| names.iter().all(|name| name.as_c_str() != DEFAULT_LIST));
            if ours && no_flags && no_list {
                Bequest::Nothing
            } else {
                Bequest::Unknown
            }
        })
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

    /// Whether it knows its entries by their names in any case.
    pub(crate) fn ignores_case(&self, partials: &Partials) -> Result<bool, TargetError> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let (partial, _) = self.make_partial(partials, "make a file to try out", |name| {
            fs::openat(&self.dir, name.as_os_str(), flags, Mode::RUSR | Mode::WUSR)
        })?;
        let upper = Name::new(&partial.as_bytes().to_ascii_uppercase());
        let found = upper.map_or(Ok(None), |upper| self.look(&upper));
        self.discard(&partial);
        Ok(found?.is_some())
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

/// The access list that a directory gives to what is made in it.
const DEFAULT_LIST: &CStr = c"system.posix_acl_default";

/// Against somebody who takes every name just before us.
const ATTEMPTS: u32 = 16;

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::source::Kind;

    fn name(bytes: &[u8]) -> Name {
        Name::new(bytes).unwrap()
    }

    #[test]
    fn the_target_is_made_and_its_own_path_may_be_a_link() {
        let temp = tempfile::tempdir().unwrap();
        TargetDir::open_root(&temp.path().join("a/b")).unwrap();
        symlink("a", temp.path().join("link")).unwrap();
        let dir = TargetDir::open_root(&temp.path().join("link/b")).unwrap();
        dir.make_dir(&name(b"new"), Replace::Never).unwrap();
        assert!(temp.path().join("a/b/new").is_dir());
    }

    #[test]
    fn a_new_folder_is_closed_to_others_and_an_existing_one_is_entered() {
        let temp = tempfile::tempdir().unwrap();
        let root = TargetDir::open_root(temp.path()).unwrap();
        let (dir, made) = root.make_dir(&name(b"d"), Replace::Never).unwrap();
        assert_eq!(made, Made::New);
        assert_eq!(dir.stat_self().unwrap().mode, 0o700);
        let again = root.make_dir(&name(b"d"), Replace::Never).unwrap().1;
        assert!(matches!(again, Made::Existing(stat) if stat.id == dir.stat_self().unwrap().id));
    }

    #[test]
    fn a_link_planted_in_place_of_a_folder_is_replaced_or_refused_and_never_followed() {
        let outside = tempfile::tempdir().unwrap();
        let temp = tempfile::tempdir().unwrap();
        let evil = temp.path().join("evil");
        let root = TargetDir::open_root(temp.path()).unwrap();
        symlink(outside.path(), &evil).unwrap();
        assert!(matches!(
            root.open_dir(&name(b"evil")),
            Err(TargetError::Replaced)
        ));
        let refused = root.make_dir(&name(b"evil"), Replace::Never);
        assert!(matches!(refused, Err(TargetError::InTheWay)));
        assert!(evil.is_symlink());
        let (dir, made) = root.make_dir(&name(b"evil"), Replace::Allowed).unwrap();
        assert_eq!(made, Made::New);
        dir.make_dir(&name(b"passwd"), Replace::Allowed).unwrap();
        assert!(!evil.is_symlink() && evil.join("passwd").is_dir());
        assert_eq!(std_fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_place_of_a_folder_is_replaced_or_refused() {
        let temp = tempfile::tempdir().unwrap();
        std_fs::write(temp.path().join("f"), b"mine").unwrap();
        let root = TargetDir::open_root(temp.path()).unwrap();
        let refused = root.make_dir(&name(b"f"), Replace::Never);
        assert!(matches!(refused, Err(TargetError::InTheWay)));
        assert_eq!(std_fs::read(temp.path().join("f")).unwrap(), b"mine");
        root.make_dir(&name(b"f"), Replace::Allowed).unwrap();
        assert_eq!(
            root.look(&name(b"f")).unwrap().unwrap().kind,
            Kind::Directory
        );
        assert!(root.look(&name(b"none")).unwrap().is_none());
    }

    #[test]
    fn an_own_folder_that_refuses_writing_is_opened_up_unless_nothing_may_change() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("d");
        std_fs::create_dir(&path).unwrap();
        std_fs::set_permissions(&path, PermissionsExt::from_mode(0o555)).unwrap();
        let root = TargetDir::open_root(temp.path()).unwrap();
        let mode = || std_fs::metadata(&path).unwrap().mode() & 0o7777;
        root.make_dir(&name(b"d"), Replace::Never).unwrap();
        assert_eq!(mode(), 0o555);
        let made = root.make_dir(&name(b"d"), Replace::Allowed).unwrap().1;
        assert!(matches!(made, Made::Existing(stat) if stat.mode == 0o555));
        assert_eq!(mode(), 0o755);
    }

    #[test]
    fn somebody_who_swaps_folders_for_links_all_the_time_gains_nothing() {
        use super::super::{Applier, Owners, SetIds};
        use std::sync::atomic::{AtomicBool, Ordering};
        let outside = tempfile::tempdir().unwrap();
        let temp = tempfile::tempdir().unwrap();
        let (place, aside) = (temp.path().join("d"), temp.path().join("aside"));
        let root = TargetDir::open_root(temp.path()).unwrap();
        let partials = Partials::new([9; 16]);
        let applier = Applier::new(Owners::Numeric, SetIds::Restore);
        let metadata = crate::format::node::Metadata::default();
        let done = AtomicBool::new(false);
        let (mut written, mut refused) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = std_fs::rename(&place, &aside);
                    let _ = symlink(outside.path(), &place);
                    std::thread::yield_now();
                    let _ = std_fs::remove_file(&place);
                    let _ = std_fs::remove_dir_all(&aside);
                }
            });
            for _ in 0..2_000 {
                let restored = root
                    .make_dir(&name(b"d"), Replace::Allowed)
                    .and_then(|(dir, _)| {
                        let pending = dir.create_file(&partials, &metadata)?;
                        pending.write_at(0, b"x")?;
                        pending.commit(&name(b"passwd"), &metadata, &applier, Replace::Allowed)
                    });
                match restored {
                    Ok(_) => written += 1,
                    Err(_) => refused += 1,
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(std_fs::read_dir(outside.path()).unwrap().count(), 0);
        // Both happened, or nothing was raced.
        assert!(written > 0, "{written} written, {refused} refused");
    }

    #[test]
    fn whether_case_is_ignored_is_tried_out_and_nothing_is_left_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = TargetDir::open_root(folder.path()).expect("opened");
        let entries = || std_fs::read_dir(folder.path()).expect("listed").count();
        assert!(!dir.ignores_case(&Partials::new([7; 16])).expect("tried"));
        assert_eq!(entries(), 0);
        // As a file system shows it that ignores case: the name is there in capitals.
        let next = Partials::new([8; 16]).next().expect("a name");
        let capitals = next.as_os_str().to_str().expect("text").to_uppercase();
        std_fs::write(folder.path().join(capitals), "").expect("written");
        assert!(dir.ignores_case(&Partials::new([8; 16])).expect("tried"));
        assert_eq!(entries(), 1);
    }
}
