//! Writes a table, record by record in ascending order.

use std::io;
use std::sync::Arc;

use ownkey_crypto::{ChunkId, LocalStateKey};

use super::filter::{self, LINE};
use super::medium::{Medium, Sink};
use super::record::{RECORD, Record};
use super::table::{
    BLOCK, BLOCK_HEAD, BLOCK_MAGIC, END, FENCE, IN_BLOCK, TABLE_MAGIC, TAG, TableName,
};

/// Whether a table will be looked into, or only read from end to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    LookUps,
    Merging,
}

/// A table on its way. Its filter is in memory until the end: 10 bits for each record.
pub(super) struct TableWriter {
    sink: Sink,
    key: Arc<LocalStateKey>,
    id: u64,
    /// Filter, and room for the fences that follow it.
    tail: Vec<u8>,
    filter: usize,
    fences: Vec<u8>,
    block: Vec<u8>,
    blocks: u64,
    records: u64,
    last: Option<Record>,
}

impl TableWriter {
    /// A table of at most `most` records.
    pub(super) fn new(
        medium: Medium,
        id: u64,
        key: &Arc<LocalStateKey>,
        (most, purpose): (u64, Purpose),
    ) -> Self {
        let lines = match purpose {
            Purpose::LookUps => filter::lines_for(most),
            Purpose::Merging => 0,
        };
        // As many as fit this machine's memory, or nothing here would.
        let filter = usize::try_from(lines).unwrap_or(0) * LINE;
        let blocks = usize::try_from(most.div_ceil(IN_BLOCK as u64)).unwrap_or(0);
        let mut tail = Vec::with_capacity(filter + blocks * FENCE + END);
        tail.resize(filter, 0);
        Self {
            sink: Sink::new(medium, 0),
            key: Arc::clone(key),
            id,
            tail,
            filter,
            fences: Vec::new(),
            block: Vec::with_capacity(BLOCK),
            blocks: 0,
            records: 0,
            last: None,
        }
    }

    /// Adds the next record; one that is there already is left out.
    pub(super) fn push(&mut self, record: Record) -> io::Result<()> {
        if self.last.replace(record) == Some(record) {
            return Ok(());
        }
        if self.block.is_empty() {
            self.block.extend_from_slice(BLOCK_MAGIC);
            self.block.extend_from_slice(&self.id.to_le_bytes());
            self.block.extend_from_slice(&self.blocks.to_le_bytes());
            self.fences.extend(record.as_bytes().iter().take(FENCE));
        }
        self.block.extend_from_slice(record.as_bytes());
        self.note(&record.id());
        self.records += 1;
        if self.block.len() == BLOCK_HEAD + IN_BLOCK * RECORD {
            self.end_block()?;
        }
        Ok(())
    }

    fn note(&mut self, id: &ChunkId) {
        let lines = self.tail.get_mut(..self.filter).unwrap_or_default();
        filter::insert(lines.as_chunks_mut::<LINE>().0, id);
    }

    fn end_block(&mut self) -> io::Result<()> {
        self.block.resize(BLOCK, 0);
        let tag = self.key.tag(&self.block);
        self.block.truncate(BLOCK - TAG);
        self.block.extend_from_slice(&tag);
        self.sink.push(&self.block)?;
        self.block.clear();
        self.blocks += 1;
        Ok(())
    }

    /// Ends the table.
    pub(super) fn finish(mut self) -> io::Result<(Medium, TableName)> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.tail.append(&mut self.fences);
        self.tail.extend_from_slice(TABLE_MAGIC);
        let lines = (self.filter / LINE) as u64;
        for number in [self.id, self.records, lines] {
            self.tail.extend_from_slice(&number.to_le_bytes());
        }
        let tag = self.key.tag(&self.tail);
        self.tail.extend_from_slice(&tag);
        self.sink.push(&self.tail)?;
        let name = TableName {
            id: self.id,
            records: self.records,
        };
        Ok((self.sink.finish()?, name))
    }
}
