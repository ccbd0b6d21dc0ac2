//! Which chunk lies where: the index of a repository, made of the segments that stand.
//!
//! It lies on local disk, sorted, behind a filter in memory (docs/design.md, "The index"). The files are
//! this device's and disposable: each byte of them is verified before it is believed, and what is
//! missing, torn or wrong is made anew from the storage, also in the middle of a run. So a look-up
//! says what the segments say, or fails because they cannot be had.

mod assembly;
mod blocks;
mod claims;
mod directories;
mod filter;
mod ledger;
mod load;
mod manifest;
mod marks;
mod medium;
mod merge;
mod near;
mod record;
mod segments;
mod store;
mod table;
mod table_writer;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use ownkey_crypto::{ChunkId, ChunkType, Directory, FrameEntry, LocalStateKey, ObjectHash, Random};

use crate::error::{Error, Result};
use crate::format::entry::PackName;
use blocks::Blocks;
pub use claims::{Claim, Claims};
use directories::Directories;
pub(crate) use load::{Avoid, is_trusted};
use manifest::{Covered, Manifest};
pub(crate) use marks::Marks;
use medium::{Rotten, Trouble, Workshop};
pub(crate) use near::Found;
use near::Near;
pub use segments::{EachSegment, Segments};
use store::Store;
use upkeep::{Keeper, Kept};

/// Name of the file whose lock is the right to write into the folder of an index.
const LOCK: &str = "lock";
/// Blocks of tables kept in memory: 16 MiB.
const BLOCKS: usize = 4_096;

/// Where a chunk lies: a pack of the index, a frame of that pack, a chunk of that frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) pack: u32,
    pub(crate) frame: u32,
    pub(crate) nth: u32,
}

/// A pack of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackEntry {
    /// Its number in every [`Place`] of this index.
    pub(crate) number: u32,
    pub(crate) name: PackName,
    /// Length of the object in bytes.
    pub(crate) length: u64,
    /// Whether a new snapshot may rely on it: not condemned, not known to be damaged, and not
    /// from a device whose word about chunks nobody checked.
    pub(crate) reliable: bool,
}

/// A pack and what is in it.
#[derive(Debug)]
pub(crate) struct Filed {
    pub(crate) pack: PackEntry,
    pub(crate) directory: Directory,
}

impl Filed {
    /// A frame by its number in a [`Place`].
    pub(crate) fn frame(&self, number: u32) -> Result<&FrameEntry> {
        let frame = self.directory.frames().get(number as usize);
        frame.ok_or(Error::WorkerLost)
    }
}

/// Where and how the files of an index are kept.
pub struct Home {
    /// A folder of this index alone; none keeps everything in memory.
    pub folder: Option<PathBuf>,
    /// What the files are verified with.
    pub key: Arc<LocalStateKey>,
    /// Where the names of files come from.
    pub random: Arc<dyn Random>,
    /// Whether what is there is used.
    pub upkeep: Upkeep,
}

/// What an index does with the files in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// Uses them, and leaves them up to date.
    Kept,
    /// Neither: everything is read from the storage, for this run only.
    Afresh,
}

impl Home {
    fn number(&self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// A segment that an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Its hash.
    pub segment: ObjectHash,
    /// Whether new snapshots may rely on what it says.
    pub trust: Trust,
}

/// Whether somebody's word about chunks may be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// New snapshots may.
    Reliable,
    /// Chunks are found there, and stored anew.
    Doubtful,
    /// The same, and it may be gone at any moment: somebody condemned the segment.
    Condemned,
}

/// A segment and where it leads.
#[derive(Debug, Clone)]
pub(crate) struct Leading {
    /// Its hash.
    pub(crate) segment: ObjectHash,
    /// Whether new snapshots may rely on what it says.
    pub(crate) trust: Trust,
    /// The numbers of its packs.
    pub(crate) packs: Range<u32>,
}

/// What a pack is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Reliable,
    Doubtful,
    /// No segment that stands names it.
    Gone,
}

/// The index as of one moment.
pub struct Index {
    home: Home,
    segments: Arc<dyn Segments>,
    /// Of every segment that is named.
    trust: HashMap<ObjectHash, Trust>,
    broken_segments: Vec<ObjectHash>,
    held: RwLock<Held>,
    blocks: Blocks,
    directories: Directories,
    near: Near,
}

/// What is exchanged when files turn out to be rotten.
struct Held {
    store: Store,
    /// By number of the pack.
    standing: Vec<Standing>,
    /// How often that happened.
    mended: u32,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

impl Index {
    /// The index of these segments, each named once. A missing or broken one is damage that costs
    /// its chunks only: they are stored anew.
    ///
    /// # Errors
    /// Those of reading segments, and of the source of randomness. Never because of `home`.
    pub fn open(home: Home, segments: Arc<dyn Segments>, named: &[Named]) -> Result<Self> {
        let keeper = Keeper {
            home: &home,
            segments: segments.as_ref(),
        };
        let Kept { store, broken } = keeper.open(named)?;
        let trust: HashMap<ObjectHash, Trust> = named
            .iter()
            .map(|named| (named.segment, named.trust))
            .collect();
        let standing = store.segments.iter().flat_map(|covered| {
            let standing = match trust.get(&covered.segment) {
                Some(Trust::Reliable) => Standing::Reliable,
                Some(Trust::Doubtful | Trust::Condemned) => Standing::Doubtful,
                None => Standing::Gone,
            };
            // At most 2^32 of one byte.
            std::iter::repeat_n(standing, covered.count as usize)
        });
        let standing = standing.collect();
        Ok(Self {
            home,
            segments,
            trust,
            broken_segments: broken,
            held: RwLock::new(Held {
                store,
                standing,
                mended: 0,
            }),
            blocks: Blocks::new(BLOCKS),
            directories: Directories::default(),
            near: Near::default(),
        })
    }

    /// Lets nobody rely on some packs.
    fn doubt(&mut self, is_doubtful: &dyn Fn(&PackName) -> bool) -> Result<()> {
        let mut doubtful = Vec::new();
        self.each_pack(|pack| {
            if is_doubtful(&pack.name) {
                doubtful.push(pack.number);
            }
            Ok(())
        })?;
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        for number in doubtful {
            if let Some(standing @ Standing::Reliable) = held.standing.get_mut(number as usize) {
                *standing = Standing::Doubtful;
            }
        }
        Ok(())
    }

    /// Whether everything that any entry names is there and can be relied on.
    pub(crate) fn is_wholly_reliable(&self) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let mut standing = held.standing.iter();
        self.broken_segments.is_empty() && standing.all(|it| *it != Standing::Doubtful)
    }

    /// One more than the highest number of a pack.
    pub(crate) fn pack_count(&self) -> usize {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.standing.len()
    }

    /// Gives all packs to `each`, by number, in little memory.
    pub(crate) fn each_pack(&self, mut each: impl FnMut(PackEntry) -> Result<()>) -> Result<()> {
        let mut next = Some(0);
        while let Some(from) = next {
            // Given away when nothing is held any more: `each` may look things up.
            let (packs, then) = self.look(|held| {
                let mut packs = Vec::new();
                let then = held
                    .store
                    .packs(from, &self.home.key, &mut |pack| packs.push(pack))?;
                packs.retain_mut(|pack| held.judge(pack));
                Ok((packs, then))
            })?;
            packs.into_iter().try_for_each(&mut each)?;
            next = then;
        }
        Ok(())
    }

    /// The segments that it covers.
    pub(crate) fn segments(&self) -> Vec<Leading> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let covered = held.store.segments.iter();
        covered
            .filter_map(|covered| {
                Some(Leading {
                    segment: covered.segment,
                    trust: *self.trust.get(&covered.segment)?,
                    packs: covered.first..covered.end(),
                })
            })
            .collect()
    }

    /// A pack by its number in a [`Place`].
    pub(crate) fn pack(&self, number: u32) -> Result<PackEntry> {
        if let Some(filed) = self.directories.find(number) {
            return Ok(filed.pack);
        }
        let pack = self.look(|held| {
            let stands = held.standing(number) != Standing::Gone;
            let found = stands.then(|| held.store.pack(number, &self.home.key));
            let mut found = found.transpose()?;
            found.iter_mut().for_each(|pack| _ = held.judge(pack));
            Ok(found)
        })?;
        pack.ok_or_else(gone)
    }

    /// The same with its directory.
    pub(crate) fn filed(&self, number: u32) -> Result<Arc<Filed>> {
        if let Some(filed) = self.directories.find(number) {
            return Ok(filed);
        }
        let filed = self.look(|held| {
            let stands = held.standing(number) != Standing::Gone;
            let found = stands.then(|| held.store.filed(number, &self.home.key));
            let mut found = found.transpose()?;
            found.iter_mut().for_each(|it| _ = held.judge(&mut it.pack));
            Ok(found)
        })?;
        Ok(self.directories.put(filed.ok_or_else(gone)?))
    }

    /// A place of a chunk of this type; one to rely on, if there is any.
    pub(crate) fn find(&self, id: &ChunkId, kind: ChunkType) -> Result<Option<Found>> {
        if let Some(found) = self.near.find(id, kind) {
            return Ok(Some(found));
        }
        let found = self.found(id, kind)?.into_iter().next();
        found.iter().for_each(|found| self.near.put(kind, found));
        Ok(found)
    }

    /// Every place of a chunk of this type, the best first.
    pub(crate) fn places(&self, id: &ChunkId, kind: ChunkType) -> Result<Vec<Place>> {
        let found = self.found(id, kind)?;
        Ok(found.into_iter().map(|found| found.place).collect())
    }

    fn found(&self, id: &ChunkId, kind: ChunkType) -> Result<Vec<Found>> {
        let mut records = self.look(|held| {
            let mut records = Vec::new();
            held.store.find(id, &self.blocks, |record| {
                let standing = held.standing(record.pack());
                if standing != Standing::Gone {
                    let worse = standing != Standing::Reliable;
                    records.push((worse, record.pack(), record.frame()));
                }
            })?;
            Ok(records)
        })?;
        records.sort_unstable();
        let mut all = Vec::with_capacity(records.len());
        for (_, pack, frame) in records {
            let filed = self.filed(pack)?;
            let entry = filed.frame(frame)?;
            let nth = near::anywhere(entry, id).filter(|_| entry.chunk_type == kind);
            if let Some((nth, length)) = nth {
                let place = Place { pack, frame, nth };
                all.push(Found {
                    place,
                    length,
                    filed,
                });
            }
        }
        Ok(all)
    }

    /// A pack with the chunk that a new snapshot may rely on, by its number.
    ///
    /// # Errors
    /// Those of reading segments, if files of the index turned out to be rotten.
    pub fn reliable_pack(&self, id: &ChunkId) -> Result<Option<u32>> {
        self.look(|held| {
            let mut found: Option<u32> = None;
            held.store.find(id, &self.blocks, |record| {
                if held.standing(record.pack()) == Standing::Reliable {
                    let first = found.map_or(record.pack(), |other| other.min(record.pack()));
                    found = Some(first);
                }
            })?;
            Ok(found)
        })
    }

    /// Whether the chunk lies in one of the packs that `counts` accepts, by their numbers.
    pub(crate) fn is_in(&self, id: &ChunkId, counts: &dyn Fn(u32) -> bool) -> Result<bool> {
        self.look(|held| {
            let mut found = false;
            held.store.find(id, &self.blocks, |record| {
                found |= held.standing(record.pack()) != Standing::Gone && counts(record.pack());
            })?;
            Ok(found)
        })
    }

    /// Segments that an entry names and that are missing or damaged.
    pub(crate) fn broken_segments(&self) -> &[ObjectHash] {
        &self.broken_segments
    }

    /// How many places of chunks are known; a chunk that was stored twice has two.
    pub fn len(&self) -> u64 {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.store.records()
    }

    /// Whether no chunk is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks something up, on files made anew if those that are there turn out to be rotten.
    fn look<T>(&self, look: impl Fn(&Held) -> Result<T, Rotten>) -> Result<T> {
        loop {
            let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
            let mended = held.mended;
            if let Ok(found) = look(&held) {
                return Ok(found);
            }
            drop(held);
            self.mend(mended)?;
        }
    }

    /// Makes the files anew, for this run and the next one.
    fn mend(&self, found_at: u32) -> Result<()> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.mended > found_at {
            return Ok(());
        }
        let folder = self.home.folder.as_deref();
        if let Some(folder) = folder {
            Manifest::discard(folder);
        }
        let keeper = Keeper {
            home: &self.home,
            segments: self.segments.as_ref(),
        };
        // A disk that loses what was just written is not asked again.
        let places = match held.mended {
            0 => upkeep::unnamed(folder),
            1 => vec![Workshop::Memory],
            _ => Vec::new(),
        };
        for workshop in places {
            match keeper.mend(&held.store, workshop) {
                Ok(store) => {
                    held.exchange(store);
                    return Ok(());
                }
                Err(Trouble::Engine(error)) => return Err(error),
                Err(Trouble::Rotten | Trouble::Folder) => {}
            }
        }
        Err(Error::Damage {
            what: "the local index, time and again, so the disk or memory of this machine"
                .to_owned(),
        })
    }
}

impl Held {
    fn standing(&self, pack: u32) -> Standing {
        let standing = self.standing.get(pack as usize);
        standing.copied().unwrap_or(Standing::Gone)
    }

    /// Whether the pack stands, and says in it whether it is reliable.
    fn judge(&self, pack: &mut PackEntry) -> bool {
        let standing = self.standing(pack.number);
        pack.reliable = standing == Standing::Reliable;
        standing != Standing::Gone
    }

    fn exchange(&mut self, store: Store) {
        let gone = store.segments.iter();
        for covered in gone.filter(|covered| covered.segment == Covered::GONE) {
            let range = covered.first as usize..covered.end() as usize;
            let standing = self.standing.get_mut(range).unwrap_or_default();
            standing.fill(Standing::Gone);
        }
        self.store = store;
        self.mended += 1;
    }
}

/// A pack whose segment was lost while the index was made anew.
fn gone() -> Error {
    Error::Damage {
        what: "an index segment that was there before".to_owned(),
    }
}
