//! zstd for frames (docs/format.md §9): one frame, no dictionary, exact length.

use std::cell::RefCell;
use std::io;

use ownkey_crypto::{Codec, Opened};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

/// How much work compressing is worth. What does not shrink is stored as it is at any level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression(Option<i32>);

impl Compression {
    /// Level 3: the knee of the curve for source code and documents.
    pub const AUTO: Self = Self(Some(3));
    /// Nothing is compressed.
    pub const OFF: Self = Self(None);

    /// zstd's levels 1 (fast) to 19 (small; about 80 MiB for each thread, and 50 times the time); `None` for others.
    #[must_use]
    pub fn level(level: u8) -> Option<Self> {
        (1..=19).contains(&level).then(|| Self(Some(level.into())))
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::AUTO
    }
}

/// Compresses frames; one per thread, because its tables are worth keeping.
pub struct FrameCompressor(Option<Tools>);

struct Tools {
    zstd: Compressor<'static>,
    /// Reused: what a frame might need is much more than what it gets.
    packed: Vec<u8>,
    trial: Trial,
}

impl FrameCompressor {
    /// For one thread.
    ///
    /// # Errors
    /// What zstd says; there is not enough memory for its tables.
    pub fn new(compression: Compression) -> io::Result<Self> {
        let Some(level) = compression.0 else {
            return Ok(Self(None));
        };
        let mut zstd = Compressor::new(level)?;
        zstd.include_checksum(false)?;
        zstd.include_contentsize(true)?;
        Ok(Self(Some(Tools {
            zstd,
            packed: Vec::new(),
            trial: Trial::new()?,
        })))
    }

    /// `plain` compressed, where that saves at least a sixty-fourth; else it is stored as it is.
    ///
    /// # Errors
    /// What zstd says.
    pub fn compress(&mut self, plain: &[u8]) -> io::Result<Option<&[u8]>> {
        let Some(tools) = &mut self.0 else {
            return Ok(None);
        };
        if !tools.trial.promises(plain)? {
            return Ok(None);
        }
        let length = compress_into(&mut tools.zstd, plain, &mut tools.packed)?;
        let packed = tools.packed.get(..length);
        Ok(packed.filter(|_| is_worth_it(length, plain.len())))
    }
}

/// Replaces what is in `packed`, and gives its length.
fn compress_into(
    zstd: &mut Compressor<'_>,
    plain: &[u8],
    packed: &mut Vec<u8>,
) -> io::Result<usize> {
    packed.clear();
    packed.reserve(zstd_safe::compress_bound(plain.len()));
    zstd.compress_to_buffer(plain, packed)
}

/// Whether compressing saved a sixty-fourth.
fn is_worth_it(packed: usize, plain: usize) -> bool {
    packed < plain - plain / 64
}

/// Tells from a sample whether a large frame is worth compressing. A wrong answer costs size or time, never correctness.
///
/// The sample is compressed, not counted: bytes that are all equally common may still repeat, and those that are not,
/// as in pictures and archives, may hide nothing.
struct Trial {
    /// The fastest level that still codes bytes by how common they are: level −1 calls base64 incompressible.
    zstd: Compressor<'static>,
    sample: Vec<u8>,
    packed: Vec<u8>,
}

/// Many small pieces, so that they fall into whatever is mixed: of data that is to a fraction f compressible, at most
/// f (1 − f)^32 < 1.2 % is missed, and that only in the worst case.
const PIECES: usize = 32;
/// Bytes of each: zstd needs some hundreds to find anything.
const PIECE: usize = 2 << 10;

impl Trial {
    fn new() -> io::Result<Self> {
        Ok(Self {
            zstd: Compressor::new(1)?,
            sample: Vec::new(),
            packed: Vec::new(),
        })
    }

    fn promises(&mut self, plain: &[u8]) -> io::Result<bool> {
        // Of less, a sample would be most of the work.
        if plain.len() < 4 * PIECES * PIECE {
            return Ok(true);
        }
        self.sample.clear();
        for part in plain.chunks(plain.len() / PIECES).take(PIECES) {
            self.sample.extend(part.iter().take(PIECE));
        }
        let packed = compress_into(&mut self.zstd, &self.sample, &mut self.packed)?;
        Ok(is_worth_it(packed, self.sample.len()))
    }
}

/// Why a stored frame is not what its directory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame does not decompress to what its directory says")]
pub(crate) struct DecompressError;

/// The plaintext of a frame of exactly `plain_len` bytes.
pub(crate) fn decompress(
    stored: Opened,
    codec: Codec,
    plain_len: usize,
) -> Result<Opened, DecompressError> {
    let inflated = inflated(&stored, codec, plain_len)?;
    Ok(inflated.unwrap_or(stored))
}

/// The same, beside what was stored; `None` if that is the plaintext.
pub(crate) fn inflated(
    stored: &Opened,
    codec: Codec,
    plain_len: usize,
) -> Result<Option<Opened>, DecompressError> {
    match codec {
        Codec::Stored if stored.len() == plain_len => Ok(None),
        Codec::Stored => Err(DecompressError),
        Codec::Zstd => stored.derive(|bytes| inflate(bytes, plain_len)).map(Some),
    }
}

fn inflate(bytes: &[u8], plain_len: usize) -> Result<Vec<u8>, DecompressError> {
    // Exactly one frame: what follows it would be bytes that nothing accounts for.
    let whole = zstd_safe::find_frame_compressed_size(bytes).map_err(|_| DecompressError)?;
    if whole != bytes.len() || zstd_safe::get_dict_id_from_frame(bytes).is_some() {
        return Err(DecompressError);
    }
    // The capacity is the bound: a frame that inflates to more is refused, not grown.
    let plain =
        with_decompressor(|zstd| zstd.decompress(bytes, plain_len)).map_err(|_| DecompressError)?;
    if plain.len() == plain_len {
        Ok(plain)
    } else {
        Err(DecompressError)
    }
}

/// One for each thread: its tables cost more to make than most frames to decompress. It starts every frame afresh, after a
/// broken one too.
fn with_decompressor<T>(
    work: impl FnOnce(&mut Decompressor<'static>) -> io::Result<T>,
) -> io::Result<T> {
    thread_local! {
        static KEPT: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }
    KEPT.with_borrow_mut(|kept| {
        let zstd = match kept.take() {
            Some(zstd) => zstd,
            None => Decompressor::new()?,
        };
        work(kept.insert(zstd))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repeatable bytes that look random.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    fn codec(compression: Compression, plain: &[u8]) -> Codec {
        let mut compressor = FrameCompressor::new(compression).expect("zstd");
        match compressor.compress(plain).expect("compressed") {
            None => Codec::Stored,
            Some(stored) => {
                assert_eq!(inflate(stored, plain.len()).as_deref(), Ok(plain));
                Codec::Zstd
            }
        }
    }

    #[test]
    fn noise_is_stored_and_text_is_compressed() {
        for length in [1 << 10, 100 << 10, 1 << 20, 4 << 20] {
            assert_eq!(codec(Compression::AUTO, &noise(length)), Codec::Stored);
            let text = "all work and no play ".repeat(length / 21);
            assert_eq!(codec(Compression::AUTO, text.as_bytes()), Codec::Zstd);
        }
        assert_eq!(codec(Compression::AUTO, &[]), Codec::Stored);
    }

    #[test]
    fn noise_in_few_letters_is_compressed() {
        let letters: Vec<u8> = noise(1 << 20).iter().map(|byte| b'0' + byte % 64).collect();
        assert_eq!(codec(Compression::AUTO, &letters), Codec::Zstd);
    }

    #[test]
    fn a_tenth_that_shrinks_is_found_wherever_it_is() {
        for at in 0..9 {
            let mut mixed = noise(1 << 20);
            let tenth = mixed.len() / 10;
            mixed[at * tenth..(at + 1) * tenth].fill(0);
            assert_eq!(codec(Compression::AUTO, &mixed), Codec::Zstd, "{at}");
        }
    }

    #[test]
    fn every_level_is_the_users_to_choose() {
        let text = b"all work and no play ".repeat(5000);
        for level in [1, 3, 19] {
            let chosen = Compression::level(level).expect("a level");
            assert_eq!(codec(chosen, &text), Codec::Zstd);
        }
        assert_eq!(codec(Compression::OFF, &text), Codec::Stored);
        assert_eq!(Compression::level(3), Some(Compression::default()));
        assert_eq!(Compression::level(0), None);
        assert_eq!(Compression::level(20), None);
    }

    #[test]
    fn a_broken_frame_does_not_spoil_the_next() {
        let text = b"all work and no play ".repeat(5000);
        let mut compressor = FrameCompressor::new(Compression::AUTO).expect("zstd");
        let good = compressor
            .compress(&text)
            .expect("compressed")
            .expect("smaller");
        let mut broken = good.to_vec();
        let middle = broken.len() / 2;
        broken[middle] ^= 1;
        for _ in 0..3 {
            assert_ne!(inflate(&broken, text.len()).as_deref(), Ok(&text[..]));
            assert_eq!(inflate(good, text.len() - 1), Err(DecompressError));
            assert_eq!(inflate(good, text.len()).as_deref(), Ok(&text[..]));
        }
    }
}
