//! Where chunks end: Chk-PHTE, polynomial hash then encrypt (docs/format.md §9).
//!
//! It promises that boundaries tell who has no key nothing but which windows are equal: a universal hash over
//! GF(2)[x]/(x^64 + x^4 + x^3 + x + 1) of 64 bytes, twice, encrypted by AES-128; cut where low bits are zero. There is no
//! cheaper test before it, because each such test would be one that others can make too. The slow literal transcription in
//! `boundaries_reference.rs` agrees on every input.

use crate::secret::Secret;
use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use zeroize::{Zeroize as _, Zeroizing};

pub(crate) const WINDOW: usize = 64;
/// From `BLAKE3-XOF(K_chunker, "boundaries", 4112)`: two tables of 256 u64, then an AES-128 key.
pub(crate) const XOF_LEN: usize = 4112;
/// x^64 = x^4 + x^3 + x + 1.
pub(crate) const REDUCTION: u64 = 0x1b;

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

/// Lengths in bytes; min ≥ 64.
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
    /// T0 and T1 side by side.
    enter: Box<[[u64; 2]; 256]>,
    /// x^64 · T0 and x^64 · T1: what a byte still adds when the window has passed it.
    leave: Box<[[u64; 2]; 256]>,
    cipher: Aes128,
}

impl Drop for Boundaries {
    fn drop(&mut self) {
        // The cipher erases itself.
        self.enter.as_flattened_mut().zeroize();
        self.leave.as_flattened_mut().zeroize();
    }
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
        let mut enter = Box::new([[0u64; 2]; 256]);
        let words = tables
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word));
        for (i, word) in words.enumerate() {
            // T0 comes first, whole; then T1.
            if let Some(place) = enter.get_mut(i & 255).and_then(|pair| pair.get_mut(i >> 8)) {
                *place = word;
            }
        }
        let mut leave = enter.clone();
        for word in leave.as_flattened_mut() {
            *word = (0..WINDOW).fold(*word, |product, _| times_x(product));
        }
        let cipher = Aes128::new_from_slice(key).expect("the rest of the 4112 bytes is 16 long");
        Self {
            limits,
            enter,
            leave,
            cipher,
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
        let considered = data.get(..self.limits.max).unwrap_or(data);
        if let Some(cut) = self.search(considered) {
            return Some(cut);
        }
        let whole = considered.len();
        (whole == self.limits.max || (end == End::Known && whole > 0)).then_some(whole)
    }

    /// The first content-defined end, if any.
    fn search(&self, data: &[u8]) -> Option<usize> {
        let mut from = self.limits.min;
        let target = 1usize << self.limits.bits;
        while from <= data.len() {
            // One mask for all positions of a batch: a batch does not cross the target.
            let last = data.len().min(from.saturating_add(BATCH - 1));
            let last = if from < target {
                last.min(target - 1)
            } else {
                last
            };
            if let Some(cut) = self.search_batch(data, from, last) {
                return Some(cut);
            }
            from = last.saturating_add(1);
        }
        None
    }
}

/// Positions examined at once; their AES blocks stay in the first-level cache.
const BATCH: usize = 1024;

/// x · a.
pub(crate) fn times_x(a: u64) -> u64 {
    (a << 1) ^ (REDUCTION & (a >> 63).wrapping_neg())
}

impl Boundaries {
    fn search_batch(&self, data: &[u8], first: usize, last: usize) -> Option<usize> {
        let mask = self.limits.mask(first);
        let window = data.get(first.checked_sub(WINDOW)?..last)?;
        let mut blocks = [aes::Block::default(); BATCH];
        let (warm_up, entering) = window.split_at_checked(WINDOW)?;
        let mut digest = [0u64; 2];
        for &byte in warm_up {
            digest = self.step(digest, byte, None);
        }
        let count = entering.len().saturating_add(1);
        let blocks = blocks.get_mut(..count)?;
        let (start, rest) = blocks.split_first_mut()?;
        store(start, digest);
        for ((block, &entering), &leaving) in rest.iter_mut().zip(entering).zip(window) {
            digest = self.step(digest, entering, Some(leaving));
            store(block, digest);
        }
        self.cipher.encrypt_blocks(blocks);
        let hit = blocks.iter().position(|block| {
            let low = block
                .first_chunk::<8>()
                .map_or(u64::MAX, |low| u64::from_le_bytes(*low));
            low & mask == 0
        });
        hit.map(|offset| first.saturating_add(offset))
    }

    fn step(&self, [d0, d1]: [u64; 2], entering: u8, leaving: Option<u8>) -> [u64; 2] {
        let at = |table: &[[u64; 2]; 256], byte: u8| {
            table.get(usize::from(byte)).copied().unwrap_or_default()
        };
        let [e0, e1] = at(&self.enter, entering);
        let [l0, l1] = leaving.map_or([0; 2], |byte| at(&self.leave, byte));
        [times_x(d0) ^ e0 ^ l0, times_x(d1) ^ e1 ^ l1]
    }
}

/// LE64(d_0) ‖ LE64(d_1).
fn store(block: &mut aes::Block, [d0, d1]: [u64; 2]) {
    let (low, high) = block.split_at_mut(8);
    low.copy_from_slice(&d0.to_le_bytes());
    high.copy_from_slice(&d1.to_le_bytes());
}
