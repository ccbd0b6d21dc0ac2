//! Streams in CBOR (docs/format.md §11).

use ownkey_crypto::ChunkId;

use super::FormatError;
use super::cbor::{Reader, Record, Writer};
use super::node::Stream;

impl Record for Stream {
    const WHAT: &'static str = "stream";
    const LIMIT: usize = 64 + Self::MAX_IDS * 32;

    fn write(&self, to: &mut Writer) {
        to.tuple(3);
        to.unsigned(self.length);
        to.unsigned(u64::from(self.depth));
        to.joined(self.ids.iter().map(ChunkId::as_bytes));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.tuple(3)?;
        let length = from.unsigned()?;
        let depth: u8 = from.narrow()?;
        let ids = ids_from_bytes(from.bytes(Self::MAX_IDS * 32)?)?;
        // An empty stream has one spelling; a list of lists has something to list.
        if depth > Self::MAX_DEPTH
            || (length == 0) != ids.is_empty()
            || (depth > 0 && ids.is_empty())
        {
            return Err(from.malformed());
        }
        Ok(Self { length, depth, ids })
    }
}

/// The ids that a list chunk, or a stream's own list, spells out.
pub(crate) fn ids_from_bytes(bytes: &[u8]) -> Result<Vec<ChunkId>, FormatError> {
    let (ids, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(FormatError::Malformed {
            what: "list of chunk ids",
        });
    }
    Ok(ids.iter().map(|id| ChunkId::from_bytes(*id)).collect())
}
