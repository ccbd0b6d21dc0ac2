//! Secrets that people copy from paper: Crockford base32 with two check symbols (docs/format.md §7).
//!
//! Twenty-six symbols and a Reed–Solomon check over GF(32) = GF(2)[x]/(x^5 + x^2 + 1), α = 2. It promises that any one
//! wrong symbol is corrected, wherever it stands. More are refused, or lead to a key that the slot's commitment refuses.

use crate::error::RecoveryKeyError;
use zeroize::Zeroizing;

pub(crate) const DATA_SYMBOLS: usize = 26;
pub(crate) const SYMBOLS: usize = 28;
/// The data as a big-endian number of 130 bits.
pub(crate) const DATA_BYTES: usize = 17;
const GROUP: usize = 4;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Symbols read back from what was typed.
pub(crate) struct Read {
    pub(crate) bytes: Zeroizing<[u8; DATA_BYTES]>,
    pub(crate) corrected: Option<usize>,
}

/// Writes 130 bits (the top 6 of the 136 are left out) as 7 groups of 4.
pub(crate) fn write(bytes: &[u8; DATA_BYTES]) -> Zeroizing<String> {
    let symbols = with_check(&to_symbols(bytes));
    let mut text = Zeroizing::new(String::with_capacity(SYMBOLS.saturating_add(7)));
    for (i, group) in symbols.chunks(GROUP).enumerate() {
        if i > 0 {
            text.push('-');
        }
        text.extend(
            group
                .iter()
                .filter_map(|&s| ALPHABET.get(usize::from(s)))
                .map(|&c| char::from(c)),
        );
    }
    text
}

/// Reads 28 symbols; spaces and hyphens do not count, case does not matter, O is 0, I and L are 1.
pub(crate) fn read(typed: &str) -> Result<Read, RecoveryKeyError> {
    let mut symbols = Zeroizing::new([0u8; SYMBOLS]);
    let mut found = 0usize;
    let mut foreign = None;
    for character in typed
        .chars()
        .filter(|c| !c.is_whitespace() && !is_hyphen(*c))
    {
        let symbol = symbol(character);
        if symbol.is_none() && foreign.replace(found).is_some() {
            return Err(RecoveryKeyError::Symbol { position: found });
        }
        if let Some(place) = symbols.get_mut(found) {
            *place = symbol.unwrap_or(0);
        }
        found = found.saturating_add(1);
    }
    if found != SYMBOLS {
        return Err(RecoveryKeyError::Length { found });
    }
    let corrected = correct(&mut symbols)?;
    // A character of no key counts as the one wrong symbol, even if it happened to stand for 0.
    if foreign.is_some() && corrected.is_some() && foreign != corrected {
        return Err(RecoveryKeyError::TooManyMistakes);
    }
    Ok(Read {
        bytes: from_symbols(&symbols),
        corrected: corrected.or(foreign),
    })
}

fn is_hyphen(character: char) -> bool {
    matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn symbol(character: char) -> Option<u8> {
    let upper = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let position = ALPHABET
        .iter()
        .position(|&known| char::from(known) == upper)?;
    u8::try_from(position).ok()
}

/// α·a: shift, and reduce by x^5 = x^2 + 1.
fn times_alpha(a: u8) -> u8 {
    let shifted = a << 1;
    if shifted & 0x20 != 0 {
        (shifted & 0x1f) ^ 0b00101
    } else {
        shifted
    }
}

/// α^n·a.
fn times_alpha_to(a: u8, n: usize) -> u8 {
    (0..n).fold(a, |product, _| times_alpha(product))
}

/// c(α^power) by Horner's rule.
fn evaluate(symbols: &[u8], power: usize) -> u8 {
    symbols
        .iter()
        .fold(0, |sum, &symbol| times_alpha_to(sum, power) ^ symbol)
}

/// Appends the remainder of data·x² by (x − α)(x − α²) = x² + (α + α²)x + α³.
fn with_check(data: &[u8; DATA_SYMBOLS]) -> Zeroizing<[u8; SYMBOLS]> {
    let (mut high, mut low) = (0u8, 0u8);
    for &symbol in data {
        let lead = high ^ symbol;
        (high, low) = (
            low ^ times_alpha(lead) ^ times_alpha_to(lead, 2),
            times_alpha_to(lead, 3),
        );
    }
    let mut symbols = Zeroizing::new([0u8; SYMBOLS]);
    for (place, &symbol) in symbols.iter_mut().zip(data.iter().chain([&high, &low])) {
        *place = symbol;
    }
    symbols
}

/// An error e at x^p leaves the syndromes eα^p and eα^2p: their quotient is α^p, and p its logarithm.
fn correct(symbols: &mut [u8; SYMBOLS]) -> Result<Option<usize>, RecoveryKeyError> {
    let (first, second) = (evaluate(symbols, 1), evaluate(symbols, 2));
    if first == 0 && second == 0 {
        return Ok(None);
    }
    let many = RecoveryKeyError::TooManyMistakes;
    if first == 0 || second == 0 {
        return Err(many);
    }
    let power = (0..SYMBOLS)
        .find(|&p| times_alpha_to(first, p) == second)
        .ok_or(many)?;
    // α has order 31: dividing by α^p is multiplying by α^(31 − p).
    let error = times_alpha_to(first, 31usize.saturating_sub(power));
    let position = (SYMBOLS - 1).checked_sub(power).ok_or(many)?;
    *symbols.get_mut(position).ok_or(many)? ^= error;
    Ok(Some(position))
}

fn to_symbols(bytes: &[u8; DATA_BYTES]) -> Zeroizing<[u8; DATA_SYMBOLS]> {
    let mut symbols = Zeroizing::new([0u8; DATA_SYMBOLS]);
    for (i, symbol) in symbols.iter_mut().enumerate() {
        // Bit 0 is the highest of the 136; the first 6 are zero and belong to no symbol.
        let first = i.saturating_mul(5).saturating_add(6);
        *symbol = (first..first.saturating_add(5)).fold(0, |bits, at| (bits << 1) | bit(bytes, at));
    }
    symbols
}

fn bit(bytes: &[u8; DATA_BYTES], at: usize) -> u8 {
    bytes
        .get(at >> 3)
        .map_or(0, |byte| (byte >> (7 - (at & 7))) & 1)
}

fn from_symbols(symbols: &[u8; SYMBOLS]) -> Zeroizing<[u8; DATA_BYTES]> {
    let mut bytes = Zeroizing::new([0u8; DATA_BYTES]);
    for &symbol in symbols.iter().take(DATA_SYMBOLS) {
        // The number times 32 plus the symbol, byte by byte from the low end.
        let mut carry = symbol;
        for byte in bytes.iter_mut().rev() {
            let high = *byte >> 3;
            *byte = (*byte << 5) | carry;
            carry = high;
        }
    }
    bytes
}
