//! A filter that says of most unknown chunks at once that they are unknown.
//!
//! A blocked Bloom filter (Putze, Sanders, Singler: *Cache-, Hash- and Space-Efficient Bloom
//! Filters*): one line of 64 bytes for each question, so one cache miss. Ids are keyed hashes, so
//! their bits serve as the hash functions. Who can choose ids can make it say "perhaps" too often
//! and never "no" wrongly.

use ownkey_crypto::ChunkId;

use super::record::array;

/// Bytes of a line.
pub(super) const LINE: usize = 64;
/// Bits for each chunk: about one "perhaps" in eighty is wrong.
const BITS: u64 = 10;
/// Bits set for each chunk.
const PROBES: u32 = 6;
/// Bits that number a bit of a line.
const BIT: u32 = 9;

/// Lines for so many chunks.
pub(super) fn lines_for(chunks: u64) -> u64 {
    chunks.saturating_mul(BITS).div_ceil(8 * LINE as u64).max(1)
}

/// Notes a chunk.
pub(super) fn insert(lines: &mut [[u8; LINE]], id: &ChunkId) {
    let number = line_of(lines.len(), id);
    if let Some(line) = lines.get_mut(number) {
        for bit in bits_of(id) {
            if let Some(byte) = line.get_mut(bit >> 3) {
                *byte |= 1 << (bit & 7);
            }
        }
    }
}

/// Whether the chunk may have been noted; no lines know nothing and say "perhaps".
pub(super) fn may_hold(lines: &[[u8; LINE]], id: &ChunkId) -> bool {
    let Some(line) = lines.get(line_of(lines.len(), id)) else {
        return true;
    };
    bits_of(id).all(|bit| line[(bit >> 3) % LINE] & (1 << (bit & 7)) != 0)
}

/// Tables are sorted by the first eight bytes, so the line comes from the next eight.
fn line_of(lines: usize, id: &ChunkId) -> usize {
    let hash = u64::from_le_bytes(array(id.as_bytes(), 8));
    let line = (u128::from(hash) * lines as u128) >> 64;
    // Below `lines`, which is a usize.
    usize::try_from(line).unwrap_or(0)
}

fn bits_of(id: &ChunkId) -> impl Iterator<Item = usize> {
    let hash = u64::from_le_bytes(array(id.as_bytes(), 16));
    // Nine bits.
    (0..PROBES).map(move |probe| ((hash >> (probe * BIT)) & 511) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ownkey_crypto::object_hash;

    fn id(number: u64) -> ChunkId {
        ChunkId::from_bytes(*object_hash(&number.to_le_bytes()).as_bytes())
    }

    #[test]
    fn what_was_noted_is_never_denied_and_few_others_are_confirmed() {
        let mut lines = vec![[0; LINE]; usize::try_from(lines_for(20_000)).unwrap()];
        (0..20_000).for_each(|number| insert(&mut lines, &id(number)));
        assert!((0..20_000).all(|number| may_hold(&lines, &id(number))));
        let wrong = (20_000..40_000).filter(|number| may_hold(&lines, &id(*number)));
        assert!(wrong.count() < 500);
    }

    #[test]
    fn no_lines_say_perhaps() {
        assert!(may_hold(&[], &id(1)));
    }
}
