//! Salts that a cloned machine or a broken generator cannot repeat (docs/format.md §6).
//!
//! It promises: equal salts mean equal randomness, equal counter and equal contents, hence identical objects. A failing
//! source is an error, never a weaker salt.

use crate::identity::IdentitySeed;
use crate::kdf::derive;
use crate::random::{Random, RandomFailed};
use crate::secret::Secret;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The source of salts of one running program, shared by its threads.
pub struct Hedge {
    key: Secret,
    random: Arc<dyn Random>,
    counter: AtomicU64,
}

impl Hedge {
    /// For the device or recovery identity that seals.
    #[must_use]
    pub fn new(seed: &IdentitySeed, random: Arc<dyn Random>) -> Self {
        Self {
            key: hedge_key(seed),
            random,
            counter: AtomicU64::new(0),
        }
    }

    pub(crate) fn salt(&self, plaintext_hash: [u8; 32]) -> Result<[u8; 32], RandomFailed> {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        hedged_salt(&self.key, self.random.as_ref(), counter, plaintext_hash)
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.random.as_ref()
    }
}

pub(crate) fn hedge_key(seed: &IdentitySeed) -> Secret {
    derive(seed.expose_for_file(), "hedge", &[])
}

/// `BLAKE3-keyed(hedge key, "salt" ‖ 32 random bytes ‖ LE64(counter) ‖ hash of all plaintext)`.
pub(crate) fn hedged_salt(
    key: &Secret,
    random: &dyn Random,
    counter: u64,
    plaintext_hash: [u8; 32],
) -> Result<[u8; 32], RandomFailed> {
    let mut drawn = [0u8; 32];
    random.fill(&mut drawn)?;
    let mut hasher = blake3::Hasher::new_keyed(key.as_bytes());
    hasher
        .update(b"salt")
        .update(&drawn)
        .update(&counter.to_le_bytes())
        .update(&plaintext_hash);
    Ok(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::testing::{BrokenRandom, StuckRandom};

    fn hedge(random: impl Random + 'static) -> Hedge {
        Hedge::new(&IdentitySeed::from_file_bytes(&[1; 32]), Arc::new(random))
    }

    #[test]
    fn a_stuck_generator_does_not_repeat_salts_within_a_run() {
        let hedge = hedge(StuckRandom);
        assert_ne!(hedge.salt([0; 32]), hedge.salt([0; 32]));
    }

    #[test]
    fn a_cloned_machine_repeats_a_salt_only_for_identical_contents() {
        let (one, clone) = (hedge(StuckRandom), hedge(StuckRandom));
        assert_ne!(one.salt([1; 32]), clone.salt([2; 32]));
        assert_eq!(one.salt([3; 32]), clone.salt([3; 32]));
    }

    #[test]
    fn a_failing_source_gives_no_salt() {
        assert_eq!(hedge(BrokenRandom).salt([0; 32]), Err(RandomFailed));
    }
}
