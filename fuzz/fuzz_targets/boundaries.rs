//! Chunk boundaries: the core's, which work in lanes, against the book's, byte for byte.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ownkey_crypto::{Boundaries, End, Profile};
use ownkey_fuzz::reference::{Reference, TREE};
use ownkey_fuzz::{Keys, repo};

static FAST: LazyLock<Boundaries> = LazyLock::new(|| Keys::known().names.chunker(Profile::Tree));
// DK as `Keys::known` makes it.
static SLOW: LazyLock<Reference> = LazyLock::new(|| Reference::new(&[3; 32], repo().as_bytes()));

fuzz_target!(|input: (u32, &[u8])| {
    // Inputs of a fuzzer are short: they are repeated with a counter in between, up to the longest chunk and beyond.
    let (length, seed) = input;
    let length = length as usize % (TREE.max + 4096);
    let mut data = Vec::with_capacity(length + seed.len() + 8);
    let mut count = 0u64;
    while data.len() < length {
        data.extend_from_slice(seed);
        data.extend_from_slice(&count.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        count += 1;
    }
    data.truncate(length);
    let slow = SLOW.cut(&TREE, &data);
    assert_eq!(FAST.cut(&data, End::Known).unwrap_or(0), slow);
    // With more to come, a boundary that was found is the same one.
    if let Some(found) = FAST.cut(&data, End::MoreFollows) {
        assert_eq!(found, slow);
    }
});
