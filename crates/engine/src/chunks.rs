//! Reading chunks: from a place in the index to verified plaintext.
//!
//! What comes out was authenticated by its pack's key, has exactly the length its directory
//! says, and hashes to its id. A chunk that cannot be read in one place is read in another.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ownkey_crypto::{
    ChunkId, ChunkType, Directory, FrameEntry, HEADER_LEN, MAX_HEADER_LEN, PackOpener,
};
use ownkey_storage::{StorageError, StorageErrorKind};

use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::format::layout;
use crate::healing::Healer;
use crate::index::{Index, PackEntry, Place};
use crate::io::Io;
use crate::keyring::Keyring;
use crate::lock::lock;
use crate::memory::Memory;
use crate::ranges::{Part, aligned};
pub(crate) use crate::unpack::Frame;
use crate::unpack::{self, OpenFrame, PackInHand};

/// Packs whose keys are kept; making one again is a range read.
const OPENERS_KEPT: usize = 16 << 10;

/// Reads chunks of one repository; shared by threads.
pub(crate) struct Chunks {
    io: Io,
    keys: Arc<Keyring>,
    index: Arc<Index>,
    memory: Memory,
    openers: Mutex<HashMap<u32, Arc<PackOpener>>>,
    healer: Healer,
    frames: Mutex<FrameCache>,
    later: Mutex<Later>,
}

/// The chunks where they lie by now; none if nobody has said anything since it was asked last.
pub(crate) type AsOfNow = Box<dyn FnMut() -> Result<Option<Chunks>> + Send>;

/// What is known of the chunks once some were not where they should be: a prune may have moved them since the logs were
/// read.
#[derive(Default)]
struct Later {
    ask: Option<AsOfNow>,
    /// How often nobody had said anything.
    in_vain: u32,
    /// Where they were when it was asked last.
    known: Option<Arc<Chunks>>,
}

/// Answers without news after which nobody is asked any more: then it is damage that is met, and there may be much of it.
const IN_VAIN: u32 = 16;
/// How often a chunk may be moved once more while it is being looked for.
const MOVED_MEANWHILE: u32 = 4;

impl Chunks {
    pub(crate) fn new(io: Io, keys: Arc<Keyring>, index: Arc<Index>, memory: Memory) -> Self {
        Self {
            healer: Healer::new(io.clone()),
            io,
            keys,
            index,
            memory,
            openers: Mutex::default(),
            frames: Mutex::default(),
            later: Mutex::default(),
        }
    }

    /// The same; chunks that are not where they were are looked for where they are by then.
    pub(crate) fn or_as_of(self, now: AsOfNow) -> Self {
        Self {
            later: Mutex::new(Later {
                ask: Some(now),
                ..Later::default()
            }),
            ..self
        }
    }

    pub(crate) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// How much of it reading may take.
    pub(crate) fn memory(&self) -> Memory {
        self.memory
    }

    /// The plaintext of a chunk, by its place in a decoded frame.
    pub(crate) fn read(&self, id: &ChunkId, kind: ChunkType) -> Result<(Arc<Frame>, usize)> {
        let mut failure = match self.read_here(id, kind) {
            Err(error) if is_damage(&error) => error,
            read => return read,
        };
        let read = self.later((id, kind), |later| match later.read_here(id, kind) {
            Err(error) if is_damage(&error) => {
                failure = error;
                Ok(None)
            }
            read => read.map(Some),
        })?;
        read.ok_or(failure)
    }

    /// Whether a chunk that is not here any more is somewhere else by now, in a pack that is not bad.
    pub(crate) fn was_moved(
        &self,
        (id, kind): (&ChunkId, ChunkType),
        is_bad: &dyn Fn(&PackName) -> bool,
    ) -> Result<bool> {
        let moved = self.later((id, kind), |later| {
            for place in later.index.places(id, kind)? {
                let pack = later.index.pack(place.pack)?;
                if is_bad(&pack.name) {
                    continue;
                }
                match later.opener(&pack) {
                    Err(error) if is_damage(&error) => {}
                    opener => return opener.map(|_| Some(())),
                }
            }
            Ok(None)
        })?;
        Ok(moved.is_some())
    }

    /// The first answer of the chunks as they are later, for one that is not here any more.
    fn later<T>(
        &self,
        (id, kind): (&ChunkId, ChunkType),
        mut look: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let mut tried = None;
        for _ in 0..MOVED_MEANWHILE {
            let Some(later) = self.later_than(tried.as_ref())? else {
                break;
            };
            // What nobody names any more was not moved: no snapshot that stands needs it.
            if later.index.find(id, kind)?.is_none() {
                break;
            }
            if let Some(found) = look(&later)? {
                return Ok(Some(found));
            }
            tried = Some(later);
        }
        Ok(None)
    }

    /// The chunks as they were when that was asked last; as they are now, if those were tried.
    fn later_than(&self, tried: Option<&Arc<Self>>) -> Result<Option<Arc<Self>>> {
        // Whoever else needs it waits for the one who asks.
        let mut later = lock(&self.later);
        if let Some(known) = &later.known
            && tried.is_none_or(|tried| !Arc::ptr_eq(tried, known))
        {
            return Ok(Some(Arc::clone(known)));
        }
        let asked = later.ask.as_mut().map(|ask| ask()).transpose()?;
        match asked.flatten() {
            Some(now) => {
                later.known = Some(Arc::new(now));
                Ok(later.known.clone())
            }
            None => {
                later.in_vain += 1;
                if later.in_vain >= IN_VAIN {
                    later.ask = None;
                }
                Ok(None)
            }
        }
    }

    fn read_here(&self, id: &ChunkId, kind: ChunkType) -> Result<(Arc<Frame>, usize)> {
        let Some(found) = self.index.find(id, kind)? else {
            let what = format!("chunk {id}: no index segment names it, so it");
            return Err(Error::Damage { what });
        };
        let mut failure = match self.frame(found.place) {
            Err(error) if is_damage(&error) => error,
            frame => return Ok((frame?, found.place.nth as usize)),
        };
        let places = self.index.places(id, kind)?.into_iter();
        for place in places.filter(|place| *place != found.place) {
            match self.frame(place) {
                Ok(frame) => return Ok((frame, place.nth as usize)),
                Err(error) if is_damage(&error) => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// The frame around a place, from the cache or the storage.
    pub(crate) fn frame(&self, place: Place) -> Result<Arc<Frame>> {
        let key = (place.pack, place.frame);
        if let Some(frame) = lock(&self.frames).get(key) {
            return Ok(frame);
        }
        let filed = self.index.filed(place.pack)?;
        let (pack, entry) = (&filed.pack, filed.frame(place.frame)?);
        let frame = match self.fetched(pack, place.frame, entry) {
            Err(error) if is_damage(&error) => self.healed(pack, (place.frame, entry), error)?,
            frame => frame?,
        };
        let frame = Arc::new(frame);
        let kept = (Arc::clone(&frame), entry.plain_len as usize);
        lock(&self.frames).put(key, kept, self.memory.frames_kept());
        Ok(frame)
    }

    fn fetched(&self, pack: &PackEntry, number: u32, entry: &FrameEntry) -> Result<Frame> {
        let range = entry.range();
        let part = self.part(pack, &range)?;
        let stored = part.slice(&range).ok_or_else(|| damaged(pack))?;
        let opener = self.opener(pack)?;
        self.decode(pack, &opener, number, entry, stored)
    }

    /// A frame out of a pack that its parity can heal; else why it cannot be read.
    fn healed(&self, pack: &PackEntry, frame: (u32, &FrameEntry), error: Error) -> Result<Frame> {
        let Some(bytes) = self.healer.heal(&pack.name, pack.length)? else {
            return Err(error);
        };
        let healed = PackInHand::new(&self.keys, pack.name.kind, bytes)?;
        healed.and_then(|healed| healed.chunks(frame)).ok_or(error)
    }

    /// What to tell once of packs that had to be healed.
    pub(crate) fn healed_note(&self) -> Option<String> {
        self.healer.note()
    }

    /// A whole pack, for who wants most of it. Checked by its name, so that its header and every
    /// frame are what was stored.
    pub(crate) fn whole(&self, pack: &PackEntry) -> Result<Bytes> {
        let name = layout::pack(&pack.name);
        let bytes = self.io.get(&name).map_err(|error| missing(pack, error))?;
        if bytes.len() as u64 != pack.length || ownkey_crypto::object_hash(&bytes) != pack.name.hash
        {
            return Err(damaged(pack));
        }
        Ok(bytes)
    }

    /// Learns how to open a pack from its beginning, for who has it in hand anyway.
    pub(crate) fn learn(&self, pack: &PackEntry, start: &[u8]) -> Result<()> {
        if !lock(&self.openers).contains_key(&pack.number) {
            let opener = Arc::new(self.open(pack, start)?);
            self.keep(pack.number, opener);
        }
        Ok(())
    }

    fn keep(&self, number: u32, opener: Arc<PackOpener>) {
        let mut openers = lock(&self.openers);
        if openers.len() >= OPENERS_KEPT {
            openers.clear();
        }
        openers.insert(number, opener);
    }

    /// Decodes one frame that the caller fetched, tag included.
    pub(crate) fn decode_fetched(&self, place: Place, stored: &[u8]) -> Result<Frame> {
        let filed = self.index.filed(place.pack)?;
        let opener = self.opener(&filed.pack)?;
        let entry = filed.frame(place.frame)?;
        self.decode(&filed.pack, &opener, place.frame, entry, stored)
    }

    /// Opens everything in a whole pack: its own directory must be the one the index has, its
    /// padding zeros, and every chunk what its id says.
    pub(crate) fn verify_whole(&self, pack: &PackEntry, whole: &[u8]) -> Result<()> {
        let opener = self.open(pack, whole)?;
        let directory: Directory = opener.open_whole(whole).map_err(|_| damaged(pack))?;
        if directory != self.index.filed(pack.number)?.directory {
            return Err(damaged(pack));
        }
        for (number, entry) in (0u32..).zip(directory.frames()) {
            let range = entry.range();
            // Positions in bytes that are in memory.
            let (start, end) = (range.start as usize, range.end as usize);
            let stored = whole.get(start..end).ok_or_else(|| damaged(pack))?;
            self.decode(pack, &opener, number, entry, stored)?;
        }
        Ok(())
    }

    /// A range of a pack, and what lies around it.
    pub(crate) fn part(&self, pack: &PackEntry, range: &Range<u64>) -> Result<Part> {
        let aligned = aligned(range, pack.length);
        let read = self
            .io
            .get_range(&layout::pack(&pack.name), aligned.clone());
        let bytes = read.map_err(|error| missing(pack, error))?;
        // Positions inside one read: bounded by the largest object.
        let whole = bytes.len() as u64 == aligned.end.saturating_sub(aligned.start);
        if !whole {
            return Err(damaged(pack));
        }
        if aligned.start == 0 {
            self.learn(pack, &bytes)?;
        }
        Ok(Part::new(aligned.start, bytes))
    }

    /// One frame that the caller fetched, tag included, for who wants some of its chunks or all of it.
    pub(crate) fn open_fetched<'e>(
        &self,
        (pack, frame): (&PackEntry, (u32, &'e FrameEntry)),
        stored: &[u8],
    ) -> Result<OpenFrame<'e>> {
        let opener = self.opener(pack)?;
        OpenFrame::new(&opener, frame, stored).ok_or_else(|| damaged(pack))
    }

    fn decode(
        &self,
        pack: &PackEntry,
        opener: &PackOpener,
        number: u32,
        entry: &FrameEntry,
        stored: &[u8],
    ) -> Result<Frame> {
        let names = &self.keys.names;
        unpack::frame(names, opener, (number, entry), stored).ok_or_else(|| damaged(pack))
    }

    fn opener(&self, pack: &PackEntry) -> Result<Arc<PackOpener>> {
        if let Some(opener) = lock(&self.openers).get(&pack.number) {
            return Ok(Arc::clone(opener));
        }
        let range = 0..(MAX_HEADER_LEN as u64).min(pack.length);
        let start = self.part(pack, &range)?;
        let start = start.slice(&range).ok_or_else(|| damaged(pack))?;
        let opener = Arc::new(self.open(pack, start)?);
        self.keep(pack.number, Arc::clone(&opener));
        Ok(opener)
    }

    fn open(&self, pack: &PackEntry, start: &[u8]) -> Result<PackOpener> {
        const {
            assert!(
                HEADER_LEN <= MAX_HEADER_LEN,
                "the longest header covers the shortest"
            );
        };
        unpack::opener(&self.keys, pack.name.kind, start)?.ok_or_else(|| damaged(pack))
    }
}

/// Whether another copy of the chunk, or an older snapshot, may still be read.
pub(crate) fn is_damage(error: &Error) -> bool {
    error.class() == crate::error::Class::Damage
}

pub(crate) fn damaged(pack: &PackEntry) -> Error {
    Error::Damage {
        what: format!("pack {}", layout::pack(&pack.name)),
    }
}

fn missing(pack: &PackEntry, error: StorageError) -> Error {
    match error.kind() {
        StorageErrorKind::NotFound
        | StorageErrorKind::InvalidRange
        | StorageErrorKind::TooLarge => damaged(pack),
        _ => error.into(),
    }
}

/// The most recently decoded frames.
#[derive(Default)]
struct FrameCache {
    frames: HashMap<(u32, u32), (Arc<Frame>, usize)>,
    order: VecDeque<(u32, u32)>,
    bytes: usize,
}

impl FrameCache {
    fn get(&self, key: (u32, u32)) -> Option<Arc<Frame>> {
        self.frames.get(&key).map(|(frame, _)| Arc::clone(frame))
    }

    /// Keeps a frame of so many bytes, and at most as many bytes altogether.
    fn put(&mut self, key: (u32, u32), (frame, bytes): (Arc<Frame>, usize), most: usize) {
        if self.frames.insert(key, (frame, bytes)).is_none() {
            self.order.push_back(key);
            self.bytes += bytes;
        }
        while self.bytes > most {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some((_, bytes)) = self.frames.remove(&oldest) {
                self.bytes -= bytes;
            }
        }
    }
}
