//! The one public object: any bytes give a repository id, and then they are the very header, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ownkey_engine::format::header;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(repo) = header::parse(bytes) {
        assert_eq!(header::to_bytes(&repo), bytes);
    }
});
