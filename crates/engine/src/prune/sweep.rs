//! Condemn, look, spare, delete.

use std::collections::HashSet;

use ownkey_crypto::{Capabilities, ObjectHash};
use ownkey_storage::{DeleteOutcome, ObjectName};

use super::verdict::Verdict;
use super::{Prune, load, must_be_decided};
use crate::error::{Error, Result};
use crate::format::entry::{Event, Listed, PackName};
use crate::format::layout;
use crate::format::segment::{self, IndexedPack};
use crate::index::{Index, Leading, PackEntry, Trust, is_trusted};

/// Names in one Condemn: below what an entry may have, and about a megabyte.
const NAMED_AT_ONCE: usize = 1 << 15;
/// Names deleted in one request.
const DELETED_AT_ONCE: usize = 1_000;
/// Directories gathered before segments are made of them.
const GATHERED: usize = 32 << 20;
/// Segments shorter than this are small.
const SMALL_SEGMENT: u64 = 256 << 10;
/// From so many small segments on, they are put together.
const MANY_SEGMENTS: usize = 16;

impl Prune<'_> {
    /// Condemns all that is named, and deletes what nobody turns out to need.
    pub(super) fn sweep(&mut self, doomed: &Listed) -> Result<()> {
        for doomed in portions(doomed) {
            if self.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            self.condemn(&doomed)?;
        }
        Ok(())
    }

    fn condemn(&mut self, doomed: &Listed) -> Result<()> {
        let at = self.session.say_and_look(Event::Condemn(doomed.clone()))?;
        let go = self.verdict(doomed)?;
        let spared = without(doomed, &go);
        if !spared.packs.is_empty() || !spared.segments.is_empty() {
            self.report.spared += (spared.packs.len() + spared.segments.len()) as u64;
            let condemn = at.seq;
            // Before the first delete: what a delete may have been sent for is never spared.
            self.session.say(Event::Spare { condemn, spared })?;
        }
        self.delete(&go)
    }

    fn verdict(&mut self, doomed: &Listed) -> Result<Listed> {
        let repository = self.session.repository();
        let me = repository.roster().standing(&repository.me());
        if !me.is_some_and(|me| me.capabilities.contain(Capabilities::PRUNE)) {
            return Err(Error::NotAllowed("prune any more"));
        }
        if must_be_decided(repository).is_err() {
            return Ok(Listed::default());
        }
        self.learn_needs()?;
        let repository = self.session.repository();
        let verdict = Verdict {
            index: &self.index,
            needs: &self.needs,
            shelf: &self.shelf,
            appeared: &self.appeared(&doomed.segments)?,
            named: &repository.logs.segments().map(|(_, hash)| hash).collect(),
        };
        verdict.may_go(doomed)
    }

    /// Packs that the listing lacked although a condemned segment leads to them, and that are there now. Absence is
    /// asked for again behind the Condemn: whoever stores one of them later has still to look, and meets it.
    fn appeared(&self, segments: &[ObjectHash]) -> Result<HashSet<PackName>> {
        let condemned: HashSet<&ObjectHash> = segments.iter().collect();
        let mut appeared = HashSet::new();
        for leading in self.index.segments() {
            if !condemned.contains(&leading.segment) {
                continue;
            }
            for pack in packs_of(&self.index, &leading)? {
                if !self.shelf.has(&pack.name)
                    && self
                        .session
                        .repository()
                        .io
                        .exists(&layout::pack(&pack.name))?
                {
                    appeared.insert(pack.name);
                }
            }
        }
        Ok(appeared)
    }

    fn delete(&mut self, go: &Listed) -> Result<()> {
        let segments: Vec<ObjectName> = go.segments.iter().map(layout::segment).collect();
        let packs: Vec<ObjectName> = go.packs.iter().map(layout::pack).collect();
        let mut failed = None;
        // Segments first, and what is in one request goes in any order: whoever reads one must find what it leads to.
        let requests = segments
            .chunks(DELETED_AT_ONCE)
            .chain(packs.chunks(DELETED_AT_ONCE));
        for names in requests {
            for (name, outcome) in self.session.repository().io.delete(names) {
                match outcome {
                    DeleteOutcome::Done => self.report.deleted.add(self.shelf.remove(&name)),
                    DeleteOutcome::Deferred => self.report.kept_by_storage += 1,
                    DeleteOutcome::Failed(error) => failed = Some(error),
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Stores anew what segments say of packs that stay, where they lead also to what is gone, or are many
    /// and small; and deletes them.
    pub(super) fn renew_segments(&mut self) -> Result<()> {
        self.index = load(self.session.repository(), &[])?.into();
        let old = self.old_segments()?;
        if old.is_empty() {
            return Ok(());
        }
        let mut known: HashSet<PackName> = HashSet::new();
        let renewed: HashSet<ObjectHash> = old.iter().map(|it| it.segment).collect();
        for leading in self.index.segments() {
            let stands = leading.trust == Trust::Reliable;
            if stands && !renewed.contains(&leading.segment) {
                known.extend(packs_of(&self.index, &leading)?.map(|pack| pack.name));
            }
        }
        let mut gathered: Vec<IndexedPack> = Vec::new();
        let mut length = 0;
        for leading in &old {
            for pack in packs_of(&self.index, leading)? {
                if !self.shelf.has(&pack.name) || !known.insert(pack.name) {
                    continue;
                }
                let filed = self.index.filed(pack.number)?;
                let indexed = IndexedPack {
                    name: pack.name,
                    // An object has at most 64 MiB.
                    length: u32::try_from(pack.length).map_err(|_| Error::WorkerLost)?,
                    directory: filed.directory.clone(),
                };
                length += segment::encoded_length(&indexed);
                gathered.push(indexed);
                if length > GATHERED {
                    self.session
                        .store_segments(&std::mem::take(&mut gathered))?;
                    length = 0;
                }
            }
        }
        self.session.store_segments(&gathered)?;
        let Some(stored) = self.session.repack()? else {
            return Ok(());
        };
        self.shelf.add(stored);
        self.sweep(&Listed {
            packs: Vec::new(),
            segments: old.into_iter().map(|it| it.segment).collect(),
        })
    }

    /// Lets this device's next fold leave out what it condemned and what is gone by now, unless a segment still leads there,
    /// be it condemned itself: who condemned it may yet spare it, and whoever began at that fold would rely on it.
    pub(super) fn let_go(&mut self) -> Result<()> {
        let index = load(self.session.repository(), &[])?;
        let mut located = HashSet::new();
        index.each_pack(|pack| {
            located.insert(pack.name);
            Ok(())
        })?;
        let shelf = &self.shelf;
        let is_pack_gone = |pack: &PackName| !shelf.has(pack) && !located.contains(pack);
        let is_segment_gone = |segment: &ObjectHash| !shelf.has_segment(segment);
        self.session.let_go(&is_pack_gone, &is_segment_gone)
    }

    /// Segments that lead to what is gone, or that somebody condemned and left; and small ones, if there
    /// are many. Of a device whose word nobody checks, only those that lead to nothing any more.
    fn old_segments(&self) -> Result<Vec<Leading>> {
        let repository = self.session.repository();
        let trusted: HashSet<ObjectHash> = repository
            .logs
            .segments()
            .filter(|(author, _)| is_trusted(repository, author))
            .map(|(_, segment)| segment)
            .collect();
        let (mut old, mut small) = (Vec::new(), Vec::new());
        for leading in self.index.segments() {
            let Some(listed) = self.shelf.segments.get(&leading.segment) else {
                continue;
            };
            let mut packs = packs_of(&self.index, &leading)?.map(|pack| self.shelf.has(&pack.name));
            let is_old = match trusted.contains(&leading.segment) {
                true => {
                    let gone = packs.any(|is_there| !is_there);
                    gone || leading.trust == Trust::Condemned || listed.is_superseded
                }
                false => packs.all(|is_there| !is_there),
            };
            if is_old {
                old.push(leading);
            } else if listed.length < SMALL_SEGMENT && trusted.contains(&leading.segment) {
                small.push(leading);
            }
        }
        if small.len() >= MANY_SEGMENTS {
            old.append(&mut small);
        }
        Ok(old)
    }
}

fn packs_of(index: &Index, leading: &Leading) -> Result<impl Iterator<Item = PackEntry> + use<>> {
    let packs = leading.packs.clone().map(|number| index.pack(number));
    Ok(packs.collect::<Result<Vec<_>>>()?.into_iter())
}

/// The same in Condemns of a size that an entry can have.
fn portions(doomed: &Listed) -> Vec<Listed> {
    let mut portions = Vec::new();
    for packs in doomed.packs.chunks(NAMED_AT_ONCE) {
        portions.push(Listed {
            packs: packs.to_vec(),
            segments: Vec::new(),
        });
    }
    for segments in doomed.segments.chunks(NAMED_AT_ONCE) {
        match portions.last_mut() {
            Some(last) if last.segments.is_empty() => last.segments = segments.to_vec(),
            _ => portions.push(Listed {
                packs: Vec::new(),
                segments: segments.to_vec(),
            }),
        }
    }
    portions
}

fn without(all: &Listed, go: &Listed) -> Listed {
    let packs: HashSet<&PackName> = go.packs.iter().collect();
    let segments: HashSet<&ObjectHash> = go.segments.iter().collect();
    let mut rest = all.clone();
    rest.packs.retain(|pack| !packs.contains(pack));
    rest.segments.retain(|segment| !segments.contains(segment));
    rest
}
