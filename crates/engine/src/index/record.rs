//! What a table says of one chunk: where it lies.

use ownkey_crypto::ChunkId;

/// Length of a record in bytes.
pub(super) const RECORD: usize = 40;

/// `id ‖ u32 pack ‖ u32 frame`. Records are ordered by their bytes, so first of all by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record([u8; RECORD]);

impl Record {
    pub(super) fn new(id: &ChunkId, pack: u32, frame: u32) -> Self {
        let mut bytes = [0; RECORD];
        let (start, end) = bytes.split_at_mut(ChunkId::LEN);
        start.copy_from_slice(id.as_bytes());
        let (first, second) = end.split_at_mut(4);
        first.copy_from_slice(&pack.to_le_bytes());
        second.copy_from_slice(&frame.to_le_bytes());
        Self(bytes)
    }

    pub(super) fn from_bytes(bytes: [u8; RECORD]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; RECORD] {
        &self.0
    }

    pub(super) fn id(&self) -> ChunkId {
        ChunkId::from_bytes(array(&self.0, 0))
    }

    pub(super) fn pack(&self) -> u32 {
        u32::from_le_bytes(array(&self.0, ChunkId::LEN))
    }

    pub(super) fn frame(&self) -> u32 {
        u32::from_le_bytes(array(&self.0, ChunkId::LEN + 4))
    }
}

/// The `N` bytes at `at`; zeros where there are none, which no caller asks for.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk::<N>);
    found.copied().unwrap_or([0; N])
}
