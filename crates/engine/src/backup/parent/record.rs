//! What a record says of one entry, in the bytes it is kept in.
//!
//! Of an entry that has not changed the trees need the bytes of its node and hardly what they
//! mean: most pass from one record to the next, and into the tree, without being decoded.

use std::cmp::Ordering;

use crate::format::cbor;
use crate::format::node::{Node, NodeKind};
use crate::format::time::Timestamp;
use crate::source::{FileId, Fingerprint};

/// What has to be known of a node to take it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// A file of so many bytes that is whole in the bytes of its node.
    File(u64),
    /// Something else that is.
    Other,
    /// A directory, whose content is still to come, or a name of an inode with several.
    Incomplete,
}

impl Nature {
    fn of(node: &Node) -> Self {
        match &node.kind {
            _ if node.metadata.link_group.is_some() => Self::Incomplete,
            NodeKind::Directory { .. } => Self::Incomplete,
            NodeKind::File { size, .. } => Self::File(*size),
            _ => Self::Other,
        }
    }

    fn append(self, to: &mut Vec<u8>) {
        let (number, size) = match self {
            Self::File(size) => (0, size),
            Self::Other => (1, 0),
            Self::Incomplete => (2, 0),
        };
        to.push(number);
        to.extend_from_slice(&size.to_le_bytes());
    }

    fn read(from: &mut Fields<'_>) -> Option<Self> {
        let [number] = from.take()?;
        let size = u64::from_le_bytes(from.take()?);
        match number {
            0 => Some(Self::File(size)),
            1 => Some(Self::Other),
            2 => Some(Self::Incomplete),
            _ => None,
        }
    }
}

/// One entry as it was backed up last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'r> {
    /// All of it but its length.
    bytes: &'r [u8],
    path: &'r [u8],
    node: &'r [u8],
    pub(crate) nature: Nature,
    pub(crate) fingerprint: Fingerprint,
}

impl<'r> Record<'r> {
    /// Appends a record, its length before it.
    pub(super) fn append(path: &[u8], fingerprint: &Fingerprint, node: &Node, to: &mut Vec<u8>) {
        let at = to.len();
        to.extend_from_slice(&[0; 4]);
        to.extend_from_slice(&word(path.len()));
        Nature::of(node).append(to);
        to.extend_from_slice(&fingerprint.size.to_le_bytes());
        for time in [fingerprint.mtime, fingerprint.ctime] {
            to.extend_from_slice(&time.seconds.to_le_bytes());
            to.extend_from_slice(&time.nanoseconds.to_le_bytes());
        }
        to.extend_from_slice(&fingerprint.id.dev.to_le_bytes());
        to.extend_from_slice(&fingerprint.id.ino.to_le_bytes());
        to.extend_from_slice(path);
        cbor::append(node, to);
        let added = to.get_mut(at..).unwrap_or_default();
        if let Some((length, record)) = added.split_first_chunk_mut() {
            *length = word(record.len());
        }
    }

    pub(super) fn parse(bytes: &'r [u8]) -> Option<Self> {
        let mut at = Fields(bytes);
        let path_length = u32::from_le_bytes(at.take()?) as usize;
        let nature = Nature::read(&mut at)?;
        let size = u64::from_le_bytes(at.take()?);
        let mut time = || {
            Timestamp::new(
                i64::from_le_bytes(at.take()?),
                u32::from_le_bytes(at.take()?),
            )
        };
        let (mtime, ctime) = (time()?, time()?);
        let id = FileId {
            dev: u64::from_le_bytes(at.take()?),
            ino: u64::from_le_bytes(at.take()?),
        };
        let (path, node) = at.0.split_at_checked(path_length)?;
        Some(Self {
            bytes,
            path,
            node,
            nature,
            fingerprint: Fingerprint {
                size,
                mtime,
                ctime,
                id,
            },
        })
    }

    /// Whether it comes before `path` in a walk, is of it, or comes behind.
    pub(super) fn compared_with(&self, path: &[u8]) -> Ordering {
        if self.path == path {
            return Ordering::Equal;
        }
        walk_order(self.path, path)
    }

    /// The node; none if its bytes are none, which the seal of the record rules out.
    pub(crate) fn node(&self) -> Option<Node> {
        cbor::decode_claim(self.node).ok()
    }

    /// The same in bytes of its own.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            bytes: self.bytes.into(),
            node: self.bytes.len() - self.node.len(),
            nature: self.nature,
            fingerprint: self.fingerprint,
        }
    }
}

/// A record on its way into the next one.
pub(crate) struct Kept {
    bytes: Box<[u8]>,
    /// Where the node begins.
    node: usize,
    pub(crate) nature: Nature,
    pub(crate) fingerprint: Fingerprint,
}

impl Kept {
    /// The canonical bytes of the node.
    pub(crate) fn node(&self) -> &[u8] {
        self.bytes.get(self.node..).unwrap_or_default()
    }

    /// Appends the record, its length before it.
    pub(super) fn append(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&word(self.bytes.len()));
        to.extend_from_slice(&self.bytes);
    }
}

fn word(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// The order of a walk: a directory, what is in it, then what follows it. No name contains NUL,
/// so taking `/` for it sorts components as wholes.
fn walk_order(a: &[u8], b: &[u8]) -> Ordering {
    let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    a.iter().map(key).cmp(b.iter().map(key))
}

/// Fields of a fixed length, one after the other.
pub(super) struct Fields<'b>(pub(super) &'b [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_a_walk_over_sorted_names() {
        let paths: [&[u8]; 6] = [b"/a", b"/a/b", b"/a/b/c", b"/a/c", b"/a-b", b"/a0"];
        assert!(paths.is_sorted_by(|a, b| walk_order(a, b) == Ordering::Less));
    }
}
