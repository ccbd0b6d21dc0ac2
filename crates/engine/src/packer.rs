//! From frames to packs in the storage.
//!
//! Frames go at random to one of two open packs of their kind, so that the storage cannot tell
//! from a pack's length what was stored together (docs/format.md §9). The thread that fills a
//! pack seals it and hands it to the storage; when few packs are in flight already it waits,
//! and so everything before it waits too.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use ownkey_crypto::{FrameInput, PackKind, PackPadding, seal_pack};
use ownkey_storage::StorageError;

use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::format::layout;
use crate::format::segment::IndexedPack;
use crate::io::{Io, Outgoing};
use crate::keyring::Keyring;
use crate::lock::lock;
use crate::monitor::{Figure, Monitor};

/// A pack is sealed when its frames reach this many bytes.
const TARGET: usize = 16 << 20;
/// Sessions that store less than this pad their packs in coarser steps (docs/format.md §11).
const SMALL_SESSION: u64 = 8 << 20;

/// The packs under construction, and those on their way.
pub(crate) struct Packer<'m> {
    io: Io,
    keys: Arc<Keyring>,
    monitor: &'m dyn Monitor,
    data: Mutex<OpenPacks>,
    meta: Mutex<OpenPacks>,
    uploads: Arc<Uploads>,
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
    frames: Vec<FrameInput>,
    bytes: usize,
}

/// Packs handed to the storage.
#[derive(Default)]
struct Uploads {
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    in_flight: usize,
    stored: Vec<IndexedPack>,
    failed: Option<StorageError>,
}

impl<'m> Packer<'m> {
    pub(crate) fn new(io: Io, keys: Arc<Keyring>, monitor: &'m dyn Monitor) -> Self {
        Self {
            io,
            keys,
            monitor,
            data: Mutex::default(),
            meta: Mutex::default(),
            uploads: Arc::default(),
        }
    }

    /// Takes a frame. Fails as soon as any upload has failed.
    pub(crate) fn add(&self, kind: PackKind, frame: FrameInput) -> Result<()> {
        self.uploads.check()?;
        let mut coin = [0];
        self.keys.random().fill(&mut coin)?;
        let full = {
            let mut open = lock(self.open(kind));
            open.session += frame.stored.len() as u64;
            let [first, second] = &mut open.packs;
            let pack = if coin[0] & 1 == 0 { first } else { second };
            pack.bytes += frame.stored.len();
            pack.frames.push(frame);
            (pack.bytes >= TARGET).then(|| std::mem::take(pack))
        };
        match full {
            Some(pack) => self.store(kind, pack.frames, PackPadding::Padme),
            None => Ok(()),
        }
    }

    /// Seals what is open, and returns when everything is durable: the packs stored since the
    /// last call, for the index.
    pub(crate) fn flush(&self) -> Result<Vec<IndexedPack>> {
        for kind in [PackKind::Data, PackKind::Meta] {
            let (packs, session) = {
                let mut open = lock(self.open(kind));
                (std::mem::take(&mut open.packs), open.session)
            };
            let [mut one, two] = packs;
            // Two halves make at most one pack of twice the target.
            one.frames.extend(two.frames);
            if !one.frames.is_empty() {
                let padding = if session < SMALL_SESSION {
                    PackPadding::SmallSession
                } else {
                    PackPadding::Padme
                };
                self.store(kind, one.frames, padding)?;
            }
        }
        self.uploads.wait()
    }

    fn open(&self, kind: PackKind) -> &Mutex<OpenPacks> {
        match kind {
            PackKind::Data => &self.data,
            PackKind::Meta => &self.meta,
        }
    }

    fn store(&self, kind: PackKind, frames: Vec<FrameInput>, padding: PackPadding) -> Result<()> {
        let pack = seal_pack(self.keys.writer(), kind, frames, padding, &self.keys.hedge)?;
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
        lock(&self.uploads.progress).in_flight += 1;
        let uploads = Arc::clone(&self.uploads);
        self.io.upload(
            layout::pack(&name),
            Outgoing::Pack(pack.sealed),
            move |outcome| uploads.ended(indexed, outcome),
        );
        self.monitor.count(Figure::BytesUploaded, u64::from(length));
        Ok(())
    }
}

impl Uploads {
    fn ended(&self, pack: IndexedPack, outcome: std::result::Result<(), StorageError>) {
        let mut progress = lock(&self.progress);
        progress.in_flight -= 1;
        match outcome {
            Ok(()) => progress.stored.push(pack),
            Err(error) => progress.failed = Some(error),
        }
        self.changed.notify_all();
    }

    fn check(&self) -> Result<()> {
        match &lock(&self.progress).failed {
            Some(error) => Err(error.clone().into()),
            None => Ok(()),
        }
    }

    fn wait(&self) -> Result<Vec<IndexedPack>> {
        let progress = lock(&self.progress);
        let waited = self.changed.wait_while(progress, |progress| {
            progress.in_flight > 0 && progress.failed.is_none()
        });
        let mut progress = waited.unwrap_or_else(PoisonError::into_inner);
        match &progress.failed {
            Some(error) => Err(error.clone().into()),
            None => Ok(std::mem::take(&mut progress.stored)),
        }
    }
}
