//! Single envelopes: any bytes are refused, and a sealed object that was changed anywhere does not open.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ownkey_crypto::peek_epoch;
use ownkey_fuzz::{Keys, disturbed};

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::known);
static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let sealed = KEYS.reader.writer().seal_segment(&[5; 300], &KEYS.hedge);
    sealed.expect("a segment").into_bytes()
});

fuzz_target!(|bytes: &[u8]| {
    let _ = peek_epoch(bytes);
    assert!(KEYS.log.open_log("log/00/00", bytes).is_err());
    assert!(KEYS.log.open_roster(1, bytes).is_err());
    assert!(KEYS.log.open_history(1, bytes).is_err());
    if *bytes != **SEALED {
        assert!(KEYS.reader.open_segment(bytes).is_err());
    }
    assert!(KEYS.reader.open_body("log/00/00", bytes).is_err());
    assert!(KEYS.reader.open_fold("log/00/00", bytes).is_err());
    assert!(KEYS.reader.open_history(1, bytes).is_err());
    if let Some(changed) = disturbed(&SEALED, bytes) {
        assert!(KEYS.reader.open_segment(&changed).is_err());
    }
});
