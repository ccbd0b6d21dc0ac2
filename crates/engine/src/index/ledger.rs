//! Packs by number, and their directories, in two files that only grow.
//!
//! ```text
//! pack:      "pk1" ‖ u8 kind ‖ segment (8) ‖ u32 nth ‖ hash ‖ u32 length ‖ u32 directory length ‖ u64 where ‖ tag
//! directory: "dir1" ‖ segment (8) ‖ u32 nth ‖ directory (docs/format.md §9) ‖ tag
//! ```
//! A record is bound to its segment and its place in it. A segment never changes, so whatever
//! carries a tag for that place says what the segment says, also if it was left by a run that broke off.

use std::io;
use std::sync::Arc;

use ownkey_crypto::{Directory, LocalStateKey, ObjectHash, PackKind};

use super::medium::{Medium, Rotten, Sink};
use super::record::array;
use super::table::TAG;
use super::{Filed, PackEntry};
use crate::format::entry::PackName;
use crate::format::segment::{IndexedPack, SEGMENT_LIMIT};

/// Length of a pack's record without its tag, in bytes.
const BODY: usize = 64;
const RECORD: usize = BODY + TAG;
/// Bytes before a directory.
const HEAD: usize = 16;
/// Packs read at once where all are.
pub(super) const AT_ONCE: u32 = 1_024;

/// A pack as its segment numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) segment: ObjectHash,
    pub(super) nth: u32,
}

impl Source {
    fn bytes(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (segment, nth) = bytes.split_at_mut(8);
        segment.copy_from_slice(&array::<8>(self.segment.as_bytes(), 0));
        nth.copy_from_slice(&self.nth.to_le_bytes());
        bytes
    }
}

/// What a record says.
struct Said {
    name: PackName,
    length: u32,
    directory_length: u32,
    directory_at: u64,
}

/// Packs from `first` on.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) first: u32,
    pub(super) packs: Medium,
    pub(super) directories: Medium,
}

impl Part {
    pub(super) fn pack(
        &self,
        number: u32,
        source: &Source,
        key: &LocalStateKey,
    ) -> Result<PackEntry, Rotten> {
        let said = self.read(number, source, key)?;
        Ok(entry(number, &said))
    }

    /// The packs from `number` on, one for each source, to `each`; those without one are gone.
    pub(super) fn packs(
        &self,
        number: u32,
        sources: &[Option<Source>],
        key: &LocalStateKey,
        each: &mut dyn FnMut(PackEntry),
    ) -> Result<(), Rotten> {
        let mut bytes = vec![0; sources.len() * RECORD];
        self.packs.read_at(self.at(number)?, &mut bytes)?;
        let records = bytes.as_chunks::<RECORD>().0;
        for ((number, source), record) in (number..).zip(sources).zip(records) {
            if let Some(source) = source {
                each(entry(number, &parse(record, source, key)?));
            }
        }
        Ok(())
    }

    /// A pack with its directory.
    pub(super) fn filed(
        &self,
        number: u32,
        source: &Source,
        key: &LocalStateKey,
    ) -> Result<Filed, Rotten> {
        let said = self.read(number, source, key)?;
        let length = said.directory_length as usize;
        if length > SEGMENT_LIMIT {
            return Err(Rotten);
        }
        let mut bytes = vec![0; HEAD + length + TAG];
        self.directories.read_at(said.directory_at, &mut bytes)?;
        let (body, tag) = bytes.split_last_chunk::<TAG>().ok_or(Rotten)?;
        key.verify(body, tag).map_err(|_| Rotten)?;
        let (head, directory) = body.split_at_checked(HEAD).ok_or(Rotten)?;
        if *head != directory_head(source) {
            return Err(Rotten);
        }
        Ok(Filed {
            pack: entry(number, &said),
            directory: Directory::decode(directory).map_err(|_| Rotten)?,
        })
    }

    fn read(&self, number: u32, source: &Source, key: &LocalStateKey) -> Result<Said, Rotten> {
        let mut record = [0; RECORD];
        self.packs.read_at(self.at(number)?, &mut record)?;
        parse(&record, source, key)
    }

    fn at(&self, number: u32) -> Result<u64, Rotten> {
        let behind = number.checked_sub(self.first).ok_or(Rotten)?;
        Ok(u64::from(behind) * RECORD as u64)
    }
}

fn entry(number: u32, said: &Said) -> PackEntry {
    PackEntry {
        number,
        name: said.name,
        length: u64::from(said.length),
        reliable: false,
    }
}

fn parse(record: &[u8; RECORD], source: &Source, key: &LocalStateKey) -> Result<Said, Rotten> {
    let (body, tag) = record.split_last_chunk::<TAG>().ok_or(Rotten)?;
    key.verify(body, tag).map_err(|_| Rotten)?;
    let kind = match array(body, 0) {
        [b'p', b'k', b'1', 0] => PackKind::Data,
        [b'p', b'k', b'1', 1] => PackKind::Meta,
        _ => return Err(Rotten),
    };
    if array(body, 4) != source.bytes() {
        return Err(Rotten);
    }
    let hash = ObjectHash::from_bytes(array(body, 16));
    Ok(Said {
        name: PackName { kind, hash },
        length: u32::from_le_bytes(array(body, 48)),
        directory_length: u32::from_le_bytes(array(body, 52)),
        directory_at: u64::from_le_bytes(array(body, 56)),
    })
}

fn directory_head(source: &Source) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let (magic, place) = head.split_at_mut(4);
    magic.copy_from_slice(b"dir1");
    place.copy_from_slice(&source.bytes());
    head
}

/// A part that grows.
pub(super) struct PartWriter {
    pub(super) first: u32,
    packs: Sink,
    directories: Sink,
    key: Arc<LocalStateKey>,
}

/// Lengths of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lengths {
    pub(super) packs: u64,
    pub(super) directories: u64,
}

impl PartWriter {
    pub(super) fn new(
        first: u32,
        (packs, directories): (Sink, Sink),
        key: &Arc<LocalStateKey>,
    ) -> Self {
        Self {
            first,
            packs,
            directories,
            key: Arc::clone(key),
        }
    }

    pub(super) fn push(&mut self, source: &Source, pack: &IndexedPack) -> io::Result<()> {
        let directory = pack.directory.encode();
        let mut body = vec![b'p', b'k', b'1', u8::from(pack.name.kind == PackKind::Meta)];
        body.extend_from_slice(&source.bytes());
        body.extend_from_slice(pack.name.hash.as_bytes());
        body.extend_from_slice(&pack.length.to_le_bytes());
        // A directory is part of a segment, and those are far below 4 GiB.
        let length = u32::try_from(directory.len()).unwrap_or(u32::MAX);
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&self.directories.position().to_le_bytes());
        self.tagged(&mut body);
        self.packs.push(&body)?;
        let mut body = directory_head(source).to_vec();
        body.extend_from_slice(&directory);
        self.tagged(&mut body);
        self.directories.push(&body)
    }

    /// Keeps the numbers of packs that nobody knows any more. What has no tag is never believed.
    pub(super) fn skip(&mut self, count: u32) -> io::Result<()> {
        (0..count).try_for_each(|_| self.packs.push(&[0; RECORD]))
    }

    fn tagged(&self, body: &mut Vec<u8>) {
        let tag = self.key.tag(body);
        body.extend_from_slice(&tag);
    }

    pub(super) fn finish(self) -> io::Result<(Part, Lengths)> {
        let lengths = Lengths {
            packs: self.packs.position(),
            directories: self.directories.position(),
        };
        let part = Part {
            first: self.first,
            packs: self.packs.finish()?,
            directories: self.directories.finish()?,
        };
        Ok((part, lengths))
    }
}

/// Length of the records of so many packs.
pub(super) fn length_of(packs: u32) -> u64 {
    u64::from(packs) * RECORD as u64
}
