//! A table: records sorted by chunk id in an immutable file, behind a filter.
//!
//! ```text
//! blocks of 4 KiB: "blk2" ‖ 0 ‖ u64 table ‖ u64 block ‖ 101 records ‖ tag
//! tail: filter ‖ first eight bytes of each block's first id ‖ "tab2" ‖ 0 ‖ u64 table ‖ u64 records ‖ u64 lines ‖ tag
//! ```
//! The tag of a block is made with zeros in its place: of four whole kibibytes, which BLAKE3 hashes side by side.
//! Every byte that is believed was verified under this device's key: the tail when the table is opened,
//! a block when it is read. A look-up asks the filter, finds the one block in which the id can be, and reads it.

use std::sync::Arc;

use ownkey_crypto::{ChunkId, LocalStateKey};

use super::blocks::Blocks;
use super::filter::{self, LINE};
use super::medium::{Medium, Rotten};
use super::record::{RECORD, Record, array};

/// Length of a block in bytes.
pub(super) const BLOCK: usize = 4_096;
/// Records in a block.
pub(super) const IN_BLOCK: usize = 101;
/// Bytes before the records of a block.
pub(super) const BLOCK_HEAD: usize = 24;
/// Length of a tag.
pub(super) const TAG: usize = 32;
/// Bytes behind filter and fences.
pub(super) const END: usize = 64;
/// A fence: the beginning of a block's first id.
pub(super) const FENCE: usize = 8;
pub(super) const BLOCK_MAGIC: &[u8; 8] = b"blk2\0\0\0\0";
pub(super) const TABLE_MAGIC: &[u8; 8] = b"tab2\0\0\0\0";
const _: () = assert!(
    BLOCK_HEAD + IN_BLOCK * RECORD + TAG == BLOCK,
    "a block is full"
);
/// Blocks read at once where all are.
const AT_ONCE: u64 = 16;

/// Which table, and how many records it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableName {
    /// Random, so that no two tables are mistaken for each other.
    pub(super) id: u64,
    pub(super) records: u64,
}

impl TableName {
    pub(super) fn file(&self) -> String {
        format!("table-{:016x}", self.id)
    }

    fn blocks(&self) -> u64 {
        self.records.div_ceil(IN_BLOCK as u64)
    }
}

/// An open table.
pub(super) struct Table {
    name: TableName,
    medium: Medium,
    key: Arc<LocalStateKey>,
    /// Filter, then fences.
    tail: Vec<u8>,
    /// Bytes of the filter.
    filter: usize,
}

impl Table {
    /// Reads and verifies what look-ups need in memory: 11 bits for each record.
    pub(super) fn open(
        medium: Medium,
        name: TableName,
        key: &Arc<LocalStateKey>,
    ) -> Result<Self, Rotten> {
        let length = medium.length()?;
        let mut end = [0; END];
        medium.read_at(length.checked_sub(END as u64).ok_or(Rotten)?, &mut end)?;
        let lines = u64::from_le_bytes(array(&end, 24));
        let filter = lines.checked_mul(LINE as u64).ok_or(Rotten)?;
        let blocks = name.blocks().checked_mul(BLOCK as u64).ok_or(Rotten)?;
        let tail = filter
            .checked_add(name.blocks() * FENCE as u64)
            .and_then(|tail| tail.checked_add(END as u64))
            .ok_or(Rotten)?;
        // Nothing is allocated for what is not there.
        if blocks.checked_add(tail) != Some(length) {
            return Err(Rotten);
        }
        let mut bytes = vec![0; usize::try_from(tail).map_err(|_| Rotten)?];
        medium.read_at(blocks, &mut bytes)?;
        let (body, tag) = bytes.split_last_chunk::<TAG>().ok_or(Rotten)?;
        key.verify(body, tag).map_err(|_| Rotten)?;
        let magic: [u8; 8] = array(&end, 0);
        let said = TableName {
            id: u64::from_le_bytes(array(&end, 8)),
            records: u64::from_le_bytes(array(&end, 16)),
        };
        if magic != *TABLE_MAGIC || said != name {
            return Err(Rotten);
        }
        bytes.truncate(bytes.len() - END);
        Ok(Self {
            name,
            medium,
            key: Arc::clone(key),
            tail: bytes,
            filter: usize::try_from(filter).map_err(|_| Rotten)?,
        })
    }

    pub(super) fn id(&self) -> u64 {
        self.name.id
    }

    pub(super) fn name(&self) -> TableName {
        self.name
    }

    /// Gives every record of the chunk to `each`.
    pub(super) fn find(
        &self,
        id: &ChunkId,
        cache: &Blocks,
        mut each: impl FnMut(Record),
    ) -> Result<(), Rotten> {
        let (filter, fences) = self.tail.split_at_checked(self.filter).ok_or(Rotten)?;
        if !filter::may_hold(filter.as_chunks::<LINE>().0, id) {
            return Ok(());
        }
        let fences = fences.as_chunks::<FENCE>().0;
        let start: [u8; FENCE] = array(id.as_bytes(), 0);
        // Places of one chunk may go on in the next block, and ids may begin alike.
        let first = first_not_below(fences, start);
        let from_there = fences.get(first..).unwrap_or_default();
        let alike = from_there.iter().take_while(|fence| **fence == start);
        let end = first + alike.count();
        for block in first.saturating_sub(1)..end {
            cache.with(self, block as u64, |records| {
                let below = |record: &[u8; RECORD]| record.as_slice() < id.as_bytes().as_slice();
                let from = records.partition_point(below);
                let found = records
                    .iter()
                    .skip(from)
                    .map(|bytes| Record::from_bytes(*bytes));
                found
                    .take_while(|record| record.id() == *id)
                    .for_each(&mut each);
            })?;
        }
        Ok(())
    }

    /// The same without what only look-ups need.
    pub(super) fn for_merging(mut self) -> Self {
        self.tail = Vec::new();
        self
    }

    /// Reads and verifies one block.
    pub(super) fn read_block(&self, block: u64, into: &mut Vec<u8>) -> Result<(), Rotten> {
        into.resize(BLOCK, 0);
        self.medium.read_at(block * BLOCK as u64, into)?;
        self.verify(block, into)
    }

    /// Leaves zeros where the tag was.
    fn verify(&self, block: u64, bytes: &mut [u8]) -> Result<(), Rotten> {
        let (_, place) = bytes.split_last_chunk_mut::<TAG>().ok_or(Rotten)?;
        let tag = std::mem::take(place);
        self.key.verify(bytes, &tag).map_err(|_| Rotten)?;
        let is_this = bytes.starts_with(BLOCK_MAGIC)
            && u64::from_le_bytes(array(bytes, 8)) == self.name.id
            && u64::from_le_bytes(array(bytes, 16)) == block;
        if is_this { Ok(()) } else { Err(Rotten) }
    }

    /// The records in the bytes of a block.
    pub(super) fn records_of<'b>(&self, block: u64, bytes: &'b [u8]) -> &'b [[u8; RECORD]] {
        let before = block.saturating_mul(IN_BLOCK as u64);
        let count = self
            .name
            .records
            .saturating_sub(before)
            .min(IN_BLOCK as u64);
        let records = bytes.get(BLOCK_HEAD..).unwrap_or_default();
        let records = records.as_chunks::<RECORD>().0;
        // At most IN_BLOCK.
        records.get(..count as usize).unwrap_or_default()
    }
}

/// The number of the first fence that is not below `start`.
///
/// Ids are uniform, so it is near where it would be were they evenly spread: within a few times the
/// square root of their number, most often. What is not there is searched for in ever larger steps.
fn first_not_below(fences: &[[u8; FENCE]], start: [u8; FENCE]) -> usize {
    let is_below = |fence: &[u8; FENCE]| *fence < start;
    let share = u128::from(u64::from_be_bytes(start)) * fences.len() as u128;
    // Below their number, which is a usize.
    let guess = usize::try_from(share >> 64).unwrap_or(0);
    let mut step = fences.len().isqrt() / 2 + 1;
    let (mut low, mut high) = (guess, guess);
    while low > 0 && fences.get(low - 1).is_some_and(|fence| !is_below(fence)) {
        low = low.saturating_sub(step);
        step *= 2;
    }
    while fences.get(high).is_some_and(is_below) {
        high = high.saturating_add(step).min(fences.len());
        step *= 2;
    }
    let between = fences.get(low..high).unwrap_or_default();
    low + between.partition_point(is_below)
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish()
    }
}

/// All records of a table in order, verified, in little memory.
pub(super) struct Records<'t> {
    table: &'t Table,
    bytes: Vec<u8>,
    /// The block that `bytes` begins with, and the blocks in it.
    first: u64,
    count: u64,
    /// The next record, counted from the beginning of `bytes`.
    next: usize,
}

impl<'t> Records<'t> {
    pub(super) fn of(table: &'t Table) -> Self {
        Self {
            table,
            bytes: Vec::new(),
            first: 0,
            count: 0,
            next: 0,
        }
    }

    /// The next record; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Rotten> {
        loop {
            let block = (self.next / IN_BLOCK) as u64;
            if block < self.count {
                let bytes = self.bytes.chunks(BLOCK).nth(self.next / IN_BLOCK);
                let records = self
                    .table
                    .records_of(self.first + block, bytes.ok_or(Rotten)?);
                let record = records.get(self.next % IN_BLOCK);
                self.next += 1;
                return Ok(record.map(|bytes| Record::from_bytes(*bytes)));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> Result<bool, Rotten> {
        self.first += self.count;
        self.count = AT_ONCE.min(self.table.name.blocks().saturating_sub(self.first));
        self.next = 0;
        // At most AT_ONCE blocks.
        self.bytes.resize(self.count as usize * BLOCK, 0);
        let at = self.first * BLOCK as u64;
        self.table.medium.read_at(at, &mut self.bytes)?;
        for (number, block) in (self.first..).zip(self.bytes.chunks_mut(BLOCK)) {
            self.table.verify(number, block)?;
        }
        Ok(self.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_are_found_however_they_are_spread() {
        let even: Vec<u64> = (0..1_000).map(|n| n << 54).collect();
        let low: Vec<u64> = (0..1_000).collect();
        let high: Vec<u64> = (0..1_000).map(|n| u64::MAX - 999 + n).collect();
        let alike = vec![7 << 60; 1_000];
        for fences in [even, low, high, alike, vec![1 << 63], Vec::new()] {
            let bytes: Vec<[u8; FENCE]> = fences.iter().map(|f| f.to_be_bytes()).collect();
            let around = fences
                .iter()
                .flat_map(|f| [f.saturating_sub(1), *f, f.saturating_add(1)]);
            for start in around.chain([0, 1, 1 << 40, 1 << 63, u64::MAX]) {
                let expected = fences.partition_point(|fence| *fence < start);
                assert_eq!(first_not_below(&bytes, start.to_be_bytes()), expected);
            }
        }
    }
}
