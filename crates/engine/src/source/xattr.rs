//! Extended attributes of one inode, read and written.
//!
//! Files and directories go through their open handle. Symbolic links and special files
//! cannot be opened for reading; theirs are reached through `/proc/self/fd/N`, which the
//! kernel resolves to the held inode, never to a path. Without `/proc` they have none, and
//! the caller is told.

use std::ffi::CString;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{self, XattrFlags};
use rustix::io::Errno;

use crate::format::name::Name;
use crate::format::node::Xattr;

/// An inode whose attributes are wanted.
#[derive(Debug, Clone)]
pub(crate) enum Attributed<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// Something below `/proc/self/fd`: the inode itself or a name in a held directory.
    /// The last component is never followed as an ordinary link.
    Proc(CString, Last),
}

/// What the last component of a `/proc/self/fd` path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// The magic link itself: following it lands on the held inode and nowhere else.
    Magic,
    /// A name in a held directory: must not be followed.
    Entry,
}

/// The attributes of one inode.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) xattrs: Vec<Xattr>,
    /// How many there are beyond the limits.
    pub(crate) left_out: usize,
}

impl<'a> Attributed<'a> {
    /// An open file or directory (not `O_PATH`).
    pub(crate) fn open<Fd: AsFd>(fd: &'a Fd) -> Self {
        Self::Open(fd.as_fd())
    }

    /// The inode an `O_PATH` handle holds.
    pub(crate) fn held<Fd: AsFd>(fd: &Fd) -> Self {
        let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        Self::Proc(c_string(path.into_bytes()), Last::Magic)
    }

    /// The entry `name` of the directory `dir`.
    pub(crate) fn entry<Fd: AsFd>(dir: &Fd, name: &Name) -> Self {
        let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
        path.extend_from_slice(name.as_bytes());
        Self::Proc(c_string(path), Last::Entry)
    }

    /// All attributes, ascending by name; none where the file system has none. What goes beyond
    /// the format's limits is left out and counted.
    pub(crate) fn read(&self) -> Result<Attributes, Errno> {
        let mut names = self.names()?;
        names.sort_unstable();
        let mut attributes = Attributes::default();
        let mut bytes = 0;
        for name in names {
            if attributes.xattrs.len() >= MOST || bytes >= MOST_BYTES {
                attributes.left_out += 1;
                continue;
            }
            match self.value(&name) {
                Ok(value) => {
                    bytes += name.as_bytes().len() + value.len();
                    let name = name.into_bytes();
                    attributes.xattrs.push(Xattr { name, value });
                }
                // Removed between the listing and now.
                Err(Errno::NODATA) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(attributes)
    }

    /// The names of all attributes.
    pub(crate) fn names(&self) -> Result<Vec<CString>, Errno> {
        let listed = grow(LIST_GUESS, |buffer| match self {
            Self::Open(fd) => fs::flistxattr(fd, buffer),
            Self::Proc(path, Last::Magic) => fs::listxattr(path, buffer),
            Self::Proc(path, Last::Entry) => fs::llistxattr(path, buffer),
        });
        match listed {
            Ok(list) => Ok(list
                .split(|byte| *byte == 0)
                .filter(|name| !name.is_empty())
                .map(|name| c_string(name.to_vec()))
                .collect()),
            Err(Errno::NOTSUP) => Ok(Vec::new()),
            Err(errno) => Err(errno),
        }
    }

    fn value(&self, name: &CString) -> Result<Vec<u8>, Errno> {
        grow(VALUE_GUESS, |buffer| match self {
            Self::Open(fd) => fs::fgetxattr(fd, name, buffer),
            Self::Proc(path, Last::Magic) => fs::getxattr(path, name, buffer),
            Self::Proc(path, Last::Entry) => fs::lgetxattr(path, name, buffer),
        })
    }

    /// Creates or replaces one attribute.
    pub(crate) fn set(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        let flags = XattrFlags::empty();
        match self {
            Self::Open(fd) => fs::fsetxattr(fd, &name, value, flags),
            Self::Proc(path, Last::Magic) => fs::setxattr(path, &name, value, flags),
            Self::Proc(path, Last::Entry) => fs::lsetxattr(path, &name, value, flags),
        }
    }

    /// Removes one attribute.
    pub(crate) fn remove(&self, name: &CString) -> Result<(), Errno> {
        match self {
            Self::Open(fd) => fs::fremovexattr(fd, name),
            Self::Proc(path, Last::Magic) => fs::removexattr(path, name),
            Self::Proc(path, Last::Entry) => fs::lremovexattr(path, name),
        }
    }
}

/// Whether `/proc` is missing rather than the inode: the errors a path below an unmounted
/// `/proc` gives. The inode itself is held, so it cannot be what is absent.
pub(crate) fn is_absent(errno: Errno) -> bool {
    errno == Errno::NOENT || errno == Errno::NOTDIR
}

/// Calls `read` with growing buffers until the answer fits.
fn grow<F>(guess: usize, mut read: F) -> Result<Vec<u8>, Errno>
where
    F: FnMut(&mut [u8]) -> Result<usize, Errno>,
{
    let mut buffer = vec![0; guess];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < LARGEST => {
                let longer = (buffer.len() * 4).min(LARGEST);
                buffer.resize(longer, 0);
            }
            Err(errno) => return Err(errno),
        }
    }
}

/// Cuts at a NUL, which neither the kernel nor a `Name` can contain.
fn c_string(mut bytes: Vec<u8>) -> CString {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    CString::new(bytes).unwrap_or_default()
}

/// Most files have no attribute or one or two.
const LIST_GUESS: usize = 256;
/// ACLs and capabilities are shorter.
const VALUE_GUESS: usize = 256;
/// The kernel gives at most 64 KiB; 1 MiB is what the format takes (docs/format.md §14).
const LARGEST: usize = 1 << 20;
/// Of one node (docs/format.md §14).
const MOST: usize = 1_024;
/// Leaves a node of at most 16 MiB room for the rest; the last one may add 64 KiB.
const MOST_BYTES: usize = 8 << 20;
