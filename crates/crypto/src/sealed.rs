//! The airlock: [`Sealed`] bytes may leave the machine, [`Opened`] bytes may be parsed.
//!
//! It promises that both exist only because this crate sealed or authenticated them: their constructors are private to it.
//! [`Unverified`] holds what opened under a shared key until its author's signature was verified.

use crate::error::OpenError;
use crate::identity::{PublicIdentity, Signature, Signed};
use crate::ids::{ObjectHash, object_hash};
use std::fmt;

/// Bytes that reveal nothing to who has no keys, beyond docs/format.md §15.
pub struct Sealed(Vec<u8>);

impl Sealed {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to store, owned.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: a header at least is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// BLAKE3 of all bytes.
    #[must_use]
    pub fn hash(&self) -> ObjectHash {
        object_hash(&self.0)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Plaintext that was authenticated, or computed from nothing but authenticated plaintext.
pub struct Opened(Vec<u8>);

impl Opened {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The plaintext.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The plaintext, owned.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes computed from authenticated bytes, by a function that adds nothing from outside (decompression, joining),
    /// stay authenticated.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn derive<E>(&self, compute: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Self, E> {
        compute(&self.0).map(Self)
    }

    /// Cuts into consecutive parts, the chunks of a frame.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] if the lengths do not sum to the whole.
    pub fn split(self, lengths: &[u32]) -> Result<Vec<Self>, OpenError> {
        // Checked before anything is copied, so that no list of lengths makes this allocate more than the whole.
        let sum: u64 = lengths
            .iter()
            .map(|&length| u64::from(length))
            .fold(0, u64::saturating_add);
        if sum != crate::bytes::wide(self.0.len()) {
            return Err(OpenError::Malformed);
        }
        if lengths.len() == 1 {
            return Ok(vec![self]);
        }
        let mut reader = crate::bytes::Reader::new(&self.0);
        lengths
            .iter()
            .map(|&length| usize::try_from(length).map_err(|_| OpenError::Malformed))
            .map(|length| {
                let part = reader.take(length?).map_err(|_| OpenError::Malformed)?;
                Ok(Self(part.to_vec()))
            })
            .collect()
    }

    /// Joins parts, in order: the chunks of a stream.
    #[must_use]
    pub fn join(parts: &[Self]) -> Self {
        let slices: Vec<&[u8]> = parts.iter().map(Self::as_bytes).collect();
        Self(slices.concat())
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes)", self.0.len())
    }
}

/// An entry that opened under a key which many hold: its author is still to be proven.
#[must_use = "nothing in it may be believed before verified_by"]
pub struct Unverified {
    pub(crate) opened: Opened,
    pub(crate) signed_hash: [u8; 32],
    pub(crate) signature: Signature,
    pub(crate) label: SignedLabel,
}

/// What the signature of an [`Unverified`] speaks about.
pub(crate) struct SignedLabel {
    pub(crate) class: crate::label::Class,
    pub(crate) repo: crate::ids::RepoId,
    pub(crate) name: String,
}

impl Unverified {
    /// The plaintext, to find out who claims to have signed it and for nothing else.
    #[must_use]
    pub fn peek(&self) -> &[u8] {
        &self.opened.0
    }

    /// Takes the plaintext out, for what this crate checks itself.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.opened.0)
    }

    /// The plaintext, if `author` signed these bytes under this name.
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`] if not.
    pub fn verified_by(self, author: &PublicIdentity) -> Result<Opened, OpenError> {
        self.verify(author)?;
        Ok(self.opened)
    }

    /// Whether `author` signed these bytes under this name, for who has several in question.
    #[must_use]
    pub fn is_signed_by(&self, author: &PublicIdentity) -> bool {
        self.verify(author).is_ok()
    }

    fn verify(&self, author: &PublicIdentity) -> Result<(), OpenError> {
        let SignedLabel { class, repo, name } = &self.label;
        let signed = Signed {
            class: *class,
            repo: *repo,
            name,
        };
        author.verify_hash(&signed, &self.signed_hash, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_splits_only_into_all_of_itself() {
        let parts = Opened::new(b"abcdef".to_vec()).split(&[1, 2, 3]).unwrap();
        let parts: Vec<_> = parts.iter().map(Opened::as_bytes).collect();
        assert_eq!(parts, [b"a".as_slice(), b"bc", b"def"]);
        for lengths in [
            &[1u32, 2, 2][..],
            &[1, 2, 4],
            &[],
            &[u32::MAX, u32::MAX],
            &[5],
        ] {
            assert_eq!(
                Opened::new(b"abcdef".to_vec()).split(lengths).err(),
                Some(OpenError::Malformed)
            );
        }
    }

    #[test]
    fn printing_shows_lengths_and_never_contents() {
        assert_eq!(
            format!("{:?}", Opened::new(b"secret".to_vec())),
            "Opened(6 bytes)"
        );
        assert_eq!(
            format!("{:?}", Sealed::new(b"secret".to_vec())),
            "Sealed(6 bytes)"
        );
    }

    #[test]
    fn a_derivation_that_fails_gives_its_error_and_nothing_else() {
        let failed: Result<Opened, u8> = Opened::new(vec![1]).derive(|_| Err(7));
        assert_eq!(failed.err(), Some(7));
        let doubled: Result<Opened, u8> =
            Opened::new(vec![1]).derive(|bytes| Ok([bytes, bytes].concat()));
        assert_eq!(doubled.unwrap().as_bytes(), [1, 1]);
    }
}
