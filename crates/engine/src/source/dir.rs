//! A held directory.
//!
//! Every look-up below it is one component relative to the handle and follows no symbolic
//! link, so that renaming or replacing anything above or beside it cannot lead elsewhere.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::error::SourceError;
use super::file::File;
use super::stat::{Follow, Kind, Stat};
use crate::format::name::{InvalidName, Name};

/// An open directory.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    access: Access,
    listing: Mutex<()>,
}

/// What a handle is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Listing and look-ups.
    List,
    /// Look-ups only (`O_PATH`): a directory that may be passed but not read.
    Pass,
}

/// The entries of a directory, as far as they could be read.
#[derive(Debug, Default)]
pub struct Listing {
    /// Ascending by bytes, without `.` and `..`.
    pub names: Vec<Name>,
    /// Names that only a broken file system gives.
    pub refused: Vec<InvalidName>,
    /// Why the listing ended early, if it did.
    pub error: Option<SourceError>,
}

const LIST: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// Some hundred entries a call.
const LIST_BUFFER: usize = 32 << 10;
const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Dir {
    /// Opens the directory at `path`, symbolic links followed: the user named it.
    pub fn open_root(path: &Path) -> Result<Self, SourceError> {
        Self::open(CWD, path.as_os_str(), OFlags::empty())
    }

    /// Opens the directory `name`; a symbolic link in its place is an error.
    pub fn open_child(&self, name: &Name) -> Result<Self, SourceError> {
        Self::open(&self.fd, name.as_os_str(), OFlags::NOFOLLOW)
    }

    /// Opens the directory `name` leads to: the user named it.
    pub(crate) fn open_folder(&self, name: &Name) -> Result<Self, SourceError> {
        Self::open(&self.fd, name.as_os_str(), OFlags::empty())
    }

    /// Opens a directory on the way to what the user named: links are followed, and it need
    /// not be readable.
    pub(crate) fn open_passage(&self, name: &Name) -> Result<Self, SourceError> {
        Self::pass(&self.fd, name.as_os_str())
    }

    /// Opens `/` as the start of every passage.
    pub(crate) fn open_top() -> Result<Self, SourceError> {
        Self::pass(CWD, OsStr::new("/"))
    }

    fn pass<Fd: AsFd>(at: Fd, path: &OsStr) -> Result<Self, SourceError> {
        match Self::open(&at, path, OFlags::empty()) {
            Err(SourceError::Refused { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                let fd = fs::openat(at, path, PASS, Mode::empty())
                    .map_err(|errno| SourceError::new("open the folder", errno))?;
                Ok(Self::new(fd, Access::Pass))
            }
            other => other,
        }
    }

    fn new(fd: OwnedFd, access: Access) -> Self {
        Self {
            fd,
            access,
            listing: Mutex::new(()),
        }
    }

    /// Takes a handle opened for reading a directory.
    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self::new(fd, Access::List)
    }

    /// Opens what is above; the caller compares the inode.
    pub(crate) fn open_parent(&self) -> Result<Self, SourceError> {
        Self::open(&self.fd, "..", OFlags::NOFOLLOW)
    }

    fn open<Fd: AsFd, P: rustix::path::Arg>(
        at: Fd,
        path: P,
        follow: OFlags,
    ) -> Result<Self, SourceError> {
        let fd =
            fs::openat(at, path, LIST | follow, Mode::empty()).map_err(|errno| match errno {
                // O_NOFOLLOW answers LOOP for a link, O_DIRECTORY answers NOTDIR for the rest.
                Errno::LOOP | Errno::NOTDIR => SourceError::Replaced,
                errno => SourceError::new("open the folder", errno),
            })?;
        Ok(Self::new(fd, Access::List))
    }

    /// Lists the directory. Never fails as a whole: what was read before an error is kept.
    pub fn list(&self) -> Listing {
        let mut listing = Listing::default();
        if let Err(errno) = self.read_entries(&mut listing) {
            listing.error = Some(SourceError::new("list the whole folder", errno));
        }
        listing.names.sort_unstable();
        listing
    }

    fn read_entries(&self, listing: &mut Listing) -> Result<(), Errno> {
        // The position belongs to the handle: two listings at once would each get a part.
        let _one_at_a_time = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        fs::seek(&self.fd, SeekFrom::Start(0))?;
        let mut buffer = Vec::with_capacity(LIST_BUFFER);
        let mut entries = fs::RawDir::new(&self.fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            };
            let bytes = entry.file_name().to_bytes();
            if bytes == b"." || bytes == b".." {
                continue;
            }
            match Name::new(bytes) {
                Ok(name) => listing.names.push(name),
                Err(invalid) => listing.refused.push(invalid),
            }
        }
        Ok(())
    }

    /// One `statx` of an entry, a symbolic link itself.
    pub fn stat(&self, name: &Name) -> Result<Stat, SourceError> {
        Stat::at(&self.fd, name.as_os_str(), Follow::Never)
            .map_err(|errno| SourceError::new("look at it", errno))
    }

    /// One `statx` of what an entry leads to.
    pub(crate) fn stat_following(&self, name: &Name) -> Result<Stat, SourceError> {
        Stat::at(&self.fd, name.as_os_str(), Follow::Last)
            .map_err(|errno| SourceError::new("look at it", errno))
    }

    /// One `statx` of the directory itself.
    pub fn stat_self(&self) -> Result<Stat, SourceError> {
        Stat::of(&self.fd).map_err(|errno| SourceError::new("look at the folder", errno))
    }

    /// Where the symbolic link `name` points, as bytes.
    pub fn read_link(&self, name: &Name) -> Result<Vec<u8>, SourceError> {
        fs::readlinkat(&self.fd, name.as_os_str(), Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|errno| match errno {
                // It was a link when the walk looked.
                Errno::INVAL => SourceError::Replaced,
                errno => SourceError::new("read where the link points", errno),
            })
    }

    /// Opens the regular file `name` for reading, if it still is the inode of `expected`.
    pub fn open_file(&self, name: &Name, expected: &Stat) -> Result<File, SourceError> {
        File::open(self, name, expected)
    }

    /// Whether `name` is a regular file that begins with `header`.
    pub(crate) fn file_starts_with(&self, name: &Name, header: &[u8]) -> bool {
        let Ok(stat) = self.stat(name) else {
            return false;
        };
        if stat.kind != Kind::File {
            return false;
        }
        if header.is_empty() {
            return true;
        }
        let Ok(file) = self.open_file(name, &stat) else {
            return false;
        };
        let mut start = vec![0; header.len()];
        matches!(file.read_at(0, &mut start), Ok(read) if read == header.len()) && start == header
    }

    /// Whether attributes and flags can be asked of the handle itself.
    pub(crate) fn is_readable(&self) -> bool {
        self.access == Access::List
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn name(bytes: &[u8]) -> Name {
        Name::new(bytes).unwrap()
    }

    #[test]
    fn a_listing_is_sorted_by_bytes_and_keeps_names_of_any_bytes() {
        let temp = tempfile::tempdir().unwrap();
        let wanted: [&[u8]; 6] = [b"\x01\x1b[31m", b"\na", b"A", b"a", b"a.b", b"\xff\xfe"];
        for bytes in wanted.iter().rev() {
            std_fs::write(temp.path().join(OsStr::from_bytes(bytes)), b"").unwrap();
        }
        let listing = Dir::open_root(temp.path()).unwrap().list();
        assert!(listing.error.is_none() && listing.refused.is_empty());
        let found: Vec<_> = listing.names.iter().map(Name::as_bytes).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_link_is_not_a_directory_below_the_root() {
        let temp = tempfile::tempdir().unwrap();
        symlink("/etc", temp.path().join("evil")).unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        assert!(matches!(
            dir.open_child(&name(b"evil")),
            Err(SourceError::Replaced)
        ));
        assert!(dir.open_passage(&name(b"evil")).is_ok());
        assert_eq!(dir.stat(&name(b"evil")).unwrap().kind, Kind::Symlink);
        assert_eq!(dir.read_link(&name(b"evil")).unwrap(), b"/etc");
    }

    #[test]
    fn what_is_gone_vanished_and_what_changed_its_kind_was_replaced() {
        let temp = tempfile::tempdir().unwrap();
        std_fs::write(temp.path().join("file"), b"x").unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        assert!(matches!(
            dir.stat(&name(b"gone")),
            Err(SourceError::Vanished)
        ));
        assert!(matches!(
            dir.open_child(&name(b"gone")),
            Err(SourceError::Vanished)
        ));
        assert!(matches!(
            dir.open_child(&name(b"file")),
            Err(SourceError::Replaced)
        ));
        assert!(matches!(
            dir.read_link(&name(b"file")),
            Err(SourceError::Replaced)
        ));
    }

    #[test]
    fn a_tag_counts_only_as_a_regular_file_with_the_header() {
        let temp = tempfile::tempdir().unwrap();
        std_fs::write(temp.path().join("tag"), b"Signature: 1234 and more").unwrap();
        std_fs::write(temp.path().join("short"), b"Sig").unwrap();
        symlink("tag", temp.path().join("link")).unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        assert!(dir.file_starts_with(&name(b"tag"), b"Signature: 1234"));
        assert!(dir.file_starts_with(&name(b"tag"), b""));
        assert!(!dir.file_starts_with(&name(b"tag"), b"Signature: 9"));
        assert!(!dir.file_starts_with(&name(b"short"), b"Signature: 1234"));
        assert!(!dir.file_starts_with(&name(b"link"), b""));
        assert!(!dir.file_starts_with(&name(b"none"), b""));
    }
}
