//! What the stages work on.

use std::io::Read as _;

/// A sample in memory.
pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Enough to leave the caches, little enough to be made quickly.
const LENGTH: usize = 48 << 20;

impl Data {
    /// Words of a made-up language, the common ones short, with lines and some numbers: zstd makes about a fourth of it.
    pub(crate) fn text() -> Self {
        let mut dice = Dice(1);
        let words: Vec<Vec<u8>> = (0..6_000).map(|rank| word(&mut dice, rank)).collect();
        let mut bytes = Vec::with_capacity(LENGTH + 64);
        while bytes.len() < LENGTH {
            // Cubing a uniform number makes low ranks common, as in languages.
            let rank = dice.below(1000) * dice.below(1000) * dice.below(1000);
            let rank = rank * words.len() as u64 / 1_000_000_000;
            bytes.extend(words.get(rank as usize).into_iter().flatten());
            match dice.below(24) {
                0 => bytes.extend(b".\n"),
                1 => bytes.extend(format!(" {}", dice.below(10_000)).bytes()),
                2 => bytes.extend(b", "),
                _ => bytes.push(b' '),
            }
        }
        bytes.truncate(LENGTH);
        Self {
            name: "text".to_owned(),
            bytes,
        }
    }

    /// What nothing can be made smaller of: media, archives, what is encrypted.
    pub(crate) fn random() -> Self {
        let mut dice = Dice(2);
        let words = std::iter::repeat_with(|| dice.next().to_le_bytes());
        Self {
            name: "random".to_owned(),
            bytes: words.take(LENGTH / 8).flatten().collect(),
        }
    }

    /// The beginning of a file.
    pub(crate) fn read(path: &str) -> Self {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).expect("a file to measure with");
        file.take(LENGTH as u64)
            .read_to_end(&mut bytes)
            .expect("a file that can be read");
        Self {
            name: path.to_owned(),
            bytes,
        }
    }
}

fn word(dice: &mut Dice, rank: usize) -> Vec<u8> {
    let length = 2 + rank.checked_ilog2().unwrap_or(0) as usize / 2 + dice.below(4) as usize;
    (0..length)
        .map(|_| b"etaoinshrdlucmfwypvbgkqjxz"[(dice.below(26) * dice.below(26) / 26) as usize])
        .collect()
}

/// SplitMix64: repeatable, and good enough to look random to zstd.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
