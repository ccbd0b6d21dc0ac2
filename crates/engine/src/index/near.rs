//! Where chunks were found last.
//!
//! Chunks are mostly asked for in the order in which they were stored: the files of a folder, the
//! chunks of a file, and folders next to those that are in them. So the next one is looked for around
//! the last one first, and most look-ups end there, without a table.

use std::sync::{Arc, Mutex};

use ownkey_crypto::{ChunkId, ChunkType, FrameEntry};

use super::record::array;
use super::{Filed, Place};

/// Chunks looked at before and behind the last one.
const REACH: usize = 64;

/// A chunk, and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) place: Place,
    /// Its length in bytes.
    pub(crate) length: u32,
    pub(crate) filed: Arc<Filed>,
}

/// For each type of chunk, what was found last.
#[derive(Debug, Default)]
pub(super) struct Near([Mutex<Option<Found>>; 3]);

impl Near {
    /// The chunk, if it lies near the last one of its type, and that in a pack to rely on: it may lie
    /// elsewhere as well, and nowhere better. Nobody waits for this.
    pub(super) fn find(&self, id: &ChunkId, kind: ChunkType) -> Option<Found> {
        let mut last = self.of(kind)?.try_lock().ok()?;
        let found = last.as_mut()?;
        let frame = found.filed.frame(found.place.frame).ok()?;
        let (nth, length) = around(frame, found.place.nth as usize, id)?;
        found.place.nth = nth;
        found.length = length;
        Some(found.clone())
    }

    /// Goes on from here.
    pub(super) fn put(&self, kind: ChunkType, found: &Found) {
        if found.filed.pack.reliable
            && let Some(Ok(mut last)) = self.of(kind).map(Mutex::try_lock)
        {
            *last = Some(found.clone());
        }
    }

    fn of(&self, kind: ChunkType) -> Option<&Mutex<Option<Found>>> {
        self.0.get(usize::from(kind as u8))
    }
}

/// The chunk, the nearest first.
fn around(frame: &FrameEntry, last: usize, id: &ChunkId) -> Option<(u32, u32)> {
    let behind = (1..=REACH).map(|far| last.checked_add(far));
    let before = (1..=REACH).map(|far| last.checked_sub(far));
    let places = behind
        .zip(before)
        .flat_map(|(behind, before)| [behind, before]);
    let mut places = std::iter::once(Some(last)).chain(places).flatten();
    places.find_map(|nth| {
        let (chunk, length) = frame.chunks.get(nth)?;
        is_same(chunk, id).then_some((u32::try_from(nth).ok()?, *length))
    })
}

/// The number and the length of a chunk in its frame.
pub(super) fn anywhere(frame: &FrameEntry, id: &ChunkId) -> Option<(u32, u32)> {
    let mut chunks = (0..).zip(&frame.chunks);
    let found = chunks.find(|(_, (chunk, _))| is_same(chunk, id));
    found.map(|(nth, (_, length))| (nth, *length))
}

/// Nearly all others differ in their first bytes.
fn is_same(chunk: &ChunkId, id: &ChunkId) -> bool {
    let start = |id: &ChunkId| u64::from_ne_bytes(array(id.as_bytes(), 0));
    start(chunk) == start(id) && chunk == id
}
