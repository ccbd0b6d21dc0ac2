//! The file of a device key that something guards: a passphrase, or a key that the desktop's keychain holds.
//!
//! ```text
//! "ownkey guarded 1" ‖ BLAKE3(slot) ‖ slot (docs/format.md §7, kind 1: a passphrase, kind 3: a key of the keychain)
//! ```
//!
//! It promises that a damaged file and a wrong passphrase are two errors, and that a guess costs 64 MiB: what backs
//! up every hour pays that every hour, so it is not made dearer where the machine is small.

use std::path::Path;

use ownkey_crypto::{
    IdentitySeed, KdfCost, ObjectHash, Random, RepoId, Slot, SlotContent, SlotError, SlotKind,
    object_hash,
};

use super::seed::Magic;
use crate::error::{Error, Result};
use crate::guard::{Guard, GuardKind};

const MAGIC: &Magic = b"ownkey guarded 1";

/// Longest file of a device key, in bytes.
pub(super) const LIMIT: u64 = 1024;

/// What a guarded key's file holds; `None` if nothing guards it.
pub(super) fn seal(
    seed: &IdentitySeed,
    guard: Guard<'_>,
    repo: &RepoId,
    random: &dyn Random,
) -> Result<Option<Vec<u8>>> {
    let content = SlotContent {
        seed: seed.duplicate(),
        label: "device key".to_owned(),
    };
    let sealed = match guard {
        Guard::Nothing => return Ok(None),
        Guard::Passphrase(passphrase) => {
            Slot::seal_password(&content, repo, passphrase, KdfCost::FLOOR, random)
        }
        Guard::Keychain(key) => Slot::seal_recovery_key(&content, repo, key, random),
    };
    let slot = sealed.map_err(Error::SealSlot)?.into_bytes();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(object_hash(&slot).as_bytes());
    bytes.extend_from_slice(&slot);
    Ok(Some(bytes))
}

/// A guarded key as its file has it.
pub(super) struct Guarded(Slot);

impl Guarded {
    /// `None` if this is a file of another kind.
    pub(super) fn parse(bytes: &[u8], path: &Path, repo: &RepoId) -> Result<Option<Self>> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Ok(None);
        };
        let slot = rest
            .split_first_chunk::<32>()
            .and_then(|(hash, slot)| Slot::parse(slot, &ObjectHash::from_bytes(*hash), repo).ok());
        let known = slot
            .filter(|slot| matches!(slot.kind(), SlotKind::Password | SlotKind::RecoveryKey))
            .map(Self);
        known
            .map(Some)
            .ok_or_else(|| Error::StateTampered(path.to_owned()))
    }

    pub(super) fn kind(&self) -> GuardKind {
        match self.0.kind() {
            SlotKind::Password => GuardKind::Passphrase,
            _ => GuardKind::Keychain,
        }
    }

    pub(super) fn open(&self, guard: Guard<'_>, path: &Path) -> Result<IdentitySeed> {
        let opened = match guard {
            Guard::Passphrase(passphrase) => self.0.open_with_password(passphrase),
            Guard::Keychain(key) => self.0.open_with_recovery_key(key),
            Guard::Nothing => Err(SlotError::OtherKind),
        };
        match opened {
            Ok(content) => Ok(content.seed),
            Err(SlotError::OtherKind) => Err(Error::DeviceKeyGuarded(self.kind())),
            Err(SlotError::WrongCredential) => Err(Error::WrongGuard(self.kind())),
            Err(error @ SlotError::OutOfMemory) => Err(Error::Stretch(error)),
            Err(_) => Err(Error::StateTampered(path.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use ownkey_testkit::SeededRandom;

    use ownkey_crypto::RecoveryKey;

    use super::*;

    #[test]
    fn a_changed_byte_is_damage_and_never_a_wrong_passphrase() {
        struct Repeats;
        impl Random for Repeats {
            fn fill(&self, out: &mut [u8]) -> std::result::Result<(), ownkey_crypto::RandomFailed> {
                out.copy_from_slice(&SeededRandom::new(3).bytes(out.len()));
                Ok(())
            }
        }
        let (repo, path) = (RepoId::from_bytes([7; 32]), Path::new("/device-key"));
        let key = RecoveryKey::generate(&Repeats).unwrap();
        let seed = IdentitySeed::generate(&Repeats).unwrap();
        let guard = Guard::Keychain(&key);
        let good = seal(&seed, guard, &repo, &Repeats).unwrap().unwrap();
        let open = |bytes: &[u8]| Guarded::parse(bytes, path, &repo);
        assert!(
            open(&good)
                .unwrap()
                .is_some_and(|key| key.open(guard, path).is_ok())
        );
        for at in MAGIC.len()..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let refused = open(&bad).map(drop);
            assert!(
                matches!(refused, Err(Error::StateTampered(_))),
                "byte {at}: {refused:?}"
            );
        }
        for length in MAGIC.len()..good.len() {
            assert!(open(&good[..length]).is_err(), "{length} bytes");
        }
        assert!(open(b"ownkey device 1\n").unwrap().is_none());
    }
}
