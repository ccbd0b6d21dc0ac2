//! The secret that recovery contacts hold together (docs/format.md §4, §7).
//!
//! R is shared out among the contacts; the slot's key needs R *and* the blind that the slot and the kit keep. Contacts
//! alone, and the storage alone, derive nothing.

use crate::ids::RepoId;
use crate::kdf::derive;
use crate::random::{Random, RandomFailed};
use crate::secret::Secret;
use zeroize::Zeroizing;

/// R, 32 bytes: what the shares join to.
pub struct ContactsSecret(Secret);

impl ContactsSecret {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomFailed`].
    pub fn generate(random: &dyn Random) -> Result<Self, RandomFailed> {
        Secret::random(random).map(Self)
    }

    /// The bytes, for the one caller that cuts them into shares.
    #[must_use]
    pub fn expose_for_shares(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// As joined from shares. The caller erases its own copy.
    #[must_use]
    pub fn from_shares(joined: [u8; 32]) -> Self {
        Self(Secret::from_bytes(&Zeroizing::new(joined)))
    }

    /// `HKDF(R ‖ blind, "ownkey/1 slot-contacts" ‖ repo_id)`.
    pub(crate) fn kek(&self, blind: &[u8; 32], repo: &RepoId) -> Secret {
        let both = Zeroizing::new([*self.0.as_bytes(), *blind].concat());
        derive(&both, "slot-contacts", repo.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_contacts_without_the_blind_nor_the_blind_without_them_give_the_key() {
        let (r, repo) = (
            ContactsSecret::from_shares([1; 32]),
            RepoId::from_bytes([2; 32]),
        );
        let kek = *r.kek(&[3; 32], &repo).as_bytes();
        assert_ne!(kek, *r.kek(&[0; 32], &repo).as_bytes());
        assert_ne!(
            kek,
            *ContactsSecret::from_shares([0; 32])
                .kek(&[3; 32], &repo)
                .as_bytes()
        );
        assert_ne!(
            kek,
            *r.kek(&[3; 32], &RepoId::from_bytes([0; 32])).as_bytes()
        );
        assert_eq!(kek, *r.kek(&[3; 32], &repo).as_bytes());
    }
}
