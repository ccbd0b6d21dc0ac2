//! New homes for chunks that somebody needs, out of packs that are to go.
//!
//! Every chunk is decrypted and compared with its id on the way. A frame of which everything is still needed keeps
//! its compressed bytes; of others, what is needed is put together with what else is needed, and compressed anew.

use std::collections::HashSet;
use std::sync::Mutex;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use ownkey_crypto::FrameEntry;

use super::needs::Needs;
use crate::backup::framer::{Chunk, Framer, Store};
use crate::chunks::{Chunks, damaged, is_damage};
use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::index::{Claim, PackEntry};
use crate::lock::lock;
use crate::monitor::Monitor;
use crate::packer::Frame;

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

    fn pack(&self, pack: &PackEntry, store: &Store<'_>, framer: &mut Framer<'_>) -> Result<()> {
        let whole = self.chunks.whole(pack)?;
        self.chunks.learn(pack, &whole)?;
        let filed = self.chunks.index().filed(pack.number)?;
        for (number, frame) in (0..).zip(filed.directory.frames()) {
            if frame.chunks.iter().any(|(id, _)| self.needs.may_need(id)) {
                let range = frame.range();
                // Positions in bytes that are in memory.
                let stored = whole.get(range.start as usize..range.end as usize);
                let stored = stored.ok_or_else(|| damaged(pack))?;
                self.frame((pack, number, frame), stored, (store, framer))?;
            }
        }
        Ok(())
    }

    fn frame(
        &self,
        (pack, number, entry): (&PackEntry, u32, &FrameEntry),
        stored: &[u8],
        (store, framer): (&Store<'_>, &mut Framer<'_>),
    ) -> Result<()> {
        let (packed, chunks) = self.chunks.reopen((pack, number, entry), stored)?;
        let mine = entry.chunks.iter().map(|(id, _)| {
            let mine = self.needs.may_need(id) && store.claim(id)? == Claim::Mine;
            Ok(mine)
        });
        let mine = mine.collect::<Result<Vec<bool>>>()?;
        if mine.iter().all(|mine| *mine) && entry.plain_len >= LARGE {
            return store.add(Frame {
                chunk_type: entry.chunk_type,
                codec: entry.codec,
                plain_len: entry.plain_len,
                chunks: entry.chunks.clone(),
                stored: framer.buffers().copy(&packed),
            });
        }
        for (((id, _), chunk), mine) in entry.chunks.iter().zip(&chunks).zip(mine) {
            if mine {
                framer.take(entry.chunk_type, *id, Chunk::Within(chunk.as_bytes()))?;
            }
        }
        Ok(())
    }
}
