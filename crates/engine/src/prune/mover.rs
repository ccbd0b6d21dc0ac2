//! New homes for chunks that somebody needs, out of packs that are to go.
//!
//! Every chunk is decrypted and compared with its id on the way. A frame of which everything is still needed keeps
//! its compressed bytes; of others, what is needed is put together with what else is needed, and compressed anew.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use ownkey_crypto::{ChunkId, FrameEntry};

use super::needs::Needs;
use crate::backup::framer::{Chunk, Framer, Store};
use crate::chunks::{Chunks, damaged, is_damage};
use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::index::{Claim, Filed, PackEntry};
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

/// Needed frames of one pack that are read together: where each lies, and its number.
struct Job {
    filed: Arc<Filed>,
    run: Range<u64>,
    frames: Vec<(Range<u64>, u32)>,
}

/// How it goes.
#[derive(Default)]
struct Progress {
    damaged: Mutex<HashSet<PackName>>,
    failed: Mutex<Option<Error>>,
}

impl Mover<'_> {
    /// Empties packs. Those that are damaged, or gone, are left out of the answer, and nothing must be done to
    /// them.
    pub(super) fn empty(
        &self,
        packs: &[PackEntry],
        store: &Store<'_>,
    ) -> Result<HashSet<PackName>> {
        let progress = Progress::default();
        let workers = self.chunks.memory().openers();
        thread::scope(|scope| {
            let (to_do, jobs) = bounded(workers);
            for _ in 0..workers {
                let (jobs, progress) = (jobs.clone(), &progress);
                scope.spawn(move || {
                    let worked = self.work(&jobs, store, progress);
                    worked.unwrap_or_else(|error| progress.fail(error));
                });
            }
            drop(jobs);
            let handed_out = self.hand_out(packs, &to_do, &progress);
            handed_out.unwrap_or_else(|error| progress.fail(error));
        });
        if let Some(error) = lock(&progress.failed).take() {
            return Err(error);
        }
        let damaged = lock(&progress.damaged);
        let names = packs.iter().map(|pack| pack.name);
        Ok(names.filter(|name| !damaged.contains(name)).collect())
    }

    fn hand_out(
        &self,
        packs: &[PackEntry],
        to_do: &Sender<Job>,
        progress: &Progress,
    ) -> Result<()> {
        for pack in packs {
            let jobs = match self.jobs(pack) {
                Err(error) if is_damage(&error) => {
                    self.leave(pack, &error, progress);
                    continue;
                }
                jobs => jobs?,
            };
            for job in jobs {
                // Nobody takes it once everybody has failed.
                if to_do.send(job).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Only what is needed is read: whatever else is damaged goes with the rest.
    fn jobs(&self, pack: &PackEntry) -> Result<Vec<Job>> {
        let filed = self.chunks.index().filed(pack.number)?;
        let is_needed = |entry: &FrameEntry| entry.chunks.iter().any(|(id, _)| self.may_need(id));
        let mut needed: Vec<(Range<u64>, u32)> = (0..)
            .zip(filed.directory.frames())
            .filter(|(_, entry)| is_needed(entry))
            .map(|(number, entry)| (entry.range(), number))
            .collect();
        needed.sort_unstable_by_key(|(range, _)| range.start);
        let jobs = runs(&needed, pack.length).map(|(run, frames)| Job {
            filed: Arc::clone(&filed),
            run,
            frames: frames.to_vec(),
        });
        Ok(jobs.collect())
    }

    fn work(&self, jobs: &Receiver<Job>, store: &Store<'_>, progress: &Progress) -> Result<()> {
        let mut framer = Framer::new(store)?;
        for job in jobs {
            if self.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            if lock(&progress.failed).is_some() {
                return Ok(());
            }
            match self.job(&job, store, &mut framer) {
                Err(error) if is_damage(&error) => self.leave(&job.filed.pack, &error, progress),
                done => done?,
            }
        }
        framer.flush()
    }

    fn leave(&self, pack: &PackEntry, error: &Error, progress: &Progress) {
        if lock(&progress.damaged).insert(pack.name) {
            self.monitor.note(&format!("left where it is: {error}"));
        }
    }

    fn job(&self, job: &Job, store: &Store<'_>, framer: &mut Framer<'_>) -> Result<()> {
        let pack = &job.filed.pack;
        let part = self.chunks.part(pack, &job.run)?;
        for (range, number) in &job.frames {
            let entry = job.filed.frame(*number)?;
            let stored = part.slice(range).ok_or_else(|| damaged(pack))?;
            let opened = self.chunks.open_fetched((pack, (*number, entry)), stored)?;
            self.frame((pack, entry), opened, (store, framer))?;
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

impl Progress {
    fn fail(&self, error: Error) {
        lock(&self.failed).get_or_insert(error);
    }
}
