//! The index made again from the packs' own directories.
//!
//! A directory says of chunks what nobody who is known has signed, so it is believed only after every chunk of its pack
//! was decrypted and hashed again. Then it does not matter who stored it: an interrupted run, or somebody whose index
//! segment was lost.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use ownkey_crypto::PackKind;

use super::salvage::{Salvage, Salvaged};
use super::{Named, Run, may_repair};
use crate::damage::known_damage;
use crate::error::{Error, Result};
use crate::format::entry::{Listed, PackName};
use crate::format::layout::{self, Object};
use crate::format::segment::IndexedPack;
use crate::healing::stored;
use crate::index::Index;
use crate::lock::lock;
use crate::monitor::{Figure, Monitor};
use crate::parallel::{WORKERS, each};
use crate::parity;
use crate::repository::Repository;
use crate::unpack::PackInHand;

/// Packs whose directories are in memory before they become segments.
const BATCH: usize = 256;

/// What a repair of the index came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexReport {
    /// Index segments that are missing or damaged.
    pub broken_segments: u64,
    /// Packs that no readable segment leads to.
    pub unindexed: u64,
    /// Those of them that are whole, and indexed again.
    pub indexed: u64,
    /// Those that are damaged.
    pub damaged: u64,
    /// What became of the chunks of the damaged ones.
    pub salvaged: Salvaged,
    /// Whether others know of it now.
    pub named: Named,
}

/// Makes index entries again for packs that no readable segment leads to.
///
/// # Errors
/// [`Error::NotAllowed`] for who may not read or write, [`Error::Cancelled`], and those of the storage.
pub fn index(repository: &mut Repository, monitor: &dyn Monitor) -> Result<IndexReport> {
    may_repair(repository)?;
    // The logs first and the listing second: what was condemned and has gone must not be listed.
    repository.refresh_logs()?;
    let index = Index::examine(repository, &known_damage(repository)?)?;
    let mut report = IndexReport {
        broken_segments: index.broken_segments().len() as u64,
        ..IndexReport::default()
    };
    let unindexed = unindexed(repository, &index)?;
    let mut condemned = Listed {
        packs: Vec::new(),
        segments: index.broken_segments().to_vec(),
    };
    drop(index);
    report.unindexed = unindexed.len() as u64;
    let mut run = Run::begin(repository, monitor)?;
    let mut salvage = Salvage::begin(&run);
    for batch in unindexed.chunks(BATCH) {
        let Read { whole, damaged } = run.read(batch)?;
        report.indexed += whole.len() as u64;
        report.damaged += damaged.len() as u64;
        run.session.store_index(&whole)?;
        for pack in damaged {
            run.salvage(&mut salvage, &pack)?;
            condemned.packs.push(pack);
        }
    }
    report.salvaged = salvage.end(&mut run)?;
    report.named = run.tell(condemned)?;
    Ok(report)
}

/// Packs of the storage that the index does not know and nobody is about to delete.
fn unindexed(repository: &Repository, index: &Index) -> Result<Vec<PackName>> {
    let mut known = HashSet::new();
    index.each_pack(|pack| {
        known.insert(pack.name);
        Ok(())
    })?;
    let condemned = repository.logs.condemned();
    let mut unindexed = Vec::new();
    for kind in [PackKind::Meta, PackKind::Data] {
        for object in repository.io.list(&layout::packs(kind))? {
            if let Some(Object::Pack(pack)) = Object::parse(&object.name)
                && !known.contains(&pack)
                && !condemned.packs.contains(&pack)
            {
                unindexed.push(pack);
            }
        }
    }
    Ok(unindexed)
}

/// What packs turned out to be.
#[derive(Default)]
struct Read {
    whole: Vec<IndexedPack>,
    damaged: Vec<PackName>,
}

impl Run<'_> {
    fn read(&self, packs: &[PackName]) -> Result<Read> {
        let read = Mutex::new(Read::default());
        let (repository, monitor) = (self.session.repository(), self.monitor);
        each(packs, WORKERS, monitor, |pack| {
            let Some(bytes) = stored(&repository.io, pack)? else {
                return Ok(());
            };
            monitor.count(Figure::ObjectsChecked, 1);
            monitor.count(Figure::BytesFetched, bytes.len() as u64);
            match self.indexed(pack, bytes)? {
                Some(indexed) => lock(&read).whole.push(indexed),
                None => lock(&read).damaged.push(*pack),
            }
            Ok(())
        })?;
        Ok(read.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn indexed(&self, name: &PackName, bytes: Bytes) -> Result<Option<IndexedPack>> {
        // No object is longer than 64 MiB.
        let length = u32::try_from(bytes.len()).map_err(|_| Error::WorkerLost)?;
        let pack = PackInHand::new(&self.keys, name.kind, bytes)?;
        let directory = pack.and_then(|pack| pack.proven(name));
        Ok(directory.map(|directory| IndexedPack {
            name: *name,
            length,
            directory,
        }))
    }

    /// What is good in a pack that nothing but its own directory speaks of.
    fn salvage(&self, salvage: &mut Salvage<'_>, name: &PackName) -> Result<()> {
        let Some(bytes) = stored(&self.session.repository().io, name)? else {
            return Ok(());
        };
        // As long as it is is as long as it was, as far as anybody knows.
        let healed = parity::heal(&bytes, bytes.len()).map_or(bytes, Bytes::from);
        let Some(pack) = PackInHand::new(&self.keys, name.kind, healed)? else {
            return Ok(());
        };
        match pack.directory() {
            Some(directory) => salvage.take(self, (name.kind, Some(&pack)), &directory),
            None => Ok(()),
        }
    }
}
