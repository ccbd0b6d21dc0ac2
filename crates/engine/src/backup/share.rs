//! The chunks of one large file, worked on by every thread that is idle.
//!
//! Boundaries are found by one thread; naming, compressing and sealing are not tied to it.
//! Handing a chunk over never blocks, so no two threads can wait for each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ownkey_crypto::{ChunkId, ChunkType};

use super::framer::{Chunk, Framer};
use super::pass::Pass;
use crate::buffers::Buffer;
use crate::error::{Error, Result};

/// A chunk on its way to an idle thread.
pub(crate) struct Task {
    chunk: Buffer,
    nth: usize,
    file: Arc<Shared>,
}

/// The ids of one file's chunks as they become known.
#[derive(Default)]
struct Shared {
    ids: Mutex<Vec<(usize, ChunkId)>>,
    pending: AtomicUsize,
}

impl Task {
    /// Does the work.
    pub(crate) fn run(self, framer: &mut Framer<'_>) -> Result<()> {
        let id = framer.put(ChunkType::Content, Chunk::Whole(self.chunk))?;
        self.file
            .ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((self.nth, id));
        self.file.pending.fetch_sub(1, Ordering::Release);
        Ok(())
    }
}

/// Collects the chunks of one file in order.
pub(crate) struct Sharing<'p> {
    pass: &'p Pass<'p>,
    file: Arc<Shared>,
    own: Vec<(usize, ChunkId)>,
    next: usize,
}

impl<'p> Sharing<'p> {
    pub(crate) fn new(pass: &'p Pass<'p>) -> Self {
        Self {
            pass,
            file: Arc::default(),
            own: Vec::new(),
            next: 0,
        }
    }

    /// Takes the next chunk: for an idle thread if there is one and the chunk is worth it.
    pub(crate) fn put(&mut self, chunk: Chunk<'_>, framer: &mut Framer<'_>) -> Result<()> {
        let nth = self.next;
        self.next += 1;
        let chunk = match chunk {
            Chunk::Within(_) => {
                self.own.push((nth, framer.put(ChunkType::Content, chunk)?));
                return Ok(());
            }
            Chunk::Whole(chunk) => chunk,
        };
        self.file.pending.fetch_add(1, Ordering::Relaxed);
        let task = Task {
            chunk,
            nth,
            file: Arc::clone(&self.file),
        };
        match self.pass.tasks.0.try_send(task) {
            Ok(()) => Ok(()),
            Err(refused) => refused.into_inner().run(framer),
        }
    }

    /// All ids, in order. Helps with whatever is waiting until the last one is known.
    pub(crate) fn finish(mut self, framer: &mut Framer<'_>) -> Result<Vec<ChunkId>> {
        if self.file.pending.load(Ordering::Acquire) > 0 {
            // Who helps needs the gate, so it must not be held here while waiting for them.
            framer.flush()?;
        }
        while self.file.pending.load(Ordering::Acquire) > 0 {
            if self.pass.has_failed() {
                return Err(Error::WorkerLost);
            }
            if let Ok(task) = self.pass.tasks.1.recv_timeout(Duration::from_millis(1)) {
                task.run(framer)?;
            }
        }
        self.own
            .append(&mut self.file.ids.lock().unwrap_or_else(PoisonError::into_inner));
        self.own.sort_unstable_by_key(|(nth, _)| *nth);
        Ok(self.own.into_iter().map(|(_, id)| id).collect())
    }
}
