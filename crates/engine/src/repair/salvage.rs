//! What is good in a damaged pack, stored again.

use std::collections::HashSet;

use ownkey_crypto::{ChunkId, Directory, FrameEntry, FrameInput, PackKind};

use super::Run;
use crate::error::Result;
use crate::packer::Packer;
use crate::unpack::PackInHand;

/// What became of the chunks of damaged packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Salvaged {
    /// Chunks that were stored again, in a pack that is whole.
    pub again: u64,
    /// Chunks that another pack has.
    pub elsewhere: u64,
    /// Chunks that no pack has any more, as far as is known.
    pub lost: u64,
}

/// The packs into which good frames go.
pub(super) struct Salvage<'m> {
    packer: Packer<'m>,
    /// Stored again in this run.
    again: HashSet<ChunkId>,
    lost: HashSet<ChunkId>,
    elsewhere: u64,
}

impl<'m> Salvage<'m> {
    pub(super) fn begin(run: &Run<'m>) -> Self {
        Self {
            packer: run.session.packer(&run.keys),
            again: HashSet::new(),
            lost: HashSet::new(),
            elsewhere: 0,
        }
    }

    /// Stores every good frame again that has a chunk which no reliable pack has.
    pub(super) fn take(
        &mut self,
        run: &Run<'_>,
        (kind, pack): (PackKind, Option<&PackInHand<'_>>),
        directory: &Directory,
    ) -> Result<()> {
        for (number, entry) in (0u32..).zip(directory.frames()) {
            run.go_on()?;
            let missing = self.missing(run, entry)?;
            self.elsewhere += (entry.chunks.len() - missing.len()) as u64;
            if missing.is_empty() {
                continue;
            }
            let Some(packed) = pack.and_then(|pack| pack.frame(number, entry)) else {
                self.lost.extend(missing);
                continue;
            };
            let frame = FrameInput {
                chunk_type: entry.chunk_type,
                codec: entry.codec,
                plain_len: entry.plain_len,
                chunks: entry.chunks.clone(),
                stored: self.packer.buffers().lend(packed),
            };
            self.packer.add(kind, frame)?;
            self.again.extend(missing);
        }
        Ok(())
    }

    fn missing(&self, run: &Run<'_>, entry: &FrameEntry) -> Result<Vec<ChunkId>> {
        let mut missing = Vec::new();
        for (id, _) in &entry.chunks {
            let known = self.again.contains(id) || run.session.index().reliable_pack(id)?.is_some();
            if !known {
                missing.push(*id);
            }
        }
        Ok(missing)
    }

    /// Makes what was stored durable and indexed.
    pub(super) fn end(self, run: &mut Run<'_>) -> Result<Salvaged> {
        run.session.store_index(&self.packer.flush()?)?;
        Ok(Salvaged {
            again: self.again.len() as u64,
            elsewhere: self.elsewhere,
            // One damaged pack may have lost what another one still had.
            lost: self.lost.difference(&self.again).count() as u64,
        })
    }
}
