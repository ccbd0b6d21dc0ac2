//! A small repository with repeatable keys, and the text format of the vector files.

use ownkey_crypto::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Repeatable bytes: the n-th call reads from BLAKE3-XOF(seed, n).
pub(crate) struct SeededRandom {
    seed: [u8; 32],
    calls: AtomicU64,
}

impl SeededRandom {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            seed: [seed; 32],
            calls: AtomicU64::new(0),
        }
    }
}

impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        blake3::Hasher::new_keyed(&self.seed)
            .update(&call.to_le_bytes())
            .finalize_xof()
            .fill(out);
        Ok(())
    }
}

pub(crate) struct BrokenRandom;

impl Random for BrokenRandom {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomFailed> {
        Err(RandomFailed)
    }
}

/// The keys of one repository and of its admin.
pub(crate) struct World {
    pub(crate) repo: RepoId,
    pub(crate) epoch: Epoch,
    pub(crate) admin: Identity,
    pub(crate) hedge: Hedge,
    pub(crate) read: ReadKey,
    pub(crate) reader: ReaderKeys,
    pub(crate) log: LogKeys,
    pub(crate) names: NameKeys,
}

pub(crate) fn seed(byte: u8) -> IdentitySeed {
    IdentitySeed::from_file_bytes(&[byte; 32])
}

pub(crate) fn identity(byte: u8) -> Identity {
    Identity::from_seed(&seed(byte))
}

pub(crate) fn read_key(byte: u8) -> ReadKey {
    ReadKey::generate(&SeededRandom::new(byte)).unwrap()
}

pub(crate) fn log_key(byte: u8) -> LogKey {
    LogKey::generate(&SeededRandom::new(byte)).unwrap()
}

pub(crate) fn dedup_key(byte: u8) -> DedupKey {
    DedupKey::generate(&SeededRandom::new(byte)).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(RepoId::of_genesis(b"genesis"), Epoch::FIRST)
    }

    /// The same keys in another repository or epoch.
    pub(crate) fn of(repo: RepoId, epoch: Epoch) -> Self {
        let read = read_key(1);
        Self {
            repo,
            epoch,
            admin: identity(1),
            hedge: Hedge::new(&seed(1), Arc::new(SeededRandom::new(4))),
            reader: ReaderKeys::new(&read, &repo, epoch),
            read,
            log: LogKeys::new(&log_key(2), &repo, epoch),
            names: NameKeys::new(&dedup_key(3), &repo),
        }
    }

    pub(crate) fn write_only(&self) -> WriterKeys {
        WriterKeys::write_only(&self.reader.read_kem_public(), &self.repo, self.epoch)
    }

    pub(crate) fn frame(&self, text: &str) -> FrameInput {
        let length = u32::try_from(text.len()).unwrap();
        FrameInput {
            chunk_type: ChunkType::Content,
            codec: Codec::Stored,
            plain_len: length,
            chunks: vec![(
                self.names.chunk_id(ChunkType::Content, text.as_bytes()),
                length,
            )],
            stored: text.as_bytes().to_vec(),
        }
    }

    pub(crate) fn pack(&self, texts: &[&str]) -> SealedPack {
        let frames = texts.iter().map(|text| self.frame(text)).collect();
        seal_pack(
            &self.reader.writer(),
            PackInput {
                parity: None,
                kind: PackKind::Data,
                padding: PackPadding::Padme,
                frames,
            },
            &self.hedge,
        )
        .unwrap()
    }

    /// Everything a reader of a whole pack does but the comparison with its name.
    pub(crate) fn open_pack(&self, pack: &[u8]) -> Result<Vec<Vec<u8>>, OpenError> {
        let opener = PackOpener::new(&self.reader, PackKind::Data, pack)?;
        let directory = opener.open_whole(pack)?;
        let mut frames = Vec::new();
        for (number, frame) in directory.frames().iter().enumerate() {
            let opened = opener.open_frame(u32::try_from(number).unwrap(), stored(pack, frame))?;
            for (id, length) in &frame.chunks {
                assert_eq!(usize::try_from(*length).unwrap(), opened.len());
                self.names
                    .verify_chunk(frame.chunk_type, id, opened.as_bytes())?;
            }
            frames.push(opened.as_bytes().to_vec());
        }
        Ok(frames)
    }
}

/// A frame's bytes in its pack, tag included.
pub(crate) fn stored<'a>(pack: &'a [u8], frame: &FrameEntry) -> &'a [u8] {
    let range = frame.range();
    &pack[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd hex");
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

pub(crate) fn unhex_array<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().unwrap()
}

/// `[section]`, `key = value` and `#` comments, sections in the order of the file.
pub(crate) fn sections(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut all: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            all.push((name.to_owned(), BTreeMap::new()));
        } else {
            let (key, value) = line.split_once('=').unwrap();
            all.last_mut()
                .unwrap()
                .1
                .insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    all
}
