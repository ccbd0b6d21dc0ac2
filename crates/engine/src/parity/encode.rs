//! Computing parity: a shift register for each codeword, many codewords side by side.

use ownkey_crypto::ParityCode;

use super::field::{power, times};
use super::{Grid, WORD};

/// Codewords at once: their registers and the table fit the processor's first cache.
const BLOCK: usize = 128;

/// The code with `8 * W` parity symbols.
pub(super) fn code<const W: usize>() -> ParityCode {
    ParityCode {
        length: |data| {
            let grid = Grid::over(data, W * WORD);
            grid.columns * grid.parity
        },
        section: section::<W>,
    }
}

/// The remainder so far, highest power first: symbol `j` is byte `j`, little-endian in words.
type Register<const W: usize> = [u64; W];

struct Code<const W: usize>;

impl<const W: usize> Code<W> {
    /// Every element times the generator without its highest term.
    const TABLE: [Register<W>; 256] = table();
}

/// The generator is (x − α)(x − α²)…, one factor for each parity symbol.
const fn table<const W: usize>() -> [Register<W>; 256] {
    let degree = W * WORD;
    let mut generator = [0u8; 65];
    generator[0] = 1;
    let mut factor = 1;
    while factor <= degree {
        // Times (x − α^factor), coefficients highest first.
        let root = power(factor);
        let mut nth = factor;
        while nth > 0 {
            generator[nth] ^= times(generator[nth - 1], root);
            nth -= 1;
        }
        factor += 1;
    }
    let mut table = [[0; W]; 256];
    let mut element = 0;
    while element < 256 {
        let mut nth = 0;
        while nth < degree {
            let product = times(element as u8, generator[nth + 1]) as u64;
            table[element][nth / WORD] |= product << (8 * (nth % WORD));
            nth += 1;
        }
        element += 1;
    }
    table
}

fn step<const W: usize>(register: &mut Register<W>, symbol: u8) {
    let [first, ..] = register.as_slice() else {
        return;
    };
    let added = &Code::<W>::TABLE[usize::from(*first as u8 ^ symbol)];
    let mut carried = 0;
    for (word, added) in register.iter_mut().zip(added).rev() {
        let shifted = *word >> 8 | carried << 56;
        carried = *word & 0xff;
        *word = shifted ^ added;
    }
}

/// The parity of `data`.
fn section<const W: usize>(data: &[u8]) -> Vec<u8> {
    let grid = Grid::over(data.len(), W * WORD);
    let mut section = vec![0; grid.columns * grid.parity];
    for first in (0..grid.columns).step_by(BLOCK) {
        let width = BLOCK.min(grid.columns - first);
        let mut registers = [[0; W]; BLOCK];
        for row in 0..grid.rows {
            let start = (row * grid.columns + first).min(data.len());
            let end = (start + width).min(data.len());
            let symbols = data.get(start..end).unwrap_or_default();
            // Beyond the data everything is zero.
            let symbols = symbols.iter().copied().chain(std::iter::repeat(0));
            for (register, symbol) in registers.iter_mut().take(width).zip(symbols) {
                step(register, symbol);
            }
        }
        for (nth, row) in section.chunks_exact_mut(grid.columns).enumerate() {
            let symbols = row.iter_mut().skip(first);
            for (symbol, register) in symbols.zip(registers.iter().take(width)) {
                *symbol = (register[nth / WORD] >> (8 * (nth % WORD))) as u8;
            }
        }
    }
    section
}
