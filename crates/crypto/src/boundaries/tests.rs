//! Boundaries against their literal transcription, and against whoever would solve for the key.

use super::*;
use crate::boundaries_batch::{LANE, STEPS, times_x};
use crate::boundaries_reference;
use aes::cipher::BlockCipherEncrypt as _;
use proptest::prelude::*;

const SMALL: Limits = Limits {
    min: 65,
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
        min in 65usize..300, bits in 7u32..11, more in any::<bool>(),
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

/// Several batches before the target and after it.
const LONG: Limits = Limits {
    min: 65,
    bits: 13,
    max: 32 << 10,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_fast_and_the_literal_version_agree_over_many_batches(
        seed in any::<u64>(), length in 0usize..60_000, alphabet in 1u8..=255, key in any::<u8>(),
        min in 65usize..6000, bits in 11u32..15,
    ) {
        let limits = Limits { min, bits, max: min.max(1 << bits) * 2 };
        let data: Vec<u8> = noise(seed, length).iter().map(|byte| byte % alphabet).collect();
        let fast = Boundaries::with_limits(&secret(key), limits);
        let mut rest = &data[..];
        while let Some(length) = fast.cut(rest, End::Known) {
            prop_assert_eq!(Some(length), boundaries_reference::cut(&secret(key), limits, rest, End::Known));
            rest = &rest[length..];
        }
    }
}

/// 64 bytes that end a chunk before its target, and nothing in zeros around them does.
fn ending_window(boundaries: &Boundaries, limits: Limits) -> [u8; WINDOW] {
    assert_eq!(
        boundaries.cut(&vec![0; limits.max], End::MoreFollows),
        Some(limits.max)
    );
    (0..)
        .map(|seed| noise(seed, limits.max))
        .find_map(|data| {
            let end = boundaries.cut(&data, End::MoreFollows)?;
            let window = *data[..end].last_chunk::<WINDOW>()?;
            let alone = planted(&window, 1000, limits.max);
            (boundaries.cut(&alone, End::MoreFollows) == Some(1000)).then_some(window)
        })
        .unwrap()
}

/// Zeros but for a window that ends at `end`.
fn planted(window: &[u8; WINDOW], end: usize, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    data[end - WINDOW..end].copy_from_slice(window);
    data
}

#[test]
fn an_end_is_found_wherever_batches_lanes_steps_and_masks_meet() {
    let boundaries = Boundaries::with_limits(&secret(8), LONG);
    let window = ending_window(&boundaries, LONG);
    let edges = (0..LONG.max / LANE).map(|lane| LONG.min + lane * LANE);
    let seams = edges.chain([1 << LONG.bits, LONG.min + STEPS, LONG.max - 2]);
    for end in seams.flat_map(|edge| edge.saturating_sub(2)..edge + 2) {
        let end = end.max(LONG.min);
        let data = planted(&window, end, LONG.max + 100);
        assert_eq!(boundaries.cut(&data, End::MoreFollows), Some(end));
        // The last window is looked at, though nothing comes after it.
        assert_eq!(boundaries.cut(&data[..end], End::MoreFollows), Some(end));
        assert_eq!(boundaries.cut(&data[..end - 1], End::MoreFollows), None);
    }
}

#[test]
fn of_two_ends_the_first_counts_whichever_lane_finds_it() {
    let boundaries = Boundaries::with_limits(&secret(8), LONG);
    let window = ending_window(&boundaries, LONG);
    for (first, second) in [(900, 3000), (2100, 2200), (2000, 5000), (4000, 4200)] {
        let mut data = planted(&window, second, LONG.max);
        data[first - WINDOW..first].copy_from_slice(&window);
        assert_eq!(boundaries.cut(&data, End::MoreFollows), Some(first));
    }
}

#[test]
fn an_end_that_only_the_looser_mask_allows_counts_from_the_target_on() {
    let boundaries = Boundaries::with_limits(&secret(8), LONG);
    let target = 1 << LONG.bits;
    let loose = (0..)
        .map(|seed| noise(seed, LONG.max))
        .find_map(|data| {
            let end = boundaries.cut(&data, End::MoreFollows)?;
            let window = *data[..end].last_chunk::<WINDOW>()?;
            let early = planted(&window, target - 1, target - 1);
            let only_loose = end >= target && boundaries.cut(&early, End::MoreFollows).is_none();
            only_loose.then_some(window)
        })
        .unwrap();
    let cut = |end| boundaries.cut(&planted(&loose, end, LONG.max), End::MoreFollows);
    assert_eq!(cut(target), Some(target));
    assert_ne!(cut(target - 1), Some(target - 1));
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
fn data_that_comes_in_pieces_is_cut_as_if_it_came_at_once() {
    let boundaries = Boundaries::with_limits(&secret(3), LONG);
    let data = noise(8, 200_000);
    let all = all_cuts(&boundaries, &data);
    for piece in [1, 63, 1000, 4096, 5000, 70_000] {
        let (mut start, mut end, mut examined) = (0, 0, 0);
        let mut lengths = Vec::new();
        while start < data.len() {
            let more = if end < data.len() {
                End::MoreFollows
            } else {
                End::Known
            };
            match boundaries.cut_on(&data[start..end], examined, more) {
                Some(length) => {
                    lengths.push(length);
                    (start, examined) = (start + length, 0);
                }
                None => {
                    examined = end - start;
                    end = data.len().min(end + piece);
                }
            }
        }
        assert_eq!(lengths, all, "pieces of {piece}");
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
