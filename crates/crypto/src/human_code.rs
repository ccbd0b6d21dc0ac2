//! Secrets that people copy from paper or from a screen: Crockford base32 with two check symbols (docs/format.md §7).
//!
//! Symbols and a Reed–Solomon check over GF(32) = GF(2)[x]/(x^5 + x^2 + 1), α = 2: at most 31 symbols, here 28 for keys and 10
//! for codes. It promises that any one wrong symbol is corrected, wherever it stands. More are refused, or lead to a key
//! that a commitment refuses.

use crate::error::RecoveryKeyError;
use crate::secret::Secret;
use zeroize::Zeroizing;

pub(crate) const DATA_SYMBOLS: usize = 26;
pub(crate) const SYMBOLS: usize = 28;
/// The data as a big-endian number of 130 bits.
pub(crate) const DATA_BYTES: usize = 17;
const GROUP: usize = 4;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A key read back from what was typed.
pub(crate) struct Read {
    pub(crate) bytes: Secret<DATA_BYTES>,
    pub(crate) corrected: Option<usize>,
}

/// Writes 130 bits (the top 6 of the 136 are left out) as 7 groups of 4.
pub(crate) fn write(bytes: &[u8; DATA_BYTES]) -> Zeroizing<String> {
    write_symbols::<SYMBOLS>(to_symbols(bytes).as_bytes(), GROUP)
}

/// Writes data symbols and their check, in groups with hyphens.
pub(crate) fn write_symbols<const N: usize>(data: &[u8], group: usize) -> Zeroizing<String> {
    let symbols = with_check::<N>(data);
    let mut text = Zeroizing::new(String::with_capacity(N.saturating_mul(2)));
    for (i, group) in symbols.as_bytes().chunks(group).enumerate() {
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

/// Reads a key's 28 symbols.
pub(crate) fn read(typed: &str) -> Result<Read, RecoveryKeyError> {
    let (symbols, corrected) = read_symbols::<SYMBOLS>(typed)?;
    Ok(Read {
        bytes: from_symbols(symbols.as_bytes()),
        corrected,
    })
}

/// Symbols that were typed, check and all, and which of them was wrong.
pub(crate) type Symbols<const N: usize> = (Secret<N>, Option<usize>);

/// Reads N symbols; spaces and hyphens do not count, case does not matter, O is 0, I and L are 1.
pub(crate) fn read_symbols<const N: usize>(typed: &str) -> Result<Symbols<N>, RecoveryKeyError> {
    let mut symbols = Secret::<N>::zeroed();
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
        if let Some(place) = symbols.as_mut().get_mut(found) {
            *place = symbol.unwrap_or(0);
        }
        found = found.saturating_add(1);
    }
    if found != N {
        return Err(RecoveryKeyError::Length { wanted: N, found });
    }
    let corrected = correct(symbols.as_mut())?;
    // A character of no key counts as the one wrong symbol, even if it happened to stand for 0.
    if foreign.is_some() && corrected.is_some() && foreign != corrected {
        return Err(RecoveryKeyError::TooManyMistakes);
    }
    Ok((symbols, corrected.or(foreign)))
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
fn with_check<const N: usize>(data: &[u8]) -> Secret<N> {
    let (mut high, mut low) = (0u8, 0u8);
    for &symbol in data {
        let lead = high ^ symbol;
        (high, low) = (
            low ^ times_alpha(lead) ^ times_alpha_to(lead, 2),
            times_alpha_to(lead, 3),
        );
    }
    let mut symbols = Secret::<N>::zeroed();
    for (place, &symbol) in symbols
        .as_mut()
        .iter_mut()
        .zip(data.iter().chain([&high, &low]))
    {
        *place = symbol;
    }
    symbols
}

/// An error e at x^p leaves the syndromes eα^p and eα^2p: their quotient is α^p, and p its logarithm.
fn correct<const N: usize>(symbols: &mut [u8; N]) -> Result<Option<usize>, RecoveryKeyError> {
    let (first, second) = (evaluate(symbols, 1), evaluate(symbols, 2));
    if first == 0 && second == 0 {
        return Ok(None);
    }
    let many = RecoveryKeyError::TooManyMistakes;
    if first == 0 || second == 0 {
        return Err(many);
    }
    let power = (0..N)
        .find(|&p| times_alpha_to(first, p) == second)
        .ok_or(many)?;
    // α has order 31: dividing by α^p is multiplying by α^(31 − p).
    let error = times_alpha_to(first, 31usize.saturating_sub(power));
    let position = N
        .checked_sub(1)
        .and_then(|last| last.checked_sub(power))
        .ok_or(many)?;
    *symbols.get_mut(position).ok_or(many)? ^= error;
    Ok(Some(position))
}

fn to_symbols(bytes: &[u8; DATA_BYTES]) -> Secret<DATA_SYMBOLS> {
    let mut symbols = Secret::zeroed();
    for (i, symbol) in symbols.as_mut().iter_mut().enumerate() {
        // Bit 0 is the highest of the 136; the first 6 are zero and belong to no symbol.
        let first = i.saturating_mul(5).saturating_add(6);
        *symbol = (first..first.saturating_add(5)).fold(0, |bits, at| (bits << 1) | bit(bytes, at));
    }
    symbols
}

fn bit(bytes: &[u8; DATA_BYTES], at: usize) -> u8 {
    bytes
        .get(at >> 3)
        .map_or(0, |byte| u8::from(byte & (0x80 >> (at & 7)) != 0))
}

fn from_symbols(symbols: &[u8; SYMBOLS]) -> Secret<DATA_BYTES> {
    let mut bytes = Secret::zeroed();
    for &symbol in symbols.iter().take(DATA_SYMBOLS) {
        // The number times 32 plus the symbol, byte by byte from the low end.
        let mut carry = symbol;
        for byte in bytes.as_mut().iter_mut().rev() {
            let high = *byte >> 3;
            *byte = (*byte << 5) | carry;
            carry = high;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> [u8; DATA_BYTES] {
        let mut bytes = [0u8; DATA_BYTES];
        blake3::Hasher::new()
            .update(b"paper")
            .finalize_xof()
            .fill(&mut bytes);
        bytes[0] &= 3;
        bytes
    }

    fn plain(text: &str) -> Vec<u8> {
        text.bytes().filter(|&byte| byte != b'-').collect()
    }

    #[test]
    fn the_field_has_31_powers_of_alpha() {
        let powers: std::collections::BTreeSet<u8> =
            (0..31).map(|n| times_alpha_to(1, n)).collect();
        assert_eq!(powers.len(), 31);
        assert_eq!(times_alpha_to(1, 31), 1);
    }

    #[test]
    fn it_is_written_in_seven_groups_of_four_and_reads_back() {
        let text = write(&sample());
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [4; 7]);
        let read = read(&text).unwrap();
        assert_eq!((*read.bytes.as_bytes(), read.corrected), (sample(), None));
    }

    #[test]
    fn every_single_wrong_symbol_is_corrected_wherever_it_stands() {
        let good = plain(&write(&sample()));
        for position in 0..SYMBOLS {
            for &symbol in ALPHABET.iter().filter(|&&symbol| symbol != good[position]) {
                let mut typed = good.clone();
                typed[position] = symbol;
                let read = read(std::str::from_utf8(&typed).unwrap()).ok().unwrap();
                assert_eq!(
                    (*read.bytes.as_bytes(), read.corrected),
                    (sample(), Some(position))
                );
            }
        }
    }

    #[test]
    fn one_character_of_no_key_is_a_wrong_symbol_and_two_are_an_error() {
        let good = plain(&write(&sample()));
        for position in 0..SYMBOLS {
            let mut typed = good.clone();
            typed[position] = b'U';
            let one = read(std::str::from_utf8(&typed).unwrap()).ok().unwrap();
            assert_eq!(
                (*one.bytes.as_bytes(), one.corrected),
                (sample(), Some(position))
            );
            let other = (position + 1) % SYMBOLS;
            typed[other] = b'!';
            let error = read(std::str::from_utf8(&typed).unwrap()).err();
            assert_eq!(
                error,
                Some(RecoveryKeyError::Symbol {
                    position: position.max(other)
                })
            );
        }
    }

    #[test]
    fn two_wrong_symbols_never_read_as_the_key_and_are_mostly_refused_or_show_as_corrected() {
        let good = plain(&write(&sample()));
        for first in 0..SYMBOLS {
            for second in first + 1..SYMBOLS {
                let mut typed = good.clone();
                for position in [first, second] {
                    typed[position] = if typed[position] == b'7' { b'8' } else { b'7' };
                }
                if let Ok(read) = read(std::str::from_utf8(&typed).unwrap()) {
                    assert_ne!(*read.bytes.as_bytes(), sample());
                    assert!(
                        read.corrected.is_some(),
                        "distance 3: two errors are no code word"
                    );
                }
            }
        }
    }

    #[test]
    fn every_transposition_of_neighbours_is_noticed() {
        let good = plain(&write(&sample()));
        for position in 0..SYMBOLS - 1 {
            let mut typed = good.clone();
            typed.swap(position, position + 1);
            if typed != good {
                let read = read(std::str::from_utf8(&typed).unwrap());
                assert!(!matches!(read, Ok(read) if read.corrected.is_none()));
            }
        }
    }

    #[test]
    fn case_spaces_dashes_and_look_alikes_do_not_matter() {
        // Zeros and ones all over: the number whose symbols are 0 and 1 by turns.
        let mut bytes = [0u8; DATA_BYTES];
        for i in (1..DATA_SYMBOLS).step_by(2) {
            let at = 6 + 5 * i + 4;
            bytes[at / 8] |= 0x80 >> (at % 8);
        }
        let text = write(&bytes).to_lowercase();
        assert!(text.starts_with("0101-0101"));
        for (zero, one) in [("o", "i"), ("O", "L"), ("0", "l")] {
            let typed = text
                .replace('0', zero)
                .replace('1', one)
                .replace('-', " \u{2013}\t");
            let read = read(&typed).ok().unwrap();
            assert_eq!((*read.bytes.as_bytes(), read.corrected), (bytes, None));
        }
    }

    #[test]
    fn other_lengths_say_how_much_was_typed() {
        let good = String::from_utf8(plain(&write(&sample()))).unwrap();
        assert_eq!(
            read(&good[1..]).err(),
            Some(RecoveryKeyError::Length {
                wanted: 28,
                found: 27
            })
        );
        assert_eq!(
            read(&format!("{good}{good}")).err(),
            Some(RecoveryKeyError::Length {
                wanted: 28,
                found: 56
            })
        );
        assert_eq!(
            read("").err(),
            Some(RecoveryKeyError::Length {
                wanted: 28,
                found: 0
            })
        );
    }
}
