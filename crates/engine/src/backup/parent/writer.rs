//! Writing a record while a backup runs.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ownkey_crypto::ObjectHasher;

use super::record::{Kept, Record};
use super::{Place, Seal};
use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::format::node::Node;
use crate::source::Fingerprint;
use crate::state::file;

/// Bytes compressed at once.
const GATHERED: usize = 64 << 10;

/// Writes the record of the backup that is running.
pub(crate) struct ParentWriter<'k> {
    place: &'k Place<'k>,
    name: String,
    path: PathBuf,
    sink: Option<zstd::stream::write::Encoder<'static, HashingFile>>,
    gathered: Vec<u8>,
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
            gathered: Vec::new(),
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
        Record::append(path, fingerprint, node, &mut self.gathered);
        self.write_from(GATHERED)
    }

    /// Adds an entry as the last record has it, in the order of the walk.
    pub(crate) fn keep(&mut self, kept: &Kept) -> Result<()> {
        kept.append(&mut self.gathered);
        self.write_from(GATHERED)
    }

    /// Writes what was gathered if it is so many bytes.
    fn write_from(&mut self, least: usize) -> Result<()> {
        if self.gathered.len() < least {
            return Ok(());
        }
        let sink = self.sink.as_mut().ok_or(Error::WorkerLost)?;
        let written = sink.write_all(&self.gathered);
        self.gathered.clear();
        written.map_err(Error::local("write", &self.path))
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
        self.write_from(0)?;
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
