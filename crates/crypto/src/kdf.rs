//! Key derivation: HKDF-SHA256 (RFC 5869) with the labels of docs/format.md §4 and the object keys of §5 and §7.
//!
//! Every derived key of the crate is made here, so that the key schedule can be compared with the page in one sitting.

use crate::secret::Secret;
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// `HKDF(secret, "ownkey/1 " ‖ label ‖ context, 32)`.
pub(crate) fn derive(secret: &[u8], label: &str, context: &[u8]) -> Secret {
    let mut key = Secret::zeroed();
    Hkdf::<Sha256>::new(None, secret)
        .expand_multi_info(&[b"ownkey/1 ", label.as_bytes(), context], key.as_mut())
        .expect("32 bytes are far below HKDF's limit of 8160");
    key
}

/// A one-time key and the public value that commits to it.
pub(crate) struct CommittedKey {
    pub(crate) key: Secret,
    pub(crate) commitment: [u8; 32],
}

impl CommittedKey {
    /// `K ‖ COM = HKDF(salt; secret, info, 64)`. Two secrets with equal commitments would be a collision of HKDF, so an
    /// object opens under one key only.
    pub(crate) fn derive(salt: &[u8; 32], secret: &[u8; 32], info: &[&[u8]]) -> Self {
        let mut output = Zeroizing::new([0u8; 64]);
        Hkdf::<Sha256>::new(Some(salt), secret)
            .expand_multi_info(info, output.as_mut_slice())
            .expect("64 bytes are far below HKDF's limit of 8160");
        let mut key = Secret::zeroed();
        let mut commitment = [0u8; 32];
        let (first, second) = output.split_at(32);
        key.as_mut().copy_from_slice(first);
        commitment.copy_from_slice(second);
        Self { key, commitment }
    }

    /// Compares in constant time.
    pub(crate) fn commits_to(&self, commitment: &[u8; 32]) -> bool {
        self.commitment.ct_eq(commitment).into()
    }
}
