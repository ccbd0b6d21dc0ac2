//! Key slots, which anybody may put into a storage: parsed or refused, and never opened by what did not seal them.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ownkey_crypto::{RecoveryKey, Slot, object_hash};
use ownkey_fuzz::{Constant, disturbed, repo};

static KEY: LazyLock<RecoveryKey> =
    LazyLock::new(|| RecoveryKey::generate(&Constant(9)).expect("a key"));
static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    use ownkey_crypto::{IdentitySeed, SlotContent};
    let content = SlotContent {
        seed: IdentitySeed::from_file_bytes(&[6; 32]),
        label: "paper".to_owned(),
    };
    let random = ownkey_fuzz::Repeating::new(3);
    Slot::seal_recovery_key(&content, &repo(), &KEY, &random)
        .expect("a slot")
        .into_bytes()
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(slot) = Slot::parse(bytes, &object_hash(bytes), &repo()) {
        assert!(slot.open_with_recovery_key(&KEY).is_err());
    }
    if let Some(changed) = disturbed(&SEALED, bytes)
        && let Ok(slot) = Slot::parse(&changed, &object_hash(&changed), &repo())
    {
        assert!(slot.open_with_recovery_key(&KEY).is_err());
    }
});
