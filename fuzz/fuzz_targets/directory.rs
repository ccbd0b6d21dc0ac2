//! Pack directories: decoded and encoded back the same, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ownkey_crypto::Directory;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(directory) = Directory::decode(bytes) {
        assert_eq!(directory.encode(), bytes);
        for frame in directory.frames() {
            let _ = frame.range();
        }
    }
});
