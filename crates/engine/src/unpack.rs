//! Opening packs: from sealed bytes to verified chunks, without an index.
//!
//! What comes out was authenticated by its pack's key, has exactly the lengths its directory says, and every chunk of
//! it hashes to its id; so a pack can be believed whoever made it, and a damaged one as far as it goes.

use std::ops::Range;

use bytes::Bytes;
use ownkey_crypto::{
    ChunkId, Directory, FrameEntry, NameKeys, Opened, PackKind, PackOpener, object_hash, peek_epoch,
};

use crate::compress::{decompress, inflated};
use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::keyring::Keyring;

/// The chunks of one frame, in the order of the directory.
pub(crate) type Frame = Vec<Opened>;

/// What opens a pack, from its beginning; `None` if that is damaged.
///
/// # Errors
/// [`Error::NotAllowed`] for who may not read.
pub(crate) fn opener(keys: &Keyring, kind: PackKind, start: &[u8]) -> Result<Option<PackOpener>> {
    let Ok((_, epoch)) = peek_epoch(start) else {
        return Ok(None);
    };
    match keys.reader(epoch) {
        Ok(keys) => Ok(PackOpener::new(keys, kind, start).ok()),
        // The header says another epoch than any there was.
        Err(Error::NoGrant) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The chunks of frame `number` from its stored bytes, tag included; `None` if any is not what its id says.
pub(crate) fn frame(
    names: &NameKeys,
    opener: &PackOpener,
    (number, entry): (u32, &FrameEntry),
    stored: &[u8],
) -> Option<Frame> {
    let opened = opener.open_frame(number, stored).ok()?;
    let plain = decompress(opened, entry.codec, entry.plain_len as usize).ok()?;
    let lengths: Vec<u32> = entry.chunks.iter().map(|(_, length)| *length).collect();
    let chunks = plain.split(&lengths).ok()?;
    for ((id, _), chunk) in entry.chunks.iter().zip(&chunks) {
        let verified = names.verify_chunk(entry.chunk_type, id, chunk.as_bytes());
        verified.ok()?;
    }
    Some(chunks)
}

/// A frame for who wants some of its chunks, or all of it as it is.
pub(crate) struct OpenFrame<'e> {
    entry: &'e FrameEntry,
    packed: Opened,
    /// What that unpacks to, if it is compressed.
    inflated: Option<Opened>,
}

impl<'e> OpenFrame<'e> {
    /// From stored bytes, tag included; `None` if they are damaged.
    pub(crate) fn new(
        opener: &PackOpener,
        (number, entry): (u32, &'e FrameEntry),
        stored: &[u8],
    ) -> Option<Self> {
        let packed = opener.open_frame(number, stored).ok()?;
        let inflated = inflated(&packed, entry.codec, entry.plain_len as usize).ok()?;
        Some(Self {
            entry,
            packed,
            inflated,
        })
    }

    /// The chunks that are wanted, by their places in the frame; `None` if any of them is not what its id says.
    pub(crate) fn chunks(
        &self,
        names: &NameKeys,
        is_wanted: impl Fn(&ChunkId) -> bool,
    ) -> Option<Vec<(&'e ChunkId, &[u8])>> {
        let mut rest = self.inflated.as_ref().unwrap_or(&self.packed).as_bytes();
        let mut wanted = Vec::new();
        for (id, length) in &self.entry.chunks {
            let (chunk, later) = rest.split_at_checked(*length as usize)?;
            rest = later;
            if is_wanted(id) {
                names.verify_chunk(self.entry.chunk_type, id, chunk).ok()?;
                wanted.push((id, chunk));
            }
        }
        rest.is_empty().then_some(wanted)
    }

    /// As it was before it was sealed.
    pub(crate) fn into_packed(self) -> Vec<u8> {
        self.packed.into_bytes()
    }
}

/// A whole pack in memory, perhaps a damaged one.
pub(crate) struct PackInHand<'k> {
    keys: &'k Keyring,
    opener: PackOpener,
    bytes: Bytes,
}

impl<'k> PackInHand<'k> {
    /// `None` if its beginning is damaged: then nothing of it can be opened.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for who may not read.
    pub(crate) fn new(keys: &'k Keyring, kind: PackKind, bytes: Bytes) -> Result<Option<Self>> {
        let opener = opener(keys, kind, &bytes)?;
        Ok(opener.map(|opener| Self {
            keys,
            opener,
            bytes,
        }))
    }

    /// What it says is in it, whatever else is damaged.
    pub(crate) fn directory(&self) -> Option<Directory> {
        let length = self.bytes.len() as u64;
        let trailer = self.slice(self.opener.trailer_range(length).ok()?)?;
        let trailer = self.opener.open_trailer(trailer, length).ok()?;
        let directory = self.slice(trailer.directory_range())?;
        self.opener.open_directory(directory, &trailer).ok()
    }

    /// The chunks of a frame, if every one of them is what its id says.
    pub(crate) fn chunks(&self, (number, entry): (u32, &FrameEntry)) -> Option<Frame> {
        let stored = self.slice(entry.range())?;
        frame(&self.keys.names, &self.opener, (number, entry), stored)
    }

    /// A frame as it was before it was sealed, if every chunk in it is what its id says.
    pub(crate) fn frame(&self, number: u32, entry: &FrameEntry) -> Option<Vec<u8>> {
        let stored = self.slice(entry.range())?;
        let frame = OpenFrame::new(&self.opener, (number, entry), stored)?;
        frame.chunks(&self.keys.names, |_| true)?;
        Some(frame.into_packed())
    }

    /// Its directory, if the pack has the bytes it is named after and every frame is good.
    pub(crate) fn proven(&self, name: &PackName) -> Option<Directory> {
        if object_hash(&self.bytes) != name.hash {
            return None;
        }
        let directory = self.opener.open_whole(&self.bytes).ok()?;
        let good = (0u32..)
            .zip(directory.frames())
            .all(|(number, entry)| self.frame(number, entry).is_some());
        good.then_some(directory)
    }

    fn slice(&self, range: Range<u64>) -> Option<&[u8]> {
        let (start, end) = (range.start.try_into().ok()?, range.end.try_into().ok()?);
        self.bytes.get::<Range<usize>>(start..end)
    }
}
