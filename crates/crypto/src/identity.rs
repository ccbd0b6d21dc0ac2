//! Identities: an X-Wing and an Ed25519 key pair grown from one seed (docs/format.md §4).
//!
//! It promises that both halves of a public identity were validated before one exists, that signatures are strict
//! (RFC 8032 without small-order or non-canonical points), and that every signature says what it signs and where it belongs.

use crate::error::OpenError;
use crate::ids::{GrantName, RepoId};
use crate::kdf::derive;
use crate::kem::{KEM_PUBLIC_LEN, KemPublic, KemSecret};
use crate::label::Class;
use crate::random::{Random, RandomFailed};
use crate::secret::Secret;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use std::fmt;

/// The 32 bytes an identity grows from: in a file of the state folder, or behind a slot.
pub struct IdentitySeed(Secret);

impl IdentitySeed {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomFailed`].
    pub fn generate(random: &dyn Random) -> Result<Self, RandomFailed> {
        Secret::random(random).map(Self)
    }

    /// The seed itself, for the one caller that writes the device's key file.
    #[must_use]
    pub fn expose_for_file(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The same seed once more, for who keeps one and seals one.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// As read from the device's key file. The caller erases its own copy.
    #[must_use]
    pub fn from_file_bytes(bytes: &[u8; 32]) -> Self {
        Self(Secret::from_bytes(bytes))
    }
}

/// An identity that can sign and open what was sealed to it.
pub struct Identity {
    signing: SigningKey,
    pub(crate) kem: KemSecret,
    public: PublicIdentity,
}

impl Identity {
    /// Grows the key pairs.
    #[must_use]
    pub fn from_seed(seed: &IdentitySeed) -> Self {
        let kem = KemSecret::from_seed(&derive(seed.expose_for_file(), "identity-kem", &[]));
        let signing =
            SigningKey::from_bytes(derive(seed.expose_for_file(), "identity-sign", &[]).as_bytes());
        let public = PublicIdentity {
            kem: kem.public(),
            verifying: signing.verifying_key(),
        };
        Self {
            signing,
            kem,
            public,
        }
    }

    /// The half that the roster holds.
    #[must_use]
    pub fn public(&self) -> &PublicIdentity {
        &self.public
    }

    /// Signs `bytes` as what `signed` says.
    #[must_use]
    pub fn sign(&self, signed: &Signed<'_>, bytes: &[u8]) -> Signature {
        Signature(
            self.signing
                .sign(&signed.message(blake3::hash(bytes).as_bytes()))
                .to_bytes(),
        )
    }
}

/// What is signed and where it belongs.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The class of the object.
    pub class: Class,
    /// The repository.
    pub repo: RepoId,
    /// The object's name; of a roster entry only its label.
    pub name: &'a str,
}

impl Signed<'_> {
    /// The founder's signature inside entry 0, made before there is a repository id (docs/format.md §12).
    pub const GENESIS: Signed<'static> = Signed {
        class: Class::Roster,
        repo: RepoId::from_bytes([0; 32]),
        name: "genesis",
    };

    /// `"ownkey/1 signature" ‖ class ‖ repo_id ‖ LE16(length of name) ‖ name ‖ BLAKE3(signed bytes)`.
    fn message(&self, hash: &[u8; 32]) -> Vec<u8> {
        let name_len = u16::try_from(self.name.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes();
        [
            b"ownkey/1 signature".as_slice(),
            &[self.class as u8],
            self.repo.as_bytes(),
            &name_len,
            self.name.as_bytes(),
            hash,
        ]
        .concat()
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Length in bytes.
    pub const LEN: usize = 64;

    /// From its bytes, unchecked until verified.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature")
    }
}

/// The public half of an identity; both its keys are valid.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicIdentity {
    pub(crate) kem: KemPublic,
    verifying: VerifyingKey,
}

impl PublicIdentity {
    /// X-Wing encapsulation key (1,216) ‖ Ed25519 public key (32).
    pub const LEN: usize = 1248;

    /// From its bytes.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] for a wrong length, an invalid key, a point of small order or in a non-canonical encoding.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        let (kem, verifying) = bytes.split_last_chunk::<32>().ok_or(OpenError::Malformed)?;
        let kem = KemPublic::parse(kem).ok_or(OpenError::Malformed)?;
        let key = VerifyingKey::from_bytes(verifying).map_err(|_| OpenError::Malformed)?;
        let canonical = key.to_edwards().compress().to_bytes() == *verifying;
        if key.is_weak() || !canonical {
            return Err(OpenError::Malformed);
        }
        Ok(Self {
            kem,
            verifying: key,
        })
    }

    /// Its 1,248 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0u8; Self::LEN];
        let (kem, verifying) = bytes.split_at_mut(KEM_PUBLIC_LEN);
        kem.copy_from_slice(&self.kem.to_bytes());
        verifying.copy_from_slice(self.verifying.as_bytes());
        bytes
    }

    /// Six numbers below 2,048, 66 bits, for two people or two screens to compare: they name these keys in this
    /// repository. As many bits cannot be matched on purpose, since every try costs a pair of keys.
    #[must_use]
    pub fn words(&self, repo: &RepoId) -> [u16; 6] {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(b"ownkey/1 words")
            .update(repo.as_bytes())
            .update(&self.to_bytes());
        let mut reader = hasher.finalize_xof();
        [(); 6].map(|()| {
            let mut pair = [0; 2];
            reader.fill(&mut pair);
            u16::from_le_bytes(pair) & 0x7ff
        })
    }

    /// Whether this identity signed `bytes` as what `signed` says.
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`] if not.
    pub fn verify(
        &self,
        signed: &Signed<'_>,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), OpenError> {
        self.verify_hash(signed, blake3::hash(bytes).as_bytes(), signature)
    }

    pub(crate) fn verify_hash(
        &self,
        signed: &Signed<'_>,
        hash: &[u8; 32],
        signature: &Signature,
    ) -> Result<(), OpenError> {
        self.verifying
            .verify_strict(
                &signed.message(hash),
                &ed25519_dalek::Signature::from_bytes(&signature.0),
            )
            .map_err(|_| OpenError::NotAuthentic)
    }

    /// Where this identity's grants lie: first 16 bytes of `BLAKE3("ownkey/1 grant-name" ‖ repo_id ‖ public identity)`.
    #[must_use]
    pub fn grant_name(&self, repo: &RepoId) -> GrantName {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(b"ownkey/1 grant-name")
            .update(repo.as_bytes())
            .update(&self.to_bytes());
        let mut name = [0u8; 16];
        hasher.finalize_xof().fill(&mut name);
        GrantName::from_bytes(name)
    }
}

impl fmt::Debug for PublicIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PublicIdentity({})",
            crate::ids::object_hash(&self.to_bytes())
        )
    }
}
