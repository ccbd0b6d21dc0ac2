//! Packs, the sealing side (docs/format.md §9).
//!
//! It promises that a pack's length is one of few, that the order of its frames in the file is random, and that frame
//! contents are encrypted where they will lie, so that one copy of the pack is in memory and no plaintext is in it.

use crate::aead::{FrameSlot, FrameType, TAG_LEN};
use crate::bytes::wide;
use crate::directory::{ChunkType, Codec, Directory, FrameEntry, MAX_COUNT, encoded_len};
use crate::epoch_keys::WriterKeys;
use crate::error::SealError;
use crate::header::{MAX_OBJECT, begin};
use crate::hedge::Hedge;
use crate::ids::{ChunkId, ObjectHash};
use crate::label::Class;
use crate::padding::{SMALL_SESSION_STEP, padme, small_session_class};
use crate::random::{Random, below};
use crate::sealed::Sealed;

/// Plaintext of the trailer: u64 directory offset, u32 directory length, u32 frames, u64 length before parity, u64 0.
pub(crate) const TRAILER_LEN: usize = 32;

/// What a pack holds; it decides the folder and the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PackKind {
    /// Chunks of files.
    Data,
    /// Chunks of trees and lists.
    Meta,
}

impl PackKind {
    pub(crate) fn class(self) -> Class {
        match self {
            Self::Data => Class::DataPack,
            Self::Meta => Class::MetaPack,
        }
    }
}

/// Which lengths a pack may have (docs/format.md §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackPadding {
    /// Padmé.
    Padme,
    /// A session that wrote less than 8 MiB: 256 KiB steps after a random increment.
    SmallSession,
}

/// What is appended to a pack so that damage can be healed: how many bytes to so many, and which ones.
///
/// Both are plain functions, so nothing but the sealed bytes can flow into what is appended.
#[derive(Clone, Copy, Debug)]
pub struct ParityCode {
    /// Bytes of the section for so many bytes before it.
    pub length: fn(usize) -> usize,
    /// The section for these bytes.
    pub section: fn(&[u8]) -> Vec<u8>,
}

/// What becomes one pack; `S` holds the bytes of its frames.
pub struct PackInput<S = Vec<u8>> {
    /// What it holds.
    pub kind: PackKind,
    /// Which lengths it may have.
    pub padding: PackPadding,
    /// What it ends with, if anything.
    pub parity: Option<ParityCode>,
    /// Its frames, at least one.
    pub frames: Vec<FrameInput<S>>,
}

/// A frame to be sealed.
pub struct FrameInput<S = Vec<u8>> {
    /// The type of all its chunks.
    pub chunk_type: ChunkType,
    /// How `stored` was made from the chunks.
    pub codec: Codec,
    /// Length of all chunks together, in bytes.
    pub plain_len: u32,
    /// The chunks in order, with their lengths in bytes.
    pub chunks: Vec<(ChunkId, u32)>,
    /// What will be encrypted: the chunks one after another, or their compression.
    pub stored: S,
}

impl<S: AsRef<[u8]>> FrameInput<S> {
    fn entry(&self) -> Option<FrameEntry> {
        let stored_len = u32::try_from(self.stored.as_ref().len()).ok()?;
        let Self {
            chunk_type,
            codec,
            plain_len,
            ..
        } = *self;
        let entry = FrameEntry {
            offset: 0,
            stored_len,
            plain_len,
            codec,
            chunk_type,
            chunks: self.chunks.clone(),
        };
        entry.is_consistent().then_some(entry)
    }
}

/// A pack ready to be stored.
#[derive(Debug)]
pub struct SealedPack {
    /// Its bytes.
    pub sealed: Sealed,
    /// Their BLAKE3: its name.
    pub hash: ObjectHash,
    /// Its directory, for the index.
    pub directory: Directory,
    /// Length of the encoded directory in bytes.
    pub directory_len: u32,
}

/// Where everything will lie.
struct Plan {
    directory: Directory,
    /// Frame numbers in the order of the file.
    order: Vec<usize>,
    padding: usize,
    directory_bytes: Vec<u8>,
    trailer: [u8; TRAILER_LEN],
    total: usize,
    /// Bytes of the parity section, which comes behind `total`.
    parity: usize,
}

/// Seals frames into one pack.
///
/// # Errors
/// [`SealError::BadFrame`] if there are no frames, or a frame's lengths disagree; [`SealError::TooLong`] beyond 64 MiB;
/// [`SealError::Random`].
pub fn seal_pack<S: AsRef<[u8]>>(
    keys: &WriterKeys,
    input: PackInput<S>,
    hedge: &Hedge,
) -> Result<SealedPack, SealError> {
    let way = keys.pack_way();
    let plan = plan(&input, way.header_len(), hedge.random())?;
    let parity = u32::try_from(plan.parity).map_err(|_| SealError::TooLong)?;
    let begun = begin(
        &keys.label(input.kind.class(), ""),
        &way,
        (plan.plaintext_hash(&input.frames), parity),
        hedge,
    )?;

    let mut pack = Vec::with_capacity(plan.total.saturating_add(plan.parity));
    pack.extend_from_slice(&begun.header);
    let mut frames: Vec<Option<FrameInput<S>>> = input.frames.into_iter().map(Some).collect();
    for &number in &plan.order {
        // Taken out: a pack and its frames are never in memory together.
        let frame = frames.get_mut(number).and_then(Option::take);
        let frame = frame.ok_or(SealError::BadFrame)?;
        let start = pack.len();
        pack.extend_from_slice(frame.stored.as_ref());
        drop(frame);
        begun.key.seal_tail(
            FrameSlot {
                index: wide(number),
                kind: FrameType::Chunks,
            },
            &mut pack,
            start,
        )?;
    }
    let parts: [(FrameType, &[u8]); 3] = [
        (FrameType::Padding, &vec![0; plan.padding]),
        (FrameType::Directory, &plan.directory_bytes),
        (FrameType::Trailer, &plan.trailer),
    ];
    for (kind, plaintext) in parts {
        let start = pack.len();
        pack.extend_from_slice(plaintext);
        begun
            .key
            .seal_tail(FrameSlot::only(kind), &mut pack, start)?;
    }
    if let Some(code) = input.parity {
        let section = (code.section)(&pack);
        if section.len() != plan.parity {
            return Err(SealError::BadFrame);
        }
        pack.extend_from_slice(&section);
    }
    let directory_len =
        u32::try_from(plan.directory_bytes.len()).map_err(|_| SealError::TooLong)?;
    let sealed = Sealed::new(pack);
    Ok(SealedPack {
        hash: sealed.hash(),
        sealed,
        directory: plan.directory,
        directory_len,
    })
}

fn plan<S: AsRef<[u8]>>(
    input: &PackInput<S>,
    header_len: usize,
    random: &dyn Random,
) -> Result<Plan, SealError> {
    let frames = &input.frames;
    if frames.is_empty() || wide(frames.len()) > u64::from(MAX_COUNT) {
        return Err(SealError::BadFrame);
    }
    let mut entries = Vec::with_capacity(frames.len());
    for frame in frames {
        entries.push(frame.entry().ok_or(SealError::BadFrame)?);
    }
    let order = shuffled(entries.len(), random)?;
    let mut offset = wide(header_len);
    for &number in &order {
        let entry = entries.get_mut(number).ok_or(SealError::BadFrame)?;
        entry.offset = u32::try_from(offset).map_err(|_| SealError::TooLong)?;
        offset = entry.range().end;
    }
    let directory_len = encoded_len(entries.iter().map(|entry| entry.chunks.len()));
    // Tags of padding, directory and trailer.
    let fixed = TAG_LEN.saturating_mul(3).saturating_add(TRAILER_LEN);
    let bare = offset.saturating_add(wide(directory_len.saturating_add(fixed)));
    let total = match input.padding {
        PackPadding::Padme => padme(bare),
        PackPadding::SmallSession => small_session_class(bare, below(random, SMALL_SESSION_STEP)?),
    };
    let as_usize = |length: u64| usize::try_from(length).map_err(|_| SealError::TooLong);
    let before = as_usize(total)?;
    let parity = input.parity.map_or(0, |code| (code.length)(before));
    if before.saturating_add(parity) > MAX_OBJECT {
        return Err(SealError::TooLong);
    }
    let zeros = total.saturating_sub(bare);
    let directory_offset = offset.saturating_add(zeros).saturating_add(wide(TAG_LEN));
    let trailer = encode_trailer([
        directory_offset,
        wide(directory_len),
        wide(entries.len()),
        total,
    ])?;
    let directory = Directory::new(entries);
    let directory_bytes = directory.encode();
    Ok(Plan {
        directory,
        order,
        padding: as_usize(zeros)?,
        directory_bytes,
        trailer,
        total: before,
        parity,
    })
}

impl Plan {
    /// Covers every byte that will be encrypted: stored frames by number, directory, trailer (docs/format.md §6). Offsets
    /// are in the directory and the padding's length in the trailer, so equal hashes mean equal packs.
    fn plaintext_hash<S: AsRef<[u8]>>(&self, frames: &[FrameInput<S>]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for frame in frames {
            hasher.update(frame.stored.as_ref());
        }
        *hasher
            .update(&self.directory_bytes)
            .update(&self.trailer)
            .finalize()
            .as_bytes()
    }
}

fn encode_trailer(
    [directory_offset, directory_len, frames, total]: [u64; 4],
) -> Result<[u8; TRAILER_LEN], SealError> {
    let narrow = |number: u64| {
        u32::try_from(number)
            .map(u32::to_le_bytes)
            .map_err(|_| SealError::TooLong)
    };
    let fields = [
        directory_offset.to_le_bytes().as_slice(),
        &narrow(directory_len)?,
        &narrow(frames)?,
        &total.to_le_bytes(),
        &0u64.to_le_bytes(),
    ]
    .concat();
    fields.try_into().map_err(|_| SealError::TooLong)
}

/// Fisher–Yates.
fn shuffled(count: usize, random: &dyn Random) -> Result<Vec<usize>, SealError> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = below(random, wide(last).saturating_add(1))?;
        order.swap(last, usize::try_from(other).unwrap_or(last));
    }
    Ok(order)
}
