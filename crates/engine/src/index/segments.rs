//! Reading segments: from the storage to the packs they name.

use std::collections::HashSet;
use std::sync::Arc;

use ownkey_crypto::{ObjectHash, object_hash, peek_epoch};
use ownkey_storage::ObjectName;

use crate::error::{Error, Result};
use crate::format::layout::{self, Object};
use crate::format::segment::{self, IndexedPack};
use crate::io::Io;
use crate::keyring::Keyring;
use crate::own_segments::OwnSegments;
use crate::repository::Repository;

/// Called with each segment's packs; none if it is missing or broken.
pub type EachSegment<'e> = dyn FnMut(&ObjectHash, Option<Vec<IndexedPack>>) -> Result<()> + 'e;

/// Where segments come from.
pub trait Segments: Send + Sync {
    /// Gives every segment to `each`, in this order.
    ///
    /// # Errors
    /// What `each` says, and why the segments could not be asked for.
    fn read(&self, names: &[ObjectHash], each: &mut EachSegment<'_>) -> Result<()>;

    /// Which of these segments are there now, as far as that can be told. No cache answers for the storage.
    fn there(&self, names: &HashSet<ObjectHash>) -> HashSet<ObjectHash>;
}

/// The segments of a repository.
pub(super) struct Stored {
    io: Io,
    keys: Arc<Keyring>,
    /// For a device that may not open them.
    own: Option<OwnSegments>,
}

/// Small segments asked for at once, and large ones: at most 72 MiB each, and usually eight.
const AT_ONCE: (usize, usize) = (16, 2);
/// Above that, one listing of all of them is asked for.
const ASKED_FOR_ONE_BY_ONE: usize = 4;
/// Bytes of one batch from which its segments are large.
const LARGE: usize = 16 << 20;

impl Stored {
    pub(super) fn of(repository: &Repository) -> Self {
        Self {
            io: repository.io.clone(),
            keys: Arc::clone(&repository.keys),
            own: OwnSegments::of(repository),
        }
    }

    fn open(&self, hash: &ObjectHash, bytes: &[u8]) -> Result<Option<Vec<IndexedPack>>> {
        if object_hash(bytes) != *hash {
            return Ok(None);
        }
        let Ok((_, epoch)) = peek_epoch(bytes) else {
            return Ok(None);
        };
        let opened = match self.keys.reader(epoch) {
            Ok(keys) => keys.open_segment(bytes),
            // No epoch of this repository: its author's fault, or the storage's.
            Err(Error::NoGrant) => return Ok(None),
            Err(error) => return Err(error),
        };
        // A writer who breaks the format must not make what others wrote unreadable.
        Ok(opened.ok().and_then(|opened| segment::decode(&opened).ok()))
    }
}

impl Segments for Stored {
    fn there(&self, names: &HashSet<ObjectHash>) -> HashSet<ObjectHash> {
        if names.len() <= ASKED_FOR_ONE_BY_ONE {
            let exists = |name: &&ObjectHash| self.io.exists(&layout::segment(name));
            let there = names.iter().filter(|name| exists(name).unwrap_or(true));
            return there.copied().collect();
        }
        let Ok(listed) = self.io.list(&layout::segments()) else {
            return names.clone();
        };
        let listed = listed.iter().map(|object| Object::parse(&object.name));
        let listed = listed.filter_map(|object| match object {
            Some(Object::Segment(hash)) => Some(hash),
            _ => None,
        });
        listed.filter(|hash| names.contains(hash)).collect()
    }

    fn read(&self, names: &[ObjectHash], each: &mut EachSegment<'_>) -> Result<()> {
        if let Some(own) = &self.own {
            return names.iter().try_for_each(|hash| each(hash, own.read(hash)));
        }
        let mut rest = names;
        let mut at_once = AT_ONCE.0;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(at_once.min(rest.len()));
            let objects: Vec<ObjectName> = now.iter().map(layout::segment).collect();
            let mut hashes = now.iter();
            let mut read = 0;
            self.io.find_each(&objects, |_, bytes| {
                let Some(hash) = hashes.next() else {
                    return Ok(());
                };
                let Some(bytes) = bytes else {
                    return each(hash, None);
                };
                read += bytes.len();
                each(hash, self.open(hash, &bytes)?)
            })?;
            at_once = if read < LARGE { AT_ONCE.0 } else { AT_ONCE.1 };
            rest = later;
        }
        Ok(())
    }
}
