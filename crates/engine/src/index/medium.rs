//! Where the local files of an index lie: in the cache folder, unnamed on its disk, or in memory.
//!
//! One code for all three: a machine without a cache folder has the same index, and only its
//! memory differs. Nothing here is synced: what a crash tears is found by its tag and built anew.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Bytes gathered before they are written.
const GATHERED: usize = 256 << 10;

/// Something local cannot be believed or not be read: it is as good as not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rotten;

impl From<io::Error> for Rotten {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// Why the local files of an index could not be written.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What was there already cannot be believed.
    Rotten,
    /// The folder cannot be used.
    Folder,
    /// What no other folder would change.
    Engine(Error),
}

impl From<Rotten> for Trouble {
    fn from(_: Rotten) -> Self {
        Self::Rotten
    }
}

impl From<io::Error> for Trouble {
    fn from(_: io::Error) -> Self {
        Self::Folder
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// Bytes at positions, read by several threads at once.
#[derive(Debug)]
pub(super) enum Medium {
    File(File),
    Memory(Vec<u8>),
}

impl Medium {
    pub(super) fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Fills all of `into`.
    pub(super) fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(into, at),
            Self::Memory(bytes) => {
                let there = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
                let there = there.and_then(|there| there.get(..into.len()));
                into.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

/// Where new files of an index are made.
#[derive(Debug, Clone)]
pub(super) enum Workshop {
    /// In this folder, to stay.
    Folder(PathBuf),
    /// On the disk of this folder, without a name: gone with whoever holds them.
    Unnamed(PathBuf),
    Memory,
}

impl Workshop {
    /// An empty file of a name that is not used for anything else.
    pub(super) fn create(&self, name: &str) -> io::Result<Medium> {
        match self {
            Self::Folder(folder) => {
                let mut options = readable();
                options.create(true).truncate(true);
                options.open(folder.join(name)).map(Medium::File)
            }
            Self::Unnamed(folder) => {
                let path = folder.join(format!("unnamed-{}-{name}", std::process::id()));
                let file = readable().create_new(true).open(&path)?;
                match std::fs::remove_file(&path) {
                    // Whoever tidies the folder was quicker.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(Medium::File(file)),
                }
            }
            Self::Memory => Ok(Medium::Memory(Vec::new())),
        }
    }

    /// A file of this workshop to go on with behind its first `length` bytes, which must be there.
    pub(super) fn append(&self, name: &str, length: u64) -> Result<Sink, Trouble> {
        let medium = match self {
            Self::Folder(folder) if length > 0 => {
                let file = readable().open(folder.join(name)).map_err(Rotten::from)?;
                if file.metadata()?.len() < length {
                    return Err(Trouble::Rotten);
                }
                // What an interrupted run left behind it is nobody's.
                file.set_len(length)?;
                Medium::File(file)
            }
            _ => self.create(name)?,
        };
        Ok(Sink::new(medium, length))
    }
}

/// A file that is there, to read.
pub(super) fn open(path: &Path) -> io::Result<Medium> {
    File::open(path).map(Medium::File)
}

fn readable() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    options
}

/// A medium that grows at its end.
pub(super) struct Sink {
    medium: Medium,
    written: u64,
    gathered: Vec<u8>,
}

impl Sink {
    pub(super) fn new(medium: Medium, written: u64) -> Self {
        Self {
            medium,
            written,
            gathered: Vec::new(),
        }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.written + self.gathered.len() as u64
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() >= GATHERED {
            self.flush()?;
            return self.write(bytes);
        }
        self.gathered.extend_from_slice(bytes);
        match self.gathered.len() {
            GATHERED.. => self.flush(),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut gathered = std::mem::take(&mut self.gathered);
        self.write(&gathered)?;
        gathered.clear();
        self.gathered = gathered;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.medium {
            Medium::File(file) => file.write_all_at(bytes, self.written)?,
            Medium::Memory(there) => there.extend_from_slice(bytes),
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<Medium> {
        self.flush()?;
        Ok(self.medium)
    }
}
