//! What grows from DK: chunk ids, device ids and chunk boundaries (docs/format.md §4, §9).
//!
//! It promises that equal bytes of different types, and equal bytes in different repositories, have unrelated ids.

use crate::boundaries::{Boundaries, Profile};
use crate::directory::ChunkType;
use crate::error::OpenError;
use crate::identity::PublicIdentity;
use crate::ids::{ChunkId, DeviceId, RepoId};
use crate::kdf::derive;
use crate::keys::DedupKey;
use crate::secret::Secret;
use subtle::ConstantTimeEq as _;

/// The keys that name things inside one repository.
pub struct NameKeys {
    chunk_id: Secret,
    chunker: Secret,
    name: Secret,
}

impl NameKeys {
    /// Of one repository.
    #[must_use]
    pub fn new(dedup: &DedupKey, repo: &RepoId) -> Self {
        let key = |label| derive(dedup.0.as_bytes(), label, repo.as_bytes());
        Self {
            chunk_id: key("chunk-id"),
            chunker: key("chunker"),
            name: key("name"),
        }
    }

    /// `BLAKE3-keyed(K_chunkid, type ‖ plaintext)`.
    #[must_use]
    pub fn chunk_id(&self, kind: ChunkType, plaintext: &[u8]) -> ChunkId {
        let mut hasher = blake3::Hasher::new_keyed(self.chunk_id.as_bytes());
        ChunkId::from_bytes(
            *hasher
                .update(&[kind as u8])
                .update(plaintext)
                .finalize()
                .as_bytes(),
        )
    }

    /// Whether a chunk is what its id says; done after every read.
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`] if not: who sealed it lied about its id.
    pub fn verify_chunk(
        &self,
        kind: ChunkType,
        id: &ChunkId,
        plaintext: &[u8],
    ) -> Result<(), OpenError> {
        let same: bool = self
            .chunk_id(kind, plaintext)
            .as_bytes()
            .ct_eq(id.as_bytes())
            .into();
        if same {
            Ok(())
        } else {
            Err(OpenError::NotAuthentic)
        }
    }

    /// First 16 bytes of `BLAKE3-keyed(K_name, "identity" ‖ public identity)`.
    #[must_use]
    pub fn device_id(&self, identity: &PublicIdentity) -> DeviceId {
        device_id(&self.name, identity)
    }

    /// Where chunks end in this repository.
    #[must_use]
    pub fn chunker(&self, profile: Profile) -> Boundaries {
        Boundaries::new(&self.chunker, profile)
    }

    pub(crate) fn into_name(self) -> Secret {
        self.name
    }
}

pub(crate) fn device_id(name: &Secret, identity: &PublicIdentity) -> DeviceId {
    let mut hasher = blake3::Hasher::new_keyed(name.as_bytes());
    hasher.update(b"identity").update(&identity.to_bytes());
    let mut id = [0u8; 16];
    hasher.finalize_xof().fill(&mut id);
    DeviceId::from_bytes(id)
}
