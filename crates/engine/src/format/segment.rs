//! Index segments: which chunk lies where (docs/format.md §10).
//!
//! A segment repeats the directories of the packs it covers, in the packs' own layout.

use ownkey_crypto::{Directory, ObjectHash, Opened, PackKind};

use super::FormatError;
use super::entry::PackName;

const WHAT: &str = "index segment";
/// Longest body of a segment.
pub const SEGMENT_LIMIT: usize = 32 << 20;
const HEAD: usize = 44;
/// Of a frame, and of a chunk in it, in a directory (docs/format.md §9).
const FRAME: usize = 20;
const CHUNK: usize = 36;

/// A pack and its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPack {
    /// Where it lives.
    pub name: PackName,
    /// Length of the whole object in bytes.
    pub length: u32,
    /// What lies where in it.
    pub directory: Directory,
}

/// The body of a segment.
pub fn encode(packs: &[IndexedPack]) -> Vec<u8> {
    let mut bytes = count(packs.len()).to_le_bytes().to_vec();
    for pack in packs {
        append(pack, &mut bytes);
    }
    bytes
}

/// Length of [`encode`]d `pack` in a segment, to keep segments below their limit.
pub fn encoded_length(pack: &IndexedPack) -> usize {
    let frames = pack.directory.frames().iter();
    let frames = frames.map(|frame| FRAME + frame.chunks.len() * CHUNK);
    HEAD + 4 + frames.sum::<usize>()
}

fn append(pack: &IndexedPack, bytes: &mut Vec<u8>) {
    let directory = pack.directory.encode();
    bytes.extend_from_slice(&[u8::from(pack.name.kind == PackKind::Meta), 0, 0, 0]);
    bytes.extend_from_slice(pack.name.hash.as_bytes());
    bytes.extend_from_slice(&pack.length.to_le_bytes());
    bytes.extend_from_slice(&count(directory.len()).to_le_bytes());
    bytes.extend_from_slice(&directory);
}

/// Lengths here are bounded by [`SEGMENT_LIMIT`], far below 4 GiB.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Reads the body of a segment.
pub fn decode(bytes: &Opened) -> Result<Vec<IndexedPack>, FormatError> {
    let bytes = bytes.as_bytes();
    if bytes.len() > SEGMENT_LIMIT {
        return Err(FormatError::TooLarge { what: WHAT });
    }
    let malformed = FormatError::Malformed { what: WHAT };
    let (packs, mut rest) = bytes.split_first_chunk::<4>().ok_or(malformed.clone())?;
    let mut found = Vec::new();
    for _ in 0..u32::from_le_bytes(*packs) {
        // A claimed number of packs costs no memory: each must be there to be pushed.
        let (pack, left) = decode_pack(rest).ok_or(malformed.clone())?;
        found.push(pack);
        rest = left;
    }
    if rest.is_empty() {
        Ok(found)
    } else {
        Err(malformed)
    }
}

fn decode_pack(bytes: &[u8]) -> Option<(IndexedPack, &[u8])> {
    let (kind, rest) = bytes.split_first_chunk::<4>()?;
    let kind = match kind {
        [0, 0, 0, 0] => PackKind::Data,
        [1, 0, 0, 0] => PackKind::Meta,
        _ => return None,
    };
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (directory_length, rest) = rest.split_first_chunk::<4>()?;
    let (directory, rest) = rest.split_at_checked(u32::from_le_bytes(*directory_length) as usize)?;
    let length = u32::from_le_bytes(*length);
    let directory = Directory::decode(directory).ok()?;
    let name = PackName {
        kind,
        hash: ObjectHash::from_bytes(*hash),
    };
    Some((
        IndexedPack {
            name,
            length,
            directory,
        },
        rest,
    ))
}
