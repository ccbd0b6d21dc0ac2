//! Blocks of tables that were read and verified lately.
//!
//! Bounded and simple: each block has one place, which it takes from whoever is there. Whole
//! tables of small repositories stay here, so that only large ones pay a read for each look-up.

use std::sync::Mutex;

use super::medium::Rotten;
use super::record::RECORD;
use super::table::Table;
use crate::lock::lock;

/// A verified block's place.
#[derive(Debug, Default)]
struct Slot {
    /// Table and number of the block that is here.
    holds: Option<(u64, u64)>,
    bytes: Vec<u8>,
}

/// The blocks of any number of tables.
#[derive(Debug)]
pub(super) struct Blocks {
    slots: Vec<Mutex<Slot>>,
}

impl Blocks {
    /// Room for so many blocks of 4 KiB, allocated when they are used.
    pub(super) fn new(count: usize) -> Self {
        Self {
            slots: (0..count.max(1)).map(|_| Mutex::default()).collect(),
        }
    }

    /// Gives the records of a block to `look`.
    pub(super) fn with<T>(
        &self,
        table: &Table,
        block: u64,
        look: impl FnOnce(&[[u8; RECORD]]) -> T,
    ) -> Result<T, Rotten> {
        // Neighbours of one table never meet while they all have room.
        let place = table.id().wrapping_add(block) % self.slots.len() as u64;
        let slot = usize::try_from(place)
            .ok()
            .and_then(|at| self.slots.get(at));
        let mut slot = lock(slot.ok_or(Rotten)?);
        let wanted = (table.id(), block);
        if slot.holds != Some(wanted) {
            slot.holds = None;
            table.read_block(block, &mut slot.bytes)?;
            slot.holds = Some(wanted);
        }
        Ok(look(table.records_of(block, &slot.bytes)))
    }
}
