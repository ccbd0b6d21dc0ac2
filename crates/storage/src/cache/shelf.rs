//! Objects as files of a folder that may vanish at any time.
//!
//! Promise: what is read is what was kept, or nothing. Every block carries a checksum over the name,
//! its place and its bytes, so that a part can be checked without the whole; a file that fails it is
//! removed. No failure here is anybody's error: a shelf that cannot be used is an empty one.
//!
//! Layout: `folder/<name with _ for />`, mode 0600, a run of blocks of 64 KiB (the last one shorter,
//! never absent), each after its checksum. Files appear by renaming, so that several processes can
//! share the folder; the time of a file's last change says when it was last used.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW, futimens};
use sha2::{Digest as _, Sha256};

use crate::limits::MAX_OBJECT_BYTES;
use crate::name::ObjectName;

const BLOCK: u64 = 64 << 10;
const SUM: usize = 32;
const RECORD: u64 = BLOCK + SUM as u64;
/// The longest file: that of the largest object.
const MAX_FILE: u64 = MAX_OBJECT_BYTES.div_ceil(BLOCK) * RECORD;

/// The folder and what is known of its size.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    most: u64,
    /// The bytes in the folder when it was last looked through, and those added since. Others may
    /// add, too; therefore it is looked through again after every tenth of the bound.
    known: Mutex<Option<Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    bytes: u64,
    added: u64,
}

impl Shelf {
    pub(super) fn new(folder: PathBuf, most: u64) -> Self {
        Self {
            folder,
            most,
            known: Mutex::default(),
        }
    }

    /// A whole object, or the part of it that a range tells; nothing where it is not here, or not
    /// wholly in order, or does not hold the range.
    pub(super) fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Option<Bytes> {
        let path = self.path(name);
        let flags = OFlags::NOFOLLOW.bits() as i32;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path);
        let file = file.ok()?;
        match read_part(&file, name, range) {
            Ok(Some(part)) => {
                mark_used(&file);
                Some(part)
            }
            Ok(None) => None,
            Err(_) => {
                // A sound copy that another process put here meanwhile would only be missed.
                let _ = std::fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps an object, and makes room for it.
    pub(super) fn keep(&self, name: &ObjectName, body: &[u8]) {
        let takes = file_length(body.len() as u64);
        if takes <= self.most && self.write(name, body).is_ok() {
            self.make_room(takes);
        }
    }

    pub(super) fn forget(&self, name: &ObjectName) {
        let _ = std::fs::remove_file(self.path(name));
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.folder.join(name.as_str().replace('/', "_"))
    }

    fn write(&self, name: &ObjectName, body: &[u8]) -> io::Result<()> {
        // The dot can stand in no object's name. A file left behind ages out like any other.
        let staging = self.folder.join(format!(".{:016x}", random_number()));
        let written = self.open_new(&staging).and_then(|mut file| {
            write_blocks(&mut file, name, body)?;
            std::fs::rename(&staging, self.path(name))
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&staging);
        }
        written
    }

    /// The folder is made when it is missing: nobody minds if it is removed meanwhile.
    fn open_new(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut builder = std::fs::DirBuilder::new();
                builder.recursive(true).mode(0o700).create(&self.folder)?;
                options.open(path)
            }
            opened => opened,
        }
    }

    fn make_room(&self, added: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &mut *known {
            known.bytes = known.bytes.saturating_add(added);
            known.added = known.added.saturating_add(added);
            if known.bytes <= self.most && known.added <= self.most / 10 {
                return;
            }
        }
        let bytes = self.remove_oldest();
        *known = Some(Known { bytes, added: 0 });
    }

    /// Removes what was not used for longest, and tells how many bytes remain.
    fn remove_oldest(&self) -> u64 {
        let mut files = self.files().unwrap_or_default();
        let mut total: u64 = files.iter().map(|file| file.length).sum();
        if total <= self.most {
            return total;
        }
        // A tenth more than needed, so that not every object has to make room for itself.
        let enough = self.most - self.most / 10;
        files.sort_by_key(|file| file.used);
        for file in files {
            if total <= enough {
                break;
            }
            if std::fs::remove_file(&file.path).is_ok() {
                total -= file.length;
            }
        }
        total
    }

    fn files(&self) -> io::Result<Vec<Kept>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            // One that another process has just removed is no failure.
            let Ok(facts) = entry.metadata() else {
                continue;
            };
            if facts.is_file() {
                files.push(Kept {
                    path: entry.path(),
                    length: facts.len(),
                    used: facts.modified()?,
                });
            }
        }
        Ok(files)
    }
}

struct Kept {
    path: PathBuf,
    length: u64,
    used: SystemTime,
}

/// Only names a staging file, which is opened exclusively.
fn random_number() -> u64 {
    RandomState::new().hash_one(0)
}

fn mark_used(file: &File) {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    // What cannot be marked goes a little sooner.
    let _ = futimens(file, &times);
}

fn blocks_of(length: u64) -> u64 {
    length.div_ceil(BLOCK).max(1)
}

fn file_length(length: u64) -> u64 {
    length + blocks_of(length) * SUM as u64
}

/// The length of the object in a file of this length, if there can be one.
fn object_length(file: u64) -> Option<u64> {
    let blocks = file.div_ceil(RECORD);
    let length = file.checked_sub(blocks * SUM as u64)?;
    (file_length(length) == file).then_some(length)
}

fn sum(name: &ObjectName, length: u64, block: u64, bytes: &[u8]) -> [u8; SUM] {
    let mut hash = Sha256::new();
    hash.update(b"ownkey cached block 1");
    hash.update(length.to_le_bytes());
    hash.update(block.to_le_bytes());
    hash.update([name.as_str().len() as u8]);
    hash.update(name.as_str());
    hash.update(bytes);
    hash.finalize().into()
}

fn write_blocks(file: &mut File, name: &ObjectName, body: &[u8]) -> io::Result<()> {
    let length = body.len() as u64;
    if body.is_empty() {
        return file.write_all(&sum(name, 0, 0, body));
    }
    for (block, bytes) in body.chunks(BLOCK as usize).enumerate() {
        file.write_all(&sum(name, length, block as u64, bytes))?;
        file.write_all(bytes)?;
    }
    Ok(())
}

/// `None` where the object does not hold the range; an error where the file is not sound.
fn read_part(
    file: &File,
    name: &ObjectName,
    range: Option<Range<u64>>,
) -> io::Result<Option<Bytes>> {
    let found = file.metadata()?.len();
    let length = (found <= MAX_FILE)
        .then(|| object_length(found))
        .flatten()
        .ok_or_else(unsound)?;
    if range
        .as_ref()
        .is_some_and(|range| range.is_empty() || range.end > length)
    {
        return Ok(None);
    }
    let wanted = range.unwrap_or(0..length);
    let first = wanted.start / BLOCK;
    let last = blocks_of(wanted.end) - 1;
    let mut bytes = BytesMut::with_capacity(((last - first + 1) * BLOCK) as usize);
    for block in first..=last {
        let held = (length - block * BLOCK).min(BLOCK) as usize;
        let mut record = vec![0; SUM + held];
        file.read_exact_at(&mut record, block * RECORD)?;
        let (told, body) = record.split_at(SUM);
        if told != sum(name, length, block, body) {
            return Err(unsound());
        }
        bytes.extend_from_slice(body);
    }
    let start = (wanted.start - first * BLOCK) as usize;
    let end = (wanted.end - first * BLOCK) as usize;
    Ok(Some(bytes.freeze().slice(start..end)))
}

fn unsound() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
