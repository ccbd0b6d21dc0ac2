//! What a snapshot says of itself: the sealed body of a Backup or Checkpoint
//! (docs/format.md §13).

use ownkey_crypto::ObjectHash;

use super::FormatError;
use super::cbor::{Reader, Record, Writer};
use super::node::Stream;
use super::position::{EntryRef, read_hash};
use super::time::Timestamp;

const LABEL_LIMIT: usize = 255;
const LISTS_LIMIT: usize = 4_096;
/// Most tags of a snapshot.
pub const MAX_TAGS: usize = LISTS_LIMIT;
const PATH_LIMIT: usize = 65_535;
const MESSAGE_LIMIT: usize = 4_096;
const PROFILE_LIMIT: usize = 64 << 10;

/// The record of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotRecord {
    /// The tree of the absolute paths that were backed up.
    pub root: Stream,
    /// The machine's name.
    pub host: String,
    /// The user's name.
    pub user: String,
    /// What was asked to be backed up, absolute.
    pub paths: Vec<Vec<u8>>,
    /// The user's tags.
    pub tags: Vec<String>,
    /// When the backup started.
    pub started: Timestamp,
    /// What is in it.
    pub counts: Counts,
    /// How many entries could not be read, or not wholly.
    pub problems: u64,
    /// The first of them: path and message.
    pub first_problems: Vec<(Vec<u8>, String)>,
    /// Version of the program that made it.
    pub version: String,
    /// A copy of the machine's profile, for a restore of its habits.
    pub profile: Option<Vec<u8>>,
    /// The snapshot it was compared with.
    pub parent: Option<ObjectHash>,
    /// The Backup that it was first, if that was forgotten and had back.
    pub original: Option<EntryRef>,
}

/// Most problems a record names; the number of all is in the record too.
pub const FIRST_PROBLEMS: usize = 1_000;

/// Sizes of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Regular files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Links, devices, FIFOs and sockets.
    pub others: u64,
    /// Sum of the files' sizes, holes included.
    pub bytes: u64,
    /// Plaintext of the chunks that were new.
    pub new_bytes: u64,
}

impl Record for SnapshotRecord {
    const WHAT: &'static str = "snapshot record";
    const LIMIT: usize = 8 << 20;

    fn write(&self, to: &mut Writer) {
        to.map(|f| {
            f.put(0, |w| w.record(&self.root));
            f.put(1, |w| w.text(&self.host));
            f.put(2, |w| w.text(&self.user));
            f.put(3, |w| w.array(&self.paths, |w, path| w.bytes(path)));
            f.put(4, |w| w.array(&self.tags, |w, tag| w.text(tag)));
            f.put(5, |w| w.record(&self.started));
            f.put(6, |w| w.record(&self.counts));
            f.put(7, |w| w.unsigned(self.problems));
            f.put(8, |w| {
                w.array(&self.first_problems, |w, (path, message)| {
                    w.tuple(2);
                    w.bytes(path);
                    w.text(message);
                });
            });
            f.put(9, |w| w.text(&self.version));
            f.put_some(10, self.profile.as_ref(), |w, profile| w.bytes(profile));
            f.put_some(11, self.parent.as_ref(), |w, parent| {
                w.bytes(parent.as_bytes());
            });
            f.put_some(12, self.original.as_ref(), Writer::record);
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.map(|m| {
            Ok(Self {
                root: m.required(0, Reader::record)?,
                host: m.required(1, |r| r.text(LABEL_LIMIT))?,
                user: m.required(2, |r| r.text(LABEL_LIMIT))?,
                paths: m.required(3, |r| {
                    r.array(LISTS_LIMIT, |r| Ok(r.bytes(PATH_LIMIT)?.to_vec()))
                })?,
                tags: m.required(4, |r| r.array(LISTS_LIMIT, |r| r.text(LABEL_LIMIT)))?,
                started: m.required(5, Reader::record)?,
                counts: m.required(6, Reader::record)?,
                problems: m.required(7, Reader::unsigned)?,
                first_problems: m.required(8, |r| r.array(FIRST_PROBLEMS, read_problem))?,
                version: m.required(9, |r| r.text(LABEL_LIMIT))?,
                profile: m.optional(10, |r| r.bytes(PROFILE_LIMIT).map(<[u8]>::to_vec))?,
                parent: m.optional(11, read_hash)?,
                original: m.optional(12, Reader::record)?,
            })
        })
    }
}

fn read_problem(r: &mut Reader<'_>) -> Result<(Vec<u8>, String), FormatError> {
    r.tuple(2)?;
    Ok((r.bytes(PATH_LIMIT)?.to_vec(), r.text(MESSAGE_LIMIT)?))
}

impl Record for Counts {
    const WHAT: &'static str = "counts";
    const LIMIT: usize = 64;

    fn write(&self, to: &mut Writer) {
        to.tuple(5);
        for figure in [
            self.files,
            self.directories,
            self.others,
            self.bytes,
            self.new_bytes,
        ] {
            to.unsigned(figure);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.tuple(5)?;
        Ok(Self {
            files: from.unsigned()?,
            directories: from.unsigned()?,
            others: from.unsigned()?,
            bytes: from.unsigned()?,
            new_bytes: from.unsigned()?,
        })
    }
}
