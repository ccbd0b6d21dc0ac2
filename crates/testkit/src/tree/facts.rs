//! Everything that is compared about one name of a tree.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{IFlags, OFlags, SeekFrom, ioctl_getflags, lgetxattr, llistxattr, seek};
use rustix::io::Errno;

/// What stands at one name.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) kind: &'static str,
    pub(super) size: Option<u64>,
    pub(super) mode: Option<u32>,
    pub(super) owner: (u32, u32),
    pub(super) modified: (i64, i64),
    pub(super) device: Option<u64>,
    pub(super) target: Option<PathBuf>,
    pub(super) xattrs: BTreeMap<OsString, Vec<u8>>,
    pub(super) flags: Option<IFlags>,
    pub(super) data: Vec<Range<u64>>,
    /// The same for all names of one file; only where there is more than one.
    pub(super) identity: Option<(u64, u64)>,
}

/// The flags that users set; the others tell how a file system keeps a file.
const USER_FLAGS: IFlags = IFlags::NODUMP
    .union(IFlags::NOATIME)
    .union(IFlags::APPEND)
    .union(IFlags::IMMUTABLE)
    .union(IFlags::DIRSYNC)
    .union(IFlags::SYNC);

/// Everything about a tree, by relative path; the root is `.`.
pub(super) fn read_tree(root: &Path) -> io::Result<BTreeMap<PathBuf, Facts>> {
    let mut tree = BTreeMap::new();
    tree.insert(PathBuf::from("."), Facts::read(root)?);
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let relative = folder.join(entry?.file_name());
            let facts = Facts::read(&root.join(&relative))?;
            if facts.kind == "folder" {
                folders.push(relative.clone());
            }
            tree.insert(relative, facts);
        }
    }
    Ok(tree)
}

impl Facts {
    fn read(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        let file_type = metadata.file_type();
        let is_file = file_type.is_file();
        let opened = if is_file || file_type.is_dir() {
            Some(open(path)?)
        } else {
            None
        };
        Ok(Self {
            kind: kind_of(file_type),
            size: is_file.then(|| metadata.size()),
            // The mode of a link means nothing and differs between systems.
            mode: (!file_type.is_symlink()).then(|| metadata.mode() & 0o7777),
            owner: (metadata.uid(), metadata.gid()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            device: is_device(file_type).then(|| metadata.rdev()),
            target: if file_type.is_symlink() {
                Some(fs::read_link(path)?)
            } else {
                None
            },
            xattrs: xattrs(path)?,
            flags: opened
                .as_ref()
                .and_then(|file| ioctl_getflags(file).ok())
                .map(|flags| flags & USER_FLAGS),
            data: match &opened {
                Some(file) if is_file => data_ranges(file, metadata.size())?,
                _ => Vec::new(),
            },
            identity: identity(&metadata),
        })
    }
}

/// Opens what is known to be a file or a folder, and nothing through a link.
pub(super) fn open(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
}

fn kind_of(file_type: FileType) -> &'static str {
    match file_type {
        found if found.is_file() => "file",
        found if found.is_dir() => "folder",
        found if found.is_symlink() => "link",
        found if found.is_fifo() => "pipe",
        found if found.is_socket() => "socket",
        found if found.is_block_device() => "block device",
        found if found.is_char_device() => "character device",
        _ => "unknown",
    }
}

fn is_device(file_type: FileType) -> bool {
    file_type.is_block_device() || file_type.is_char_device()
}

fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    let several = metadata.nlink() > 1 && !metadata.is_dir();
    several.then(|| (metadata.dev(), metadata.ino()))
}

fn xattrs(path: &Path) -> io::Result<BTreeMap<OsString, Vec<u8>>> {
    let mut xattrs = BTreeMap::new();
    let mut names = vec![0; 65_536];
    let length = match llistxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(errno) => return Err(errno.into()),
    };
    for name in names[..length].split(|byte| *byte == 0) {
        // Labels of a mandatory access control are the system's, given anew to every file.
        if name.is_empty() || name == b"security.selinux" {
            continue;
        }
        let mut value = vec![0; 65_536];
        let length = lgetxattr(path, OsStr::from_bytes(name), &mut value[..])?;
        value.truncate(length);
        xattrs.insert(OsString::from_vec(name.to_vec()), value);
    }
    Ok(xattrs)
}

/// The ranges of a file that are not holes.
pub(super) fn data_ranges(file: &File, size: u64) -> io::Result<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = seek(file, SeekFrom::Hole(start))?;
        ranges.push(start..end.min(size));
        at = end;
    }
    Ok(ranges)
}
