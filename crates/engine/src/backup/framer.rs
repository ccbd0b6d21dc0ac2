//! From chunks to frames: name, claim, and only then work.
//!
//! A large chunk is a frame of its own; small ones share frames, so that they compress like a
//! tarball and their lengths vanish (docs/format.md §9).
//!
//! Between the claim of a chunk and the moment its frame is with the packer, only one thread has
//! it, though others may already refer to it. A checkpoint must not fall into that time: framers
//! hold the pass's gate open meanwhile, and a checkpoint closes it first.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ownkey_crypto::{ChunkId, ChunkType, Codec, PackKind};

use crate::buffers::{Buffer, Buffers};
use crate::compress::{Compression, FrameCompressor};
use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::index::{Claim, Claims};
use crate::keyring::Keyring;
use crate::monitor::{Monitor, Stage, timed};
use crate::packer::{Frame, Packer};

/// Chunks at least this long are frames of their own.
pub(crate) const ALONE: usize = 512 << 10;
/// Plaintext at which a shared frame is closed.
const SHARED: usize = 2 << 20;

/// Where the chunks of one pass go; shared by its threads.
pub(crate) struct Store<'s> {
    pub(crate) monitor: &'s dyn Monitor,
    pub(crate) keys: &'s Keyring,
    pub(crate) claims: &'s Claims<'s>,
    pub(crate) packer: &'s Packer<'s>,
    pub(crate) compression: Compression,
    /// Plaintext of chunks that were not stored yet, in bytes.
    pub(crate) new_bytes: AtomicU64,
    /// Packs of the index that this pass relies on, by number.
    pub(crate) relied: Vec<AtomicBool>,
    /// Held for reading by every framer that has something the packer has not.
    pub(crate) gate: RwLock<()>,
}

/// One thread's frames under construction. What is not flushed is lost, so a pass that fails
/// drops its framers and a pass that ends flushes them.
pub(crate) struct Framer<'s> {
    store: &'s Store<'s>,
    compressor: FrameCompressor,
    draft: Draft,
    gate: Option<RwLockReadGuard<'s, ()>>,
}

/// The bytes of one chunk.
pub(crate) enum Chunk<'c> {
    /// A short one among others.
    Within(&'c [u8]),
    /// All of a buffer.
    Whole(Buffer),
}

impl Deref for Chunk<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Within(bytes) => bytes,
            Self::Whole(buffer) => buffer,
        }
    }
}

impl Chunk<'_> {
    fn into_buffer(self, buffers: &Arc<Buffers>) -> Buffer {
        match self {
            Self::Within(bytes) => buffers.copy(bytes),
            Self::Whole(buffer) => buffer,
        }
    }
}

#[derive(Default)]
struct Draft {
    kind: Option<ChunkType>,
    chunks: Vec<(ChunkId, u32)>,
    plain: Vec<u8>,
}

impl<'s> Framer<'s> {
    pub(crate) fn new(store: &'s Store<'s>) -> Result<Self> {
        let failed = |source| Error::Local {
            action: "start zstd for",
            path: "frames".into(),
            source,
        };
        Ok(Self {
            store,
            compressor: FrameCompressor::new(store.compression).map_err(failed)?,
            draft: Draft::default(),
            gate: None,
        })
    }

    /// Stores a chunk unless it is stored, and names it.
    pub(crate) fn put(&mut self, kind: ChunkType, chunk: Chunk<'_>) -> Result<ChunkId> {
        let id = timed(self.store.monitor, Stage::Name, chunk.len(), || {
            self.store.keys.names.chunk_id(kind, &chunk)
        });
        let store = self.store;
        self.gate
            .get_or_insert_with(|| store.gate.read().unwrap_or_else(PoisonError::into_inner));
        if self.store.claim(&id)? == Claim::Mine {
            self.store
                .new_bytes
                .fetch_add(chunk.len() as u64, Ordering::Relaxed);
            self.take(kind, id, chunk)?;
        }
        if self.draft.kind.is_none() {
            self.gate = None;
        }
        Ok(id)
    }

    /// Stores a chunk that the caller has claimed, under an id that it has verified.
    pub(crate) fn take(&mut self, kind: ChunkType, id: ChunkId, chunk: Chunk<'_>) -> Result<()> {
        let buffers = self.store.packer.buffers();
        // Chunks are cut at 4 MiB.
        let length = u32::try_from(chunk.len()).map_err(|_| Error::WorkerLost)?;
        if chunk.len() >= ALONE {
            let packed = timed(self.store.monitor, Stage::Compress, chunk.len(), || {
                self.compressor.compress(&chunk)
            });
            let (codec, stored) = match packed.map_err(failed)? {
                Some(packed) => (Codec::Zstd, buffers.copy(packed)),
                None => (Codec::Stored, chunk.into_buffer(buffers)),
            };
            return self.store.add(Frame {
                chunk_type: kind,
                codec,
                plain_len: length,
                chunks: vec![(id, length)],
                stored,
            });
        }
        if self.draft.kind.is_some_and(|other| other != kind)
            || self.draft.plain.len() + chunk.len() > SHARED
        {
            // Not `flush`: this chunk is claimed, so the gate stays open for it.
            self.close()?;
        }
        self.draft.kind = Some(kind);
        self.draft.chunks.push((id, length));
        self.draft.plain.extend_from_slice(&chunk);
        Ok(())
    }

    /// Where chunks should come from that are to become frames.
    pub(crate) fn buffers(&self) -> Arc<Buffers> {
        Arc::clone(self.store.packer.buffers())
    }

    /// Closes the shared frame, if there is one.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.close()?;
        self.gate = None;
        Ok(())
    }

    /// The draft keeps its room, which the next one needs as well.
    fn close(&mut self) -> Result<()> {
        let Some(chunk_type) = self.draft.kind.take() else {
            return Ok(());
        };
        let buffers = self.store.packer.buffers();
        let plain = &mut self.draft.plain;
        let plain_len = u32::try_from(plain.len()).map_err(|_| Error::WorkerLost)?;
        let packed = timed(self.store.monitor, Stage::Compress, plain.len(), || {
            self.compressor.compress(plain)
        });
        let (codec, stored) = match packed.map_err(failed)? {
            Some(packed) => (Codec::Zstd, buffers.copy(packed)),
            None => (Codec::Stored, buffers.copy(plain)),
        };
        plain.clear();
        self.store.add(Frame {
            chunk_type,
            codec,
            plain_len,
            chunks: std::mem::take(&mut self.draft.chunks),
            stored,
        })
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Local {
        action: "compress",
        path: "a frame".into(),
        source,
    }
}

impl Store<'_> {
    pub(crate) fn add(&self, frame: Frame) -> Result<()> {
        let kind = match frame.chunk_type {
            ChunkType::Content => PackKind::Data,
            ChunkType::Tree | ChunkType::List => PackKind::Meta,
        };
        self.packer.add(kind, frame)
    }

    /// Waits until every claimed chunk is with the packer, and lets no other be claimed.
    pub(crate) fn close_gate(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a snapshot may rely on the chunk as it was stored before this pass.
    pub(crate) fn relies_on(&self, id: &ChunkId) -> Result<bool> {
        let pack = self.claims.index().reliable_pack(id)?;
        if let Some(relied) = pack.and_then(|pack| self.relied.get(pack as usize)) {
            relied.store(true, Ordering::Relaxed);
        }
        Ok(pack.is_some())
    }

    /// Plaintext of the chunks that were new, in bytes.
    pub(crate) fn new_bytes(&self) -> u64 {
        self.new_bytes.load(Ordering::Relaxed)
    }

    /// Packs of the index that this pass relies on so far.
    pub(crate) fn relied_packs(&self) -> Result<HashSet<PackName>> {
        let mut names = HashSet::new();
        self.claims.index().each_pack(|pack| {
            let relied = self.relied.get(pack.number as usize);
            if relied.is_some_and(|relied| relied.load(Ordering::Relaxed)) {
                names.insert(pack.name);
            }
            Ok(())
        })?;
        Ok(names)
    }

    pub(crate) fn claim(&self, id: &ChunkId) -> Result<Claim> {
        Ok(match self.relies_on(id)? {
            true => Claim::Known,
            false => self.claims.claim(id),
        })
    }
}
