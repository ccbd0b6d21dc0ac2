//! Parity: bytes at a pack's end from which damaged ones are computed again (docs/format.md §9, docs/adr/0022-parity.md).
//!
//! Reed–Solomon over GF(2^8), interleaved over the whole pack, so that scattered bytes and long runs heal alike. It sees
//! sealed bytes only and needs no key: whoever holds the storage can heal it. It proves nothing: what was healed must have
//! the hash it is named after again, or its frames must open.

mod decode;
mod encode;
mod field;

use ownkey_crypto::{HEADER_LEN, ParityCode};

/// A codeword has so many symbols.
const CODEWORD: usize = 255;
/// Parity symbols in a codeword are this times 1 to [`MOST`].
const WORD: usize = 8;
const MOST: usize = 8;

/// No object is longer (docs/format.md §14).
const LONGEST: usize = 64 << 20;

/// How much parity new packs get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parity(usize);

impl Parity {
    /// None.
    pub const NONE: Self = Self(0);

    /// About `percent` more bytes: 3.2, 6.7, 10.4, 14.3, 18.6, 23.2, 28.1 or 33.5, whichever is nearest. `None` below 3
    /// and above 34.
    #[must_use]
    pub fn percent(percent: f64) -> Option<Self> {
        if !(3.0..=34.0).contains(&percent) {
            return None;
        }
        let apart = |parity: &Self| (parity.overhead() - percent).abs();
        let all = (1..=MOST).map(Self);
        all.min_by(|a, b| apart(a).total_cmp(&apart(b)))
    }

    /// Bytes more, of a hundred.
    #[must_use]
    pub fn overhead(self) -> f64 {
        let symbols = (self.0 * WORD) as f64;
        100.0 * symbols / (CODEWORD as f64 - symbols)
    }

    /// The code, as packs are sealed with it.
    pub fn code(self) -> Option<ParityCode> {
        match self.0 {
            1 => Some(encode::code::<1>()),
            2 => Some(encode::code::<2>()),
            3 => Some(encode::code::<3>()),
            4 => Some(encode::code::<4>()),
            5 => Some(encode::code::<5>()),
            6 => Some(encode::code::<6>()),
            7 => Some(encode::code::<7>()),
            8 => Some(encode::code::<8>()),
            _ => None,
        }
    }
}

/// How a pack is laid out in codewords: column `x` is every `columns`th byte from `x` on, first of the data, then of the
/// parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grid {
    /// Bytes of header, frames, directory and trailer.
    data: usize,
    /// Codewords.
    columns: usize,
    /// Data symbols of each; those of the last row that are beyond the data are zero.
    rows: usize,
    /// Parity symbols of each.
    parity: usize,
}

impl Grid {
    /// For `data` bytes to be protected.
    fn over(data: usize, parity: usize) -> Self {
        let columns = data.div_ceil(CODEWORD - parity).max(1);
        Self {
            data,
            columns,
            rows: data.div_ceil(columns),
            parity,
        }
    }

    /// Of a pack of `length` bytes with its parity. The length says how many columns there are whatever the code:
    /// `columns` codewords of 255 symbols lack less than one symbol each.
    fn of(length: usize, parity: usize) -> Option<Self> {
        let columns = length.div_ceil(CODEWORD);
        let data = length.checked_sub(columns.checked_mul(parity)?)?;
        let grid = Self::over(data, parity);
        (data > 0 && grid.columns == columns).then_some(grid)
    }
}

/// A pack as it was, as far as its parity goes, from its bytes as they are now. `length` is the one it should have. `None`
/// if it has no parity, or too little of it is left.
pub(crate) fn heal(pack: &[u8], length: usize) -> Option<Vec<u8>> {
    if length > LONGEST {
        return None;
    }
    let mut pack = pack.to_vec();
    pack.resize(length, 0);
    let mut best: Option<decode::Healed> = None;
    for parity in candidates(&pack) {
        let Some(grid) = Grid::of(length, parity * WORD) else {
            continue;
        };
        let code = Parity(parity).code()?;
        let healed = decode::heal(&pack, &grid, code);
        if healed.failed == 0 {
            return Some(healed.pack);
        }
        // Of columns that are no codewords, few look like one: a wrong code never mends half of them.
        let likely = healed.mended > healed.failed;
        if likely && best.as_ref().is_none_or(|best| healed.failed < best.failed) {
            best = Some(healed);
        }
    }
    best.map(|healed| healed.pack)
}

/// The codes to try: the one that the header names, which may be damaged itself, and then the others.
fn candidates(pack: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let field = pack.get(HEADER_LEN - 4..HEADER_LEN);
    let named = field.and_then(|field| Some(u32::from_le_bytes(field.try_into().ok()?)));
    let columns = pack.len().div_ceil(CODEWORD).max(1);
    let named = named.map(|length| length as usize / columns / WORD);
    let named = named.filter(|words| (1..=MOST).contains(words));
    let others = (1..=MOST).filter(move |words| Some(*words) != named);
    named.into_iter().chain(others)
}

#[cfg(test)]
mod tests;
