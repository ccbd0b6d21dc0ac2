//! Secret bytes: 32 of them, if nothing else is said.
//!
//! It promises one heap allocation per secret, so that moving it leaves no copies behind, and erasure when dropped.
//! No `Clone`, `Debug`, `PartialEq`: [`Secret::duplicate`] is crate-private and easy to search for. For this crate only.

use crate::random::{Random, RandomFailed};
use zeroize::{Zeroize as _, ZeroizeOnDrop};

pub(crate) struct Secret<const N: usize = 32>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; N]))
    }

    /// A copy. It goes from where it was straight to the heap.
    pub(crate) fn from_bytes(bytes: &[u8; N]) -> Self {
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(bytes);
        secret
    }

    pub(crate) fn random(random: &dyn Random) -> Result<Self, RandomFailed> {
        let mut secret = Self::zeroed();
        random.fill(secret.as_mut())?;
        Ok(secret)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }

    /// For the two places where one key must serve two owners.
    pub(crate) fn duplicate(&self) -> Self {
        Self::from_bytes(&self.0)
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> ZeroizeOnDrop for Secret<N> {}

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
