//! An index as it lies on disk or in memory: tables, packs, directories, and what they cover.

use std::path::Path;
use std::sync::Arc;

use ownkey_crypto::{ChunkId, LocalStateKey};

use super::blocks::Blocks;
use super::ledger::{AT_ONCE, Part, Source};
use super::manifest::{Covered, Manifest};
use super::medium::{self, Rotten};
use super::record::Record;
use super::table::Table;
use super::{Filed, PackEntry};

/// Everything that look-ups need. Nothing in it changes.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) segments: Vec<Covered>,
    /// In the order of their packs' numbers.
    pub(super) parts: Vec<Part>,
    pub(super) tables: Vec<Table>,
}

/// The key that everything is verified with.
pub(super) type Key = Arc<LocalStateKey>;

impl Store {
    /// What `manifest` says is in `folder`.
    pub(super) fn open(manifest: &Manifest, folder: &Path, key: &Key) -> Result<Self, Rotten> {
        let tables = manifest.tables.iter().map(|name| {
            let medium = medium::open(&folder.join(name.file()))?;
            Table::open(medium, *name, key)
        });
        let tables = tables.collect::<Result<_, _>>()?;
        let mut parts = Vec::new();
        if manifest.packs() > 0 {
            parts.push(Self::part(manifest, folder)?);
        }
        Ok(Self {
            segments: manifest.segments.clone(),
            parts,
            tables,
        })
    }

    /// The packs that `manifest` names.
    pub(super) fn part(manifest: &Manifest, folder: &Path) -> Result<Part, Rotten> {
        let packs = medium::open(&folder.join(manifest.packs_file()))?;
        let directories = medium::open(&folder.join(manifest.directories_file()))?;
        let are_there = packs.length()? >= super::ledger::length_of(manifest.packs())
            && directories.length()? >= manifest.directories;
        are_there.then_some(()).ok_or(Rotten)?;
        Ok(Part {
            first: 0,
            packs,
            directories,
        })
    }

    /// How many numbers of packs are taken.
    pub(super) fn count(&self) -> u32 {
        self.segments.last().map_or(0, Covered::end)
    }

    /// Places of all chunks together.
    pub(super) fn records(&self) -> u64 {
        self.tables.iter().map(|table| table.name().records).sum()
    }

    pub(super) fn find(
        &self,
        id: &ChunkId,
        blocks: &Blocks,
        mut each: impl FnMut(Record),
    ) -> Result<(), Rotten> {
        let mut tables = self.tables.iter();
        tables.try_for_each(|table| table.find(id, blocks, &mut each))
    }

    pub(super) fn pack(&self, number: u32, key: &Key) -> Result<PackEntry, Rotten> {
        let source = self.source(number).ok_or(Rotten)?;
        self.part_of(number)?.pack(number, &source, key)
    }

    pub(super) fn filed(&self, number: u32, key: &Key) -> Result<Filed, Rotten> {
        let source = self.source(number).ok_or(Rotten)?;
        self.part_of(number)?.filed(number, &source, key)
    }

    /// Some of the packs from `number` on to `each`, those that are gone left out; where it
    /// goes on, if there are more.
    pub(super) fn packs(
        &self,
        number: u32,
        key: &Key,
        each: &mut dyn FnMut(PackEntry),
    ) -> Result<Option<u32>, Rotten> {
        if number >= self.count() {
            return Ok(None);
        }
        let behind = self.parts.iter().map(|part| part.first);
        let behind = behind.filter(|first| *first > number).min();
        let end = behind
            .unwrap_or(self.count())
            .min(number.saturating_add(AT_ONCE));
        let sources: Vec<Option<Source>> = (number..end).map(|n| self.source(n)).collect();
        self.part_of(number)?.packs(number, &sources, key, each)?;
        Ok((end < self.count()).then_some(end))
    }

    /// Where a pack is from; nothing for one that is gone.
    fn source(&self, number: u32) -> Option<Source> {
        let behind = self
            .segments
            .partition_point(|covered| covered.end() <= number);
        let covered = self.segments.get(behind)?;
        (covered.segment != Covered::GONE).then(|| Source {
            segment: covered.segment,
            nth: number - covered.first,
        })
    }

    fn part_of(&self, number: u32) -> Result<&Part, Rotten> {
        let part = self.parts.iter().rfind(|part| part.first <= number);
        part.ok_or(Rotten)
    }
}
