//! zstd for frames (docs/format.md §9): one frame, no dictionary, exact length.

use ownkey_crypto::{Codec, Opened};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

/// Level 3: the knee of the curve for source code and documents.
const LEVEL: i32 = 3;

/// Compresses frames; one per thread, because its tables are worth keeping.
pub(crate) struct FrameCompressor {
    zstd: Compressor<'static>,
    /// Reused: what a frame might need is much more than what it gets.
    packed: Vec<u8>,
}

impl FrameCompressor {
    pub(crate) fn new() -> std::io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.include_checksum(false)?;
        compressor.include_contentsize(true)?;
        Ok(Self {
            zstd: compressor,
            packed: Vec::new(),
        })
    }

    /// `plain` compressed, where that saves at least a sixty-fourth; else it is stored as it is.
    pub(crate) fn compress(&mut self, plain: &[u8]) -> std::io::Result<Option<&[u8]>> {
        if looks_random(plain) {
            return Ok(None);
        }
        self.packed.clear();
        self.packed.reserve(zstd_safe::compress_bound(plain.len()));
        let length = self.zstd.compress_to_buffer(plain, &mut self.packed)?;
        let saves = length < plain.len() - plain.len() / 64;
        Ok(self.packed.get(..length).filter(|_| saves))
    }
}

/// Bytes looked at to tell whether a large frame is worth compressing.
const SAMPLE: usize = 16 << 10;

/// Whether the byte counts of a few samples are those of compressed or encrypted data. A wrong
/// answer costs size or time, never correctness.
fn looks_random(plain: &[u8]) -> bool {
    if plain.len() < 4 * SAMPLE {
        return false;
    }
    let mut counts = [0u32; 256];
    let stride = plain.len() / 4;
    for part in plain.chunks(stride).take(4) {
        for byte in part.iter().take(SAMPLE) {
            counts[usize::from(*byte)] += 1;
        }
    }
    // Expected 256 of each in 64 KiB of random bytes, standard deviation 16; five of them.
    counts.iter().all(|count| (176..=336).contains(count))
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
    match codec {
        Codec::Stored if stored.as_bytes().len() == plain_len => Ok(stored),
        Codec::Stored => Err(DecompressError),
        Codec::Zstd => stored.derive(|bytes| inflate(bytes, plain_len)),
    }
}

fn inflate(bytes: &[u8], plain_len: usize) -> Result<Vec<u8>, DecompressError> {
    // Exactly one frame: what follows it would be bytes that nothing accounts for.
    let whole = zstd_safe::find_frame_compressed_size(bytes).map_err(|_| DecompressError)?;
    if whole != bytes.len() || zstd_safe::get_dict_id_from_frame(bytes).is_some() {
        return Err(DecompressError);
    }
    // The capacity is the bound: a frame that inflates to more is refused, not grown.
    let plain = Decompressor::new()
        .and_then(|mut zstd| zstd.decompress(bytes, plain_len))
        .map_err(|_| DecompressError)?;
    if plain.len() == plain_len {
        Ok(plain)
    } else {
        Err(DecompressError)
    }
}
