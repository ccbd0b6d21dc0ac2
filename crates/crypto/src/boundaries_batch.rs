//! Many positions at once: which window of a batch is the first that a chunk may end with (docs/format.md §9).
//!
//! It promises what one position after the other would give, and nothing about time but that it is short. Everything is
//! compiled inside the cipher's closure, so with the instructions that the cipher found on this machine; without any
//! of them it is still right.

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt as _, BlockSizeUser,
};
use aes::{Aes128, Block};
use std::hint::black_box;
use zeroize::Zeroize as _;

pub(crate) const WINDOW: usize = 64;
/// x^64 = x^4 + x^3 + x + 1.
pub(crate) const REDUCTION: u64 = 0x1b;

/// A digest needs the one before it, so one alone would wait for itself most of the time: lanes run side by side.
const LANES: usize = 4;
/// Positions of a lane. More would be searched in vain behind a hit, fewer would not pay for a lane's first window.
pub(crate) const LANE: usize = 1024;
/// Positions of each lane that go through the cipher together: 64 blocks are what its widest form takes.
pub(crate) const STEPS: usize = 16;
/// Two words for each lane.
const WORDS: usize = 2 * LANES;

/// Positions examined together.
pub(crate) const BATCH: usize = LANES * LANE;
/// What they need: the window before the first position, and a byte for each.
pub(crate) const BATCH_BYTES: usize = WINDOW + BATCH;

/// The universal hash: what a byte adds when it enters the window, and still adds when the window has passed it.
pub(crate) struct Tables {
    /// T0 and T1 side by side.
    enter: Box<[[u64; 2]; 256]>,
    /// x^64 · T0 and x^64 · T1.
    leave: Box<[[u64; 2]; 256]>,
}

impl Drop for Tables {
    fn drop(&mut self) {
        self.enter.as_flattened_mut().zeroize();
        self.leave.as_flattened_mut().zeroize();
    }
}

impl Tables {
    /// From all words of T0, then all of T1.
    pub(crate) fn new(words: impl Iterator<Item = u64>) -> Self {
        let mut enter = Box::new([[0u64; 2]; 256]);
        for (i, word) in words.enumerate() {
            if let Some(place) = enter.get_mut(i & 255).and_then(|pair| pair.get_mut(i >> 8)) {
                *place = word;
            }
        }
        let mut leave = enter.clone();
        for word in leave.as_flattened_mut() {
            *word = (0..WINDOW).fold(*word, |product, _| times_x(product));
        }
        Self { enter, leave }
    }
}

/// The first position of the batch with zeros where `mask` (not 0) has ones, counted from the end of the first 65 bytes.
pub(crate) fn first_end(
    tables: &Tables,
    cipher: &Aes128,
    bytes: &[u8; BATCH_BYTES],
    mask: u64,
) -> Option<usize> {
    let mut first = None;
    // Were the 0 known to the compiler, it would take the halves apart, and with them all vectors.
    let masks = black_box([mask, 0]);
    cipher.encrypt_with_backend(Batch {
        tables,
        bytes,
        masks,
        first: &mut first,
    });
    first
}

struct Batch<'a> {
    tables: &'a Tables,
    bytes: &'a [u8; BATCH_BYTES],
    /// Of the two halves of a digest, of which the second does not count.
    masks: [u64; 2],
    first: &'a mut Option<usize>,
}

/// What the bytes of one step add to the digests of all lanes; and the digests themselves.
type Words = [u64; WORDS];

/// Vectors of 64 bytes do not straddle cache lines.
#[repr(align(64))]
struct Aligned<T>(T);

impl BlockSizeUser for Batch<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Batch<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut digests = self.digests_before();
        let mut sums = Aligned([[0; WORDS]; STEPS]);
        let mut blocks = Aligned([Block::default(); LANES * STEPS]);
        self.sum(0, &mut sums.0);
        for step in (0..LANE).step_by(STEPS) {
            roll(&mut digests, &sums.0, &mut blocks.0);
            // For the next round, and already now: what was written just before would not be there yet to be read.
            let next = step.saturating_add(STEPS).min(LANE.saturating_sub(STEPS));
            self.sum(next, &mut sums.0);
            encrypt(backend, &mut blocks.0);
            let hits = self.hits(&blocks.0);
            if hits.iter().fold(0, |any, word| any | word) != 0 {
                let found = earliest(&hits, step);
                *self.first = Some(self.first.map_or(found, |first| first.min(found)));
            }
        }
    }
}

impl Batch<'_> {
    /// Of the windows before each lane's first.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "lane < LANES and i < WINDOW: the compiler proves it and leaves out the checks"
    )]
    fn digests_before(&self) -> Words {
        let mut digests = [0; WORDS];
        for i in 0..WINDOW {
            for lane in 0..LANES {
                let entering = self.tables.enter[usize::from(self.bytes[lane * LANE + i])];
                for half in 0..2 {
                    let digest = &mut digests[2 * lane + half];
                    *digest = times_x(*digest) ^ entering[half];
                }
            }
        }
        digests
    }

    /// What enters and leaves in STEPS steps from `step` on.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "lane < LANES, i < STEPS and step <= LANE - STEPS: the compiler proves it and leaves out the checks"
    )]
    fn sum(&self, step: usize, sums: &mut [Words; STEPS]) {
        for lane in 0..LANES {
            for (i, sums) in sums.iter_mut().enumerate() {
                let at = lane * LANE + step + i;
                let entering = self.tables.enter[usize::from(self.bytes[at + WINDOW])];
                let leaving = self.tables.leave[usize::from(self.bytes[at])];
                sums[2 * lane] = entering[0] ^ leaving[0];
                sums[2 * lane + 1] = entering[1] ^ leaving[1];
            }
        }
    }

    /// For each word the hits of the STEPS steps, the latest in the highest bit.
    ///
    /// Shifting a history along instead of asking each block keeps all lanes in one vector.
    #[inline(always)]
    fn hits(&self, blocks: &[Block; LANES * STEPS]) -> Words {
        const HIGHEST: u64 = 1 << 63;
        let mut hits = [0; WORDS];
        let words = Array::slice_as_flattened(blocks).as_chunks::<8>().0;
        for step in words.as_chunks::<WORDS>().0 {
            for ((hits, word), mask) in hits.iter_mut().zip(step).zip(self.masks.iter().cycle()) {
                // Only 0 − 1 has the highest bit; a half that does not count is 0 − 0.
                let missing = (u64::from_le_bytes(*word) & mask).wrapping_sub(mask & 1);
                *hits = (*hits >> 1) | (missing & HIGHEST);
            }
        }
        hits
    }
}

/// The digests of STEPS steps as blocks, LE64(d_0) ‖ LE64(d_1), step after step and in each lane after lane.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "word < WORDS and step < STEPS: the compiler proves it, and written with iterators it finds no vectors"
)]
fn roll(digests: &mut Words, sums: &[Words; STEPS], blocks: &mut [Block; LANES * STEPS]) {
    let words = Array::slice_as_flattened_mut(blocks).as_chunks_mut::<8>().0;
    for (step, sums) in sums.iter().enumerate() {
        for word in 0..WORDS {
            digests[word] = times_x(digests[word]) ^ sums[word];
            words[step * WORDS + word] = digests[word].to_le_bytes();
        }
    }
}

#[inline(always)]
fn encrypt<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    blocks: &mut [Block; LANES * STEPS],
) {
    let (groups, rest) = Array::<Block, B::ParBlocksSize>::slice_as_chunks_mut(blocks);
    for group in groups {
        backend.encrypt_par_blocks(group.into());
    }
    for block in rest {
        backend.encrypt_block(block.into());
    }
}

/// The first position of any lane among the hits of the STEPS steps from `step` on.
#[cold]
#[inline(never)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a hit stands in one of the STEPS highest bits"
)]
fn earliest(hits: &Words, step: usize) -> usize {
    let of_lane = |(word, hits): (usize, &u64)| {
        let since = hits.trailing_zeros() as usize + STEPS - 64;
        (word / 2) * LANE + step + since
    };
    let hit = hits.iter().enumerate().filter(|(_, hits)| **hits != 0);
    hit.map(of_lane).min().unwrap_or(usize::MAX)
}

/// x · a.
#[inline(always)]
pub(crate) fn times_x(a: u64) -> u64 {
    (a << 1) ^ (REDUCTION & (a.cast_signed() >> 63).cast_unsigned())
}
