//! Chunk boundaries transcribed from docs/format.md §9 word for word: slow, obvious, and for comparison only.

use crate::boundaries::{End, Limits, XOF_LEN};
use crate::boundaries_batch::{REDUCTION, WINDOW};
use crate::secret::Secret;
use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};

/// The first end of a chunk that starts with `data`.
pub(crate) fn cut(chunker: &Secret, limits: Limits, data: &[u8], end: End) -> Option<usize> {
    let mut material = [0u8; XOF_LEN];
    blake3::Hasher::new_keyed(chunker.as_bytes())
        .update(b"boundaries")
        .finalize_xof()
        .fill(&mut material);
    let word = |i: usize| u64::from_le_bytes(material[8 * i..8 * i + 8].try_into().unwrap());
    let cipher = Aes128::new_from_slice(&material[4096..]).unwrap();

    for n in 1..=data.len() {
        if n == limits.max {
            return Some(n);
        }
        if n < limits.min {
            continue;
        }
        let window = &data[n - WINDOW..n];
        let d = |table: usize| {
            window.iter().fold(0u64, |sum, &b| {
                multiply_by_x(sum) ^ word(256 * table + usize::from(b))
            })
        };
        let mut c = aes::Block::default();
        c[..8].copy_from_slice(&d(0).to_le_bytes());
        c[8..].copy_from_slice(&d(1).to_le_bytes());
        cipher.encrypt_block(&mut c);
        let v = u64::from_le_bytes(c[..8].try_into().unwrap());
        let target = 1usize << limits.bits;
        let zero_bits = if n < target {
            limits.bits + 2
        } else {
            limits.bits - 2
        };
        if v.trailing_zeros() >= zero_bits {
            return Some(n);
        }
    }
    (end == End::Known && !data.is_empty()).then_some(data.len())
}

/// Long multiplication: shift, then subtract the modulus if the degree reached 64.
fn multiply_by_x(a: u64) -> u64 {
    let product = u128::from(a) << 1;
    let modulus = (1u128 << 64) | u128::from(REDUCTION);
    let reduced = if product >> 64 == 1 {
        product ^ modulus
    } else {
        product
    };
    u64::try_from(reduced).unwrap()
}
