//! The record of the last backup of the same sources: what makes an unchanged file cost one
//! `statx`.
//!
//! The walk and the record have the same order, so they are merged like two sorted lists and
//! neither is ever wholly in memory. A record is a data file of zstd frames and a small seal
//! beside it, tagged with this device's key, that tells how much of the data counts. A record
//! that is missing, or whose data does not match its seal, costs reading everything again.

mod reader;
mod record;
mod writer;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use ownkey_crypto::{LocalStateKey, ObjectHash, ObjectHasher, PackKind};

use crate::format::entry::PackName;
use crate::state::file;
pub(crate) use reader::ParentReader;
use record::Fields;
pub(crate) use record::{Kept, Nature, Record};
pub(crate) use writer::ParentWriter;

/// What a record looks like inside; one that looks otherwise is none.
const MAGIC: &[u8; 4] = b"par2";
/// Longest seal: 2^20 packs.
const SEAL_LIMIT: u64 = 64 << 20;

/// What counts of a data file, and on which packs it relies.
struct Seal {
    data: String,
    length: u64,
    hash: ObjectHash,
    relied: HashSet<PackName>,
}

impl Seal {
    /// `"par2" ‖ u64 length ‖ hash ‖ 16 characters of the data file's name ‖ packs as kind ‖ hash`.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(self.hash.as_bytes());
        bytes.extend_from_slice(self.data.as_bytes());
        for pack in &self.relied {
            bytes.push(u8::from(pack.kind == PackKind::Meta));
            bytes.extend_from_slice(pack.hash.as_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut at = Fields(bytes);
        if at.take()? != *MAGIC {
            return None;
        }
        let length = u64::from_le_bytes(at.take()?);
        let hash = ObjectHash::from_bytes(at.take()?);
        let data = String::from_utf8(at.take::<16>()?.to_vec()).ok()?;
        let (packs, rest) = at.0.as_chunks::<33>();
        let relied = packs.iter().map(|[kind, hash @ ..]| PackName {
            kind: if *kind == 0 {
                PackKind::Data
            } else {
                PackKind::Meta
            },
            hash: ObjectHash::from_bytes(*hash),
        });
        rest.is_empty().then(|| Self {
            data,
            length,
            hash,
            relied: relied.collect(),
        })
    }
}

/// Where the records of one set of sources are.
pub(crate) struct Place<'k> {
    /// Path of the seal of a finished backup.
    seal: PathBuf,
    key: &'k LocalStateKey,
}

impl<'k> Place<'k> {
    pub(crate) fn new(seal: PathBuf, key: &'k LocalStateKey) -> Self {
        Self { seal, key }
    }

    fn with(&self, suffix: &str) -> PathBuf {
        let mut name = self.seal.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        self.seal.with_file_name(name)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.with(&format!(".{name}.data"))
    }

    fn interrupted(&self) -> PathBuf {
        self.with(".interrupted")
    }

    /// The records to compare with, the better one first: that of an interrupted run, then that
    /// of the last finished one.
    pub(crate) fn read(&self) -> Vec<ParentReader> {
        [self.interrupted(), self.seal.clone()]
            .iter()
            .filter_map(|seal| self.open(seal))
            .collect()
    }

    fn open(&self, seal: &Path) -> Option<ParentReader> {
        let seal = file::read_authentic(seal, self.key, SEAL_LIMIT).ok()??;
        let seal = Seal::decode(&seal)?;
        let path = self.data(&seal.data);
        if hash_of(&path, seal.length).ok()? != seal.hash {
            return None;
        }
        let data = File::open(&path).ok()?.take(seal.length);
        ParentReader::of(data, seal.relied).ok()
    }

    fn keep_only(&self, data: &str) {
        // Left-overs cost disk and nothing else; the next run tries again.
        let keep = self.data(data);
        let prefix = self.seal.file_name().unwrap_or_default().to_owned();
        let Some(folder) = self.seal.parent() else {
            return;
        };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let ours = entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(prefix.as_encoded_bytes());
            if ours
                && path
                    .extension()
                    .is_some_and(|extension| extension == "data")
                && path != keep
            {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn hash_of(path: &Path, length: u64) -> std::io::Result<ObjectHash> {
    let mut file = File::open(path)?.take(length);
    let mut hasher = ObjectHasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cbor;
    use crate::format::name::Name;
    use crate::format::node::{Metadata, Node, NodeKind, Stream};
    use crate::format::time::Timestamp;
    use crate::source::{FileId, Fingerprint};

    fn entry(path: &[u8], size: u64) -> (Vec<u8>, Fingerprint, Node) {
        let time = Timestamp::new(-5, 7).unwrap();
        let fingerprint = Fingerprint {
            size,
            mtime: time,
            ctime: time,
            id: FileId { dev: 1, ino: size },
        };
        let name = Name::new(path.rsplit(|b| *b == b'/').next().unwrap()).unwrap();
        (
            path.to_vec(),
            fingerprint,
            Node {
                name,
                metadata: Metadata::default(),
                kind: NodeKind::Fifo,
            },
        )
    }

    #[test]
    fn a_record_is_found_in_step_and_a_damaged_one_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let key = LocalStateKey::from_seed(&ownkey_crypto::IdentitySeed::from_file_bytes(&[3; 32]));
        let place = Place::new(folder.path().join("parent-x"), &key);
        assert!(place.read().is_empty());
        let mut writer = ParentWriter::begin(&place, [1; 8]).unwrap();
        for (path, fingerprint, node) in [entry(b"/a", 1), entry(b"/a/b", 2)] {
            writer.add(&path, &fingerprint, &node).unwrap();
        }
        writer.checkpoint(HashSet::new()).unwrap();
        let (path, fingerprint, node) = entry(b"/c", 3);
        writer.add(&path, &fingerprint, &node).unwrap();

        let mut interrupted = place.read().pop().unwrap();
        assert_eq!(interrupted.find(b"/a/b").unwrap().fingerprint.size, 2);
        assert!(
            interrupted.find(b"/c").is_none(),
            "it was added after the checkpoint"
        );

        let pack = PackName {
            kind: PackKind::Meta,
            hash: ObjectHash::from_bytes([8; 32]),
        };
        writer.finish([pack].into()).unwrap();
        let mut whole = place.read().pop().unwrap();
        assert_eq!(place.read().len(), 1, "the interrupted run is over");
        assert_eq!(whole.relied(), &[pack].into());
        assert!(whole.find(b"/a/a").is_none());
        assert_eq!(whole.find(b"/a/b").unwrap().fingerprint.size, 2);
        assert_eq!(whole.find(b"/c").unwrap().fingerprint.size, 3);

        let data = place.data("0101010101010101");
        let mut bytes = fs::read(&data).unwrap();
        bytes[10] ^= 1;
        fs::write(&data, bytes).unwrap();
        assert!(place.read().is_empty());
    }

    #[test]
    fn what_is_taken_over_is_the_same_in_the_next_record() {
        let folder = tempfile::tempdir().unwrap();
        let key = LocalStateKey::from_seed(&ownkey_crypto::IdentitySeed::from_file_bytes(&[3; 32]));
        let place = Place::new(folder.path().join("parent-x"), &key);
        let (path, fingerprint, mut node) = entry(b"/a", 1);
        node.kind = NodeKind::File {
            size: 0,
            content: Stream::default(),
            extents: None,
        };
        let mut first = ParentWriter::begin(&place, [1; 8]).unwrap();
        first.add(&path, &fingerprint, &node).unwrap();
        first.finish(HashSet::new()).unwrap();

        let mut read = place.read().pop().unwrap();
        let kept = read.find(b"/a").unwrap().kept();
        let mut canonical = Vec::new();
        cbor::append(&node, &mut canonical);
        assert_eq!(kept.node(), canonical);
        let mut second = ParentWriter::begin(&place, [2; 8]).unwrap();
        second.keep(&kept).unwrap();
        second.finish(HashSet::new()).unwrap();

        let mut read = place.read().pop().unwrap();
        let record = read.find(b"/a").unwrap();
        assert_eq!(record.node(), Some(node));
        assert_eq!(record.nature, Nature::File(0));
        assert_eq!(record.fingerprint, fingerprint);
    }

    #[test]
    fn a_directory_and_a_name_of_several_are_incomplete() {
        let folder = tempfile::tempdir().unwrap();
        let key = LocalStateKey::from_seed(&ownkey_crypto::IdentitySeed::from_file_bytes(&[3; 32]));
        let place = Place::new(folder.path().join("parent-x"), &key);
        let (path, fingerprint, node) = entry(b"/a", 1);
        let mut linked = node.clone();
        linked.metadata.link_group = Some(7);
        let directory = Node {
            kind: NodeKind::Directory {
                content: Stream::default(),
            },
            ..node.clone()
        };
        let expected = [Nature::Other, Nature::Incomplete, Nature::Incomplete];
        for (nature, node) in expected.into_iter().zip([node, linked, directory]) {
            let mut writer = ParentWriter::begin(&place, [1; 8]).unwrap();
            writer.add(&path, &fingerprint, &node).unwrap();
            writer.finish(HashSet::new()).unwrap();
            let mut read = place.read().pop().unwrap();
            assert_eq!(read.find(&path).unwrap().nature, nature);
            fs::remove_file(place.data("0101010101010101")).unwrap();
        }
    }
}
