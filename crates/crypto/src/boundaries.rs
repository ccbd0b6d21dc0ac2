//! Where chunks end: Chk-PHTE, polynomial hash then encrypt (docs/format.md §9).
//!
//! It promises that boundaries tell who has no key nothing but which windows are equal: a universal hash over
//! GF(2)[x]/(x^64 + x^4 + x^3 + x + 1) of 64 bytes, twice, encrypted by AES-128; cut where low bits are zero. There is no
//! cheaper test before it, because each such test would be one that others can make too. The slow literal transcription in
//! `boundaries_reference.rs` agrees on every input.

use crate::boundaries_batch::{BATCH, BATCH_BYTES, Tables, WINDOW, first_end};
use crate::secret::Secret;
use aes::Aes128;
use aes::cipher::KeyInit as _;
use std::ops::Range;
use zeroize::Zeroizing;

/// From `BLAKE3-XOF(K_chunker, "boundaries", 4112)`: two tables of 256 u64, then an AES-128 key.
pub(crate) const XOF_LEN: usize = 4112;
/// What is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Contents of files: 512 KiB, 1 MiB, 4 MiB.
    Content,
    /// Trees and lists: 32 KiB, 64 KiB, 256 KiB.
    Tree,
}

/// Whether the data given is all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The data ends here.
    Known,
    /// More follows that was not given.
    MoreFollows,
}

/// Lengths in bytes; min > 64, so that a chunk holds the first window and the byte before it.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) min: usize,
    pub(crate) bits: u32,
    pub(crate) max: usize,
}

impl Limits {
    fn of(profile: Profile) -> Self {
        match profile {
            Profile::Content => Self {
                min: 512 << 10,
                bits: 20,
                max: 4 << 20,
            },
            Profile::Tree => Self {
                min: 32 << 10,
                bits: 16,
                max: 256 << 10,
            },
        }
    }

    /// The low bits that must be zero for a chunk of length n to end there.
    pub(crate) fn mask(&self, n: usize) -> u64 {
        let before_target = n < 1usize << self.bits;
        let bits = if before_target {
            self.bits.saturating_add(2)
        } else {
            self.bits.saturating_sub(2)
        };
        (1u64 << bits).wrapping_sub(1)
    }
}

/// Cuts one kind of data in one repository.
pub struct Boundaries {
    limits: Limits,
    tables: Tables,
    cipher: Aes128,
}

impl Boundaries {
    pub(crate) fn new(chunker: &Secret, profile: Profile) -> Self {
        Self::with_limits(chunker, Limits::of(profile))
    }

    pub(crate) fn with_limits(chunker: &Secret, limits: Limits) -> Self {
        let mut material = Zeroizing::new([0u8; XOF_LEN]);
        blake3::Hasher::new_keyed(chunker.as_bytes())
            .update(b"boundaries")
            .finalize_xof()
            .fill(material.as_mut_slice());
        let (tables, key) = material.split_at(XOF_LEN - 16);
        let words = tables.as_chunks::<8>().0;
        Self {
            limits,
            tables: Tables::new(words.iter().map(|word| u64::from_le_bytes(*word))),
            cipher: Aes128::new_from_slice(key).expect("the rest of the 4112 bytes is 16 long"),
        }
    }

    /// The longest chunk in bytes: so much data always gives an answer.
    #[must_use]
    pub fn max(&self) -> usize {
        self.limits.max
    }

    /// Where the chunk that starts with `data` ends, as its length in bytes; `None` if more data is needed, or none is left.
    #[must_use]
    pub fn cut(&self, data: &[u8], end: End) -> Option<usize> {
        self.cut_on(data, 0, end)
    }

    /// The same, where the first `examined` bytes alone gave `None`: they are not examined again.
    #[must_use]
    pub fn cut_on(&self, data: &[u8], examined: usize, end: End) -> Option<usize> {
        let considered = data.get(..self.limits.max).unwrap_or(data);
        let whole = considered.len();
        let Limits { min, bits, .. } = self.limits;
        let beyond = whole.saturating_add(1);
        let target = (1usize << bits).clamp(min, beyond.max(min));
        let first = examined.saturating_add(1);
        self.search(considered, min.max(first)..target.min(beyond))
            .or_else(|| self.search(considered, target.max(first)..beyond))
            .or((whole == self.limits.max || (end == End::Known && whole > 0)).then_some(whole))
    }

    /// The first content-defined end among lengths that have one mask, if any.
    fn search(&self, data: &[u8], lengths: Range<usize>) -> Option<usize> {
        let mask = self.limits.mask(lengths.start);
        let find = |bytes: &_| first_end(&self.tables, &self.cipher, bytes, mask);
        let mut from = lengths.start;
        while from < lengths.end {
            // The window before that of the first length begins here.
            let bytes = data.get(from.checked_sub(WINDOW)?.checked_sub(1)?..)?;
            let found = match bytes.first_chunk() {
                Some(bytes) => find(bytes),
                None => {
                    let mut padded = Zeroizing::new([0; BATCH_BYTES]);
                    padded.get_mut(..bytes.len())?.copy_from_slice(bytes);
                    find(&padded)
                }
            };
            if let Some(offset) = found {
                // Windows beyond the last length are of another mask, or padding.
                let length = from.saturating_add(offset);
                return (length < lengths.end).then_some(length);
            }
            from = from.saturating_add(BATCH);
        }
        None
    }
}

#[cfg(test)]
mod tests;
