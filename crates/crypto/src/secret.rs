//! Thirty-two secret bytes.
//!
//! It promises one heap allocation per secret, so that moving it leaves no copies behind, and erasure when dropped.
//! No `Clone`, `Debug`, `PartialEq`: [`Secret::duplicate`] is crate-private and easy to search for. For this crate only.

use crate::random::{Random, RandomFailed};
use zeroize::{Zeroize as _, ZeroizeOnDrop};

pub(crate) struct Secret(Box<[u8; 32]>);

impl Secret {
    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; 32]))
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Box::new(*bytes))
    }

    pub(crate) fn random(random: &dyn Random) -> Result<Self, RandomFailed> {
        let mut secret = Self::zeroed();
        random.fill(secret.as_mut())?;
        Ok(secret)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }

    /// For the two places where one key must serve two owners.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features of dependencies decide whether they erase their keys: this does not compile if one is switched off.
    #[test]
    fn every_key_that_a_dependency_holds_for_us_is_erased_when_dropped() {
        fn erased<T: ZeroizeOnDrop>() {}
        erased::<Secret>();
        erased::<chacha20poly1305::ChaCha20Poly1305>();
        erased::<ed25519_dalek::SigningKey>();
        erased::<aes::Aes128>();
        erased::<x25519_dalek::StaticSecret>();
    }
}
