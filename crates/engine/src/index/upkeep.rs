//! Keeping the files of an index up with the segments that are named.
//!
//! One process at a time writes into the folder; whoever comes meanwhile adds what it misses in
//! files without a name, and whoever cannot write there at all, in memory. Whatever is found wrong
//! with the files means that they are made anew from the storage.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use ownkey_crypto::ObjectHash;
use rustix::fs::{FlockOperation, flock};

use super::assembly::{Assembled, Assembly};
use super::manifest::{Covered, Manifest};
use super::medium::{Trouble, Workshop};
use super::segments::Segments;
use super::store::Store;
use super::table::Table;
use super::{Home, Named, Trust, Upkeep};
use crate::error::Result;
use crate::format::segment::IndexedPack;
use crate::state::file;

/// Brings the files of one index up to date.
pub(super) struct Keeper<'k> {
    pub(super) home: &'k Home,
    pub(super) segments: &'k dyn Segments,
}

/// An index that covers all that is named and can be read.
pub(super) struct Kept {
    pub(super) store: Store,
    /// Segments that are missing or broken, and should not be.
    pub(super) broken: Vec<ObjectHash>,
}

impl Keeper<'_> {
    pub(super) fn open(&self, named: &[Named]) -> Result<Kept> {
        let Some(folder) = &self.home.folder else {
            return self.afresh(None, named);
        };
        if self.home.upkeep == Upkeep::Afresh {
            return self.afresh(Some(folder), named);
        }
        if let Some(store) = self.as_it_is(folder, named) {
            let broken = Vec::new();
            return Ok(Kept { store, broken });
        }
        let kept = match lock(folder) {
            Some(_lock) => self.keep_up(folder, named),
            None => self.beside(folder, named),
        };
        match kept {
            Ok(kept) => Ok(kept),
            Err(Trouble::Engine(error)) => Err(error),
            Err(Trouble::Rotten | Trouble::Folder) => self.afresh(Some(folder), named),
        }
    }

    /// The files, if they cover what is named and nothing else.
    fn as_it_is(&self, folder: &Path, named: &[Named]) -> Option<Store> {
        let manifest = Manifest::read(folder, &self.home.key)?;
        let covered: HashSet<&ObjectHash> = covered(&manifest).collect();
        let is_covered = |named: &Named| covered.contains(&named.segment);
        let fits = covered.len() == named.len()
            && named.iter().all(is_covered)
            && may_be_gone(&manifest, named).is_empty();
        fits.then(|| Store::open(&manifest, folder, &self.home.key).ok())?
    }

    fn keep_up(&self, folder: &Path, named: &[Named]) -> Result<Kept, Trouble> {
        if let Some(mut manifest) = Manifest::read(folder, &self.home.key) {
            let gone = self.gone(may_be_gone(&manifest, named));
            let gone = drop_unnamed(&mut manifest, named, &gone);
            // What is gone takes up numbers and room: from half of all on, a new beginning is cheaper.
            if gone.packs <= manifest.packs() / 2 {
                match self.grow(folder, manifest, (named, gone.now)) {
                    Err(Trouble::Rotten) => {}
                    grown => return grown,
                }
            }
        }
        let empty = Manifest::empty(self.home.number()?);
        self.grow(folder, empty, (named, true))
    }

    fn grow(
        &self,
        folder: &Path,
        mut manifest: Manifest,
        (named, mut changed): (&[Named], bool),
    ) -> Result<Kept, Trouble> {
        let workshop = Workshop::Folder(folder.to_owned());
        let before = manifest.segments.len();
        let assembly = Assembly::begin(self.home, workshop, &manifest)?;
        let (assembly, broken) = self.add(assembly, &manifest, named)?;
        let assembled = assembly.finish(&mut manifest.tables, Some(folder))?;
        changed |= assembled.segments.len() > before;
        manifest.segments = assembled.segments;
        manifest.directories = assembled.lengths.directories;
        manifest
            .tables
            .extend(assembled.fresh.map(|(_, name)| name));
        if changed {
            manifest.write(folder, &self.home.key)?;
        }
        let store = Store::open(&manifest, folder, &self.home.key)?;
        Ok(Kept { store, broken })
    }

    /// What the files have, and beside them what they lack.
    fn beside(&self, folder: &Path, named: &[Named]) -> Result<Kept, Trouble> {
        let manifest = Manifest::read(folder, &self.home.key).ok_or(Trouble::Rotten)?;
        let mut store = Store::open(&manifest, folder, &self.home.key)?;
        let workshop = Workshop::Unnamed(folder.to_owned());
        let assembly = Assembly::begin(self.home, workshop, &manifest)?;
        let (assembly, broken) = self.add(assembly, &manifest, named)?;
        let assembled = assembly.finish(&mut Vec::new(), None)?;
        self.join(&mut store, assembled)?;
        Ok(Kept { store, broken })
    }

    /// Everything from the storage, into files without a name or, where there can be none, memory.
    fn afresh(&self, folder: Option<&Path>, named: &[Named]) -> Result<Kept> {
        let mut places = unnamed(folder).into_iter();
        loop {
            match self.anew(places.next().unwrap_or(Workshop::Memory), named) {
                Ok(kept) => return Ok(kept),
                Err(Trouble::Engine(error)) => return Err(error),
                Err(Trouble::Rotten | Trouble::Folder) if places.len() > 0 => {}
                Err(_) => return Err(out_of_room()),
            }
        }
    }

    fn anew(&self, workshop: Workshop, named: &[Named]) -> Result<Kept, Trouble> {
        let empty = Manifest::empty(self.home.number()?);
        let assembly = Assembly::begin(self.home, workshop, &empty)?;
        let (assembly, broken) = self.add(assembly, &empty, named)?;
        let store = self.whole(assembly)?;
        Ok(Kept { store, broken })
    }

    /// The same packs under the same numbers, read from the storage. Those that cannot be had any
    /// more are gone.
    pub(super) fn mend(&self, store: &Store, workshop: Workshop) -> Result<Store, Trouble> {
        let empty = Manifest::empty(self.home.number()?);
        let mut assembly = Assembly::begin(self.home, workshop, &empty)?;
        let standing = |covered: &&Covered| covered.segment != Covered::GONE;
        let names: Vec<ObjectHash> = store
            .segments
            .iter()
            .filter(standing)
            .map(|covered| covered.segment)
            .collect();
        let mut due = store.segments.iter();
        self.read(&names, &mut |hash, packs| {
            for covered in due.by_ref() {
                if covered.segment != *hash {
                    assembly.skip(covered.count)?;
                    continue;
                }
                return match packs.filter(|packs| packs.len() == covered.count as usize) {
                    Some(packs) => assembly.add(hash, &packs),
                    None => assembly.skip(covered.count),
                };
            }
            Ok(())
        })?;
        due.try_for_each(|covered| assembly.skip(covered.count))?;
        self.whole(assembly)
    }

    fn whole(&self, assembly: Assembly<'_>) -> Result<Store, Trouble> {
        let mut store = Store {
            segments: Vec::new(),
            parts: Vec::new(),
            tables: Vec::new(),
        };
        let assembled = assembly.finish(&mut Vec::new(), None)?;
        self.join(&mut store, assembled)?;
        Ok(store)
    }

    fn join(&self, store: &mut Store, assembled: Assembled) -> Result<(), Trouble> {
        store.segments = assembled.segments;
        store.parts.push(assembled.part);
        if let Some((medium, name)) = assembled.fresh {
            store
                .tables
                .push(Table::open(medium, name, &self.home.key)?);
        }
        Ok(())
    }

    fn add<'a>(
        &self,
        mut assembly: Assembly<'a>,
        base: &Manifest,
        named: &[Named],
    ) -> Result<(Assembly<'a>, Vec<ObjectHash>), Trouble> {
        let condemned: HashSet<&ObjectHash> = condemned(named).collect();
        let mut missing = missing(base, named);
        let uncertain = missing.iter().filter(|hash| condemned.contains(hash));
        // A cache may have what is gone.
        let gone = self.gone(uncertain.copied().collect());
        // Nobody asks for it again: what may have been deleted is never spared.
        gone.iter().try_for_each(|hash| assembly.add(hash, &[]))?;
        missing.retain(|hash| !gone.contains(hash));
        let mut broken = Vec::new();
        self.read(&missing, &mut |hash, packs| {
            match packs {
                Some(packs) => assembly.add(hash, &packs)?,
                None if condemned.contains(hash) => assembly.add(hash, &[])?,
                None => broken.push(*hash),
            }
            Ok(())
        })?;
        Ok((assembly, broken))
    }

    /// Which of these condemned segments are not there any more.
    fn gone(&self, mut condemned: HashSet<ObjectHash>) -> HashSet<ObjectHash> {
        if !condemned.is_empty() {
            let there = self.segments.there(&condemned);
            condemned.retain(|segment| !there.contains(segment));
        }
        condemned
    }

    fn read(&self, names: &[ObjectHash], each: &mut Taking<'_>) -> Result<(), Trouble> {
        let mut trouble = None;
        let read = self
            .segments
            .read(names, &mut |hash, packs| match each(hash, packs) {
                Ok(()) => Ok(()),
                Err(Trouble::Engine(error)) => Err(error),
                Err(other) => {
                    trouble = Some(other);
                    Err(out_of_room())
                }
            });
        match trouble {
            Some(trouble) => Err(trouble),
            None => Ok(read?),
        }
    }
}

/// Takes the packs of a segment, if there are any.
type Taking<'t> = dyn FnMut(&ObjectHash, Option<Vec<IndexedPack>>) -> Result<(), Trouble> + 't;

/// Where files that nobody else sees can be, the best first.
pub(super) fn unnamed(folder: Option<&Path>) -> Vec<Workshop> {
    let on_disk = folder.filter(|folder| file::make_folder(folder).is_ok());
    let on_disk = on_disk.map(|folder| Workshop::Unnamed(folder.to_owned()));
    on_disk.into_iter().chain([Workshop::Memory]).collect()
}

fn covered(manifest: &Manifest) -> impl Iterator<Item = &ObjectHash> {
    let segments = manifest.segments.iter().map(|covered| &covered.segment);
    segments.filter(|segment| **segment != Covered::GONE)
}

/// What is named and not covered, in the order in which it is named.
fn missing(manifest: &Manifest, named: &[Named]) -> Vec<ObjectHash> {
    let covered: HashSet<&ObjectHash> = covered(manifest).collect();
    let names = named.iter().map(|named| named.segment);
    names.filter(|name| !covered.contains(name)).collect()
}

fn condemned(named: &[Named]) -> impl Iterator<Item = &ObjectHash> {
    let condemned = |named: &&Named| named.trust == Trust::Condemned;
    named.iter().filter(condemned).map(|named| &named.segment)
}

/// Segments with packs that are covered, and that somebody has condemned since.
fn may_be_gone(manifest: &Manifest, named: &[Named]) -> HashSet<ObjectHash> {
    let condemned: HashSet<&ObjectHash> = condemned(named).collect();
    let covered = manifest.segments.iter();
    covered
        .filter(|covered| covered.count > 0 && condemned.contains(&covered.segment))
        .map(|covered| covered.segment)
        .collect()
}

/// How many packs are gone, and whether some were not before.
struct Dropped {
    packs: u32,
    now: bool,
}

fn drop_unnamed(manifest: &mut Manifest, named: &[Named], gone: &HashSet<ObjectHash>) -> Dropped {
    let named: HashSet<&ObjectHash> = named.iter().map(|named| &named.segment).collect();
    let mut dropped = Dropped {
        packs: 0,
        now: false,
    };
    for covered in &mut manifest.segments {
        if !named.contains(&covered.segment) || gone.contains(&covered.segment) {
            dropped.now |= covered.segment != Covered::GONE;
            dropped.packs = dropped.packs.saturating_add(covered.count);
            covered.segment = Covered::GONE;
        }
    }
    dropped
}

/// The right to write into the folder, if nobody else has it and it can be written.
pub(super) fn lock(folder: &Path) -> Option<File> {
    file::make_folder(folder).ok()?;
    let mut options = File::options();
    let lock = options.create(true).truncate(false).write(true);
    let lock = lock.open(folder.join(super::LOCK)).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(lock)
}

fn out_of_room() -> crate::error::Error {
    crate::error::Error::Damage {
        what: "the local index, in memory as well, so the memory of this machine".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Bench, three};
    use super::*;
    use crate::lock::lock as hold;

    #[test]
    fn condemned_segments_that_only_a_cache_has_are_gone_and_asked_for_once() {
        let bench = Bench::new();
        let mut named = three(&bench);
        for condemned in named.iter_mut().take(2) {
            condemned.trust = Trust::Condemned;
            hold(&bench.shelf.only_cached).insert(condemned.segment);
        }
        for reads in [1, 0, 0] {
            let index = bench.open(&named);
            let leads: Vec<usize> = index.segments().iter().map(|it| it.packs.len()).collect();
            assert_eq!(
                (leads.len(), leads.iter().filter(|it| **it > 0).count()),
                (3, 1)
            );
            assert_eq!(bench.reads(), reads);
        }
    }
}
