//! Making an index larger: packs in, files out.
//!
//! Records are gathered up to a bound, sorted, and written as runs; at the end the runs, what is
//! left, and the tables that have become small beside it are merged into one table.

use std::path::Path;

use ownkey_crypto::ObjectHash;

use super::Home;
use super::ledger::{Lengths, Part, PartWriter, Source, length_of};
use super::manifest::{Covered, Manifest};
use super::medium::{self, Medium, Rotten, Sink, Trouble, Workshop};
use super::merge::{Input, how_many, merge};
use super::record::Record;
use super::table::{Records, Table, TableName};
use super::table_writer::{Purpose, TableWriter};
use crate::error::Result;
use crate::format::segment::IndexedPack;

/// Records gathered before they are written as a run: 40 MiB.
const GATHERED: usize = 1 << 20;

/// What is added to an index.
pub(super) struct Assembly<'h> {
    home: &'h Home,
    workshop: Workshop,
    segments: Vec<Covered>,
    part: PartWriter,
    gathered: Vec<Record>,
    runs: Vec<(Medium, TableName)>,
}

/// What came out.
pub(super) struct Assembled {
    pub(super) segments: Vec<Covered>,
    pub(super) part: Part,
    pub(super) lengths: Lengths,
    /// The one table of what is new, and of what was merged with it.
    pub(super) fresh: Option<(Medium, TableName)>,
}

impl<'h> Assembly<'h> {
    /// Goes on behind the packs of `base`: in its files if they are of this workshop, else in
    /// files of its own.
    pub(super) fn begin(
        home: &'h Home,
        workshop: Workshop,
        base: &Manifest,
    ) -> Result<Self, Trouble> {
        let (first, at) = match workshop {
            Workshop::Folder(_) => {
                let packs = length_of(base.packs());
                let directories = base.directories;
                (0, Lengths { packs, directories })
            }
            _ => (base.packs(), Lengths::default()),
        };
        let sinks: (Sink, Sink) = (
            workshop.append(&base.packs_file(), at.packs)?,
            workshop.append(&base.directories_file(), at.directories)?,
        );
        Ok(Self {
            home,
            workshop,
            segments: base.segments.clone(),
            part: PartWriter::new(first, sinks, &home.key),
            gathered: Vec::new(),
            runs: Vec::new(),
        })
    }

    /// Adds a segment.
    pub(super) fn add(
        &mut self,
        segment: &ObjectHash,
        packs: &[IndexedPack],
    ) -> Result<(), Trouble> {
        // A segment has at most 32 MiB.
        let count = u32::try_from(packs.len()).unwrap_or(u32::MAX);
        let covered = self.cover(*segment, count)?;
        for ((number, nth), pack) in (covered.first..).zip(0..).zip(packs) {
            let source = Source {
                segment: *segment,
                nth,
            };
            self.part.push(&source, pack)?;
            for (frame, entry) in (0..).zip(pack.directory.frames()) {
                for (id, _) in &entry.chunks {
                    self.gather(Record::new(id, number, frame))?;
                }
            }
        }
        Ok(())
    }

    /// Leaves the numbers of packs out that nobody knows any more.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), Trouble> {
        self.cover(Covered::GONE, count)?;
        Ok(self.part.skip(count)?)
    }

    fn cover(&mut self, segment: ObjectHash, count: u32) -> Result<Covered, Trouble> {
        let first = self.segments.last().map_or(0, Covered::end);
        // 2^32 packs of 16 MiB are more than any storage holds.
        first.checked_add(count).ok_or(Trouble::Folder)?;
        let covered = Covered {
            segment,
            first,
            count,
        };
        self.segments.push(covered);
        Ok(covered)
    }

    fn gather(&mut self, record: Record) -> Result<(), Trouble> {
        self.gathered.push(record);
        if self.gathered.len() < GATHERED {
            return Ok(());
        }
        self.gathered.sort_unstable();
        let most = self.gathered.len() as u64;
        let mut writer = self.writer(most, Purpose::Merging)?;
        for record in self.gathered.drain(..) {
            writer.push(record)?;
        }
        self.runs.push(writer.finish()?);
        Ok(())
    }

    fn writer(&self, most: u64, purpose: Purpose) -> Result<TableWriter, Trouble> {
        let id = self.home.number()?;
        let name = TableName { id, records: most };
        let medium = self.workshop.create(&name.file())?;
        Ok(TableWriter::new(
            medium,
            id,
            &self.home.key,
            (most, purpose),
        ))
    }

    /// Writes what is left. Of `tables`, which lie in the folder, those that are small now are
    /// merged with it, and taken away.
    pub(super) fn finish(
        mut self,
        tables: &mut Vec<TableName>,
        folder: Option<&Path>,
    ) -> Result<Assembled, Trouble> {
        let gathered = std::mem::take(&mut self.gathered);
        let runs = std::mem::take(&mut self.runs);
        let in_runs = runs.iter().map(|(_, run)| run.records).sum::<u64>();
        let new = in_runs + gathered.len() as u64;
        let mut merged = Vec::new();
        if let Some(folder) = folder {
            tables.sort_by_key(|table| table.records);
            let small = how_many(tables, new);
            for name in tables.drain(..small) {
                let medium = medium::open(&folder.join(name.file())).map_err(Rotten::from)?;
                merged.push(Table::open(medium, name, &self.home.key)?.for_merging());
            }
        }
        for (medium, name) in runs {
            merged.push(Table::open(medium, name, &self.home.key)?);
        }
        let in_tables = merged.iter().map(|table| table.name().records).sum::<u64>();
        let most = in_tables + gathered.len() as u64;
        let tables = merged.iter().map(|table| Input::Table(Records::of(table)));
        let inputs = tables.chain([sorted(gathered)]).collect();
        let fresh = match new {
            0 => None,
            _ => {
                let gone = Gone::of(&self.segments);
                let writer = self.writer(most, Purpose::LookUps)?;
                let is_wanted = |pack| !gone.holds(pack);
                Some(merge(inputs, writer, &is_wanted)?)
            }
        };
        let (part, lengths) = self.part.finish()?;
        Ok(Assembled {
            segments: self.segments,
            part,
            lengths,
            fresh,
        })
    }
}

fn sorted(mut records: Vec<Record>) -> Input<'static> {
    records.sort_unstable();
    Input::Sorted(records.into_iter())
}

/// Packs whose segments are not named any more.
struct Gone(Vec<Covered>);

impl Gone {
    fn of(segments: &[Covered]) -> Self {
        let gone = segments
            .iter()
            .filter(|covered| covered.segment == Covered::GONE);
        Self(gone.copied().collect())
    }

    fn holds(&self, pack: u32) -> bool {
        let behind = self.0.partition_point(|covered| covered.end() <= pack);
        self.0
            .get(behind)
            .is_some_and(|covered| covered.first <= pack)
    }
}
