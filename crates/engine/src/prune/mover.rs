//! New homes for chunks that somebody needs, out of packs that are to go.
//!
//! Every chunk is decrypted and compared with its id on the way. A frame of which everything is still needed keeps
//! its compressed bytes; of others, what is needed is put together with what else is needed, and compressed anew.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Mutex;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use ownkey_crypto::{ChunkId, FrameEntry};

use super::needs::Needs;
use crate::backup::framer::{Chunk, Framer, Store};
use crate::chunks::{Chunks, damaged, is_damage};
use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::index::{Claim, PackEntry};
use crate::lock::lock;
use crate::monitor::Monitor;
use crate::packer::Frame;
use crate::ranges::runs;
use crate::unpack::OpenFrame;

/// Plaintext from which a frame is worth keeping as it is.
const LARGE: u32 = 256 << 10;

/// Moves what somebody needs out of packs into a store.
pub(super) struct Mover<'m> {
    pub(super) chunks: &'m Chunks,
    pub(super) needs: &'m Needs,
    pub(super) monitor: &'m dyn Monitor,
}

impl Mover<'_> {
    /// Empties packs. Those that are damaged, or gone, are left out of the answer, and nothing must be done to
    /// them.
    pub(super) fn empty(
        &self,
        packs: &[PackEntry],
        store: &Store<'_>,
    ) -> Result<HashSet<PackName>> {
        let emptied = Mutex::new(HashSet::new());
        let failed = Mutex::new(None);
        let (to_do, packs_left) = bounded(packs.len());
        for pack in packs {
            let _ = to_do.send(*pack);
        }
        drop(to_do);
        thread::scope(|scope| {
            for _ in 0..self.chunks.memory().openers() {
                let packs_left = packs_left.clone();
                let (emptied, failed) = (&emptied, &failed);
                scope.spawn(move || {
                    let worked = self.work(&packs_left, store, emptied, failed);
                    if let Err(error) = worked {
                        lock(failed).get_or_insert(error);
                    }
                });
            }
        });
        match failed.into_inner() {
            Ok(Some(error)) => Err(error),
            Ok(None) => emptied.into_inner().map_err(|_| Error::WorkerLost),
            Err(_) => Err(Error::WorkerLost),
        }
    }

    fn work(
        &self,
        packs: &Receiver<PackEntry>,
        store: &Store<'_>,
        emptied: &Mutex<HashSet<PackName>>,
        failed: &Mutex<Option<Error>>,
    ) -> Result<()> {
        let mut framer = Framer::new(store)?;
        let mut done = Vec::new();
        for pack in packs {
            if self.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            if lock(failed).is_some() {
                return Ok(());
            }
            match self.pack(&pack, store, &mut framer) {
                Ok(()) => done.push(pack.name),
                Err(error) if is_damage(&error) => {
                    self.monitor.note(&format!("left where it is: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        framer.flush()?;
        lock(emptied).extend(done);
        Ok(())
    }

    /// Only what is needed is read: whatever else is damaged goes with the rest.
    fn pack(&self, pack: &PackEntry, store: &Store<'_>, framer: &mut Framer<'_>) -> Result<()> {
        let filed = self.chunks.index().filed(pack.number)?;
        let is_needed =
            |(_, entry): &(u32, &FrameEntry)| entry.chunks.iter().any(|(id, _)| self.may_need(id));
        let mut needed: Vec<(Range<u64>, (u32, &FrameEntry))> = (0..)
            .zip(filed.directory.frames())
            .filter(is_needed)
            .map(|(number, entry)| (entry.range(), (number, entry)))
            .collect();
        needed.sort_unstable_by_key(|(range, _)| range.start);
        for (run, frames) in runs(&needed, pack.length) {
            let part = self.chunks.part(pack, &run)?;
            for (range, frame) in frames {
                let stored = part.slice(range).ok_or_else(|| damaged(pack))?;
                let opened = self.chunks.open_fetched((pack, *frame), stored)?;
                self.frame((pack, frame.1), opened, (store, framer))?;
            }
        }
        Ok(())
    }

    fn frame(
        &self,
        (pack, entry): (&PackEntry, &FrameEntry),
        opened: OpenFrame<'_>,
        (store, framer): (&Store<'_>, &mut Framer<'_>),
    ) -> Result<()> {
        let needed = opened.chunks(&store.keys.names, |id| self.may_need(id));
        let mut mine = Vec::new();
        for (id, chunk) in needed.ok_or_else(|| damaged(pack))? {
            if store.claim(id)? == Claim::Mine {
                mine.push((id, chunk));
            }
        }
        if mine.len() == entry.chunks.len() && entry.plain_len >= LARGE {
            return store.add(Frame {
                chunk_type: entry.chunk_type,
                codec: entry.codec,
                plain_len: entry.plain_len,
                chunks: entry.chunks.clone(),
                stored: framer.buffers().lend(opened.into_packed()),
            });
        }
        for (id, chunk) in mine {
            framer.take(entry.chunk_type, *id, Chunk::Within(chunk))?;
        }
        Ok(())
    }

    fn may_need(&self, id: &ChunkId) -> bool {
        self.needs.may_need(id)
    }
}
