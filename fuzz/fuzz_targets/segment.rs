//! Index segments: decoded and encoded back the same, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ownkey_engine::format::segment;
use ownkey_fuzz::opened;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(packs) = segment::decode(&opened(bytes)) {
        assert_eq!(segment::encode(&packs), bytes);
    }
});
