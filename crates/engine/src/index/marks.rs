//! A set of chunks in little memory, that may hold some which nobody put into it.

use ownkey_crypto::ChunkId;

use super::filter::{self, LINE};

/// Marked chunks, at 20 bits each: one in some thousands of the others seems to be marked too.
#[derive(Debug)]
pub(crate) struct Marks {
    lines: Vec<[u8; LINE]>,
}

/// 64 KiB: in a small repository nothing seems to be marked that is not.
const LEAST: u64 = 1 << 10;

impl Marks {
    /// Room for so many chunks.
    pub(crate) fn room_for(chunks: u64) -> Self {
        let lines = filter::lines_for(chunks.saturating_mul(2)).max(LEAST);
        // More lines than memory can hold are not had by asking for fewer of them.
        let lines = usize::try_from(lines).unwrap_or(usize::MAX);
        Self {
            lines: vec![[0; LINE]; lines],
        }
    }

    /// Marks a chunk.
    pub(crate) fn insert(&mut self, id: &ChunkId) {
        filter::insert(&mut self.lines, id);
    }

    /// `false` if the chunk was not marked.
    pub(crate) fn may_hold(&self, id: &ChunkId) -> bool {
        filter::may_hold(&self.lines, id)
    }
}
