//! The record of the last backup of the same sources: what makes an unchanged file cost one
//! `statx`.
//!
//! The walk and the record have the same order, so they are merged like two sorted lists and
//! neither is ever wholly in memory. A record is a data file of zstd frames and a small seal
//! beside it, tagged with this device's key, that tells how much of the data counts. A record
//! that is missing, or whose data does not match its seal, costs reading everything again.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ownkey_crypto::{LocalStateKey, ObjectHash, ObjectHasher, PackKind};

use crate::error::{Error, Result};
use crate::format::cbor;
use crate::format::entry::PackName;
use crate::format::node::Node;
use crate::format::time::Timestamp;
use crate::source::{FileId, Fingerprint};
use crate::state::file;

/// One entry as it was backed up last.
pub(crate) struct Record {
    path: Vec<u8>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) node: Node,
}

/// Bytes before the path: length of the path, then the fingerprint.
const HEAD: usize = 4 + 8 + 12 + 12 + 16;
/// Longest record read: a path and a node.
const RECORD_LIMIT: usize = (16 << 20) + (1 << 20);
/// Longest seal: 2^20 packs.
const SEAL_LIMIT: u64 = 64 << 20;

/// The order of a walk: a directory, what is in it, then what follows it. No name contains NUL,
/// so taking `/` for it sorts components as wholes.
fn walk_order(a: &[u8], b: &[u8]) -> Ordering {
    let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    a.iter().map(key).cmp(b.iter().map(key))
}

impl Record {
    fn append(path: &[u8], fingerprint: &Fingerprint, node: &Node, to: &mut Vec<u8>) {
        let word = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let node = cbor::encode(node);
        to.extend_from_slice(&word(HEAD + path.len() + node.len()));
        to.extend_from_slice(&word(path.len()));
        to.extend_from_slice(&fingerprint.size.to_le_bytes());
        for time in [fingerprint.mtime, fingerprint.ctime] {
            to.extend_from_slice(&time.seconds.to_le_bytes());
            to.extend_from_slice(&time.nanoseconds.to_le_bytes());
        }
        to.extend_from_slice(&fingerprint.id.dev.to_le_bytes());
        to.extend_from_slice(&fingerprint.id.ino.to_le_bytes());
        to.extend_from_slice(path);
        to.extend_from_slice(&node);
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut at = Fields(bytes);
        let path_length = u32::from_le_bytes(at.take()?) as usize;
        let size = u64::from_le_bytes(at.take()?);
        let mut time = || {
            Timestamp::new(
                i64::from_le_bytes(at.take()?),
                u32::from_le_bytes(at.take()?),
            )
        };
        let (mtime, ctime) = (time()?, time()?);
        let id = FileId {
            dev: u64::from_le_bytes(at.take()?),
            ino: u64::from_le_bytes(at.take()?),
        };
        let (path, node) = at.0.split_at_checked(path_length)?;
        let node = cbor::decode_claim(node).ok()?;
        Some(Self {
            path: path.to_vec(),
            fingerprint: Fingerprint {
                size,
                mtime,
                ctime,
                id,
            },
            node,
        })
    }
}

struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}

/// What counts of a data file, and on which packs it relies.
struct Seal {
    data: String,
    length: u64,
    hash: ObjectHash,
    relied: HashSet<PackName>,
}

impl Seal {
    /// `u64 length ‖ hash ‖ 16 characters of the data file's name ‖ packs as kind ‖ hash`.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.length.to_le_bytes().to_vec();
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
        let data = BufReader::new(File::open(&path).ok()?.take(seal.length));
        let entries = zstd::stream::read::Decoder::with_buffer(data).ok()?;
        Some(
            ParentReader {
                entries,
                next: None,
                relied: seal.relied,
            }
            .advanced(),
        )
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

/// Reads a record in step with the walk.
pub(crate) struct ParentReader {
    entries: zstd::stream::read::Decoder<'static, BufReader<std::io::Take<File>>>,
    next: Option<Record>,
    relied: HashSet<PackName>,
}

impl ParentReader {
    /// Packs on which what it records relies.
    pub(crate) fn relied(&self) -> &HashSet<PackName> {
        &self.relied
    }

    /// What is recorded of `path`. Paths must be asked for in the order of the walk.
    pub(crate) fn find(&mut self, path: &[u8]) -> Option<&Record> {
        loop {
            match walk_order(&self.next.as_ref()?.path, path) {
                Ordering::Less => self.advance(),
                Ordering::Equal => return self.next.as_ref(),
                Ordering::Greater => return None,
            }
        }
    }

    fn advanced(mut self) -> Self {
        self.advance();
        self
    }

    fn advance(&mut self) {
        // The data was compared with its seal, so an unreadable record is the end.
        self.next = self.read_record().ok().flatten();
    }

    fn read_record(&mut self) -> std::io::Result<Option<Record>> {
        let mut length = [0; 4];
        self.entries.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > RECORD_LIMIT {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        self.entries.read_exact(&mut bytes)?;
        Ok(Record::parse(&bytes))
    }
}

/// Writes the record of the backup that is running.
pub(crate) struct ParentWriter<'k> {
    place: &'k Place<'k>,
    name: String,
    path: PathBuf,
    sink: Option<zstd::stream::write::Encoder<'static, HashingFile>>,
    scratch: Vec<u8>,
}

impl<'k> ParentWriter<'k> {
    /// Begins a data file under the name `nonce`.
    pub(crate) fn begin(place: &'k Place<'k>, nonce: [u8; 8]) -> Result<Self> {
        let name: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = place.data(&name);
        file::make_folder(path.parent().unwrap_or(Path::new("/")))?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(Error::local("create", &path))?;
        let mut writer = Self {
            place,
            name,
            path,
            sink: None,
            scratch: Vec::new(),
        };
        writer.sink = Some(writer.encoder(HashingFile {
            file,
            hasher: ObjectHasher::new(),
            length: 0,
        })?);
        Ok(writer)
    }

    fn encoder(
        &self,
        file: HashingFile,
    ) -> Result<zstd::stream::write::Encoder<'static, HashingFile>> {
        zstd::stream::write::Encoder::new(file, 1).map_err(Error::local("compress", &self.path))
    }

    /// Adds an entry, in the order of the walk.
    pub(crate) fn add(
        &mut self,
        path: &[u8],
        fingerprint: &Fingerprint,
        node: &Node,
    ) -> Result<()> {
        self.scratch.clear();
        Record::append(path, fingerprint, node, &mut self.scratch);
        let Some(sink) = &mut self.sink else {
            return Err(Error::WorkerLost);
        };
        sink.write_all(&self.scratch)
            .map_err(Error::local("write", &self.path))
    }

    /// Makes what was added so far count, should this run be interrupted.
    pub(crate) fn checkpoint(&mut self, relied: HashSet<PackName>) -> Result<()> {
        let seal = self.seal(relied)?;
        file::write_authentic(&self.place.interrupted(), self.place.key, &seal.encode())
    }

    /// Makes all of it count, in place of what was there.
    pub(crate) fn finish(mut self, relied: HashSet<PackName>) -> Result<()> {
        let seal = self.seal(relied)?;
        file::write_authentic(&self.place.seal, self.place.key, &seal.encode())?;
        let _ = fs::remove_file(self.place.interrupted());
        self.place.keep_only(&self.name);
        Ok(())
    }

    fn seal(&mut self, relied: HashSet<PackName>) -> Result<Seal> {
        let sink = self.sink.take().ok_or(Error::WorkerLost)?;
        let file = sink.finish().map_err(Error::local("write", &self.path))?;
        file.file
            .sync_all()
            .map_err(Error::local("sync", &self.path))?;
        let seal = Seal {
            data: self.name.clone(),
            length: file.length,
            hash: file.hasher.finish(),
            relied,
        };
        self.sink = Some(self.encoder(file)?);
        Ok(seal)
    }
}

/// A file that knows the hash of what was written to it.
struct HashingFile {
    file: File,
    hasher: ObjectHasher,
    length: u64,
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::name::Name;
    use crate::format::node::{Metadata, NodeKind};

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
    fn the_order_is_that_of_a_walk_over_sorted_names() {
        let paths: [&[u8]; 6] = [b"/a", b"/a/b", b"/a/b/c", b"/a/c", b"/a-b", b"/a0"];
        assert!(paths.is_sorted_by(|a, b| walk_order(a, b) == Ordering::Less));
    }

    #[test]
    fn a_record_is_found_in_step_and_a_damaged_one_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let key = LocalStateKey::from_seed(&ownkey_crypto::IdentitySeed::from_file_bytes([3; 32]));
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
}
