//! What may go of what a prune has condemned: the heart of the rule (docs/adr/0007-look-rule.md).
//!
//! Asked after the look. Reads only: the rest of what was condemned is spared.

use std::collections::HashSet;

use ownkey_crypto::ObjectHash;

use super::holdings::Shelf;
use super::needs::Needs;
use crate::error::Result;
use crate::format::entry::{Listed, PackName};
use crate::index::{Index, Leading, PackEntry, Trust};

/// What a verdict rests on.
pub(super) struct Verdict<'v> {
    /// Of what the logs name as of the look: what any standing Condemn names, the own one among them, is not
    /// reliable in it.
    pub(super) index: &'v Index,
    pub(super) needs: &'v Needs,
    pub(super) shelf: &'v Shelf,
    /// Packs that were missing from the listing and existed when they were asked for again.
    pub(super) appeared: &'v HashSet<PackName>,
    /// Segments that some entry names.
    pub(super) named: &'v HashSet<ObjectHash>,
}

impl Verdict<'_> {
    /// The part of `condemned` that may be deleted.
    pub(super) fn may_go(&self, condemned: &Listed) -> Result<Listed> {
        let mut packs = vec![None; self.index.pack_count()];
        self.index.each_pack(|pack| {
            if let Some(place) = packs.get_mut(pack.number as usize) {
                *place = Some(pack);
            }
            Ok(())
        })?;
        let go = self.packs(condemned, &packs)?;
        let segments = self.segments(condemned, &go, &packs);
        Ok(Listed {
            packs: go,
            segments,
        })
    }

    fn packs(&self, condemned: &Listed, packs: &[Option<PackEntry>]) -> Result<Vec<PackName>> {
        // A witness is a pack together with a segment that leads to it, and nobody condemned either.
        let counts = |number: u32| {
            let pack = packs.get(number as usize).copied().flatten();
            pack.is_some_and(|pack| pack.reliable && self.shelf.has(&pack.name))
        };
        let wanted: HashSet<&PackName> = condemned.packs.iter().collect();
        // What no segment leads to, no snapshot can find: it holds nothing.
        let mut stay = HashSet::new();
        for pack in packs.iter().flatten() {
            if wanted.contains(&pack.name)
                && !stay.contains(&pack.name)
                && !self.is_spare(pack.number, &counts)?
            {
                stay.insert(pack.name);
            }
        }
        let go = condemned.packs.iter().filter(|pack| !stay.contains(*pack));
        Ok(go.copied().collect())
    }

    /// Whether everything that somebody needs of a pack has a witness.
    fn is_spare(&self, number: u32, counts: &dyn Fn(u32) -> bool) -> Result<bool> {
        let filed = self.index.filed(number)?;
        let frames = filed.directory.frames().iter();
        for (id, _) in frames.flat_map(|frame| &frame.chunks) {
            if self.needs.may_need(id) && !self.index.is_in(id, counts)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A segment may go if each of its packs goes now, or is gone, or has another one that leads to it and that
    /// nobody condemned. What somebody else condemned has not gone: it may yet be spared.
    fn segments(
        &self,
        condemned: &Listed,
        go: &[PackName],
        packs: &[Option<PackEntry>],
    ) -> Vec<ObjectHash> {
        let leading = self.index.segments();
        let names = |segment: &Leading| {
            let range = segment.packs.start as usize..segment.packs.end as usize;
            let packs = packs.get(range).unwrap_or_default().iter().flatten();
            packs.map(|pack| pack.name).collect::<Vec<_>>()
        };
        let go: HashSet<&PackName> = go.iter().collect();
        let standing = leading.iter().filter(|it| it.trust == Trust::Reliable);
        let standing: HashSet<PackName> = standing.flat_map(names).collect();
        let is_covered = |pack: &PackName| {
            let gone = !self.shelf.has(pack) && !self.appeared.contains(pack);
            go.contains(pack) || gone || standing.contains(pack)
        };
        let may_go = |segment: &&ObjectHash| {
            match leading.iter().find(|it| it.segment == **segment) {
                Some(known) => names(known).iter().all(is_covered),
                // One that an entry names and that cannot be read may lead to anything.
                None => !self.named.contains(*segment),
            }
        };
        condemned.segments.iter().filter(may_go).copied().collect()
    }
}
