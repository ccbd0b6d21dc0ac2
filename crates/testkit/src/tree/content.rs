//! The contents of ordinary files: new, repeated, nearly repeated, compressible and not.

use crate::random::SeededRandom;

/// Makes contents that give a deduplicating program something to do.
pub(super) struct Contents {
    random: SeededRandom,
    earlier: Vec<Vec<u8>>,
    largest: u64,
}

impl Contents {
    pub(super) fn new(seed: u64, largest: u64) -> Self {
        Self {
            random: SeededRandom::new(seed),
            earlier: Vec::new(),
            largest,
        }
    }

    /// The contents of the next file.
    pub(super) fn next(&mut self) -> Vec<u8> {
        let body = match self.random.below(8) {
            0 => self.repeated(),
            1 => self.nearly_repeated(),
            _ => self.fresh(),
        };
        self.earlier.push(body.clone());
        body
    }

    fn repeated(&mut self) -> Vec<u8> {
        let index = self.random.index(self.earlier.len());
        self.earlier.get(index).cloned().unwrap_or_default()
    }

    /// An earlier file with a few bytes put in somewhere, so that everything behind them moves.
    fn nearly_repeated(&mut self) -> Vec<u8> {
        let mut body = self.repeated();
        let at = self.random.index(body.len() + 1);
        let length = 1 + self.random.index(40);
        let more = self.random.bytes(length);
        body.splice(at..at, more);
        body.truncate(usize::try_from(self.largest).unwrap_or(usize::MAX));
        body
    }

    fn fresh(&mut self) -> Vec<u8> {
        let size = self.size();
        match self.random.below(4) {
            0 => vec![0; size],
            1 => {
                let line = format!("line {} of a log that goes on\n", self.random.below(100));
                line.into_bytes().into_iter().cycle().take(size).collect()
            }
            _ => self.random.bytes(size),
        }
    }

    /// Most files are small, and borders are where mistakes are.
    fn size(&mut self) -> usize {
        let size = match self.random.below(16) {
            0 => 0,
            1 => 1,
            2 => 4095 + self.random.below(3),
            3..=8 => self.random.below(4 << 10),
            9..=13 => self.random.below(100 << 10),
            _ => self.random.below(self.largest + 1),
        };
        size.min(self.largest) as usize
    }
}
