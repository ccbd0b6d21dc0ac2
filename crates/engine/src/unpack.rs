//! Opening packs: from sealed bytes to verified chunks, without an index.
//!
//! What comes out was authenticated by its pack's key, has exactly the lengths its directory says, and every chunk of
//! it hashes to its id; so a pack can be believed whoever made it, and a damaged one as far as it goes.

use std::ops::Range;

use bytes::Bytes;
use ownkey_crypto::{
    Directory, FrameEntry, NameKeys, Opened, PackKind, PackOpener, object_hash, peek_epoch,
};

use crate::compress::decompress;
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
    chunks(names, opener.open_frame(number, stored).ok()?, entry)
}

/// The chunks of a frame that is open, and perhaps compressed.
pub(crate) fn chunks(names: &NameKeys, opened: Opened, entry: &FrameEntry) -> Option<Frame> {
    let plain = decompress(opened, entry.codec, entry.plain_len as usize).ok()?;
    let lengths: Vec<u32> = entry.chunks.iter().map(|(_, length)| *length).collect();
    let chunks = plain.split(&lengths).ok()?;
    for ((id, _), chunk) in entry.chunks.iter().zip(&chunks) {
        let verified = names.verify_chunk(entry.chunk_type, id, chunk.as_bytes());
        verified.ok()?;
    }
    Some(chunks)
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
    pub(crate) fn frame(&self, number: u32, entry: &FrameEntry) -> Option<Opened> {
        self.chunks((number, entry))?;
        let stored = self.slice(entry.range())?;
        self.opener.open_frame(number, stored).ok()
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
