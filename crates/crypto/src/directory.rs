//! The directory of a pack: which frames it has, and which chunks they hold (docs/format.md §9).
//!
//! It promises that every count is bounded by the bytes that are there before anything is allocated, that frames neither
//! overlap nor leave gaps, and that decoding and encoding are inverse. The same layout serves index segments.

use crate::aead::with_tag;
use crate::bytes::{Reader, Short, wide};
use crate::error::OpenError;
use crate::header::{HEADER_LEN, MAX_HEADER_LEN};
use crate::ids::ChunkId;
use std::ops::Range;

/// A frame, plain or stored, is at most this long (docs/format.md §14).
pub(crate) const MAX_FRAME: u32 = (4 << 20) + (1 << 10);
/// Frames in a pack and chunks in a frame, each (docs/format.md §14).
pub(crate) const MAX_COUNT: u32 = 1 << 20;
const FRAME_ENTRY_LEN: usize = 20;
const CHUNK_ENTRY_LEN: usize = 36;

/// What kind of bytes a chunk holds; part of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChunkType {
    /// Contents of a file.
    Content = 0,
    /// Nodes of a directory.
    Tree = 1,
    /// Ids of other chunks, or extents.
    List = 2,
}

impl ChunkType {
    /// From its byte in a directory.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Content, Self::Tree, Self::List]
            .into_iter()
            .find(|&kind| kind as u8 == byte)
    }
}

/// How a frame's plaintext was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Stored = 0,
    /// One zstd frame (RFC 8878) without dictionary, checksum or trailing bytes.
    Zstd = 1,
}

impl Codec {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Stored, Self::Zstd]
            .into_iter()
            .find(|&codec| codec as u8 == byte)
    }
}

/// One frame: where it lies and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameEntry {
    /// Offset in the pack, in bytes.
    pub offset: u32,
    /// Stored length in bytes, without tag.
    pub stored_len: u32,
    /// Length of the plaintext in bytes.
    pub plain_len: u32,
    /// How the plaintext was stored.
    pub codec: Codec,
    /// The type of all its chunks.
    pub chunk_type: ChunkType,
    /// Its chunks in order, with their lengths in bytes, which sum to `plain_len`.
    pub chunks: Vec<(ChunkId, u32)>,
}

impl FrameEntry {
    /// Where in the pack the frame lies, tag included.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        let start = u64::from(self.offset);
        start..start.saturating_add(with_tag(self.stored_len))
    }

    /// Whether the lengths agree and are within bounds.
    pub(crate) fn is_consistent(&self) -> bool {
        let sum = self.chunks.iter().fold(0u64, |sum, (_, length)| {
            sum.saturating_add(u64::from(*length))
        });
        let stored_as_is = self.codec != Codec::Stored || self.stored_len == self.plain_len;
        !self.chunks.is_empty()
            && wide(self.chunks.len()) <= u64::from(MAX_COUNT)
            && self.plain_len <= MAX_FRAME
            && self.stored_len <= MAX_FRAME
            && sum == u64::from(self.plain_len)
            && stored_as_is
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.offset, self.stored_len, self.plain_len] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&[self.codec as u8, self.chunk_type as u8, 0, 0]);
        out.extend_from_slice(
            &u32::try_from(self.chunks.len())
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        for (id, length) in &self.chunks {
            out.extend_from_slice(id.as_bytes());
            out.extend_from_slice(&length.to_le_bytes());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Option<Self>, Short> {
        let (offset, stored_len, plain_len) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (codec, chunk_type) = (
            Codec::from_byte(reader.u8()?),
            ChunkType::from_byte(reader.u8()?),
        );
        let reserved = reader.u16()?;
        let count = bounded_count(reader.u32()?, reader.remaining(), CHUNK_ENTRY_LEN)?;
        let (Some(codec), Some(chunk_type), 0) = (codec, chunk_type, reserved) else {
            return Ok(None);
        };
        let mut chunks = Vec::with_capacity(count);
        for _ in 0..count {
            chunks.push((ChunkId::from_bytes(reader.array()?), reader.u32()?));
        }
        let entry = Self {
            offset,
            stored_len,
            plain_len,
            codec,
            chunk_type,
            chunks,
        };
        Ok(entry.is_consistent().then_some(entry))
    }
}

/// A count that the remaining bytes can hold: what follows allocates no more than a small multiple of them.
fn bounded_count(count: u32, remaining: usize, entry_len: usize) -> Result<usize, Short> {
    let fits = remaining.checked_div(entry_len).unwrap_or(0);
    usize::try_from(count)
        .ok()
        .filter(|&n| count <= MAX_COUNT && n <= fits)
        .ok_or(Short)
}

/// All frames of a pack, in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    frames: Vec<FrameEntry>,
}

impl Directory {
    pub(crate) fn new(frames: Vec<FrameEntry>) -> Self {
        Self { frames }
    }

    /// The frames; a frame's number is its position here.
    #[must_use]
    pub fn frames(&self) -> &[FrameEntry] {
        &self.frames
    }

    /// Encodes for an index segment; the same bytes as in the pack.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(encoded_len(
            self.frames.iter().map(|frame| frame.chunks.len()),
        ));
        out.extend_from_slice(
            &u32::try_from(self.frames.len())
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        self.frames.iter().for_each(|frame| frame.encode(&mut out));
        out
    }

    /// Decodes what an authenticated pack or segment holds.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] for anything that [`Directory::encode`] could not have written for a pack.
    pub fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        Self::read(&mut Reader::new(bytes))
            .unwrap_or(None)
            .ok_or(OpenError::Malformed)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Short> {
        let count = bounded_count(reader.u32()?, reader.remaining(), FRAME_ENTRY_LEN)?;
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            let Some(frame) = FrameEntry::decode(reader)? else {
                return Ok(None);
            };
            frames.push(frame);
        }
        let directory = Self { frames };
        Ok((reader.remaining() == 0 && directory.bounds().is_some()).then_some(directory))
    }

    /// Where the first frame begins and the last one ends, if they fill everything between without gap or overlap and
    /// the first follows a header. No byte of a pack then belongs to nobody, or to two.
    pub(crate) fn bounds(&self) -> Option<Range<u64>> {
        let mut ranges: Vec<_> = self.frames.iter().map(FrameEntry::range).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let start = ranges.first()?.start;
        let after_header = start == wide(HEADER_LEN) || start == wide(MAX_HEADER_LEN);
        let adjacent = ranges
            .array_windows()
            .all(|[one, next]| one.end == next.start);
        let end = ranges.last()?.end;
        (after_header && adjacent).then_some(start..end)
    }
}

/// Length of the directory of frames with so many chunks each.
pub(crate) fn encoded_len(chunk_counts: impl Iterator<Item = usize>) -> usize {
    chunk_counts.fold(4, |sum, chunks| {
        sum.saturating_add(FRAME_ENTRY_LEN)
            .saturating_add(chunks.saturating_mul(CHUNK_ENTRY_LEN))
    })
}
