//! What the storage holds, and how much of it somebody needs.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use ownkey_crypto::{ChunkId, Epoch, ObjectHash, PackKind};
use ownkey_storage::ObjectName;

use super::epochs::sealed_before;
use super::needs::Needs;
use crate::backup::Relied;
use crate::error::Result;
use crate::format::entry::{Listed as Names, PackName};
use crate::format::layout::{self, Object};
use crate::index::{Index, Marks, PackEntry};
use crate::io::Io;
use crate::log_state::Condemned;
use crate::repository::Repository;

/// The packs and segments that a listing showed, and what was stored and deleted since.
///
/// Taken after the logs were read: what a fold leaves out is then seen to be gone
/// (docs/adr/0007-look-rule.md).
pub(super) struct Shelf {
    pub(super) packs: HashMap<PackName, Listed>,
    pub(super) segments: HashMap<ObjectHash, Listed>,
    /// What this run has stored, and confirmed.
    own: Relied,
}

/// An object of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its length in bytes.
    pub(super) length: u64,
    /// Whether it is so much older than the newest object that no run can still be about to name it, as far as
    /// the storage's own times tell. No safety rests on it: a run that has slept longer stores anew what it
    /// finds condemned.
    pub(super) is_old: bool,
    /// Whether it must be stored anew because it was sealed under earlier keys.
    pub(super) is_superseded: bool,
}

impl Listed {
    fn is_forsaken(&self) -> bool {
        self.is_old || self.is_superseded
    }
}

/// How far back an object lies that is old.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

impl Shelf {
    pub(super) fn list(io: &Io) -> Result<Self> {
        let mut found = Vec::new();
        for prefix in [
            layout::packs(PackKind::Data),
            layout::packs(PackKind::Meta),
            layout::segments(),
            layout::logs(),
        ] {
            found.extend(io.list(&prefix)?);
        }
        let newest = found.iter().filter_map(|object| object.modified).max();
        let is_old = |stored: Option<SystemTime>| {
            let old = newest.and_then(|newest| newest.checked_sub(OLD));
            stored.zip(old).is_some_and(|(stored, old)| stored < old)
        };
        let mut shelf = Self {
            packs: HashMap::new(),
            segments: HashMap::new(),
            own: Relied::default(),
        };
        for object in found {
            let listed = Listed {
                length: object.size,
                is_old: is_old(object.modified),
                is_superseded: false,
            };
            match Object::parse(&object.name) {
                Some(Object::Pack(name)) => drop(shelf.packs.insert(name, listed)),
                Some(Object::Segment(hash)) => drop(shelf.segments.insert(hash, listed)),
                _ => {}
            }
        }
        Ok(shelf)
    }

    /// Finds what was sealed under earlier keys than those of `present`.
    pub(super) fn compare_epochs(&mut self, present: Epoch, io: &Io) -> Result<()> {
        let packs = self.packs.keys().map(layout::pack);
        let segments = self.segments.keys().map(layout::segment);
        let names: Vec<ObjectName> = packs.chain(segments).collect();
        let before = sealed_before(present, &names, io)?;
        for (pack, listed) in &mut self.packs {
            listed.is_superseded = before.contains(&layout::pack(pack));
        }
        for (segment, listed) in &mut self.segments {
            listed.is_superseded = before.contains(&layout::segment(segment));
        }
        Ok(())
    }

    /// What is listed and what no segment leads to, or no entry names: left by a run that broke off, if it is old or was
    /// condemned before.
    pub(super) fn forsaken(&self, index: &Index, repository: &Repository) -> Result<Names> {
        let condemned = repository.logs.condemned();
        let mut located = HashSet::new();
        index.each_pack(|pack| {
            located.insert(pack.name);
            Ok(())
        })?;
        let named: HashSet<ObjectHash> = repository.logs.segments().map(|(_, hash)| hash).collect();
        let packs = self.packs.iter().filter(|(pack, listed)| {
            !located.contains(*pack) && (listed.is_forsaken() || condemned.packs.contains(*pack))
        });
        let segments = self.segments.iter().filter(|(segment, listed)| {
            !named.contains(*segment)
                && (listed.is_forsaken() || condemned.segments.contains(*segment))
        });
        Ok(Names {
            packs: packs.map(|(pack, _)| *pack).collect(),
            segments: segments.map(|(segment, _)| *segment).collect(),
        })
    }

    /// Forgets an object that was deleted. Its length in bytes.
    pub(super) fn remove(&mut self, name: &ObjectName) -> u64 {
        let listed = match Object::parse(name) {
            Some(Object::Pack(pack)) => self.packs.remove(&pack),
            Some(Object::Segment(segment)) => self.segments.remove(&segment),
            _ => None,
        };
        listed.map_or(0, |listed| listed.length)
    }

    /// Adds what was stored since.
    pub(super) fn add(&mut self, stored: Relied) {
        self.own.packs.extend(stored.packs);
        self.own.segments.extend(stored.segments);
    }

    /// Whether a pack is there, as far as this run knows.
    pub(super) fn has(&self, pack: &PackName) -> bool {
        self.packs.contains_key(pack) || self.own.packs.contains(pack)
    }

    /// The same for a segment. One that this run has stored may have been condemned since by another prune, which may yet
    /// spare it, or never come back.
    pub(super) fn has_segment(&self, segment: &ObjectHash) -> bool {
        self.segments.contains_key(segment) || self.own.segments.contains(segment)
    }
}

/// A pack that is listed and that a segment leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) pack: PackEntry,
    /// Whether it cannot stay: its keys are superseded, or it is condemned, so that its author may delete it at any
    /// moment, or never come back to do so.
    pub(super) must_go: bool,
    /// Stored bytes of chunks that somebody needs and that no better pack has.
    pub(super) live: u64,
    /// Stored bytes of all others.
    pub(super) dead: u64,
}

/// What is in the packs that are listed.
///
/// Of several packs with one chunk, the one that the index has longest counts as its home, if a snapshot may
/// rely on it.
pub(super) fn holdings(
    index: &Index,
    shelf: &Shelf,
    needs: &Needs,
    condemned: &Condemned,
) -> Result<Vec<Holding>> {
    let mut packs: HashMap<PackName, PackEntry> = HashMap::new();
    index.each_pack(|pack| {
        if shelf.has(&pack.name) {
            let best = packs.entry(pack.name).or_insert(pack);
            if pack.reliable && !best.reliable {
                *best = pack;
            }
        }
        Ok(())
    })?;
    let mut packs: Vec<PackEntry> = packs.into_values().collect();
    packs.sort_unstable_by_key(|pack| (!pack.reliable, pack.number));
    let mut count = Count {
        index,
        needs,
        homed: Marks::room_for(index.len()),
        shelf,
        condemned,
    };
    let held = packs.into_iter().map(|pack| {
        let (live, dead) = count.pack(&pack)?;
        Ok(Holding {
            pack,
            must_go: count.must_go(&pack),
            live,
            dead,
        })
    });
    held.collect()
}

struct Count<'a> {
    index: &'a Index,
    needs: &'a Needs,
    /// Chunks that were counted as live, in packs with a lower number.
    homed: Marks,
    shelf: &'a Shelf,
    condemned: &'a Condemned,
}

impl Count<'_> {
    fn pack(&mut self, pack: &PackEntry) -> Result<(u64, u64)> {
        let filed = self.index.filed(pack.number)?;
        let (mut live, mut dead) = (0, 0);
        for frame in filed.directory.frames() {
            for (id, length) in &frame.chunks {
                // Both are below 2^23, so the product is far below 2^64.
                let share = u64::from(frame.stored_len) * u64::from(*length);
                let share = share / u64::from(frame.plain_len.max(1));
                match self.needs.may_need(id) && self.is_home(pack, id)? {
                    true => live += share.max(1),
                    false => dead += share.max(1),
                }
            }
        }
        Ok((live, dead))
    }

    fn is_home(&mut self, pack: &PackEntry, id: &ChunkId) -> Result<bool> {
        if pack.reliable && !self.homed.may_hold(id) {
            self.homed.insert(id);
            return Ok(true);
        }
        // Who may not read relies on its own packs alone, and would store them again and again.
        if !pack.reliable && !self.must_go(pack) {
            return Ok(true);
        }
        Ok(match self.index.reliable_pack(id)? {
            Some(home) => self.index.pack(home)?.name == pack.name,
            None => true,
        })
    }

    fn must_go(&self, pack: &PackEntry) -> bool {
        let listed = self.shelf.packs.get(&pack.name);
        self.condemned.packs.contains(&pack.name) || listed.is_some_and(|it| it.is_superseded)
    }
}
