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
        let mut blocks = vec![aes::Block::default(); BATCH];
        let mut from = self.limits.min;
        let target = 1usize << self.limits.bits;
        while from <= data.len() {
            // One mask for all positions of a batch: a batch does not cross the target.
            let last = data.len().min(from.saturating_add(BATCH - 1));
            let last = if from < target {
                last.min(target.saturating_sub(1))
            } else {
                last
            };
            // The window of the first position begins here; min ≥ 64.
            let bytes = data.get(from.saturating_sub(WINDOW)..last)?;
            if let Some(offset) = self.search_batch(bytes, &mut blocks, self.limits.mask(from)) {
                return Some(from.saturating_add(offset));
            }
            from = last.saturating_add(1);
        }
        None
    }

    /// Which of the positions after the first 64 of `bytes`, counted from there, is the first whose bits are zero.
    fn search_batch(&self, bytes: &[u8], blocks: &mut [aes::Block], mask: u64) -> Option<usize> {
        let count = bytes.len().saturating_sub(WINDOW).saturating_add(1);
        let blocks = blocks.get_mut(..count)?;
        match (bytes.first_chunk(), blocks.first_chunk_mut()) {
            (Some(bytes), Some(whole)) => self.digest_lanes(bytes, whole),
            _ => self.digest_run(bytes, blocks),
        }
        self.cipher.encrypt_blocks(blocks);
        let is_hit = |block: &aes::Block| {
            let low = block
                .first_chunk::<8>()
                .map_or(u64::MAX, |low| u64::from_le_bytes(*low));
            low & mask == 0
        };
        // Almost every batch has no hit: one pass without branches tells, and only then the place is looked for.
        let any = blocks.iter().fold(false, |any, block| any | is_hit(block));
        if any {
            blocks.iter().position(is_hit)
        } else {
            None
        }
    }

    /// Digests of consecutive windows, one after the other.
    fn digest_run(&self, bytes: &[u8], blocks: &mut [aes::Block]) {
        let (warm_up, entering) = bytes.split_at_checked(WINDOW).unwrap_or((bytes, &[]));
        let mut digest = self.digest(warm_up);
        let mut blocks = blocks.iter_mut();
        if let Some(first) = blocks.next() {
            *first = block(digest);
        }
        for ((place, &entering), &leaving) in blocks.zip(entering).zip(bytes) {
            digest = self.roll(digest, entering, leaving);
            *place = block(digest);
        }
    }

    /// The same for a whole batch, as lanes that run side by side: a digest needs the one before it, so one lane alone
    /// would wait for its own results most of the time.
    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "lane < LANES and i < LANE, so lane * LANE + i < BATCH: the compiler proves it and leaves out the checks"
    )]
    fn digest_lanes(&self, bytes: &[u8; BATCH_BYTES], blocks: &mut [aes::Block; BATCH]) {
        let mut digests = [[0u64; 2]; LANES];
        for (lane, digest) in digests.iter_mut().enumerate() {
            *digest = self.digest(&bytes[lane * LANE..lane * LANE + WINDOW]);
            blocks[lane * LANE] = block(*digest);
        }
        for i in 1..LANE {
            for (lane, digest) in digests.iter_mut().enumerate() {
                let at = lane * LANE + i;
                *digest = self.roll(*digest, bytes[at + WINDOW - 1], bytes[at - 1]);
                blocks[at] = block(*digest);
            }
        }
    }

    /// Of one window.
    fn digest(&self, window: &[u8]) -> [u64; 2] {
        window.iter().fold([0; 2], |digest, &byte| {
            let [d0, d1] = digest.map(times_x);
            let [e0, e1] = look_up(&self.enter, byte);
            [d0 ^ e0, d1 ^ e1]
        })
    }

    /// Of the next window.
    #[inline(always)]
    fn roll(&self, digest: [u64; 2], entering: u8, leaving: u8) -> [u64; 2] {
        let [d0, d1] = digest.map(times_x);
        let [e0, e1] = look_up(&self.enter, entering);
        let [l0, l1] = look_up(&self.leave, leaving);
        [d0 ^ (e0 ^ l0), d1 ^ (e1 ^ l1)]
    }
}

/// Lanes that run side by side, and positions in each.
const LANES: usize = 4;
const LANE: usize = 512;
/// Positions examined at once; their AES blocks (32 KiB) stay in the fast caches.
const BATCH: usize = LANES * LANE;
/// Bytes whose windows end at so many positions.
const BATCH_BYTES: usize = BATCH + WINDOW - 1;

/// x · a.
#[inline(always)]
pub(crate) fn times_x(a: u64) -> u64 {
    (a << 1) ^ (REDUCTION & (a >> 63).wrapping_neg())
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
fn look_up(table: &[[u64; 2]; 256], byte: u8) -> [u64; 2] {
    table[usize::from(byte)]
}

/// LE64(d_0) ‖ LE64(d_1).
#[inline(always)]
fn block([d0, d1]: [u64; 2]) -> aes::Block {
    (u128::from(d0) | u128::from(d1) << 64).to_le_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundaries_reference;
    use proptest::prelude::*;

    const SMALL: Limits = Limits {
        min: 64,
        bits: 7,
        max: 700,
    };

    fn secret(byte: u8) -> Secret {
        Secret::from_bytes(&[byte; 32])
    }

    /// Repeatable bytes that look random.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut data = vec![0; length];
        blake3::Hasher::new()
            .update(&seed.to_le_bytes())
            .finalize_xof()
            .fill(&mut data);
        data
    }

    fn all_cuts(boundaries: &Boundaries, mut data: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Some(length) = boundaries.cut(data, End::Known) {
            lengths.push(length);
            data = &data[length..];
        }
        lengths
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_fast_and_the_literal_version_agree(
            seed in any::<u64>(), length in 0usize..6000, alphabet in 1u8..=255, key in any::<u8>(),
            min in 64usize..300, bits in 7u32..11, more in any::<bool>(),
        ) {
            let limits = Limits { min, bits, max: min.max(1 << bits) * 4 };
            let data: Vec<u8> = noise(seed, length).iter().map(|byte| byte % alphabet).collect();
            let end = if more { End::MoreFollows } else { End::Known };
            let fast = Boundaries::with_limits(&secret(key), limits);
            let mut rest = &data[..];
            loop {
                let cut = fast.cut(rest, end);
                prop_assert_eq!(cut, boundaries_reference::cut(&secret(key), limits, rest, end));
                let Some(length) = cut else { break };
                rest = &rest[length..];
            }
        }
    }

    #[test]
    fn both_real_profiles_agree_with_the_literal_version() {
        let data = noise(1, 3 << 20);
        for profile in [Profile::Content, Profile::Tree] {
            let limits = Limits::of(profile);
            let mut rest = &data[..];
            for length in all_cuts(&Boundaries::new(&secret(1), profile), &data)
                .into_iter()
                .take(12)
            {
                assert_eq!(
                    Some(length),
                    boundaries_reference::cut(&secret(1), limits, rest, End::Known)
                );
                rest = &rest[length..];
            }
        }
    }

    #[test]
    fn the_lengths_sum_to_the_data_and_stay_within_the_limits() {
        let data = noise(2, 4 << 20);
        let lengths = all_cuts(&Boundaries::new(&secret(2), Profile::Tree), &data);
        assert_eq!(lengths.iter().sum::<usize>(), data.len());
        let (_, whole) = lengths.split_last().unwrap();
        assert!(
            whole
                .iter()
                .all(|length| (32 << 10..=256 << 10).contains(length))
        );
        let mean = data.len() / lengths.len();
        assert!((48 << 10..100 << 10).contains(&mean), "mean {mean}");
    }

    #[test]
    fn more_data_is_asked_for_exactly_while_it_could_matter() {
        let boundaries = Boundaries::with_limits(&secret(3), SMALL);
        let data = noise(3, 2000);
        let cut = boundaries.cut(&data, End::MoreFollows).unwrap();
        for given in 0..cut {
            assert_eq!(boundaries.cut(&data[..given], End::MoreFollows), None);
            assert_eq!(
                boundaries.cut(&data[..given], End::Known),
                (given > 0).then_some(given)
            );
        }
        for given in cut..data.len() {
            assert_eq!(boundaries.cut(&data[..given], End::MoreFollows), Some(cut));
        }
    }

    #[test]
    fn equal_bytes_are_cut_at_the_maximum_or_all_alike() {
        let lengths = all_cuts(&Boundaries::with_limits(&secret(4), SMALL), &[0; 7000]);
        assert_eq!(lengths, vec![lengths[0]; lengths.len()]);
    }

    #[test]
    fn an_insertion_moves_few_boundaries_and_another_key_moves_all() {
        let data = noise(5, 60_000);
        let ends = |boundaries: &Boundaries, data: &[u8]| -> Vec<usize> {
            let mut from_end = data.len();
            let cuts = all_cuts(boundaries, data).into_iter();
            cuts.map(|length| {
                from_end -= length;
                from_end
            })
            .filter(|&left| left > 0)
            .collect()
        };
        let boundaries = Boundaries::with_limits(&secret(5), SMALL);
        let before = ends(&boundaries, &data);
        let longer = [&data[..100], b"seventeen bytes..", &data[100..]].concat();
        let after = ends(&boundaries, &longer);
        let kept = before.iter().filter(|end| after.contains(end)).count();
        assert!(kept * 10 > before.len() * 9, "{kept} of {}", before.len());

        let other = ends(&Boundaries::with_limits(&secret(6), SMALL), &data);
        let common = before.iter().filter(|end| other.contains(end)).count();
        assert!(common * 20 < before.len(), "{common} of {}", before.len());
    }

    /// Whoever sees boundaries and knows the data can write each as "these sums of table bits are zero". Of a keyed hash
    /// without encryption the table is a solution; of encrypted digests no solution but the empty one remains.
    #[test]
    fn solving_for_a_linear_table_fails_on_encrypted_digests_and_works_on_bare_ones() {
        let mut material = [0u8; 2048];
        blake3::Hasher::new_keyed(&[7; 32])
            .finalize_xof()
            .fill(&mut material);
        let table: Vec<u64> = material
            .chunks(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect();
        let data: Vec<u8> = noise(7, 400_000).iter().map(|byte| byte & 3).collect();
        let cipher = Aes128::new_from_slice(&[7; 16]).unwrap();
        let bare = |window: &[u8]| {
            window
                .iter()
                .fold(0, |sum, &b| times_x(sum) ^ table[usize::from(b)])
        };
        let encrypted = |window: &[u8]| {
            let mut block = aes::Block::default();
            block[..8].copy_from_slice(&bare(window).to_le_bytes());
            cipher.encrypt_block(&mut block);
            u64::from_le_bytes(block[..8].try_into().unwrap())
        };
        // Adding one value to every entry of the table adds a fixed multiple of it to every digest, which six known bits
        // constrain six times: of the 256 unknowns, 192 + 6 can be determined at all.
        let determinable = 192 + 6;
        assert!(
            linear_rank(&data, bare) < determinable,
            "bare digests leave the table as a solution"
        );
        assert_eq!(
            linear_rank(&data, encrypted),
            determinable,
            "encrypted digests leave nothing but zero"
        );
    }

    /// The rank of "bit 0..6 of the digest is zero" over the 4 × 64 bits of a table for the bytes 0..4, at boundaries.
    fn linear_rank(data: &[u8], digest: impl Fn(&[u8]) -> u64) -> usize {
        let mut basis: Vec<[u64; 4]> = Vec::new();
        for window in data
            .windows(WINDOW)
            .filter(|window| digest(window).trailing_zeros() >= 6)
        {
            for bit in 0..6 {
                reduce_into(&mut basis, row(window, bit));
            }
        }
        basis.len()
    }

    /// Which table bits add up to bit `bit` of the digest of `window`.
    fn row(window: &[u8], bit: u32) -> [u64; 4] {
        let mut row = [0u64; 4];
        for (j, &byte) in window.iter().enumerate() {
            for table_bit in 0..64 {
                let moved = (0..63 - j).fold(1u64 << table_bit, |product, _| times_x(product));
                row[usize::from(byte)] ^= ((moved >> bit) & 1) << table_bit;
            }
        }
        row
    }

    fn reduce_into(basis: &mut Vec<[u64; 4]>, mut row: [u64; 4]) {
        let lead = |row: &[u64; 4]| {
            row.iter()
                .enumerate()
                .find(|(_, word)| **word != 0)
                .map(|(i, word)| (i, word.leading_zeros()))
        };
        for known in basis.iter() {
            let (word, bit) = lead(known).unwrap();
            if row[word] << bit >> 63 == 1 {
                row.iter_mut().zip(known).for_each(|(a, b)| *a ^= b);
            }
        }
        if lead(&row).is_some() {
            basis.push(row);
        }
    }
}
