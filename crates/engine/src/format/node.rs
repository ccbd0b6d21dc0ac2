//! A directory entry as a snapshot keeps it (docs/format.md §11).

use ownkey_crypto::ChunkId;

use super::name::Name;
use super::time::Timestamp;

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name in the directory.
    pub name: Name,
    /// What all kinds have.
    pub metadata: Metadata,
    /// What it is, and what only that kind has.
    pub kind: NodeKind,
}

/// Metadata that every kind of node has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Permission bits, setuid, setgid and sticky among them: the low 12 bits of `st_mode`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// The owner's name on the machine that was backed up.
    pub user: Option<String>,
    /// The group's name on the machine that was backed up.
    pub group: Option<String>,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Birth time, where the file system tells; recorded, never restored.
    pub btime: Option<Timestamp>,
    /// Nodes of one snapshot with the same number are one inode; ≥ 1, never on directories.
    pub link_group: Option<u64>,
    /// Extended attributes ascending by name, POSIX ACLs among them.
    pub xattrs: Vec<Xattr>,
    /// Inode flags (`chattr`), where the file system has them and any is set.
    pub flags: Option<u32>,
}

/// One extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// Full name with its namespace, for example `user.comment`.
    pub name: Vec<u8>,
    /// The bytes the kernel gives.
    pub value: Vec<u8>,
}

/// The kinds of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File {
        /// Apparent size in bytes, holes included.
        size: u64,
        /// The data; with `extents` only theirs, one after another.
        content: Stream,
        /// Where the data lies, if the file has holes.
        extents: Option<Extents>,
    },
    /// A directory; the stream holds its nodes.
    Directory {
        /// The encoded nodes.
        content: Stream,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points: any bytes without NUL.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A Unix socket: recorded, not restored.
    Socket,
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
}

/// A device number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// Where to find a run of bytes of any length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    /// Length of the joined bytes.
    pub length: u64,
    /// 0: `ids` are the chunks themselves; d: they list the ids of depth d − 1.
    pub depth: u8,
    /// At most [`Stream::MAX_IDS`].
    pub ids: Vec<ChunkId>,
}

impl Stream {
    /// More ids than this become a list of their own.
    pub const MAX_IDS: usize = 1_024;
    /// Deep enough for 2^64 bytes, shallow enough to recurse.
    pub const MAX_DEPTH: u8 = 4;
}

/// The extents of a sparse file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extents {
    /// Up to [`Extents::MAX_INLINE`], in the node.
    Inline(Vec<Extent>),
    /// More: a stream of list chunks with the same bytes.
    Listed(Stream),
}

impl Extents {
    /// More extents than this become a list.
    pub const MAX_INLINE: usize = 1_024;
}

/// A run of data in a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it starts, in bytes.
    pub offset: u64,
    /// How long it is, in bytes; not 0.
    pub length: u64,
}
