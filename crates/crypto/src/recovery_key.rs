//! The recovery key and the kit secret, as people print and type them (docs/format.md §7).
//!
//! It promises that one wrong character is corrected and said, and that the text forms are erased after use.

use crate::error::RecoveryKeyError;
use crate::human_code::{self, DATA_BYTES};
use crate::ids::RepoId;
use crate::kdf::derive;
use crate::random::{Random, RandomFailed};
use crate::secret::Secret;
use zeroize::Zeroizing;

/// What a typed secret was read as.
pub struct Parsed<K> {
    /// The key.
    pub key: K,
    /// Which of the 28 symbols was wrong and corrected, counted from 0.
    pub corrected: Option<usize>,
}

/// 130 random bits on paper: opens a recovery-key slot without a password.
pub struct RecoveryKey(Secret<DATA_BYTES>);

impl RecoveryKey {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomFailed`].
    pub fn generate(random: &dyn Random) -> Result<Self, RandomFailed> {
        let mut bytes = Secret::<DATA_BYTES>::random(random)?;
        let [first, ..] = bytes.as_mut();
        *first &= 0b11;
        Ok(Self(bytes))
    }

    /// 7 groups of 4 with hyphens, for paper.
    #[must_use]
    pub fn to_groups(&self) -> Zeroizing<String> {
        human_code::write(self.0.as_bytes())
    }

    /// From what was typed.
    ///
    /// # Errors
    /// [`RecoveryKeyError`].
    pub fn parse(typed: &str) -> Result<Parsed<Self>, RecoveryKeyError> {
        let read = human_code::read(typed)?;
        Ok(Parsed {
            key: Self(read.bytes),
            corrected: read.corrected,
        })
    }

    /// `HKDF(17 bytes, "ownkey/1 slot-recovery" ‖ repo_id)`.
    pub(crate) fn kek(&self, repo: &RepoId) -> Secret {
        derive(self.0.as_bytes(), "slot-recovery", repo.as_bytes())
    }
}

/// 128 random bits printed in the kit: without them a password cannot even be guessed at.
pub struct KitSecret(Secret<16>);

/// What a kit secret's text begins with, so that it is not taken for a recovery key.
const KIT_PREFIX: &str = "KIT-";

impl KitSecret {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomFailed`].
    pub fn generate(random: &dyn Random) -> Result<Self, RandomFailed> {
        Secret::random(random).map(Self)
    }

    /// `KIT-` and 7 groups of 4 with hyphens, for paper.
    #[must_use]
    pub fn to_groups(&self) -> Zeroizing<String> {
        let mut bytes = Secret::<DATA_BYTES>::zeroed();
        let [_, low @ ..] = bytes.as_mut();
        low.copy_from_slice(self.0.as_bytes());
        let groups = human_code::write(bytes.as_bytes());
        Zeroizing::new([KIT_PREFIX, groups.as_str()].concat())
    }

    /// From what was typed, with or without the prefix.
    ///
    /// # Errors
    /// [`RecoveryKeyError`]; a recovery key in its place mostly is [`RecoveryKeyError::TooManyMistakes`].
    pub fn parse(typed: &str) -> Result<Parsed<Self>, RecoveryKeyError> {
        let typed = typed.trim_start();
        let (prefix, rest) = typed
            .split_at_checked(KIT_PREFIX.len())
            .unwrap_or(("", typed));
        let code = if prefix.eq_ignore_ascii_case(KIT_PREFIX) {
            rest
        } else {
            typed
        };
        let read = human_code::read(code)?;
        let [high, low @ ..] = read.bytes.as_bytes();
        // 130 bits carry 128: the two above are zero in every kit secret.
        if *high != 0 {
            return Err(RecoveryKeyError::TooManyMistakes);
        }
        Ok(Parsed {
            key: Self(Secret::from_bytes(low)),
            corrected: read.corrected,
        })
    }

    /// `HKDF(Argon2id output ‖ kit secret, "ownkey/1 slot-kit" ‖ repo_id)`.
    pub(crate) fn kek(&self, stretched: &Secret, repo: &RepoId) -> Secret {
        let both = Zeroizing::new([stretched.as_bytes().as_slice(), self.0.as_bytes()].concat());
        derive(&both, "slot-kit", repo.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::testing::{BrokenRandom, SeededRandom};

    #[test]
    fn a_recovery_key_survives_paper() {
        for seed in 0..50 {
            let key = RecoveryKey::generate(&SeededRandom::new(seed)).unwrap();
            let parsed = RecoveryKey::parse(&key.to_groups()).ok().unwrap();
            assert_eq!(
                (parsed.key.0.as_bytes(), parsed.corrected),
                (key.0.as_bytes(), None)
            );
        }
    }

    #[test]
    fn a_kit_secret_survives_paper_with_and_without_its_prefix() {
        let kit = KitSecret::generate(&SeededRandom::new(1)).unwrap();
        let text = kit.to_groups();
        for typed in [text.as_str(), &text[4..], &text.to_lowercase()] {
            assert_eq!(
                KitSecret::parse(typed).ok().unwrap().key.0.as_bytes(),
                kit.0.as_bytes()
            );
        }
    }

    #[test]
    fn the_paper_of_one_is_not_taken_for_the_other() {
        let kit = KitSecret::generate(&SeededRandom::new(1))
            .unwrap()
            .to_groups();
        assert_eq!(
            RecoveryKey::parse(&kit).err(),
            Some(RecoveryKeyError::Length {
                wanted: 28,
                found: 31
            })
        );
        let key = RecoveryKey(Secret::from_bytes(&[3; DATA_BYTES])).to_groups();
        assert_eq!(
            KitSecret::parse(&key).err(),
            Some(RecoveryKeyError::TooManyMistakes)
        );
    }

    #[test]
    fn without_randomness_there_is_no_key() {
        assert_eq!(
            RecoveryKey::generate(&BrokenRandom).err(),
            Some(RandomFailed)
        );
        assert_eq!(KitSecret::generate(&BrokenRandom).err(), Some(RandomFailed));
    }
}
