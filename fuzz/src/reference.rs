//! Chunk boundaries, transcribed from docs/format.md §4 and §9 once more: from DK on, with nothing of the core's.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use hkdf::Hkdf;
use sha2::Sha256;

/// The limits of one kind of data.
pub struct Limits {
    /// No chunk but the last is shorter.
    pub min: usize,
    /// log2 of the target.
    pub bits: u32,
    /// No chunk is longer.
    pub max: usize,
}

/// Trees and lists.
pub const TREE: Limits = Limits {
    min: 32 << 10,
    bits: 16,
    max: 256 << 10,
};

/// Tables and cipher.
pub struct Reference {
    tables: [[u64; 256]; 2],
    cipher: Aes128,
}

impl Reference {
    /// From DK and the repository's id.
    pub fn new(dk: &[u8; 32], repo: &[u8; 32]) -> Self {
        let mut chunker = [0; 32];
        Hkdf::<Sha256>::new(None, dk)
            .expand(
                &[b"ownkey/1 chunker".as_slice(), repo].concat(),
                &mut chunker,
            )
            .expect("32 bytes are not too many");
        let mut material = [0; 4112];
        blake3::Hasher::new_keyed(&chunker)
            .update(b"boundaries")
            .finalize_xof()
            .fill(&mut material);
        let word = |at: usize| {
            u64::from_le_bytes(
                material[8 * at..8 * at + 8]
                    .try_into()
                    .expect("eight bytes"),
            )
        };
        Self {
            tables: [
                std::array::from_fn(word),
                std::array::from_fn(|at| word(256 + at)),
            ],
            cipher: Aes128::new_from_slice(&material[4096..]).expect("sixteen bytes"),
        }
    }

    /// The length of the first chunk of `data`, which is all there is.
    pub fn cut(&self, limits: &Limits, data: &[u8]) -> usize {
        let end = (limits.min..data.len().min(limits.max)).find(|&n| self.ends(limits, data, n));
        end.unwrap_or(data.len().min(limits.max))
    }

    fn ends(&self, limits: &Limits, data: &[u8], n: usize) -> bool {
        let mut block = aes::Block::default();
        for (half, table) in block.chunks_exact_mut(8).zip(&self.tables) {
            let digest = data[n - 64..n]
                .iter()
                .fold(0, |sum, &byte| times_x(sum) ^ table[usize::from(byte)]);
            half.copy_from_slice(&digest.to_le_bytes());
        }
        self.cipher.encrypt_block(&mut block);
        let value = block
            .iter()
            .take(8)
            .rev()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        let zeros = if n < 1 << limits.bits {
            limits.bits + 2
        } else {
            limits.bits - 2
        };
        value.trailing_zeros() >= zeros
    }
}

/// In GF(2)[x] modulo x^64 + x^4 + x^3 + x + 1.
fn times_x(value: u64) -> u64 {
    (value << 1) ^ if value >> 63 == 1 { 0b11011 } else { 0 }
}
