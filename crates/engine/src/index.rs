//! Which chunk lies where: the index of a repository, built from the segments that stand.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use ownkey_crypto::{
    Capabilities, ChunkId, ChunkType, DeviceId, Directory, FrameEntry, ObjectHash, object_hash,
    peek_epoch,
};
use ownkey_storage::ObjectName;

use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::format::layout;
use crate::format::segment::{self, IndexedPack};
use crate::repository::Repository;

/// Where a chunk lies: a pack of the index, a frame of that pack, a chunk of that frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) pack: u32,
    pub(crate) frame: u32,
    pub(crate) nth: u32,
}

/// A pack of the index.
#[derive(Debug)]
pub(crate) struct PackEntry {
    pub(crate) name: PackName,
    /// Length of the object in bytes.
    pub(crate) length: u64,
    pub(crate) directory: Directory,
    /// Whether a new snapshot may rely on it: not condemned, not known to be damaged, and not
    /// from a device whose word about chunks nobody checked.
    pub(crate) reliable: bool,
}

/// The index as of one moment.
#[derive(Debug, Default)]
pub struct Index {
    packs: Vec<PackEntry>,
    /// First place of a chunk; a reliable one if there is any.
    places: HashMap<ChunkId, Place>,
    /// Further places of the few chunks that have some.
    copies: HashMap<ChunkId, Vec<Place>>,
    broken_segments: Vec<ObjectHash>,
}

/// What an index must not let new snapshots rely on, beside what is condemned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Avoid {
    pub(crate) packs: HashSet<PackName>,
}

impl Index {
    /// Reads every segment that an entry names. A missing or broken one is damage that costs its
    /// chunks only: they are stored anew.
    pub(crate) fn load(repository: &Repository, avoid: &Avoid) -> Result<Self> {
        let condemned = repository.logs.condemned();
        let me = repository.me();
        let mut index = Self::default();
        let mut seen = HashSet::new();
        let named: Vec<(DeviceId, ObjectHash)> = repository
            .logs
            .segments()
            .filter(|(_, hash)| seen.insert(*hash))
            .collect();
        let names: Vec<ObjectName> = named
            .iter()
            .map(|(_, hash)| layout::segment(hash))
            .collect();
        let mut named = named.into_iter();
        repository.io.find_each(&names, |_, bytes| {
            let Some((author, hash)) = named.next() else {
                return Ok(());
            };
            let member = repository.roster().member(&author);
            // A write-only device cannot read, so nobody could check what it says of chunks. What a
            // removed device named may yet be cut away (docs/adr/0007-look-rule.md).
            let trusted = author == me
                || member.is_some_and(|m| {
                    m.capabilities.contain(Capabilities::READ)
                        && (m.removed.is_none() || m.cut.is_some())
                });
            let trusted = trusted && !condemned.segments.contains(&hash);
            match open_segment(repository, &hash, bytes.as_deref())? {
                Some(packs) => {
                    for pack in packs {
                        let reliable = trusted
                            && !condemned.packs.contains(&pack.name)
                            && !avoid.packs.contains(&pack.name);
                        index.add(pack, reliable);
                    }
                }
                None => index.broken_segments.push(hash),
            }
            Ok::<_, Error>(())
        })?;
        Ok(index)
    }

    /// Adds what this device has just stored.
    pub(crate) fn learn(&mut self, repository: &Repository, segment: &ObjectHash) -> Result<()> {
        let bytes = repository.io.find(&layout::segment(segment))?;
        match open_segment(repository, segment, bytes.as_deref())? {
            Some(packs) => packs.into_iter().for_each(|pack| self.add(pack, true)),
            None => self.broken_segments.push(*segment),
        }
        Ok(())
    }

    /// Whether everything that any entry names is there and can be relied on.
    pub(crate) fn is_wholly_reliable(&self) -> bool {
        self.broken_segments.is_empty() && self.packs.iter().all(|pack| pack.reliable)
    }

    fn add(&mut self, pack: IndexedPack, reliable: bool) {
        // 2^32 packs of 16 MiB are more than any storage holds.
        let number = u32::try_from(self.packs.len()).unwrap_or(u32::MAX);
        for (frame, entry) in (0u32..).zip(pack.directory.frames()) {
            for (nth, (id, _)) in (0u32..).zip(&entry.chunks) {
                self.add_place(
                    *id,
                    Place {
                        pack: number,
                        frame,
                        nth,
                    },
                    reliable,
                );
            }
        }
        let IndexedPack {
            name,
            length,
            directory,
        } = pack;
        self.packs.push(PackEntry {
            name,
            length: u64::from(length),
            directory,
            reliable,
        });
    }

    fn add_place(&mut self, id: ChunkId, place: Place, reliable: bool) {
        let Some(first) = self.places.get_mut(&id) else {
            self.places.insert(id, place);
            return;
        };
        let first_is_reliable = self
            .packs
            .get(first.pack as usize)
            .is_none_or(|pack| pack.reliable);
        let other = if reliable && !first_is_reliable {
            std::mem::replace(first, place)
        } else {
            place
        };
        self.copies.entry(id).or_default().push(other);
    }

    /// All packs.
    pub(crate) fn packs(&self) -> &[PackEntry] {
        &self.packs
    }

    /// A pack by its number in a [`Place`].
    pub(crate) fn pack(&self, place: Place) -> Option<(&PackEntry, &FrameEntry)> {
        let pack = self.packs.get(place.pack as usize)?;
        Some((pack, pack.directory.frames().get(place.frame as usize)?))
    }

    /// Every place of a chunk of this type, the best first.
    pub(crate) fn places(&self, id: &ChunkId, kind: ChunkType) -> impl Iterator<Item = Place> {
        let copies = self.copies.get(id).into_iter().flatten();
        self.places
            .get(id)
            .into_iter()
            .chain(copies)
            .copied()
            .filter(move |place| {
                self.pack(*place)
                    .is_some_and(|(_, frame)| frame.chunk_type == kind)
            })
    }

    /// A place of the chunk that a new snapshot may rely on.
    pub(crate) fn reliable_place(&self, id: &ChunkId) -> Option<Place> {
        let copies = self.copies.get(id).into_iter().flatten();
        let mut places = self.places.get(id).into_iter().chain(copies).copied();
        places.find(|place| {
            self.packs
                .get(place.pack as usize)
                .is_some_and(|pack| pack.reliable)
        })
    }

    /// Segments that an entry names and that are missing or damaged.
    pub(crate) fn broken_segments(&self) -> &[ObjectHash] {
        &self.broken_segments
    }

    /// How many different chunks are known.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no chunk is known.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// The packs of a segment; `None` if it is missing or broken.
fn open_segment(
    repository: &Repository,
    hash: &ObjectHash,
    bytes: Option<&[u8]>,
) -> Result<Option<Vec<IndexedPack>>> {
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    if object_hash(bytes) != *hash {
        return Ok(None);
    }
    let Ok((_, epoch)) = peek_epoch(bytes) else {
        return Ok(None);
    };
    let opened = match repository.keys.reader(epoch) {
        Ok(keys) => keys.open_segment(bytes),
        // No epoch of this repository: its author's fault, or the storage's.
        Err(Error::NoGrant) => return Ok(None),
        Err(error) => return Err(error),
    };
    // A writer who breaks the format must not make what others wrote unreadable.
    Ok(opened.ok().and_then(|opened| segment::decode(&opened).ok()))
}

/// Who stores a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is stored, or somebody in this run is storing it.
    Known,
    /// The caller stores it.
    Mine,
}

/// The chunks of one run: an atomic "this one is mine to store" over the index.
pub(crate) struct Claims<'i> {
    index: &'i Index,
    shards: [Mutex<HashSet<ChunkId>>; SHARDS],
}

/// Enough that threads rarely meet.
const SHARDS: usize = 64;

impl<'i> Claims<'i> {
    pub(crate) fn new(index: &'i Index) -> Self {
        Self {
            index,
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// What was stored when the run began.
    pub(crate) fn index(&self) -> &Index {
        self.index
    }

    /// Claims a chunk that the index does not have. Of all who ask for it, one hears `Mine`.
    pub(crate) fn claim(&self, id: &ChunkId) -> Claim {
        let [first, ..] = id.as_bytes();
        let shard = &self.shards[usize::from(*first) % SHARDS];
        // A poisoned lock means that a thread panicked; its claims are still claims.
        let mut claimed = shard
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if claimed.insert(*id) {
            Claim::Mine
        } else {
            Claim::Known
        }
    }
}
