//! What people type: read, corrected or refused, and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ownkey_crypto::{KitSecret, Parsed, RecoveryKey};

fuzz_target!(|typed: &str| {
    if let Ok(Parsed { key, .. }) = RecoveryKey::parse(typed) {
        let groups = key.to_groups();
        let again = RecoveryKey::parse(&groups).expect("what we print we read");
        assert_eq!(*again.key.to_groups(), *groups);
        assert!(again.corrected.is_none());
    }
    if let Ok(Parsed { key, .. }) = KitSecret::parse(typed) {
        let again = KitSecret::parse(&key.to_groups()).expect("what we print we read");
        assert_eq!(*again.key.to_groups(), *key.to_groups());
    }
});
