//! What a device that may not read keeps of its own index segments.
//!
//! It seals them to readers and cannot open them again; without them it would store everything anew at every backup. So
//! what it sealed it also keeps, in its state folder, authenticated. What is lost there costs storage and time,
//! nothing else. There are names and places of chunks in it, and no key.

use std::path::PathBuf;
use std::sync::Arc;

use ownkey_crypto::{LocalStateKey, ObjectHash};

use crate::error::Result;
use crate::format::segment::{self, IndexedPack, SEGMENT_LIMIT};
use crate::repository::Repository;
use crate::state::file;

/// The folder of one device and location.
#[derive(Clone)]
pub(crate) struct OwnSegments {
    folder: PathBuf,
    key: Arc<LocalStateKey>,
}

impl OwnSegments {
    /// Of a device that may not read; `None` for who can, and asks the storage.
    pub(crate) fn of(repository: &Repository) -> Option<Self> {
        let location = repository.state.location_folder();
        (!repository.keys.may_read()).then(|| Self {
            folder: location.join(format!("segments-{}", repository.me())),
            key: Arc::clone(&repository.state_key),
        })
    }

    /// Keeps what is sealed as `hash`.
    pub(crate) fn keep(&self, hash: &ObjectHash, packs: &[IndexedPack]) -> Result<()> {
        file::write_authentic(&self.path(hash), &self.key, &segment::encode(packs))
    }

    /// The packs of a segment, if they were kept.
    pub(crate) fn read(&self, hash: &ObjectHash) -> Option<Vec<IndexedPack>> {
        let kept = file::open_authentic(&self.path(hash), &self.key, SEGMENT_LIMIT as u64);
        segment::decode(&kept.ok()??).ok()
    }

    fn path(&self, hash: &ObjectHash) -> PathBuf {
        self.folder.join(hash.to_string())
    }
}
