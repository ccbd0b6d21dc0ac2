//! What a device keeps for itself, authenticated: a file that somebody else changed is refused (docs/format.md §4).

use crate::error::OpenError;
use crate::identity::IdentitySeed;
use crate::kdf::derive;
use crate::sealed::Opened;
use crate::secret::Secret;
use subtle::ConstantTimeEq as _;

/// Authenticates the files of the state folder; never leaves the machine (docs/format.md §4).
pub struct LocalStateKey(Secret);

impl LocalStateKey {
    /// Of the device that owns the folder.
    #[must_use]
    pub fn from_seed(seed: &IdentitySeed) -> Self {
        Self(derive(seed.expose_for_file(), "local-state", &[]))
    }

    /// BLAKE3-keyed MAC of a file's contents.
    #[must_use]
    pub fn tag(&self, bytes: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(self.0.as_bytes(), bytes).as_bytes()
    }

    /// Compares in constant time.
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`] if the file was changed by who lacks the key.
    pub fn verify(&self, bytes: &[u8], tag: &[u8; 32]) -> Result<(), OpenError> {
        let same: bool = self.tag(bytes).ct_eq(tag).into();
        if same {
            Ok(())
        } else {
            Err(OpenError::NotAuthentic)
        }
    }

    /// A file's contents, if this device wrote them: what it may decode like anything else that was opened.
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`].
    pub fn open(&self, bytes: Vec<u8>, tag: &[u8; 32]) -> Result<Opened, OpenError> {
        self.verify(&bytes, tag)?;
        Ok(Opened::new(bytes))
    }
}
