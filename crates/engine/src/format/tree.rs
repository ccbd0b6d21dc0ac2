//! Trees: the nodes of one directory as a stream of bytes (docs/format.md §11).

use ownkey_crypto::Opened;

use super::FormatError;
use super::cbor::{Fields, MapReader, Reader, Record, Writer, append, decode_inner};
use super::name::Name;
use super::node::{Device, Extent, Extents, Metadata, Node, NodeKind, Stream, Xattr};
use super::time::Timestamp;

/// Bytes that say how long a node is.
const LENGTH: usize = 4;
/// Longest encoded node.
const NODE_LIMIT: usize = 16 << 20;
const XATTRS_LIMIT: usize = 1_024;
const XATTR_VALUE_LIMIT: usize = 1 << 20;
const LINK_TARGET_LIMIT: usize = 65_535;
const USER_LIMIT: usize = 255;

/// Appends `node` to the bytes of its directory. Nodes come in ascending order of names.
pub fn append_node(node: &Node, to: &mut Vec<u8>) {
    let at = to.len();
    to.extend_from_slice(&[0; LENGTH]);
    append(node, to);
    let added = to.get_mut(at..).unwrap_or_default();
    if let Some((length, node)) = added.split_first_chunk_mut() {
        *length = encoded_length(node);
    }
}

/// The same from the canonical bytes of a node.
pub(crate) fn append_encoded_node(node: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(&encoded_length(node));
    to.extend_from_slice(node);
}

fn encoded_length(node: &[u8]) -> [u8; LENGTH] {
    // A node is far below 4 GiB: its parts are bounded where they are read from the source.
    u32::try_from(node.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// Splits the chunks of a directory into nodes, however they were cut.
#[derive(Default)]
pub struct NodeReader {
    pending: Vec<u8>,
    last: Option<Name>,
}

impl NodeReader {
    /// Takes the next chunk and gives the nodes it completes.
    pub fn push(&mut self, chunk: &Opened) -> Result<Vec<Node>, FormatError> {
        let mut pending = std::mem::take(&mut self.pending);
        // Most directories are one chunk, and nothing of those is copied.
        let bytes = if pending.is_empty() {
            chunk.as_bytes()
        } else {
            pending.extend_from_slice(chunk.as_bytes());
            &pending
        };
        let mut nodes: Vec<Node> = Vec::new();
        let mut left = bytes;
        while let Some((length, rest)) = left.split_first_chunk::<LENGTH>() {
            let length = u32::from_le_bytes(*length) as usize;
            if length > NODE_LIMIT {
                return Err(FormatError::TooLarge { what: Node::WHAT });
            }
            let Some((bytes, rest)) = rest.split_at_checked(length) else {
                break;
            };
            let node: Node = decode_inner(bytes)?;
            let last = nodes.last().map(|node| &node.name).or(self.last.as_ref());
            if last.is_some_and(|last| *last >= node.name) {
                return Err(FormatError::NamesOutOfOrder);
            }
            nodes.push(node);
            left = rest;
        }
        if let Some(node) = nodes.last() {
            self.last = Some(node.name.clone());
        }
        let done = bytes.len() - left.len();
        if pending.is_empty() {
            self.pending = left.to_vec();
        } else {
            pending.drain(..done);
            self.pending = pending;
        }
        Ok(nodes)
    }

    /// Ends the directory; a node cut short is an error.
    pub fn finish(self) -> Result<(), FormatError> {
        if self.pending.is_empty() {
            Ok(())
        } else {
            Err(FormatError::Malformed { what: Node::WHAT })
        }
    }
}

impl Record for Node {
    const WHAT: &'static str = "node";
    const LIMIT: usize = NODE_LIMIT;

    fn write(&self, to: &mut Writer) {
        let m = &self.metadata;
        to.map(|f| {
            f.put(0, |w| w.bytes(self.name.as_bytes()));
            f.put(1, |w| w.unsigned(kind_number(&self.kind)));
            f.put(2, |w| w.unsigned(u64::from(m.mode)));
            f.put(3, |w| w.unsigned(u64::from(m.uid)));
            f.put(4, |w| w.unsigned(u64::from(m.gid)));
            f.put_some(5, m.user.as_ref(), |w, user| w.text(user));
            f.put_some(6, m.group.as_ref(), |w, group| w.text(group));
            if let NodeKind::File { size, .. } = &self.kind {
                f.put(7, |w| w.unsigned(*size));
            }
            f.put(8, |w| w.record(&m.mtime));
            f.put_some(9, m.btime.as_ref(), Writer::record);
            f.put_some(10, m.link_group.as_ref(), |w, group| w.unsigned(*group));
            if let NodeKind::Symlink { target } = &self.kind {
                f.put(11, |w| w.bytes(target));
            }
            if let NodeKind::CharDevice(device) | NodeKind::BlockDevice(device) = &self.kind {
                f.put(12, |w| w.record(device));
            }
            if !m.xattrs.is_empty() {
                f.put(13, |w| w.array(&m.xattrs, Writer::record));
            }
            f.put_some(14, m.flags.as_ref(), |w, flags| {
                w.unsigned(u64::from(*flags));
            });
            write_content(&self.kind, f);
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.map(|m| {
            let name = Name::new(m.required(0, |r| r.bytes(Name::MAX))?)?;
            let kind = m.required(1, Reader::unsigned)?;
            let mut metadata = Metadata {
                mode: m.required(2, Reader::narrow)?,
                uid: m.required(3, Reader::narrow)?,
                gid: m.required(4, Reader::narrow)?,
                user: m.optional(5, |r| r.text(USER_LIMIT))?,
                group: m.optional(6, |r| r.text(USER_LIMIT))?,
                ..Metadata::default()
            };
            let size = m.optional(7, Reader::unsigned)?;
            metadata.mtime = m.required(8, Reader::record)?;
            metadata.btime = m.optional(9, Reader::record)?;
            metadata.link_group = m.optional(10, Reader::unsigned)?;
            let target = m.optional(11, |r| r.bytes(LINK_TARGET_LIMIT).map(<[u8]>::to_vec))?;
            let device = m.optional(12, Reader::record)?;
            metadata.xattrs = m
                .optional(13, |r| r.array(XATTRS_LIMIT, Reader::record))?
                .unwrap_or_default();
            metadata.flags = m.optional(14, Reader::narrow)?;
            let kind = read_kind(
                kind,
                KindFields {
                    size,
                    target,
                    device,
                },
                m,
            )?;
            let node = Self {
                name,
                metadata,
                kind,
            };
            if node.is_sound() {
                Ok(node)
            } else {
                Err(FormatError::Malformed { what: Self::WHAT })
            }
        })
    }
}

impl Node {
    /// What the field types alone do not say.
    fn is_sound(&self) -> bool {
        let m = &self.metadata;
        let ascending = m.xattrs.is_sorted_by(|a, b| a.name < b.name);
        let linkable = m.link_group.is_none_or(|group| group != 0)
            && !(m.link_group.is_some() && matches!(self.kind, NodeKind::Directory { .. }));
        m.mode <= 0o7777 && ascending && linkable
    }
}

const FILE: u64 = 0;
const DIRECTORY: u64 = 1;
const SYMLINK: u64 = 2;
const FIFO: u64 = 3;
const SOCKET: u64 = 4;
const CHAR_DEVICE: u64 = 5;
const BLOCK_DEVICE: u64 = 6;

fn kind_number(kind: &NodeKind) -> u64 {
    match kind {
        NodeKind::File { .. } => FILE,
        NodeKind::Directory { .. } => DIRECTORY,
        NodeKind::Symlink { .. } => SYMLINK,
        NodeKind::Fifo => FIFO,
        NodeKind::Socket => SOCKET,
        NodeKind::CharDevice(_) => CHAR_DEVICE,
        NodeKind::BlockDevice(_) => BLOCK_DEVICE,
    }
}

fn write_content(kind: &NodeKind, f: &mut Fields<'_>) {
    match kind {
        NodeKind::File {
            content, extents, ..
        } => {
            f.put_some(15, extents.as_ref(), |w, extents| match extents {
                Extents::Inline(list) => w.bytes(&extents_to_bytes(list)),
                Extents::Listed(stream) => w.record(stream),
            });
            f.put(16, |w| w.record(content));
        }
        NodeKind::Directory { content } => f.put(16, |w| w.record(content)),
        _ => {}
    }
}

/// Fields read before the kind could be built.
struct KindFields {
    size: Option<u64>,
    target: Option<Vec<u8>>,
    device: Option<Device>,
}

fn read_kind(
    number: u64,
    fields: KindFields,
    m: &mut MapReader<'_, '_>,
) -> Result<NodeKind, FormatError> {
    let malformed = FormatError::Malformed { what: Node::WHAT };
    // A field of another kind makes the node encode differently, which the canonical check
    // refuses; only what is missing has to be found here.
    Ok(match number {
        FILE => {
            let size = fields.size.ok_or(malformed)?;
            let extents = m.optional(15, read_extents)?;
            let content: Stream = m.required(16, Reader::record)?;
            check_file(size, &content, extents.as_ref())?;
            NodeKind::File {
                size,
                content,
                extents,
            }
        }
        DIRECTORY => NodeKind::Directory {
            content: m.required(16, Reader::record)?,
        },
        SYMLINK => NodeKind::Symlink {
            target: fields.target.ok_or(malformed)?,
        },
        FIFO => NodeKind::Fifo,
        SOCKET => NodeKind::Socket,
        CHAR_DEVICE => NodeKind::CharDevice(fields.device.ok_or(malformed)?),
        BLOCK_DEVICE => NodeKind::BlockDevice(fields.device.ok_or(malformed)?),
        kind => {
            return Err(FormatError::UnknownKind {
                what: Node::WHAT,
                kind,
            });
        }
    })
}

fn check_file(size: u64, content: &Stream, extents: Option<&Extents>) -> Result<(), FormatError> {
    let sound = match extents {
        None => content.length == size,
        Some(Extents::Inline(list)) => extents_fit(list, size, content.length),
        // Checked when the list is loaded, by the same function.
        Some(Extents::Listed(_)) => content.length <= size,
    };
    if sound {
        Ok(())
    } else {
        Err(FormatError::Malformed { what: Node::WHAT })
    }
}

/// Whether `extents` are ascending, apart, within `size`, and add up to `data` bytes.
pub fn extents_fit(extents: &[Extent], size: u64, data: u64) -> bool {
    let mut end = None;
    let mut sum = 0u64;
    for extent in extents {
        let Some(next) = extent.offset.checked_add(extent.length) else {
            return false;
        };
        if extent.length == 0 || next > size || end.is_some_and(|end| extent.offset <= end) {
            return false;
        }
        end = Some(next);
        sum += extent.length;
    }
    sum == data
}

/// The bytes of a list of extents, inline or as list chunks.
pub fn extents_to_bytes(extents: &[Extent]) -> Vec<u8> {
    extents
        .iter()
        .flat_map(|e| [e.offset.to_le_bytes(), e.length.to_le_bytes()])
        .flatten()
        .collect()
}

/// Reads what [`extents_to_bytes`] wrote.
pub fn extents_from_bytes(bytes: &[u8]) -> Result<Vec<Extent>, FormatError> {
    let (pairs, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(FormatError::Malformed {
            what: "list of extents",
        });
    }
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    Ok(pairs
        .iter()
        .map(|pair| Extent {
            offset: word(&pair[..8]),
            length: word(&pair[8..]),
        })
        .collect())
}

fn read_extents(from: &mut Reader<'_>) -> Result<Extents, FormatError> {
    if from.is_array() {
        return Ok(Extents::Listed(from.record()?));
    }
    Ok(Extents::Inline(extents_from_bytes(
        from.bytes(Extents::MAX_INLINE * 16)?,
    )?))
}

impl Record for Timestamp {
    const WHAT: &'static str = "time";
    const LIMIT: usize = 32;

    fn write(&self, to: &mut Writer) {
        to.tuple(2);
        to.signed(self.seconds);
        to.unsigned(u64::from(self.nanoseconds));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.tuple(2)?;
        let seconds = from.signed()?;
        Self::new(seconds, from.narrow()?).ok_or_else(|| from.malformed())
    }
}

impl Record for Device {
    const WHAT: &'static str = "device number";
    const LIMIT: usize = 16;

    fn write(&self, to: &mut Writer) {
        to.tuple(2);
        to.unsigned(u64::from(self.major));
        to.unsigned(u64::from(self.minor));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.tuple(2)?;
        Ok(Self {
            major: from.narrow()?,
            minor: from.narrow()?,
        })
    }
}

impl Record for Xattr {
    const WHAT: &'static str = "extended attribute";
    const LIMIT: usize = XATTR_VALUE_LIMIT + 512;

    fn write(&self, to: &mut Writer) {
        to.tuple(2);
        to.bytes(&self.name);
        to.bytes(&self.value);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.tuple(2)?;
        let name = from.bytes(Name::MAX)?.to_vec();
        if name.is_empty() || name.contains(&0) {
            return Err(from.malformed());
        }
        Ok(Self {
            name,
            value: from.bytes(XATTR_VALUE_LIMIT)?.to_vec(),
        })
    }
}
