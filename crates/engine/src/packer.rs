//! From frames to packs in the storage.
//!
//! Frames go at random to one of two open packs of their kind, so that the storage cannot tell
//! from a pack's length what was stored together (docs/format.md §9). The thread that fills a
//! pack seals it and hands it to the storage. Frames and packs have one fixed room: who brings a
//! frame when it is full waits, and so everything before it waits too.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ownkey_crypto::{FrameInput, PackInput, PackKind, PackPadding, ParityCode, seal_pack};
use ownkey_storage::StorageError;

use crate::buffers::{Buffer, Buffers};
use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::format::layout;
use crate::format::segment::{self, IndexedPack};
use crate::io::{Io, Outgoing};
use crate::keyring::Keyring;
use crate::lock::lock;
use crate::memory::Memory;
use crate::monitor::{Figure, Monitor, Stage, timed};
use crate::parity::Parity;

/// A pack is sealed when its frames and what its directory says of them reach this many bytes.
const TARGET: usize = 16 << 20;
/// And it is full with so many chunks, however short they are: its directory, 5 MB in memory then, is read by
/// whoever looks for one of them.
const MOST_CHUNKS: usize = 1 << 17;
/// What the directory of a pack says of one chunk, in bytes (docs/format.md §9): of tiny files it
/// is more than their content. Counted, it keeps two halves together below the 32 MiB of a segment.
const CHUNK: usize = 36;
/// Sessions that store less than this pad their packs in coarser steps (docs/format.md §11).
const SMALL_SESSION: u64 = 8 << 20;

/// What a pack is made of.
pub(crate) type Frame = FrameInput<Buffer>;

/// The packs under construction, and those on their way.
pub(crate) struct Packer<'m> {
    io: Io,
    keys: Arc<Keyring>,
    monitor: &'m dyn Monitor,
    parity: Option<ParityCode>,
    /// Bytes of frames and packs that may be in memory at once.
    room: usize,
    buffers: Arc<Buffers>,
    shelf: Arc<Shelf>,
}

/// Everything that is not stored yet.
#[derive(Default)]
struct Shelf {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    data: OpenPacks,
    meta: OpenPacks,
    /// Bytes of frames in open packs, and of packs on their way.
    bytes: usize,
    in_flight: usize,
    stored: Vec<IndexedPack>,
    /// What an index of them takes, in bytes.
    indexed: usize,
    failed: Option<StorageError>,
}

/// Two packs of one kind that take frames.
#[derive(Default)]
struct OpenPacks {
    packs: [OpenPack; 2],
    /// Bytes of frames that went into packs of this kind in this session.
    session: u64,
}

#[derive(Default)]
struct OpenPack {
    frames: Vec<Frame>,
    bytes: usize,
    chunks: usize,
}

impl<'m> Packer<'m> {
    pub(crate) fn new(
        io: Io,
        keys: Arc<Keyring>,
        (memory, parity): (Memory, Parity),
        monitor: &'m dyn Monitor,
    ) -> Self {
        Self {
            io,
            keys,
            monitor,
            parity: parity.code(),
            room: memory.packs(),
            buffers: Buffers::keeping(memory.buffers()),
            shelf: Arc::default(),
        }
    }

    /// Where the bytes of frames come from.
    pub(crate) fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    pub(crate) fn monitor(&self) -> &'m dyn Monitor {
        self.monitor
    }

    /// Takes a frame, as soon as there is room for it. Fails as soon as any upload has failed.
    pub(crate) fn add(&self, kind: PackKind, frame: Frame) -> Result<()> {
        let mut coin = [0];
        self.keys.random().fill(&mut coin)?;
        let stored = frame.stored.len();
        let length = stored + CHUNK * frame.chunks.len();
        let full = {
            // While nothing is on its way, waiting would not end: then the fullest pack makes room.
            let mut held = timed(self.monitor, Stage::Room, 0, || {
                let crowded = |held: &Held| held.in_flight > 0 && held.bytes + length > self.room;
                self.shelf.wait_while(crowded)
            })?;
            held.bytes += length;
            let open = held.open(kind);
            open.session += stored as u64;
            let [first, second] = &mut open.packs;
            let pack = if coin[0] & 1 == 0 { first } else { second };
            pack.bytes += length;
            pack.chunks += frame.chunks.len();
            pack.frames.push(frame);
            let full = if pack.bytes >= TARGET || pack.chunks >= MOST_CHUNKS {
                Some((kind, std::mem::take(pack)))
            } else if held.bytes > self.room {
                Some(held.fullest())
            } else {
                None
            };
            held.in_flight += usize::from(full.is_some());
            full
        };
        match full {
            Some((kind, pack)) => self.store(kind, pack, PackPadding::Padme),
            None => Ok(()),
        }
    }

    /// Seals what is open, and returns when everything is durable: the packs stored since the
    /// last call, for the index.
    pub(crate) fn flush(&self) -> Result<Vec<IndexedPack>> {
        for kind in [PackKind::Data, PackKind::Meta] {
            let (pack, padding) = {
                let mut held = lock(&self.shelf.held);
                let open = held.open(kind);
                let [mut one, two] = std::mem::take(&mut open.packs);
                // Two halves make at most one pack of twice the target.
                one.frames.extend(two.frames);
                one.bytes += two.bytes;
                one.chunks += two.chunks;
                let padding = if open.session < SMALL_SESSION {
                    PackPadding::SmallSession
                } else {
                    PackPadding::Padme
                };
                held.in_flight += usize::from(!one.frames.is_empty());
                (one, padding)
            };
            if !pack.frames.is_empty() {
                self.store(kind, pack, padding)?;
            }
        }
        let mut held = self.shelf.wait_while(|held| held.in_flight > 0)?;
        Ok(held.take_stored())
    }

    /// The packs that became durable since the last call, once their index takes `least` bytes: none
    /// of them waits in memory for the end.
    pub(crate) fn take_stored(&self, least: usize) -> Vec<IndexedPack> {
        let mut held = lock(&self.shelf.held);
        match held.indexed >= least {
            true => held.take_stored(),
            false => Vec::new(),
        }
    }

    /// Stores a pack that is counted as on its way.
    fn store(&self, kind: PackKind, pack: OpenPack, padding: PackPadding) -> Result<()> {
        let held = pack.bytes;
        let ended = |stored| self.shelf.ended(held, stored);
        let (keys, hedge) = (self.keys.writer(), &self.keys.holder.hedge);
        let input = PackInput {
            parity: self.parity,
            kind,
            padding,
            frames: pack.frames,
        };
        let pack = timed(self.monitor, Stage::Seal, held, || {
            seal_pack(keys, input, hedge)
        });
        let pack = pack.inspect_err(|_| ended(None))?;
        let name = PackName {
            kind,
            hash: pack.hash,
        };
        // An object has at most 64 MiB.
        let length = u32::try_from(pack.sealed.len()).map_err(|_| Error::WorkerLost)?;
        let indexed = IndexedPack {
            name,
            length,
            directory: pack.directory,
        };
        let shelf = Arc::clone(&self.shelf);
        self.io.upload(
            layout::pack(&name),
            Outgoing::Pack(pack.sealed),
            move |outcome| shelf.ended(held, Some(outcome.map(|()| indexed))),
        );
        self.monitor.count(Figure::BytesUploaded, u64::from(length));
        Ok(())
    }
}

impl Held {
    fn open(&mut self, kind: PackKind) -> &mut OpenPacks {
        match kind {
            PackKind::Data => &mut self.data,
            PackKind::Meta => &mut self.meta,
        }
    }

    fn take_stored(&mut self) -> Vec<IndexedPack> {
        self.indexed = 0;
        std::mem::take(&mut self.stored)
    }

    /// Takes the open pack that holds most.
    fn fullest(&mut self) -> (PackKind, OpenPack) {
        let kinds = [PackKind::Data, PackKind::Meta];
        let most = |open: &OpenPacks| open.packs.iter().map(|pack| pack.bytes).max();
        let kind = kinds[usize::from(most(&self.meta) > most(&self.data))];
        let [first, second] = &mut self.open(kind).packs;
        let fullest = if first.bytes >= second.bytes {
            first
        } else {
            second
        };
        (kind, std::mem::take(fullest))
    }
}

impl Shelf {
    /// Waits for as long as `busy`, or until an upload has failed.
    fn wait_while(&self, busy: impl Fn(&Held) -> bool) -> Result<MutexGuard<'_, Held>> {
        let wait = |held: &mut Held| busy(held) && held.failed.is_none();
        let waited = self.changed.wait_while(lock(&self.held), wait);
        let held = waited.unwrap_or_else(PoisonError::into_inner);
        match &held.failed {
            Some(error) => Err(error.clone().into()),
            None => Ok(held),
        }
    }

    /// A pack is no longer on its way: stored, refused, or not even sealed.
    fn ended(&self, bytes: usize, outcome: Option<std::result::Result<IndexedPack, StorageError>>) {
        let mut held = lock(&self.held);
        held.in_flight -= 1;
        held.bytes -= bytes;
        match outcome {
            Some(Ok(pack)) => {
                held.indexed += segment::encoded_length(&pack);
                held.stored.push(pack);
            }
            Some(Err(error)) => held.failed = Some(error),
            None => {}
        }
        self.changed.notify_all();
    }
}
