//! The index of what a run has stored: written after the packs, and before the entry that names it, which is a `Backup`,
//! a `Checkpoint` or, beside any snapshot, a `Repack`.

use ownkey_crypto::{ObjectHash, Sealed};
use ownkey_storage::ObjectName;

use super::Session;
use crate::error::Result;
use crate::format::layout;
use crate::format::segment::{self, IndexedPack};
use crate::io::Outgoing;
use crate::monitor::Figure;
use crate::own_segments::OwnSegments;
use crate::packer::Packer;

/// Body of a segment of several packs, in bytes.
const SEGMENT_TARGET: usize = 8 << 20;

impl Session<'_> {
    /// Stores the index of what is durable by now, once that is worth a segment. No entry names it
    /// yet, and a run that breaks off leaves it as garbage like its packs.
    pub(super) fn store_index_early(&mut self, packer: &Packer<'_>) -> Result<()> {
        match packer.take_stored(SEGMENT_TARGET) {
            packs if packs.is_empty() => Ok(()),
            packs => self.store_index(&packs),
        }
    }

    /// Stores the index of packs that are durable.
    pub(crate) fn store_index(&mut self, packs: &[IndexedPack]) -> Result<()> {
        self.packs += packs.len() as u64;
        self.stored_bytes += packs.iter().map(|pack| u64::from(pack.length)).sum::<u64>();
        self.is_fresh(packs.iter().map(|pack| layout::pack(&pack.name)));
        self.store_segments(packs)
    }

    /// Stores segments that say what is in these packs, and relies on both. No entry names them yet.
    pub(crate) fn store_segments(&mut self, packs: &[IndexedPack]) -> Result<()> {
        self.relied.packs.extend(packs.iter().map(|pack| pack.name));
        let mut segments = Vec::new();
        let mut rest = packs;
        while !rest.is_empty() {
            let (now, later) = split_segment(rest, segment::encoded_length);
            segments.push(self.seal_segment(now)?);
            rest = later;
        }
        let stored = segments.iter().map(|(hash, _)| *hash).collect::<Vec<_>>();
        let objects = segments
            .into_iter()
            .map(|(hash, sealed)| (layout::segment(&hash), Outgoing::Object(sealed)));
        self.repository.io.create_all(objects)?;
        self.is_fresh(stored.iter().map(layout::segment));
        self.relied.segments.extend(&stored);
        self.unnamed.extend(stored);
        Ok(())
    }

    /// Whether segments were stored that no entry names yet.
    pub(crate) fn has_unnamed(&self) -> bool {
        !self.unnamed.is_empty()
    }

    /// Remembers what was stored in this run, for who keeps it locked.
    fn is_fresh(&mut self, names: impl Iterator<Item = ObjectName>) {
        if self.repository.keep_locked.is_some() {
            self.fresh.extend(names);
        }
    }

    fn seal_segment(&mut self, packs: &[IndexedPack]) -> Result<(ObjectHash, Sealed)> {
        let keys = &self.repository.keys;
        let sealed = keys
            .writer()
            .seal_segment(&segment::encode(packs), &keys.holder.hedge)?;
        let length = sealed.len() as u64;
        self.stored_bytes += length;
        self.monitor.count(Figure::BytesUploaded, length);
        let hash = sealed.hash();
        if let Some(own) = OwnSegments::of(self.repository) {
            own.keep(&hash, packs)?;
        }
        Ok((hash, sealed))
    }
}

/// What goes into the next segment, and the rest. Only one pack by itself may be beyond the target.
fn split_segment<P>(packs: &[P], length_of: impl Fn(&P) -> usize) -> (&[P], &[P]) {
    let mut length = 0;
    let beyond = packs.iter().position(|pack| {
        length += length_of(pack);
        length > SEGMENT_TARGET
    });
    packs.split_at(beyond.map_or(packs.len(), |nth| nth.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_pack_by_itself_makes_a_segment_longer_than_its_target() {
        const MIB: usize = 1 << 20;
        let packs = [2 * MIB, 6 * MIB, 1, 31 * MIB, 3 * MIB, 4 * MIB];
        let mut rest = &packs[..];
        let mut split = Vec::new();
        while !rest.is_empty() {
            let (now, later) = split_segment(rest, |length| *length);
            split.push(now.len());
            rest = later;
        }
        assert_eq!(split, [2, 1, 1, 2]);
    }
}
