//! Who stores a chunk: an atomic "this one is mine to store" over the index.
//!
//! So many claims are in memory and no more; then they are written, sorted and behind a filter,
//! into an unnamed file on the disk of the cache folder, which is gone with the run.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use ownkey_crypto::ChunkId;

use super::blocks::Blocks;
use super::medium::{Rotten, Trouble, Workshop};
use super::merge::{Input, how_many, merge};
use super::record::Record;
use super::table::{Records, Table, TableName};
use super::table_writer::{Purpose, TableWriter};
use super::{Home, Index, upkeep};
use crate::lock::lock;

/// Who stores a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is stored, or somebody in this run is storing it.
    Known,
    /// The caller stores it.
    Mine,
}

/// The chunks of one run that the index does not have. At most 9 MiB in memory, and 11 bits for
/// each claim that is on disk.
pub struct Claims<'i> {
    index: &'i Index,
    shards: [Mutex<HashSet<ChunkId>>; SHARDS],
    in_memory: AtomicUsize,
    /// How many may be in memory.
    most: AtomicUsize,
    written: RwLock<Written>,
}

/// Claims on disk.
struct Written {
    tables: Vec<Table>,
    blocks: Blocks,
}

/// Enough that threads rarely meet.
const SHARDS: usize = 64;
/// Claims in memory: 3,584 in each shard is what a hash table of 4,096 places holds before it
/// grows, so these are 9 MiB.
const MOST: usize = SHARDS * 3_400;
/// Blocks of written claims kept; few are asked for twice.
const BLOCKS: usize = 256;

impl std::fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

impl<'i> Claims<'i> {
    /// No claims yet.
    pub fn new(index: &'i Index) -> Self {
        Self::bounded(index, MOST)
    }

    pub(super) fn bounded(index: &'i Index, most: usize) -> Self {
        let most = match index.home.folder {
            Some(_) => most,
            // Memory is no smaller as a table.
            None => usize::MAX,
        };
        Self {
            index,
            shards: std::array::from_fn(|_| Mutex::default()),
            in_memory: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
            written: RwLock::new(Written {
                tables: Vec::new(),
                blocks: Blocks::new(BLOCKS),
            }),
        }
    }

    /// What was stored when the run began.
    pub fn index(&self) -> &Index {
        self.index
    }

    /// Claims a chunk that the index does not have. Of all who ask for it, one hears `Mine`.
    pub fn claim(&self, id: &ChunkId) -> Claim {
        if self.are_too_many() {
            self.write_out();
        }
        // While this is held, nothing moves from memory to disk: a claim is seen in one of them.
        let written = self.written.read().unwrap_or_else(PoisonError::into_inner);
        let [first, ..] = id.as_bytes();
        let mut shard = lock(&self.shards[usize::from(*first) % SHARDS]);
        if shard.contains(id) || written.holds(id) {
            return Claim::Known;
        }
        shard.insert(*id);
        self.in_memory.fetch_add(1, Ordering::Relaxed);
        Claim::Mine
    }

    #[cfg(test)]
    fn in_memory(&self) -> usize {
        self.in_memory.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    fn tables(&self) -> usize {
        self.written.read().unwrap().tables.len()
    }

    fn are_too_many(&self) -> bool {
        self.in_memory.load(Ordering::Relaxed) >= self.most.load(Ordering::Relaxed)
    }

    fn write_out(&self) {
        let mut written = self.written.write().unwrap_or_else(PoisonError::into_inner);
        if !self.are_too_many() {
            return;
        }
        let mut claimed: Vec<Record> = Vec::with_capacity(self.in_memory.load(Ordering::Relaxed));
        for shard in &self.shards {
            claimed.extend(lock(shard).iter().map(|id| Record::new(id, 0, 0)));
        }
        match written.add(claimed, &self.index.home) {
            Ok(()) => {
                self.shards.iter().for_each(|shard| lock(shard).clear());
                self.in_memory.store(0, Ordering::Relaxed);
            }
            // A full disk costs memory, not the run.
            Err(_) => self.most.store(usize::MAX, Ordering::Relaxed),
        }
    }
}

impl Written {
    /// A block that cannot be read costs storing a chunk twice.
    fn holds(&self, id: &ChunkId) -> bool {
        self.tables.iter().any(|table| {
            let mut found = false;
            let looked = table.find(id, &self.blocks, |_| found = true);
            looked.is_ok() && found
        })
    }

    fn add(&mut self, mut claimed: Vec<Record>, home: &Home) -> Result<(), Trouble> {
        let workshop = upkeep::unnamed(home.folder.as_deref()).into_iter().next();
        let Some(workshop @ Workshop::Unnamed(_)) = workshop else {
            return Err(Trouble::Folder);
        };
        claimed.sort_unstable();
        self.tables.sort_by_key(|table| table.name().records);
        let names: Vec<TableName> = self.tables.iter().map(Table::name).collect();
        let merged = how_many(&names, claimed.len() as u64);
        let small = self.tables.get(..merged).ok_or(Rotten)?;
        let before: u64 = small.iter().map(|table| table.name().records).sum();
        let most = before + claimed.len() as u64;
        let id = home.number()?;
        let name = TableName { id, records: most };
        let medium = workshop.create(&name.file())?;
        let writer = TableWriter::new(medium, id, &home.key, (most, Purpose::LookUps));
        let tables = small.iter().map(|table| Input::Table(Records::of(table)));
        let inputs = tables.chain([Input::Sorted(claimed.into_iter())]);
        let (medium, name) = merge(inputs.collect(), writer, &|_| true)?;
        let table = Table::open(medium, name, &home.key)?;
        self.tables.drain(..merged);
        self.tables.push(table);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Bench, chunk, three};
    use super::*;

    #[test]
    fn one_caller_hears_mine_also_when_claims_are_on_disk() {
        let bench = Bench::new();
        let index = bench.open(&three(&bench));
        let claims = Claims::bounded(&index, 500);
        let mine = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (claims, mine) = (&claims, &mine);
                scope.spawn(move || {
                    for number in 0..20_000u64 {
                        // Each thread in an order of its own.
                        let number = (number * [1, 3, 7, 9][thread]) % 20_000;
                        if claims.claim(&chunk(number)) == Claim::Mine {
                            mine.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(mine.into_inner(), 20_000);
        assert!(claims.in_memory() < 600, "{}", claims.in_memory());
        assert!(claims.tables() < 8);
        assert!(bench.files("unnamed").is_empty());
    }
}
