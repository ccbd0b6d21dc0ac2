//! Packs, the opening side (docs/format.md §9): whole, or by ranges.
//!
//! It promises that the header and its key commitment are checked once, before any frame is decrypted, and that a directory
//! comes out only if it accounts for every byte between header and trailer. Who reads a whole pack compares its hash with
//! its name first; who reads a range relies on the tags. Chunk ids are checked by [`crate::NameKeys::verify_chunk`].

use crate::aead::{FrameKey, FrameSlot, FrameType, TAG_LEN};
use crate::bytes::{Reader, wide};
use crate::directory::Directory;
use crate::epoch_keys::ReaderKeys;
use crate::error::OpenError;
use crate::header::{Header, MAX_OBJECT};
use crate::pack::{PackKind, TRAILER_LEN};
use crate::sealed::Opened;
use std::ops::Range;

/// Trailer with its tag.
const SEALED_TRAILER_LEN: u64 = 48;
const TAG: u64 = 16;

/// The key of one pack.
pub struct PackOpener {
    key: FrameKey,
    header_len: u64,
    parity: u64,
}

/// Where a pack's directory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    directory_offset: u64,
    directory_len: u32,
    frames: u32,
}

impl Trailer {
    /// The range of the sealed directory, tag included.
    #[must_use]
    pub fn directory_range(&self) -> Range<u64> {
        let end = self
            .directory_offset
            .saturating_add(u64::from(self.directory_len))
            .saturating_add(TAG);
        self.directory_offset..end
    }
}

impl PackOpener {
    /// From the beginning of a pack: its first [`crate::MAX_HEADER_LEN`] bytes suffice, or all of it if it is shorter.
    ///
    /// # Errors
    /// [`OpenError`], in the order of docs/format.md §5.
    pub fn new(keys: &ReaderKeys, kind: PackKind, start: &[u8]) -> Result<Self, OpenError> {
        let header = Header::parse(start)?;
        let key = header.key(&keys.label(kind.class(), ""), &keys.pack_ways())?;
        Ok(Self {
            key,
            header_len: wide(header.bytes.len()),
            parity: u64::from(header.parity),
        })
    }

    /// Length of header and wrap in bytes.
    #[must_use]
    pub fn header_len(&self) -> u64 {
        self.header_len
    }

    /// Opens frame `number` from its stored bytes, tag included ([`crate::FrameEntry::range`]).
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`] for another frame, another pack or changed bytes; [`OpenError::TooShort`].
    pub fn open_frame(&self, number: u32, stored_with_tag: &[u8]) -> Result<Opened, OpenError> {
        let slot = FrameSlot {
            index: u64::from(number),
            kind: FrameType::Chunks,
        };
        self.key.open(slot, stored_with_tag).map(Opened::new)
    }

    /// Where the sealed trailer lies in a pack of `pack_len` bytes.
    ///
    /// # Errors
    /// [`OpenError::TooShort`], [`OpenError::TooLong`].
    pub fn trailer_range(&self, pack_len: u64) -> Result<Range<u64>, OpenError> {
        if pack_len > wide(MAX_OBJECT) {
            return Err(OpenError::TooLong);
        }
        let end = pack_len
            .checked_sub(self.parity)
            .ok_or(OpenError::TooShort)?;
        let start = end
            .checked_sub(SEALED_TRAILER_LEN)
            .ok_or(OpenError::TooShort)?;
        if start < self.header_len {
            Err(OpenError::TooShort)
        } else {
            Ok(start..end)
        }
    }

    /// Opens the trailer of a pack of `pack_len` bytes from the bytes of [`PackOpener::trailer_range`].
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`], also if it speaks of a pack of another length; [`OpenError::Malformed`].
    pub fn open_trailer(&self, bytes: &[u8], pack_len: u64) -> Result<Trailer, OpenError> {
        let place = self.trailer_range(pack_len)?;
        if wide(bytes.len()) != SEALED_TRAILER_LEN {
            return Err(OpenError::TooShort);
        }
        let plaintext = self.key.open(FrameSlot::only(FrameType::Trailer), bytes)?;
        let fields = <[u8; TRAILER_LEN]>::try_from(plaintext).map_err(|_| OpenError::Malformed)?;
        let mut reader = Reader::new(&fields);
        let bad = |_| OpenError::Malformed;
        let directory_offset = reader.u64().map_err(bad)?;
        let (directory_len, frames) = (reader.u32().map_err(bad)?, reader.u32().map_err(bad)?);
        let (length, zero) = (reader.u64().map_err(bad)?, reader.u64().map_err(bad)?);
        let trailer = Trailer {
            directory_offset,
            directory_len,
            frames,
        };
        let directory = trailer.directory_range();
        let in_place = directory.start >= self.header_len && directory.end == place.start;
        // A true trailer at another place: frames were taken out or put in.
        if length != place.end {
            return Err(OpenError::NotAuthentic);
        }
        if zero != 0 || !in_place {
            return Err(OpenError::Malformed);
        }
        Ok(trailer)
    }

    /// Opens the directory from the bytes of [`Trailer::directory_range`].
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`]; [`OpenError::Malformed`] if it does not account for the bytes before it.
    pub fn open_directory(&self, bytes: &[u8], trailer: &Trailer) -> Result<Directory, OpenError> {
        let stored = bytes
            .len()
            .checked_sub(TAG_LEN)
            .ok_or(OpenError::TooShort)?;
        if wide(stored) != u64::from(trailer.directory_len) {
            return Err(OpenError::TooShort);
        }
        let directory = Directory::decode(
            &self
                .key
                .open(FrameSlot::only(FrameType::Directory), bytes)?,
        )?;
        let bounds = directory.bounds().ok_or(OpenError::Malformed)?;
        let room_for_padding = bounds.end.saturating_add(TAG) <= trailer.directory_offset;
        let count = wide(directory.frames().len()) == u64::from(trailer.frames);
        if bounds.start != self.header_len || !room_for_padding || !count {
            return Err(OpenError::Malformed);
        }
        Ok(directory)
    }

    /// Opens trailer, directory and padding of a whole pack; its frames are then opened one by one.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_whole(&self, pack: &[u8]) -> Result<Directory, OpenError> {
        let pack_len = wide(pack.len());
        let trailer = self.open_trailer(slice(pack, self.trailer_range(pack_len)?)?, pack_len)?;
        let directory = self.open_directory(slice(pack, trailer.directory_range())?, &trailer)?;
        let end = directory.bounds().ok_or(OpenError::Malformed)?.end;
        let padding = slice(pack, end..trailer.directory_offset)?;
        let zeros = self
            .key
            .open(FrameSlot::only(FrameType::Padding), padding)?;
        if zeros.iter().any(|&byte| byte != 0) {
            return Err(OpenError::Malformed);
        }
        Ok(directory)
    }
}

fn slice(pack: &[u8], range: Range<u64>) -> Result<&[u8], OpenError> {
    let at = |position| usize::try_from(position).map_err(|_| OpenError::TooShort);
    pack.get(at(range.start)?..at(range.end)?)
        .ok_or(OpenError::TooShort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::audit;
    use crate::directory::{ChunkType, Codec};
    use crate::error::SealError;
    use crate::header::{HEADER_LEN, MAX_HEADER_LEN};
    use crate::hedge::Hedge;
    use crate::identity::IdentitySeed;
    use crate::ids::{ChunkId, Epoch, RepoId};
    use crate::keys::ReadKey;
    use crate::pack::{FrameInput, PackInput, PackPadding, ParityCode, seal_pack};
    use crate::random::testing::{SeededRandom, StuckRandom};
    use crate::{Random, WriterKeys};
    use std::collections::HashSet;
    use std::sync::Arc;

    const REPO: RepoId = RepoId::from_bytes([9; 32]);

    fn keys() -> ReaderKeys {
        ReaderKeys::new(
            &ReadKey::generate(&SeededRandom::new(1)).unwrap(),
            &REPO,
            Epoch::FIRST,
        )
    }

    fn hedge(random: impl Random + 'static) -> Hedge {
        Hedge::new(&IdentitySeed::from_file_bytes(&[1; 32]), Arc::new(random))
    }

    fn frame(byte: u8) -> FrameInput {
        FrameInput {
            chunk_type: ChunkType::Content,
            codec: Codec::Stored,
            plain_len: 40,
            chunks: vec![(ChunkId::from_bytes([byte; 32]), 40)],
            stored: vec![byte; 40],
        }
    }

    fn pack(writer: &WriterKeys, hedge: &Hedge) -> Vec<u8> {
        let frames = vec![frame(1), frame(2)];
        let input = PackInput {
            parity: None,
            kind: PackKind::Data,
            padding: PackPadding::Padme,
            frames,
        };
        seal_pack(writer, input, hedge).unwrap().sealed.into_bytes()
    }

    #[test]
    fn a_changed_header_or_wrap_is_refused_before_any_aead_call() {
        let (keys, hedge) = (keys(), hedge(SeededRandom::new(2)));
        let write_only = WriterKeys::write_only(&keys.read_kem_public(), &REPO, Epoch::FIRST);
        for (writer, header_len) in [(keys.writer(), HEADER_LEN), (write_only, MAX_HEADER_LEN)] {
            let good = pack(&writer, &hedge);
            let before = audit::opened();
            // Every bit of the fixed header; every 37th byte of the wrap, and its last.
            let wrap = (HEADER_LEN..header_len).step_by(37).chain([header_len - 1]);
            for at in (0..HEADER_LEN).chain(wrap) {
                for bit in 0..8 {
                    let mut bad = good.clone();
                    bad[at] ^= 1 << bit;
                    assert!(
                        PackOpener::new(&keys, PackKind::Data, &bad).is_err(),
                        "byte {at} bit {bit}"
                    );
                }
            }
            assert_eq!(audit::opened(), before, "no AEAD call");
            let opener = PackOpener::new(&keys, PackKind::Data, &good).unwrap();
            assert!(
                opener.open_whole(&good).is_ok() && audit::opened() > before,
                "the counter counts"
            );
        }
    }

    #[test]
    fn a_pack_with_parity_opens_and_its_length_is_part_of_the_key() {
        let (keys, hedge) = (keys(), hedge(SeededRandom::new(5)));
        let seal = |section: fn(&[u8]) -> Vec<u8>| {
            let input = PackInput {
                parity: Some(ParityCode {
                    length: |before| before / 4,
                    section,
                }),
                kind: PackKind::Data,
                padding: PackPadding::Padme,
                frames: vec![frame(1)],
            };
            seal_pack(&keys.writer(), input, &hedge)
        };
        let sealed = seal(|before| vec![7; before.len() / 4]).unwrap();
        let hash = sealed.hash;
        let mut pack = sealed.sealed.into_bytes();
        assert_eq!(
            crate::object_hash(&pack),
            hash,
            "the name covers the parity"
        );
        let opener = PackOpener::new(&keys, PackKind::Data, &pack).unwrap();
        assert_eq!(opener.open_whole(&pack).as_ref(), Ok(&sealed.directory));
        // What the section says is nobody's business here.
        let last = pack.len() - 1;
        pack[last] ^= 1;
        assert!(opener.open_whole(&pack).is_ok());
        pack[HEADER_LEN - 4] ^= 1;
        assert!(PackOpener::new(&keys, PackKind::Data, &pack).is_err());
        assert_eq!(seal(|_| vec![7; 3]).err(), Some(SealError::BadFrame));
    }

    #[test]
    fn ten_thousand_packs_repeat_no_key_and_nonce_even_with_a_stuck_generator() {
        let (keys, hedge) = (keys(), hedge(StuckRandom));
        let writer = keys.writer();
        let before = (audit::sealed(), audit::repeated());
        let mut salts = HashSet::new();
        for _ in 0..10_000 {
            salts.insert(pack(&writer, &hedge)[44..76].to_vec());
        }
        assert_eq!(salts.len(), 10_000);
        // Two frames, padding, directory, trailer.
        assert_eq!(
            (audit::sealed() - before.0, audit::repeated() - before.1),
            (50_000, 0)
        );
    }

    #[test]
    fn a_cloned_machine_repeats_a_salt_only_with_the_identical_pack() {
        let keys = keys();
        let (one, clone) = (hedge(StuckRandom), hedge(StuckRandom));
        assert_eq!(pack(&keys.writer(), &one), pack(&keys.writer(), &clone));
        let changed = seal_pack(
            &keys.writer(),
            PackInput {
                parity: None,
                kind: PackKind::Data,
                padding: PackPadding::Padme,
                frames: vec![frame(3)],
            },
            &clone,
        );
        let changed = changed.unwrap().sealed.into_bytes();
        assert_ne!(pack(&keys.writer(), &one)[44..76], changed[44..76]);
    }

    /// A pack of one 40-byte frame by somebody who has the keys and breaks the format: directory, trailer and padding are
    /// as given, and sealed truly.
    fn crafted(
        keys: &ReaderKeys,
        directory: &Directory,
        trailer: [u64; 5],
        padding: &[u8],
    ) -> Vec<u8> {
        let writer = keys.writer();
        let label = writer.label(PackKind::Data.class(), "");
        let begun = crate::header::begin(
            &label,
            &writer.pack_way(),
            ([0; 32], 0),
            &hedge(SeededRandom::new(3)),
        )
        .unwrap();
        let [offset, directory_len, frames, length, zero] = trailer.map(u64::to_le_bytes);
        let trailer = [
            &offset[..],
            &directory_len[..4],
            &frames[..4],
            &length,
            &zero,
        ]
        .concat();
        let mut pack = begun.header;
        let frame = FrameSlot {
            index: 0,
            kind: FrameType::Chunks,
        };
        let parts = [
            (frame, vec![1; 40]),
            (FrameSlot::only(FrameType::Padding), padding.to_vec()),
            (FrameSlot::only(FrameType::Directory), directory.encode()),
            (FrameSlot::only(FrameType::Trailer), trailer),
        ];
        for (slot, plaintext) in parts {
            let start = pack.len();
            pack.extend_from_slice(&plaintext);
            begun.key.seal_tail(slot, &mut pack, start).unwrap();
        }
        pack
    }

    #[test]
    fn a_directory_of_an_author_who_breaks_the_format_is_refused_as_malformed() {
        let keys = keys();
        let chunks = vec![(ChunkId::from_bytes([1; 32]), 40)];
        let at = |offset: u32| crate::directory::FrameEntry {
            offset,
            stored_len: 40,
            plain_len: 40,
            codec: Codec::Stored,
            chunk_type: ChunkType::Content,
            chunks: chunks.clone(),
        };
        let honest = Directory::new(vec![at(112)]);
        // Header 112, frame 56, padding 8 + 16, directory 60 + 16, trailer 48.
        let trailer = [192, 60, 1, 316, 0];
        let open = |directory: &Directory, trailer: [u64; 5], padding: &[u8]| {
            let pack = crafted(&keys, directory, trailer, padding);
            PackOpener::new(&keys, PackKind::Data, &pack)
                .unwrap()
                .open_whole(&pack)
        };
        assert_eq!(open(&honest, trailer, &[0; 8]).as_ref(), Ok(&honest));

        let malformed = Err(OpenError::Malformed);
        assert_eq!(
            open(&honest, trailer, &[0, 0, 0, 1, 0, 0, 0, 0]),
            malformed,
            "padding that is not zero"
        );
        assert_eq!(
            open(&Directory::new(vec![at(1232)]), trailer, &[0; 8]),
            malformed,
            "beyond the pack"
        );
        assert_eq!(
            open(&Directory::new(vec![at(120)]), trailer, &[0; 8]),
            malformed,
            "a gap"
        );
        assert_eq!(
            open(&honest, [192, 60, 2, 316, 0], &[0; 8]),
            malformed,
            "another count"
        );
        assert_eq!(
            open(&honest, [192, 60, 1, 316, 1], &[0; 8]),
            malformed,
            "a reserved field"
        );
        for (offset, length) in [(191, 60), (193, 59), (u64::MAX, 60), (0, 252), (100, 152)] {
            assert_eq!(
                open(&honest, [offset, length, 1, 316, 0], &[0; 8]).ok(),
                None,
                "{offset} {length}"
            );
        }
        let two = Directory::new(vec![at(112), at(168)]);
        // The second frame lies over padding and directory.
        assert_eq!(
            open(&two, [192, 116, 2, 372, 0], &[0; 8]),
            malformed,
            "frames into the directory"
        );
    }
}
