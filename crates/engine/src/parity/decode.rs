//! Healing: what a codeword should have been, from what is left of it.
//!
//! Half as many wrong symbols as there are parity symbols are found and put right, wherever they are: syndromes,
//! Berlekamp–Massey for the error locator, Chien's search for its roots, Forney's formula for the values (Blahut, *Algebraic
//! Codes for Data Transmission*, chapter 7).

use ownkey_crypto::ParityCode;

use super::field::{over, power, times};
use super::{CODEWORD, Grid};

/// What healing came to.
pub(super) struct Healed {
    pub(super) pack: Vec<u8>,
    /// Columns that were damaged and are codewords now.
    pub(super) mended: usize,
    /// Columns with too much damage, left as they were.
    pub(super) failed: usize,
}

/// Columns that fail before any was mended: then this is not the code of this pack.
const PATIENCE: usize = 64;

/// Heals every column of a pack that can be healed. The pack must have the length of its grid.
pub(super) fn heal(pack: &[u8], grid: &Grid, code: ParityCode) -> Healed {
    let (data, stored) = pack.split_at_checked(grid.data).unwrap_or((pack, &[]));
    let mut apart = (code.section)(data);
    apart.iter_mut().zip(stored).for_each(|(a, b)| *a ^= b);
    let mut healed = Healed {
        pack: pack.to_vec(),
        mended: 0,
        failed: 0,
    };
    let mut remainder = vec![0; grid.parity];
    for column in 0..grid.columns {
        let symbols = apart.iter().skip(column).step_by(grid.columns);
        remainder.iter_mut().zip(symbols).for_each(|(r, s)| *r = *s);
        if remainder.iter().all(|symbol| *symbol == 0) {
            continue;
        }
        match errors(&remainder, grid.rows).and_then(|errors| places(&errors, grid, column)) {
            Some(places) => {
                for (place, value) in places {
                    healed
                        .pack
                        .get_mut(place)
                        .into_iter()
                        .for_each(|it| *it ^= value);
                }
                healed.mended += 1;
            }
            None => healed.failed += 1,
        }
        if healed.mended == 0 && healed.failed > PATIENCE {
            break;
        }
    }
    healed
}

/// From powers of x in one column to bytes of the pack; `None` if one would lie beyond the data.
fn places(errors: &[(usize, u8)], grid: &Grid, column: usize) -> Option<Vec<(usize, u8)>> {
    let place = |(degree, value): &(usize, u8)| {
        let row = (grid.rows + grid.parity - 1).checked_sub(*degree)?;
        if row >= grid.rows {
            let parity = grid.data + (row - grid.rows) * grid.columns + column;
            return Some((parity, *value));
        }
        let place = row * grid.columns + column;
        (place < grid.data).then_some((place, *value))
    };
    errors.iter().map(place).collect()
}

/// The wrong symbols of a codeword with `rows` data symbols, as powers of x and what to add there; `None` if they are too
/// many. `remainder` is that of division by the generator, highest power first.
fn errors(remainder: &[u8], rows: usize) -> Option<Vec<(usize, u8)>> {
    let parity = remainder.len();
    let syndromes: Vec<u8> = (1..=parity)
        .map(|root| at(remainder.iter().copied(), power(root)))
        .collect();
    let locator = locator(&syndromes)?;
    let wrong = locator.len() - 1;
    // Syndromes times locator, without the terms from x^parity on; lowest power first.
    let evaluator: Vec<u8> = (0..parity)
        .map(|nth| {
            let pairs = locator.iter().take(nth + 1).enumerate();
            pairs.fold(0, |sum, (back, l)| sum ^ times(*l, syndromes[nth - back]))
        })
        .collect();
    // The formal derivative: odd terms, one power lower.
    let derivative: Vec<u8> = (1..locator.len())
        .map(|nth| if nth % 2 == 1 { locator[nth] } else { 0 })
        .collect();
    let mut errors = Vec::with_capacity(wrong);
    for degree in 0..rows + parity {
        let inverse = power(CODEWORD - degree % CODEWORD);
        if at(locator.iter().rev().copied(), inverse) == 0 {
            let slope = at(derivative.iter().rev().copied(), inverse);
            if slope == 0 {
                return None;
            }
            let value = at(evaluator.iter().rev().copied(), inverse);
            errors.push((degree, over(value, slope)));
        }
    }
    (errors.len() == wrong).then_some(errors)
}

/// A polynomial, highest power first, at a point.
fn at(polynomial: impl Iterator<Item = u8>, point: u8) -> u8 {
    polynomial.fold(0, |sum, coefficient| times(sum, point) ^ coefficient)
}

/// The shortest polynomial, lowest power first, whose roots are the inverses of the wrong places (Berlekamp–Massey); `None`
/// if there are more of them than can be told apart.
fn locator(syndromes: &[u8]) -> Option<Vec<u8>> {
    let (mut current, mut before) = (vec![1u8], vec![1u8]);
    let (mut length, mut shift, mut last) = (0usize, 1usize, 1u8);
    for nth in 0..syndromes.len() {
        let discrepancy = current
            .iter()
            .zip(syndromes.get(..=nth)?.iter().rev())
            .fold(0, |sum, (c, s)| sum ^ times(*c, *s));
        if discrepancy == 0 {
            shift += 1;
            continue;
        }
        let scale = over(discrepancy, last);
        let mut next = current.clone();
        next.resize(current.len().max(before.len() + shift), 0);
        for (term, b) in next.iter_mut().skip(shift).zip(&before) {
            *term ^= times(scale, *b);
        }
        if 2 * length <= nth {
            length = nth + 1 - length;
            (before, last, shift) = (current, discrepancy, 1);
        } else {
            shift += 1;
        }
        current = next;
    }
    while current.last() == Some(&0) {
        current.pop();
    }
    let right = current.len() == length + 1 && 2 * length <= syndromes.len();
    right.then_some(current)
}
